import type { Emitter, F32, F64, I32, I64 } from './emitter.ts';
import { canonicalNan, isSignaling } from './float-compare.ts';
import { type FloatFormat, INVALID, ROUNDING, raiseInexactIf } from './float-format.ts';
import type { Semantics } from './instruction.ts';

/** Zfa's fround and froundnx: a double holds every operand and result. */
export function roundToIntegral<B extends I32 | I64, V extends F32 | F64>(
  format: FloatFormat<B, V>,
  raisesInexact: boolean,
): Semantics {
  return (e) => {
    e.requireFloat();
    const mode = e.roundingMode();
    const bits = format.read(e, 'rs1');
    const value = e.bind(format.toDouble(e, bits));
    const rounded = e.bind(roundedBy(e, mode, value));
    e.if(
      e.ne(value, value),
      () => {
        e.if(isSignaling(e, format, bits), () => e.raiseFlags(e.i32(INVALID)));
        format.write(e, format.constant(e, canonicalNan(format)));
      },
      () => {
        if (raisesInexact) raiseInexactIf(e, e.ne(rounded, value));
        format.write(e, format.narrow(e, rounded));
      },
    );
  };
}

/** The integral value next to `value`, as `mode` says; of a NaN, a NaN. A zero keeps the sign that `value` has. */
export function roundedBy(e: Emitter, mode: I32, value: F64): F64 {
  const is = (other: number) => e.eq(mode, e.i32(other));
  const upOrTruncated = e.select(is(ROUNDING.up), e.ceil(value), e.trunc(value));
  const directed = e.select(is(ROUNDING.down), e.floor(value), upOrTruncated);
  const awayOrDirected = e.select(is(ROUNDING.nearestAway), nearestAway(e, value), directed);
  return e.select(is(ROUNDING.nearestEven), e.nearest(value), awayOrDirected);
}

/** Half way cases go away from zero. The fraction is exact, and where there is one, so is the integer beyond. */
function nearestAway(e: Emitter, value: F64): F64 {
  const fraction = e.abs(e.sub(value, e.trunc(value)));
  const beyond = e.add(e.trunc(value), e.copysign(e.f64(1), value));
  return e.select(e.le(e.f64(0.5), fraction), beyond, e.trunc(value));
}
