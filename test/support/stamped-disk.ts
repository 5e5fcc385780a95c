import { expect } from 'vitest';
import type { BlockImage } from '../../vmm/contracts/storage.ts';
import { type DiskOperation, randomOperation } from './disk-model.ts';
import type { Random } from './random.ts';

const SECTOR_BYTES = 512;
/** Each sector of a disk that was filled before the test carries this stamp. */
const FIRST = 1;

/** The bytes of a sector that the write with this stamp leaves; 0 stands for zeros. */
function stampSector(bytes: Uint8Array, sector: number, stamp: number): void {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, SECTOR_BYTES / 4);
  for (let i = 0; i < words.length; i += 2) {
    words[i] = stamp;
    words[i + 1] = stamp === 0 ? 0 : sector;
  }
}

/** A disk whose every sector tells which write it came from. */
export function stampedContents(size: number, stamp = FIRST): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += SECTOR_BYTES) {
    stampSector(bytes.subarray(at, at + SECTOR_BYTES), at / SECTOR_BYTES, stamp);
  }
  return bytes;
}

/**
 * What a guest may find on its disk after a cut: of each sector, what it held at the last flush that was acknowledged, or
 * anything that was written since.
 */
export class StampedDisk {
  readonly size: number;
  readonly #possible: Set<number>[];
  #nextStamp = FIRST + 1;
  /** Requests since the last acknowledged flush. */
  #unflushed: [sector: number, stamp: number][] = [];

  constructor(size: number, filled: boolean) {
    this.size = size;
    this.#possible = Array.from({ length: size / SECTOR_BYTES }, () => new Set([filled ? FIRST : 0]));
  }

  /** Does a random request to the image, and notes what it makes possible. */
  step(image: BlockImage, random: Random, longest: number): void {
    const operation = randomOperation(random, this.size, longest);
    if (operation.kind === 'flush') {
      image.flush();
      this.#acknowledged();
    } else if (operation.kind !== 'read') {
      this.#request(image, operation);
    }
  }

  /** The same possibilities, to verify more than one image. */
  clone(): StampedDisk {
    const copy = new StampedDisk(this.size, false);
    for (const [sector, possible] of this.#possible.entries()) copy.#possible[sector] = new Set(possible);
    return copy;
  }

  /** Fails unless each sector of `image` is one that is possible; from then on it is the only one. */
  verify(image: BlockImage): void {
    expect(image.size).toBe(this.size);
    const bytes = new Uint8Array(this.size);
    image.read(0, bytes);
    const words = new Uint32Array(bytes.buffer);
    const expected = new Uint8Array(SECTOR_BYTES);
    for (let sector = 0; sector < this.#possible.length; sector++) {
      const stamp = words[(sector * SECTOR_BYTES) / 4]!;
      const possible = this.#possible[sector]!;
      if (!possible.has(stamp)) {
        expect.fail(`sector ${sector} holds stamp ${stamp}; possible are ${[...possible].join(', ')}`);
      }
      stampSector(expected, sector, stamp);
      const actual = bytes.subarray(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES);
      if (Buffer.compare(actual, expected) !== 0) expect.fail(`sector ${sector} is torn`);
      this.#possible[sector] = new Set([stamp]);
    }
    this.#unflushed = [];
  }

  #request(image: BlockImage, operation: Exclude<DiskOperation, { kind: 'flush' | 'read' }>): void {
    const { kind, offset, length } = operation;
    const stamp = kind === 'write' ? this.#nextStamp++ : 0;
    const first = offset / SECTOR_BYTES;
    const count = length / SECTOR_BYTES;
    const data = new Uint8Array(length);
    const wasPossible: boolean[] = [];
    for (let i = 0; i < count; i++) {
      // Before the request, for the power may be cut in the middle of it.
      wasPossible.push(this.#possible[first + i]!.has(stamp));
      this.#possible[first + i]!.add(stamp);
      stampSector(data.subarray(i * SECTOR_BYTES, (i + 1) * SECTOR_BYTES), first + i, stamp);
    }
    if (kind === 'write') image.write(offset, data);
    else if (kind === 'zero') image.writeZeroes(offset, length);
    else image.discard(offset, length);
    // What a discard did counts as written, and it may have done nothing.
    if (kind === 'discard') image.read(offset, data);
    const words = new Uint32Array(data.buffer);
    for (let i = 0; i < count; i++) {
      if (words[(i * SECTOR_BYTES) / 4] === stamp) this.#unflushed.push([first + i, stamp]);
      else if (!wasPossible[i]) this.#possible[first + i]!.delete(stamp);
    }
  }

  /** The last write of each sector is what remains of it. */
  #acknowledged(): void {
    for (const [sector, stamp] of this.#unflushed) this.#possible[sector] = new Set([stamp]);
    this.#unflushed = [];
  }
}
