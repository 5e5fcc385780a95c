import { describe, expect, it } from 'vitest';
import { BareHarts, RAM_BASE } from '../../test/support/bare-hart.ts';
import type { PrivilegeLevel } from '../contracts/hart.ts';

const R = 1n;
const W = 2n;
const X = 4n;
const TOR = 8n;
const NA4 = 16n;
const NAPOT = 24n;
const L = 128n;
const ALL = 0x3f_ffff_ffff_ffffn;
const DATA = RAM_BASE + 0x4000;
const HANDLER = RAM_BASE + 0x1000;

/** Sets entries as [pmpaddr, configuration] and runs one instruction; 0, or the exception's cause. */
function run(
  entries: readonly (readonly [bigint, bigint])[],
  privilege: PrivilegeLevel,
  instruction: string,
  address = DATA,
): { cause: bigint; machine: BareHarts } {
  const machine = new BareHarts();
  machine.place('here:\n jal zero, here', HANDLER);
  machine.start(instruction, privilege);
  const { hart } = machine;
  hart.writeCsr(0x305, BigInt(HANDLER));
  let config = 0n;
  for (const [index, [pmpaddr, byte]] of entries.entries()) {
    hart.writeCsr(0x3b0 + index, pmpaddr);
    config |= byte << BigInt(index * 8);
  }
  hart.writeCsr(0x3a0, config);
  hart.setX(11, BigInt(address));
  hart.run(1);
  return { cause: hart.readCsr(0x342)!, machine };
}

const check = (
  ...[entries, privilege, instruction, cause, address]: [
    readonly (readonly [bigint, bigint])[],
    PrivilegeLevel,
    string,
    bigint,
    number?,
  ]
): void => {
  expect(run(entries, privilege, instruction, address).cause, `${instruction} ${entries.join(' ')}`).toBe(
    cause,
  );
};

const napot = (base: number, size: number): bigint => BigInt(base / 4 + size / 8 - 1);
const at = (address: number): bigint => BigInt(address) / 4n;
const CODE_PAGE = [napot(RAM_BASE, 4096), NAPOT | X] as const;
const OPEN = [ALL, NAPOT | R | W | X] as const;

describe('physical memory protection', () => {
  it('gives M-mode everything and other modes nothing while no entry is set', () => {
    check([], 3, 'ld a0, 0(a1)', 0n);
    check([], 1, 'ld a0, 0(a1)', 1n);
    check([], 0, 'ld a0, 0(a1)', 1n);
  });

  it('grants what the matching entry says', () => {
    check([CODE_PAGE, [napot(DATA, 4096), NAPOT | R]], 1, 'ld a0, 0(a1)', 0n);
    check([CODE_PAGE, [napot(DATA, 4096), NAPOT | R]], 1, 'sd a0, 0(a1)', 7n);
    check([CODE_PAGE, [napot(DATA, 4096), NAPOT | R]], 1, 'ld a0, 0(a1)', 5n, DATA + 4096);
    check([CODE_PAGE, [at(DATA), 0n], [at(DATA + 64), TOR | R | W]], 0, 'sd a0, 56(a1)', 0n);
    check([CODE_PAGE, [at(DATA), 0n], [at(DATA + 64), TOR | R | W]], 0, 'sd a0, 64(a1)', 7n);
    check([CODE_PAGE, [at(DATA + 8), NA4 | R]], 1, 'lw a0, 8(a1)', 0n);
    check([CODE_PAGE, [at(DATA + 8), NA4 | R]], 1, 'lw a0, 12(a1)', 5n);
  });

  it('denies an access that an entry matches only in part', () => {
    check([[at(DATA + 8), NA4 | R], OPEN], 1, 'ld a0, 8(a1)', 5n);
    check([[at(DATA + 8), NA4 | R], OPEN], 1, 'ld a0, 16(a1)', 0n);
    check([[at(DATA + 8), NA4 | R], OPEN], 3, 'ld a0, 8(a1)', 5n);
  });

  it('lets the lowest-numbered match decide', () => {
    check([[napot(DATA, 4096), NAPOT], OPEN], 1, 'ld a0, 0(a1)', 5n);
    check([OPEN, [napot(DATA, 4096), NAPOT]], 1, 'ld a0, 0(a1)', 0n);
  });

  it('binds M-mode by locked entries only', () => {
    check([[napot(DATA, 4096), NAPOT]], 3, 'ld a0, 0(a1)', 0n);
    check([[napot(DATA, 4096), NAPOT | L]], 3, 'ld a0, 0(a1)', 5n);
    check([[napot(DATA, 4096), NAPOT | L | R]], 3, 'ld a0, 0(a1)', 0n);
  });

  it('checks each access of a page that entries divide, fetches too', () => {
    const divided = [[napot(DATA, 32), NAPOT], OPEN] as const;
    const { machine } = run(divided, 1, 'ld a0, 64(a1)\n ld a0, 96(a1)\n ld a0, 8(a1)');
    machine.hart.run(1);
    expect(machine.hart.readCsr(0x342)).toBe(0n);
    machine.hart.run(1);
    expect(machine.hart.readCsr(0x342)).toBe(5n);

    const code = [[at(RAM_BASE + 8), NA4], OPEN] as const;
    const { machine: fetching } = run(code, 1, 'addi a0, a0, 1\n addi a0, a0, 1\n addi a0, a0, 1');
    fetching.hart.run(1);
    expect(fetching.hart.getX(10)).toBe(2n);
    fetching.hart.run(1);
    expect(fetching.hart.readCsr(0x342)).toBe(1n);
    expect(fetching.hart.readCsr(0x343)).toBe(BigInt(RAM_BASE + 8));
  });

  it('takes effect at once when written', () => {
    const machine = new BareHarts();
    machine.place('here:\n jal zero, here', HANDLER);
    machine.start(`
      ld a0, 0(a1)
      csrrw zero, pmpcfg0, a2
      ld a0, 0(a1)
    `);
    const { hart } = machine;
    hart.writeCsr(0x305, BigInt(HANDLER));
    hart.writeCsr(0x3b0, napot(DATA, 4096));
    hart.setX(11, BigInt(DATA));
    hart.setX(12, NAPOT | L);
    hart.run(2);
    expect(hart.readCsr(0x342)).toBe(0n);
    hart.run(1);
    expect(hart.readCsr(0x342)).toBe(5n);
  });

  it('keeps locked registers, and the address below a locked TOR entry', () => {
    const machine = new BareHarts();
    const { hart } = machine;
    hart.writeCsr(0x3b0, 0x1000n);
    hart.writeCsr(0x3b1, 0x2000n);
    hart.writeCsr(0x3a0, (TOR | L | R) << 8n);
    hart.writeCsr(0x3b0, 1n);
    hart.writeCsr(0x3b1, 1n);
    hart.writeCsr(0x3a0, 0x1fn | (0x1fn << 8n));
    expect(hart.readCsr(0x3b0)).toBe(0x1000n);
    expect(hart.readCsr(0x3b1)).toBe(0x2000n);
    expect(hart.readCsr(0x3a0)).toBe(((TOR | L | R) << 8n) | 0x1fn);
  });

  it('reads back what is legal: no W without R, 54 address bits', () => {
    const { hart } = new BareHarts();
    hart.writeCsr(0x3a2, 0x62n);
    expect(hart.readCsr(0x3a2)).toBe(0n);
    hart.writeCsr(0x3bf, 0xffff_ffff_ffff_ffffn);
    expect(hart.readCsr(0x3bf)).toBe(ALL);
  });
});
