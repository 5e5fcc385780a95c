import type { ExitKind, ExitStage, VmExit } from '../protocol/exits.ts';

/**
 * The one place every exit passes: counted, traced, broken on. `vmm/exits` implements it; bus, harts, SBI and
 * interrupt controllers call it.
 *
 * Invariant: the guest's run does not depend on anything that stands behind this interface, except that a
 * `stop` in the `pre` stage leaves the instruction unexecuted, to be executed on resumption.
 */
export interface ExitSink {
  /** Always called, once an exit, whether anyone watches or not. */
  count(hart: number, kind: ExitKind): void;
  /** True when `report` must be called for this kind and stage: something traces it or breaks on it. */
  watches(kind: ExitKind, stage: ExitStage): boolean;
  /** Traces and matches breakpoints. `stop`: the hart must stop (before the effect in `pre`, after the instruction in `post`). */
  report(hart: number, stage: ExitStage, exit: VmExit, handlerNs: number): 'continue' | 'stop';
}
