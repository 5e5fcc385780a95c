import type { ExitSink } from '../contracts/exits.ts';
import { compileConditionOnKinds } from '../protocol/condition.ts';
import {
  EXIT_KINDS,
  type ExitKind,
  type ExitRecord,
  type ExitStage,
  type VmExit,
} from '../protocol/exits.ts';
import type { ExitBreakpoint, ExitStats, TraceFilter } from '../protocol/messages.ts';
import { BreakpointTable, CompiledBreakpoint } from './breakpoints.ts';
import { KINDS, stageIndex } from './kinds.ts';
import { Names } from './record-codec.ts';
import { Statistics } from './statistics.ts';
import { TRACE_RECORDS, TraceRing } from './trace-ring.ts';

/** Kinds traced unless the configuration says otherwise: what explains a guest and is not too frequent. */
export const TRACED_BY_DEFAULT: readonly ExitKind[] = ['mmio', 'sbi', 'irq', 'trap', 'system'];

export interface ExitsOptions {
  readonly harts: number;
  /** Where a hart is: pc of the present instruction and the machine's steps. */
  readonly where: (hart: number) => { readonly pc: bigint; readonly step: bigint };
  /** A breakpoint with the log action hit. */
  readonly log: (text: string, record: ExitRecord) => void;
  /** A breakpoint said stop; the hart that is in this exit must end its run. `takeStop` tells which. */
  readonly stopped: (hart: number) => void;
  /** Size of the trace ring. */
  readonly traceRecords?: number;
}

/** The exit a breakpoint stopped at. */
export interface ExitStop {
  readonly record: ExitRecord;
  /** Index into the list given to `setBreakpoints`. */
  readonly breakpoint: number;
}

/**
 * The place that every exit passes. With nothing armed it adds one to a counter and looks at one byte.
 *
 * Invariant: nothing here changes what a guest computes; a stop only decides where the run is cut.
 */
export class Exits implements ExitSink {
  readonly #options: ExitsOptions;
  readonly #statistics: Statistics;
  readonly #ring: TraceRing;
  readonly #breakpoints = new BreakpointTable();
  /** By kind and stage: someone wants `report`. */
  readonly #watched = new Uint8Array(KINDS * 2);
  #traced: ReadonlySet<ExitKind> = new Set();
  #trapListener: ((hart: number, interrupt: boolean) => void) | null = null;
  #stop: ExitStop | null = null;
  /** Where the last stop in a `pre` stage was: executed again on resumption, this exit passes. */
  #passed: { readonly hart: number; readonly step: bigint; readonly kind: ExitKind } | null = null;

  constructor(options: ExitsOptions) {
    this.#options = options;
    this.#statistics = new Statistics(options.harts);
    this.#ring = new TraceRing(new Names(), options.traceRecords ?? TRACE_RECORDS);
  }

  count(hart: number, kind: ExitKind): void {
    this.#statistics.count(hart, kind);
  }

  watches(kind: ExitKind, stage: ExitStage): boolean {
    return this.#watched[stageIndex(kind, stage)] !== 0;
  }

  report(hart: number, stage: ExitStage, exit: VmExit, handlerNs: number): 'continue' | 'stop' {
    if (exit.kind === 'trap' && stage === 'post') this.#trapListener?.(hart, exit.interrupt);
    const { pc, step } = this.#options.where(hart);
    const context = { hart, pc, step, stage, handlerNs };
    let sequence = 0;
    if (stage === 'post') {
      if (this.#traced.has(exit.kind)) sequence = this.#ring.append(exit, context);
      this.#statistics.add(exit, handlerNs);
    }
    const armed = this.#breakpoints.at(stageIndex(exit.kind, stage));
    if (armed.length === 0 || (stage === 'pre' && this.#passes(hart, step, exit.kind))) return 'continue';
    let stop: ExitStop | null = null;
    for (const breakpoint of armed) {
      const hit = breakpoint.match(exit, context);
      if (hit === undefined) continue;
      const record = { ...context, sequence, exit };
      if (hit.action === 'log') this.#options.log(hit.text, record);
      else stop ??= { record, breakpoint: hit.index };
    }
    if (stop === null) return 'continue';
    if (stage === 'pre') this.#passed = { hart, step, kind: exit.kind };
    // Of several stops in one instruction the first is told; the others are at the same place.
    this.#stop ??= stop;
    this.#options.stopped(hart);
    return 'stop';
  }

  /** The stop since the last call, if there was one. */
  takeStop(): ExitStop | null {
    const stop = this.#stop;
    this.#stop = null;
    return stop;
  }

  get stopPending(): boolean {
    return this.#stop !== null;
  }

  /** Traces these kinds from now on, in their `post` stage. */
  setTraced(kinds: Iterable<ExitKind>): void {
    this.#traced = new Set(kinds);
    this.#updateWatched();
  }

  /** Throws `VmError('bad-condition')` when condition or log text are wrong. */
  check(breakpoint: ExitBreakpoint): void {
    new CompiledBreakpoint(breakpoint, 0);
  }

  /** Replaces all breakpoints; throws as `check` does, and then changes nothing. */
  setBreakpoints(breakpoints: readonly ExitBreakpoint[]): void {
    this.#breakpoints.set(breakpoints);
    this.#updateWatched();
  }

  /** Tells of traps taken; what a step needs to know that an interrupt came in between. Null ends it. */
  listenToTraps(listener: ((hart: number, interrupt: boolean) => void) | null): void {
    this.#trapListener = listener;
    this.#updateWatched();
  }

  /** Records after number `after` that match, at most `limit`; `next` is the `after` of the next call. */
  trace(
    after: number,
    limit: number,
    filter: TraceFilter,
  ): { records: ExitRecord[]; dropped: number; next: number } {
    const kinds = filter.kinds ?? EXIT_KINDS;
    const matches =
      filter.condition === undefined ? () => true : compileConditionOnKinds(kinds, filter.condition);
    const records: ExitRecord[] = [];
    const first = Math.max(after + 1, this.#ring.oldest);
    let next = after;
    for (let sequence = first; sequence < this.#ring.next && records.length < limit; sequence += 1) {
      next = sequence;
      const record = this.#ring.get(sequence);
      if (record === undefined || !kinds.includes(record.exit.kind)) continue;
      if (matches(record.exit, record)) records.push(record);
    }
    return { records, dropped: Math.max(0, Math.min(first, this.#ring.next) - after - 1), next };
  }

  /** Sequence number of the newest record, 0 before the first. */
  get traced(): number {
    return this.#ring.next - 1;
  }

  stats(): ExitStats {
    return this.#statistics.report();
  }

  /** The machine was reset or went elsewhere in time: a stop of before means nothing now. */
  forgetStop(): void {
    this.#stop = null;
    this.#passed = null;
  }

  #passes(hart: number, step: bigint, kind: ExitKind): boolean {
    const passed = this.#passed;
    return passed !== null && passed.hart === hart && passed.step === step && passed.kind === kind;
  }

  #updateWatched(): void {
    for (const kind of EXIT_KINDS) {
      for (const stage of ['pre', 'post'] as const) {
        const slot = stageIndex(kind, stage);
        const traced = stage === 'post' && this.#traced.has(kind);
        const listened = kind === 'trap' && stage === 'post' && this.#trapListener !== null;
        this.#watched[slot] = Number(traced || listened || this.#breakpoints.at(slot).length > 0);
      }
    }
  }
}
