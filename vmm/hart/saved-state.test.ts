import { describe, expect, it } from 'vitest';
import { BareHarts, RAM_BASE } from '../../test/support/bare-hart.ts';

const PROGRAM = `
    li t0, ${RAM_BASE + 0x4000}
    li t1, 0x6000
    csrrs zero, mstatus, t1
    csrrwi zero, mscratch, 7
    csrrwi zero, minstret, 3
  loop:
    lr.d a0, (t0)
    addi a0, a0, 1
    sc.d a1, a0, (t0)
    fcvt.d.l f1, a0
    fadd.d f2, f2, f1
    fdiv.d f3, f2, f1
    csrrs a2, minstret, zero
    csrrs a3, fcsr, zero
    jal zero, loop
`;

describe('saved state', () => {
  it('continues as if nothing had happened, from any step', () => {
    for (const at of [1, 8, 14, 15, 16, 17, 40]) {
      const whole = new BareHarts();
      whole.start(PROGRAM);
      whole.hart.run(100);

      const first = new BareHarts();
      first.start(PROGRAM);
      first.hart.run(at);
      const saved = first.hart.save();
      const second = new BareHarts();
      second.memory.ram.set(first.memory.ram);
      second.hart.restore(saved);
      second.hart.run(100 - at);
      expect(second.hart.save(), `saved at step ${at}`).toEqual(whole.hart.save());
      expect(second.read64(RAM_BASE + 0x4000)).toBe(whole.read64(RAM_BASE + 0x4000));
    }
  });

  it('refuses what it does not know', () => {
    const { hart } = new BareHarts();
    const saved = hart.save();
    expect(() => hart.restore({ ...saved, version: 99 })).toThrow(/version 99/);
    expect(() => hart.restore({ ...saved, pc: 'x' })).toThrow(/"pc"/);
    expect(() => hart.restore({ ...saved, x: [1n] })).toThrow(/"x"/);
    expect(() => hart.restore({ ...saved, csrs: null })).toThrow(/"csrs"/);
  });
});
