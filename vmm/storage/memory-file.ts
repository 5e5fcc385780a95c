import { assert } from '../base/assert.ts';
import type { ImageFile } from '../contracts/storage.ts';

const CHUNK_BYTES = 1 << 16;

/** A file in memory. It is sparse: what was never written takes no memory and reads as zeros. */
export class MemoryFile implements ImageFile {
  readonly readOnly: boolean;
  readonly #chunks = new Map<number, Uint8Array>();
  #size: number;

  constructor(contents: Uint8Array = new Uint8Array(0), { readOnly = false } = {}) {
    this.readOnly = false;
    this.#size = contents.length;
    if (contents.length > 0) this.write(0, contents);
    this.readOnly = readOnly;
  }

  get size(): number {
    return this.#size;
  }

  read(offset: number, target: Uint8Array): number {
    const count = Math.max(0, Math.min(target.length, this.#size - offset));
    for (let done = 0; done < count; ) {
      const start = (offset + done) % CHUNK_BYTES;
      const length = Math.min(CHUNK_BYTES - start, count - done);
      const chunk = this.#chunks.get(Math.floor((offset + done) / CHUNK_BYTES));
      if (chunk === undefined) target.fill(0, done, done + length);
      else target.set(chunk.subarray(start, start + length), done);
      done += length;
    }
    return count;
  }

  write(offset: number, data: Uint8Array): void {
    assert(!this.readOnly, 'a read-only file is not written');
    for (let done = 0; done < data.length; ) {
      const start = (offset + done) % CHUNK_BYTES;
      const length = Math.min(CHUNK_BYTES - start, data.length - done);
      const index = Math.floor((offset + done) / CHUNK_BYTES);
      let chunk = this.#chunks.get(index);
      if (chunk === undefined) this.#chunks.set(index, (chunk = new Uint8Array(CHUNK_BYTES)));
      chunk.set(data.subarray(done, done + length), start);
      done += length;
    }
    this.#size = Math.max(this.#size, offset + data.length);
  }

  truncate(size: number): void {
    assert(!this.readOnly, 'a read-only file is not truncated');
    if (size < this.#size) {
      const last = Math.floor(size / CHUNK_BYTES);
      for (const index of this.#chunks.keys()) if (index > last) this.#chunks.delete(index);
      this.#chunks.get(last)?.fill(0, size % CHUNK_BYTES);
    }
    this.#size = size;
  }

  sync(): void {}

  close(): void {}

  /** All bytes, for a test or a small file. */
  contents(): Uint8Array {
    const bytes = new Uint8Array(this.#size);
    this.read(0, bytes);
    return bytes;
  }
}
