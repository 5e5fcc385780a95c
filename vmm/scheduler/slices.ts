/** The most steps between two looks at a VM's commands (ARCHITECTURE.md, "Time and determinism"). */
export const SLICE_STEPS_MAX = 100_000;
/**
 * The same where a person may pause the guest. The slowest guests, which trap on each instruction with traces on, do a
 * million steps a second; even when a fast guest turns into one of them within a slice, a pause takes
 * effect within 20 ms. Looking ten times as often costs three percent of speed.
 */
export const INTERACTIVE_STEPS_MAX = 10_000;
/** The fewest, so that a slow phase of the guest does not drown in its own bookkeeping. */
const SLICE_STEPS_MIN = 1000;
/** A slice's length in host time. */
const SLICE_NS = 1_000_000;

/**
 * How many steps a VM runs before it looks at its commands again.
 *
 * A step takes from 3 ns to some microseconds, depending on what the guest does, so the number follows the time that
 * past slices took: it shrinks at once and doubles at most. Slices do not change what the guest does, since harts
 * interleave by their own quantum.
 */
export class Slices {
  readonly #stepsMax: number;
  #steps = SLICE_STEPS_MIN;

  constructor(stepsMax: number) {
    this.#stepsMax = stepsMax;
  }

  /** Steps of the next slice. */
  get steps(): number {
    return this.#steps;
  }

  /** Learns from a slice that used up its steps in `elapsedNs`. */
  used(elapsedNs: number): void {
    const fitting = elapsedNs > 0 ? Math.floor((this.#steps * SLICE_NS) / elapsedNs) : this.#stepsMax;
    this.#steps = Math.max(SLICE_STEPS_MIN, Math.min(this.#stepsMax, this.#steps * 2, fitting));
  }
}
