import { expect } from 'vitest';
import type { BlockImage } from '../../vmm/contracts/storage.ts';
import { type Random, random, SEED } from './random.ts';

/** A request to a disk, with the byte that it writes. */
export type DiskOperation =
  | { readonly kind: 'write'; readonly offset: number; readonly length: number; readonly fill: number }
  | { readonly kind: 'zero' | 'discard' | 'read'; readonly offset: number; readonly length: number }
  | { readonly kind: 'flush' };

const SECTOR_BYTES = 512;

/** A random request of whole sectors: many small ones, some large, at places that repeat. */
export function randomOperation(random: Random, size: number, longest = size): DiskOperation {
  const kind = random.pick(['write', 'write', 'write', 'write', 'zero', 'discard', 'read', 'flush'] as const);
  if (kind === 'flush') return { kind };
  const sectors = size / SECTOR_BYTES;
  const most = Math.min(sectors, longest / SECTOR_BYTES);
  const length = 1 + random.below(random.pick([1, Math.min(most, 8), Math.ceil(most / 8), most]));
  const start = random.pick([random.below(sectors), random.below(Math.ceil(sectors / 16)), sectors - length]);
  const count = Math.min(length, sectors - start);
  const range = { offset: start * SECTOR_BYTES, length: count * SECTOR_BYTES };
  return kind === 'write' ? { kind, ...range, fill: 1 + random.below(255) } : { kind, ...range };
}

/** What a disk should hold: plain bytes, and requests done to both. */
export class DiskModel {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes.slice();
  }

  /** Does a request to `image` and to the model; what is read is compared. */
  apply(image: BlockImage, operation: DiskOperation): void {
    if (operation.kind === 'flush') {
      image.flush();
      return;
    }
    const { offset, length } = operation;
    switch (operation.kind) {
      case 'write':
        image.write(offset, new Uint8Array(length).fill(operation.fill));
        break;
      case 'zero':
        image.writeZeroes(offset, length);
        break;
      case 'discard':
        image.discard(offset, length);
        this.#adoptDiscard(image, offset, length);
        return;
      case 'read':
        this.compare(image, offset, length);
        return;
    }
    this.note(operation);
  }

  /** Does a request to the model only; a discard changes nothing. */
  note(operation: DiskOperation): void {
    if (operation.kind === 'write') {
      this.bytes.fill(operation.fill, operation.offset, operation.offset + operation.length);
    } else if (operation.kind === 'zero') {
      this.bytes.fill(0, operation.offset, operation.offset + operation.length);
    }
  }

  /** Fails unless `image` reads as the model. */
  compare(image: BlockImage, offset = 0, length = this.bytes.length): void {
    const actual = new Uint8Array(length).fill(0xee);
    image.read(offset, actual);
    const expected = this.bytes.subarray(offset, offset + length);
    if (Buffer.compare(actual, expected) === 0) return;
    const at = actual.findIndex((byte, i) => byte !== expected[i]);
    expect.fail(`byte 0x${(offset + at).toString(16)} is ${actual[at]}, not ${expected[at]}`);
  }

  /** What was discarded is zero or as before, byte for byte; the model takes over which. */
  #adoptDiscard(image: BlockImage, offset: number, length: number): void {
    const actual = new Uint8Array(length).fill(0xee);
    image.read(offset, actual);
    for (let i = 0; i < length; i++) {
      if (actual[i] !== 0 && actual[i] !== this.bytes[offset + i]) {
        expect.fail(`byte 0x${(offset + i).toString(16)} is ${actual[i]} after a discard`);
      }
    }
    this.bytes.set(actual, offset);
  }
}

/** Noise, text that can be compressed, and zeros, in stretches of all lengths. */
export function mixedContents(size: number, seed = SEED): Uint8Array {
  const bytes = new Uint8Array(size);
  const dice = random(seed);
  for (let at = 0; at < size; ) {
    const length = 512 * (1 + dice.below(dice.pick([2, 16, 200])));
    const stretch = bytes.subarray(at, at + length);
    const kind = dice.below(3);
    if (kind === 0) for (let i = 0; i < stretch.length; i++) stretch[i] = dice.below(256);
    if (kind === 1) for (let i = 0; i < stretch.length; i++) stretch[i] = (i * (at / 512 + 1)) >> 6;
    at += length;
  }
  return bytes;
}
