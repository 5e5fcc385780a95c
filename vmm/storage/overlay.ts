import type { SessionDisk } from '../contracts/snapshot.ts';
import type { BlockImage, ImageFile } from '../contracts/storage.ts';
import { checkRange, readPadded, zeros } from './ranges.ts';

/** What is copied from the disk below when a part of it is written. */
const BLOCK_BYTES = 1 << 16;
/** In place of a slot: the block reads as zeros. */
const ZERO = -1;

/**
 * What a session writes to a disk that must not change: the blocks lie in a file of the session's own, which is gone with it.
 * So nothing is durable here, and `flush` has nothing to do.
 */
export class Overlay implements BlockImage, SessionDisk {
  readonly size: number;
  readonly readOnly = false;
  readonly #base: BlockImage;
  readonly #file: ImageFile;
  readonly #name: string;
  /** Where written blocks lie in the file, counted in blocks. */
  readonly #slots = new Map<number, number>();
  readonly #freeSlots: number[] = [];
  #slotsUsed = 0;
  /** Blocks that changed since the last mark. */
  readonly #sinceMark = new Set<number>();

  /** The overlay closes both when it is closed itself. `file` is empty. */
  constructor(base: BlockImage, file: ImageFile, name: string) {
    this.#base = base;
    this.#file = file;
    this.#name = name;
    this.size = base.size;
  }

  /** Bytes of the disk that the session has changed, in whole blocks. */
  get changedBytes(): number {
    return this.#slots.size * BLOCK_BYTES;
  }

  read(offset: number, target: Uint8Array): void {
    checkRange(this.#name, this.size, offset, target.length);
    for (let done = 0; done < target.length; ) {
      const slot = this.#slots.get(Math.floor((offset + done) / BLOCK_BYTES));
      const inBlock = (offset + done) % BLOCK_BYTES;
      let length = Math.min(BLOCK_BYTES - inBlock, target.length - done);
      if (slot === undefined) {
        // Neighbours are read from below at once.
        while (done + length < target.length) {
          if (this.#slots.has(Math.floor((offset + done + length) / BLOCK_BYTES))) break;
          length = Math.min(length + BLOCK_BYTES, target.length - done);
        }
        this.#base.read(offset + done, target.subarray(done, done + length));
      } else if (slot === ZERO) {
        target.fill(0, done, done + length);
      } else {
        readPadded(this.#file, slot * BLOCK_BYTES + inBlock, target.subarray(done, done + length));
      }
      done += length;
    }
  }

  write(offset: number, data: Uint8Array): void {
    checkRange(this.#name, this.size, offset, data.length);
    this.#eachBlock(offset, data.length, (block, inBlock, length, done) => {
      this.#writeBlock(block, inBlock, data.subarray(done, done + length));
    });
  }

  flush(): void {}

  /** Whole blocks read as zeros and need no space; parts stay as they are. */
  discard(offset: number, length: number): void {
    checkRange(this.#name, this.size, offset, length);
    this.#eachBlock(offset, length, (block, _, covered) => {
      if (covered === this.#blockLength(block)) this.#setZero(block);
    });
  }

  writeZeroes(offset: number, length: number): void {
    checkRange(this.#name, this.size, offset, length);
    this.#eachBlock(offset, length, (block, inBlock, covered) => {
      if (covered === this.#blockLength(block)) this.#setZero(block);
      else this.#writeBlock(block, inBlock, zeros.subarray(0, covered));
    });
  }

  get blockBytes(): number {
    return BLOCK_BYTES;
  }

  *changes(sinceMark: boolean): Iterable<{ readonly block: number; readonly data: Uint8Array | null }> {
    for (const block of sinceMark ? this.#sinceMark : this.#slots.keys()) {
      const slot = this.#slots.get(block)!;
      const data = slot === ZERO ? null : new Uint8Array(BLOCK_BYTES);
      if (data !== null) readPadded(this.#file, slot * BLOCK_BYTES, data);
      yield { block, data };
    }
  }

  mark(): void {
    this.#sinceMark.clear();
  }

  revert(): void {
    this.#slots.clear();
    this.#freeSlots.length = 0;
    this.#slotsUsed = 0;
    this.#sinceMark.clear();
  }

  /** `data` is a whole block, also for the last one of the disk. */
  put(block: number, data: Uint8Array | null): void {
    if (data === null) this.#setZero(block);
    else this.#writeBlock(block, 0, data);
  }

  close(): void {
    try {
      this.#base.close();
    } finally {
      this.#file.close();
    }
  }

  #eachBlock(
    offset: number,
    length: number,
    each: (block: number, inBlock: number, length: number, done: number) => void,
  ): void {
    for (let done = 0; done < length; ) {
      const inBlock = (offset + done) % BLOCK_BYTES;
      const piece = Math.min(BLOCK_BYTES - inBlock, length - done);
      each(Math.floor((offset + done) / BLOCK_BYTES), inBlock, piece, done);
      done += piece;
    }
  }

  /** The last block may be cut off by the end of the disk. */
  #blockLength(block: number): number {
    return Math.min(BLOCK_BYTES, this.size - block * BLOCK_BYTES);
  }

  #writeBlock(block: number, inBlock: number, data: Uint8Array): void {
    this.#sinceMark.add(block);
    const slot = this.#slots.get(block);
    if (slot !== undefined && slot !== ZERO) {
      this.#file.write(slot * BLOCK_BYTES + inBlock, data);
      return;
    }
    const whole = new Uint8Array(BLOCK_BYTES);
    if (slot === undefined && data.length < this.#blockLength(block)) {
      this.#base.read(block * BLOCK_BYTES, whole.subarray(0, this.#blockLength(block)));
    }
    whole.set(data, inBlock);
    const fresh = this.#freeSlots.pop() ?? this.#slotsUsed++;
    try {
      this.#file.write(fresh * BLOCK_BYTES, whole);
    } catch (error) {
      this.#freeSlots.push(fresh);
      throw error;
    }
    this.#slots.set(block, fresh);
  }

  #setZero(block: number): void {
    const slot = this.#slots.get(block);
    this.#sinceMark.add(block);
    if (slot !== undefined && slot !== ZERO) this.#freeSlots.push(slot);
    this.#slots.set(block, ZERO);
  }
}
