import { describe, expect, test } from 'vitest';
import { programMachine } from '../support/program-machine.ts';
import { random, SEED } from '../support/random.ts';
import { machineState } from './machine-state.ts';
import { PAGED_SUPERVISOR } from './paged-supervisor.ts';

const STEPS = 300_000;
const TRAP_LABELS = ['handler', 'timer', 'call', 'leave'] as const;

/** Runs the guest to STEPS as `cut` says; what is left after it in one go. */
function run(cut: (guest: ReturnType<typeof programMachine>) => void): ReturnType<typeof programMachine> {
  const guest = programMachine(PAGED_SUPERVISOR, { firmware: 'builtin' });
  cut(guest);
  guest.machine.setBreakpoints(new Set());
  guest.machine.cancelStep();
  guest.machine.run(STEPS - Number(guest.machine.steps));
  expect(guest.machine.steps).toBe(BigInt(STEPS));
  return guest;
}

const left = (guest: ReturnType<typeof programMachine>): number => STEPS - Number(guest.machine.steps);

describe(`a guest full of traps and page faults (SEED=${SEED})`, () => {
  const whole = run(() => {});

  test('does what it is there for', () => {
    const timers = Number(whole.read64('timers'));
    expect(timers).toBeGreaterThan(STEPS / 700);
    expect(timers).toBeLessThan(STEPS / 100);
    expect(whole.read64('calls')).toBeGreaterThan(500n);
    // Every call unmaps the page, and the next access to it faults: one fault for each, give or take the present one.
    const unanswered = whole.read64('faults') - whole.read64('calls');
    expect(unanswered >= 0n && unanswered <= 1n).toBe(true);
  });

  test('ends the same in two runs', () => {
    expect(machineState(run(() => {}).machine)).toEqual(machineState(whole.machine));
  });

  test('ends the same in slices of any length', () => {
    for (const longest of [2, 17, 997, 100_003]) {
      const source = random(SEED + longest);
      const cut = run((guest) => {
        // The shortest slices for the first stretch only, for they take their time.
        const until = Math.max(0, STEPS - longest * 20_000);
        while (left(guest) > until) guest.machine.run(Math.min(left(guest), 1 + source.below(longest)));
      });
      expect(machineState(cut.machine), `slices up to ${longest}, SEED=${SEED}`).toEqual(
        machineState(whole.machine),
      );
    }
  });

  test('ends the same with breakpoints, exit breakpoints, single steps and readers in between', () => {
    const source = random(SEED);
    const stops = new Set<string>();
    const cut = run((guest) => {
      const { machine, labels } = guest;
      while (left(guest) > STEPS / 2) {
        machine.setBreakpoints(
          source.below(2) === 0 ? new Set([labels[source.pick(TRAP_LABELS)]!]) : new Set(),
        );
        machine.setExitBreakpoints(
          source.below(3) === 0
            ? [
                {
                  kind: source.pick(['trap', 'csr', 'tlb-flush'] as const),
                  stage: source.pick(['pre', 'post'] as const),
                  hitCount: 1,
                  action: 'stop',
                },
              ]
            : [],
        );
        if (source.below(3) === 0) machine.beginStep({ hart: 0, mode: 'into', ranges: [] });
        const why = machine.run(Math.min(left(guest), 1 + source.below(800)));
        if (why.kind === 'stop') stops.add(why.stop.reason);
        machine.cancelStep();
        look(machine, source.next());
      }
      machine.setExitBreakpoints([]);
    });
    expect([...stops].sort()).toEqual(['breakpoint', 'exit', 'step']);
    expect(machineState(cut.machine), `SEED=${SEED}`).toEqual(machineState(whole.machine));
  });
});

/** All that a debugger reads. */
function look(machine: ReturnType<typeof programMachine>['machine'], address: bigint): void {
  const hart = machine.harts[0]!;
  for (let number = 0; number < 4096; number++) hart.readCsr(number);
  machine.readMemory(0, 0x405000n, 64, 'virtual');
  machine.readMemory(0, address, 64, 'virtual');
  machine.devices(true);
}
