/** readMemory and writeMemory. */

import { hex } from '../../vmm/base/brands.ts';
import { VmError } from '../../vmm/base/vm-error.ts';
import type { Handlers } from '../dap.ts';
import type { Debuggee } from '../debuggee.ts';
import { parseMemoryReference } from '../memory-reference.ts';
import { debuggeeOf, type SessionContext } from './context.ts';

/** The VMM answers reads of up to 16 MiB; a memory view asks for far less. */
const READ_BYTES_MAX = 1 << 24;

export const memoryHandlers: Handlers<SessionContext> = {
  readMemory: async (context, { memoryReference, offset = 0, count }) => {
    const debuggee = debuggeeOf(context);
    const { address, space } = parseMemoryReference(memoryReference);
    const start = BigInt.asUintN(64, address + BigInt(offset));
    const length = Math.min(count, READ_BYTES_MAX);
    const data = await debuggee.view.readMemory(currentHart(debuggee), start, length, space);
    return {
      address: hex(start),
      ...(data.length === 0 ? {} : { data: Buffer.from(data).toString('base64') }),
      ...(data.length < count ? { unreadableBytes: count - data.length } : {}),
    };
  },

  writeMemory: async (context, { memoryReference, offset = 0, data, allowPartial = false }) => {
    const debuggee = debuggeeOf(context);
    const { address, space } = parseMemoryReference(memoryReference);
    const start = BigInt.asUintN(64, address + BigInt(offset));
    const bytes = new Uint8Array(Buffer.from(data, 'base64'));
    const hart = currentHart(debuggee);
    if (!allowPartial) {
      const { length } = await debuggee.view.readMemory(hart, start, bytes.length, space);
      if (length < bytes.length) {
        throw new VmError(
          'bad-address',
          `Cannot write ${bytes.length} bytes at ${hex(start)}: only ${length} of them are there.`,
        );
      }
    }
    const bytesWritten = await debuggee.view.writeMemory(hart, start, bytes, space);
    if (bytesWritten < bytes.length && !allowPartial) {
      throw new VmError(
        'bad-address',
        `Only ${bytesWritten} of ${bytes.length} bytes at ${hex(start)} are RAM; the rest was not written.`,
      );
    }
    announceMemoryWrite(context, start, bytesWritten);
    return { bytesWritten };
  },
};

/** The hart whose address space a plain address is in: the one that stopped. */
export const currentHart = ({ run }: Debuggee): number => run.report?.hart ?? 0;

/** Tells the client that what it shows of memory, variables and stacks is old. */
export function announceMemoryWrite(context: SessionContext, address: bigint, count: number): void {
  if (context.client.takesMemoryEvents) {
    context.emitEvent('memory', { memoryReference: hex(address), offset: 0, count });
  }
  announceChange(context);
}

export function announceChange(context: SessionContext): void {
  if (context.client.takesInvalidated) context.emitEvent('invalidated', { areas: ['all'] });
}
