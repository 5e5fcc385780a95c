import { describe, expect, test } from 'vitest';
import { BareHarts, RAM_BASE } from '../support/bare-hart.ts';
import { type ProgramMachine, programMachine } from '../support/program-machine.ts';
import { random, SEED } from '../support/random.ts';
import { machineState } from './machine-state.ts';
import {
  ACLINT_INTERRUPTS,
  await64,
  counting,
  HARTS,
  HSM,
  IPI,
  LOCKS,
  REPLACED_CODE,
  RFENCE,
  ROUNDS,
  remap,
  SBI_INTERRUPTS,
  sbi,
  set64,
  withSecondHart,
} from './smp-programs.ts';

describe('spin locks', () => {
  test.each(Object.entries(LOCKS))('by %s count exactly on a machine', (_, lock) => {
    const { machine, read64 } = programMachine(counting(lock), { harts: HARTS });
    machine.run(1_500_000);
    expect([read64('done'), read64('count'), read64('lock')]).toEqual([
      BigInt(HARTS),
      BigInt(HARTS * ROUNDS),
      0n,
    ]);
  });

  test.each(Object.entries(LOCKS))(`by %s count exactly in turns of any length (SEED=${SEED})`, (_, lock) => {
    const source = random(SEED);
    const bare = new BareHarts({ harts: HARTS });
    const labels = bare.place(counting(lock), RAM_BASE);
    for (const [id, hart] of bare.group.harts.entries()) {
      hart.reset({ pc: BigInt(RAM_BASE), privilege: 3, a0: BigInt(id), a1: 0n });
    }
    const done = Number(labels['done']!);
    for (let turns = 0; bare.read64(done) < BigInt(HARTS); turns++) {
      expect(turns, `SEED=${SEED}`).toBeLessThan(200_000);
      source.pick(bare.group.harts).run(1 + source.below(60));
    }
    expect(bare.read64(Number(labels['count']!)), `SEED=${SEED}`).toBe(BigInt(HARTS * ROUNDS));
  });

  // Each pops a node off a list and pushes it again: with a reservation that only compared values, a pop would
  // succeed on a head that went and came back, and nodes would be lost or doubled.
  test(`a list without a lock keeps its nodes (SEED=${SEED})`, () => {
    const NODES = 5;
    const bare = new BareHarts({ harts: HARTS });
    const labels = bare.place(
      `
      lla t0, head
    pop:
      lr.d t1, (t0)
      beq t1, zero, pop
      ld t2, 0(t1)
      sc.d t3, t2, (t0)
      bne t3, zero, pop
      addi s0, s0, 1
      andi s1, s0, 1
      beq s1, zero, push
      # every other time with two nodes in hand, so that the order of the list changes
    second:
      lr.d s2, (t0)
      beq s2, zero, push
      ld t2, 0(s2)
      sc.d t3, t2, (t0)
      bne t3, zero, second
    pushSecond:
      lr.d t2, (t0)
      sd t2, 0(t1)
      sc.d t3, t1, (t0)
      bne t3, zero, pushSecond
      addi t1, s2, 0
    push:
      ld t2, 0(t0)
      sd t2, 0(t1)
      lr.d t4, (t0)
      bne t4, t2, push
      sc.d t3, t1, (t0)
      bne t3, zero, push
      jal zero, pop
      .balign 8
    head:
      .dword 0
      `,
      RAM_BASE,
    );
    const head = Number(labels['head']!);
    const nodes = Array.from({ length: NODES }, (_, index) => RAM_BASE + 0x4000 + index * 64);
    for (const [index, node] of nodes.entries()) bare.write64(node, BigInt(nodes[index + 1] ?? 0));
    bare.write64(head, BigInt(nodes[0]!));
    for (const hart of bare.group.harts) hart.reset({ pc: BigInt(RAM_BASE), privilege: 3, a0: 0n, a1: 0n });

    const source = random(SEED);
    for (let turns = 0; turns < 30_000; turns++) source.pick(bare.group.harts).run(1 + source.below(40));
    // Back to a moment at which no hart has nodes in its hands.
    for (const hart of bare.group.harts) {
      for (let steps = 0; hart.getPc() !== labels['pop']; steps++) {
        expect(steps, `SEED=${SEED}`).toBeLessThan(10_000);
        hart.run(1);
      }
    }
    const seen: number[] = [];
    for (let node = Number(bare.read64(head)); node !== 0; node = Number(bare.read64(node))) {
      seen.push(node);
      expect(seen.length, `SEED=${SEED}`).toBeLessThanOrEqual(NODES);
    }
    expect(
      seen.toSorted((a, b) => a - b),
      `SEED=${SEED}`,
    ).toEqual(nodes);
    for (const hart of bare.group.harts) expect(hart.getX(8)).toBeGreaterThan(500n);
  });
});

function toEnd(guest: ProgramMachine): void {
  expect(guest.machine.run(5_000_000)).toMatchObject({ kind: 'end', end: { reason: 'shutdown' } });
}

const cell = ({ machine, labels }: ProgramMachine, index: number): bigint => {
  const bytes = machine.readMemory(0, labels['cells']! + BigInt(index * 8), 8, 'physical');
  return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
};

describe('interrupts between harts', () => {
  test('by the ACLINT: each is taken once by the hart it is for', () => {
    const guest = programMachine(ACLINT_INTERRUPTS, { harts: 3 });
    expect(guest.machine.run(5_000_000)).toMatchObject({ kind: 'end', end: { reason: 'pass' } });
    expect([cell(guest, 0), cell(guest, 1), cell(guest, 2)]).toEqual([0n, 50n, 50n]);
  });

  test('by the SBI: SSIP comes to the hart in the mask, which clears it', () => {
    const guest = programMachine(SBI_INTERRUPTS, { firmware: 'builtin', harts: 2 });
    toEnd(guest);
    expect(cell(guest, 1)).toBe(20n);
    expect(cell(guest, 2)).toBe(0n); // none for the sender
  });
});

describe('remote fences', () => {
  test.each([
    ['remote_sfence_vma', sbi(RFENCE, 1), 0x22n],
    ['remote_sfence_vma_asid', sbi(RFENCE, 2), 0x22n],
    // The translation in the cache is what makes the fence's effect visible: without it the old page is read.
    ['no fence', '', 0x11n],
  ])('%s', (_, fence, read) => {
    const guest = programMachine(remap(fence), { firmware: 'builtin', harts: 2 });
    toEnd(guest);
    expect([cell(guest, 1), cell(guest, 2)]).toEqual([0x11n, read]);
  });

  test('code that hart 0 changes is what hart 1 executes, though it had executed the old', () => {
    const guest = programMachine(REPLACED_CODE, { firmware: 'builtin', harts: 2 });
    toEnd(guest);
    expect([cell(guest, 1), cell(guest, 2), cell(guest, 3)]).toEqual([100n, 107n, 0n]);
  });
});

describe('hart states', () => {
  test('start, wait and stop show in the status, and errors in the result', () => {
    const status = (hart: number, offset: number): string => `
      li a0, ${hart}
      ${sbi(HSM, 2)}
      slli t0, a0, 8
      or t0, t0, a1
      sd t0, ${offset}(s0)
    `;
    const guest = programMachine(
      `
      lla s0, cells
      ${status(1, 0)}
      ${status(9, 8)}
      li a0, 1
      lla a1, second
      li a2, 0x55
      ${sbi(HSM, 0)}
      sd a0, 16(s0)
      ${await64(40, 0x55, 'started')}
      ${status(1, 24)}
      li a0, 1
      lla a1, second
      ${sbi(HSM, 0)}
      sd a0, 32(s0)
      ${set64(40, 0)}
    stopping:
      ${status(1, 48)}
      ld t0, 48(s0)
      li t1, 1
      bne t0, t1, stopping
      li a0, 1
      li a1, 3                 # odd
      ${sbi(HSM, 0)}
      sd a0, 56(s0)
      li a7, 8
      ecall
    second:
      lla s0, cells
      sd a0, 64(s0)
      sd a1, 40(s0)
      ${await64(40, 0, 'told')}
      ${sbi(HSM, 1)}
      sd s0, 72(s0)            # not reached
      .balign 8
    cells:
      ${'.dword 0\n'.repeat(10)}
      `,
      { firmware: 'builtin', harts: 2 },
    );
    toEnd(guest);
    const [stopped, invalid] = [1n, BigInt.asUintN(64, -3n << 8n)];
    expect(Array.from({ length: 4 }, (_, index) => cell(guest, index))).toEqual([stopped, invalid, 0n, 0n]);
    expect(cell(guest, 4)).toBe(BigInt.asUintN(64, -6n)); // SBI_ERR_ALREADY_AVAILABLE
    expect(cell(guest, 6)).toBe(stopped);
    expect(cell(guest, 7)).toBe(BigInt.asUintN(64, -5n)); // SBI_ERR_INVALID_ADDRESS
    expect([cell(guest, 8), cell(guest, 9)]).toEqual([1n, 0n]);
  });

  // What wakes a suspended hart must still be pending when the supervisor has its context back, or it is lost.
  test.each([
    ['an IPI', 2],
    ['the timer', 0x20],
  ])('a non-retentive suspension keeps %s pending', (_, bit) => {
    const guest = programMachine(
      withSecondHart(
        `
        ${await64(0, 1, 'aboutToSleep')}
      asleep:
        li a0, 1
        ${sbi(HSM, 2)}
        li t0, 4
        bne a1, t0, asleep
        li a0, ${bit === 2 ? 2 : 0}
        li a1, 0
        ${sbi(IPI, 0)}
        ${await64(24, 1, 'resumption')}
        `,
        `
        li t0, ${bit}
        csrrw zero, sie, t0
        csrrs t0, time, zero
        addi t0, t0, 2000
        csrrw zero, stimecmp, t0
        sd t0, 16(s0)
        ${set64(0, 1)}
        li a0, 0x80000000
        lla a1, resumed
        li a2, 9
        ${sbi(HSM, 3)}
      resumed:
        lla s0, cells
        csrrs t0, sip, zero
        sd t0, 8(s0)
        csrrs t0, stimecmp, zero
        ld t1, 16(s0)
        sub t0, t0, t1
        sd t0, 16(s0)
        ${set64(24, 1)}
        `,
      ),
      { firmware: 'builtin', harts: 2 },
    );
    toEnd(guest);
    expect([cell(guest, 1), cell(guest, 2)]).toEqual([BigInt(bit), 0n]);
  });
});

describe(`the interleaving of harts that lock, wait and interrupt each other (SEED=${SEED})`, () => {
  const STEPS = 200_000;
  const GUEST = `
      lla s0, cells
      lla t0, handler
      csrrw zero, mtvec, t0
      li s1, 0x2000000
      slli s2, a0, 3
      li t0, 0x4000
      add s2, s2, t0
      add s2, s2, s1           # this hart's mtimecmp
      li t0, 0x88
      csrrw zero, mie, t0
      addi s6, a0, 1
      andi s6, s6, 3
      slli s6, s6, 2
      add s6, s6, s1           # the next hart's msip
      slli s7, a0, 2
      add s7, s7, s1
      li t0, 5
      sw t0, 0(s2)
      sw zero, 4(s2)
      csrrsi zero, mstatus, 8
      lla t0, lock
    spin:
      lr.w.aq t1, (t0)
      bne t1, zero, spin
      li t1, 1
      sc.w t1, t1, (t0)
      bne t1, zero, spin
      ld t2, 0(s0)
      li t1, 0x5deece66d
      mul t2, t2, t1
      add t2, t2, a0
      csrrs t1, mcycle, zero
      add t2, t2, t1
      sd t2, 0(s0)
      amoswap.w.rl zero, zero, (t0)
      addi s3, s3, 1
      andi t1, s3, 31
      bne t1, zero, spin
      li t1, 1
      sw t1, 0(s6)
      wfi
      jal zero, spin
    handler:
      csrrs t3, mcause, zero
      sw zero, 0(s7)
      lui t4, 0x200c
      addi t4, t4, -8
      lw t4, 0(t4)             # mtime
      addi t4, t4, 7
      add t4, t4, a0
      sw t4, 0(s2)
      sw zero, 4(s2)
      add s4, s4, t3
      addi s5, s5, 1
      mret
      .balign 8
    lock:
      .dword 0
      .balign 8
    cells:
      .dword 0
  `;
  const make = (): ProgramMachine => programMachine(GUEST, { harts: HARTS });
  const whole = make();
  whole.machine.run(STEPS);

  test('every hart takes part', () => {
    for (const hart of whole.machine.harts) {
      expect(hart.getX(19)).toBeGreaterThan(100n);
      expect(hart.getX(21)).toBeGreaterThan(10n);
    }
  });

  test('is the same in two runs', () => {
    const again = make();
    again.machine.run(STEPS);
    expect(machineState(again.machine)).toEqual(machineState(whole.machine));
  });

  test.each([3, 501, 7_919])('is the same in slices of up to %i steps', (longest) => {
    const source = random(SEED + longest);
    const { machine } = make();
    const until = Math.min(STEPS, longest * 10_000);
    while (machine.steps < until) {
      machine.run(Math.min(STEPS - Number(machine.steps), 1 + source.below(longest)));
    }
    machine.run(STEPS - Number(machine.steps));
    expect(machineState(machine), `SEED=${SEED}`).toEqual(machineState(whole.machine));
  });

  test('is the same when harts are stepped, stopped and looked at', () => {
    const source = random(SEED);
    const { machine, labels } = make();
    const stops = new Set<string>();
    while (machine.steps < STEPS / 2) {
      const stopsAt = source.pick(['handler', 'spin', undefined, undefined] as const);
      machine.setBreakpoints(stopsAt === undefined ? new Set() : new Set([labels[stopsAt]!]));
      if (source.below(2) === 0) machine.beginStep({ hart: source.below(HARTS), mode: 'into', ranges: [] });
      const why = machine.run(1 + source.below(3_000));
      if (why.kind === 'stop') stops.add(`${why.stop.reason} ${why.stop.hart}`);
      machine.cancelStep();
      for (const hart of machine.harts) for (const csr of [0xc01, 0x344, 0xb00]) hart.readCsr(csr);
      machine.devices(true);
    }
    machine.setBreakpoints(new Set());
    machine.run(STEPS - Number(machine.steps));
    expect(stops.size, `SEED=${SEED}`).toBeGreaterThan(HARTS); // of several harts, both for breakpoints and steps
    expect(machineState(machine), `SEED=${SEED}`).toEqual(machineState(whole.machine));
  });
});
