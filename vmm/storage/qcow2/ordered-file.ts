import type { ImageFile } from '../../contracts/storage.ts';

/**
 * A file on which writes are kept in order by barriers: what was written before a barrier is on stable storage before
 * anything that is written after it. Between two barriers the host may store writes in any order, or lose any of them.
 */
export class OrderedFile implements ImageFile {
  readonly #file: ImageFile;
  #unsynced = false;

  constructor(file: ImageFile) {
    this.#file = file;
  }

  get size(): number {
    return this.#file.size;
  }

  get readOnly(): boolean {
    return this.#file.readOnly;
  }

  read(offset: number, target: Uint8Array): number {
    return this.#file.read(offset, target);
  }

  write(offset: number, data: Uint8Array): void {
    this.#unsynced = true;
    this.#file.write(offset, data);
  }

  truncate(size: number): void {
    this.#unsynced = true;
    this.#file.truncate(size);
  }

  /** Makes the file at least `size` bytes long; what is new is zero. */
  extend(size: number): void {
    if (size > this.size) this.truncate(size);
  }

  /** Everything written so far is on stable storage when this returns. Costs nothing when it is there already. */
  barrier(): void {
    if (this.#unsynced) this.sync();
  }

  sync(): void {
    this.#file.sync();
    // A failed sync leaves this true: nothing may be written that relies on what did not reach the disk.
    this.#unsynced = false;
  }

  close(): void {
    this.#file.close();
  }
}
