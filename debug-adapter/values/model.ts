/**
 * Values, their rendering and the expressions that name them. Expressions are C's as far as a debugger needs them,
 * with registers as `$name`. All integer arithmetic wraps at 64 bits.
 */
import type { Type, ValueLocation, Variable } from '../symbols/index.ts';

export interface CsrField {
  readonly name: string;
  /** Lowest and highest bit, both counted. */
  readonly low: number;
  readonly high: number;
}

/** What expressions read the stopped machine through. Nothing here throws for what does not exist: it answers undefined. */
export interface EvaluationContext {
  /** `a0`, `x10`, `pc`, `sp`, `fa0`, … in the frame at hand. */
  readRegister(name: string): Promise<bigint | undefined>;
  readCsr(name: string): Promise<bigint | undefined>;
  /** Fields of a CSR, for `$mstatus.MIE`. */
  csrFields(name: string): readonly CsrField[] | undefined;
  /** As much as can be read from the start. */
  readMemory(address: bigint, length: number): Promise<Uint8Array>;
  /** A variable visible in the frame, or a global. */
  variable(name: string): Promise<{ readonly type: Type; readonly location: ValueLocation } | undefined>;
  /** A function or label. `type` where the debug information knows it. */
  symbol(name: string): { readonly address: bigint; readonly type?: Type } | undefined;
  type(name: string): Type | undefined;
  /** The value of an enumerator (`RUNNING`). */
  enumerator?(name: string): { readonly type: Type; readonly value: bigint } | undefined;
  /** For pointers: the symbol an address is in. */
  symbolize(address: bigint): { readonly name: string; readonly offset: bigint } | undefined;
}

/** Something that can be assigned to. */
export type LValue =
  | { readonly kind: 'register'; readonly name: string }
  | { readonly kind: 'csr'; readonly name: string; readonly field?: CsrField }
  | {
      readonly kind: 'memory';
      readonly address: bigint;
      readonly size: number;
      /** Within the `size` bytes at `address`. */
      readonly bits?: { readonly offset: number; readonly size: number };
    };

/** The result of an expression, or a part of one. */
export interface Value {
  readonly type: Type;
  /**
   * Little-endian contents, for bit fields extended to the size of their type. Undefined for what is read only when it
   * is shown (structures and arrays in memory) and for what has no contents (functions).
   */
  readonly bytes: Uint8Array | undefined;
  /** Where it can be written; undefined for temporaries. */
  readonly lvalue: LValue | undefined;
  /** Why there are no contents: `optimized out`, `cannot read 8 bytes at 0x…`. */
  readonly unavailable?: string;
}

/** `x` hexadecimal, `d` decimal, `u` unsigned decimal, `b` binary, `o` octal, `c` character, `s` string, `a` address with symbol. */
export type Format = 'natural' | 'x' | 'd' | 'u' | 'b' | 'o' | 'c' | 's' | 'a';

export interface Rendered {
  /** DAP's `value`. */
  readonly text: string;
  /** DAP's `type`. */
  readonly type: string;
  /** DAP's `memoryReference`: `0x…` of the object, or of a pointer's target. */
  readonly memoryReference: string | undefined;
  /** How many children `children` can list; 0 for a scalar. */
  readonly namedChildren: number;
  readonly indexedChildren: number;
}

export interface ChildValue {
  /** `x`, `[3]`, `*p`. */
  readonly name: string;
  /** An expression that yields it again: `(s).x`, `(a)[3]`, `*(p)`. */
  readonly evaluateName: string;
  readonly value: Value;
}

export type { Variable };
