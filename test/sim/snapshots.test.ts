import { describe, expect, test } from 'vitest';
import { Snapshots } from '../../vmm/snapshot/index.ts';
import { MemorySnapshots } from '../support/memory-snapshots.ts';
import { type ProgramMachine, programMachine } from '../support/program-machine.ts';
import { type Random, random, SEED } from '../support/random.ts';
import { machineState } from './machine-state.ts';
import { PAGED_SUPERVISOR } from './paged-supervisor.ts';
import {
  ACLINT_INTERRUPTS,
  counting,
  HARTS,
  LOCKS,
  REPLACED_CODE,
  remap,
  SBI_INTERRUPTS,
} from './smp-programs.ts';
import { TIERS } from './tiers.ts';

type Config = NonNullable<Parameters<typeof programMachine>[1]>;
type Guest = readonly [name: string, program: string, config: Config];

const GUESTS: readonly Guest[] = [
  ['a lock by amoswap', counting(LOCKS.amoswap), { harts: HARTS }],
  ['a lock by lr and sc', counting(LOCKS['lr and sc']), { harts: HARTS }],
  ['interrupts by the ACLINT', ACLINT_INTERRUPTS, { harts: 3 }],
  ['interrupts by the SBI', SBI_INTERRUPTS, { firmware: 'builtin', harts: 2 }],
  ['a page that moves without a fence', remap(''), { firmware: 'builtin', harts: 2 }],
  ['code that another hart replaces', REPLACED_CODE, { firmware: 'builtin', harts: 2 }],
  ['system calls and page faults', PAGED_SUPERVISOR, { firmware: 'builtin' }],
];

const STEPS = 120_000;
const HOT_AFTER = 4;
const TRANSLATORS = [undefined, ...Object.values(TIERS)] as const;

const create = ([, program, config]: Guest, tier: number): ProgramMachine =>
  programMachine(program, config, TRANSLATORS[tier % TRANSLATORS.length]?.(HOT_AFTER));

const snapshotsOf = ({ machine, images }: ProgramMachine, files: MemorySnapshots): Snapshots =>
  new Snapshots({ machine, images, disks: [] }, files, 'test');

function runTo({ machine }: ProgramMachine, steps: number): void {
  while (machine.steps < BigInt(steps)) {
    if (machine.run(steps - Number(machine.steps)).kind === 'end') return;
  }
}

/** To a place anywhere, also within a round of the harts' turns, where only an exit stops. */
function runSomewhere(guest: ProgramMachine, source: Random): void {
  const { machine } = guest;
  runTo(guest, source.below(STEPS));
  if (machine.end !== null || source.below(2) === 0) return;
  const stage = source.pick(['pre', 'post'] as const);
  const hitCount = 1 + source.below(5);
  machine.setExitBreakpoints(
    (['trap', 'csr', 'sbi', 'mmio', 'wfi'] as const).map((kind) => ({
      kind,
      stage,
      hitCount,
      action: 'stop',
    })),
  );
  machine.run(5_000);
  machine.setExitBreakpoints([]);
}

describe(`snapshots (SEED=${SEED})`, () => {
  test.each(GUESTS)('%s: goes on from anywhere as if nothing had been', (...guest) => {
    const whole = create(guest, 0);
    runTo(whole, STEPS);
    const expected = machineState(whole.machine);
    const source = random(SEED);
    for (let round = 0; round < 9; round++) {
      const files = new MemorySnapshots();
      const first = create(guest, round);
      runSomewhere(first, source);
      const at = `round ${round}, step ${first.machine.steps}`;
      snapshotsOf(first, files).save('it', { incremental: false });
      const state = first.machine.save();
      const output = first.output().length;
      runTo(first, STEPS);
      expect(machineState(first.machine), `${at}: saving changes nothing`).toEqual(expected);

      const second = create(guest, round + 1 + source.below(2));
      snapshotsOf(second, files).restore('it');
      expect(second.machine.save(), `${at}: the same state`).toEqual(state);
      runTo(second, STEPS);
      expect(machineState(second.machine), at).toEqual(expected);
      expect(second.output(), at).toBe(whole.output().slice(output));
      expect(second.machine.end, at).toEqual(whole.machine.end);
    }
  });

  test.each(GUESTS)('%s: one snapshot upon the other', (...guest) => {
    const source = random(SEED + 1);
    const files = new MemorySnapshots();
    const first = create(guest, 1);
    const snapshots = snapshotsOf(first, files);
    const states: unknown[] = [];
    for (let at = 0; at < STEPS && first.machine.end === null; at += 1 + source.below(STEPS / 4)) {
      runTo(first, at);
      const saved = snapshots.save(`at${states.length}`, { incremental: states.length > 0 });
      expect(saved.parent).toBe(states.length > 0 ? `/at${states.length - 1}` : null);
      states.push(machineState(first.machine));
    }
    const second = create(guest, 0);
    const others = snapshotsOf(second, files);
    // Back and forth in one machine, which has its own past.
    for (const index of [...states.keys()].reverse()) {
      others.restore(`at${index}`);
      expect(machineState(second.machine), `snapshot ${index}`).toEqual(states[index]);
      runTo(second, Number(second.machine.steps) + 10_000);
    }
    others.restore(`at${states.length - 1}`);
    runTo(second, STEPS);
    runTo(first, STEPS);
    expect(machineState(second.machine)).toEqual(machineState(first.machine));
  });

  test('a reset between two snapshots', () => {
    const guest = GUESTS.at(-1)!;
    const files = new MemorySnapshots();
    const first = create(guest, 0);
    const snapshots = snapshotsOf(first, files);
    runTo(first, STEPS / 2);
    snapshots.save('before', { incremental: false });
    first.machine.reset();
    first.machine.run(1000);
    expect(snapshots.save('after', { incremental: true }).parent).toBe('/before');
    const second = create(guest, 0);
    snapshotsOf(second, files).restore('after');
    expect(machineState(second.machine)).toEqual(machineState(first.machine));
    runTo(first, STEPS);
    runTo(second, STEPS);
    expect(machineState(second.machine)).toEqual(machineState(first.machine));
  });

  test('a guest that has ended, or is just about to', () => {
    const guest: Guest = [
      'power-off',
      'li t0, 0x100000\nli t1, 0x5555\nend:\nsw t1, 0(t0)\njal zero, end',
      {},
    ];
    const files = new MemorySnapshots();
    const first = create(guest, 0);
    first.machine.setExitBreakpoints([{ kind: 'system', stage: 'post', hitCount: 1, action: 'stop' }]);
    const snapshots = snapshotsOf(first, files);
    expect(first.machine.run(1000).kind).toBe('stop');
    snapshots.save('stopped', { incremental: false });
    const end = first.machine.run(1000);
    expect(end).toEqual({ kind: 'end', end: { reason: 'pass', code: 0 } });
    snapshots.save('ended', { incremental: false });
    const second = create(guest, 0);
    const others = snapshotsOf(second, files);
    for (const name of ['stopped', 'ended', 'stopped']) {
      others.restore(name);
      expect(second.machine.end === null, name).toBe(name === 'stopped');
      expect(second.machine.run(1000), name).toEqual(end);
      expect(second.machine.steps).toBe(first.machine.steps);
    }
  });
});
