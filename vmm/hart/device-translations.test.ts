import { describe, expect, it } from 'vitest';
import { DEVICE } from '../../test/support/bare-hart.ts';
import { DATA, PagedHart } from '../../test/support/paged-hart.ts';
import { TLB_ENTRIES } from './layout.ts';

const V = 1n;
const R = 2n;
const W = 4n;
const U = 16n;
const A = 64n;
const D = 128n;
const VA = 0x4000_1000n;

/** A page of a device at VA, and its address in a1. */
function pageOfDevice(flags: bigint): PagedHart {
  const paged = new PagedHart();
  paged.map(VA, BigInt(DEVICE), flags);
  paged.hart.setX(11, VA);
  paged.machine.deviceValue = 0x70n;
  paged.machine.write64(DATA, 0x1234n);
  return paged;
}

const load = (paged: PagedHart): bigint => {
  expect(paged.execute('ld a0, 0(a1)')).toBe(0n);
  return paged.hart.getX(10);
};

describe('a cached translation to a device', () => {
  it('holds until a fence, as any other', () => {
    const paged = pageOfDevice(V | R | A);
    expect(load(paged)).toBe(0x70n);
    paged.replace(VA, BigInt(DATA), V | R | A);
    expect(load(paged)).toBe(0x71n);
    expect(paged.execute('sfence.vma zero, zero')).toBe(0n);
    expect(load(paged)).toBe(0x1234n);
    paged.replace(VA, BigInt(DEVICE), V | R | A);
    expect(load(paged)).toBe(0x1234n);
    expect(paged.execute('sfence.vma a1, zero')).toBe(0n);
    expect(load(paged)).toBe(0x72n);
  });

  it('is for loads or for stores', () => {
    const paged = pageOfDevice(V | R | A);
    expect(load(paged)).toBe(0x70n);
    expect(paged.execute('sd a0, 0(a1)')).toBe(15n);
    const leaf = paged.map(VA, BigInt(DEVICE), V | R | W | A);
    expect(load(paged)).toBe(0x71n);
    expect(paged.execute('sd a0, 0(a1)\n sw a1, 0(a1)', 2)).toBe(0n);
    expect(paged.machine.deviceWrites).toEqual([0x71n, VA]);
    expect(paged.machine.read64(leaf) & D).toBe(D);
  });

  it('is the privilege level’s own', () => {
    const paged = pageOfDevice(V | R | U | A);
    paged.hart.writeCsr(0x100, 1n << 18n);
    expect(load(paged)).toBe(0x70n);
    paged.hart.writeCsr(0x100, 0n);
    expect(paged.execute('ld a0, 0(a1)')).toBe(13n);
  });

  it('ends when protection changes', () => {
    const paged = pageOfDevice(V | R | A);
    expect(load(paged)).toBe(0x70n);
    // An entry for the device's page without permissions, before the one that opens everything.
    paged.hart.writeCsr(0x3b1, 0x3f_ffff_ffff_ffffn);
    paged.hart.writeCsr(0x3b0, BigInt(DEVICE >>> 2) | 0x1ffn);
    paged.hart.writeCsr(0x3a0, 0x1f18n);
    expect(paged.execute('ld a0, 0(a1)')).toBe(5n);
  });

  it('gives way to RAM, and RAM to it, where both have one entry', () => {
    const paged = pageOfDevice(V | R | A);
    const other = VA + BigInt(TLB_ENTRIES * 4096);
    paged.map(other, BigInt(DATA), V | R | W | A | D);
    paged.hart.setX(12, other);
    for (let round = 0n; round < 3n; round++) {
      expect(paged.execute('ld a0, 0(a1)\n ld a3, 0(a2)', 2)).toBe(0n);
      expect([paged.hart.getX(10), paged.hart.getX(13)]).toEqual([0x70n + round, 0x1234n]);
    }
  });

  it('lets no misaligned access through, nor an atomic one', () => {
    const paged = pageOfDevice(V | R | W | A | D);
    expect(load(paged)).toBe(0x70n);
    paged.hart.setX(11, VA + 2n);
    expect(paged.execute('ld a0, 0(a1)')).toBe(5n);
    paged.hart.setX(11, VA);
    expect(paged.execute('amoadd.d a0, a0, (a1)')).toBe(7n);
    expect(paged.execute('lr.d a0, (a1)')).toBe(5n);
    expect(paged.machine.deviceWrites).toEqual([]);
  });

  it('serves accesses at physical addresses too', () => {
    const paged = pageOfDevice(V | R | A);
    paged.hart.writeCsr(0x180, 0n);
    paged.hart.setX(11, BigInt(DEVICE));
    expect([load(paged), load(paged)]).toEqual([0x70n, 0x71n]);
    paged.hart.setX(11, BigInt(DEVICE) + 0x800n);
    expect(paged.execute('ld a0, 0(a1)')).toBe(5n);
    paged.hart.setX(11, (1n << 32n) | BigInt(DEVICE));
    expect(paged.execute('ld a0, 0(a1)')).toBe(5n);
  });
});
