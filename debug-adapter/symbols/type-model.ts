/** How the bits of a base type are read (DWARF 5, section 5.1.1, `DW_AT_encoding`). */
export type BaseEncoding = 'signed' | 'unsigned' | 'boolean' | 'float' | 'char';

/** A member of a structure, union or class. Bit positions count from the low bit of the little-endian structure. */
export interface Member {
  /** Empty for an anonymous member, whose own members belong to the outer type as far as C is concerned. */
  readonly name: string;
  readonly type: Type;
  /** Bytes from the start of the structure. */
  readonly offset: number;
  /** Set for bit fields only: bits from the start of the structure, and width. */
  readonly bits?: { readonly offset: number; readonly size: number };
}

export interface Enumerator {
  readonly name: string;
  readonly value: bigint;
}

/**
 * A type of the debugged program. Types form graphs with cycles (a list node points to list nodes), so whatever
 * refers to other types is a getter that reads the debug information when it is first asked.
 * `size` is in bytes; 0 when unknown (incomplete types, flexible arrays).
 */
export type Type =
  | { readonly kind: 'base'; readonly name: string; readonly size: number; readonly encoding: BaseEncoding }
  | { readonly kind: 'pointer'; readonly name: string; readonly size: number; readonly target: Type }
  | {
      readonly kind: 'struct';
      /** The keyword it is written with. */
      readonly keyword: 'struct' | 'union' | 'class';
      /** With the keyword (`struct page`); `struct {…}` when anonymous. */
      readonly name: string;
      readonly size: number;
      readonly members: readonly Member[];
    }
  | {
      readonly kind: 'array';
      readonly name: string;
      readonly size: number;
      readonly element: Type;
      /** Elements of the outermost dimension; undefined when the program does not say (`extern int a[]`). */
      readonly count: number | undefined;
    }
  | {
      readonly kind: 'enum';
      readonly name: string;
      readonly size: number;
      readonly signed: boolean;
      readonly enumerators: readonly Enumerator[];
    }
  | { readonly kind: 'typedef'; readonly name: string; readonly size: number; readonly target: Type }
  | {
      readonly kind: 'qualified';
      readonly qualifier: 'const' | 'volatile' | 'restrict' | 'atomic';
      readonly name: string;
      readonly size: number;
      readonly target: Type;
    }
  | {
      readonly kind: 'function';
      readonly name: string;
      readonly size: number;
      readonly result: Type;
      readonly parameters: readonly Type[];
    }
  | { readonly kind: 'void'; readonly name: 'void'; readonly size: 0 };

export type TypeKind = Type['kind'];

export const VOID: Type = { kind: 'void', name: 'void', size: 0 };

/** The type below typedefs and qualifiers. Ends even where damaged debug information makes a circle of them. */
export function underlying(type: Type): Exclude<Type, { kind: 'typedef' | 'qualified' }> {
  let current = type;
  for (let steps = 0; current.kind === 'typedef' || current.kind === 'qualified'; steps += 1) {
    if (steps === TYPEDEF_DEPTH_MAX) return VOID as Extract<Type, { kind: 'void' }>;
    current = current.target;
  }
  return current;
}

/** Deeper chains of typedefs and qualifiers than this exist only in damaged files. */
const TYPEDEF_DEPTH_MAX = 64;
