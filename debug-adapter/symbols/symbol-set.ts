import type { UnwindRow } from './dwarf/call-frames.ts';
import type {
  AddressRange,
  BreakpointLocation,
  Frame,
  FunctionInfo,
  InlineLevel,
  LineLocation,
  SourceLocation,
  SymbolOffset,
  Symbols,
  Variable,
  VariableScope,
} from './model.ts';
import type { SymbolFile } from './symbol-file.ts';
import type { Type } from './type-model.ts';

/** Several symbol files as one: addresses are asked of the file with code there, names of each in turn. */
export class SymbolSet implements Symbols {
  readonly members: readonly SymbolFile[];

  constructor(members: readonly SymbolFile[]) {
    this.members = members;
  }

  files(): readonly string[] {
    return [...new Set(this.members.flatMap((member) => member.files()))].sort();
  }

  lineFor(address: bigint): LineLocation | undefined {
    return this.#first((member) => member.lineFor(address));
  }

  addressesFor(file: string, line: number): readonly BreakpointLocation[] {
    return this.#every((member) => member.addressesFor(file, line));
  }

  breakpointLocations(file: string, from: number, to: number): readonly SourceLocation[] {
    return this.#every((member) => member.breakpointLocations(file, from, to));
  }

  lineRangesFor(address: bigint, options?: { readonly over?: boolean }): readonly AddressRange[] {
    return this.#some((member) => member.lineRangesFor(address, options));
  }

  functionAt(address: bigint): FunctionInfo | undefined {
    return this.#first((member) => member.functionAt(address));
  }

  functionsByName(name: string): readonly FunctionInfo[] {
    return this.#every((member) => member.functionsByName(name));
  }

  inlineChain(address: bigint): readonly InlineLevel[] {
    return this.#some((member) => member.inlineChain(address));
  }

  symbolize(address: bigint): SymbolOffset | undefined {
    return this.#first((member) => member.symbolize(address));
  }

  addressOf(name: string): bigint | undefined {
    return this.#first((member) => member.addressOf(name));
  }

  isCode(address: bigint): boolean {
    return this.members.some((member) => member.isCode(address));
  }

  unwindRow(pc: bigint): UnwindRow | undefined {
    return this.#first((member) => member.unwindRow(pc));
  }

  scopesAt(frame: Pick<Frame, 'lookupPc' | 'inlineDepth'>): readonly VariableScope[] {
    return this.#some((member) => member.scopesAt(frame));
  }

  globalVariable(name: string, near?: bigint): Variable | undefined {
    return this.#nearest(near, (member) => member.globalVariable(name, near));
  }

  globalsAt(address: bigint): readonly Variable[] {
    return this.#some((member) => member.globalsAt(address));
  }

  typeByName(name: string, near?: bigint): Type | undefined {
    return this.#nearest(near, (member) => member.typeByName(name, near));
  }

  enumeratorByName(name: string, near?: bigint): { readonly type: Type; readonly value: bigint } | undefined {
    return this.#nearest(near, (member) => member.enumeratorByName(name, near));
  }

  #first<T>(ask: (member: SymbolFile) => T | undefined): T | undefined {
    for (const member of this.members) {
      const answer = ask(member);
      if (answer !== undefined) return answer;
    }
    return undefined;
  }

  /** Names mean what they mean in the file whose code is at `near`, before any other. */
  #nearest<T>(near: bigint | undefined, ask: (member: SymbolFile) => T | undefined): T | undefined {
    const owner = near === undefined ? undefined : this.members.find((member) => member.isCode(near));
    return (owner && ask(owner)) ?? this.#first(ask);
  }

  #some<T>(ask: (member: SymbolFile) => readonly T[]): readonly T[] {
    for (const member of this.members) {
      const answer = ask(member);
      if (answer.length > 0) return answer;
    }
    return [];
  }

  #every<T>(ask: (member: SymbolFile) => readonly T[]): readonly T[] {
    return this.members.flatMap((member) => [...ask(member)]);
  }
}
