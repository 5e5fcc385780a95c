import { unreachable } from '../base/assert.ts';
import { EXIT_KINDS, type ExitKind, type VmExit } from '../protocol/exits.ts';
import type { ExitStats } from '../protocol/messages.ts';
import { KIND_INDEX, KINDS } from './kinds.ts';

/**
 * Rows of finer statistics. Names come from the board and the specifications, so there are some hundreds; the
 * limit guards against a guest that finds a way to invent more.
 */
const DETAIL_ROWS_MAX = 4096;

interface Row {
  readonly kind: ExitKind;
  readonly key: string;
  count: number;
  handlerNs: number;
}

/** Counts of all exits by hart and kind, and of watched ones by what they were about. */
export class Statistics {
  /** Doubles hold counts that 32 bits would not; shared memory lets another thread read them. */
  readonly #counts: Float64Array;
  readonly #rows = new Map<string, Row>();

  constructor(harts: number) {
    this.#counts = new Float64Array(new SharedArrayBuffer(harts * KINDS * 8));
  }

  count(hart: number, kind: ExitKind): void {
    this.#counts[hart * KINDS + KIND_INDEX[kind]]! += 1;
  }

  add(exit: VmExit, handlerNs: number): void {
    const key = detailKey(exit);
    const rowKey = `${exit.kind} ${key}`;
    let row = this.#rows.get(rowKey);
    if (row === undefined) {
      if (this.#rows.size >= DETAIL_ROWS_MAX) return;
      row = { kind: exit.kind, key, count: 0, handlerNs: 0 };
      this.#rows.set(rowKey, row);
    }
    row.count += 1;
    row.handlerNs += handlerNs;
  }

  report(): ExitStats {
    const counts = [...this.#counts].map((count, index) => ({
      kind: EXIT_KINDS[index % KINDS]!,
      hart: Math.floor(index / KINDS),
      count,
    }));
    return {
      counts: counts.filter(({ count }) => count > 0),
      detail: [...this.#rows.values()].sort((a, b) => b.count - a.count).map((row) => ({ ...row })),
    };
  }
}

/** What an exit was about, in the words its views use. */
function detailKey(exit: VmExit): string {
  switch (exit.kind) {
    case 'mmio':
      return `${exit.device} ${exit.register} ${exit.write ? 'write' : 'read'}`;
    case 'sbi':
      return `${exit.ext} ${exit.function}`;
    case 'csr':
      return `${exit.csr} ${exit.write ? 'write' : 'read'}`;
    case 'trap':
      return exit.name;
    case 'irq':
      return `${exit.device} ${exit.event}`;
    case 'page-fault':
      return exit.reason;
    case 'tlb-flush':
      return exit.fence;
    case 'virtqueue':
      return `${exit.device} ${exit.queue} ${exit.event}`;
    case 'wfi':
      return exit.until === null ? 'for an interrupt' : 'for a deadline';
    case 'nested':
      return `cause ${exit.cause}`;
    case 'system':
    case 'debug':
      return exit.event;
    default:
      return unreachable(exit);
  }
}
