import { unreachable } from '../base/assert.ts';
import { EXIT_KINDS, type ExitKind, type VmExit } from '../protocol/exits.ts';
import type { ExitStats } from '../protocol/messages.ts';
import { KINDS, kindIndex } from './kinds.ts';

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
  /** Rows by kind and then by their subject's two parts, found without building a text for each exit. */
  readonly #rows: readonly Map<string, Map<string, Row>>[];
  #rowCount = 0;
  readonly #reads = new Suffixed('read');
  readonly #writes = new Suffixed('write');

  constructor(harts: number) {
    this.#counts = new Float64Array(new SharedArrayBuffer(harts * KINDS * 8));
    this.#rows = EXIT_KINDS.map(() => new Map());
  }

  count(hart: number, kind: ExitKind): void {
    this.#counts[hart * KINDS + kindIndex(kind)]! += 1;
  }

  add(exit: VmExit, handlerNs: number): void {
    const row = this.#row(exit, whatOf(exit), aspectOf(exit));
    if (row === undefined) return;
    row.count += 1;
    row.handlerNs += handlerNs;
  }

  report(): ExitStats {
    const counts = [...this.#counts].map((count, index) => ({
      kind: EXIT_KINDS[index % KINDS]!,
      hart: Math.floor(index / KINDS),
      count,
    }));
    const rows = this.#rows.flatMap((table) => [...table.values()].flatMap((group) => [...group.values()]));
    return {
      counts: counts.filter(({ count }) => count > 0),
      detail: rows.sort((a, b) => b.count - a.count).map((row) => ({ ...row })),
    };
  }

  #row(exit: VmExit, what: string, aspect: string): Row | undefined {
    const table = this.#rows[kindIndex(exit.kind)]!;
    let group = table.get(what);
    // Reads and writes of a register are rows of their own.
    const key = exit.kind === 'mmio' ? (exit.write ? this.#writes : this.#reads).of(aspect) : aspect;
    let row = group?.get(key);
    if (row !== undefined) return row;
    if (this.#rowCount >= DETAIL_ROWS_MAX) return undefined;
    if (group === undefined) {
      group = new Map();
      table.set(what, group);
    }
    row = { kind: exit.kind, key: key === '' ? what : `${what} ${key}`, count: 0, handlerNs: 0 };
    group.set(key, row);
    this.#rowCount += 1;
    return row;
  }
}

/** Names with a word behind them, each joined once. */
class Suffixed {
  readonly #suffix: string;
  readonly #joined = new Map<string, string>();

  constructor(suffix: string) {
    this.#suffix = suffix;
  }

  of(name: string): string {
    let joined = this.#joined.get(name);
    if (joined === undefined) {
      joined = `${name} ${this.#suffix}`;
      if (this.#joined.size < DETAIL_ROWS_MAX) this.#joined.set(name, joined);
    }
    return joined;
  }
}

/** What an exit was about: a device, an SBI extension, a CSR, a cause. */
function whatOf(exit: VmExit): string {
  switch (exit.kind) {
    case 'mmio':
    case 'irq':
    case 'virtqueue':
      return exit.device;
    case 'sbi':
      return exit.ext;
    case 'csr':
      return exit.csr;
    case 'trap':
      return exit.name;
    case 'page-fault':
      return exit.reason;
    case 'tlb-flush':
      return exit.fence;
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

/** Which part of it: a register, a function, an event; empty where there is none. */
function aspectOf(exit: VmExit): string {
  switch (exit.kind) {
    case 'mmio':
      return exit.register;
    case 'sbi':
      return exit.function;
    case 'csr':
      return exit.write ? 'write' : 'read';
    case 'irq':
    case 'virtqueue':
      return exit.event;
    default:
      return '';
  }
}
