import type { Emitter, F32, F64, I32, I64 } from './emitter.ts';
import {
  exponentAt,
  type HostFormat,
  INEXACT,
  isFiniteNumber,
  isSafelyNormal,
  isZero,
  ROUNDING,
  raiseInexactIf,
  UNDERFLOW,
} from './float-format.ts';
import type { Semantics } from './instruction.ts';

// WebAssembly rounds to nearest, ties to even, and tells nothing of exceptions. Its result is the guest's when that
// is the rounding mode and no flag needs to change. Programs raise `inexact` once and seldom clear it: with it
// raised, a result in the normal range is good, which takes one look at the mode and flags and one at the result.
// Infinite and NaN results, the only ones of operations that are invalid, divide by zero or overflow, are out of that
// range. What fails is looked at more closely: it may be exact. All else takes the software path.

/** fadd and fsub. */
export function addition<B extends I32 | I64, V extends F32 | F64>(
  format: HostFormat<B, V>,
  operation: 'add' | 'sub',
): Semantics {
  return (e) => {
    e.requireFloat();
    const [a, b] = [format.read(e, 'rs1'), format.read(e, 'rs2')];
    const x = format.value(e, a);
    const y = operation === 'add' ? format.value(e, b) : e.neg(format.value(e, b));
    const sum = e.bind(e.add(x, y));
    const bits = e.bind(format.bits(e, sum));
    // Sums below the normal range are exact, hence never underflow (Handbook of Floating-Point Arithmetic, 4.2).
    unlessHostRounds(e, isFiniteNumber(e, format, bits), () => {
      const mode = e.roundingMode();
      const error = e.bind(sumError(e, x, y, sum));
      const isKnown = e.lt(e.abs(error), format.valueOf(e, Number.POSITIVE_INFINITY));
      e.if(e.or(e.ne(mode, e.i32(ROUNDING.nearestEven)), e.eqz(isKnown)), () =>
        e.soft(operation, format.name, mode, format.widen(e, a), format.widen(e, b)),
      );
      raiseInexactIf(e, e.ne(error, format.valueOf(e, 0)));
    });
    format.write(e, bits);
  };
}

export function multiplication<B extends I32 | I64, V extends F32 | F64>(
  format: HostFormat<B, V>,
): Semantics {
  return (e) => {
    e.requireFloat();
    const [a, b] = [format.read(e, 'rs1'), format.read(e, 'rs2')];
    const bits = e.bind(format.bits(e, e.mul(format.value(e, a), format.value(e, b))));
    unlessHostRounds(e, isSafelyNormal(e, format, bits), () => {
      const mode = e.roundingMode();
      const fits = e.and(isSafelyNormal(e, format, bits), productFits(e, format, a, b));
      const fromZero = e.and(isZero(e, format, bits), e.or(isZero(e, format, a), isZero(e, format, b)));
      const usable = e.or(e.or(fits, fromZero), underflowsAgain(e, format, mode, bits));
      e.if(e.eqz(usable), () => e.soft('mul', format.name, mode, format.widen(e, a), format.widen(e, b)));
    });
    format.write(e, bits);
  };
}

export function division<B extends I32 | I64, V extends F32 | F64>(format: HostFormat<B, V>): Semantics {
  return (e) => {
    e.requireFloat();
    const [a, b] = [format.read(e, 'rs1'), format.read(e, 'rs2')];
    const divisor = format.value(e, b);
    const quotient = e.bind(e.div(format.value(e, a), divisor));
    const bits = e.bind(format.bits(e, quotient));
    unlessHostRounds(e, isSafelyNormal(e, format, bits), () => {
      const mode = e.roundingMode();
      // Exact when the quotient times the divisor is the dividend, itself without rounding.
      const undone = e.and(
        e.eq(e.mul(quotient, divisor), format.value(e, a)),
        productFits(e, format, bits, b),
      );
      const normal = e.and(isSafelyNormal(e, format, bits), isSafelyNormal(e, format, a));
      // A zero over what is neither zero nor NaN.
      const fromZero = e.and(isZero(e, format, bits), isZero(e, format, a));
      const usable = e.or(e.or(e.and(normal, undone), fromZero), underflowsAgain(e, format, mode, bits));
      e.if(e.eqz(usable), () => e.soft('div', format.name, mode, format.widen(e, a), format.widen(e, b)));
    });
    format.write(e, bits);
  };
}

export function squareRoot<B extends I32 | I64, V extends F32 | F64>(format: HostFormat<B, V>): Semantics {
  return (e) => {
    e.requireFloat();
    const a = format.read(e, 'rs1');
    const root = e.bind(e.sqrt(format.value(e, a)));
    const bits = e.bind(format.bits(e, root));
    // A root never leaves the normal range: only infinity and NaN need a look, and zero is exact.
    unlessHostRounds(e, isFiniteNumber(e, format, bits), () => {
      const mode = e.roundingMode();
      const undone = e.and(e.eq(e.mul(root, root), format.value(e, a)), productFits(e, format, bits, bits));
      const exact = e.or(isZero(e, format, a), e.and(isSafelyNormal(e, format, a), undone));
      e.if(e.eqz(exact), () => e.soft('sqrt', format.name, mode, format.widen(e, a)));
    });
    format.write(e, bits);
  };
}

/** Emits `otherwise` for where the host's result is not known to be the guest's by its range and the state alone. */
export function unlessHostRounds(e: Emitter, inRange: I32, otherwise: () => void): void {
  e.if(e.or(e.eqz(inRange), e.eqz(e.hostRounds())), otherwise);
}

/** With underflow raised too, a rounding to nearest that neither overflows nor is invalid has no flag left to raise. */
export function underflowsAgain<B extends I32 | I64, V extends F32 | F64>(
  e: Emitter,
  format: HostFormat<B, V>,
  mode: I32,
  bits: B,
): I32 {
  const both = e.i32(INEXACT | UNDERFLOW);
  const raised = e.and(e.eq(mode, e.i32(ROUNDING.nearestEven)), e.eq(e.and(e.flags(), both), both));
  return e.and(raised, isFiniteNumber(e, format, bits));
}

/**
 * The rounding error of `sum = x + y`, itself exact unless a step overflows, and then not finite (Knuth's
 * TwoSum; Handbook of Floating-Point Arithmetic, 4.3).
 */
export function sumError<V extends F32 | F64>(e: Emitter, x: V, y: V, sum: V): V {
  const yRounded = e.bind(e.sub(sum, x));
  const xRounded = e.sub(sum, yRounded);
  return e.add(e.sub(x, xRounded), e.sub(y, yRounded));
}

/**
 * Sufficient for an exact product (in range): the significands, without their trailing zeros, have together no
 * more bits than fit, or one of them is a power of two.
 */
export function productFits<B extends I32 | I64, V extends F32 | F64>(
  e: Emitter,
  format: HostFormat<B, V>,
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
