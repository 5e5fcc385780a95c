import type { HartGroup } from '../contracts/hart.ts';
import type { GuestMemory } from '../contracts/memory.ts';
import { Htif } from '../devices/htif.ts';
import type { BootPlan } from './boot.ts';
import { ramRange } from './loaders.ts';

export interface MailboxParts {
  readonly memory: GuestMemory;
  readonly group: HartGroup;
  output(byte: number): void;
  input(): number | undefined;
  finish(code: number): void;
}

/** Serves the host-target interface of an image that has its mailboxes in RAM; undefined for any other. */
export function createHtif(
  plan: Pick<BootPlan, 'tohost' | 'fromhost'>,
  parts: MailboxParts,
): Htif | undefined {
  const { tohost, fromhost } = plan;
  const bytes = (address: bigint, length: number): Uint8Array | undefined =>
    ramRange(parts.memory, address, BigInt(length));
  const view = (address: bigint): DataView | undefined => {
    const range = bytes(address, 8);
    return range && new DataView(range.buffer, range.byteOffset, 8);
  };
  if (tohost === undefined || view(tohost) === undefined) return undefined;
  parts.group.watchHtif(Number(tohost));
  return new Htif({
    tohost,
    fromhost,
    readDouble: (address) => view(address)?.getBigUint64(0, true) ?? 0n,
    writeDouble: (address, value) => {
      view(address)?.setBigUint64(0, value, true);
      parts.group.codeChanged(Number(address), 8);
    },
    readBytes: bytes,
    output: (byte) => parts.output(byte),
    input: () => parts.input(),
    finish: (code) => parts.finish(code),
  });
}
