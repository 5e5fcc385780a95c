import { describe, expect, test } from 'vitest';
import { programMachine } from '../../test/support/program-machine.ts';
import { random, SEED } from '../../test/support/random.ts';
import { exitBreakpointSchema } from '../protocol/messages.ts';

const POWER_OFF = `
  li t0, 0x100000
  li t1, 0x5555
  sw t1, 0(t0)
halt:
  jal zero, halt
`;
/** Counts t0 up for ever in memory. */
const COUNTER = `
  li t0, 0
  lla t1, counter
loop:
  addi t0, t0, 1
  sd t0, 0(t1)
  jal zero, loop
counter:
  .dword 0
`;

describe('how a guest starts', () => {
  test('alone: in M-mode with hart id and device tree', () => {
    const { machine } = programMachine('loop:\n jal zero, loop', { harts: 2 });
    for (const hart of machine.harts) {
      expect(hart.getPc()).toBe(0x8000_0000n);
      expect(hart.getPrivilege()).toBe(3);
      expect([hart.getX(10), hart.getX(11)]).toEqual([BigInt(hart.id), machine.deviceTree.address]);
    }
    expect(machine.waiting(1)).toBe(false);
  });

  test('on the built-in SBI: in S-mode, with the other harts waiting to be started', () => {
    const { machine } = programMachine('loop:\n jal zero, loop', { harts: 2, firmware: 'builtin' });
    const [first] = machine.harts;
    expect([first!.getPrivilege(), first!.getX(10), first!.getX(11)]).toEqual([
      1,
      0n,
      machine.deviceTree.address,
    ]);
    expect([machine.waiting(0), machine.waiting(1)]).toEqual([false, true]);
    machine.run(20_000);
    expect(machine.instructions).toBe(20_000n);
  });
});

describe('what the harts have', () => {
  // Stops at 1 for an instruction that is there, and at 2 for an illegal one.
  const AMOCAS = `
    lla t0, there
    csrrw zero, mtvec, t0
    lla t1, there
    addi a0, zero, 2
    amocas.w zero, zero, (t1)
    addi a0, zero, 1
    .balign 4
  there:
    jal zero, there
  `;
  const a0 = (isa?: string): bigint => {
    const { machine } = programMachine(AMOCAS, isa === undefined ? {} : { isa });
    machine.run(100);
    return machine.harts[0]!.getX(10);
  };

  test('is everything by default, and what the configuration says', () => {
    expect([a0(), a0('-zacas'), a0('rv64gc'), a0('rv64gc_zacas'), a0('+svade')]).toEqual([
      1n,
      2n,
      2n,
      1n,
      1n,
    ]);
  });

  test('stands in the device tree', () => {
    const tree = (isa: string): string =>
      Buffer.from(programMachine(AMOCAS, { isa }).machine.deviceTree.data).toString('latin1');
    expect(tree('')).toContain('_zacas_');
    expect(tree('-zacas')).not.toContain('zacas');
  });

  test('must be what there is', () => {
    expect(() => programMachine(AMOCAS, { isa: '-zaca' })).toThrow(/there is no extension "zaca" here/);
  });
});

describe('how a guest ends', () => {
  test.each([
    [0x5555, { reason: 'pass', code: 0 }],
    [0x0007_3333, { reason: 'fail', code: 7 }],
  ])('test device 0x%x', (value, end) => {
    const { machine } = programMachine(`li t0, 0x100000\n li t1, ${value}\n sw t1, 0(t0)\nx:\n jal zero, x`);
    expect(machine.run(1000)).toEqual({ kind: 'end', end });
    expect(machine.end).toEqual(end);
    expect(machine.run(1000)).toEqual({ kind: 'end', end });
  });

  test.each([
    [0, 0, { reason: 'shutdown', code: 0 }],
    [0, 1, { reason: 'crash', code: 1 }],
  ])('SBI reset of type %d for reason %d', (type, reason, end) => {
    const { machine } = programMachine(
      `li a7, 0x53525354\n li a6, 0\n li a0, ${type}\n li a1, ${reason}\n ecall`,
      { firmware: 'builtin' },
    );
    expect(machine.run(1000)).toEqual({ kind: 'end', end });
  });

  test('a reboot starts over with memory as at first, while steps and the RTC go on', () => {
    // Restarts until the RTC shows 1 µs, having left a mark in memory that must be gone each time.
    const { machine, output } = programMachine(
      `
      lla t0, mark
      ld t1, 0(t0)
      bne t1, zero, dirty
      sd sp, 0(t0)
      addi t1, t1, 1
      sd t1, 0(t0)
      li t0, 0x10000000
      li t1, 0x2e
      sb t1, 0(t0)
      li t0, 0x101000
      lw t1, 0(t0)
      li t2, 1000
      blt t2, t1, over
      li t0, 0x100000
      li t1, 0x7777
      sw t1, 0(t0)
    dirty:
      jal zero, dirty
    over:
      ${POWER_OFF}
    mark:
      .dword 0
      `,
    );
    expect(machine.run(100_000)).toMatchObject({ kind: 'end', end: { reason: 'pass' } });
    expect(output().length).toBeGreaterThan(10);
    expect(machine.steps).toBeGreaterThan(1000n);
    expect(machine.inputLog).toEqual([]);
  });

  test("a debugger's reset is an input", () => {
    const { machine } = programMachine(COUNTER);
    machine.run(1234);
    machine.reset();
    expect(machine.harts[0]!.getPc()).toBe(0x8000_0000n);
    expect(machine.steps).toBe(1234n);
    expect(machine.inputLog).toEqual([{ kind: 'reset', step: 1234n, position: 1234n }]);
    machine.run(10);
    expect(machine.steps).toBe(1244n);
  });
});

describe('time', () => {
  test('mtime counts a tick every 100 steps, and the timer interrupts at its step', () => {
    const { machine, read64 } = programMachine(`
      lla t0, handler
      csrrw zero, mtvec, t0
      li t0, 0x2004000
      li t1, 50
      sd t1, 0(t0)
      li t0, 0x80
      csrrw zero, mie, t0
      csrrsi zero, mstatus, 8
    spin:
      jal zero, spin
    handler:
      csrrs t2, time, zero
      csrrs t3, mcycle, zero
      lla t0, seen
      sd t2, 0(t0)
      sd t3, 8(t0)
      ${POWER_OFF}
    seen:
      .dword 0
    cycles:
      .dword 0
    `);
    expect(machine.run(100_000)).toMatchObject({ kind: 'end' });
    expect(read64('seen')).toBe(50n);
    expect(read64('cycles')).toBe(5001n);
  });

  const WAIT = (ticks: number): string => `
    li t0, 0x2004000
    li t1, ${ticks}
    sd t1, 0(t0)
    li t0, 0x80
    csrrw zero, mie, t0
    wfi
    csrrs a0, time, zero
    ${POWER_OFF}
  `;

  test('free: waiting skips to the deadline', () => {
    const { machine } = programMachine(WAIT(1_000_000_000));
    expect(machine.run(200_000_000_000)).toMatchObject({ kind: 'end' });
    expect(machine.harts[0]!.getX(10)).toBe(1_000_000_000n);
    expect(machine.instructions).toBeLessThan(50n);
  });

  test('wall: waiting is told, and time passes as the host says, never beyond the deadline', () => {
    const { machine } = programMachine(WAIT(10_000), { time: 'wall' });
    expect(machine.run(10_000_000)).toEqual({ kind: 'idle', untilStep: 1_000_000n });
    const { steps } = machine;
    machine.advanceIdle(1000n);
    expect(machine.steps).toBe(steps + 1000n);
    expect(machine.run(10_000_000)).toEqual({ kind: 'idle', untilStep: 1_000_000n });
    machine.advanceIdle(50_000_000n);
    expect(machine.steps).toBe(1_000_000n);
    expect(machine.run(10_000_000)).toMatchObject({ kind: 'end' });
    expect(machine.harts[0]!.getX(10)).toBe(10_000n);
    expect(machine.inputLog).toEqual([
      { kind: 'time', step: steps + 1000n, position: steps + 1000n, advanceSteps: 1000n },
      { kind: 'time', step: 1_000_000n, position: 1_000_000n, advanceSteps: 1_000_000n - steps - 1000n },
    ]);
  });

  test('waiting for nothing is idle without end', () => {
    const { machine } = programMachine('wfi\nloop:\n jal zero, loop');
    expect(machine.run(10_000_000)).toEqual({ kind: 'idle', untilStep: null });
    machine.advanceIdle(10n);
    expect(machine.run(10_000_000)).toEqual({ kind: 'idle', untilStep: null });
  });

  test('the RTC alarm interrupts at its nanosecond', () => {
    const { machine } = programMachine(
      `
      li t0, 0xc000000
      li t1, 1
      sw t1, 44(t0)
      li t2, 0xc002000
      li t1, 0x800
      sw t1, 0(t2)
      li t0, 0x101000
      li t1, 1
      sw t1, 16(t0)
      sw zero, 12(t0)
      li t1, 1
      sw t1, 12(t0)
      li t1, 705032704
      sw t1, 8(t0)
      li t0, 0x800
      csrrw zero, mie, t0
      wfi
      csrrs a0, time, zero
      ${POWER_OFF}
      `,
      { rtcStart: 4 },
    );
    // 1 * 2^32 + 705032704 ns is 5 s, one second after the start.
    expect(machine.run(10_000_000_000)).toMatchObject({ kind: 'end' });
    expect(machine.harts[0]!.getX(10)).toBe(10_000_000n);
  });

  test('looking at the clock does not change what harts read', () => {
    const program = `
      lla t0, list
      slli t1, a0, 11
      add t0, t0, t1
      addi t2, t0, 2000
    loop:
      csrrs t1, time, zero
      sd t1, 0(t0)
      addi t0, t0, 8
      bltu t0, t2, loop
    rest:
      jal zero, rest
    list:
      .dword 0
    `;
    const run = (look: boolean): string => {
      const { machine, labels } = programMachine(program, { harts: 3 });
      for (let slice = 0; slice < 100; slice += 1) {
        machine.run(100);
        if (!look) continue;
        machine.devices(true);
        for (const hart of machine.harts) hart.readCsr(0xc01);
        machine.readMemory(0, 0x200_bff8n, 8, 'physical');
      }
      return Buffer.from(machine.readMemory(0, labels['list']!, 6144, 'physical')).toString('hex');
    };
    expect(run(true)).toBe(run(false));
  });

  test('what harts read of time never goes backwards', () => {
    // Both harts in turn put the time in a shared cell when it is not below what stands there.
    const { machine, labels } = programMachine(
      `
      lla t0, latest
    loop:
      csrrs t1, time, zero
      ld t2, 0(t0)
      bltu t1, t2, backwards
      sd t1, 0(t0)
      jal zero, loop
    backwards:
      jal zero, backwards
    latest:
      .dword 0
      `,
      { harts: 3 },
    );
    machine.setBreakpoints(new Set([labels['backwards']!]));
    expect(machine.run(500_000).kind).toBe('budget');
  });
});

describe('input', () => {
  const ECHO = `
    lla t0, handler
    csrrw zero, mtvec, t0
    li t0, 0xc000000
    li t1, 1
    sw t1, 40(t0)
    li t0, 0xc002000
    li t1, 0x400
    sw t1, 0(t0)
    li t0, 0x10000000
    li t1, 1
    sb t1, 1(t0)
    li t1, 0x800
    csrrw zero, mie, t1
    csrrsi zero, mstatus, 8
  loop:
    wfi
    jal zero, loop
  handler:
    li t2, 0xc200004
    lw t3, 0(t2)
    lbu t4, 0(t0)
    sb t4, 0(t0)
    sw t3, 0(t2)
    mret
  `;

  test('typed bytes interrupt through UART and PLIC, and are logged', () => {
    const { machine, output } = programMachine(ECHO);
    expect(machine.run(1_000_000)).toEqual({ kind: 'idle', untilStep: null });
    machine.consoleInput(Buffer.from('hello'));
    expect(machine.run(1_000_000)).toEqual({ kind: 'idle', untilStep: null });
    expect(output()).toBe('hello');
    expect(machine.inputLog).toMatchObject([{ kind: 'console', data: Buffer.from('hello'), step: 100_000n }]);
    const irq = machine
      .trace(0, 100, { kinds: ['irq'] })
      .records.map(({ exit }) => exit.kind === 'irq' && exit.event);
    expect(irq.slice(0, 4)).toEqual(['raised', 'claimed', 'completed', 'claimed']);
  });

  test('a log that is replayed at the same steps gives the same run', () => {
    const first = programMachine(ECHO);
    const source = random(SEED);
    for (let round = 0; round < 20; round += 1) {
      first.machine.run(1 + source.below(30_000));
      first.machine.consoleInput(Uint8Array.of(0x61 + source.below(26)));
    }
    first.machine.run(100_000);
    const second = programMachine(ECHO);
    for (const entry of first.machine.inputLog) {
      while (second.machine.steps < entry.step) second.machine.run(Number(entry.step - second.machine.steps));
      if (entry.kind === 'console') second.machine.consoleInput(entry.data);
    }
    while (second.machine.steps < first.machine.steps) {
      if (second.machine.run(Number(first.machine.steps - second.machine.steps)).kind === 'idle') break;
    }
    expect(second.output(), `SEED=${SEED}`).toBe(first.output());
    expect(second.machine.inputLog).toEqual(first.machine.inputLog);
  });
});

/** Three harts add their number to a shared sum and append it to a shared list, without any lock: order matters. */
const RACE = `
  addi t6, a0, 1
  lla t0, sum
  lla t1, list
loop:
  ld t2, 0(t0)
  slli t3, t2, 3
  add t2, t2, t6
  sd t2, 0(t0)
  andi t3, t3, 0x7f8
  add t3, t3, t1
  sd t2, 0(t3)
  jal zero, loop
sum:
  .dword 0
list:
  .dword 0
`;

describe('the interleaving of harts', () => {
  const state = ({ machine, labels }: ReturnType<typeof programMachine>) => ({
    steps: machine.harts.map((hart) => hart.steps),
    registers: machine.harts.map((hart) => Array.from({ length: 32 }, (_, index) => hart.getX(index))),
    pcs: machine.harts.map((hart) => hart.getPc()),
    memory: Buffer.from(machine.readMemory(0, labels['sum']!, 4096, 'physical')).toString('hex'),
  });

  test('all harts advance equally', () => {
    const { machine } = programMachine(RACE, { harts: 3 });
    machine.run(50_000);
    expect(machine.harts.map((hart) => hart.steps)).toEqual([50_000, 50_000, 50_000]);
    expect(machine.instructions).toBe(150_000n);
  });

  test('does not depend on how a run is cut', () => {
    const whole = programMachine(RACE, { harts: 3 });
    whole.machine.run(60_000);
    const source = random(SEED);
    const cut = programMachine(RACE, { harts: 3 });
    while (cut.machine.steps < 60_000n)
      cut.machine.run(Math.min(1 + source.below(4000), 60_000 - Number(cut.machine.steps)));
    expect(state(cut), `SEED=${SEED}`).toEqual(state(whole));
  });

  test('does not depend on breakpoints, stops at exits, or single steps', () => {
    const whole = programMachine(RACE, { harts: 3 });
    whole.machine.run(60_000);
    const source = random(SEED);
    const stopped = programMachine(RACE, { harts: 3 });
    const { machine, labels } = stopped;
    while (machine.steps < 60_000n) {
      // Some stretches with a breakpoint that is hit all the time, some with a step, some with neither.
      machine.setBreakpoints(
        source.below(3) === 0 ? new Set([labels['loop']! + BigInt(4 * source.below(4))]) : new Set(),
      );
      if (source.below(3) === 0) machine.beginStep({ hart: source.below(3), mode: 'into', ranges: [] });
      machine.run(Math.min(1 + source.below(2000), 60_000 - Number(machine.steps)));
      machine.cancelStep();
    }
    machine.setBreakpoints(new Set());
    machine.run(60_000 - Number(machine.steps));
    expect(state(stopped), `SEED=${SEED}`).toEqual(state(whole));
  });

  test('waiting harts take their turns too', () => {
    // Hart 0 raises the others by msip; each clears its own and waits again. None may wake at another step.
    const program = `
      lla t0, counts
      slli t1, a0, 3
      add t0, t0, t1
      li t2, 0x2000000
      slli t3, a0, 2
      add t3, t3, t2
      li t4, 8
      csrrw zero, mie, t4
      bne a0, zero, waiter
      li t4, 1
    caller:
      addi t6, t6, 1
      andi t5, t6, 0x3ff
      bne t5, zero, caller
      sw t4, 4(t2)
      sw t4, 8(t2)
      jal zero, caller
    waiter:
      wfi
      sw zero, 0(t3)
      csrrs t5, mcycle, zero
      ld t6, 0(t0)
      add t6, t6, t5
      sd t6, 0(t0)
      jal zero, waiter
    counts:
      .dword 0
    `;
    const run = (slice: number) => {
      const { machine, labels } = programMachine(program, { harts: 3 });
      while (machine.steps < 100_000n) machine.run(Math.min(slice, 100_000 - Number(machine.steps)));
      return [
        machine.instructions,
        Buffer.from(machine.readMemory(0, labels['counts']!, 24, 'physical')).toString('hex'),
      ];
    };
    expect(run(777)).toEqual(run(100_000));
    expect(run(5_000)).toEqual(run(100_000));
  });
});

describe('SBI hart management on the machine', () => {
  test('a started hart runs, stops itself, and is started again', () => {
    const { machine, read64, labels } = programMachine(
      `
      li s1, 3
    again:
      li a7, 0x48534d
      li a6, 0
      li a0, 1
      lla a1, second
      addi a2, s1, 100
      ecall
      bne a0, zero, again
    wait:
      li a6, 2
      li a0, 1
      ecall
      addi a1, a1, -1
      bne a1, zero, wait
      addi s1, s1, -1
      bne s1, zero, again
      li a7, 8
      ecall
    second:
      lla t0, sum
      ld t1, 0(t0)
      add t1, t1, a1
      sd t1, 0(t0)
      li a7, 0x48534d
      li a6, 1
      ecall
      ebreak
    sum:
      .dword 0
      `,
      { firmware: 'builtin', harts: 2 },
    );
    expect(machine.run(1_000_000)).toMatchObject({ kind: 'end', end: { reason: 'shutdown' } });
    expect(read64('sum')).toBe(103n + 102n + 101n);
    expect(machine.waiting(1)).toBe(true);
    expect(labels['second']).toBeDefined();
  });

  test.each([
    ['retentive', 0, 'after'],
    ['non-retentive', 0x8000_0000, 'resumed'],
  ])('a %s suspension ends with the timer', (_, type, at) => {
    const { machine, labels, runToStop } = programMachine(
      `
      li t0, 0x20
      csrrw zero, sie, t0
      li t1, 1000
      csrrw zero, stimecmp, t1
      li a7, 0x48534d
      li a6, 3
      li a0, ${type}
      lla a1, resumed
      li a2, 77
      ecall
    after:
      jal zero, after
    resumed:
      jal zero, resumed
      `,
      { firmware: 'builtin' },
    );
    machine.setBreakpoints(new Set([labels['after']!, labels['resumed']!]));
    const stop = runToStop(10_000_000);
    expect(stop.pc).toBe(labels[at]);
    expect(stop.step).toBeGreaterThanOrEqual(100_000n);
    if (at === 'resumed') expect([machine.harts[0]!.getX(10), machine.harts[0]!.getX(11)]).toEqual([0n, 77n]);
  });
});

describe('breakpoints', () => {
  test('stop before the instruction, once each time it is reached', () => {
    const { machine, labels, runToStop } = programMachine(COUNTER);
    machine.setBreakpoints(new Set([labels['loop']! + 4n]));
    for (let count = 1n; count <= 5n; count += 1n) {
      const stop = runToStop();
      expect(stop).toMatchObject({ reason: 'breakpoint', hart: 0, pc: labels['loop']! + 4n });
      expect(machine.harts[0]!.getX(5)).toBe(count);
    }
    machine.setBreakpoints(new Set());
    expect(machine.run(1000)).toEqual({ kind: 'budget' });
  });

  test('two in a row are both hit', () => {
    const { machine, labels, runToStop } = programMachine(COUNTER);
    machine.setBreakpoints(new Set([labels['loop']!, labels['loop']! + 4n]));
    const pcs = [1, 2, 3, 4].map(() => runToStop().pc - labels['loop']!);
    expect(pcs).toEqual([0n, 4n, 0n, 4n]);
  });

  test('the end of a slice at a breakpoint does not lose it', () => {
    const { machine, labels } = programMachine(COUNTER);
    machine.setBreakpoints(new Set([labels['loop']! + 4n]));
    // Four instructions stand before it.
    expect(machine.run(4)).toEqual({ kind: 'budget' });
    expect(machine.harts[0]!.getPc()).toBe(labels['loop']! + 4n);
    expect(machine.run(3)).toMatchObject({ kind: 'stop', stop: { reason: 'breakpoint' } });
  });

  test('each hart hits for itself', () => {
    const { machine, labels, runToStop } = programMachine(COUNTER, { harts: 2 });
    machine.setBreakpoints(new Set([labels['loop']!]));
    expect(runToStop().hart).toBe(0);
    machine.setBreakpoints(new Set());
    machine.run(20_000);
    machine.setBreakpoints(new Set([labels['loop']!]));
    const harts = new Set(Array.from({ length: 4000 }, () => runToStop().hart));
    expect([...harts].sort()).toEqual([0, 1]);
  });

  test("ebreak is an exit that stops when asked for, and the guest's own on resumption", () => {
    const { machine, labels, runToStop } = programMachine(`
      lla t0, handler
      csrrw zero, mtvec, t0
    here:
      ebreak
    handler:
      csrrs a0, mcause, zero
    loop:
      jal zero, loop
    `);
    machine.setExitBreakpoints([
      exitBreakpointSchema.parse({ kind: 'debug', condition: 'event == "breakpoint"' }),
    ]);
    const { reason, pc, record } = runToStop();
    expect({ reason, pc }).toEqual({ reason: 'exit', pc: labels['here'] });
    expect(record?.exit).toEqual({ kind: 'debug', event: 'breakpoint', address: labels['here'] });
    expect(machine.run(100).kind).toBe('budget');
    expect(machine.harts[0]!.getX(10)).toBe(3n);
  });
});

describe('breakpoints on exits', () => {
  const PRINT = `
    li t0, 0x10000000
    li t1, 0x41
  store:
    sb t1, 0(t0)
  after:
    addi t1, t1, 1
    jal zero, store
  `;
  const set = (
    target: ReturnType<typeof programMachine>,
    ...inputs: Parameters<typeof exitBreakpointSchema.parse>[0][]
  ) => target.machine.setExitBreakpoints(inputs.map((input) => exitBreakpointSchema.parse(input)));

  test('pre: before the write, which then happens once', () => {
    const target = programMachine(PRINT);
    set(target, { kind: 'mmio', condition: 'device == "uart0" && value == 0x43' });
    const stop = target.runToStop();
    expect(stop).toMatchObject({ reason: 'exit', pc: target.labels['store'], exitBreakpoint: 0 });
    expect(stop.record).toMatchObject({ stage: 'pre', hart: 0, exit: { register: 'THR', value: 0x43n } });
    expect(target.output()).toBe('AB');
    target.machine.setExitBreakpoints([]);
    target.machine.run(3);
    expect(target.output()).toBe('ABCD'.slice(0, 3));
  });

  test('pre again and again: each write once', () => {
    const target = programMachine(PRINT);
    set(target, { kind: 'mmio' });
    for (let count = 0; count < 5; count += 1) {
      target.runToStop();
      expect(target.output()).toBe('ABCDE'.slice(0, count));
    }
  });

  test('post: behind the instruction, with the result', () => {
    const target = programMachine(PRINT);
    set(target, { kind: 'mmio', stage: 'post', hitCount: 2 });
    const stop = target.runToStop();
    expect(stop).toMatchObject({ reason: 'exit', pc: target.labels['after'], record: { stage: 'post' } });
    expect(stop.record!.pc).toBe(target.labels['store']);
    expect(target.output()).toBe('AB');
  });

  test('a breakpoint at the address and one on the exit are two stops', () => {
    const target = programMachine(PRINT);
    target.machine.setBreakpoints(new Set([target.labels['store']!]));
    set(target, { kind: 'mmio' });
    expect([1, 2, 3, 4].map(() => target.runToStop().reason)).toEqual([
      'breakpoint',
      'exit',
      'breakpoint',
      'exit',
    ]);
    expect(target.output()).toBe('A');
  });

  test('logs go on and come behind what was printed', () => {
    const target = programMachine(PRINT);
    set(target, {
      kind: 'mmio',
      stage: 'post',
      action: 'log',
      log: '{register}={value}',
      condition: 'value < 0x43',
    });
    expect(target.machine.run(100).kind).toBe('budget');
    expect(target.logs).toEqual(['THR=0x41', 'THR=0x42']);
  });

  test('a stop behind WFI leaves the hart waiting', () => {
    const target = programMachine('wfi\nafter:\n addi a0, a0, 1\nloop:\n jal zero, loop');
    set(target, { kind: 'wfi', stage: 'post' });
    expect(target.runToStop()).toMatchObject({ pc: target.labels['after'] });
    expect(target.machine.waiting(0)).toBe(true);
    expect(target.machine.run(1_000_000)).toEqual({ kind: 'idle', untilStep: null });
    expect(target.machine.instructions).toBe(1n);
  });

  test.each(['pre', 'post'] as const)('the end of the machine can be stopped at, %s', (stage) => {
    const target = programMachine(POWER_OFF);
    set(target, { kind: 'system', stage });
    expect(target.runToStop().record).toMatchObject({ exit: { kind: 'system', event: 'pass' } });
    expect(target.machine.end).toBeNull();
    expect(target.machine.run(10)).toMatchObject({ kind: 'end' });
  });

  test('an interrupt line raised from outside stops at once', () => {
    const target = programMachine('li t0, 0x10000000\n li t1, 1\n sb t1, 1(t0)\nloop:\n jal zero, loop');
    set(target, { kind: 'irq', condition: 'event == "raised"' });
    target.machine.run(100);
    target.machine.consoleInput(Uint8Array.of(0x61));
    expect(target.runToStop()).toMatchObject({
      reason: 'exit',
      step: 100n,
      record: { exit: { device: 'uart0' } },
    });
    expect(target.machine.run(100).kind).toBe('budget');
  });

  test('a wrong condition is told with its column', () => {
    const { machine } = programMachine(PRINT);
    expect(() =>
      machine.checkExitBreakpoint(exitBreakpointSchema.parse({ kind: 'mmio', condition: 'x == 1' })),
    ).toThrow(/no field 'x'/);
  });
});

describe("the debugger's access", () => {
  test('memory by both kinds of address, as far as it is there', () => {
    const { machine } = programMachine(COUNTER);
    expect(machine.writeMemory(0, 0x8001_0ffen, Uint8Array.of(1, 2, 3, 4), 'virtual')).toBe(4);
    expect([...machine.readMemory(0, 0x8001_0ffen, 4, 'physical')]).toEqual([1, 2, 3, 4]);
    expect(machine.readMemory(0, 0x800f_fffcn, 100, 'physical')).toHaveLength(4);
    expect(machine.readMemory(0, 0xffff_ffff_ffff_fffcn, 8, 'physical')).toHaveLength(0);
    expect(machine.writeMemory(0, 0x1000_0000n, Uint8Array.of(1), 'physical')).toBe(0);
    expect(machine.inputLog).toMatchObject([
      { kind: 'memory', address: 0x8001_0ffen, data: Uint8Array.of(1, 2) },
      { kind: 'memory', address: 0x8001_1000n, data: Uint8Array.of(3, 4) },
    ]);
  });

  test('code that is overwritten runs as written', () => {
    const { machine, labels } = programMachine(COUNTER);
    machine.run(300);
    const before = machine.harts[0]!.getX(5);
    // addi t0, t0, 1 becomes addi t0, zero, 0
    machine.writeMemory(0, labels['loop']!, Uint8Array.of(0x93, 0x02, 0x00, 0x00), 'virtual');
    machine.run(300);
    expect(before).toBeGreaterThan(90n);
    expect(machine.harts[0]!.getX(5)).toBe(0n);
  });

  test('device registers are peeked', () => {
    const { machine } = programMachine(COUNTER);
    machine.consoleInput(Uint8Array.of(0x61));
    for (let look = 0; look < 3; look += 1) {
      expect([...machine.readMemory(0, 0x1000_0000n, 6, 'physical')]).toEqual([0x61, 0, 1, 0, 0, 0x61]);
    }
    expect(Buffer.from(machine.readMemory(0, 0x1000_1000n, 4, 'physical')).toString()).toBe('virt');
  });

  test.each([
    ['pc', 0x8000_0010n],
    ['x31', 0xffff_ffff_ffff_ffffn],
    ['fp', 5n],
    ['f31', 7n],
    ['fa0', 1n << 63n],
    ['privilege', 1n],
  ])('register %s', (name, value) => {
    const { machine } = programMachine(COUNTER);
    expect(machine.writeRegister(0, name, value)).toBe(true);
    const hart = machine.harts[0]!;
    const read: Record<string, unknown> = {
      pc: hart.getPc(),
      x31: hart.getX(31),
      fp: hart.getX(8),
      f31: hart.getF(31),
      fa0: hart.getF(10),
      privilege: BigInt(hart.getPrivilege()),
    };
    expect(read[name]).toBe(value);
    expect(machine.inputLog).toMatchObject([{ kind: 'register', hart: 0, register: name, value }]);
  });

  test('unknown registers and CSRs are refused and not logged', () => {
    const { machine } = programMachine(COUNTER);
    for (const name of ['x32', 'f32', 'x', 'PC', 'toString'])
      expect(machine.writeRegister(0, name, 1n)).toBe(false);
    expect(machine.writeRegister(0, 'privilege', 2n)).toBe(false);
    expect(machine.writeCsr(0, 0x5c0, 1n)).toBe(false);
    expect(machine.writeCsr(0, 0x340, 9n)).toBe(true);
    expect(machine.harts[0]!.readCsr(0x340)).toBe(9n);
    expect(machine.inputLog).toHaveLength(1);
  });

  test('devices with their registers decoded, in the order of addresses', () => {
    const { machine } = programMachine(COUNTER);
    machine.consoleInput(Uint8Array.of(0x61));
    const devices = machine.devices(true);
    const bases = devices.map(({ base }) => base);
    expect(bases).toEqual([...bases].sort((a, b) => Number(a - b)));
    const uart = devices.find(({ name }) => name === 'uart0')!;
    expect(uart).toMatchObject({ compatible: 'ns16550a', base: 0x1000_0000n, irqs: [10] });
    const lsr = uart.registers.find(({ name }) => name === 'LSR')!;
    expect(lsr.value).toBe(0x61n);
    expect(lsr.fields.find(({ name }) => name === 'DR')).toMatchObject({ value: 1n, text: 'data ready' });
    const iir = uart.registers.find(({ name }) => name === 'IIR')!;
    expect(iir.fields[0]).toMatchObject({ value: 1n, text: 'none pending' });
    expect(uart.registers.find(({ name }) => name === 'THR')!.value).toBeNull();
    const clint = devices.find(({ name }) => name === 'clint')!;
    expect(clint.registers.map(({ name }) => name)).toEqual(['msip[0]', 'mtimecmp[0]', 'mtime']);
    expect(
      machine.devices(false).every((device) => device.registers.every(({ value }) => value === null)),
    ).toBe(true);
    // Looking took nothing.
    expect(machine.devices(true).find(({ name }) => name === 'uart0')!.registers[0]!.value).toBe(0x61n);
  });
});
