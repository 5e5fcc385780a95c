import { ByteRing } from './byte-ring.ts';

/** The most that a connection holds for a host that does not take it. */
export const RECEIVE_BUFFER_BYTES: number = 1 << 18;
/** 2^3 times 65,535 tells of any window that fits the buffer (RFC 7323, section 2). */
export const WINDOW_SCALE = 3;
/** Holes between the pieces that came too early; what would make more is dropped and comes again. */
const RANGES_MAX = 64;

/** The receiving half of a connection: puts the guest's bytes in order, and says how many more it takes. */
export class TcpReceiver {
  readonly #irs: number;
  readonly #ring = new ByteRing(RECEIVE_BUFFER_BYTES);
  /** Places in the stream, where the SYN is 0: handed on up to `#base`, in order up to `#next`. */
  #base = 1;
  #next = 1;
  #fin: number | undefined;
  /** What came too early: [start, end), in order, apart from each other. */
  #ranges: { start: number; end: number }[] = [];
  /** The right edge of the window that the guest knows of. */
  #announced = 0;

  constructor(initialSequence: number) {
    this.#irs = initialSequence;
  }

  /** The guest has ended its stream, and every byte before that is here. */
  get ended(): boolean {
    return this.#next === this.#fin;
  }

  /** Bytes that `take` gives. */
  get held(): number {
    return this.#next - this.#base;
  }

  get acknowledgment(): number {
    return (this.#irs + this.#next + (this.ended ? 1 : 0)) >>> 0;
  }

  /** The next byte's place, the FIN counted. */
  get next(): number {
    return this.#next + (this.ended ? 1 : 0);
  }

  get limit(): number {
    return this.#base + RECEIVE_BUFFER_BYTES;
  }

  /** Where a sequence number lies in the stream. */
  place(sequence: number): number {
    return this.next + ((sequence - this.acknowledgment) | 0);
  }

  /** Whether the window has grown so far that the guest must hear of it (RFC 9293, section 3.8.6.2.2). */
  get updateDue(): boolean {
    return this.limit - this.#announced >= RECEIVE_BUFFER_BYTES / 4;
  }

  /** The window to announce, in units of `1 << scale` bytes. */
  announce(scale: number): number {
    const window = Math.min(0xffff, (this.limit - this.#next) >>> scale);
    this.#announced = Math.max(this.#announced, this.#next + (window << scale));
    return window;
  }

  /** Takes what a segment brings. True when all of it continued the stream, else the guest must hear at once where it stands. */
  accept(sequence: number, payload: Uint8Array, fin: boolean): boolean {
    const start = this.place(sequence);
    const end = start + payload.length;
    const highest = this.#ranges.at(-1)?.end ?? this.#next;
    if (fin && end >= highest && end <= this.limit) this.#fin ??= end;
    const from = Math.max(start, this.#next);
    const to = Math.min(end, this.limit, this.#fin ?? Infinity);
    const [wasNext, hadHoles] = [this.next, this.#ranges.length > 0];
    if (from < to && this.#merge(from, to)) {
      this.#ring.put(from - this.#base, payload.subarray(from - start, to - start));
    }
    return start === wasNext && to === end && !hadHoles && !fin;
  }

  /** At most `max` of the held bytes, as a copy. */
  take(max: number): Uint8Array {
    const data = new Uint8Array(Math.min(max, this.held));
    this.#ring.copy(0, data.length, data);
    this.#ring.drop(data.length);
    this.#base += data.length;
    return data;
  }

  /** Notes that [from, to) is here; false when that would be one range too many. */
  #merge(from: number, to: number): boolean {
    if (from > this.#next) {
      const touching = this.#ranges.filter((range) => range.start <= to && from <= range.end);
      if (touching.length === 0 && this.#ranges.length >= RANGES_MAX) return false;
      const merged = {
        start: Math.min(from, ...touching.map((range) => range.start)),
        end: Math.max(to, ...touching.map((range) => range.end)),
      };
      this.#ranges = [...this.#ranges.filter((range) => !touching.includes(range)), merged].sort(
        (a, b) => a.start - b.start,
      );
      return true;
    }
    this.#next = Math.max(this.#next, to);
    while (this.#ranges.length > 0 && this.#ranges[0]!.start <= this.#next) {
      this.#next = Math.max(this.#next, this.#ranges.shift()!.end);
    }
    return true;
  }
}
