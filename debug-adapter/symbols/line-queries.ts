import { ROW } from './dwarf/line-program.ts';
import type { Functions } from './functions.ts';
import {
  type LineRow,
  type LineTables,
  rowAddress,
  rowColumn,
  rowEnd,
  rowFile,
  rowHas,
  rowLine,
} from './line-tables.ts';
import type { AddressRange, BreakpointLocation, SourceLocation } from './model.ts';
import { higher, lower } from './range-map.ts';
import { callSite, contains, type ScopeNode } from './scope-tree.ts';

interface Statement {
  readonly line: number;
  readonly column: number;
  readonly address: bigint;
  /** Another line's statement follows at the same address: a stop there is shown at that line. */
  readonly shadowed: boolean;
}

/** From source lines to addresses: breakpoints and stepping. */
export class LineQueries {
  readonly #lines: LineTables;
  readonly #functions: Functions;
  /** Of the files asked for so far, by line. */
  readonly #statements = new Map<string, Map<number, Statement[]>>();

  constructor(lines: LineTables, functions: Functions) {
    this.#lines = lines;
    this.#functions = functions;
  }

  addressesFor(file: string, line: number): readonly BreakpointLocation[] {
    const byLine = this.#statementsOf(file);
    const chosen = byLine.has(line) ? line : nextLine(byLine, line);
    if (chosen === undefined) return [];
    const best = new Map<string, Statement>();
    for (const statement of byLine.get(chosen)!) {
      // A line has several pieces in a function (the three parts of a `for`); the lowest address is its start.
      const key = this.#instanceKey(statement.address);
      const earlier = best.get(key);
      if (earlier === undefined || precedes(statement, earlier)) best.set(key, statement);
    }
    const found = new Map<bigint, BreakpointLocation>();
    for (const statement of best.values()) {
      const address = this.#afterEntry(statement.address);
      found.set(address, { file, line: chosen, column: statement.column, address });
    }
    return [...found.values()].sort((a, b) => (a.address < b.address ? -1 : 1));
  }

  breakpointLocations(file: string, from: number, to: number): readonly SourceLocation[] {
    const locations: SourceLocation[] = [];
    for (const [line, statements] of this.#statementsOf(file)) {
      if (line < from || line > to) continue;
      const column = statements.reduce((low, statement) => Math.min(low, statement.column), Infinity);
      locations.push({ file, line, column });
    }
    return locations.sort((a, b) => a.line - b.line);
  }

  /**
   * What stepping by line runs through: code of the same line of the same function, code of no line, and code that
   * the compiler marked as no good place to stop. With `over`, also functions that are inlined at this line.
   */
  rangesFor(address: bigint, over: boolean): readonly AddressRange[] {
    const row = this.#functions.rowAt(address);
    if (row === undefined) return [];
    const line = rowLine(row);
    const file = rowFile(row);
    const levels = this.#functions.levelsAt(address);
    const scope = levels[0]?.at(-1);
    const bounds = scope?.ranges ?? [{ start: row.sequence.base, end: row.sequence.end }];
    const inner = scope === undefined ? [] : inlinedIn(scope);
    const passed = over ? inner.filter((node) => callSite(node).line === line) : [];
    const ranges: AddressRange[] = passed.flatMap((node) => [...node.ranges]);
    for (const bound of bounds) {
      for (const other of rowsIn(row, bound)) {
        const same = rowLine(other) === line && rowFile(other) === file;
        const start = rowAddress(other);
        const end = rowEnd(other);
        if (end <= start || !(same || rowLine(other) === 0 || !rowHas(other, ROW.statement))) continue;
        // Rows of an inlined function may name the same line, yet are the callee's.
        if (inner.some((node) => contains(node.ranges, start)) && !same) continue;
        ranges.push({
          start: higher(start, bound.start),
          end: lower(end, bound.end),
        });
      }
    }
    return merge(ranges);
  }

  #statementsOf(file: string): Map<number, Statement[]> {
    let byLine = this.#statements.get(file);
    if (byLine === undefined) {
      byLine = new Map();
      for (const row of this.#lines.statementsOf(file)) {
        const line = rowLine(row);
        const address = rowAddress(row);
        const statement = { line, column: rowColumn(row), address, shadowed: isShadowed(row) };
        const list = byLine.get(line);
        if (list === undefined) byLine.set(line, [statement]);
        else list.push(statement);
      }
      this.#statements.set(file, byLine);
    }
    return byLine;
  }

  /** Tells apart functions, copies of inlined functions, and the hot and cold parts of one function. */
  #instanceKey(address: bigint): string {
    const known = this.#functions.at(address);
    if (known === undefined) return `${this.#functions.rowAt(address)?.sequence.base ?? 0n}`;
    const part = known.ranges.findIndex((range) => address >= range.start && address < range.end);
    const level = this.#functions.levelsAt(address)[0]?.at(-1);
    return `${known.offset}/${part}/${level?.entry.offset ?? 0}`;
  }

  /** A breakpoint on a function's opening line goes after the prologue. */
  #afterEntry(address: bigint): bigint {
    const known = this.#functions.at(address);
    const info = known && this.#functions.info(known);
    return info !== undefined && info.entry === address ? info.breakpointAddress : address;
  }
}

function nextLine(byLine: Map<number, unknown>, line: number): number | undefined {
  let next: number | undefined;
  for (const candidate of byLine.keys()) {
    if (candidate > line && (next === undefined || candidate < next)) next = candidate;
  }
  return next;
}

function precedes(a: Statement, b: Statement): boolean {
  return a.shadowed === b.shadowed ? a.address < b.address : b.shadowed;
}

function isShadowed(row: LineRow): boolean {
  const { offsets } = row.sequence;
  for (let index = row.index + 1; offsets[index] === offsets[row.index]; index += 1) {
    const later = { ...row, index };
    const differs = rowLine(later) !== rowLine(row) || rowFile(later) !== rowFile(row);
    if (differs && rowHas(later, ROW.statement) && rowLine(later) !== 0) return true;
  }
  return false;
}

/** All functions inlined into a scope, at any depth. */
function inlinedIn(scope: ScopeNode): ScopeNode[] {
  return scope.children.flatMap((child) =>
    child.kind === 'inline' ? [child, ...inlinedIn(child)] : inlinedIn(child),
  );
}

/** Rows of the same table with code in `[start, end)`. */
function* rowsIn(row: LineRow, { start, end }: AddressRange): Generator<LineRow, void, undefined> {
  const first = row.table.rowAt(start);
  if (first === undefined) return;
  for (let index = first.index; index < first.sequence.offsets.length - 1; index += 1) {
    const next = { ...first, index };
    if (rowAddress(next) >= end) return;
    yield next;
  }
}

function merge(ranges: readonly AddressRange[]): AddressRange[] {
  const sorted = [...ranges].sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
  const merged: AddressRange[] = [];
  for (const range of sorted) {
    const last = merged.at(-1);
    if (last === undefined || range.start > last.end) merged.push(range);
    else if (range.end > last.end) merged[merged.length - 1] = { start: last.start, end: range.end };
  }
  return merged;
}
