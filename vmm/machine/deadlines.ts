import { type Hart, INTERRUPT } from '../contracts/hart.ts';
import type { Board } from './board.ts';
import type { Clock } from './clock.ts';

export interface DeadlineParts {
  readonly harts: readonly Hart[];
  readonly board: Board;
  readonly clock: Clock;
  /** What the RTC showed at step 0 since reset, in nanoseconds. */
  readonly clockStartNs: () => bigint;
}

const NEVER = Number.POSITIVE_INFINITY;

/**
 * When the board's timers are due, as steps since reset: each hart's `mtimecmp` by its own clock, and the RTC's
 * alarm by hart 0's. (A hart watches its own `stimecmp` itself.)
 */
export class Deadlines {
  readonly #parts: DeadlineParts;
  readonly #timers: number[];
  #alarm = NEVER;

  constructor(parts: DeadlineParts) {
    this.#parts = parts;
    this.#timers = parts.harts.map(() => NEVER);
  }

  /** A comparator, the alarm or the clock itself was set. */
  update(): void {
    const { board, clock, clockStartNs } = this.#parts;
    for (const hart of this.#timers.keys()) this.#timers[hart] = clock.stepsAt(board.aclint.timecmp(hart));
    const alarm = board.rtc.alarmNs;
    this.#alarm = alarm === null ? NEVER : Math.max(0, Number(alarm - clockStartNs()));
  }

  /** Raises what is due at a hart's present step, and lowers what no longer is. */
  raise(hart: number): void {
    const { harts, board } = this.#parts;
    const { steps } = harts[hart]!;
    harts[hart]!.setInterrupt(INTERRUPT.MTIP, steps >= this.#timers[hart]!);
    if (hart === 0 && steps >= this.#alarm) board.rtc.tick();
  }

  /** The next step after a hart's present one at which `raise` has something to do; Infinity for never. */
  next(hart: number): number {
    const { steps } = this.#parts.harts[hart]!;
    const timer = this.#timers[hart]!;
    const own = timer > steps ? timer : NEVER;
    return hart === 0 && this.#alarm > steps ? Math.min(own, this.#alarm) : own;
  }
}
