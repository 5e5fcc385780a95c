import { assert } from '../base/assert.ts';
import type { ExitContext, ExitRecord, VmExit } from '../protocol/exits.ts';
import { decodeExit, encodeExit, type Names, PAYLOAD_WORDS, type RecordViews } from './record-codec.ts';

/**
 * Records kept. At 128 bytes each the ring takes 2 MiB, small beside any guest's RAM, and holds the last
 * 16,384 exits: more than a person scrolls through, and at a busy guest's 100,000 exits a second enough for the
 * views, which fetch ten times a second.
 */
export const TRACE_RECORDS = 16_384;

/** 64-bit words of a record: sequence, pc, step, handler time and stage, then the exit itself. */
const HEADER_WORDS = 4;
const RECORD_WORDS = HEADER_WORDS + PAYLOAD_WORDS;

/**
 * The last exits that were traced, in fixed-size records of shareable memory. The newest overwrites the oldest;
 * sequence numbers run on, so a reader sees how many it missed.
 */
export class TraceRing {
  readonly capacity: number;
  /** Sequence number of the next record; the first is 1, so that "after 0" is everything. */
  next = 1;
  readonly #names: Names;
  readonly #words: BigUint64Array;
  readonly #floats: Float64Array;
  readonly #halves: Uint32Array;
  readonly #views: RecordViews;

  constructor(names: Names, capacity = TRACE_RECORDS) {
    assert(capacity > 0, 'a ring holds at least one record');
    this.capacity = capacity;
    this.#names = names;
    const buffer = new SharedArrayBuffer(capacity * RECORD_WORDS * 8);
    this.#words = new BigUint64Array(buffer);
    this.#floats = new Float64Array(buffer);
    this.#halves = new Uint32Array(buffer);
    this.#views = { words: this.#words, halves: this.#halves };
  }

  /** Returns the record's sequence number. */
  append(exit: VmExit, context: ExitContext): number {
    const sequence = this.next++;
    const at = (sequence % this.capacity) * RECORD_WORDS;
    this.#floats[at] = sequence;
    this.#words[at + 1] = context.pc;
    this.#words[at + 2] = context.step;
    // Handler times above 4 s are cut: half a word is enough for a measurement of microseconds.
    this.#halves[(at + 3) * 2] = Math.min(context.handlerNs, 0xffff_ffff);
    this.#halves[(at + 3) * 2 + 1] = context.hart | (context.stage === 'post' ? 0x100 : 0);
    encodeExit(exit, this.#views, at + HEADER_WORDS, this.#names);
    return sequence;
  }

  /** The record of that number; undefined when it was overwritten or does not exist yet. */
  get(sequence: number): ExitRecord | undefined {
    const at = (sequence % this.capacity) * RECORD_WORDS;
    if (sequence < 1 || this.#floats[at] !== sequence) return undefined;
    const flags = this.#halves[(at + 3) * 2 + 1]!;
    return {
      sequence,
      hart: flags & 0xff,
      pc: this.#words[at + 1]!,
      step: this.#words[at + 2]!,
      stage: (flags & 0x100) !== 0 ? 'post' : 'pre',
      handlerNs: this.#halves[(at + 3) * 2]!,
      exit: decodeExit(this.#views, at + HEADER_WORDS, this.#names),
    };
  }

  /** Oldest sequence number still held. */
  get oldest(): number {
    return Math.max(1, this.next - this.capacity);
  }

  /** Forgets the records; the numbers run on. */
  clear(): void {
    this.#words.fill(0n);
  }
}
