import { unreachable } from '../base/assert.ts';
import type { InputLogEntry, Machine } from '../contracts/machine.ts';

/** What a machine that shall repeat a run is made with: see `MachineOptions.answers`. */
export const answersOf = (log: readonly InputLogEntry[]): Uint8Array[] =>
  log.flatMap((entry) => (entry.kind === 'answer' ? [entry.data] : []));

/**
 * Repeats a run: from power-on, with the same images, configuration and answers, everything else in the log is applied at its step.
 * Afterwards the machine stands where the last input took effect; whoever goes on gives the steps that came behind it.
 */
export function replay(machine: Machine, log: readonly InputLogEntry[]): void {
  for (const entry of log) {
    // Answers come when the guest asks for them.
    if (entry.kind === 'answer') continue;
    runTo(machine, entry.step);
    apply(machine, entry);
  }
}

/** Runs to a step, or until only an input would make time pass. */
export function runTo(machine: Machine, step: bigint): void {
  while (machine.steps < step) {
    const { kind } = machine.run(Number(step - machine.steps));
    if (kind === 'idle' || kind === 'end') return;
  }
}

function apply(machine: Machine, entry: InputLogEntry): void {
  switch (entry.kind) {
    case 'console':
      machine.consoleInput(entry.data);
      break;
    case 'time':
      machine.advanceIdle(entry.advanceSteps);
      break;
    case 'memory':
      machine.writeMemory(0, entry.address, entry.data, 'physical');
      break;
    case 'register':
      machine.writeRegister(entry.hart, entry.register, entry.value);
      break;
    case 'csr':
      machine.writeCsr(entry.hart, entry.number, entry.value);
      break;
    case 'device':
      machine.deviceInput(entry.device, entry.input);
      break;
    case 'answer':
      break;
    case 'reset':
      machine.reset();
      break;
    default:
      unreachable(entry);
  }
}
