import { failed, functions, ok, SBI, type SbiCall, type SbiExtension, type SbiResult } from './extension.ts';

/**
 * Bytes that one call writes at most: it may write fewer than it was given (SBI 3.0, chapter 12, FID #0), and all of RAM in one
 * instruction would keep the machine's thread from its other business.
 */
const WRITE_MAX = 1 << 16;

/** The buffer of a call: its length in a0, its guest-physical address in a1 and, above 64 bits, a2. */
function buffer({ ports, args }: SbiCall): { address: bigint; bytes: Uint8Array } | undefined {
  const [length, low, high] = args;
  const bytes = high === 0n ? ports.ram(low!, length!) : undefined;
  return bytes === undefined ? undefined : { address: low!, bytes };
}

function write(call: SbiCall): SbiResult {
  const found = buffer(call);
  if (found === undefined) return failed(SBI.invalidParameter);
  const bytes = found.bytes.subarray(0, WRITE_MAX);
  for (const byte of bytes) call.ports.consoleWrite(byte);
  return ok(bytes.length);
}

/** Reads what was typed and does not wait for more; 0 bytes is a success. */
function read(call: SbiCall): SbiResult {
  const found = buffer(call);
  if (found === undefined) return failed(SBI.invalidParameter);
  const { address, bytes } = found;
  let count = 0;
  while (count < bytes.length) {
    const byte = call.ports.consoleRead();
    if (byte === undefined) break;
    bytes[count] = byte;
    count += 1;
  }
  if (count > 0) call.ports.ramChanged(address, count);
  return ok(count);
}

function writeByte({ ports, args }: SbiCall): SbiResult {
  ports.consoleWrite(Number(args[0]! & 0xffn));
  return ok();
}

/** The Debug Console extension (SBI 3.0, chapter 12). */
export const dbcnExtension: SbiExtension = {
  id: 0x4442_434en,
  name: 'DBCN',
  functions: functions({
    0: ['console_write', write],
    1: ['console_read', read],
    2: ['console_write_byte', writeByte],
  }),
};
