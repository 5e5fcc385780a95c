import { describe, expect, it } from 'vitest';
import { BareHarts, RAM_BASE } from '../../test/support/bare-hart.ts';
import { CSRS } from '../isa/csrs.ts';
import { CSR_DEFINITIONS } from './csr.ts';

const ONES = 0xffff_ffff_ffff_ffffn;

describe('CSRs', () => {
  it('are described by the CSR table, under the same names', () => {
    const described = new Map(CSRS.map(({ number, name }) => [number, name]));
    for (const { number, name } of CSR_DEFINITIONS) expect(described.get(number), name).toBe(name);
    expect(new Set(CSR_DEFINITIONS.map(({ number }) => number)).size).toBe(CSR_DEFINITIONS.length);
    expect(CSR_DEFINITIONS.length).toBeGreaterThan(100);
  });

  it('keep what their fields allow', () => {
    const check = (number: number, written: bigint, read: bigint): void => {
      const { hart } = new BareHarts();
      expect(hart.writeCsr(number, written)).toBe(true);
      expect(hart.readCsr(number), `0x${number.toString(16)}`).toBe(read);
    };
    check(0x300, ONES, 0x8000_000a_007e_79aan); // mstatus, SD because FS is dirty
    check(0x300, 0n, 0xa_0000_0000n);
    check(0x300, 2n << 11n, 0xa_0000_0000n); // MPP = 2 names no level: it keeps its value
    check(0x100, ONES, 0x8000_0002_000c_6122n);
    check(0x302, ONES, 0xb3ffn);
    check(0x303, ONES, 0x2222n);
    check(0x304, ONES, 0x2aaan);
    check(0x305, ONES, 0n); // mode 3 is reserved
    check(0x305, 0x8000_0001n, 0x8000_0001n);
    check(0x341, ONES, ONES - 1n);
    check(0x340, ONES, ONES);
    check(0x30a, ONES, 0xe000_0000_0000_00f1n);
    check(0x10a, ONES, 0xf1n);
    check(0x10a, 2n << 4n, 0n); // CBIE = 2 is reserved: it keeps its value
    check(0x180, (8n << 60n) | 0x1234_5678n, (8n << 60n) | 0x1234_5678n);
    check(0x180, (9n << 60n) | (ONES >> 8n), (9n << 60n) | (ONES >> 8n));
    check(0x180, (11n << 60n) | 1n, 0n); // a reserved MODE: nothing is written
    check(0x301, 0n, 0x8000_0000_0014_112fn);
    check(0x003, ONES, 0xffn);
    check(0x320, ONES, 0xffff_fffdn);
    check(0xb03, ONES, ONES);
    check(0x323, (0xffn << 56n) | 1n, (0xfn << 60n) | 1n);
    check(0x323, 0x12345n, 0n); // no event has this number
    check(0x30c, ONES, 3n << 62n);
    check(0x30d, ONES, 1n << 63n);
    check(0x10c, ONES, 0n);
    check(0xf14, ONES, 0n);
  });

  it('say when there is none', () => {
    const { hart } = new BareHarts();
    expect(hart.readCsr(0x7c0)).toBeUndefined();
    expect(hart.writeCsr(0x7c0, 0n)).toBe(false);
  });

  it('are set, cleared and written by instructions', () => {
    const machine = new BareHarts();
    machine.start(`
      li a1, 0xff0
      csrrw a2, mscratch, a1
      csrrsi a3, mscratch, 15
      csrrci a4, mscratch, 1
      csrrc a5, mscratch, a1
      csrrwi a6, mscratch, 9
      csrrw a1, mscratch, a1
      csrrs a7, mscratch, zero
    `);
    machine.hart.run(9);
    const registers = [12, 13, 14, 15, 16, 11, 17].map((index) => machine.hart.getX(index));
    expect(registers).toEqual([0n, 0xff0n, 0xfffn, 0xffen, 0xen, 9n, 0xff0n]);
  });

  it('count what the specification says after a write', () => {
    const machine = new BareHarts();
    machine.start(`
      csrrwi zero, minstret, 20
      csrrs a0, minstret, zero
      csrrs a1, minstret, zero
      csrrwi zero, mcycle, 5
      csrrs a2, mcycle, zero
      csrrwi zero, mcountinhibit, 5
      csrrs a3, minstret, zero
      csrrs a4, minstret, zero
      csrrwi zero, mcountinhibit, 0
      csrrs a5, minstret, zero
      csrrs a6, instret, zero
    `);
    machine.hart.run(11);
    const [a0, a1, a2, a3, a4, a5, a6] = [10, 11, 12, 13, 14, 15, 16].map((index) =>
      machine.hart.getX(index),
    );
    expect([a0, a1, a2]).toEqual([20n, 21n, 5n]);
    expect(a4).toBe(a3);
    expect(a5).toBe(a3);
    expect(a6).toBe(a5! + 1n);
  });

  it('need floating point to be on, and mark it dirty', () => {
    const machine = new BareHarts();
    machine.start(`
      csrrs a0, fcsr, zero
    `);
    machine.hart.run(1);
    expect(machine.hart.readCsr(0x342)).toBe(2n);

    const on = new BareHarts();
    on.start('csrrwi zero, fcsr, 3\n fadd.s f1, f1, f1');
    on.hart.writeCsr(0x300, 1n << 13n);
    on.hart.run(1);
    expect(on.hart.readCsr(0x300)! >> 63n).toBe(1n);
    on.hart.writeCsr(0x300, 2n << 13n);
    expect(on.hart.readCsr(0x300)! >> 63n).toBe(0n);
    on.hart.run(1);
    expect((on.hart.readCsr(0x300)! >> 13n) & 3n).toBe(3n);
  });

  it('make a reserved rounding mode illegal', () => {
    const machine = new BareHarts();
    machine.start('fadd.s f1, f1, f1');
    machine.hart.writeCsr(0x300, 1n << 13n);
    machine.hart.writeCsr(0x002, 5n);
    machine.hart.run(1);
    expect(machine.hart.readCsr(0x342)).toBe(2n);
    expect(machine.hart.getPc()).not.toBe(BigInt(RAM_BASE + 4));
  });
});

describe('floating point', () => {
  const run = (program: string, f: Record<number, bigint>): BareHarts => {
    const machine = new BareHarts();
    machine.start(program);
    machine.hart.writeCsr(0x300, 1n << 13n);
    for (const [index, value] of Object.entries(f)) machine.hart.setF(Number(index), value);
    machine.hart.run(program.split('\n').length);
    return machine;
  };

  it('goes the exact way where the fast one would not do, and sets flags', () => {
    const one = 0x3ff0_0000_0000_0000n;
    const three = 0x4008_0000_0000_0000n;
    const { hart } = run('fdiv.d f3, f1, f2', { 1: one, 2: three });
    expect(hart.getF(3)).toBe(0x3fd5_5555_5555_5555n);
    expect(hart.readCsr(0x001)).toBe(1n);
    const up = run('fdiv.d f3, f1, f2, rup', { 1: one, 2: three });
    expect(up.hart.getF(3)).toBe(0x3fd5_5555_5555_5556n);
    const zero = run('fdiv.d f3, f1, f2', { 1: one, 2: 0n });
    expect(zero.hart.getF(3)).toBe(0x7ff0_0000_0000_0000n);
    expect(zero.hart.readCsr(0x001)).toBe(8n);
  });

  it('reads a single that is not NaN-boxed as the canonical NaN', () => {
    const boxed = 0xffff_ffff_3f80_0000n;
    expect(run('fadd.s f3, f1, f2', { 1: boxed, 2: boxed }).hart.getF(3)).toBe(0xffff_ffff_4000_0000n);
    expect(run('fadd.s f3, f1, f2', { 1: boxed, 2: 0x3f80_0000n }).hart.getF(3)).toBe(0xffff_ffff_7fc0_0000n);
  });

  it('uses all three operands of a fused multiply-add', () => {
    const { hart } = run('fmadd.d f31, f10, f11, f30', {
      10: 0x4000_0000_0000_0000n,
      11: 0x4008_0000_0000_0000n,
      30: 0x3ff0_0000_0000_0000n,
    });
    expect(hart.getF(31)).toBe(0x401c_0000_0000_0000n); // 7.0
  });
});
