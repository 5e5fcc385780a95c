import { assert } from '../base/assert.ts';
import { VmError } from '../base/vm-error.ts';
import type { GuestMemory } from '../contracts/memory.ts';
import { HARTS_MAX, RAM_OFFSET, RAM_SIZE_MAX } from './layout.ts';
import { GuardedPages } from './ram-pages.ts';

const WASM_PAGE = 0x1_0000;

/**
 * Reserves the machine's linear memory, all zero. Sizes and the guest-physical base are bytes, multiples of
 * 4 KiB. Throws `VmError('bad-config')` when the host cannot give that much address space.
 */
export function createGuestMemory(options: { ramBase: number; ramSize: number; harts: number }): GuestMemory {
  const { ramBase, ramSize, harts } = options;
  assert(harts >= 1 && harts <= HARTS_MAX, `1 to ${HARTS_MAX} harts, not ${harts}`);
  assert(ramBase % 4096 === 0, 'RAM starts at a page');
  if (ramSize <= 0 || ramSize > RAM_SIZE_MAX || ramSize % 4096 !== 0) {
    throw new VmError('bad-config', `memory size ${ramSize} is not a multiple of 4096 up to 3584M`);
  }
  const pages = Math.ceil((RAM_OFFSET + ramSize) / WASM_PAGE);
  let memory: WebAssembly.Memory;
  try {
    memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  } catch {
    throw new VmError('bad-config', `the host cannot reserve ${ramSize} bytes of guest memory; ask for less`);
  }
  const buffer = memory.buffer as unknown as SharedArrayBuffer;
  const ram = new Uint8Array(buffer, RAM_OFFSET, ramSize);
  return { memory, ramBase, ramSize, ram, pages: new GuardedPages(buffer, ram), harts };
}
