import type { Emitter, F32, F64, FloatRegister, I32, I64 } from './emitter.ts';

/** fcsr's accrued exceptions that semantics raise themselves (unprivileged, "Floating-Point Control and Status Register"). */
export const INEXACT = 1;
/** The rounding modes that semantics treat specially ("Rounding Mode Encoding"). */
export const ROUND_NEAREST_EVEN = 0;
export const ROUND_TOWARDS_ZERO = 1;

/** What a floating-point operation needs to know of the format it works in: `B` holds its bits, `V` its values. */
export interface FloatFormat<B extends I32 | I64, V extends F32 | F64> {
  readonly name: 'f32' | 'f64';
  readonly fractionBits: number;
  readonly exponentBits: number;
  readonly bias: number;
  /** Raw bits of a register, bound; for singles with the check of the NaN box. */
  read(e: Emitter, register: FloatRegister): B;
  write(e: Emitter, bits: B): void;
  bits(e: Emitter, value: V): B;
  value(e: Emitter, bits: B): V;
  constant(e: Emitter, bits: bigint): B;
  /** To and from the 64 bits that the software path takes and gives. */
  widen(e: Emitter, bits: B): I64;
  narrow(e: Emitter, bits: I64): B;
}

export const SINGLE: FloatFormat<I32, F32> = {
  name: 'f32',
  fractionBits: 23,
  exponentBits: 8,
  bias: 127,
  read: (e, register) => e.bind(e.fSingle(register)),
  write: (e, bits) => e.setFSingle('rd', bits),
  bits: (e, value) => e.f32ToBits(value),
  value: (e, bits) => e.bitsToF32(bits),
  constant: (e, bits) => e.i32(Number(BigInt.asIntN(32, bits))),
  widen: (e, bits) => e.extendU(bits),
  narrow: (e, bits) => e.wrap(bits),
};

export const DOUBLE: FloatFormat<I64, F64> = {
  name: 'f64',
  fractionBits: 52,
  exponentBits: 11,
  bias: 1023,
  read: (e, register) => e.bind(e.f(register)),
  write: (e, bits) => e.setF('rd', bits),
  bits: (e, value) => e.f64ToBits(value),
  value: (e, bits) => e.bitsToF64(bits),
  constant: (e, bits) => e.i64(BigInt.asIntN(64, bits)),
  widen: (_e, bits) => bits,
  narrow: (_e, bits) => bits,
};

/** Bits of the exponent `field` with no sign and no fraction. */
export function exponentAt(format: { fractionBits: number }, field: number): bigint {
  return BigInt(field) << BigInt(format.fractionBits);
}

/** The largest exponent field: infinities and NaNs. */
export function exponentMax(format: { exponentBits: number }): number {
  return (1 << format.exponentBits) - 1;
}

/** Bits without the sign, bound. */
export function magnitude<B extends I32 | I64, V extends F32 | F64>(
  e: Emitter,
  format: FloatFormat<B, V>,
  bits: B,
): B {
  const signBit = 1n << BigInt(format.fractionBits + format.exponentBits);
  return e.bind(e.and(bits, format.constant(e, signBit - 1n)));
}

/** True unless the value whose magnitude is given is an infinity or NaN. */
export function isFiniteMagnitude<B extends I32 | I64, V extends F32 | F64>(
  e: Emitter,
  format: FloatFormat<B, V>,
  magnitudeBits: B,
): I32 {
  return e.ltU(magnitudeBits, format.constant(e, exponentAt(format, exponentMax(format))));
}

/** True when neither value is a NaN, by its bits. */
export function ordered<B extends I32 | I64, V extends F32 | F64>(
  e: Emitter,
  format: FloatFormat<B, V>,
  a: B,
  b: B,
): I32 {
  const [x, y] = [format.value(e, a), format.value(e, b)];
  return e.and(e.eq(x, x), e.eq(y, y));
}
