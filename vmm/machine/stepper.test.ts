import { describe, expect, test } from 'vitest';
import { type ProgramMachine, programMachine } from '../../test/support/program-machine.ts';
import type { StepRequest } from '../contracts/machine.ts';

/** Runs one step to its end and gives the label, or the address, where it ended. */
function step(target: ProgramMachine, request: Partial<StepRequest> & { hart?: number }): string {
  target.machine.beginStep({ hart: 0, mode: 'over', ranges: [], ...request });
  const stop = target.runToStop(10_000_000);
  expect(stop.reason).toBe('step');
  expect(stop.hart).toBe(request.hart ?? 0);
  return placeOf(target, stop.pc);
}

function placeOf({ labels }: ProgramMachine, pc: bigint): string {
  return Object.entries(labels).find(([, address]) => address === pc)?.[0] ?? `0x${pc.toString(16)}`;
}

/** Goes to a label by a breakpoint. */
function goTo(target: ProgramMachine, label: string): void {
  target.machine.setBreakpoints(new Set([target.labels[label]!]));
  target.runToStop(10_000_000);
  target.machine.setBreakpoints(new Set());
}

const range = ({ labels }: ProgramMachine, from: string, to: string) => ({
  start: labels[from]!,
  end: labels[to]!,
});

/** A call, a recursive function with a frame, and a loop. */
const CALLS = `
  li sp, 0x80010000
line1:
  li a0, 4
  jal ra, sum
line2:
  addi s1, a0, 0
  c.jalr s3
loop:
  addi s2, s2, 1
  slti t0, s2, 100
  bne t0, zero, loop
end:
  jal zero, end
sum:
  bne a0, zero, more
  jalr zero, 0(ra)
more:
  addi sp, sp, -16
  sd ra, 8(sp)
  sd a0, 0(sp)
  addi a0, a0, -1
inner:
  jal ra, sum
back:
  ld t0, 0(sp)
  add a0, a0, t0
  ld ra, 8(sp)
  addi sp, sp, 16
  jalr zero, 0(ra)
leaf:
  c.jr ra
`;
/** `c.jalr s3` calls this. */
function callsMachine(): ProgramMachine {
  const target = programMachine(CALLS);
  target.machine.writeRegister(0, 's3', target.labels['leaf']!);
  return target;
}

describe('stepping by instruction', () => {
  test('one after the other', () => {
    const target = programMachine('a:\n addi a0, a0, 1\nb:\n c.addi a0, 1\nc:\n jal zero, a');
    expect([1, 2, 3, 4].map(() => step(target, {}))).toEqual(['b', 'c', 'a', 'b']);
    expect(target.machine.steps).toBe(4n);
  });

  test('into a call, and over one', () => {
    const into = callsMachine();
    goTo(into, 'line1');
    expect([step(into, { mode: 'into' }), step(into, { mode: 'into' })].at(-1)).toBe('sum');
    const over = callsMachine();
    goTo(over, 'line1');
    step(over, {});
    expect(step(over, {})).toBe('line2');
    expect(over.machine.harts[0]!.getX(10)).toBe(10n);
    step(over, {});
    expect(step(over, {})).toBe('loop');
  });

  test('an instruction with a breakpoint on it is executed, and one behind it stops', () => {
    const target = programMachine('a:\n addi a0, a0, 1\nb:\n addi a0, a0, 1\nc:\n jal zero, a');
    target.machine.setBreakpoints(new Set([target.labels['a']!, target.labels['b']!]));
    expect(step(target, {})).toBe('b');
    expect(step(target, {})).toBe('c');
    expect(target.runToStop()).toMatchObject({ reason: 'breakpoint', pc: target.labels['a'] });
  });

  test('WFI is a step of its own', () => {
    const target = programMachine('wfi\nafter:\n jal zero, after');
    expect(step(target, {})).toBe('after');
    target.machine.beginStep({ hart: 0, mode: 'over', ranges: [] });
    expect(target.machine.run(1_000_000)).toEqual({ kind: 'idle', untilStep: null });
  });
});

describe('stepping by ranges', () => {
  test('a line with a call, over', () => {
    const target = callsMachine();
    goTo(target, 'line1');
    expect(step(target, { ranges: [range(target, 'line1', 'line2')] })).toBe('line2');
  });

  test('a line with a call, into', () => {
    const target = callsMachine();
    goTo(target, 'line1');
    expect(step(target, { mode: 'into', ranges: [range(target, 'line1', 'line2')] })).toBe('sum');
  });

  test('a loop within the range runs to its end', () => {
    const target = callsMachine();
    goTo(target, 'loop');
    expect(step(target, { ranges: [range(target, 'loop', 'end')] })).toBe('end');
    expect(target.machine.harts[0]!.getX(18)).toBe(100n);
  });

  test('a recursive call returns to its own frame', () => {
    const target = callsMachine();
    goTo(target, 'inner');
    goTo(target, 'inner');
    const sp = target.machine.harts[0]!.getX(2);
    expect(step(target, { ranges: [range(target, 'inner', 'back')] })).toBe('back');
    expect(target.machine.harts[0]!.getX(2)).toBe(sp);
    expect(target.machine.harts[0]!.getX(10)).toBe(3n);
  });

  test("a user's breakpoint within a call comes first and ends the step", () => {
    const target = callsMachine();
    goTo(target, 'line1');
    target.machine.setBreakpoints(new Set([target.labels['back']!]));
    target.machine.beginStep({ hart: 0, mode: 'over', ranges: [range(target, 'line1', 'line2')] });
    expect(target.runToStop()).toMatchObject({ reason: 'breakpoint', pc: target.labels['back'] });
    target.machine.setBreakpoints(new Set());
    expect(target.machine.run(10_000).kind).toBe('budget');
  });
});

describe('stepping out', () => {
  test('to the caller, of two frames the right one', () => {
    const target = callsMachine();
    goTo(target, 'inner');
    goTo(target, 'inner');
    const sp = target.machine.harts[0]!.getX(2);
    const returnTo = { pc: target.labels['back']!, sp: sp + 16n };
    expect(step(target, { mode: 'out', returnTo })).toBe('back');
    expect(target.machine.harts[0]!.getX(2)).toBe(sp + 16n);
  });

  test('needs to know where to', () => {
    const { machine } = callsMachine();
    expect(() => machine.beginStep({ hart: 0, mode: 'out', ranges: [] })).toThrow(/returnTo/);
    expect(() => machine.beginStep({ hart: 7, mode: 'into', ranges: [] })).toThrow(/no hart 7/);
  });
});

/** A handler for everything: skips the instruction of an exception, disarms the timer of an interrupt. */
const TRAPS = `
  lla t0, handler
  csrrw zero, mtvec, t0
  li sp, 0x80010000
  li s0, 0x2004000
  li s5, -1
start:
  addi s1, s1, 1
call:
  ecall
behind:
  addi s1, s1, 1
far:
  jal zero, far
handler:
  addi sp, sp, -16
  addi s4, s4, 1
  csrrs t1, mcause, zero
  blt t1, zero, interrupt
  csrrs t1, mepc, zero
  addi t1, t1, 4
  csrrw zero, mepc, t1
  addi sp, sp, 16
  mret
interrupt:
  sd s5, 0(s0)
  addi sp, sp, 16
  mret
`;

describe('traps within a step', () => {
  test('an exception: into its handler', () => {
    const target = programMachine(TRAPS);
    goTo(target, 'call');
    expect(step(target, { mode: 'into' })).toBe('handler');
  });

  test('an exception: over, behind the instruction', () => {
    const target = programMachine(TRAPS);
    goTo(target, 'call');
    expect(step(target, {})).toBe('behind');
    expect(target.machine.harts[0]!.getX(20)).toBe(1n);
  });

  test('a handler that tries again: the step is complete once the instruction is', () => {
    const target = programMachine(`
      lla t0, handler
      csrrw zero, mtvec, t0
      lla s0, cell
      li s1, 0x100
    load:
      ld a0, 0(s1)
    behind:
      jal zero, behind
    handler:
      addi s1, s0, 0
      mret
    cell:
      .dword 77
    `);
    goTo(target, 'load');
    expect(step(target, {})).toBe('behind');
    expect(target.machine.harts[0]!.getX(10)).toBe(77n);
  });

  test.each(['into', 'over'] as const)('an interrupt runs to its end, %s', (mode) => {
    const target = programMachine(TRAPS);
    goTo(target, 'start');
    const { machine } = target;
    const hart = machine.harts[0]!;
    machine.writeCsr(0, MIE, 0x80n);
    armTimer(target);
    expect(step(target, { mode })).toBe('call');
    expect(hart.getX(20)).toBe(1n);
    expect(hart.getX(9)).toBe(1n);
  });

  test('the built-in SBI is one instruction', () => {
    const target = programMachine('li a7, 0x10\n li a6, 0\ncall:\n ecall\nbehind:\n jal zero, behind', {
      firmware: 'builtin',
    });
    goTo(target, 'call');
    expect(step(target, { mode: 'into' })).toBe('behind');
    expect(target.machine.harts[0]!.getX(11)).toBe(0x300_0000n);
  });
});

const MSTATUS = 0x300;
const MIE = 0x304;

/** Makes the timer due by the handler's own store with another value, then enables interrupts. */
function armTimer(target: ProgramMachine): void {
  const { machine, labels } = target;
  const hart = machine.harts[0]!;
  const pc = hart.getPc();
  const value = hart.getX(21);
  machine.writeRegister(0, 's5', 0n);
  machine.writeRegister(0, 'pc', labels['interrupt']!);
  machine.beginStep({ hart: 0, mode: 'into', ranges: [] });
  target.runToStop();
  machine.writeRegister(0, 'pc', pc);
  machine.writeRegister(0, 's5', value);
  machine.writeCsr(0, MSTATUS, hart.readCsr(MSTATUS)! | 8n);
}

describe('several harts', () => {
  const COUNT = 'loop:\n addi s1, s1, 1\n addi s2, s2, 1\n jal zero, loop';

  test('the others run along, and only the stepped one is watched', () => {
    const target = programMachine(COUNT, { harts: 2 });
    target.machine.run(10_000);
    const before = target.machine.harts.map((hart) => hart.steps);
    step(target, { hart: 1 });
    const after = target.machine.harts.map((hart) => hart.steps);
    expect(after[1]! - before[1]!).toBe(1);
    // Hart 0 had its turn first.
    expect(after[0]! - before[0]!).toBe(5_000);
    step(target, { hart: 1 });
    expect(target.machine.harts[0]!.steps).toBe(after[0]);
    expect(target.machine.harts[1]!.steps).toBe(after[1]! + 1);
  });

  test('a call in another hart does not end the step over this one', () => {
    const target = programMachine(
      `
      slli t0, a0, 12
      li sp, 0x80010000
      add sp, sp, t0
    line:
      jal ra, work
    next:
      jal zero, line
    work:
      li t1, 3000
    spin:
      addi t1, t1, -1
      bne t1, zero, spin
      jalr zero, 0(ra)
      `,
      { harts: 2 },
    );
    target.machine.run(7_000);
    goTo(target, 'line');
    const hart = target.machine.harts.findIndex((one) => one.getPc() === target.labels['line']);
    const sp = target.machine.harts[hart]!.getX(2);
    expect(step(target, { hart })).toBe('next');
    expect(target.machine.harts[hart]!.getPc()).toBe(target.labels['next']);
    expect(target.machine.harts[hart]!.getX(2)).toBe(sp);
  });
});

test('a step that is cancelled leaves nothing armed', () => {
  const target = callsMachine();
  goTo(target, 'inner');
  target.machine.beginStep({ hart: 0, mode: 'over', ranges: [] });
  expect(target.machine.run(3).kind).toBe('budget');
  target.machine.cancelStep();
  expect(target.machine.run(100_000).kind).toBe('budget');
});
