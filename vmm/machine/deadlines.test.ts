import { describe, expect, test } from 'vitest';
import { programMachine } from '../../test/support/program-machine.ts';

const MTIP = 1n << 7n;
const OWN = 0x200_4000;

describe('mtimecmp, as the hart that writes it sees its timer', () => {
  test('the next instruction finds the interrupt pending, or not any more', () => {
    const { machine } = programMachine(`
      li t0, ${OWN}
      li t1, -1
      csrrs a0, mip, zero
      sd zero, 0(t0)
      csrrs a1, mip, zero
      sd t1, 0(t0)
      csrrs a2, mip, zero
      sw zero, 4(t0)
      csrrs a3, mip, zero
      sw zero, 0(t0)
      csrrs a4, mip, zero
    halt:
      jal zero, halt
    `);
    machine.run(50);
    const [hart] = machine.harts;
    expect([10, 11, 12, 13, 14].map((register) => hart!.getX(register) & MTIP)).toEqual([
      0n,
      MTIP,
      0n,
      0n,
      MTIP,
    ]);
  });

  // Steps 0 to 99 are in tick 0, so a timer for tick n pends from step 100 n on.
  test.each([1, 2, 3, 7, 100])('one that is set within a run comes at its step: tick %i', (tick) => {
    const { machine } = programMachine(`
      lla t0, handler
      csrrw zero, mtvec, t0
      li t0, ${OWN}
      li t1, ${tick}
      sd t1, 0(t0)
      li t1, 128
      csrrw zero, mie, t1
      csrrsi zero, mstatus, 8
    loop:
      jal zero, loop
      .balign 4
    handler:
      csrrs a0, mcycle, zero
    halt:
      jal zero, halt
    `);
    machine.run(20_000);
    expect(machine.harts[0]!.getX(10)).toBe(BigInt(100 * tick));
  });

  test('moved away by its handler it comes again, as often as it should', () => {
    const { machine } = programMachine(`
      lla t0, handler
      csrrw zero, mtvec, t0
      li t0, ${OWN}
      li t1, 10
      sd t1, 0(t0)
      li t2, 128
      csrrw zero, mie, t2
      csrrsi zero, mstatus, 8
    loop:
      jal zero, loop
      .balign 4
    handler:
      addi a0, a0, 1
      addi t1, t1, 10
      sd t1, 0(t0)
      mret
    `);
    machine.run(100_500);
    expect(machine.harts[0]!.getX(10)).toBe(100n);
  });
});

test('one hart sets the other’s timer', () => {
  const { machine } = programMachine(
    `
      csrrs t2, mhartid, zero
      bne t2, zero, other
      li t0, ${OWN}
      sd zero, 8(t0)
    halt:
      jal zero, halt
    other:
      csrrs a0, mip, zero
      andi a0, a0, 128
      beq a0, zero, other
      csrrs a1, mcycle, zero
      jal zero, halt
    `,
    { harts: 2 },
  );
  machine.run(20_000);
  expect(machine.harts[1]!.getX(10)).toBe(MTIP);
  // In its first turn: hart 0 had its own before.
  expect(machine.harts[1]!.getX(11)).toBeLessThan(20n);
});
