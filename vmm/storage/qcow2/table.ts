import type { ImageFile } from '../../contracts/storage.ts';

/** Storage writes whole sectors or nothing, so a table is written by these. */
const SECTOR_BYTES = 512;

const HIGH = 2 ** 32;

/** A table of big-endian numbers as it lies in the image, in memory, and which part of it the file does not have yet. */
export class Table {
  /** Where the table lies in the file. */
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  #dirtyFrom = Number.POSITIVE_INFINITY;
  #dirtyTo = 0;

  constructor(offset: number, bytes: Uint8Array) {
    this.offset = offset;
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get dirty(): boolean {
    return this.#dirtyTo > 0;
  }

  /** Tells that [at, +length) was changed. */
  changed(at: number, length: number): void {
    this.#dirtyFrom = Math.min(this.#dirtyFrom, at);
    this.#dirtyTo = Math.max(this.#dirtyTo, at + length);
  }

  /** Tells that the file has nothing of this table yet. */
  allChanged(): void {
    this.changed(0, this.bytes.length);
  }

  /** Writes what changed. When that throws, the table stays dirty. */
  write(file: ImageFile): void {
    if (!this.dirty) return;
    const from = Math.floor(this.#dirtyFrom / SECTOR_BYTES) * SECTOR_BYTES;
    const to = Math.min(Math.ceil(this.#dirtyTo / SECTOR_BYTES) * SECTOR_BYTES, this.bytes.length);
    file.write(this.offset + from, this.bytes.subarray(from, to));
    this.#dirtyFrom = Number.POSITIVE_INFINITY;
    this.#dirtyTo = 0;
  }

  /** The entry of 8 bytes at `at` where it is an offset: bits 9 to 55 (qcow2, "Cluster mapping"). */
  offsetAt(at: number): number {
    return (this.view.getUint32(at) & 0x00ffffff) * HIGH + ((this.view.getUint32(at + 4) & ~0x1ff) >>> 0);
  }

  /** Bit 63 of the entry at `at`: the cluster that it names has no other reference. */
  ownedAt(at: number): boolean {
    return this.view.getInt32(at) < 0;
  }

  setOffset(at: number, offset: number, owned: boolean): void {
    this.view.setUint32(at, Math.floor(offset / HIGH) + (owned ? 2 ** 31 : 0));
    this.view.setUint32(at + 4, offset % HIGH);
    this.changed(at, 8);
  }
}
