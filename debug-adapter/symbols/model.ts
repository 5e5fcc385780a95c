/**
 * What symbol files tell the rest of the adapter. Addresses are unsigned 64-bit guest-virtual addresses as bigints
 * and, where a file was loaded with an offset, have it added already. Lines and columns count from 1; column 0
 * means that the compiler gave none. `file` is an absolute path where one is known (see `SourcePaths`).
 */
import type { UnwindRow } from './dwarf/call-frames.ts';
import type { Type } from './type-model.ts';

export type { UnwindRow } from './dwarf/call-frames.ts';

/** `[start, end)`. */
export interface AddressRange {
  readonly start: bigint;
  readonly end: bigint;
}

export interface SourceLocation {
  readonly file: string;
  /** 0: the compiler made this code for no line in particular. */
  readonly line: number;
  readonly column: number;
}

/** The line-table row that covers an address. */
export interface LineLocation extends SourceLocation {
  /** First address of the row. */
  readonly address: bigint;
  readonly isStatement: boolean;
}

/** Where a breakpoint for a source line or function goes. */
export interface BreakpointLocation extends SourceLocation {
  readonly address: bigint;
}

export interface FunctionInfo {
  readonly name: string;
  /** Where it is entered: its lowest address unless the debug information says otherwise. */
  readonly entry: bigint;
  /** Usually one; more when the compiler split off its cold parts. */
  readonly ranges: readonly AddressRange[];
  /** Where it is declared; undefined for functions known from the ELF symbol table only. */
  readonly declaration: SourceLocation | undefined;
  /** After the prologue: where a function breakpoint goes, so that parameters can be read. */
  readonly breakpointAddress: bigint;
}

/** One function of the (possibly inlined) nest of functions at an address, innermost first. */
export interface InlineLevel {
  readonly name: string;
  /** Where execution stands in this function: the row's line for the innermost, the line of the call for the others. */
  readonly location: SourceLocation | undefined;
  /** False for the last one only: the function that has a frame. */
  readonly inlined: boolean;
  /** Code of this level. */
  readonly ranges: readonly AddressRange[];
}

export interface SymbolOffset {
  readonly name: string;
  readonly offset: bigint;
}

/** Integer registers, pc and, where known, float registers of a frame. An undefined register was not preserved. */
export interface FrameRegisters {
  readonly pc: bigint;
  /** x0 to x31. */
  readonly x: readonly (bigint | undefined)[];
  /** f0 to f31. */
  readonly f: readonly (bigint | undefined)[];
}

/**
 * Guest memory at a virtual address, in the space of the hart at hand: as much as can be read from the start,
 * which is less than `length` (or nothing) where a page is not mapped. Never throws for an unmapped address.
 */
export type ReadMemory = (address: bigint, length: number) => Promise<Uint8Array>;

/** What unwinding and locating variables need of the stopped hart. */
export interface HartView {
  readonly registers: FrameRegisters;
  readonly privilege: 'U' | 'S' | 'M';
  readMemory: ReadMemory;
  /** By lower-case name, e.g. `sepc`; undefined when the hart has none such. */
  readCsr(name: string): Promise<bigint | undefined>;
}

/**
 * How a frame was found: `top` is where the hart stands; `cfi` by call frame information, `frame-pointer` by the
 * chain that s0 starts, `leaf` by ra alone, `trap` by sepc or mepc of the trap whose handler runs.
 */
export type FrameOrigin = 'top' | 'cfi' | 'frame-pointer' | 'leaf' | 'trap';

/** A frame of the call stack. Inlined functions get frames of their own, with the registers of the one they are inlined in. */
export interface Frame {
  /** 0 is the innermost. */
  readonly level: number;
  /** Where execution continues in this frame. */
  readonly pc: bigint;
  /** What to look up in tables: within the call instruction for frames that wait for a call to return. */
  readonly lookupPc: bigint;
  readonly registers: FrameRegisters;
  /** Canonical frame address, if the frame has call frame information. */
  readonly cfa: bigint | undefined;
  readonly origin: FrameOrigin;
  /** The function; else the nearest symbol with its offset (`memset+0x12`); else undefined. */
  readonly functionName: string | undefined;
  readonly location: SourceLocation | undefined;
  /** True when this function is inlined into that of the next frame. */
  readonly inlined: boolean;
  /** Which of the functions inlined at `lookupPc` this is; 0 is the innermost. */
  readonly inlineDepth: number;
}

/** Bits of a variable that stand in one place. `size` in bytes. */
export type ValuePiece =
  | { readonly kind: 'memory'; readonly address: bigint; readonly size: number }
  /** DWARF number: 0 to 31 are x0 to x31, 32 to 63 f0 to f31 (RISC-V DWARF psABI). */
  | { readonly kind: 'register'; readonly register: number; readonly size: number }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array; readonly size: number }
  | { readonly kind: 'unavailable'; readonly reason: string; readonly size: number };

/** Where a variable's value is at some pc in some frame. */
export type ValueLocation =
  | { readonly kind: 'memory'; readonly address: bigint }
  | { readonly kind: 'register'; readonly register: number }
  /** The value itself is known although it stands nowhere (a constant folded by the compiler). */
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'pieces'; readonly pieces: readonly ValuePiece[] }
  | { readonly kind: 'unavailable'; readonly reason: string };

export interface Variable {
  readonly name: string;
  readonly kind: 'parameter' | 'local' | 'static' | 'global';
  readonly type: Type;
  readonly declaration: SourceLocation | undefined;
  /** Where the value is for `frame`; globals and statics need no frame. Does not throw: failures are `unavailable`. */
  locate(frame: Frame | undefined, hart: HartView): Promise<ValueLocation>;
}

/** The variables visible at a frame's pc, innermost scope first. */
export interface VariableScope {
  /** `Locals` for the innermost function's blocks. */
  readonly kind: 'block' | 'function';
  readonly ranges: readonly AddressRange[];
  readonly variables: readonly Variable[];
}

/** Everything the adapter asks of symbols; one ELF file (`SymbolFile`) and several (`SymbolSet`) answer alike. */
export interface Symbols {
  /** Source files that line tables name, sorted. */
  files(): readonly string[];
  /** The line-table row that covers `address`. */
  lineFor(address: bigint): LineLocation | undefined;
  /**
   * Where to break for a line: the start of `line`, or, when it has no code, of the next line of the file that has.
   * One address for each function and each inlined copy that the line is in. For the line a function opens on, the
   * address is after the prologue. Empty: no code.
   */
  addressesFor(file: string, line: number): readonly BreakpointLocation[];
  /** Every line in `[from, to]` that has code, with its first column; for DAP's `breakpointLocations`. */
  breakpointLocations(file: string, from: number, to: number): readonly SourceLocation[];
  /**
   * The code that a step by line runs through from `address`: that of the same line in the same function. With
   * `over`, also functions that are inlined at this line. Empty: no line is known here, step by instruction.
   */
  lineRangesFor(address: bigint, options?: { readonly over?: boolean }): readonly AddressRange[];
  /** The function (not inlined) whose code is at `address`. */
  functionAt(address: bigint): FunctionInfo | undefined;
  functionsByName(name: string): readonly FunctionInfo[];
  /** Inlined functions at `address`, innermost first, the function with a frame last. Empty without debug information. */
  inlineChain(address: bigint): readonly InlineLevel[];
  /** The ELF symbol at or before `address`, within its size. */
  symbolize(address: bigint): SymbolOffset | undefined;
  /** Value of the ELF symbol `name`. */
  addressOf(name: string): bigint | undefined;
  /** True where a symbol file has code. */
  isCode(address: bigint): boolean;
  /** Call frame information for `pc`, for unwinding. */
  unwindRow(pc: bigint): UnwindRow | undefined;
  /** Scopes visible in the frame's function, innermost first; without globals. */
  scopesAt(frame: Pick<Frame, 'lookupPc' | 'inlineDepth'>): readonly VariableScope[];
  /** A global or file-static variable by name; one of the unit at `near` wins. */
  globalVariable(name: string, near?: bigint): Variable | undefined;
  /** All global and file-static variables of the unit at `address`. */
  globalsAt(address: bigint): readonly Variable[];
  /** By C spelling: `uint64_t`, `unsigned long`, `struct page`, `enum state`. */
  typeByName(name: string, near?: bigint): Type | undefined;
  /** An enumerator such as `RUNNING`, with its enumeration. */
  enumeratorByName(name: string, near?: bigint): { readonly type: Type; readonly value: bigint } | undefined;
}

export interface SymbolFileOptions {
  /** For people: the file's name. */
  readonly name: string;
  /** Absolute path of the ELF: relative source paths start at its folder. */
  readonly path?: string;
  /** Pairs of prefixes `[from, to]`, the first that fits is applied to source paths. */
  readonly sourceMap?: readonly (readonly [string, string])[];
  /** Added to every address of the file, for code that runs elsewhere than it was linked for. */
  readonly offset?: bigint;
}
