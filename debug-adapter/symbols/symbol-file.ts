import type { Elf } from '../../vmm/formats/elf.ts';
import { CallFrames, type UnwindRow } from './dwarf/call-frames.ts';
import { DebugInfo } from './dwarf/debug-info.ts';
import type { Entry } from './dwarf/entry.ts';
import { DwarfSections } from './dwarf/sections.ts';
import { ElfSymbols } from './elf-symbols.ts';
import { Functions } from './functions.ts';
import { LineQueries } from './line-queries.ts';
import { LineTables } from './line-tables.ts';
import type {
  AddressRange,
  BreakpointLocation,
  Frame,
  FunctionInfo,
  InlineLevel,
  LineLocation,
  SourceLocation,
  SymbolFileOptions,
  SymbolOffset,
  Symbols,
  Variable,
  VariableScope,
} from './model.ts';
import { isDeclaration, NameSearch } from './name-search.ts';
import { SourcePaths } from './source-paths.ts';
import type { Type } from './type-model.ts';
import { Types } from './types.ts';
import { makeVariable, type VariableSupport } from './variables.ts';

/** Messages kept about damaged debug information; a damaged file could give one for each of its units. */
const PROBLEMS_MAX = 20;

/**
 * The symbols and debug information of one ELF file. Loading reads nothing: each question reads the part of the file
 * that answers it, and damaged parts are left out, with a note in `problems`.
 *
 * Bounds for large files: headers of units and line tables are read once (milliseconds for a Linux kernel's 3,000);
 * line programs, function lists and scopes are read for the unit or function asked about and kept.
 */
export class SymbolFile implements Symbols {
  readonly name: string;
  readonly #sections: DwarfSections;
  readonly #info: DebugInfo;
  readonly #symbols: ElfSymbols;
  readonly #lines: LineTables;
  readonly #functions: Functions;
  readonly #queries: LineQueries;
  readonly #frames: CallFrames;
  readonly #names: NameSearch;
  readonly #types: Types;
  readonly #support: VariableSupport;
  readonly #problems: string[] = [];

  static load(elf: Elf, options: SymbolFileOptions): SymbolFile {
    return new SymbolFile(elf, options);
  }

  private constructor(elf: Elf, options: SymbolFileOptions) {
    this.name = options.name;
    const bias = options.offset ?? 0n;
    this.#sections = new DwarfSections(elf, bias, (problem) => this.#report(problem));
    this.#info = new DebugInfo(this.#sections);
    this.#symbols = new ElfSymbols(elf, bias);
    this.#lines = new LineTables(this.#info, new SourcePaths(options.path, options.sourceMap ?? []));
    this.#functions = new Functions(this.#info, this.#lines, this.#symbols);
    this.#queries = new LineQueries(this.#lines, this.#functions);
    this.#frames = new CallFrames(this.#sections);
    this.#names = new NameSearch(this.#info, this.#functions);
    this.#types = new Types(this.#info, (spelling) => this.#names.find('types', spelling, undefined));
    this.#support = {
      types: this.#types,
      declaration: (entry) => this.#functions.declaration(entry),
      addressOf: (name) => this.#symbols.addressOf(name),
    };
  }

  /** What of the debug information could not be read, for a note to the user. Grows as more of the file is read. */
  get problems(): readonly string[] {
    return this.#problems;
  }

  files(): readonly string[] {
    return this.#lines.files();
  }

  lineFor(address: bigint): LineLocation | undefined {
    return this.#guard(undefined, () => this.#functions.lineFor(address));
  }

  addressesFor(file: string, line: number): readonly BreakpointLocation[] {
    return this.#guard([], () => this.#queries.addressesFor(file, line));
  }

  breakpointLocations(file: string, from: number, to: number): readonly SourceLocation[] {
    return this.#guard([], () => this.#queries.breakpointLocations(file, from, to));
  }

  lineRangesFor(address: bigint, options: { readonly over?: boolean } = {}): readonly AddressRange[] {
    return this.#guard([], () => this.#queries.rangesFor(address, options.over ?? false));
  }

  functionAt(address: bigint): FunctionInfo | undefined {
    return this.#guard(undefined, () => this.#functions.infoAt(address));
  }

  functionsByName(name: string): readonly FunctionInfo[] {
    return this.#guard([], () => this.#functions.byName(name));
  }

  inlineChain(address: bigint): readonly InlineLevel[] {
    return this.#guard([], () => this.#functions.inlineChain(address));
  }

  symbolize(address: bigint): SymbolOffset | undefined {
    return this.#symbols.symbolize(address);
  }

  addressOf(name: string): bigint | undefined {
    return this.#symbols.addressOf(name);
  }

  /** True where the file has an executable section. */
  isCode(address: bigint): boolean {
    return this.#sections.code.some(({ start, end }) => address >= start && address < end);
  }

  /** The call frame information for `pc`; see `UnwindRow`. */
  unwindRow(pc: bigint): UnwindRow | undefined {
    return this.#frames.rowAt(pc);
  }

  scopesAt(frame: Pick<Frame, 'lookupPc' | 'inlineDepth'>): readonly VariableScope[] {
    return this.#guard([], () => {
      const known = this.#functions.at(frame.lookupPc);
      const subprogram = known && this.#functions.entryOf(known);
      const nodes = this.#functions.levelsAt(frame.lookupPc)[frame.inlineDepth] ?? [];
      return nodes.map((node) => ({
        kind: node.kind === 'block' ? 'block' : 'function',
        ranges: node.ranges,
        variables: this.#variables(node.variables, subprogram),
      }));
    });
  }

  globalVariable(name: string, near?: bigint): Variable | undefined {
    return this.#guard(undefined, () => {
      const entry = this.#names.find('variables', name, near);
      return entry && this.#variables([entry], undefined)[0];
    });
  }

  globalsAt(address: bigint): readonly Variable[] {
    return this.#guard([], () => {
      const unit = this.#functions.unitAt(address);
      if (unit === undefined) return [];
      const offsets = [...this.#functions.indexOf(unit).variables.values()];
      const entries = offsets.flatMap((offset) => unit.entryAt(offset) ?? []);
      return this.#variables(
        entries.filter((entry) => !isDeclaration(entry)),
        undefined,
      );
    });
  }

  typeByName(name: string, near?: bigint): Type | undefined {
    return this.#guard(undefined, () => {
      const entry = this.#names.find('types', normalizeSpelling(name), near);
      return entry && this.#types.at(entry);
    });
  }

  enumeratorByName(name: string, near?: bigint): { readonly type: Type; readonly value: bigint } | undefined {
    return this.#guard(undefined, () => {
      const entry = this.#names.find('enumerators', name, near);
      const type = entry && this.#types.at(entry);
      const found =
        type?.kind === 'enum' ? type.enumerators.find((enumerator) => enumerator.name === name) : undefined;
      return type && found && { type, value: found.value };
    });
  }

  #variables(entries: readonly Entry[], subprogram: Entry | undefined): Variable[] {
    return entries.flatMap((entry) => makeVariable(this.#support, entry, subprogram) ?? []);
  }

  #guard<T>(otherwise: T, answer: () => T): T {
    try {
      return answer();
    } catch (error) {
      this.#sections.report(error);
      return otherwise;
    }
  }

  #report(problem: string): void {
    const text = `${this.name}: ${problem}`;
    if (this.#problems.length < PROBLEMS_MAX && !this.#problems.includes(text)) this.#problems.push(text);
  }
}

/** Brings C's freer spellings (`unsigned`, `long unsigned int`) to the one that GCC and clang write. */
function normalizeSpelling(name: string): string {
  const words = name.trim().split(/\s+/);
  if (words.some((word) => !INTEGER_WORDS.has(word))) return words.join(' ');
  const has = (word: string): boolean => words.includes(word);
  if (has('char')) return has('unsigned') ? 'unsigned char' : has('signed') ? 'signed char' : 'char';
  const longs = words.filter((word) => word === 'long').length;
  const unsigned = has('unsigned');
  if (has('short')) return unsigned ? 'short unsigned int' : 'short int';
  if (longs === 0) return unsigned ? 'unsigned int' : 'int';
  return `${'long '.repeat(longs)}${unsigned ? 'unsigned ' : ''}int`;
}

const INTEGER_WORDS: ReadonlySet<string> = new Set(['unsigned', 'signed', 'char', 'short', 'int', 'long']);
