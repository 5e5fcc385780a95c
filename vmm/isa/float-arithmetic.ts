import type { Emitter, F32, F64, I32, I64 } from './emitter.ts';
import { canonicalNan, isSignaling } from './float-compare.ts';
import {
  exponentAt,
  type HostFormat,
  INEXACT,
  INVALID,
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
// range. What fails is looked at more closely: it may be exact, or follow from an operand that is no finite number. All
// else takes the software path.

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
    const bits = format.bits(e, sum);
    const soft = (mode: I32) => e.soft(operation, format.name, mode, format.widen(e, a), format.widen(e, b));
    // Sums below the normal range are exact, hence never underflow (Handbook of Floating-Point Arithmetic, 4.2).
    const result = { value: sum, operands: [a, b], inRange: isFiniteNumber(e, format, bits), soft };
    writeResult(e, format, result, (mode) => {
      const error = e.bind(sumError(e, x, y, sum));
      const isKnown = e.lt(e.abs(error), format.valueOf(e, Number.POSITIVE_INFINITY));
      e.if(e.or(e.ne(mode, e.i32(ROUNDING.nearestEven)), e.eqz(isKnown)), () => soft(mode));
      raiseInexactIf(e, e.ne(error, format.valueOf(e, 0)));
    });
  };
}

export function multiplication<B extends I32 | I64, V extends F32 | F64>(
  format: HostFormat<B, V>,
): Semantics {
  return (e) => {
    e.requireFloat();
    const [a, b] = [format.read(e, 'rs1'), format.read(e, 'rs2')];
    const product = e.bind(e.mul(format.value(e, a), format.value(e, b)));
    const bits = format.bits(e, product);
    const soft = (mode: I32) => e.soft('mul', format.name, mode, format.widen(e, a), format.widen(e, b));
    const result = { value: product, operands: [a, b], inRange: isSafelyNormal(e, format, bits), soft };
    writeResult(e, format, result, (mode) => {
      const fits = e.and(isSafelyNormal(e, format, bits), productFits(e, format, a, b));
      const fromZero = e.or(isZero(e, format, a), isZero(e, format, b));
      const usable = e.or(e.or(fits, fromZero), underflowsAgain(e, mode));
      e.if(e.eqz(usable), () => soft(mode));
    });
  };
}

export function division<B extends I32 | I64, V extends F32 | F64>(format: HostFormat<B, V>): Semantics {
  return (e) => {
    e.requireFloat();
    const [a, b] = [format.read(e, 'rs1'), format.read(e, 'rs2')];
    const divisor = format.value(e, b);
    const quotient = e.bind(e.div(format.value(e, a), divisor));
    const bits = format.bits(e, quotient);
    const soft = (mode: I32) => e.soft('div', format.name, mode, format.widen(e, a), format.widen(e, b));
    const result = { value: quotient, operands: [a, b], inRange: isSafelyNormal(e, format, bits), soft };
    writeResult(e, format, result, (mode) => {
      // Exact when the quotient times the divisor is the dividend, itself without rounding.
      const undone = e.and(
        e.eq(e.mul(quotient, divisor), format.value(e, a)),
        productFits(e, format, bits, b),
      );
      const normal = e.and(isSafelyNormal(e, format, bits), isSafelyNormal(e, format, a));
      // The quotient is finite: a zero over what is neither zero nor NaN, or anything over infinity.
      const isZeroExactly = e.or(isZero(e, format, a), e.eqz(isFiniteNumber(e, format, b)));
      const usable = e.or(e.or(e.and(normal, undone), isZeroExactly), underflowsAgain(e, mode));
      e.if(e.eqz(usable), () => soft(mode));
    });
  };
}

export function squareRoot<B extends I32 | I64, V extends F32 | F64>(format: HostFormat<B, V>): Semantics {
  return (e) => {
    e.requireFloat();
    const a = format.read(e, 'rs1');
    const root = e.bind(e.sqrt(format.value(e, a)));
    const bits = format.bits(e, root);
    const soft = (mode: I32) => e.soft('sqrt', format.name, mode, format.widen(e, a));
    // A root never leaves the normal range: only infinity and NaN need a look, and zero is exact.
    const result = { value: root, operands: [a], inRange: isFiniteNumber(e, format, bits), soft };
    writeResult(e, format, result, (mode) => {
      const undone = e.and(e.eq(e.mul(root, root), format.value(e, a)), productFits(e, format, bits, bits));
      const exact = e.or(isZero(e, format, a), e.and(isSafelyNormal(e, format, a), undone));
      e.if(e.eqz(exact), () => soft(mode));
    });
  };
}

/** What the host's operation gave, bound, and what it takes to judge it. */
export interface HostResult<B extends I32 | I64, V extends F32 | F64> {
  readonly value: V;
  readonly operands: readonly B[];
  /** With `inexact` raised, the value is the guest's result; never of an infinity or NaN. */
  readonly inRange: I32;
  /** What the host gives where an operand is infinite or a NaN, if not `value`. */
  readonly valueOfSpecial?: V;
  /** Of operands that are no NaNs, one of them not finite: the operation is invalid whatever it results in. */
  readonly isInvalid?: I32;
  readonly soft: (mode: I32) => void;
}

/**
 * Writes the result, or leaves for the software path. `check` emits that for finite results of finite operands which are
 * not known to be right by their range and the state alone; `inexact` too, where they raise it.
 */
export function writeResult<B extends I32 | I64, V extends F32 | F64>(
  e: Emitter,
  format: HostFormat<B, V>,
  result: HostResult<B, V>,
  check: (mode: I32) => void,
): void {
  const { value, inRange } = result;
  const bits = format.bits(e, value);
  e.if(
    e.and(inRange, e.hostRounds()),
    () => format.write(e, bits),
    () =>
      e.rarely(() => {
        const mode = e.roundingMode();
        e.if(
          isFiniteNumber(e, format, bits),
          () => {
            check(mode);
            format.write(e, bits);
          },
          () => writeSpecial(e, format, result, mode),
        );
      }),
  );
}

/** Of an operand that is infinite or a NaN nothing is rounded: the result is infinite, or the canonical NaN. */
function writeSpecial<B extends I32 | I64, V extends F32 | F64>(
  e: Emitter,
  format: HostFormat<B, V>,
  { value, operands, valueOfSpecial = value, isInvalid, soft }: HostResult<B, V>,
  mode: I32,
): void {
  const any = (conditions: readonly I32[]): I32 => conditions.reduce((one, other) => e.or(one, other));
  const isNan = (number: V): I32 => e.ne(number, number);
  e.if(
    any(operands.map((bits) => e.eqz(isFiniteNumber(e, format, bits)))),
    () => {
      const result = e.bind(valueOfSpecial);
      const values = operands.map((bits) => format.value(e, bits));
      const madeNan = e.and(isNan(result), e.eqz(any(values.map(isNan))));
      const signaling = operands.map((bits) => isSignaling(e, format, bits));
      const invalid = any([madeNan, ...signaling, ...(isInvalid ? [isInvalid] : [])]);
      e.if(invalid, () => e.raiseFlags(e.i32(INVALID)));
      const nan = format.constant(e, canonicalNan(format));
      format.write(e, e.select(isNan(result), nan, format.bits(e, result)));
    },
    () => soft(mode),
  );
}

/** With underflow raised too, a rounding to nearest with a finite result has no flag left to raise. */
export function underflowsAgain(e: Emitter, mode: I32): I32 {
  const both = e.i32(INEXACT | UNDERFLOW);
  return e.and(e.eq(mode, e.i32(ROUNDING.nearestEven)), e.eq(e.and(e.flags(), both), both));
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
