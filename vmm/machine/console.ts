/** Output is handed on in pieces of this size at most; a byte at a time would cost an event for each. */
const CHUNK_SIZE = 4096;

/** Gathers the guest's console output between the points where its host can be told. */
export class ConsoleOutput {
  readonly #sink: (data: Uint8Array) => void;
  readonly #chunk = new Uint8Array(CHUNK_SIZE);
  #length = 0;

  constructor(sink: (data: Uint8Array) => void) {
    this.#sink = sink;
  }

  write(byte: number): void {
    this.#chunk[this.#length++] = byte;
    if (this.#length === CHUNK_SIZE) this.flush();
  }

  flush(): void {
    if (this.#length === 0) return;
    this.#sink(this.#chunk.slice(0, this.#length));
    this.#length = 0;
  }
}
