import type { ImageFile } from '../../vmm/contracts/storage.ts';
import { MemoryFile } from '../../vmm/storage/index.ts';
import type { Random } from './random.ts';

/** What a disk writes whole or not at all. */
const SECTOR_BYTES = 512;

/** Thrown in the middle of what the program does with its file: the power is gone. */
export class PowerCut extends Error {}

/** When the power goes: at a request that changes the file, counted from the sync of this number on, or from the start. */
export interface CutPoint {
  readonly syncs: number;
  readonly requests: number;
}

/**
 * A file that keeps only what was synced. When the power is cut, each sector that was written since then holds any of what it
 * held since, and the file has any of the sizes that it had.
 */
export class VolatileFile implements ImageFile {
  readonly readOnly = false;
  readonly #latest: MemoryFile;
  readonly #random: Random;
  #syncsLeft: number;
  #requestsLeft: number;
  /** Contents of each sector that was written since the last sync, the synced one first. */
  #versions = new Map<number, Uint8Array[]>();
  #sizes: number[];
  #dead = false;

  /** Of the request at which the power goes, any part may still be done. */
  constructor(contents: Uint8Array, random: Random, { syncs, requests }: CutPoint) {
    this.#latest = new MemoryFile(contents);
    this.#sizes = [contents.length];
    this.#random = random;
    this.#syncsLeft = syncs;
    this.#requestsLeft = requests;
  }

  get size(): number {
    return this.#latest.size;
  }

  read(offset: number, target: Uint8Array): number {
    if (this.#dead) throw new PowerCut();
    return this.#latest.read(offset, target);
  }

  write(offset: number, data: Uint8Array): void {
    const last = this.#nextIsLast();
    const first = Math.floor(offset / SECTOR_BYTES);
    const end = Math.ceil((offset + data.length) / SECTOR_BYTES);
    for (let sector = first; sector < end; sector++) {
      if (!this.#versions.has(sector)) this.#versions.set(sector, [this.#sector(sector)]);
    }
    this.#latest.write(offset, data);
    for (let sector = first; sector < end; sector++) {
      this.#versions.get(sector)!.push(this.#sector(sector));
    }
    this.#sizes.push(this.#latest.size);
    if (last) this.#cut();
  }

  truncate(size: number): void {
    const last = this.#nextIsLast();
    this.#latest.truncate(size);
    this.#sizes.push(size);
    if (last) this.#cut();
  }

  sync(): void {
    if (this.#nextIsLast()) this.#cut();
    this.#syncsLeft--;
    this.#versions = new Map();
    this.#sizes = [this.#latest.size];
  }

  close(): void {}

  /** What is found when the power is back. */
  survivors(): Uint8Array {
    const file = new MemoryFile(this.#latest.contents());
    // Now and then nothing of it was stored, or all of it, or nearly.
    const chance = this.#random.pick([0, 1, 20, 50, 80, 99, 100]);
    for (const [sector, versions] of this.#versions) {
      const stored = this.#random.below(100) < chance;
      const version = stored ? versions[1 + this.#random.below(versions.length - 1)]! : versions[0]!;
      file.write(sector * SECTOR_BYTES, version);
    }
    const size = chance === 100 ? this.#latest.size : this.#random.pick(this.#sizes);
    file.truncate(size);
    return file.contents();
  }

  #sector(sector: number): Uint8Array {
    const bytes = new Uint8Array(SECTOR_BYTES);
    this.#latest.read(sector * SECTOR_BYTES, bytes);
    return bytes;
  }

  #nextIsLast(): boolean {
    if (this.#dead) throw new PowerCut();
    return this.#syncsLeft <= 0 && --this.#requestsLeft <= 0;
  }

  #cut(): never {
    this.#dead = true;
    throw new PowerCut();
  }
}
