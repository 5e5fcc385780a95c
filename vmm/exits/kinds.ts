import { unreachable } from '../base/assert.ts';
import { EXIT_KINDS, type ExitKind, type ExitStage } from '../protocol/exits.ts';

export const KINDS = EXIT_KINDS.length;

/**
 * Number of a kind in counters, masks and trace records: its place in `EXIT_KINDS`. A switch, because the engine makes a
 * constant of it where the kind is one; to look the name up would be a good part of what an exit costs that nobody watches.
 */
export function kindIndex(kind: ExitKind): number {
  switch (kind) {
    case 'mmio':
      return 0;
    case 'sbi':
      return 1;
    case 'csr':
      return 2;
    case 'trap':
      return 3;
    case 'irq':
      return 4;
    case 'page-fault':
      return 5;
    case 'tlb-flush':
      return 6;
    case 'virtqueue':
      return 7;
    case 'wfi':
      return 8;
    case 'nested':
      return 9;
    case 'system':
      return 10;
    case 'debug':
      return 11;
    default:
      return unreachable(kind);
  }
}

/** Index of a kind's stage in tables that have an entry for each. */
export const stageIndex = (kind: ExitKind, stage: ExitStage): number =>
  kindIndex(kind) * 2 + (stage === 'post' ? 1 : 0);
