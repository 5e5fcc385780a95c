/**
 * The interface an instruction's semantics is written against. The interpreter and the translator implement
 * it, each emitting WebAssembly; nothing in `vmm/isa` knows which of them is asking.
 *
 * A `Value` is an expression not yet evaluated. It is evaluated where a statement (`setX`, `store`, `if`, …)
 * consumes it, each time it is consumed; `bind` evaluates once, now, and gives a value that is cheap to reuse.
 * Reading a register after writing it reads the new value: bind operands first where rd may alias them.
 *
 * Invariant: no method tells the semantics whether it runs in the interpreter or in translated code.
 */
declare const valueType: unique symbol;
export type ValueType = 'i32' | 'i64' | 'f32' | 'f64';
export interface Value<T extends ValueType = ValueType> {
  readonly [valueType]: T;
}
export type I32 = Value<'i32'>;
export type I64 = Value<'i64'>;
export type F32 = Value<'f32'>;
export type F64 = Value<'f64'>;

/** `rd` as a source is its value before the instruction (amocas compares with it). */
export type SourceRegister = 'rs1' | 'rs2' | 'rd';
export type FloatRegister = 'rs1' | 'rs2' | 'rs3';

/** Width and extension of a guest memory access: signed, unsigned, and 64 bits. */
export type LoadWidth = 's8' | 'u8' | 's16' | 'u16' | 's32' | 'u32' | '64';
export type StoreWidth = '8' | '16' | '32' | '64';
export type AtomicWidth = '8' | '16' | '32' | '64';
export type ReservationWidth = '32' | '64';

/** An instruction whose whole effect is the hart's slow path: CSRs, fences, privilege changes, traps by design. */
export type LeaveReason =
  | 'csr' // Zicsr: the record's raw encoding says which
  | 'ecall'
  | 'ebreak'
  | 'mret'
  | 'sret'
  | 'wfi'
  | 'fence.i'
  | 'sfence.vma'
  | 'cbo' // Zicbom: a cache block is accessed, and nothing more
  | 'wrs.nto'
  | 'amocas.q';

/** Soft floating point, named as IEEE 754 and the RISC-V F/D chapters name it; see `Emitter.soft`. */
export type SoftOperation =
  | 'add'
  | 'sub'
  | 'mul'
  | 'div'
  | 'sqrt'
  | 'fma' // a*b + c, one rounding; sign variants negate operands first
  | 'min'
  | 'max'
  | 'eq'
  | 'lt'
  | 'le' // comparisons give 0 or 1; min/max as IEEE 754-2019 minimumNumber
  | 'toI32'
  | 'toU32'
  | 'toI64'
  | 'toU64' // result sign-extended to 64 bits where 32-bit
  | 'fromI32'
  | 'fromU32'
  | 'fromI64'
  | 'fromU64'
  | 'toF16'
  | 'toF32'
  | 'toF64'; // between formats; the format argument is the source's

/** Formats of the software path's operands. */
export type SoftFormat = 'f16' | 'f32' | 'f64';

export interface Emitter {
  i32(value: number): I32;
  i64(value: bigint | number): I64;
  f64(value: number): F64;
  f32(value: number): F32;

  /** Evaluates `value` now, once. */
  bind<T extends Value>(value: T): T;
  if(condition: I32, then: () => void, otherwise?: () => void): void;
  /**
   * What is seldom executed. It may be left to a form of the instruction elsewhere that does all of it anew, so that
   * nothing of the instruction's effect may come before.
   */
  rarely(then: () => void): void;
  /** Both sides are evaluated. */
  select<T extends Value>(condition: I32, whenTrue: T, whenFalse: T): T;

  // Arithmetic: WebAssembly's operations of the same name on the operands' type.
  add<T extends Value>(a: T, b: T): T;
  sub<T extends Value>(a: T, b: T): T;
  mul<T extends Value>(a: T, b: T): T;
  and<T extends I32 | I64>(a: T, b: T): T;
  or<T extends I32 | I64>(a: T, b: T): T;
  xor<T extends I32 | I64>(a: T, b: T): T;
  shl<T extends I32 | I64>(a: T, b: T): T;
  shrS<T extends I32 | I64>(a: T, b: T): T;
  shrU<T extends I32 | I64>(a: T, b: T): T;
  rotl<T extends I32 | I64>(a: T, b: T): T;
  rotr<T extends I32 | I64>(a: T, b: T): T;
  /** WebAssembly traps on a zero divisor and on overflow: guard with `if`. */
  divS<T extends I32 | I64>(a: T, b: T): T;
  divU<T extends I32 | I64>(a: T, b: T): T;
  remS<T extends I32 | I64>(a: T, b: T): T;
  remU<T extends I32 | I64>(a: T, b: T): T;
  clz<T extends I32 | I64>(a: T): T;
  ctz<T extends I32 | I64>(a: T): T;
  popcnt<T extends I32 | I64>(a: T): T;
  eqz(a: I32 | I64): I32;
  eq<T extends Value>(a: T, b: T): I32;
  ne<T extends Value>(a: T, b: T): I32;
  ltS<T extends I32 | I64>(a: T, b: T): I32;
  ltU<T extends I32 | I64>(a: T, b: T): I32;
  geS<T extends I32 | I64>(a: T, b: T): I32;
  geU<T extends I32 | I64>(a: T, b: T): I32;
  /** Floating-point less-than and less-or-equal; false on NaN. */
  lt<T extends F32 | F64>(a: T, b: T): I32;
  le<T extends F32 | F64>(a: T, b: T): I32;
  div<T extends F32 | F64>(a: T, b: T): T;
  sqrt<T extends F32 | F64>(a: T): T;
  abs<T extends F32 | F64>(a: T): T;
  neg<T extends F32 | F64>(a: T): T;
  /** `a` with the sign of `b`. */
  copysign<T extends F32 | F64>(a: T, b: T): T;
  /** To an integral value: nearest with ties to even, down, up, towards zero. */
  nearest<T extends F32 | F64>(a: T): T;
  floor<T extends F32 | F64>(a: T): T;
  ceil<T extends F32 | F64>(a: T): T;
  trunc<T extends F32 | F64>(a: T): T;
  /** `a * b + c` with one rounding, to nearest even; undefined where the host has no such instruction. */
  multiplyAdd<T extends F32 | F64>(a: T, b: T, c: T): T | undefined;

  wrap(a: I64): I32;
  extendS(a: I32): I64;
  extendU(a: I32): I64;
  /** Sign-extends the low 8, 16 or 32 bits in place. */
  extend8<T extends I32 | I64>(a: T): T;
  extend16<T extends I32 | I64>(a: T): T;
  extend32(a: I64): I64;
  bitsToF32(a: I32): F32;
  bitsToF64(a: I64): F64;
  f32ToBits(a: F32): I32;
  f64ToBits(a: F64): I64;
  promote(a: F32): F64;
  demote(a: F64): F32;
  /** Integer to floating point, rounding to nearest, ties to even. */
  convertS(a: I32 | I64, to: 'f32'): F32;
  convertS(a: I32 | I64, to: 'f64'): F64;
  /** As `convertS`, of an unsigned integer. */
  convertU(a: I64, to: 'f32'): F32;
  convertU(a: I64, to: 'f64'): F64;
  /** Towards zero. WebAssembly traps on a NaN and out of range: guard with `if`. */
  truncateS(a: F64): I64;
  truncateU(a: F64): I64;

  /** Integer register; x0 reads as zero, writes to it vanish. */
  x(register: SourceRegister): I64;
  setX(register: 'rd', value: I64): void;
  /** The sign-extended immediate (or the shift amount, or the zero-extended CSR immediate). */
  imm(): I64;
  /** The instruction's raw encoding (a compressed instruction's expanded 32-bit form). */
  raw(): I32;
  /** Address of this instruction, and of the one after it (2 or 4 bytes on). */
  pc(): I64;
  nextPc(): I64;
  /** Ends the instruction: continue at `target`, whose bit 0 is clear. Nothing may follow. */
  jump(target: I64): void;
  /** Continues at pc + imm when `condition` holds, else at the next instruction. Nothing may follow. */
  branch(condition: I32): void;
  /** Continues at pc + imm (`jal`). Nothing may follow. */
  jumpRelative(): void;

  /** Guest memory at a virtual address. A fault ends the instruction as a trap, with nothing written. Already bound. */
  load(width: LoadWidth, address: I64): I64;
  store(width: StoreWidth, address: I64, value: I64): void;
  /** Sign-extended to 64 bits. Registers the reservation. */
  loadReserved(width: ReservationWidth, address: I64): I64;
  /** 0 on success, 1 on failure (unprivileged, "Zalrsc"). */
  storeConditional(width: ReservationWidth, address: I64, value: I64): I64;
  /** Atomic read-modify-write; returns the old value, sign-extended. Faults as a store does. */
  amo(width: AtomicWidth, address: I64, update: (old: I64) => I64): I64;
  /** Stores zero to the 64 bytes of the cache block that holds `address`. Faults as a store does, main memory only (Zicboz). */
  zeroBlock(address: I64): void;

  /**
   * Illegal instruction below M-mode unless menvcfg has one of these bits set, and in U-mode unless senvcfg has too
   * (privileged, "Machine Environment Configuration Register"). Call before any effect.
   */
  requireEnvironment(bits: number): void;

  /** Ends the instruction as an exception. */
  trap(cause: number, tval: I64): void;
  /** Ends it as an illegal-instruction exception, `tval` = the raw encoding as fetched. */
  illegal(): void;
  /** Hands the instruction to the hart's slow path, which completes it. Nothing may follow. */
  leave(reason: LeaveReason): void;

  // Floating point. Register contents are raw bits.
  /** Illegal instruction unless mstatus.FS is on. Call first in every F and D instruction. */
  requireFloat(): void;
  f(register: FloatRegister): I64;
  /** The low 32 bits when properly NaN-boxed, else the canonical NaN (unprivileged, "NaN Boxing"). */
  fSingle(register: FloatRegister): I32;
  /** Writes 64 raw bits and marks FS dirty. */
  setF(register: 'rd', bits: I64): void;
  /** Writes a NaN-boxed single and marks FS dirty. */
  setFSingle(register: 'rd', bits: I32): void;
  /** fcsr's accrued flags: NV 16, DZ 8, OF 4, UF 2, NX 1. */
  flags(): I32;
  raiseFlags(flags: I32): void;
  /** The rounding mode in force: the instruction's rm, or frm when rm is DYN; already checked (a reserved mode is illegal). Bound. */
  roundingMode(): I32;
  /**
   * 1 when the mode in force is to nearest even and `inexact` is raised already, else 0: then a rounding by the host's
   * operation leaves nothing to do. 0 in a reserved mode, which this does not check.
   */
  hostRounds(): I32;
  /**
   * The exact path: computes in software with the given rounding mode, raises flags, writes rd (a narrow result
   * NaN-boxed, an integer sign-extended) and ends the instruction. Operands are raw bits.
   */
  soft(operation: SoftOperation, format: SoftFormat, roundingMode: I32, a: I64, b?: I64, c?: I64): void;
}
