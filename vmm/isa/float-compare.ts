import type { Emitter, F32, F64, I32, I64 } from './emitter.ts';
import { exponentAt, exponentMax, type FloatFormat, INVALID, magnitude, signBitOf } from './float-format.ts';
import type { Semantics } from './instruction.ts';

/** feq, flt and fle, and Zfa's quiet ones: 1 or 0 in rd. NaNs compare false; which of them are invalid depends on the comparison. */
export function comparison<B extends I32 | I64, V extends F32 | F64>(
  format: FloatFormat<B, V>,
  operation: 'eq' | 'lt' | 'le',
  kind: 'quiet' | 'signaling',
): Semantics {
  return (e) => {
    e.requireFloat();
    const [a, b] = [format.read(e, 'rs1'), format.read(e, 'rs2')];
    const [x, y] = [e.bind(format.value(e, a)), e.bind(format.value(e, b))];
    e.if(isUnordered(e, x, y), () =>
      e.rarely(() => {
        if (kind === 'signaling') e.raiseFlags(e.i32(INVALID));
        else raiseIfSignaling(e, format, a, b);
      }),
    );
    const result = operation === 'eq' ? e.eq(x, y) : operation === 'lt' ? e.lt(x, y) : e.le(x, y);
    e.setX('rd', e.extendU(result));
  };
}

/**
 * fmin and fmax: IEEE 754-2019's minimumNumber and maximumNumber, which prefer a number to a NaN; Zfa's fminm and
 * fmaxm, its minimum and maximum, do not. In all, -0 is below +0.
 */
export function minimumOrMaximum<B extends I32 | I64, V extends F32 | F64>(
  format: FloatFormat<B, V>,
  operation: 'min' | 'max',
  kind: 'number' | 'nan',
): Semantics {
  return (e) => {
    e.requireFloat();
    const [a, b] = [format.read(e, 'rs1'), format.read(e, 'rs2')];
    const [x, y] = [e.bind(format.value(e, a)), e.bind(format.value(e, b))];
    const first = operation === 'min' ? e.lt(x, y) : e.lt(y, x);
    // Equal values differ at most in the sign of zero: the lesser has it, the greater has not.
    const ofEqual = operation === 'min' ? e.or(a, b) : e.and(a, b);
    const ofNumbers = e.bind(e.select(e.eq(x, y), ofEqual, e.select(first, a, b)));
    e.if(
      isUnordered(e, x, y),
      () =>
        e.rarely(() => {
          raiseIfSignaling(e, format, a, b);
          const nan = format.constant(e, canonicalNan(format));
          const number = e.select(e.eq(x, x), a, e.select(e.eq(y, y), b, nan));
          format.write(e, kind === 'number' ? number : nan);
        }),
      () => format.write(e, ofNumbers),
    );
  };
}

/** fsgnj, fsgnjn and fsgnjx: rs1 with a sign made of both. `sign` gives bits of which only the sign's counts. */
export function signInjection<B extends I32 | I64, V extends F32 | F64>(
  format: FloatFormat<B, V>,
  sign: (e: Emitter, a: B, b: B) => B,
): Semantics {
  const signBit = signBitOf(format);
  return (e) => {
    e.requireFloat();
    const [a, b] = [format.read(e, 'rs1'), format.read(e, 'rs2')];
    const kept = e.and(a, format.constant(e, signBit - 1n));
    format.write(e, e.or(kept, e.and(sign(e, a, b), format.constant(e, signBit))));
  };
}

/** fclass: one bit of ten, from negative infinity (0) to positive infinity (7), signalling (8) and quiet NaN (9). */
export function classify<B extends I32 | I64, V extends F32 | F64>(format: FloatFormat<B, V>): Semantics {
  const infinity = exponentAt(format, exponentMax(format));
  return (e) => {
    e.requireFloat();
    const bits = format.read(e, 'rs1');
    const size = magnitude(e, format, bits);
    const atLeast = (limit: bigint) => e.geU(size, format.constant(e, limit));
    // Zero, subnormal, normal and infinite magnitudes are classes 4 to 7, and 3 to 0 when negative.
    const steps = e.add(e.add(atLeast(1n), atLeast(exponentAt(format, 1))), atLeast(infinity));
    const positive = e.bind(e.add(e.i32(4), steps));
    const number = e.select(e.eq(bits, size), positive, e.sub(e.i32(7), positive));
    const nan = e.select(isSignaling(e, format, bits), e.i32(8), e.i32(9));
    const kind: I32 = e.select(atLeast(infinity + 1n), nan, number);
    e.setX('rd', e.extendU(e.shl(e.i32(1), kind)));
  };
}

/** One of the values is a NaN. */
function isUnordered<V extends F32 | F64>(e: Emitter, x: V, y: V): I32 {
  return e.or(e.ne(x, x), e.ne(y, y));
}

function raiseIfSignaling<B extends I32 | I64, V extends F32 | F64>(
  e: Emitter,
  format: FloatFormat<B, V>,
  a: B,
  b: B,
): void {
  e.if(e.or(isSignaling(e, format, a), isSignaling(e, format, b)), () => e.raiseFlags(e.i32(INVALID)));
}

/** A NaN whose quiet bit is clear: as magnitudes, above infinity and below the canonical NaN. */
export function isSignaling<B extends I32 | I64, V extends F32 | F64>(
  e: Emitter,
  format: FloatFormat<B, V>,
  bits: B,
): I32 {
  const size = e.and(bits, format.constant(e, signBitOf(format) - 1n));
  const low = exponentAt(format, exponentMax(format)) + 1n;
  const span = canonicalNan(format) - low;
  return e.ltU(e.sub(size, format.constant(e, low)), format.constant(e, span));
}

/** The quiet NaN that every operation without a number to give results in ("NaN Generation and Propagation"). */
export function canonicalNan(format: { fractionBits: number; exponentBits: number }): bigint {
  return exponentAt(format, exponentMax(format)) | (exponentAt(format, 1) >> 1n);
}
