import type { DebugInfo } from './dwarf/debug-info.ts';
import { type LineHeader, type LineSequence, ROW, readLineHeader } from './dwarf/line-program.ts';
import { runLineProgram } from './dwarf/line-rows.ts';
import type { DwarfSections } from './dwarf/sections.ts';
import type { Unit } from './dwarf/unit.ts';
import { type Interval, RangeMap } from './range-map.ts';
import type { SourcePaths } from './source-paths.ts';

/** A row of a line table, by position. */
export interface LineRow {
  readonly table: LineTable;
  readonly sequence: LineSequence;
  readonly index: number;
}

/** The line table of one unit. Its program runs when rows are first asked for. */
export class LineTable {
  readonly header: LineHeader;
  /** Resolved path of each file number. */
  readonly paths: readonly (string | undefined)[];
  readonly #sections: DwarfSections;
  #sequences: RangeMap<LineSequence> | undefined;

  constructor(sections: DwarfSections, header: LineHeader, paths: SourcePaths) {
    this.#sections = sections;
    this.header = header;
    this.paths = header.files.map((file) => file && paths.resolve(file.directory, file.name));
  }

  /** Those of code that is in the file, by ascending address. */
  get sequences(): readonly LineSequence[] {
    return this.#map().intervals.map(({ value }) => value);
  }

  /** The row that covers `address`: of several at one address the last, since the others cover nothing. */
  rowAt(address: bigint): LineRow | undefined {
    const sequence = this.#map().find(address)?.value;
    if (sequence === undefined) return undefined;
    const offset = Number(address - sequence.base);
    let low = 0;
    let high = sequence.offsets.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sequence.offsets[middle]! <= offset) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? undefined : { table: this, sequence, index: low - 1 };
  }

  #map(): RangeMap<LineSequence> {
    if (this.#sequences === undefined) {
      const intervals: Interval<LineSequence>[] = runLineProgram(this.#sections, this.header)
        .filter((sequence) => this.#sections.hasCodeAt(sequence.base))
        .map((value) => ({ start: value.base, end: value.end, value }));
      this.#sequences = new RangeMap(intervals);
    }
    return this.#sequences;
  }
}

/** All line tables of a file, read as needed and kept. */
export class LineTables {
  readonly #info: DebugInfo;
  readonly #paths: SourcePaths;
  readonly #tables = new Map<number, LineTable | undefined>();
  #byFile: Map<string, Map<LineTable, number[]>> | undefined;

  constructor(info: DebugInfo, paths: SourcePaths) {
    this.#info = info;
    this.#paths = paths;
  }

  ofUnit(unit: Unit): LineTable | undefined {
    let offset: number | undefined;
    try {
      offset = unit.lineOffset;
      if (offset === undefined) return undefined;
      if (this.#tables.has(offset)) return this.#tables.get(offset);
      const header = readLineHeader(this.#info.sections, offset, unit.compDir, unit.name);
      const table = new LineTable(this.#info.sections, header, this.#paths);
      this.#tables.set(offset, table);
      return table;
    } catch (error) {
      this.#info.sections.report(error);
      // Once is enough to report it.
      if (offset !== undefined) this.#tables.set(offset, undefined);
      return undefined;
    }
  }

  /** Every file that a line table names: reads the headers of all tables, but runs none. */
  files(): readonly string[] {
    return [...this.#index().keys()].sort();
  }

  /** Rows that are statements of `file`, in order of tables and addresses. Runs the tables that name the file. */
  *statementsOf(file: string): Generator<LineRow, void, undefined> {
    for (const [table, numbers] of this.#index().get(file) ?? []) {
      for (const sequence of table.sequences) {
        for (let index = 0; index < sequence.lines.length; index += 1) {
          const flags = sequence.flags[index]!;
          if ((flags & ROW.statement) === 0 || (flags & ROW.endSequence) !== 0) continue;
          if (sequence.lines[index] !== 0 && numbers.includes(sequence.files[index]!)) {
            yield { table, sequence, index };
          }
        }
      }
    }
  }

  #index(): Map<string, Map<LineTable, number[]>> {
    if (this.#byFile !== undefined) return this.#byFile;
    this.#byFile = new Map();
    for (const unit of this.#info.units) {
      const table = this.ofUnit(unit);
      if (table === undefined) continue;
      for (const [number, path] of table.paths.entries()) {
        if (path === undefined) continue;
        let tables = this.#byFile.get(path);
        if (tables === undefined) this.#byFile.set(path, (tables = new Map()));
        const numbers = tables.get(table);
        if (numbers === undefined) tables.set(table, [number]);
        else if (!numbers.includes(number)) numbers.push(number);
      }
    }
    return this.#byFile;
  }
}

export function rowAddress(row: LineRow): bigint {
  return row.sequence.base + BigInt(row.sequence.offsets[row.index]!);
}

/** Where the row's code ends; equal to its address for rows without code. */
export function rowEnd(row: LineRow): bigint {
  const next = row.sequence.offsets[row.index + 1] ?? row.sequence.offsets[row.index]!;
  return row.sequence.base + BigInt(next);
}

export function rowFile(row: LineRow): string | undefined {
  return row.table.paths[row.sequence.files[row.index]!];
}

export function rowLine(row: LineRow): number {
  return row.sequence.lines[row.index]!;
}

export function rowColumn(row: LineRow): number {
  return row.sequence.columns[row.index]!;
}

export function rowHas(row: LineRow, flag: number): boolean {
  return (row.sequence.flags[row.index]! & flag) !== 0;
}
