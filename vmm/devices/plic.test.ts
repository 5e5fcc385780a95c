import { beforeEach, describe, expect, test } from 'vitest';
import { PLIC_SOURCE_MAX, Plic, type PlicEvent } from './plic.ts';

/** Contexts of two harts: 0 and 2 in M-mode, 1 and 3 in S-mode. */
const CONTEXTS = 4;
const priority = (source: number): number => 4 * source;
const PENDING = 0x1000;
const enable = (context: number): number => 0x2000 + 0x80 * context;
const threshold = (context: number): number => 0x20_0000 + 0x1000 * context;
const claim = (context: number): number => threshold(context) + 4;

let targets: boolean[];
let events: string[];
let plic: Plic;

beforeEach(() => {
  targets = Array.from({ length: CONTEXTS }, () => false);
  events = [];
  plic = new Plic(CONTEXTS, {
    setTarget: (context, level) => (targets[context] = level),
    transition: (source: number, event: PlicEvent, effect) => {
      events.push(`${source} ${event}`);
      effect();
    },
  });
});

const read = (offset: number): number => plic.read(offset, 4);
const write = (offset: number, value: number): void => plic.write(offset, 4, value);
/** Gives sources priority 1 and enables them for a context. */
function arm(context: number, ...sources: number[]): void {
  for (const source of sources) {
    write(priority(source), 1);
    const word = enable(context) + 4 * (source >> 5);
    write(word, read(word) | (1 << (source & 31)));
  }
}

describe('claiming and completing', () => {
  test('a line raised, claimed and completed', () => {
    arm(1, 10);
    plic.setLine(10, true);
    expect(targets).toEqual([false, true, false, false]);
    expect(read(PENDING)).toBe(1 << 10);
    expect(plic.peek(claim(1), 4)).toBe(10);
    expect(read(claim(1))).toBe(10);
    expect(targets[1]).toBe(false);
    expect(read(PENDING)).toBe(0);
    expect(read(claim(1))).toBe(0);
    plic.setLine(10, false);
    write(claim(1), 10);
    expect(targets[1]).toBe(false);
    expect(events).toEqual(['10 raised', '10 claimed', '10 lowered', '10 completed']);
  });

  test('a line still high at completion is pending again', () => {
    arm(1, 10);
    plic.setLine(10, true);
    read(claim(1));
    write(claim(1), 10);
    expect(targets[1]).toBe(true);
    expect(read(claim(1))).toBe(10);
  });

  test('a line that rises while in service waits for the completion', () => {
    arm(1, 10);
    plic.setLine(10, true);
    read(claim(1));
    plic.setLine(10, false);
    plic.setLine(10, true);
    expect(read(PENDING)).toBe(0);
    write(claim(1), 10);
    expect(read(PENDING)).toBe(1 << 10);
  });

  test('what was forwarded is claimed even if its line fell before', () => {
    arm(1, 10);
    plic.setLine(10, true);
    plic.setLine(10, false);
    expect(targets[1]).toBe(true);
    expect(read(claim(1))).toBe(10);
    write(claim(1), 10);
    expect(read(claim(1))).toBe(0);
  });

  test.each([
    ['0', 0],
    ['beyond the sources', PLIC_SOURCE_MAX + 1],
    ['not in service', 11],
    ['not enabled for the context', 10],
  ])('a completion of a source %s is ignored', (_, source) => {
    arm(1, 10);
    plic.setLine(10, true);
    read(claim(1));
    write(claim(3), source);
    const { inService } = plic.save();
    expect(inService).toEqual([1 << 10, 0, 0, 0]);
  });

  test('one claim wins when two contexts are interrupted', () => {
    arm(1, 10);
    arm(3, 10);
    plic.setLine(10, true);
    expect([targets[1], targets[3]]).toEqual([true, true]);
    expect(read(claim(3))).toBe(10);
    expect([targets[1], targets[3]]).toEqual([false, false]);
    expect(read(claim(1))).toBe(0);
  });
});

describe('priorities', () => {
  test('the highest priority first, of equals the lowest source', () => {
    arm(0, 3, 33, 96, 40);
    write(priority(33), 5);
    write(priority(96), 5);
    for (const source of [40, 96, 33, 3]) plic.setLine(source, true);
    expect([1, 2, 3, 4, 5].map(() => read(claim(0)))).toEqual([33, 96, 3, 40, 0]);
  });

  test('priority 0 never interrupts', () => {
    arm(0, 5);
    write(priority(5), 0);
    plic.setLine(5, true);
    expect(targets[0]).toBe(false);
    expect(read(claim(0))).toBe(0);
    write(priority(5), 1);
    expect(targets[0]).toBe(true);
  });

  test('the threshold masks the interrupt but not the claim', () => {
    arm(0, 5);
    write(priority(5), 3);
    write(threshold(0), 3);
    plic.setLine(5, true);
    expect(targets[0]).toBe(false);
    write(threshold(0), 2);
    expect(targets[0]).toBe(true);
    write(threshold(0), 7);
    expect(targets[0]).toBe(false);
    expect(read(claim(0))).toBe(5);
  });

  test('three bits of priority and threshold exist', () => {
    write(priority(1), 0xffff_ffff);
    write(threshold(2), 9);
    expect(read(priority(1))).toBe(7);
    expect(read(threshold(2))).toBe(1);
  });
});

describe('registers', () => {
  test('source 0 does not exist', () => {
    write(priority(0), 7);
    write(enable(0), 0xffff_ffff);
    expect(read(priority(0))).toBe(0);
    expect(read(enable(0))).toBe(0xffff_fffe);
    expect(read(enable(0) + 4)).toBe(0);
  });

  test('pending cannot be written, and what is not there reads zero', () => {
    write(PENDING, 0xffff_ffff);
    expect(read(PENDING)).toBe(0);
    for (const offset of [
      priority(97),
      0x1010,
      enable(4),
      enable(0) + 16,
      threshold(4),
      claim(0) + 4,
      0x5f_fffc,
    ]) {
      write(offset, 1);
      expect(read(offset)).toBe(0);
    }
    expect(plic.read(priority(1), 1)).toBe(0);
    expect(plic.read(claim(0) + 1, 4)).toBe(0);
  });

  test('saved state restores', () => {
    arm(1, 10, 11);
    plic.setLine(10, true);
    plic.setLine(11, true);
    read(claim(1));
    const saved = structuredClone(plic.save());
    plic.reset();
    expect(targets).toEqual([false, false, false, false]);
    plic.restore(saved);
    expect(plic.save()).toEqual(saved);
    expect(targets[1]).toBe(true);
    expect(read(claim(1))).toBe(11);
    expect(() => plic.restore({ ...saved, enable: [1] })).toThrow(/'enable'/);
  });
});
