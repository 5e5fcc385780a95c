import {
  type Condition,
  type ConditionContext,
  compileCondition,
  compileLogText,
} from '../protocol/condition.ts';
import type { ExitContext, ExitStage, VmExit } from '../protocol/exits.ts';
import type { ExitBreakpoint } from '../protocol/messages.ts';
import { KINDS, stageIndex } from './kinds.ts';

/** What a breakpoint that hit asks for, and its place in the list it came in. */
export type Hit =
  | { readonly action: 'stop'; readonly index: number }
  | { readonly action: 'log'; readonly index: number; readonly text: string };

/** A breakpoint on exits with its condition and log text compiled and its matches counted. */
export class CompiledBreakpoint {
  readonly #index: number;
  readonly #breakpoint: ExitBreakpoint;
  readonly #condition: Condition | undefined;
  readonly #text: (exit: VmExit, context: ConditionContext) => string;
  #matches = 0;

  /** Throws `VmError('bad-condition')` when condition or log text do not fit the kind of exit. */
  constructor(breakpoint: ExitBreakpoint, index: number) {
    const { kind, condition, log } = breakpoint;
    this.#index = index;
    this.#breakpoint = breakpoint;
    this.#condition = condition === undefined ? undefined : compileCondition(kind, condition);
    this.#text = compileLogText(kind, log ?? `${kind} on hart {hart} at {pc}`);
  }

  get slot(): number {
    return stageIndex(this.#breakpoint.kind, this.#breakpoint.stage);
  }

  /** Counts a match; the breakpoint hits from its hit count on. */
  match(exit: VmExit, context: ExitContext): Hit | undefined {
    if (this.#condition !== undefined && !this.#condition(exit, context)) return undefined;
    this.#matches += 1;
    const { action, hitCount } = this.#breakpoint;
    if (this.#matches < hitCount) return undefined;
    const index = this.#index;
    switch (action) {
      case 'stop':
        return { action, index };
      case 'log':
        return { action, index, text: this.#text(exit, context) };
    }
  }
}

/** The armed breakpoints, found by kind and stage. */
export class BreakpointTable {
  #slots: readonly (readonly CompiledBreakpoint[])[] = EMPTY;

  /** Replaces all; hit counts start anew. Throws `VmError('bad-condition')` and changes nothing when one is wrong. */
  set(breakpoints: readonly ExitBreakpoint[]): void {
    const compiled = breakpoints.map((breakpoint, index) => new CompiledBreakpoint(breakpoint, index));
    this.#slots = EMPTY.map((_, slot) => compiled.filter((breakpoint) => breakpoint.slot === slot));
  }

  at(slot: number): readonly CompiledBreakpoint[] {
    return this.#slots[slot]!;
  }
}

const STAGES: readonly ExitStage[] = ['pre', 'post'];
const EMPTY: readonly (readonly CompiledBreakpoint[])[] = Array.from(
  { length: KINDS * STAGES.length },
  () => [],
);
