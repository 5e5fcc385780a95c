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

  /**
   * `update` on behalf of the hart that changed something while it runs: the level of its timer's interrupt follows at once.
   * True when the run must end before step `end`, because something is due by then.
   */
  changedBy(hart: number, end: number): boolean {
    this.update();
    this.#raiseTimer(hart);
    const isAlarmDue = hart === 0 && this.#parts.harts[0]!.steps >= this.#alarm;
    return isAlarmDue || this.next(hart) < end;
  }

  /** Raises what is due at a hart's present step, and lowers what no longer is. */
  raise(hart: number): void {
    const { harts, board } = this.#parts;
    this.#raiseTimer(hart);
    if (hart === 0 && harts[0]!.steps >= this.#alarm) board.rtc.tick();
  }

  /** The next step after a hart's present one at which `raise` has something to do; Infinity for never. */
  next(hart: number): number {
    const { steps } = this.#parts.harts[hart]!;
    const timer = this.#timers[hart]!;
    const own = timer > steps ? timer : NEVER;
    return hart === 0 && this.#alarm > steps ? Math.min(own, this.#alarm) : own;
  }

  #raiseTimer(hart: number): void {
    const { harts } = this.#parts;
    harts[hart]!.setInterrupt(INTERRUPT.MTIP, harts[hart]!.steps >= this.#timers[hart]!);
  }
}
