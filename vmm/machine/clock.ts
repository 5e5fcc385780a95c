import type { Hart } from '../contracts/hart.ts';

/** Steps in a tick of `mtime`: a step is 1 ns of virtual time, a tick of the 10 MHz timer 100 ns. */
export const STEPS_PER_TICK = 100;

/**
 * The machine's time, which is the harts' steps. Within a round some harts have had their turn and others not;
 * what all of them read is the time of the one furthest ahead, so that no hart sees time go backwards, and reading
 * it has no effect. Timers are by each hart's own steps, up to a quantum late by that reading and never early.
 */
export class Clock {
  readonly #harts: () => readonly Hart[];
  /** What software added to `mtime`, wrapping. */
  readonly #mtimeOffset: () => bigint;

  constructor(harts: () => readonly Hart[], mtimeOffset: () => bigint) {
    this.#harts = harts;
    this.#mtimeOffset = mtimeOffset;
  }

  /** Steps since reset, of the hart furthest ahead. */
  get steps(): number {
    let latest = 0;
    for (const { steps } of this.#harts()) latest = Math.max(latest, steps);
    return latest;
  }

  /** Ticks since reset, without what software added. */
  get ticks(): bigint {
    return BigInt(Math.floor(this.steps / STEPS_PER_TICK));
  }

  /** `mtime` as harts read it. */
  get time(): bigint {
    return BigInt.asUintN(64, this.ticks + this.#mtimeOffset());
  }

  /** The first step at which `mtime` is at least `time`; Infinity when that is beyond any run. */
  stepsAt(time: bigint): number {
    const ticks = time - BigInt.asIntN(64, this.#mtimeOffset());
    if (ticks <= 0n) return 0;
    return ticks > TICKS_MAX ? Number.POSITIVE_INFINITY : Number(ticks) * STEPS_PER_TICK;
  }
}

/** Steps are counted in numbers, exact to 2^53: at a step a nanosecond, 104 days. */
const TICKS_MAX = BigInt(Math.floor(Number.MAX_SAFE_INTEGER / STEPS_PER_TICK));
