import { isMainThread } from 'node:worker_threads';

/** A module whose memory is shared and whose only function tail-calls itself. */
const PROBE_MODULE = Uint8Array.of(
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
  ...[0x01, 0x04, 0x01, 0x60, 0x00, 0x00], // type 0: () -> ()
  ...[0x03, 0x02, 0x01, 0x00], // function 0 has type 0
  ...[0x05, 0x04, 0x01, 0x03, 0x01, 0x01], // memory: shared, 1 page
  ...[0x0a, 0x06, 0x01, 0x04, 0x00, 0x12, 0x00, 0x0b], // return_call 0
);

/** What this runtime lacks that a VMM needs, in one line for the user; undefined when it has everything. */
export function missingFeature(): string | undefined {
  const advice = 'use Node 20.19 or newer';
  if (typeof SharedArrayBuffer === 'undefined') return `this runtime has no shared memory; ${advice}`;
  if (typeof isMainThread !== 'boolean') return `this runtime has no worker threads; ${advice}`;
  if (!WebAssembly.validate(PROBE_MODULE)) {
    return `this runtime's WebAssembly lacks shared memory or tail calls; ${advice}`;
  }
  return undefined;
}
