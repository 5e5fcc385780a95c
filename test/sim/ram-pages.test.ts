import { describe, expect, test } from 'vitest';
import type { Machine } from '../../vmm/contracts/machine.ts';
import { type ProgramMachine, programMachine } from '../support/program-machine.ts';
import { random, SEED } from '../support/random.ts';
import { machineState } from './machine-state.ts';
import { PAGED_SUPERVISOR } from './paged-supervisor.ts';
import { counting, HARTS, LOCKS, REPLACED_CODE, remap } from './smp-programs.ts';
import { TIERS } from './tiers.ts';

const PAGE = 4096;
const STEPS = 100_000;
const HOT_AFTER = 4;
const TRANSLATORS = [undefined, ...Object.values(TIERS)] as const;

const GUESTS: readonly (readonly [string, string, NonNullable<Parameters<typeof programMachine>[1]>])[] = [
  ['a lock by lr and sc', counting(LOCKS['lr and sc']), { harts: HARTS }],
  ['a page that moves without a fence', remap(''), { firmware: 'builtin', harts: 2 }],
  ['code that another hart replaces', REPLACED_CODE, { firmware: 'builtin', harts: 2 }],
  ['system calls and page faults', PAGED_SUPERVISOR, { firmware: 'builtin' }],
];

/** Stores to the first word of 3 pages, thrice, one of them by an atomic. */
const STORES = `
    li s0, 3
  round:
    li t0, 0x80010000
    li t1, 0x80020000
    li t2, 0x80030ffc
    sd s0, 0(t0)
    amoadd.d t3, s0, (t1)
    sd s0, 0(t2)
    addi s0, s0, -1
    bne s0, zero, round
  end:
    jal zero, end
`;

function changedPages(before: Uint8Array, { memory: { ram, pages } }: Machine): number[] {
  return Array.from({ length: pages.count }, (_, page) => page).filter(
    (page) =>
      Buffer.compare(
        before.subarray(page * PAGE, (page + 1) * PAGE),
        ram.subarray(page * PAGE, (page + 1) * PAGE),
      ) !== 0,
  );
}

function runTo({ machine }: ProgramMachine, steps: number): void {
  while (machine.steps < BigInt(steps)) {
    if (machine.run(steps - Number(machine.steps)).kind === 'end') return;
  }
}

describe(`pages of RAM (SEED=${SEED})`, () => {
  test.each(GUESTS)(
    '%s: every page that changed is noted, and noting changes nothing',
    (_, program, config) => {
      const whole = programMachine(program, config);
      runTo(whole, STEPS);
      const source = random(SEED);
      for (const translator of TRANSLATORS) {
        const guest = programMachine(program, config, translator?.(HOT_AFTER));
        const { machine } = guest;
        const { pages, ram } = machine.memory;
        let noted = 0;
        for (let at = 0; at < STEPS; at += 1 + source.below(STEPS / 10)) {
          runTo(guest, at);
          pages.mark();
          const before = ram.slice();
          runTo(guest, Math.min(STEPS, at + source.below(3000)));
          for (const page of changedPages(before, machine)) {
            expect(pages.isDirty(page), `page ${page} after step ${at}`).toBe(true);
            expect(pages.isPresent(page)).toBe(true);
            noted += 1;
          }
        }
        expect(noted).toBeGreaterThan(0);
        runTo(guest, STEPS);
        expect(machineState(machine)).toEqual(machineState(whole.machine));
      }
    },
  );

  test('few pages are dirty when few were written', () => {
    const { machine } = programMachine(STORES);
    machine.run(8);
    machine.memory.pages.mark();
    machine.run(1000);
    const dirty = Array.from({ length: machine.memory.pages.count }, (_, page) => page).filter((page) =>
      machine.memory.pages.isDirty(page),
    );
    // The store at the end of a page goes into the next one, too.
    expect(dirty).toEqual([0x10, 0x20, 0x30, 0x31]);
    machine.memory.pages.unmark();
    expect(machine.memory.pages.isDirty(0)).toBe(true);
  });

  test('what a debugger writes is noted', () => {
    const { machine } = programMachine(STORES);
    machine.memory.pages.mark();
    machine.writeMemory(0, 0x8004_0ffen, Uint8Array.of(1, 2, 3, 4), 'physical');
    expect([0x3f, 0x40, 0x41, 0x42].map((page) => machine.memory.pages.isDirty(page))).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });

  test('a machine starts with the pages of its images, and again after a reset', () => {
    const { machine } = programMachine(STORES);
    const { pages } = machine.memory;
    const first = pages.presentCount;
    expect(pages.isPresent(0)).toBe(true);
    expect(pages.isPresent(0x10)).toBe(false);
    machine.run(1000);
    expect(pages.presentCount).toBe(first + 4);
    machine.reset();
    expect(pages.presentCount).toBe(first);
    expect(machine.memory.ram[0x1_0000]).toBe(0);
  });

  test.each([0, 1, 2])('a page that comes into being is an exit, once (tier %d)', (tier) => {
    const { machine } = programMachine(STORES, { trace: ['page-fault'] }, TRANSLATORS[tier]?.(1));
    machine.run(1000);
    const { records } = machine.trace(0, 100, {});
    const told = records.filter(({ stage }) => stage === 'post').map(({ exit }) => exit);
    const fault = (address: bigint) => ({ kind: 'page-fault', address, reason: 'not-present', write: true });
    expect(told).toEqual([0x8001_0000n, 0x8002_0000n, 0x8003_0ffcn, 0x8003_1000n].map(fault));
    expect(machine.exitStats().counts.find(({ kind }) => kind === 'page-fault')?.count).toBe(4);
  });

  test('a machine stops before a page comes into being, and goes on', () => {
    const { machine, labels } = programMachine(STORES);
    machine.setExitBreakpoints([{ kind: 'page-fault', stage: 'pre', hitCount: 1, action: 'stop' }]);
    const stops: unknown[] = [];
    for (let result = machine.run(1000); result.kind === 'stop'; result = machine.run(1000)) {
      const { exit } = result.stop.record!;
      if (exit.kind !== 'page-fault') throw new Error('it stops at nothing else');
      const page = (Number(exit.address) - 0x8000_0000) >>> 12;
      expect(machine.memory.pages.isPresent(page)).toBe(false);
      stops.push(exit.address);
      machine.passStop(0);
    }
    // The misaligned store's second page stops it anew only when the first did not.
    expect(stops).toEqual([0x8001_0000n, 0x8002_0000n, 0x8003_0ffcn]);
    expect(machine.harts[0]!.getPc()).toBe(labels['end']);
    expect(machineState(machine)).toMatchObject({ instructions: machine.instructions });
  });

  test('a page that was given up is zeros, absent, and comes into being again', () => {
    const { machine } = programMachine(STORES);
    const { pages, ram } = machine.memory;
    machine.run(14);
    const before = pages.presentCount;
    pages.mark();
    expect(ram[0x1_0000]).toBe(3);
    pages.release(0xffff, 0x1002);
    expect(ram[0x1_0000]).toBe(0);
    expect([pages.isPresent(0x10), pages.isDirty(0x10), pages.presentCount]).toEqual([
      false,
      true,
      before - 1,
    ]);
    machine.run(1000);
    expect([pages.isPresent(0x10), ram[0x1_0000]]).toEqual([true, 1]);
  });

  test('a restored machine has the pages that were there', () => {
    const { machine } = programMachine(STORES);
    machine.run(1000);
    const { pages } = machine.memory;
    const present = Array.from({ length: pages.count }, (_, page) => page).filter((page) =>
      pages.isPresent(page),
    );
    pages.replace(present.slice(1));
    expect(pages.presentCount).toBe(present.length - 1);
    expect(pages.isPresent(present[0]!)).toBe(false);
    pages.replace(present);
    expect(present.every((page) => pages.isPresent(page))).toBe(true);
  });

  test.each([16, 128, 3584])('%d MiB of RAM, to the last byte', (mebibytes) => {
    const bytes = mebibytes * 2 ** 20;
    const program = `
      li t0, ${0x8000_0000 + bytes - 8}
      sd t0, 0(t0)
      ld t1, 0(t0)
      addi t0, t0, 8
      lla t2, handler
      csrrw zero, mtvec, t2
      sd t0, 0(t0)
    handler:
      csrrs t3, mcause, zero
      jal zero, 0
    `.replace('jal zero, 0', 'end:\n jal zero, end');
    const { machine } = programMachine(program, { memory: bytes });
    machine.run(1000);
    const [hart] = machine.harts;
    expect(hart!.getX(6)).toBe(BigInt(0x8000_0000 + bytes - 8));
    expect(hart!.getX(28)).toBe(7n); // store access fault
    expect(machine.memory.pages.presentCount).toBeLessThan(10);
  });
});
