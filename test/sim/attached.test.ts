import { expect, test } from 'vitest';
import { type CompileJob, createTranslator, SynchronousCompiler } from '../../vmm/jit/index.ts';
import { type ProgramMachine, programMachine } from '../support/program-machine.ts';
import { machineState } from './machine-state.ts';
import { PAGED_SUPERVISOR } from './paged-supervisor.ts';

const STEPS = 200_000;
const SLICE = 10_000;

/** Keeps the modules that it compiled. */
class RecordingCompiler extends SynchronousCompiler {
  readonly modules: string[] = [];

  override submit(job: CompileJob): void {
    this.modules.push(Buffer.from(job.code).toString('hex'));
    super.submit(job);
  }
}

interface Run {
  readonly modules: readonly string[];
  readonly exits: readonly unknown[];
  readonly tiers: unknown;
  readonly state: unknown;
}

/** @param between what a debugger does between two slices. */
function run(between: (guest: ProgramMachine) => void): Run {
  const compiler = new RecordingCompiler();
  const guest = programMachine(
    PAGED_SUPERVISOR,
    { firmware: 'builtin' },
    createTranslator({ compiler, hotAfter: 10 }),
  );
  while (guest.machine.steps < BigInt(STEPS)) {
    between(guest);
    guest.machine.run(SLICE);
  }
  const { machine } = guest;
  return {
    modules: compiler.modules,
    exits: machine.exitStats().counts,
    tiers: machine.tiers,
    state: machineState(machine),
  };
}

/** What a debugger does that shows everything and has nothing armed. */
function look({ machine, labels }: ProgramMachine): void {
  machine.setBreakpoints(new Set());
  machine.setExitBreakpoints([]);
  machine.devices(true);
  machine.exitStats();
  machine.trace(0, 100, {});
  const hart = machine.harts[0]!;
  machine.readMemory(0, hart.getPc(), 64, 'virtual');
  hart.walk(hart.getPc());
  for (let register = 0; register < 32; register++) hart.getX(register);
  expect(labels['handler']).toBeDefined();
}

test('with a debugger attached and nothing armed, generated code and exits are those of a run without one', () => {
  const alone = run(() => {});
  const attached = run(look);
  expect(alone.modules.length).toBeGreaterThan(3);
  expect(attached).toEqual(alone);
});

test('a breakpoint that was set and is gone leaves nothing behind but the code it had to drop', () => {
  const alone = run(() => {});
  const armed = run(({ machine, labels }) => {
    machine.setBreakpoints(new Set([labels['handler']! + 0x10_0000n]));
    machine.setBreakpoints(new Set());
  });
  expect(armed.state).toEqual(alone.state);
  expect(armed.exits).toEqual(alone.exits);
});
