import {
  brotliCompressSync,
  brotliDecompressSync,
  deflateRawSync,
  inflateRawSync,
  constants as zlibConstants,
} from 'node:zlib';
import { VmError } from '../base/vm-error.ts';

/**
 * How a payload is stored. Of a booted Linux's memory, brotli's fastest levels pack almost three times as much in a second as
 * deflate's, to nearly the same size; deflate unpacks half as much again.
 */
export const CODEC = { none: 0, deflate: 1, brotli: 2 } as const;
export type Codec = (typeof CODEC)[keyof typeof CODEC];

export interface Packed {
  readonly codec: Codec;
  readonly bytes: Uint8Array;
}

/** Beyond a window of 256 KiB there is nothing to find again: no payload is much longer. */
const WINDOW_BITS = 18;
const BROTLI = {
  params: {
    [zlibConstants.BROTLI_PARAM_QUALITY]: 1,
    [zlibConstants.BROTLI_PARAM_LGWIN]: WINDOW_BITS,
  },
};
/** Shorter payloads win nothing worth a decoder's start. */
const PACKED_MIN = 256;

/** Packs bytes by the preferred codec, or leaves them as they are where that is no longer. */
export function pack(bytes: Uint8Array, preferred: Codec = CODEC.brotli): Packed {
  if (preferred === CODEC.none || bytes.length < PACKED_MIN) return { codec: CODEC.none, bytes };
  const packed =
    preferred === CODEC.brotli ? brotliCompressSync(bytes, BROTLI) : deflateRawSync(bytes, { level: 1 });
  return packed.length < bytes.length ? { codec: preferred, bytes: packed } : { codec: CODEC.none, bytes };
}

/** The `length` bytes that were packed. Throws `VmError('bad-file')` when they were not these. */
export function unpack(codec: number, stored: Uint8Array, length: number, what: string): Uint8Array {
  const bytes = decode(codec, stored, length, what);
  if (bytes.length !== length) throw new VmError('bad-file', `${what} is not ${length} bytes long`);
  // Not as a Buffer, whose slices are no copies.
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

function decode(codec: number, stored: Uint8Array, length: number, what: string): Uint8Array {
  // One piece for the result, and no more: a claim about its length must not make it grow.
  const options = { chunkSize: Math.max(64, length), maxOutputLength: Math.max(1, length) };
  try {
    switch (codec) {
      case CODEC.none:
        return stored;
      case CODEC.deflate:
        return inflateRawSync(stored, options);
      case CODEC.brotli:
        return brotliDecompressSync(stored, options);
    }
  } catch {
    throw new VmError('bad-file', `${what} cannot be unpacked`);
  }
  throw new VmError('bad-file', `${what} is packed by a method that this version does not know (${codec})`);
}
