import type { Emitter, F32, F64, FloatRegister, I32, I64, SoftFormat } from './emitter.ts';

/** fcsr's accrued exceptions that semantics raise themselves (unprivileged, "Floating-Point Control and Status Register"). */
export const INEXACT = 1;
export const UNDERFLOW = 2;
export const INVALID = 16;
/** Rounding modes ("Rounding Mode Encoding"). */
export const ROUNDING = { nearestEven: 0, towardsZero: 1, down: 2, up: 3, nearestAway: 4 } as const;

/** What a floating-point operation needs to know of the format it works in: `B` holds its bits, `V` its values. */
export interface FloatFormat<B extends I32 | I64, V extends F32 | F64> {
  readonly name: SoftFormat;
  readonly fractionBits: number;
  readonly exponentBits: number;
  /** Raw bits of a register, bound; for narrow formats with the check of the NaN box. */
  read(e: Emitter, register: FloatRegister): B;
  write(e: Emitter, bits: B): void;
  value(e: Emitter, bits: B): V;
  /** The value as a double, exactly. */
  toDouble(e: Emitter, bits: B): F64;
  /** Bits of a double that the format holds exactly. */
  narrow(e: Emitter, value: F64): B;
  constant(e: Emitter, bits: bigint): B;
  /** To the 64 bits that the software path takes. */
  widen(e: Emitter, bits: B): I64;
}

/** A format whose operations WebAssembly has. */
export interface HostFormat<B extends I32 | I64, V extends F32 | F64> extends FloatFormat<B, V> {
  readonly name: 'f32' | 'f64';
  bits(e: Emitter, value: V): B;
  valueOf(e: Emitter, value: number): V;
}

export const SINGLE: HostFormat<I32, F32> = {
  name: 'f32',
  fractionBits: 23,
  exponentBits: 8,
  read: (e, register) => e.bind(e.fSingle(register)),
  write: (e, bits) => e.setFSingle('rd', bits),
  bits: (e, value) => e.f32ToBits(value),
  value: (e, bits) => e.bitsToF32(bits),
  valueOf: (e, value) => e.f32(value),
  toDouble: (e, bits) => e.promote(e.bitsToF32(bits)),
  narrow: (e, value) => e.f32ToBits(e.demote(value)),
  constant: (e, bits) => e.i32(Number(BigInt.asIntN(32, bits))),
  widen: (e, bits) => e.extendU(bits),
};

export const DOUBLE: HostFormat<I64, F64> = {
  name: 'f64',
  fractionBits: 52,
  exponentBits: 11,
  read: (e, register) => e.bind(e.f(register)),
  write: (e, bits) => e.setF('rd', bits),
  bits: (e, value) => e.f64ToBits(value),
  value: (e, bits) => e.bitsToF64(bits),
  valueOf: (e, value) => e.f64(value),
  toDouble: (e, bits) => e.bitsToF64(bits),
  narrow: (e, value) => e.f64ToBits(value),
  constant: (e, bits) => e.i64(BigInt.asIntN(64, bits)),
  widen: (_e, bits) => bits,
};

/** Bits of the exponent `field` with no sign and no fraction. */
export function exponentAt(format: { fractionBits: number }, field: number): bigint {
  return BigInt(field) << BigInt(format.fractionBits);
}

/** The largest exponent field: infinities and NaNs. */
export function exponentMax(format: { exponentBits: number }): number {
  return (1 << format.exponentBits) - 1;
}

export function signBitOf(format: { fractionBits: number; exponentBits: number }): bigint {
  return 1n << BigInt(format.fractionBits + format.exponentBits);
}

/** Bits without the sign, bound. */
export function magnitude<B extends I32 | I64, V extends F32 | F64>(
  e: Emitter,
  format: FloatFormat<B, V>,
  bits: B,
): B {
  return e.bind(e.and(bits, format.constant(e, signBitOf(format) - 1n)));
}

/** True unless the bits are those of an infinity or NaN. */
export function isFiniteNumber<B extends I32 | I64, V extends F32 | F64>(
  e: Emitter,
  format: HostFormat<B, V>,
  bits: B,
): I32 {
  // The sign is shifted out: what is left orders magnitudes.
  return e.ltU(doubled(e, format, bits), format.constant(e, 2n * exponentAt(format, exponentMax(format))));
}

/**
 * Normal, and above the smallest normal number, to which a result below it may have been rounded: such a result
 * is tiny after rounding to unbounded range, so it underflows.
 */
export function isSafelyNormal<B extends I32 | I64, V extends F32 | F64>(
  e: Emitter,
  format: HostFormat<B, V>,
  bits: B,
): I32 {
  const low = 2n * exponentAt(format, 2);
  const span = 2n * exponentAt(format, exponentMax(format)) - low;
  return e.ltU(e.sub(doubled(e, format, bits), format.constant(e, low)), format.constant(e, span));
}

export function isZero<B extends I32 | I64, V extends F32 | F64>(
  e: Emitter,
  format: HostFormat<B, V>,
  bits: B,
): I32 {
  return e.eqz(doubled(e, format, bits));
}

function doubled<B extends I32 | I64, V extends F32 | F64>(e: Emitter, format: HostFormat<B, V>, bits: B): B {
  return e.shl(bits, format.constant(e, 1n));
}

/** Raises `inexact` when `condition` holds, and nothing when it is raised already, which is cheaper to find out. */
export function raiseInexactIf(e: Emitter, condition: I32): void {
  const isClear = e.eqz(e.and(e.flags(), e.i32(INEXACT)));
  e.if(e.and(isClear, condition), () => e.raiseFlags(e.i32(INEXACT)));
}
