import type { Machine } from '../contracts/machine.ts';
import { WallPace } from '../scheduler/wall-pace.ts';

/** A step as the machine counts them, or null for never. */
type Until = bigint | null;

/**
 * Keeps a machine whose time is `wall` at the pace of the host's clock, for whoever runs it. A machine whose time is `free` is
 * neither held back nor moved on.
 */
export class MachinePace {
  readonly #machine: Machine;
  readonly #nowNs: () => number;
  readonly #pace: WallPace | null;

  constructor(machine: Machine, nowNs: () => number) {
    this.#machine = machine;
    this.#nowNs = nowNs;
    this.#pace = machine.config.time === 'wall' ? new WallPace() : null;
  }

  /** The machine begins to run, or to run again: what passed before does not count. */
  start(): void {
    this.#pace?.start(this.#nowNs(), this.#machine.steps);
  }

  /** All harts wait, until a step at most: virtual time goes where the host's clock is. Logged as an input by the machine. */
  catchUp(until: Until): void {
    if (this.#pace === null) return;
    const steps = this.#pace.behind(this.#nowNs(), this.#machine.steps, until);
    if (steps > 0n) this.#machine.advanceIdle(steps);
  }

  /** Milliseconds until the host's clock is at a step; 0 when it is there, and while time is free. */
  untilMs(step: bigint): number {
    return this.#pace === null ? 0 : this.#pace.untilNs(this.#nowNs(), step) / 1e6;
  }

  /** Milliseconds that a busy guest must rest because it is faster than its own clock. */
  restMs(): number {
    return this.#pace === null ? 0 : this.#pace.restNs(this.#nowNs(), this.#machine.steps) / 1e6;
  }
}
