import { assert } from '../base/assert.ts';
import { VmError } from '../base/vm-error.ts';
import type { Saved, Snapshottable } from '../contracts/device.ts';
import type { Hart, HartReturn } from '../contracts/hart.ts';
import { SavedReader } from '../devices/saved.ts';
import type { Stepper } from './stepper.ts';

/**
 * Steps a hart runs before the next one's turn. Short enough that harts that wait for each other in a loop lose
 * little (5 µs of virtual time), long enough that changing harts costs nothing beside running them.
 */
export const QUANTUM_STEPS = 5_000;
/** With one hart nobody waits for its turn; a round only bounds how far a wait reaches without a deadline. */
export const QUANTUM_STEPS_ALONE = 100_000;

/** What decides when a hart's machine must look up from running. Steps are the hart's own, since reset. */
export interface RunLoopPorts {
  readonly harts: readonly Hart[];
  /** Sets interrupts that are due at the hart's present step. */
  raiseDue(hart: number): void;
  /** The first step after the present one at which `raiseDue` may have something to do; Infinity for never. */
  nextDeadline(hart: number): number;
  /** True when a run must end at once: the guest ended, restarts, or a breakpoint on an exit said stop. */
  interrupted(): boolean;
  /** A hart suspended by SBI woke up. */
  resumed(hart: number): void;
}

/**
 * Why the loop came back.
 * - `target`: every hart is there. - `idle`: all wait, and nothing is due before step `until`.
 * - `interrupted`: see the port. - `hart`: a hart's run ended in something its debugger wants to know.
 */
export type LoopReturn =
  | { readonly kind: 'target' }
  | { readonly kind: 'idle'; readonly until: number }
  | { readonly kind: 'interrupted'; readonly hart: number }
  | { readonly kind: 'hart'; readonly hart: number; readonly why: 'breakpoint' | 'exit-stop' }
  | { readonly kind: 'step'; readonly hart: number };

const NOWHERE = -1;

/** Whether a hart executes. `waiting`: in WFI; `halted`: not started, or stopped by SBI. */
export type HartActivity = 'running' | 'waiting' | 'halted';
const ACTIVITIES = ['running', 'waiting', 'halted'] as const satisfies readonly HartActivity[];

/**
 * Interleaves the harts: in each round every hart in turn advances by the same quantum of steps, executing or
 * waiting. Wherever a run is cut (a budget, a stop, a pause), it continues with the same hart and the rest of its
 * quantum.
 *
 * Invariant: which hart executes which instruction at which step depends on the guest and its inputs alone.
 */
export class RunLoop implements Snapshottable {
  /** The hart whose turn it is. */
  current = 0;
  /** The step at which the present run of `current` ends by itself. */
  runEnd = 0;
  /** Instructions executed, waiting left out. */
  executed = 0;
  readonly #ports: RunLoopPorts;
  readonly #quantum: number;
  readonly #activity: HartActivity[];
  /** By hart: the step at which it stopped in a debugger. Its next instruction does not stop it again. */
  readonly #stoppedAt: number[];
  /** The step, of every hart, at which the present round ends. */
  #roundEnd: number;

  constructor(ports: RunLoopPorts) {
    this.#ports = ports;
    this.#quantum = ports.harts.length === 1 ? QUANTUM_STEPS_ALONE : QUANTUM_STEPS;
    this.#activity = ports.harts.map(() => 'running');
    this.#stoppedAt = ports.harts.map(() => NOWHERE);
    this.#roundEnd = this.#quantum;
  }

  /** Machine steps since reset: every hart has done at least these. */
  get steps(): number {
    let steps = Number.POSITIVE_INFINITY;
    for (const hart of this.#ports.harts) steps = Math.min(steps, hart.steps);
    return steps;
  }

  activity(hart: number): HartActivity {
    return this.#activity[hart]!;
  }

  setActivity(hart: number, activity: HartActivity): void {
    this.#activity[hart] = activity;
  }

  /** A stop at a hart's present place was told: continuing does not tell it again. */
  passStop(hart: number): void {
    this.#stoppedAt[hart] = this.#ports.harts[hart]!.steps;
  }

  /** All harts are at step 0 again. */
  reset(halted: (hart: number) => boolean): void {
    this.current = 0;
    this.#roundEnd = this.#quantum;
    this.#stoppedAt.fill(NOWHERE);
    for (const hart of this.#activity.keys()) this.#activity[hart] = halted(hart) ? 'halted' : 'running';
  }

  /** Whose turn it is, how far the round goes, what each hart does: where a debugger stopped is no part of it. */
  save(): Saved {
    return {
      version: 1,
      current: this.current,
      roundEnd: this.#roundEnd,
      quantum: this.#quantum,
      executed: this.executed,
      activity: this.#activity.map((activity) => ACTIVITIES.indexOf(activity)),
    };
  }

  restore(saved: Saved): void {
    const from = new SavedReader(saved, 'the scheduler', 1);
    const current = from.number('current');
    const indices = from.numbers('activity', this.#activity.length);
    const activity = indices.flatMap((index) => ACTIVITIES[index] ?? []);
    const isWhole = Number.isInteger(current) && current >= 0 && current < indices.length;
    // Another quantum is another interleaving: the run would not be the one that was saved.
    if (!isWhole || activity.length < indices.length || from.number('quantum') !== this.#quantum) {
      throw new VmError('bad-file', 'saved state of the scheduler: its harts take turns in another way');
    }
    this.current = current;
    this.#roundEnd = from.number('roundEnd');
    this.executed = from.number('executed');
    this.#stoppedAt.fill(NOWHERE);
    for (const [hart, what] of activity.entries()) this.#activity[hart] = what;
  }

  /**
   * Runs until all harts are at step `target` or something happens. `skipIdle`: when all wait, time passes to the
   * next deadline at once; otherwise that is told as `idle`.
   */
  run(target: number, skipIdle: boolean, stepper: Stepper | null): LoopReturn {
    const { harts } = this.#ports;
    const last = harts.length - 1;
    for (;;) {
      if (this.#ports.interrupted()) return { kind: 'interrupted', hart: this.current };
      if (this.steps >= target) return { kind: 'target' };
      if (this.#atRoundStart() && this.#allWait()) {
        const idle = this.#passIdle(target, skipIdle);
        if (idle !== null) return idle;
        if (this.steps >= target) continue;
      }
      // The last hart's progress is the machine's; the others finish their turn, or it would depend on the target.
      const limit = this.current === last ? Math.min(this.#roundEnd, target) : this.#roundEnd;
      const outcome = this.#turn(this.current, limit, stepper);
      if (outcome !== null) return outcome;
      if (this.current < last) {
        this.current += 1;
        continue;
      }
      if (harts[last]!.steps >= this.#roundEnd) {
        this.current = 0;
        this.#roundEnd += this.#quantum;
      }
    }
  }

  /** Lets time pass for all harts while they wait: at most up to the next deadline. Returns the steps passed. */
  advanceIdle(steps: number): number {
    if (!this.#atRoundStart() || !this.#allWait()) return 0;
    const passed = Math.min(steps, this.#deadline() - this.steps);
    this.#skipAll(passed);
    this.#roundEnd += passed;
    return passed;
  }

  #atRoundStart(): boolean {
    return this.current === 0 && this.#ports.harts[0]!.steps === this.#roundEnd - this.#quantum;
  }

  #allWait(): boolean {
    const { harts } = this.#ports;
    for (let index = 0; index < harts.length; index++) {
      const activity = this.#activity[index]!;
      if (activity === 'running') return false;
      this.#ports.raiseDue(index);
      if (activity === 'waiting' && harts[index]!.wakes) return false;
    }
    return true;
  }

  /** Passes whole rounds, so that the interleaving after them is the same as if they had been waited out. */
  #passIdle(target: number, skipIdle: boolean): LoopReturn | null {
    const until = this.#deadline();
    if (until === Number.POSITIVE_INFINITY || !skipIdle) return { kind: 'idle', until };
    const rounds = Math.floor((Math.min(until, target) - this.steps) / this.#quantum);
    if (rounds > 0) {
      this.#skipAll(rounds * this.#quantum);
      this.#roundEnd += rounds * this.#quantum;
    }
    return null;
  }

  /** When any hart may wake by itself. */
  #deadline(): number {
    let deadline = Number.POSITIVE_INFINITY;
    for (let hart = 0; hart < this.#activity.length; hart++) {
      deadline = Math.min(deadline, this.#ownDeadline(hart));
    }
    return deadline;
  }

  #ownDeadline(hart: number): number {
    if (this.#activity[hart] === 'halted') return Number.POSITIVE_INFINITY;
    const { steps, timerDeadline } = this.#ports.harts[hart]!;
    const next = this.#ports.nextDeadline(hart);
    return timerDeadline > steps ? Math.min(next, timerDeadline) : next;
  }

  #skipAll(steps: number): void {
    for (const hart of this.#ports.harts) hart.skipSteps(steps);
  }

  /** One hart's turn up to step `limit`; null when it got there. */
  #turn(index: number, limit: number, stepper: Stepper | null): LoopReturn | null {
    const hart = this.#ports.harts[index]!;
    while (hart.steps < limit) {
      this.#ports.raiseDue(index);
      if (!this.#awake(index, hart)) {
        const until = Math.min(limit, this.#ownDeadline(index));
        hart.skipSteps(until - hart.steps);
        continue;
      }
      const outcome = this.#execute(index, hart, limit, stepper);
      if (outcome !== null) return outcome;
      if (this.#ports.interrupted()) return { kind: 'interrupted', hart: index };
    }
    return null;
  }

  #awake(index: number, hart: Hart): boolean {
    if (this.#activity[index] === 'running') return true;
    if (this.#activity[index] === 'halted' || !hart.wakes) return false;
    this.#activity[index] = 'running';
    this.#ports.resumed(index);
    return true;
  }

  #execute(index: number, hart: Hart, limit: number, stepper: Stepper | null): LoopReturn | null {
    const start = hart.steps;
    const stepped = stepper !== null && stepper.hart === index;
    const deadline = this.#ports.nextDeadline(index);
    assert(deadline > start, 'what was due has been raised');
    let budget = Math.min(limit, deadline) - start;
    if (stepped) budget = Math.min(budget, stepper.prepare());
    this.runEnd = start + budget;
    const why = hart.run(budget, this.#stoppedAt[index] === start);
    this.executed += hart.steps - start;
    // A breakpoint on the exit may have ended the run: the hart waits all the same.
    if (hart.waits) this.#activity[index] = 'waiting';
    if (stepped && hart.steps > start && stepper.executed(why)) return { kind: 'step', hart: index };
    return this.#classify(index, hart, why, stepper);
  }

  #classify(index: number, hart: Hart, why: HartReturn, stepper: Stepper | null): LoopReturn | null {
    switch (why) {
      case 'budget':
      case 'wfi':
      case 'yield':
        return null;
      case 'exit-stop':
        return { kind: 'hart', hart: index, why };
      case 'breakpoint':
        switch (stepper?.atBreakpoint(index, hart.getPc()) ?? 'user') {
          case 'done':
            return { kind: 'step', hart: index };
          case 'user':
            return { kind: 'hart', hart: index, why };
          case 'pass':
            this.passStop(index);
            return null;
        }
    }
  }
}
