import { physical } from '../base/brands.ts';
import type { GuestDma } from '../contracts/dma.ts';
import type { GuestMemory } from '../contracts/memory.ts';
import { ramRange } from './loaders.ts';

/** RAM as the board's devices see it. `codeChanged` is told what they wrote, as a guest-physical address. */
export const guestDma = (
  memory: GuestMemory,
  codeChanged: (address: number, length: number) => void,
): GuestDma => ({
  view: (address, length) => ramRange(memory, address, BigInt(length)),
  // What was written was viewed before, so that it lies in RAM and its address is a safe number.
  wrote: (address, length) => codeChanged(Number(physical(address)), length),
  forgot: (address, length) => memory.pages.release(Number(physical(address)) - memory.ramBase, length),
});
