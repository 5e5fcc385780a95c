import type { Emitter, F64, I32, I64 } from './emitter.ts';
import { sumError } from './float-arithmetic.ts';
import { type IntegerName, integerOperand } from './float-convert.ts';
import { DOUBLE, type FloatFormat, ROUNDING, raiseInexactIf, SINGLE } from './float-format.ts';
import type { Semantics } from './instruction.ts';

/** A half has so many bits of fraction fewer than a double, and its exponents are so much less biased. */
const DROPPED = 42n;
const REBIAS = 1023 - 15;
const INFINITY = 0x7c00;
const CANONICAL_NAN = 0x7e00;
const SIGN = 0x8000;
const BOX = 0xffff_ffff_ffff_0000n;

/** Half precision. WebAssembly has no operations on it: they are done in double, which holds every half. */
export const HALF: FloatFormat<I32, F64> = {
  name: 'f16',
  fractionBits: 10,
  exponentBits: 5,
  read(e, register) {
    const bits = e.bind(e.f(register));
    const isBoxed = e.geU(bits, e.i64(BOX));
    return e.bind(e.select(isBoxed, e.wrap(e.and(bits, e.i64(0xffff))), e.i32(CANONICAL_NAN)));
  },
  write: (e, bits) => e.setF('rd', e.or(e.extendU(bits), e.i64(BOX))),
  value: toDouble,
  toDouble,
  /** Zero, normal or infinite. */
  narrow(e, value) {
    const wide = e.bind(e.f64ToBits(value));
    const size = e.bind(e.wrap(e.shrU(e.shl(wide, e.i64(1)), e.i64(DROPPED + 1n))));
    const rebiased = e.sub(size, e.i32(REBIAS << 10));
    const finite = e.select(e.eqz(size), e.i32(0), rebiased);
    const isInfinite = e.geU(size, e.i32((REBIAS + 31) << 10));
    return e.or(signOf(e, wide), e.select(isInfinite, e.i32(INFINITY), finite));
  },
  constant: (e, bits) => e.i32(Number(BigInt.asUintN(16, bits))),
  widen: (e, bits) => e.extendU(bits),
};

/** The fraction and exponent in a double's places, scaled by the difference of the biases, which subnormals survive. */
function toDouble(e: Emitter, bits: I32): F64 {
  const size = e.bind(e.and(bits, e.i32(SIGN - 1)));
  const placed = e.bind(e.shl(e.extendU(size), e.i64(DROPPED)));
  const finite = e.f64ToBits(e.mul(e.bitsToF64(placed), e.f64(2 ** REBIAS)));
  const notFinite = e.or(placed, e.i64(0x7ff0_0000_0000_0000n));
  const magnitude = e.select(e.ltU(size, e.i32(INFINITY)), finite, notFinite);
  const sign = e.shl(e.extendU(e.and(bits, e.i32(SIGN))), e.i64(48));
  return e.bind(e.bitsToF64(e.or(magnitude, sign)));
}

function signOf(e: Emitter, wide: I64): I32 {
  return e.and(e.wrap(e.shrU(wide, e.i64(48))), e.i32(SIGN));
}

/** A result in double precision on its way to a half. */
interface Wide {
  readonly value: F64;
  /** The double is the result itself, not rounded; always where left out. */
  readonly isExact?: () => I32;
  /** Rounding a second time could go wrong where the double is half way between two halves. */
  readonly mayRoundTwice?: boolean;
}

/**
 * Writes a double as a half, rounded to nearest even by integer arithmetic, where that yields zero or a number of the normal
 * range; else by the software path.
 */
function writeRounded(e: Emitter, { value, isExact, mayRoundTwice }: Wide, soft: (mode: I32) => void): void {
  const wide = e.bind(e.f64ToBits(value));
  const size = e.bind(e.and(wide, e.i64((1n << 63n) - 1n)));
  const below = e.bind(e.and(size, e.i64((1n << DROPPED) - 1n)));
  const isOdd = e.and(e.shrU(size, e.i64(DROPPED)), e.i64(1));
  const nearest = e.shrU(e.add(e.add(size, e.i64((1n << (DROPPED - 1n)) - 1n)), isOdd), e.i64(DROPPED));
  const rebiased = e.bind(e.sub(e.wrap(nearest), e.i32(REBIAS << 10)));
  // As `isSafelyNormal`: above the smallest normal number's binade.
  const isNormal = e.ltU(e.sub(rebiased, e.i32(2 << 10)), e.i32(INFINITY - (2 << 10)));
  const isTie = e.eq(below, e.i64(1n << (DROPPED - 1n)));
  const roundedOnce = mayRoundTwice ? e.and(isNormal, e.eqz(isTie)) : isNormal;
  e.if(e.or(e.eqz(roundedOnce), e.eqz(e.hostRounds())), () => {
    const mode = e.roundingMode();
    const doubleIsExact = e.bind(isExact?.() ?? e.i32(1));
    const isKnown = mayRoundTwice
      ? e.or(roundedOnce, e.and(isNormal, e.ne(doubleIsExact, e.i32(0))))
      : isNormal;
    const isRight = e.and(e.eq(mode, e.i32(ROUNDING.nearestEven)), e.or(isKnown, e.eqz(size)));
    e.if(e.eqz(isRight), () => soft(mode));
    raiseInexactIf(e, e.or(e.ne(below, e.i64(0)), e.eqz(doubleIsExact)));
  });
  HALF.write(e, e.or(signOf(e, wide), e.select(e.eqz(size), e.i32(0), rebiased)));
}

/** fadd.h, fsub.h and fmul.h: sums and products of halves need at most 51 bits. */
export const halfArithmetic =
  (operation: 'add' | 'sub' | 'mul'): Semantics =>
  (e) => {
    e.requireFloat();
    const [a, b] = [HALF.read(e, 'rs1'), HALF.read(e, 'rs2')];
    const value = e.bind(e[operation](toDouble(e, a), toDouble(e, b)));
    writeRounded(e, { value }, (mode) => e.soft(operation, 'f16', mode, HALF.widen(e, a), HALF.widen(e, b)));
  };

// A quotient or a root of halves that is rounded to twice a half's precision and two bits more is never so near to half way
// that rounding it again goes wrong (Figueroa, "When is double rounding innocuous?", 1995).

export const halfDivision: Semantics = (e) => {
  e.requireFloat();
  const [a, b] = [HALF.read(e, 'rs1'), HALF.read(e, 'rs2')];
  const [dividend, divisor] = [toDouble(e, a), toDouble(e, b)];
  const value = e.bind(e.div(dividend, divisor));
  // A quotient with no more bits than a half has times the divisor is exact; one with more is none of a half's. A zero
  // is never a rounded one, but may be of an infinite divisor.
  const isExact = () => e.or(e.eq(e.mul(value, divisor), dividend), e.eq(value, e.f64(0)));
  writeRounded(e, { value, isExact }, (mode) =>
    e.soft('div', 'f16', mode, HALF.widen(e, a), HALF.widen(e, b)),
  );
};

export const halfSquareRoot: Semantics = (e) => {
  e.requireFloat();
  const a = HALF.read(e, 'rs1');
  const radicand = toDouble(e, a);
  const value = e.bind(e.sqrt(radicand));
  const isExact = () => e.eq(e.mul(value, value), radicand);
  writeRounded(e, { value, isExact }, (mode) => e.soft('sqrt', 'f16', mode, HALF.widen(e, a)));
};

/** fmadd.h and its variants: the product is exact, the sum is rounded to double. */
export const fusedHalf =
  (negated: { readonly product: boolean; readonly addend: boolean }): Semantics =>
  (e) => {
    e.requireFloat();
    const turn = (bits: I32, turned: boolean) => (turned ? e.bind(e.xor(bits, e.i32(SIGN))) : bits);
    const a = turn(HALF.read(e, 'rs1'), negated.product);
    const b = HALF.read(e, 'rs2');
    const c = turn(HALF.read(e, 'rs3'), negated.addend);
    const [product, addend] = [e.bind(e.mul(toDouble(e, a), toDouble(e, b))), toDouble(e, c)];
    const value = e.bind(e.add(product, addend));
    const isExact = () => e.eq(sumError(e, product, addend, value), e.f64(0));
    writeRounded(e, { value, isExact, mayRoundTwice: true }, (mode) =>
      e.soft('fma', 'f16', mode, HALF.widen(e, a), HALF.widen(e, b), HALF.widen(e, c)),
    );
  };

export const singleToHalf: Semantics = (e) => {
  e.requireFloat();
  const bits = SINGLE.read(e, 'rs1');
  const value = e.bind(SINGLE.toDouble(e, bits));
  writeRounded(e, { value }, (mode) => e.soft('toF16', 'f32', mode, SINGLE.widen(e, bits)));
};

export const doubleToHalf: Semantics = (e) => {
  e.requireFloat();
  const bits = DOUBLE.read(e, 'rs1');
  writeRounded(e, { value: DOUBLE.value(e, bits) }, (mode) => e.soft('toF16', 'f64', mode, bits));
};

const FROM_INTEGER = { w: 'fromI32', wu: 'fromU32', l: 'fromI64', lu: 'fromU64' } as const;

/** Integers that a double rounds are beyond a half's range. */
export const integerToHalf =
  (integer: IntegerName): Semantics =>
  (e) => {
    e.requireFloat();
    const operand = e.bind(integerOperand(e, integer));
    const value = e.bind(integer === 'lu' ? e.convertU(operand, 'f64') : e.convertS(operand, 'f64'));
    writeRounded(e, { value }, (mode) => e.soft(FROM_INTEGER[integer], 'f16', mode, operand));
  };
