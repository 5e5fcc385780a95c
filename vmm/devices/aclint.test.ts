import { beforeEach, expect, test } from 'vitest';
import { Aclint, NEVER } from './aclint.ts';

let ticks: bigint;
let software: [number, boolean][];
let changed: number[];
let aclint: Aclint;

beforeEach(() => {
  ticks = 0n;
  software = [];
  changed = [];
  aclint = new Aclint(2, {
    setSoftwareInterrupt: (hart, level) => software.push([hart, level]),
    ticks: () => ticks,
    timerChanged: (hart) => changed.push(hart),
  });
});

test('msip raises a hart by its lowest bit', () => {
  aclint.write(4, 4, 0xffff_fffe);
  aclint.write(4, 4, 1);
  expect(aclint.read(4, 4)).toBe(1);
  expect(aclint.read(0, 4)).toBe(0);
  aclint.write(4, 4, 0);
  expect(software).toEqual([
    [1, false],
    [1, true],
    [1, false],
  ]);
});

test('mtimecmp is written in halves', () => {
  expect(aclint.timecmp(1)).toBe(NEVER);
  aclint.write(0x4008, 4, 0x89ab_cdef);
  aclint.write(0x400c, 4, 0x0123_4567);
  expect(aclint.timecmp(1)).toBe(0x0123_4567_89ab_cdefn);
  expect([aclint.read(0x4008, 4), aclint.read(0x400c, 4)]).toEqual([0x89ab_cdef, 0x0123_4567]);
  expect(changed).toEqual([1, 1]);
  expect(aclint.timecmp(0)).toBe(NEVER);
});

test('mtime follows the clock and can be set', () => {
  ticks = 0x1_0000_0002n;
  expect([aclint.read(0xbff8, 4), aclint.read(0xbffc, 4)]).toEqual([2, 1]);
  expect(aclint.read(0xbff8, 2)).toBe(2);
  aclint.write(0xbffc, 4, 0);
  aclint.write(0xbff8, 4, 0);
  expect(aclint.read(0xbffc, 4)).toBe(0);
  ticks += 5n;
  expect(aclint.read(0xbff8, 4)).toBe(5);
  expect(changed).toEqual([0, 1, 0, 1]);
});

test('harts that are not there have no registers', () => {
  for (const offset of [0x8, 0x4010, 0xbff4, 0xc000]) {
    aclint.write(offset, 4, 1);
    expect(aclint.read(offset, 4)).toBe(0);
  }
  aclint.write(0, 1, 1);
  expect(software).toEqual([]);
});

test('reset and restore tell the harts', () => {
  aclint.write(0, 4, 1);
  aclint.write(0x4000, 4, 7);
  const saved = structuredClone(aclint.save());
  software.length = 0;
  aclint.reset();
  expect(software).toEqual([
    [0, false],
    [1, false],
  ]);
  expect(aclint.timecmp(0)).toBe(NEVER);
  aclint.restore(saved);
  expect(software.slice(2)).toEqual([
    [0, true],
    [1, false],
  ]);
  expect(aclint.save()).toEqual(saved);
  expect(() => aclint.restore({ ...saved, timecmp: [1, 2] })).toThrow(/'timecmp'/);
});
