import type { Emitter, F32, F64, I32, I64 } from './emitter.ts';
import { inNormalRange, isZeroMagnitude, sumError } from './float-arithmetic.ts';
import {
  DOUBLE,
  type FloatFormat,
  INEXACT,
  isFiniteMagnitude,
  magnitude,
  ROUND_NEAREST_EVEN,
  SINGLE,
} from './float-format.ts';
import type { Semantics } from './instruction.ts';

/** Which of the product and the addend a variant negates. */
interface Negated {
  readonly product: boolean;
  readonly addend: boolean;
}

/** A result computed with WebAssembly's operations, rounded to nearest even, when `valid`. */
interface Fused<B extends I32 | I64> {
  readonly bits: B;
  /** Whether the operands permit this computation. */
  readonly valid: I32;
  readonly exact: I32;
}

/**
 * fmadd.s and its variants. The product of two singles is exact as a double. Its sum with the addend, rounded to
 * odd, has more than the two bits beyond a single's that make a second rounding give what one would have (Boldo
 * and Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using rounding to odd", 2008).
 */
export const fusedSingle = (negated: Negated): Semantics =>
  fused(SINGLE, negated, (e, a, b, c) => {
    const double = (bits: I32) => e.bind(e.promote(e.bitsToF32(bits)));
    const sum = oddSum(e, e.bind(e.mul(double(a), double(b))), double(c));
    const single = e.bind(e.demote(sum.value));
    const exact = e.and(sum.exact, e.eq(e.promote(single), sum.value));
    return { bits: e.bind(e.f32ToBits(single)), valid: e.i32(1), exact };
  });

/** fmadd.d and its variants: algorithm Fma of the same paper, for operands whose error terms cannot underflow. */
export const fusedDouble = (negated: Negated): Semantics =>
  fused(DOUBLE, negated, (e, a, b, c) => {
    const [x, y, z] = [e.bitsToF64(a), e.bitsToF64(b), e.bitsToF64(c)];
    const product = e.bind(e.mul(x, y));
    const productLow = productError(e, x, y, product);
    const lower = e.bind(e.add(z, productLow));
    const lowerLow = e.bind(sumError(e, z, productLow, lower));
    const upper = e.bind(e.add(product, lower));
    const upperLow = e.bind(sumError(e, product, lower, upper));
    const rest = oddSum(e, lowerLow, upperLow);
    const result = e.bind(e.add(upper, rest.value));
    const exact = e.and(rest.exact, e.eq(sumError(e, upper, rest.value, result), e.f64(0)));
    // A zero factor leaves the addend, exactly, and the sign of a sum of zeros as rounding to nearest has it.
    const zero = e.bind(e.or(isZeroMagnitude(e, DOUBLE, a), isZeroMagnitude(e, DOUBLE, b)));
    const bits = e.bind(e.f64ToBits(e.select(zero, e.add(product, z), result)));
    const valid = e.and(e.and(isModerate(e, a), isModerate(e, b)), isBelow(e, c, ADDEND_LIMIT));
    return { bits, valid: e.or(zero, valid), exact: e.or(zero, exact) };
  });

/**
 * Exponents of factors from -450 to 449: splitting them does not overflow, and their product's error, 106 bits
 * below, is normal. An addend below 2^977 does not overflow with it.
 */
const FACTOR_EXPONENTS = { low: 573, span: 900 };
const ADDEND_LIMIT = 2000;

function isModerate(e: Emitter, bits: I64): I32 {
  const exponent = e.shrU(magnitude(e, DOUBLE, bits), e.i64(DOUBLE.fractionBits));
  return e.ltU(e.sub(exponent, e.i64(FACTOR_EXPONENTS.low)), e.i64(FACTOR_EXPONENTS.span));
}

function isBelow(e: Emitter, bits: I64, exponentLimit: number): I32 {
  const exponent = e.shrU(magnitude(e, DOUBLE, bits), e.i64(DOUBLE.fractionBits));
  return e.ltU(exponent, e.i64(exponentLimit));
}

function fused<B extends I32 | I64, V extends F32 | F64>(
  format: FloatFormat<B, V>,
  negated: Negated,
  compute: (e: Emitter, a: B, b: B, c: B) => Fused<B>,
): Semantics {
  const signBit = 1n << BigInt(format.fractionBits + format.exponentBits);
  const flip = (e: Emitter, bits: B, flipped: boolean) =>
    flipped ? e.bind(e.xor(bits, format.constant(e, signBit))) : bits;
  return (e) => {
    e.requireFloat();
    const mode = e.roundingMode();
    const a = flip(e, format.read(e, 'rs1'), negated.product);
    const b = format.read(e, 'rs2');
    const c = flip(e, format.read(e, 'rs3'), negated.addend);
    const { bits, valid, exact } = compute(e, a, b, c);
    const size = magnitude(e, format, bits);
    const knownInexact = e.and(e.and(e.flags(), e.i32(INEXACT)), inNormalRange(e, format, size));
    const usable = e.and(e.and(valid, isFiniteMagnitude(e, format, size)), e.or(exact, knownInexact));
    e.if(
      e.and(e.eq(mode, e.i32(ROUND_NEAREST_EVEN)), usable),
      () => format.write(e, bits),
      () => {
        const [x, y, z] = [format.widen(e, a), format.widen(e, b), format.widen(e, c)];
        format.write(e, format.narrow(e, e.soft('fma', format.name, mode, x, y, z)));
      },
    );
  };
}

/** `x + y` rounded to odd: of the two doubles around an inexact sum, the one whose last bit is set. */
function oddSum(e: Emitter, x: F64, y: F64): { value: F64; exact: I32 } {
  const sum = e.bind(e.add(x, y));
  const error = e.bind(sumError(e, x, y, sum));
  const bits = e.bind(e.f64ToBits(sum));
  const exact = e.bind(e.eq(error, e.f64(0)));
  // An error with the sum's sign means that the exact value lies beyond it, else short of it.
  const outward = e.geS(e.xor(e.f64ToBits(error), bits), e.i64(0));
  const step = e.select(outward, e.i64(1), e.i64(-1));
  const isEven = e.eqz(e.and(bits, e.i64(1)));
  const moves = e.and(isEven, e.eqz(exact));
  const value = e.bind(e.bitsToF64(e.select(moves, e.add(bits, step), bits)));
  return { value, exact };
}

/** The rounding error of `product = x * y`, exactly, by Veltkamp's splitting and Dekker's product. */
function productError(e: Emitter, x: F64, y: F64, product: F64): F64 {
  const [xHigh, xLow] = split(e, x);
  const [yHigh, yLow] = split(e, y);
  const first = e.sub(e.mul(xHigh, yHigh), product);
  const second = e.add(e.add(first, e.mul(xHigh, yLow)), e.mul(xLow, yHigh));
  return e.bind(e.add(second, e.mul(xLow, yLow)));
}

/** `x` as the sum of two doubles of 26 bits each. */
function split(e: Emitter, x: F64): [F64, F64] {
  const scaled = e.bind(e.mul(x, e.f64(2 ** 27 + 1)));
  const high = e.bind(e.sub(scaled, e.sub(scaled, x)));
  return [high, e.bind(e.sub(x, high))];
}
