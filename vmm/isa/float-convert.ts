import type { Emitter, F32, F64, I32, I64 } from './emitter.ts';
import { underflowsAgain } from './float-arithmetic.ts';
import { canonicalNan, isSignaling } from './float-compare.ts';
import {
  DOUBLE,
  type FloatFormat,
  type HostFormat,
  INVALID,
  isFiniteNumber,
  isSafelyNormal,
  ROUNDING,
  raiseInexactIf,
  SINGLE,
} from './float-format.ts';
import { roundedBy } from './float-round.ts';
import type { Semantics } from './instruction.ts';

/** An integer type of the conversions, as mnemonics name it. */
export type IntegerName = 'w' | 'wu' | 'l' | 'lu';

const INTEGERS = {
  w: { bits: 32, signed: true, from: 'fromI32' },
  wu: { bits: 32, signed: false, from: 'fromU32' },
  l: { bits: 64, signed: true, from: 'fromI64' },
  lu: { bits: 64, signed: false, from: 'fromU64' },
} as const;

/** Floating point to integer: rounded as a double, which holds every operand exactly, then converted or saturated. */
export function toInteger<B extends I32 | I64, V extends F32 | F64>(
  format: FloatFormat<B, V>,
  integer: IntegerName,
): Semantics {
  return (e) => {
    e.requireFloat();
    const mode = e.roundingMode();
    const value = e.bind(format.toDouble(e, format.read(e, 'rs1')));
    // C's conversion is towards zero: worth a way of its own where the mode is known only when the instruction runs.
    e.if(
      e.eq(mode, e.i32(ROUNDING.towardsZero)),
      () => convertRounded(e, integer, value, e.bind(e.trunc(value))),
      () => e.rarely(() => convertRounded(e, integer, value, e.bind(roundedBy(e, mode, value)))),
    );
  };
}

function convertRounded(e: Emitter, integer: IntegerName, value: F64, rounded: F64): void {
  const { bits, signed } = INTEGERS[integer];
  const [low, high] = signed ? [-(2 ** (bits - 1)), 2 ** (bits - 1)] : [0, 2 ** bits];
  e.if(
    e.and(e.le(e.f64(low), rounded), e.lt(rounded, e.f64(high))),
    () => {
      raiseInexactIf(e, e.ne(rounded, value));
      const converted = integer === 'lu' ? e.truncateU(rounded) : e.truncateS(rounded);
      e.setX('rd', integer === 'wu' ? e.extend32(converted) : converted);
    },
    () =>
      e.rarely(() => {
        // A NaN counts as the largest (table "Domains of float-to-integer conversions").
        e.raiseFlags(e.i32(INVALID));
        const range = 1n << BigInt(bits);
        const [least, most] = signed ? [-range / 2n, range / 2n - 1n] : [0n, BigInt.asIntN(bits, range - 1n)];
        e.setX('rd', e.select(e.lt(rounded, e.f64(0)), e.i64(least), e.i64(most)));
      }),
  );
}

/** Integer to floating point: by WebAssembly when exact, or when rounding to nearest. */
export function fromInteger<B extends I32 | I64, V extends F32 | F64>(
  format: HostFormat<B, V>,
  integer: IntegerName,
  convert: (e: Emitter, value: I64, signed: boolean) => V,
): Semantics {
  const { signed, from, bits } = INTEGERS[integer];
  const precision = format.fractionBits + 1;
  return (e) => {
    e.requireFloat();
    const value = e.bind(integerOperand(e, integer));
    // A reserved mode is illegal even where the mode has no say.
    const mode = e.roundingMode();
    if (bits > precision) {
      e.if(e.and(e.eqz(fits(e, value, precision, signed)), e.eqz(e.hostRounds())), () =>
        e.rarely(() => {
          const size = e.bind(signed ? absolute(e, value) : value);
          const unused = e.add(e.clz(size), e.ctz(size));
          const exact = e.bind(e.geU(unused, e.i64(64 - precision)));
          const known = e.or(e.ne(exact, e.i32(0)), e.eq(mode, e.i32(ROUNDING.nearestEven)));
          e.if(e.eqz(known), () => e.soft(from, format.name, mode, value));
          raiseInexactIf(e, e.eqz(exact));
        }),
      );
    }
    format.write(e, format.bits(e, convert(e, value, signed)));
  };
}

/** True when the magnitude needs no more bits than the precision has. */
function fits(e: Emitter, value: I64, precision: number, signed: boolean): I32 {
  const limit = 1n << BigInt(precision);
  return signed ? e.ltU(e.add(value, e.i64(limit)), e.i64(2n * limit)) : e.ltU(value, e.i64(limit));
}

/** Of the least integer, its bits, which are right as an unsigned number. */
function absolute(e: Emitter, value: I64): I64 {
  const sign = e.bind(e.shrS(value, e.i64(63)));
  return e.sub(e.xor(value, sign), sign);
}

/** The 32-bit types extended as they are to be read, so that one 64-bit conversion serves all. */
export function integerOperand(e: Emitter, integer: IntegerName): I64 {
  if (integer === 'w') return e.extend32(e.x('rs1'));
  if (integer === 'wu') return e.and(e.x('rs1'), e.i64(0xffffffff));
  return e.x('rs1');
}

/** fcvt.d.s: exact for all but NaNs. */
export const singleToDouble: Semantics = (e) => {
  e.requireFloat();
  // The mode has no say, but must not be a reserved one.
  e.roundingMode();
  const bits = SINGLE.read(e, 'rs1');
  DOUBLE.write(
    e,
    widened(e, SINGLE, DOUBLE, bits, (value) => DOUBLE.bits(e, value)),
  );
};

/** Bits of the value in a wider format, into which `convert` takes the double; raises `invalid` for a signalling NaN. */
export function widened<B extends I32 | I64, V extends F32 | F64, W extends I32 | I64>(
  e: Emitter,
  format: FloatFormat<B, V>,
  wide: FloatFormat<W, F32 | F64>,
  bits: B,
  convert: (value: F64) => W,
): W {
  const value = e.bind(format.toDouble(e, bits));
  e.if(isSignaling(e, format, bits), () => e.raiseFlags(e.i32(INVALID)));
  return e.select(e.eq(value, value), convert(value), wide.constant(e, canonicalNan(wide)));
}

/** fcvt.s.d: by WebAssembly when exact, or when rounding to nearest. */
export const doubleToSingle: Semantics = (e) => {
  e.requireFloat();
  const bits = DOUBLE.read(e, 'rs1');
  const value = DOUBLE.value(e, bits);
  const single = e.bind(e.demote(value));
  const isNormal = isSafelyNormal(e, SINGLE, SINGLE.bits(e, single));
  e.if(
    e.and(isNormal, e.hostRounds()),
    () => SINGLE.write(e, SINGLE.bits(e, single)),
    () =>
      e.rarely(() => {
        const mode = e.roundingMode();
        e.if(
          e.ne(single, single),
          () => {
            e.if(isSignaling(e, DOUBLE, bits), () => e.raiseFlags(e.i32(INVALID)));
            SINGLE.write(e, SINGLE.constant(e, canonicalNan(SINGLE)));
          },
          () => {
            const exact = e.bind(e.eq(e.promote(single), value));
            const nearest = e.eq(mode, e.i32(ROUNDING.nearestEven));
            const underflows = e.and(
              isFiniteNumber(e, SINGLE, SINGLE.bits(e, single)),
              underflowsAgain(e, mode),
            );
            const known = e.or(e.and(nearest, isNormal), underflows);
            e.if(e.eqz(e.or(e.ne(exact, e.i32(0)), known)), () => e.soft('toF32', 'f64', mode, bits));
            raiseInexactIf(e, e.eqz(exact));
            SINGLE.write(e, SINGLE.bits(e, single));
          },
        );
      }),
  );
};
