import type { Hart } from '../contracts/hart.ts';

/** Steps in a tick of `mtime`: a step is 1 ns of virtual time, a tick of the 10 MHz timer 100 ns. */
export const STEPS_PER_TICK = 100;

/**
 * The machine's time, which is the harts' steps. Each hart's clock is its own step count; since harts take turns,
 * one that comes later in a round is behind, so with several harts what `time` reads never falls below what any
 * hart has read before it.
 */
export class Clock {
  readonly #harts: () => readonly Hart[];
  /** What software added to `mtime`, wrapping. */
  readonly #mtimeOffset: () => bigint;
  #latest = 0;

  constructor(harts: () => readonly Hart[], mtimeOffset: () => bigint) {
    this.#harts = harts;
    this.#mtimeOffset = mtimeOffset;
  }

  /** Ticks since reset as a hart sees them, without what software added. */
  ticks(hart: number): bigint {
    const own = Math.floor(this.#harts()[hart]!.steps / STEPS_PER_TICK);
    this.#latest = Math.max(this.#latest, own);
    return BigInt(this.#latest);
  }

  /** `mtime` as a hart reads it. */
  time(hart: number): bigint {
    return BigInt.asUintN(64, this.ticks(hart) + this.#mtimeOffset());
  }

  /** The first step at which `mtime` is at least `time`; Infinity when that is beyond any run. */
  stepsAt(time: bigint): number {
    const ticks = time - BigInt.asIntN(64, this.#mtimeOffset());
    if (ticks <= 0n) return 0;
    return ticks > TICKS_MAX ? Number.POSITIVE_INFINITY : Number(ticks) * STEPS_PER_TICK;
  }

  reset(): void {
    this.#latest = 0;
  }
}

/** Steps are counted in numbers, exact to 2^53: at a step a nanosecond, 104 days. */
const TICKS_MAX = BigInt(Math.floor(Number.MAX_SAFE_INTEGER / STEPS_PER_TICK));
