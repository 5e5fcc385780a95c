/** The most steps between two looks at a VM's commands (ARCHITECTURE.md, "Time and determinism"). */
const SLICE_STEPS_MAX = 100_000;
/** The fewest, so that a slow phase of the guest does not drown in its own bookkeeping. */
const SLICE_STEPS_MIN = 1000;
/** A slice's length in host time: short against the 20 ms within which a pause must take effect. */
const SLICE_NS = 1_000_000;

/**
 * How many steps a VM runs before it looks at its commands again.
 *
 * A step takes from 2 ns to some microseconds, depending on what the guest does, so the number follows the time that
 * past slices took. It shrinks at once and doubles at most, because too long a slice delays a pause and too
 * short a one costs only a little speed. Slices do not change what the guest does: harts interleave by
 * their own quantum.
 */
export class Slices {
  #steps = SLICE_STEPS_MIN;

  /** Steps of the next slice. */
  get steps(): number {
    return this.#steps;
  }

  /** Learns from a slice that used up its steps in `elapsedNs`. */
  used(elapsedNs: number): void {
    const fitting = elapsedNs > 0 ? Math.floor((this.#steps * SLICE_NS) / elapsedNs) : SLICE_STEPS_MAX;
    this.#steps = Math.max(SLICE_STEPS_MIN, Math.min(SLICE_STEPS_MAX, this.#steps * 2, fitting));
  }
}
