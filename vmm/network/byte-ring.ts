import { assert } from '../base/assert.ts';

const FIRST_BYTES = 1 << 12;

/** Bytes in order, dropped at the front and placed anywhere within `capacity` of it. It takes memory only as it fills. */
export class ByteRing {
  readonly capacity: number;
  #bytes = new Uint8Array(0);
  #start = 0;

  /** `capacity` is a power of two. */
  constructor(capacity: number) {
    assert((capacity & (capacity - 1)) === 0, 'the size of a ring is a power of two');
    this.capacity = capacity;
  }

  /** Places bytes `at` bytes behind the front. */
  put(at: number, data: Uint8Array): void {
    const end = at + data.length;
    assert(at >= 0 && end <= this.capacity, 'bytes are placed within the ring');
    if (end > this.#bytes.length) this.#grow(end);
    const from = (this.#start + at) & (this.#bytes.length - 1);
    const first = Math.min(data.length, this.#bytes.length - from);
    this.#bytes.set(first === data.length ? data : data.subarray(0, first), from);
    if (first < data.length) this.#bytes.set(data.subarray(first), 0);
  }

  /** Copies `length` bytes from `at` behind the front to `target[to]`. */
  copy(at: number, length: number, target: Uint8Array, to = 0): void {
    assert(at >= 0 && at + length <= this.#bytes.length, 'bytes are read where some were placed');
    if (length === 0) return;
    const from = (this.#start + at) & (this.#bytes.length - 1);
    const first = Math.min(length, this.#bytes.length - from);
    target.set(this.#bytes.subarray(from, from + first), to);
    if (first < length) target.set(this.#bytes.subarray(0, length - first), to + first);
  }

  /** The front moves on. */
  drop(count: number): void {
    if (this.#bytes.length > 0) this.#start = (this.#start + count) & (this.#bytes.length - 1);
  }

  #grow(needed: number): void {
    let size = Math.max(FIRST_BYTES, this.#bytes.length);
    while (size < needed) size *= 2;
    const larger = new Uint8Array(Math.min(size, this.capacity));
    this.copy(0, this.#bytes.length, larger);
    this.#bytes = larger;
    this.#start = 0;
  }
}
