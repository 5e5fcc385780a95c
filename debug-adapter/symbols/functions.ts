import { mapCode } from './code-map.ts';
import { AT } from './dwarf/constants.ts';
import type { DebugInfo } from './dwarf/debug-info.ts';
import type { Entry } from './dwarf/entry.ts';
import { ROW } from './dwarf/line-program.ts';
import type { Unit } from './dwarf/unit.ts';
import type { ElfSymbols } from './elf-symbols.ts';
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
import type { FunctionInfo, InlineLevel, LineLocation, SourceLocation } from './model.ts';
import type { RangeMap } from './range-map.ts';
import { callSite, levelsOf, pathTo, readScopes, type ScopeNode } from './scope-tree.ts';
import { indexUnit, type UnitFunction, type UnitIndex } from './unit-index.ts';

/**
 * Functions, their scopes and inlined functions, by address and by name. A unit's functions are indexed when an
 * address in it is first asked about, a function's scopes likewise.
 */
export class Functions {
  readonly #info: DebugInfo;
  readonly #lines: LineTables;
  readonly #symbols: ElfSymbols;
  readonly #units = new Map<Unit, UnitIndex>();
  readonly #scopes = new Map<number, ScopeNode | undefined>();
  readonly #infos = new Map<UnitFunction, FunctionInfo>();
  #code: RangeMap<Unit> | undefined;
  #allByName: Map<string, UnitFunction[]> | undefined;

  constructor(info: DebugInfo, lines: LineTables, symbols: ElfSymbols) {
    this.#info = info;
    this.#lines = lines;
    this.#symbols = symbols;
  }

  unitAt(address: bigint): Unit | undefined {
    this.#code ??= mapCode(this.#info, this.#lines);
    return this.#code.find(address)?.value;
  }

  indexOf(unit: Unit): UnitIndex {
    let index = this.#units.get(unit);
    if (index === undefined) {
      index = indexUnit(unit);
      this.#units.set(unit, index);
    }
    return index;
  }

  rowAt(address: bigint): LineRow | undefined {
    const unit = this.unitAt(address);
    return unit && this.#lines.ofUnit(unit)?.rowAt(address);
  }

  at(address: bigint): UnitFunction | undefined {
    const unit = this.unitAt(address);
    return unit && this.indexOf(unit).functions.find(address)?.value;
  }

  /** Of debug information, else of the ELF symbol table. */
  infoAt(address: bigint): FunctionInfo | undefined {
    const known = this.at(address);
    if (known !== undefined) return this.info(known);
    const symbol = this.#symbols.at(address);
    if (symbol === undefined || !symbol.isFunction) return undefined;
    return this.#symbolInfo(symbol.name, symbol.address, symbol.size);
  }

  info(known: UnitFunction): FunctionInfo {
    let info = this.#infos.get(known);
    if (info === undefined) {
      const entry = this.entryOf(known);
      // Of a split function the main part comes first, which need not be the lowest.
      const entryAddress = entry?.address(AT.lowPc) ?? known.ranges[0]!.start;
      info = {
        name: known.name,
        entry: entryAddress,
        ranges: known.ranges,
        declaration: entry && this.declaration(entry),
        breakpointAddress: this.#afterPrologue(known.unit, entryAddress, known.ranges),
      };
      this.#infos.set(known, info);
    }
    return info;
  }

  byName(name: string): readonly FunctionInfo[] {
    const found = new Map<bigint, FunctionInfo>();
    for (const symbol of this.#symbols.functions(name)) {
      const known = this.at(symbol.address);
      const info = known && this.info(known);
      // A label inside a function is a place of its own.
      const fits = info !== undefined && info.entry === symbol.address;
      const answer = fits ? info : this.#symbolInfo(symbol.name, symbol.address, symbol.size);
      found.set(answer.entry, answer);
    }
    if (found.size === 0) {
      for (const known of this.#byDebugName(name)) {
        const info = this.info(known);
        found.set(info.entry, info);
      }
    }
    return [...found.values()];
  }

  entryOf(known: UnitFunction): Entry | undefined {
    return known.unit.entryAt(known.offset);
  }

  scopesOf(known: UnitFunction): ScopeNode | undefined {
    if (!this.#scopes.has(known.offset)) {
      const entry = this.entryOf(known);
      this.#scopes.set(known.offset, entry && readScopes(entry));
    }
    return this.#scopes.get(known.offset);
  }

  /** Scopes that hold `address`, by level of inlining; see `levelsOf`. */
  levelsAt(address: bigint): readonly (readonly ScopeNode[])[] {
    const known = this.at(address);
    const root = known && this.scopesOf(known);
    return root === undefined ? [] : levelsOf(pathTo(root, address));
  }

  inlineChain(address: bigint): readonly InlineLevel[] {
    const levels = this.levelsAt(address);
    let location: SourceLocation | undefined = this.lineFor(address);
    return levels.map((nodes, index) => {
      const node = nodes.at(-1)!;
      const level: InlineLevel = {
        name: node.entry.name ?? '',
        location,
        inlined: index < levels.length - 1,
        ranges: node.ranges,
      };
      location = node.kind === 'inline' ? this.#callLocation(node) : undefined;
      return level;
    });
  }

  /**
   * The row that covers the address. Where optimized code has several rows at one address, a row that is a statement
   * says better where a person thinks to be than the one that happens to come last.
   */
  lineFor(address: bigint): LineLocation | undefined {
    const row = preferStatement(this.rowAt(address));
    const file = row && rowFile(row);
    if (row === undefined || file === undefined) return undefined;
    return {
      file,
      line: rowLine(row),
      column: rowColumn(row),
      address: rowAddress(row),
      isStatement: rowHas(row, ROW.statement),
    };
  }

  declaration(entry: Entry): SourceLocation | undefined {
    const owner = entry.owner(AT.declLine);
    const number = owner?.owner(AT.declFile)?.number(AT.declFile);
    const file = owner && number !== undefined ? this.#lines.ofUnit(owner.unit)?.paths[number] : undefined;
    return file === undefined ? undefined : { file, line: owner!.number(AT.declLine) ?? 0, column: 0 };
  }

  #callLocation(node: ScopeNode): SourceLocation | undefined {
    const { file, line, column } = callSite(node);
    const path = this.#lines.ofUnit(node.entry.unit)?.paths[file];
    return path === undefined ? undefined : { file: path, line, column };
  }

  #symbolInfo(name: string, address: bigint, size: bigint): FunctionInfo {
    const row = this.rowAt(address);
    const file = row && rowFile(row);
    return {
      name,
      entry: address,
      ranges: [{ start: address, end: address + size }],
      declaration: row && file !== undefined ? { file, line: rowLine(row), column: 0 } : undefined,
      breakpointAddress: address,
    };
  }

  /** Functions that have no symbol of their own (stripped ones): by a pass over the top level of all units. */
  #byDebugName(name: string): readonly UnitFunction[] {
    if (this.#allByName === undefined) {
      this.#allByName = new Map();
      for (const unit of this.#info.units) {
        const all = new Set(this.indexOf(unit).functions.intervals.map(({ value }) => value));
        for (const known of all) {
          const list = this.#allByName.get(known.name);
          if (list === undefined) this.#allByName.set(known.name, [known]);
          else list.push(known);
        }
      }
    }
    return this.#allByName.get(name) ?? [];
  }

  /**
   * Where a function's own statements begin. Compilers mark it (`prologue_end`), or else give the body a second
   * row after that of the opening line. Optimized code saves registers as it goes and describes its variables
   * from the first instruction on, and assembly has no prologue: both are stopped at the entry.
   */
  #afterPrologue(unit: Unit, entry: bigint, ranges: FunctionInfo['ranges']): bigint {
    const table = this.#lines.ofUnit(unit);
    const first = table?.rowAt(entry);
    if (first === undefined || unit.isAssembly) return entry;
    const end = ranges.find((range) => entry >= range.start && entry < range.end)?.end ?? entry;
    let second: bigint | undefined;
    for (let index = first.index; index < first.sequence.offsets.length; index += 1) {
      const row = { ...first, index };
      const address = rowAddress(row);
      if (address >= end) break;
      if (rowHas(row, ROW.prologueEnd)) return address;
      if (address > entry && rowHas(row, ROW.statement) && rowLine(row) !== 0 && rowEnd(row) > address) {
        second ??= address;
      }
    }
    return unit.isOptimized ? entry : (second ?? entry);
  }
}

function preferStatement(row: LineRow | undefined): LineRow | undefined {
  if (row === undefined) return undefined;
  const { offsets } = row.sequence;
  for (let index = row.index; index >= 0 && offsets[index] === offsets[row.index]; index -= 1) {
    const candidate = { ...row, index };
    if (rowHas(candidate, ROW.statement) && rowLine(candidate) !== 0) return candidate;
  }
  return row;
}
