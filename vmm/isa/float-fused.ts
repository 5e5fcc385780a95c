import type { Emitter, F32, F64, I32, I64 } from './emitter.ts';
import { productFits, sumError, underflowsAgain, writeResult } from './float-arithmetic.ts';
import {
  DOUBLE,
  exponentAt,
  type HostFormat,
  isFiniteNumber,
  isSafelyNormal,
  isZero,
  ROUNDING,
  raiseInexactIf,
  SINGLE,
  signBitOf,
} from './float-format.ts';
import type { Semantics } from './instruction.ts';

/** Which of the product and the addend a variant negates. */
export interface Negated {
  readonly product: boolean;
  readonly addend: boolean;
}

/** Operands in registers, and as values with their signs turned as the variant says. */
interface Operands<B extends I32 | I64, V extends F32 | F64> {
  readonly a: B;
  readonly b: B;
  readonly c: B;
  readonly x: V;
  readonly y: V;
  readonly z: V;
  readonly soft: (mode: I32) => void;
}

/**
 * fmadd.s and its variants. Where the host has no fused operation, the sum is made in double precision: there
 * the product of two singles is exact, and rounding a second time, to single, is wrong only where the first gave a value
 * half way between two singles.
 */
export const fusedSingle = (negated: Negated): Semantics =>
  fused(SINGLE, negated, (e, { a, b, c, x, y, z, soft }) => {
    const sumInDouble = () => {
      const [product, addend] = [e.bind(e.mul(e.promote(x), e.promote(y))), e.bind(e.promote(z))];
      const sum = e.bind(e.add(product, addend));
      return { sum, error: () => sumError(e, product, addend, sum) };
    };
    const host = e.multiplyAdd(x, y, z);
    const wide = host === undefined ? sumInDouble() : undefined;
    const value = e.bind(host ?? e.demote(wide!.sum));
    const isNormal = isSafelyNormal(e, SINGLE, e.f32ToBits(value));
    const inRange = wide === undefined ? isNormal : e.and(isNormal, e.eqz(isHalfWay(e, wide.sum)));
    const isInvalid = isInvalidProduct(e, x, y, e.mul(x, y));
    writeResult(e, SINGLE, { value, operands: [a, b, c], inRange, isInvalid, soft }, (mode) => {
      const { sum, error } = wide ?? sumInDouble();
      const sumIsExact = e.bind(e.eq(error(), e.f64(0)));
      const exact = e.bind(e.and(sumIsExact, e.eq(e.promote(value), sum)));
      const known =
        wide === undefined
          ? e.or(isNormal, underflowsAgain(e, mode))
          : e.or(inRange, e.and(isNormal, e.ne(sumIsExact, e.i32(0))));
      const nearest = e.eq(mode, e.i32(ROUNDING.nearestEven));
      e.if(e.eqz(e.and(nearest, e.or(e.ne(exact, e.i32(0)), known))), () => soft(mode));
      raiseInexactIf(e, e.eqz(exact));
    });
  });

/** Infinity times zero: invalid even with a quiet NaN as the addend ("Single-Precision Floating-Point Computational Instructions"). */
function isInvalidProduct<V extends F32 | F64>(e: Emitter, x: V, y: V, product: V): I32 {
  return e.and(e.ne(product, product), e.and(e.eq(x, x), e.eq(y, y)));
}

/** The last bit of a single, in a double, and the bits below it. */
const BELOW_SINGLE = 29n;

/** The double lies half way between two singles (of the normal range). */
function isHalfWay(e: Emitter, value: F64): I32 {
  const below = e.and(e.f64ToBits(value), e.i64((1n << BELOW_SINGLE) - 1n));
  return e.eq(below, e.i64(1n << (BELOW_SINGLE - 1n)));
}

/** fmadd.d and its variants. */
export const fusedDouble = (negated: Negated): Semantics =>
  fused(DOUBLE, negated, (e, { a, b, c, x, y, z, soft }) => {
    const fusedByHost = e.multiplyAdd(x, y, z);
    const host = fusedByHost && e.bind(fusedByHost);
    const emulated = host === undefined ? emulatedDouble(e, x, y, z) : undefined;
    const value = host ?? emulated!.value;
    const isNormal = isSafelyNormal(e, DOUBLE, e.f64ToBits(value));
    const inRange = emulated === undefined ? isNormal : e.and(isNormal, emulated.valid);
    const isInvalid = isInvalidProduct(e, x, y, e.mul(x, y));
    // Of finite factors, whatever their product, the addend that is not finite.
    const factorsAreFinite = e.and(isFiniteNumber(e, DOUBLE, a), isFiniteNumber(e, DOUBLE, b));
    const valueOfSpecial = host ?? e.select(factorsAreFinite, z, e.add(e.mul(x, y), z));
    const result = { value, operands: [a, b, c], inRange, valueOfSpecial, isInvalid, soft };
    writeResult(e, DOUBLE, result, (mode) => {
      const product = e.bind(e.mul(x, y));
      const sum = e.bind(e.add(product, z));
      const fits = e.and(isSafelyNormal(e, DOUBLE, e.f64ToBits(product)), productFits(e, DOUBLE, a, b));
      const fromZero = e.or(isZero(e, DOUBLE, a), isZero(e, DOUBLE, b));
      const error = e.bind(sumError(e, product, z, sum));
      // Of an exact product, what is rounded is the sum; an error that is not finite is none.
      const isSum = e.and(e.or(fits, fromZero), e.eq(e.f64ToBits(value), e.f64ToBits(sum)));
      const known = e.and(isSum, e.lt(e.abs(error), e.f64(Number.POSITIVE_INFINITY)));
      const usable = host === undefined ? known : e.or(known, underflowsAgain(e, mode));
      const nearest = e.eq(mode, e.i32(ROUNDING.nearestEven));
      e.if(e.eqz(e.and(nearest, usable)), () => soft(mode));
      raiseInexactIf(e, e.ne(error, e.f64(0)));
    });
  });

/**
 * A multiply-add of doubles from single operations. The product and its rounding error are exact (Dekker), so is the sum of
 * product and addend with its error (Knuth), which leaves `sum + rest`. `rest` itself is rounded: the result is right if it
 * stays the same when `rest` is a little larger and a little smaller (after Ziv's rounding test, Handbook of
 * Floating-Point Arithmetic, 12.3).
 */
function emulatedDouble(e: Emitter, x: F64, y: F64, z: F64): { value: F64; valid: I32 } {
  const product = e.bind(e.mul(x, y));
  const productLow = e.bind(productError(e, x, y, product));
  const sum = e.bind(e.add(product, z));
  const rest = e.bind(e.add(sumError(e, product, z, sum), productLow));
  const least = e.bind(e.add(sum, e.mul(rest, e.f64(1 - 2 ** -52))));
  const most = e.add(sum, e.mul(rest, e.f64(1 + 2 ** -52)));
  const value = e.bind(e.select(e.eq(rest, e.f64(0)), sum, least));
  // The error of the product is exact when its last bit, 106 below the product's first, is no less than 2^-1074.
  const size = e.shl(e.f64ToBits(product), e.i64(1));
  const low = 2n * exponentAt(DOUBLE, PRODUCT_EXPONENTS.low);
  const isModerate = e.ltU(
    e.sub(size, e.i64(low)),
    e.i64(2n * exponentAt(DOUBLE, PRODUCT_EXPONENTS.high) - low),
  );
  const isCertain = e.or(e.eq(least, most), e.eq(productLow, e.f64(0)));
  return { value, valid: e.and(isModerate, isCertain) };
}

/** Exponent fields of products whose error can be computed. */
const PRODUCT_EXPONENTS = { low: 1023 - 960, high: 1023 + 1000 };

/** The rounding error of `product = x * y`, by Veltkamp's splitting and Dekker's product; not finite when a step overflows. */
function productError(e: Emitter, x: F64, y: F64, product: F64): F64 {
  const [xHigh, xLow] = split(e, x);
  const [yHigh, yLow] = split(e, y);
  const first = e.sub(e.mul(xHigh, yHigh), product);
  const second = e.add(e.add(first, e.mul(xHigh, yLow)), e.mul(xLow, yHigh));
  return e.add(second, e.mul(xLow, yLow));
}

/** `x` as the sum of two doubles of 26 bits each. */
function split(e: Emitter, x: F64): [F64, F64] {
  const scaled = e.bind(e.mul(x, e.f64(2 ** 27 + 1)));
  const high = e.bind(e.sub(scaled, e.sub(scaled, x)));
  return [high, e.bind(e.sub(x, high))];
}

function fused<B extends I32 | I64, V extends F32 | F64>(
  format: HostFormat<B, V>,
  negated: Negated,
  compute: (e: Emitter, operands: Operands<B, V>) => void,
): Semantics {
  return (e) => {
    e.requireFloat();
    const [a, b, c] = [format.read(e, 'rs1'), format.read(e, 'rs2'), format.read(e, 'rs3')];
    const value = (bits: B, turned: boolean): V => {
      const plain = format.value(e, bits);
      return e.bind(turned ? e.neg(plain) : plain);
    };
    const wide = (bits: B, turned: boolean): I64 =>
      format.widen(e, turned ? e.xor(bits, format.constant(e, signBitOf(format))) : bits);
    compute(e, {
      ...{ a, b, c },
      x: value(a, negated.product),
      y: value(b, false),
      z: value(c, negated.addend),
      soft: (mode) => {
        const operands = [wide(a, negated.product), wide(b, false), wide(c, negated.addend)] as const;
        e.soft('fma', format.name, mode, ...operands);
      },
    });
  };
}
