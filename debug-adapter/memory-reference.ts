import { VmError } from '../vmm/base/vm-error.ts';
import type { Space } from './machine-view.ts';

/**
 * A `memoryReference`: `0x…` is an address in the current hart's virtual space, `pa:0x…` a guest-physical one.
 * @throws VmError `bad-request` for anything else.
 */
export function parseMemoryReference(text: string): { readonly address: bigint; readonly space: Space } {
  const match = /^(pa:)?(0x[0-9a-f]{1,16}|\d{1,20})$/i.exec(text.trim());
  if (match === null) {
    throw new VmError(
      'bad-request',
      `"${text}" is no address: write 0x… for a virtual or pa:0x… for a physical one.`,
    );
  }
  return {
    address: BigInt.asUintN(64, BigInt(match[2]!)),
    space: match[1] === undefined ? 'virtual' : 'physical',
  };
}
