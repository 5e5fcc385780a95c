/** A machine of QEMU's `virt` shape: board, boot, and the loop that runs its harts. */
export { createMachine, type MachineOptions } from './machine.ts';
