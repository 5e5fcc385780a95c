import { createHash } from 'node:crypto';
import type { Machine } from '../../vmm/contracts/machine.ts';

const RAM_BASE = 0x8000_0000n;

/** Everything of a machine that a guest can find out: each hart's whole saved state, and a digest of RAM. */
export function machineState(machine: Machine): unknown {
  const ram = machine.readMemory(0, RAM_BASE, machine.config.memory, 'physical');
  return {
    steps: machine.steps,
    instructions: machine.instructions,
    harts: machine.harts.map((hart) => hart.save()),
    waiting: machine.harts.map((_, index) => machine.waiting(index)),
    ram: createHash('sha256').update(ram).digest('hex'),
  };
}
