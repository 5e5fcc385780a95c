import { describe, expect, test } from 'vitest';
import { type ProgramMachine, programMachine } from '../support/program-machine.ts';
import { SBI_EXTENSION } from '../support/sbi-calls.ts';

const STEPS_MAX = 2_000_000;
const TIMER_ENABLE = 1 << 5;
const SOFTWARE_ENABLE = 1 << 1;

/** A call with constant arguments; others stand in their registers already. */
const sbi = (extension: bigint, fn: number, ...args: readonly (bigint | number)[]): string =>
  [
    ...args.map((value, index) => `li a${index}, ${value}`),
    `li a6, ${fn}`,
    `li a7, ${extension}`,
    'ecall',
  ].join('\n');
const { PMU, HSM, SUSP, FWFT, SRST, TIME, IPI, RFENCE } = SBI_EXTENSION;
const POWER_OFF = sbi(SRST, 0, 0, 0);

/** Stores registers to `results`, from the given place on. */
const keep = (index: number, ...registers: readonly string[]): string =>
  [
    'lla t0, results',
    ...registers.map((register, place) => `sd ${register}, ${8 * (index + place)}(t0)`),
  ].join('\n');
const RESULTS = ['.balign 8', 'results:', ...Array.from({ length: 16 }, () => '.dword 0x5555')].join('\n');

function runToEnd(
  lines: string,
  config: Parameters<typeof programMachine>[1] = {},
): ProgramMachine & {
  results(count: number): bigint[];
} {
  const program = programMachine(`${lines}\n${POWER_OFF}\n${RESULTS}`, { ...config, firmware: 'builtin' });
  const end = program.machine.run(STEPS_MAX);
  expect(end).toMatchObject({ kind: 'end', end: { reason: 'shutdown' } });
  const results = (count: number): bigint[] => {
    const bytes = program.machine.readMemory(0, program.labels['results']!, count * 8, 'physical');
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    return Array.from({ length: count }, (_, index) => view.getBigUint64(index * 8, true));
  };
  return { ...program, results };
}

const [SET_VALUE, CLEAR_AND_START, NO_SUPERVISOR] = [1, 0b110, 0x40];
const [CYCLES, INSTRUCTIONS] = [1, 2];
const LCOFI = 13n;
const INTERRUPT = 1n << 63n;

describe('SBI 3.0, chapter 11: counters of the hart', () => {
  test('FID #2, #3: cycles and instructions are counted, each instruction once', () => {
    const { results } = runToEnd(`
      ${sbi(PMU, 2, 0, 0xfffffff8, CLEAR_AND_START, INSTRUCTIONS, 0)}
      ${sbi(PMU, 2, 0, 0xfffffff8, CLEAR_AND_START, CYCLES, 0)}
      csrrs s4, hpmcounter3, zero
      csrrs s5, hpmcounter4, zero
      addi t0, t0, 1
      addi t0, t0, 1
      addi t0, t0, 1
      csrrs s6, hpmcounter3, zero
      csrrs s7, hpmcounter4, zero
      sub s6, s6, s4
      sub s7, s7, s5
      ${keep(0, 's6', 's7')}
    `);
    expect(results(2)).toEqual([5n, 5n]);
  });

  test('FID #3, #4: an overflow interrupts, shows in scountovf, and is gone with the next start', () => {
    const { results } = runToEnd(`
      lla t0, trapped
      csrrw zero, stvec, t0
      li t0, ${1 << Number(LCOFI)}
      csrrs zero, sie, t0
      ${sbi(PMU, 2, 5, 1, 0, INSTRUCTIONS, 0)}
      ${sbi(PMU, 3, 5, 1, SET_VALUE, -20)}
      li s8, 0
      csrrsi zero, sstatus, 2
    loop:
      addi s8, s8, 1
      jal zero, loop
    .balign 4
    trapped:
      csrrs s0, scause, zero
      csrrs s1, scountovf, zero
      ${sbi(PMU, 4, 5, 1, 0)}
      li t0, ${1 << Number(LCOFI)}
      csrrc zero, sip, t0
      ${sbi(PMU, 3, 5, 1, SET_VALUE, 0)}
      csrrs s2, scountovf, zero
      ${keep(0, 's0', 's1', 's2', 's8')}
    `);
    const [cause, overflowed, later, rounds] = results(4);
    expect([cause, overflowed, later]).toEqual([INTERRUPT | LCOFI, 1n << 5n, 0n]);
    // The call that started the counter, li and csrrsi were counted too; rounds are of two.
    expect(Number(rounds)).toBeGreaterThanOrEqual(7);
    expect(Number(rounds)).toBeLessThanOrEqual(9);
  });

  test('FID #2: a filter keeps the supervisor out', () => {
    const { results } = runToEnd(`
      ${sbi(PMU, 2, 7, 1, CLEAR_AND_START | NO_SUPERVISOR, INSTRUCTIONS, 0)}
      addi t0, t0, 1
      csrrs s0, hpmcounter7, zero
      ${keep(0, 's0')}
    `);
    expect(results(1)).toEqual([0n]);
  });

  test('FID #4: cycle stands still once it is stopped', () => {
    const { results } = runToEnd(`
      ${sbi(PMU, 4, 0, 1, 0)}
      csrrs s0, cycle, zero
      addi t0, t0, 1
      csrrs s1, cycle, zero
      sub s1, s1, s0
      ${keep(0, 's1')}
    `);
    expect(results(1)).toEqual([0n]);
  });

  test('without Zihpm there are three, and those of the firmware', () => {
    const { results } = runToEnd(
      `
      ${sbi(PMU, 0)}
      addi s0, a1, 0
      ${sbi(PMU, 2, 0, 0x7ffff, 0, CYCLES, 0)}
      addi s1, a0, 0
      ${sbi(PMU, 4, 0, 1, 0)}
      ${sbi(PMU, 2, 0, 0x7ffff, 0, CYCLES, 0)}
      addi s2, a1, 0
      ${keep(0, 's0', 's1', 's2')}
    `,
      { isa: '-zihpm' },
    );
    // cycle counts always, and is free only once it is stopped.
    expect(results(3)).toEqual([19n, BigInt.asUintN(64, -2n), 0n]);
  });
});

/** Counters of the firmware on two harts, for one event each; hart 1 waits while hart 0 makes the calls. */
const FIRMWARE = 0xf_0000;
const countedOnBoth = (sent: number, received: number, calls: string): string => `
  bne a0, zero, other
  ${sbi(PMU, 2, 0, 0xffff_0000_0000n, CLEAR_AND_START, FIRMWARE | sent, 0)}
  lla a1, other
  ${sbi(HSM, 0, 1)}
wait:
  lla t0, ready
  ld t1, 0(t0)
  beq t1, zero, wait
  ${calls}
  ${sbi(PMU, 5, 32)}
  addi s1, a1, 0
  ${keep(0, 's1')}
  lla t0, ready
  sd zero, 0(t0)
finish:
  ld t1, 8(t0)
  beq t1, zero, finish
  ${POWER_OFF}
other:
  ${sbi(PMU, 2, 0, 0xffff_0000_0000n, CLEAR_AND_START, FIRMWARE | received, 0)}
  lla t0, ready
  li t1, 1
  sd t1, 0(t0)
count:
  ld t1, 0(t0)
  bne t1, zero, count
  ${sbi(PMU, 5, 32)}
  addi s1, a1, 0
  ${keep(1, 's1')}
  lla t0, ready
  li t1, 1
  sd t1, 8(t0)
stand:
  jal zero, stand
  .balign 8
ready:
  .dword 0
  .dword 0
`;

describe('SBI 3.0, chapter 11: events of the firmware, sent and received', () => {
  test.each([
    ['IPIs', 6, 7, sbi(IPI, 0, 0b10, 0), 1n, 1n],
    ['IPIs to all', 6, 7, sbi(IPI, 0, 0, -1), 2n, 1n],
    ['fences of instructions', 8, 9, sbi(RFENCE, 0, 0b10, 0), 1n, 1n],
    ['fences of translations', 10, 11, sbi(RFENCE, 1, 0b10, 0, 0, 0), 1n, 1n],
    ['fences of an address space', 12, 13, sbi(RFENCE, 2, 0b10, 0, 0, 0, 3), 1n, 1n],
    ['fences of translations, which the others are not', 10, 13, sbi(RFENCE, 2, 0b10, 0, 0, 0, 3), 0n, 1n],
  ])('%s', (_, sent, received, calls, sentCount, receivedCount) => {
    const { results } = runToEnd(countedOnBoth(sent, received, calls), { harts: 2 });
    expect(results(2)).toEqual([sentCount, receivedCount]);
  });
});

/** Sleeps until the timer rings; `calls` begins the sleep, with a1 the address to resume at and a2 a value. */
const sleepUntilTimer = (calls: string): string => `
  csrrs t0, time, zero
  addi a0, t0, 1000
  ${sbi(TIME, 0)}
  li t0, ${TIMER_ENABLE}
  csrrs zero, sie, t0
  csrrsi zero, sstatus, 2
  csrrci zero, sstatus, 2
  lla a1, resumed
  li a2, 0x77
  ${calls}
`;

describe('SBI 3.0: what a sleep keeps', () => {
  const SLEEPS = [
    ['chapter 9, FID #3, non-retentive suspension', sbi(HSM, 3, 0x8000_0000n)],
    ['chapter 13, FID #0, system suspend', sbi(SUSP, 0, 0)],
  ] as const;

  test.each(SLEEPS)('%s: the hart starts anew, with its counters', (_, sleep) => {
    const { results } = runToEnd(`
      ${sbi(PMU, 2, 6, 1, CLEAR_AND_START, CYCLES, 0)}
      ${sbi(PMU, 2, 32, 1, CLEAR_AND_START, FIRMWARE | 5, 0)}
      ${sbi(FWFT, 0, 4, 0, 1)}
      ${sleepUntilTimer(sleep)}
      jal zero, 0x80200000
    resumed:
      addi s0, a0, 0
      addi s1, a1, 0
      csrrs s2, satp, zero
      csrrs s3, sstatus, zero
      andi s3, s3, 2
      csrrs s4, hpmcounter6, zero
      ${sbi(PMU, 5, 32)}
      addi s5, a1, 0
      ${sbi(PMU, 3, 6, 1, 0)}
      addi s6, a0, 0
      ${sbi(FWFT, 1, 4)}
      addi s7, a1, 0
      ${sbi(FWFT, 0, 4, 1, 0)}
      addi s8, a0, 0
      csrrs s9, sip, zero
      andi s9, s9, ${TIMER_ENABLE}
      ${keep(0, 's0', 's1', 's2', 's3', 's5', 's6', 's7', 's8', 's9', 's4')}
    `);
    const [hart, opaque, satp, interrupts, timers, started, updating, locked, pending, cycles] = results(10);
    expect([hart, opaque, satp, interrupts]).toEqual([0n, 0x77n, 0n, 0n]);
    // Counters and features are the SBI's: they stay, the lock too; what woke the hart is still pending.
    expect([timers, BigInt.asIntN(64, started!)]).toEqual([1n, -7n]);
    expect([updating, BigInt.asIntN(64, locked!), pending]).toEqual([0n, -14n, BigInt(TIMER_ENABLE)]);
    expect(cycles).toBeGreaterThan(9_000n);
  });

  test('chapter 9, FID #3, retentive suspension: registers stay, the call returns', () => {
    const { results } = runToEnd(`
      li s2, 1234
      ${sleepUntilTimer(sbi(HSM, 3, 0))}
      addi s3, a0, 0
      ${keep(0, 's2', 's3')}
      jal zero, end
    resumed:
      ${keep(0, 'zero')}
    end:
    `);
    expect(results(2)).toEqual([1234n, 0n]);
  });

  test('chapter 13, FID #0: the sleep of the machine is an exit', () => {
    const program = programMachine(`${sleepUntilTimer(sbi(SUSP, 0, 0))}\nresumed:\n${POWER_OFF}`, {
      firmware: 'builtin',
      trace: ['system'],
    });
    program.machine.run(STEPS_MAX);
    const { records } = program.machine.trace(0, 10, {});
    const events = records.map(({ stage, exit }) => (exit.kind === 'system' ? [stage, exit.event] : []));
    expect(events.filter(([stage]) => stage === 'post')).toEqual([
      ['post', 'suspend'],
      ['post', 'shutdown'],
    ]);
  });

  test('chapter 9, FID #0 and #1: a hart that is stopped and started anew has nothing of before', () => {
    const { results } = runToEnd(
      `
      bne a0, zero, second
      lla a1, first
      ${sbi(HSM, 0, 1)}
    wait:
      ${sbi(HSM, 2, 1)}
      addi a1, a1, -1
      bne a1, zero, wait
      lla a1, second
      ${sbi(HSM, 0, 1)}
    again:
      lla t0, done
      ld t1, 0(t0)
      beq t1, zero, again
      ${POWER_OFF}
    first:
      ${sbi(PMU, 2, 32, 1, CLEAR_AND_START, FIRMWARE | 5, 0)}
      ${sbi(FWFT, 0, 4, 0, 1)}
      ${sbi(TIME, 0, -1)}
      ${sbi(HSM, 1)}
    second:
      ${sbi(PMU, 5, 32)}
      addi s0, a1, 0
      ${sbi(PMU, 4, 32, 1, 0)}
      addi s1, a0, 0
      ${sbi(FWFT, 1, 4)}
      addi s2, a1, 0
      ${sbi(FWFT, 0, 4, 1, 0)}
      addi s3, a0, 0
      ${keep(0, 's0', 's1', 's2', 's3')}
      lla t0, done
      li t1, 1
      sd t1, 0(t0)
    stand:
      jal zero, stand
      .balign 8
    done:
      .dword 0
    `,
      { harts: 2 },
    );
    expect(results(4).map((value) => BigInt.asIntN(64, value))).toEqual([0n, -8n, 1n, 0n]);
  });
});

describe('SBI 3.0, chapter 7', () => {
  test('FID #0: the interrupt of an IPI is the supervisor software interrupt', () => {
    const { results } = runToEnd(`
      lla t0, trapped
      csrrw zero, stvec, t0
      li t0, ${SOFTWARE_ENABLE}
      csrrs zero, sie, t0
      csrrsi zero, sstatus, 2
      ${sbi(IPI, 0, 1, 0)}
      jal zero, 0x80200000
    .balign 4
    trapped:
      csrrs s0, scause, zero
      ${keep(0, 's0')}
    `);
    expect(results(1)).toEqual([INTERRUPT | 1n]);
  });
});

describe('SBI 3.0, chapter 18, PTE_AD_HW_UPDATING', () => {
  // A gigapage of RAM at its own address, executable and writable, with A and D clear.
  const PTE = ((0x8000_0000n >> 12n) << 10n) | 0xfn;
  const program = (hardware: 0 | 1): string => `
      ${sbi(FWFT, 0, 4, hardware, 0)}
      lla t0, trapped
      csrrw zero, stvec, t0
      lla t0, table
      li t1, ${PTE | 0x40n}
      sd t1, 16(t0)
      srli t1, t0, 12
      li t2, ${8n << 60n}
      or t1, t1, t2
      csrrw zero, satp, t1
      sfence.vma zero, zero
      lla t0, results
      sd zero, 0(t0)
      li s0, 0
      jal zero, out
    .balign 4
    trapped:
      csrrs s0, scause, zero
    out:
      csrrwi zero, satp, 0
      sfence.vma zero, zero
      lla t0, table
      ld s1, 16(t0)
      ${keep(0, 's0', 's1')}
      jal zero, end
    .balign 4096
    table:
      ${Array.from({ length: 512 }, () => '.dword 0').join('\n')}
    end:
  `;
  test('on: a store sets the dirty bit', () => {
    expect(runToEnd(program(1)).results(2)).toEqual([0n, PTE | 0xc0n]);
  });

  test('off: a store to a clean page faults', () => {
    expect(runToEnd(program(0)).results(2)).toEqual([15n, PTE | 0x40n]);
  });
});

describe('SBI 3.0, chapter 16', () => {
  const program = (harts: number) =>
    programMachine(
      `
      bne a0, zero, wait
      lla a0, shared
      ${sbi(SBI_EXTENSION.STA, 0).replace('ecall', 'li a1, 0\nli a2, 0\necall')}
      lla a1, wait
      ${harts > 1 ? sbi(HSM, 0, 1) : ''}
    wait:
      wfi
      jal zero, wait
      .balign 64
    shared:
      ${Array.from({ length: 8 }, () => '.dword 0x5555').join('\n')}
      `,
      { firmware: 'builtin', time: 'wall', harts },
    );
  const shared = ({ machine, labels }: ProgramMachine): DataView => {
    const bytes = machine.readMemory(0, labels['shared']!, 64, 'physical');
    return new DataView(bytes.buffer, bytes.byteOffset);
  };

  test('what the host was late by is stolen, what the hart waited is not', () => {
    const guest = program(1);
    expect(guest.machine.run(STEPS_MAX)).toMatchObject({ kind: 'idle' });
    guest.machine.advanceIdle(5_000n);
    guest.machine.advanceIdle(70_000n);
    const view = shared(guest);
    // Sequence, even again; flags; nanoseconds; not preempted.
    expect([view.getUint32(0, true), view.getUint32(4, true)]).toEqual([2, 0]);
    expect([view.getBigUint64(8, true), view.getUint8(16)]).toEqual([5_000n, 0]);
  });

  test('of harts that ran each bears its share', () => {
    const guest = program(2);
    expect(guest.machine.run(STEPS_MAX)).toMatchObject({ kind: 'idle' });
    const [first, second] = guest.machine.harts.map(({ retired, trapped }) => retired + trapped);
    guest.machine.advanceIdle(1_000n);
    const passed = Number(
      guest.machine.inputLog.flatMap((entry) => (entry.kind === 'time' ? [entry.advanceSteps] : []))[0],
    );
    expect(second).toBeGreaterThan(0);
    expect(Number(shared(guest).getBigUint64(8, true))).toBe(
      Math.floor((passed * first!) / (first! + second!)),
    );
  });
});
