/** Virtual nanoseconds of one machine step (ARCHITECTURE.md, "Time and determinism"). */
const STEP_NS = 1;
/** A guest faster than its own clock is held back when it leads by more than this; less is below what people notice. */
const LEAD_NS_MAX = 5_000_000;

/**
 * Keeps a machine's virtual time at the pace of the host's clock.
 *
 * Time that passes while the machine is stopped does not count: `start` ties the two clocks together
 * anew on each resumption. A guest that is busy falls behind and catches up when it waits.
 */
export class WallPace {
  #originNs = 0;
  #originStep = 0n;

  /** The machine at `step` begins to run now. */
  start(nowNs: number, step: bigint): void {
    this.#originNs = nowNs;
    this.#originStep = step;
  }

  /** Steps by which the machine, waiting at `step`, may catch up: no further than the host's clock, nor than `untilStep`. */
  behind(nowNs: number, step: bigint, untilStep: bigint | null): bigint {
    const target = this.#originStep + BigInt(Math.floor((nowNs - this.#originNs) / STEP_NS));
    const limit = untilStep !== null && untilStep < target ? untilStep : target;
    return limit > step ? limit - step : 0n;
  }

  /** Nanoseconds until the host's clock reaches `step`; 0 when it has. */
  untilNs(nowNs: number, step: bigint): number {
    return Math.max(0, Number(step - this.#originStep) * STEP_NS - (nowNs - this.#originNs));
  }

  /** How long a busy machine at `step` must rest so as not to run ahead of the host's clock. */
  restNs(nowNs: number, step: bigint): number {
    const lead = this.untilNs(nowNs, step);
    return lead > LEAD_NS_MAX ? lead : 0;
  }
}
