import { EXIT_KINDS, type ExitKind, type ExitStage } from '../protocol/exits.ts';

/** Number of a kind in counters, masks and trace records. */
export const KIND_INDEX: Readonly<Record<ExitKind, number>> = Object.fromEntries(
  EXIT_KINDS.map((kind, index) => [kind, index]),
) as Record<ExitKind, number>;

export const KINDS = EXIT_KINDS.length;

/** Index of a kind's stage in tables that have an entry for each. */
export const stageIndex = (kind: ExitKind, stage: ExitStage): number =>
  KIND_INDEX[kind] * 2 + (stage === 'post' ? 1 : 0);
