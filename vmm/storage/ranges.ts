import type { BlockImage, ImageFile } from '../contracts/storage.ts';
import { failedRequest } from './errors.ts';

/** Most that is copied or zeroed at once, so that a request of any length needs bounded memory. */
export const PIECE_BYTES = 1 << 18;

export const zeros: Uint8Array = new Uint8Array(PIECE_BYTES);

/** Throws `VmError('io')` unless [offset, +length) lies on a disk of `size` bytes. */
export function checkRange(image: string, size: number, offset: number, length: number): void {
  if (Number.isInteger(offset) && Number.isInteger(length) && offset >= 0 && length >= 0) {
    if (offset <= size && length <= size - offset) return;
  }
  throw failedRequest(image, `no bytes ${offset} to ${offset + length} on a disk of ${size}`);
}

/** Fills `target` from `offset`; what lies beyond the end of the file is zero. */
export function readPadded(file: ImageFile, offset: number, target: Uint8Array): void {
  const count = offset < file.size ? file.read(offset, target) : 0;
  if (count < target.length) target.fill(0, count);
}

/** Fills `target` from `offset` of a backing disk, which may be shorter than the disk above it: the rest is zero. */
export function readBacking(backing: BlockImage | null, offset: number, target: Uint8Array): void {
  const count = backing === null ? 0 : Math.max(0, Math.min(target.length, backing.size - offset));
  if (count > 0) backing!.read(offset, target.subarray(0, count));
  if (count < target.length) target.fill(0, count);
}

/** Calls `each` with [at, +length) cut into pieces of at most `PIECE_BYTES`. */
export function inPieces(offset: number, length: number, each: (at: number, length: number) => void): void {
  for (let done = 0; done < length; ) {
    const piece = Math.min(PIECE_BYTES, length - done);
    each(offset + done, piece);
    done += piece;
  }
}

/** Whether all bytes are zero. */
export function isZero(bytes: Uint8Array): boolean {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes.length >>> 2 : 0;
  const words = new Int32Array(bytes.buffer, bytes.byteOffset - (bytes.byteOffset % 4), aligned);
  for (let i = 0; i < aligned; i++) if (words[i] !== 0) return false;
  for (let i = aligned * 4; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}
