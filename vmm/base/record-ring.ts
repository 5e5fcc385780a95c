import { assert } from './assert.ts';

/** Words in front of the bytes: how many were ever put in, and taken out, modulo 2^32. */
const WORD = { put: 0, taken: 1 } as const;
const HEADER_BYTES = 8;
const LENGTH_BYTES = 4;

/**
 * Records of bytes on their way from one thread to another, in memory that both share. One thread puts, one takes; neither ever
 * waits. What is put before a count is seen to grow is seen whole.
 */
export class RecordRing {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #mask: number;

  /** Memory for a ring of `capacity` bytes, a power of two; a record takes four beside its own. */
  static allocate(capacity: number): SharedArrayBuffer {
    assert((capacity & (capacity - 1)) === 0, 'the size of a ring is a power of two');
    return new SharedArrayBuffer(HEADER_BYTES + capacity);
  }

  constructor(shared: SharedArrayBuffer) {
    this.#words = new Int32Array(shared, 0, 2);
    this.#bytes = new Uint8Array(shared, HEADER_BYTES);
    this.#mask = this.#bytes.length - 1;
  }

  get isEmpty(): boolean {
    return Atomics.load(this.#words, WORD.put) === Atomics.load(this.#words, WORD.taken);
  }

  /** Whether a record of `length` bytes would go in now. */
  hasRoom(length: number): boolean {
    return this.#room >= LENGTH_BYTES + length;
  }

  /** False when there is no room, which is for whoever takes to make. */
  put(record: Uint8Array): boolean {
    if (!this.hasRoom(record.length)) return false;
    const at = Atomics.load(this.#words, WORD.put);
    for (let index = 0; index < LENGTH_BYTES; index++) {
      this.#bytes[(at + index) & this.#mask] = record.length >>> (8 * index);
    }
    const from = (at + LENGTH_BYTES) & this.#mask;
    const first = Math.min(record.length, this.#bytes.length - from);
    this.#bytes.set(first === record.length ? record : record.subarray(0, first), from);
    if (first < record.length) this.#bytes.set(record.subarray(first), 0);
    Atomics.store(this.#words, WORD.put, (at + LENGTH_BYTES + record.length) | 0);
    return true;
  }

  /** A copy of the oldest record, which stays until `drop`. */
  peek(): Uint8Array | undefined {
    if (this.isEmpty) return undefined;
    const at = Atomics.load(this.#words, WORD.taken);
    const record = new Uint8Array(this.#lengthAt(at));
    const from = (at + LENGTH_BYTES) & this.#mask;
    const first = Math.min(record.length, this.#bytes.length - from);
    record.set(this.#bytes.subarray(from, from + first));
    if (first < record.length) record.set(this.#bytes.subarray(0, record.length - first), first);
    return record;
  }

  drop(): void {
    assert(!this.isEmpty, 'what is dropped is there');
    const at = Atomics.load(this.#words, WORD.taken);
    Atomics.store(this.#words, WORD.taken, (at + LENGTH_BYTES + this.#lengthAt(at)) | 0);
  }

  take(): Uint8Array | undefined {
    const record = this.peek();
    if (record !== undefined) this.drop();
    return record;
  }

  get #room(): number {
    const held = (Atomics.load(this.#words, WORD.put) - Atomics.load(this.#words, WORD.taken)) | 0;
    return this.#bytes.length - held;
  }

  #lengthAt(at: number): number {
    let length = 0;
    for (let index = LENGTH_BYTES - 1; index >= 0; index--) {
      length = (length << 8) | this.#bytes[(at + index) & this.#mask]!;
    }
    return length;
  }
}
