/** Bytes that wait for a driver, up to a bound. Kept as the pieces they came in, so that a paste costs no copying around. */
export class ByteBacklog {
  readonly #maximum: number;
  #pieces: Uint8Array[] = [];
  #length = 0;

  constructor(maximum: number) {
    this.#maximum = maximum;
  }

  get length(): number {
    return this.#length;
  }

  /** Takes what there is room for; returns how much. */
  push(data: Uint8Array): number {
    const taken = Math.min(data.length, this.#maximum - this.#length);
    if (taken > 0) this.#pieces.push(data.slice(0, taken));
    this.#length += taken;
    return taken;
  }

  /** The oldest bytes, at most `count`, still in the backlog. Fewer may come than there are. */
  peek(count: number): Uint8Array {
    return this.#pieces[0]?.subarray(0, count) ?? new Uint8Array(0);
  }

  /** Drops the oldest `count` bytes, which `peek` gave. */
  drop(count: number): void {
    if (count === 0) return;
    const first = this.#pieces[0]!;
    this.#length -= count;
    if (count === first.length) this.#pieces.shift();
    else this.#pieces[0] = first.subarray(count);
  }

  clear(): void {
    this.#pieces = [];
    this.#length = 0;
  }

  /** All of it, joined. */
  contents(): Uint8Array {
    const all = new Uint8Array(this.#length);
    let at = 0;
    for (const piece of this.#pieces) {
      all.set(piece, at);
      at += piece.length;
    }
    return all;
  }
}
