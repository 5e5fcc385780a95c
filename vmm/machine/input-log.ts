import type { InputLogEntry, MachineInput } from '../contracts/machine.ts';

/** What an entry takes beside its bytes, roughly. */
const ENTRY_BYTES = 100;

/**
 * What came from outside, in order. A log without its start repeats nothing, so one that would grow beyond its bound is given up
 * as a whole.
 */
export class InputLog {
  readonly #bytesMax: number;
  #entries: InputLogEntry[] = [];
  #bytes = 0;
  #complete = true;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get entries(): readonly InputLogEntry[] {
    return this.#entries;
  }

  /** Everything since power-on is there. */
  get complete(): boolean {
    return this.#complete;
  }

  /** From here on the log is that of a run which starts at a saved state. */
  startOver(): void {
    this.#entries = [];
    this.#bytes = 0;
    this.#complete = true;
  }

  add(entry: InputLogEntry): void {
    if (!this.#complete) return;
    this.#bytes += ENTRY_BYTES + payloadBytes(entry);
    if (this.#bytes <= this.#bytesMax) {
      this.#entries.push(entry);
    } else {
      this.#complete = false;
      this.#entries = [];
    }
  }
}

function payloadBytes(input: MachineInput): number {
  switch (input.kind) {
    case 'console':
    case 'memory':
    case 'answer':
      return input.data.length;
    case 'device':
      return 'data' in input.input ? input.input.data.length : 0;
    default:
      return 0;
  }
}
