import type { Emitter, F32, F64, I32, I64 } from './emitter.ts';
import { exponentAt, exponentMax, type FloatFormat, magnitude, ordered } from './float-format.ts';
import type { Semantics } from './instruction.ts';

/** feq, flt and fle: 1 or 0 in rd. Only NaNs can raise a flag, and which depends on the comparison. */
export function comparison<B extends I32 | I64, V extends F32 | F64>(
  format: FloatFormat<B, V>,
  operation: 'eq' | 'lt' | 'le',
): Semantics {
  return (e) => {
    e.requireFloat();
    const [a, b] = [format.read(e, 'rs1'), format.read(e, 'rs2')];
    const [x, y] = [format.value(e, a), format.value(e, b)];
    const result = operation === 'eq' ? e.eq(x, y) : operation === 'lt' ? e.lt(x, y) : e.le(x, y);
    e.if(
      ordered(e, format, a, b),
      () => e.setX('rd', e.extendU(result)),
      () => e.setX('rd', e.soft(operation, format.name, e.i32(0), format.widen(e, a), format.widen(e, b))),
    );
  };
}

/** fmin and fmax: IEEE 754-2019's minimumNumber and maximumNumber, with -0 below +0. */
export function minimumOrMaximum<B extends I32 | I64, V extends F32 | F64>(
  format: FloatFormat<B, V>,
  operation: 'min' | 'max',
): Semantics {
  return (e) => {
    e.requireFloat();
    const [a, b] = [format.read(e, 'rs1'), format.read(e, 'rs2')];
    const [x, y] = [format.value(e, a), format.value(e, b)];
    const first = operation === 'min' ? e.lt(x, y) : e.lt(y, x);
    // Equal values differ at most in the sign of zero: the lesser has it, the greater has not.
    const ofEqual = operation === 'min' ? e.or(a, b) : e.and(a, b);
    const ofDifferent = e.select(first, a, b);
    e.if(
      ordered(e, format, a, b),
      () => format.write(e, e.select(e.eq(x, y), ofEqual, ofDifferent)),
      () =>
        format.write(
          e,
          format.narrow(e, e.soft(operation, format.name, e.i32(0), format.widen(e, a), format.widen(e, b))),
        ),
    );
  };
}

/** fsgnj, fsgnjn and fsgnjx: rs1 with a sign made of both. `sign` gives bits of which only the sign's counts. */
export function signInjection<B extends I32 | I64, V extends F32 | F64>(
  format: FloatFormat<B, V>,
  sign: (e: Emitter, a: B, b: B) => B,
): Semantics {
  const signBit = 1n << BigInt(format.fractionBits + format.exponentBits);
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
  const quietBit = exponentAt(format, 1) >> 1n;
  return (e) => {
    e.requireFloat();
    const bits = format.read(e, 'rs1');
    const size = magnitude(e, format, bits);
    const atLeast = (limit: bigint) => e.geU(size, format.constant(e, limit));
    // Zero, subnormal, normal and infinite magnitudes are classes 4 to 7, and 3 to 0 when negative.
    const steps = e.add(e.add(atLeast(1n), atLeast(exponentAt(format, 1))), atLeast(infinity));
    const positive = e.bind(e.add(e.i32(4), steps));
    const negative = e.ltS(bits, format.constant(e, 0n));
    const number = e.select(negative, e.sub(e.i32(7), positive), positive);
    const quiet = e.ne(e.and(bits, format.constant(e, quietBit)), format.constant(e, 0n));
    const nan = e.add(e.i32(8), quiet);
    const kind: I32 = e.select(atLeast(infinity + 1n), nan, number);
    e.setX('rd', e.extendU(e.shl(e.i32(1), kind)));
  };
}
