/** A guest that prints without end is told about in pieces of this many bytes. */
const BATCH_BYTES_MAX = 64 << 10;

/** Collects what a guest prints, a byte at a time most often, into few messages. */
export class ConsoleBatch {
  readonly #emit: (data: Uint8Array<ArrayBuffer>) => void;
  #buffer = new Uint8Array(256);
  #length = 0;

  constructor(emit: (data: Uint8Array<ArrayBuffer>) => void) {
    this.#emit = emit;
  }

  add(data: Uint8Array): void {
    if (this.#length + data.length > BATCH_BYTES_MAX) this.flush();
    if (this.#length + data.length > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(2 * this.#buffer.length, this.#length + data.length));
      grown.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = grown;
    }
    this.#buffer.set(data, this.#length);
    this.#length += data.length;
  }

  flush(): void {
    if (this.#length === 0) return;
    const data = this.#buffer.slice(0, this.#length);
    this.#length = 0;
    this.#emit(data);
  }
}
