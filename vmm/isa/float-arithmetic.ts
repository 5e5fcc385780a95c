import type { Emitter, F32, F64, I32, I64 } from './emitter.ts';
import {
  exponentAt,
  exponentMax,
  type FloatFormat,
  INEXACT,
  isFiniteMagnitude,
  magnitude,
  ROUND_NEAREST_EVEN,
} from './float-format.ts';
import type { Semantics } from './instruction.ts';

// WebAssembly rounds to nearest, ties to even, and tells nothing of exceptions. Its result may be used when that
// is the rounding mode and no flag needs to change: the operation is neither invalid nor divides by zero, does not
// overflow or underflow, and is exact or `inexact` is set already. All else takes the software path. An infinite
// or NaN result covers invalid, divide by zero and overflow.

/** fadd and fsub. */
export function addition<B extends I32 | I64, V extends F32 | F64>(
  format: FloatFormat<B, V>,
  operation: 'add' | 'sub',
): Semantics {
  return (e) => {
    e.requireFloat();
    const mode = e.roundingMode();
    const [a, b] = [format.read(e, 'rs1'), format.read(e, 'rs2')];
    const x = format.value(e, a);
    const y = operation === 'add' ? format.value(e, b) : e.neg(format.value(e, b));
    const sum = e.bind(e.add(x, y));
    const bits = e.bind(format.bits(e, sum));
    // Sums below the normal range are exact, hence never underflow (Handbook of Floating-Point Arithmetic, 4.2).
    const inRange = isFiniteMagnitude(e, format, magnitude(e, format, bits));
    const exact = isZero(e, format, sumError(e, x, y, sum));
    finish(e, format, mode, e.and(inRange, exactOrKnownInexact(e, exact)), bits, () =>
      e.soft(operation, format.name, mode, format.widen(e, a), format.widen(e, b)),
    );
  };
}

export function multiplication<B extends I32 | I64, V extends F32 | F64>(
  format: FloatFormat<B, V>,
): Semantics {
  return (e) => {
    e.requireFloat();
    const mode = e.roundingMode();
    const [a, b] = [format.read(e, 'rs1'), format.read(e, 'rs2')];
    const bits = e.bind(format.bits(e, e.mul(format.value(e, a), format.value(e, b))));
    const size = magnitude(e, format, bits);
    const fromZero = e.or(isZeroMagnitude(e, format, a), isZeroMagnitude(e, format, b));
    const exactZero = e.and(e.eqz(size), fromZero);
    const rounded = e.and(
      inNormalRange(e, format, size),
      exactOrKnownInexact(e, productFits(e, format, a, b)),
    );
    finish(e, format, mode, e.or(exactZero, rounded), bits, () =>
      e.soft('mul', format.name, mode, format.widen(e, a), format.widen(e, b)),
    );
  };
}

export function division<B extends I32 | I64, V extends F32 | F64>(format: FloatFormat<B, V>): Semantics {
  return (e) => {
    e.requireFloat();
    const mode = e.roundingMode();
    const [a, b] = [format.read(e, 'rs1'), format.read(e, 'rs2')];
    const divisor = format.value(e, b);
    const quotient = e.bind(e.div(format.value(e, a), divisor));
    const bits = e.bind(format.bits(e, quotient));
    const size = magnitude(e, format, bits);
    // 0 / y is an exact zero for every y but 0 and NaN, whose quotient is a NaN, and infinity.
    const exactZero = e.and(
      e.and(e.eqz(size), isZeroMagnitude(e, format, a)),
      isFiniteMagnitude(e, format, magnitude(e, format, b)),
    );
    // Exact when the quotient times the divisor is the dividend, itself without rounding.
    const undone = e.eq(e.mul(quotient, divisor), format.value(e, a));
    const exact = e.and(
      undone,
      e.and(productFits(e, format, bits, b), inNormalRange(e, format, magnitude(e, format, a))),
    );
    const rounded = e.and(inNormalRange(e, format, size), exactOrKnownInexact(e, exact));
    finish(e, format, mode, e.or(exactZero, rounded), bits, () =>
      e.soft('div', format.name, mode, format.widen(e, a), format.widen(e, b)),
    );
  };
}

export function squareRoot<B extends I32 | I64, V extends F32 | F64>(format: FloatFormat<B, V>): Semantics {
  return (e) => {
    e.requireFloat();
    const mode = e.roundingMode();
    const a = format.read(e, 'rs1');
    const root = e.bind(e.sqrt(format.value(e, a)));
    const bits = e.bind(format.bits(e, root));
    // A root never leaves the normal range: only zero, infinity and NaN need a look, and zero is exact.
    const inRange = isFiniteMagnitude(e, format, magnitude(e, format, bits));
    const exact = e.and(
      e.eq(e.mul(root, root), format.value(e, a)),
      e.and(productFits(e, format, bits, bits), inNormalRange(e, format, magnitude(e, format, a))),
    );
    const known = e.or(exactOrKnownInexact(e, exact), isZeroMagnitude(e, format, a));
    finish(e, format, mode, e.and(inRange, known), bits, () =>
      e.soft('sqrt', format.name, mode, format.widen(e, a)),
    );
  };
}

function finish<B extends I32 | I64, V extends F32 | F64>(
  e: Emitter,
  format: FloatFormat<B, V>,
  mode: I32,
  usable: I32,
  bits: B,
  soft: () => I64,
): void {
  e.if(
    e.and(e.eq(mode, e.i32(ROUND_NEAREST_EVEN)), usable),
    () => format.write(e, bits),
    () => format.write(e, format.narrow(e, soft())),
  );
}

function exactOrKnownInexact(e: Emitter, exact: I32): I32 {
  return e.or(e.and(e.flags(), e.i32(INEXACT)), exact);
}

/**
 * The rounding error of `sum = x + y`, itself exact unless a step overflows, and then not zero (Knuth's
 * TwoSum; Handbook of Floating-Point Arithmetic, 4.3).
 */
export function sumError<V extends F32 | F64>(e: Emitter, x: V, y: V, sum: V): V {
  const yRounded = e.bind(e.sub(sum, x));
  const xRounded = e.sub(sum, yRounded);
  return e.add(e.sub(x, xRounded), e.sub(y, yRounded));
}

function isZero<B extends I32 | I64, V extends F32 | F64>(
  e: Emitter,
  format: FloatFormat<B, V>,
  value: V,
): I32 {
  return e.eq(value, format.value(e, format.constant(e, 0n)));
}

export function isZeroMagnitude<B extends I32 | I64, V extends F32 | F64>(
  e: Emitter,
  format: FloatFormat<B, V>,
  bits: B,
): I32 {
  return e.eqz(e.shl(bits, format.constant(e, 1n)));
}

/**
 * Normal, and above the smallest normal number, to which a result below it may have been rounded: such a result
 * is tiny after rounding to unbounded range, so it underflows.
 */
export function inNormalRange<B extends I32 | I64, V extends F32 | F64>(
  e: Emitter,
  format: FloatFormat<B, V>,
  magnitudeBits: B,
): I32 {
  const low = exponentAt(format, 2);
  const span = exponentAt(format, exponentMax(format)) - low;
  return e.ltU(e.sub(magnitudeBits, format.constant(e, low)), format.constant(e, span));
}

/**
 * Sufficient for an exact product (in range): the significands, without their trailing zeros, have together no
 * more bits than fit, or one of them is a power of two.
 */
function productFits<B extends I32 | I64, V extends F32 | F64>(
  e: Emitter,
  format: FloatFormat<B, V>,
  a: B,
  b: B,
): I32 {
  const hidden = format.constant(e, exponentAt(format, 1));
  const zeros = (bits: B) => e.ctz(e.or(bits, hidden));
  const all = format.constant(e, BigInt(format.fractionBits));
  const [aZeros, bZeros] = [e.bind(zeros(a)), e.bind(zeros(b))];
  const short = e.ltU(all, e.add(aZeros, bZeros));
  return e.or(short, e.or(e.eq(aZeros, all), e.eq(bZeros, all)));
}
