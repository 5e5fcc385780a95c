import type { Emitter, F32, F64, I32, I64 } from './emitter.ts';
import {
  DOUBLE,
  exponentMax,
  type FloatFormat,
  INEXACT,
  magnitude,
  ROUND_NEAREST_EVEN,
  ROUND_TOWARDS_ZERO,
  SINGLE,
} from './float-format.ts';
import type { Semantics } from './instruction.ts';

/** An integer type of the conversions, as mnemonics name it. */
export type IntegerName = 'w' | 'wu' | 'l' | 'lu';

const INTEGERS = {
  w: { bits: 31, signed: true, to: 'toI32', from: 'fromI32' },
  wu: { bits: 32, signed: false, to: 'toU32', from: 'fromU32' },
  l: { bits: 63, signed: true, to: 'toI64', from: 'fromI64' },
  lu: { bits: 64, signed: false, to: 'toU64', from: 'fromU64' },
} as const;

/**
 * Floating point to integer. Done by shifting the significand when the value is in range and either the mode is
 * towards zero, as C converts, or no bits are lost; the software path rounds otherwise and saturates.
 */
export function toInteger<B extends I32 | I64, V extends F32 | F64>(
  format: FloatFormat<B, V>,
  integer: IntegerName,
): Semantics {
  const { bits: limit, signed, to } = INTEGERS[integer];
  return (e) => {
    e.requireFloat();
    const mode = e.roundingMode();
    const read = format.read(e, 'rs1');
    const size = e.bind(format.widen(e, magnitude(e, format, read)));
    const negative = e.bind(e.ltS(read, format.constant(e, 0n)));
    // As a fraction of 64 bits: the hidden bit at 63, so that a shift right by 63 - exponent leaves the integer.
    const significand = e.or(e.shl(size, e.i64(63 - format.fractionBits)), e.i64(1n << 63n));
    const exponent = e.bind(e.sub(e.shrU(size, e.i64(format.fractionBits)), e.i64(format.bias)));
    const atLeastOne = e.geS(exponent, e.i64(0));
    const whole = e.bind(e.select(atLeastOne, e.shrU(significand, e.sub(e.i64(63), exponent)), e.i64(0)));
    // What the shift drops; a shift by 64 (exponent 63) is one by 0 in WebAssembly, hence the shift by one first.
    const dropped = e.shl(e.shl(significand, e.i64(1)), exponent);
    const lost = e.bind(e.ne(e.select(atLeastOne, dropped, size), e.i64(0)));
    const inRange = e.ltS(exponent, e.i64(limit));
    const representable = signed ? inRange : e.and(inRange, e.eqz(negative));
    const truncates = e.or(e.eq(mode, e.i32(ROUND_TOWARDS_ZERO)), e.eqz(lost));
    e.if(
      e.and(representable, truncates),
      () => {
        e.if(lost, () => e.raiseFlags(e.i32(INEXACT)));
        const value = signed ? e.select(negative, e.sub(e.i64(0), whole), whole) : whole;
        e.setX('rd', integer === 'wu' ? e.extend32(value) : value);
      },
      () => e.setX('rd', e.soft(to, format.name, mode, format.widen(e, read))),
    );
  };
}

/** Integer to floating point: by WebAssembly when exact, or when rounding to nearest with `inexact` set already. */
export function fromInteger<B extends I32 | I64, V extends F32 | F64>(
  format: FloatFormat<B, V>,
  integer: IntegerName,
  convert: (e: Emitter, value: I64) => V,
): Semantics {
  const { signed, from } = INTEGERS[integer];
  return (e) => {
    e.requireFloat();
    const mode = e.roundingMode();
    const value = e.bind(integerOperand(e, integer));
    const nearest = e.and(e.eq(mode, e.i32(ROUND_NEAREST_EVEN)), e.and(e.flags(), e.i32(INEXACT)));
    // The host's conversion is signed.
    const roundable = signed ? nearest : e.and(nearest, e.geS(value, e.i64(0)));
    e.if(
      e.or(isExact(e, format, integer, value), roundable),
      () => format.write(e, format.bits(e, convert(e, value))),
      () => format.write(e, format.narrow(e, e.soft(from, format.name, mode, value))),
    );
  };
}

/** True when the magnitude needs no more bits than the precision has. */
function isExact<B extends I32 | I64, V extends F32 | F64>(
  e: Emitter,
  format: FloatFormat<B, V>,
  integer: IntegerName,
  value: I64,
): I32 {
  const { bits, signed } = INTEGERS[integer];
  if (bits <= format.fractionBits) return e.i32(1);
  const limit = 1n << BigInt(format.fractionBits + 1);
  return signed ? e.ltU(e.add(value, e.i64(limit)), e.i64(2n * limit)) : e.ltU(value, e.i64(limit));
}

/** The 32-bit types extended as they are to be read, so that one 64-bit conversion serves all. */
function integerOperand(e: Emitter, integer: IntegerName): I64 {
  if (integer === 'w') return e.extend32(e.x('rs1'));
  if (integer === 'wu') return e.and(e.x('rs1'), e.i64(0xffffffff));
  return e.x('rs1');
}

/** fcvt.d.s: exact for all but NaNs. */
export const singleToDouble: Semantics = (e) => {
  e.requireFloat();
  const mode = e.roundingMode();
  const bits = SINGLE.read(e, 'rs1');
  const value = SINGLE.value(e, bits);
  e.if(
    e.eq(value, value),
    () => DOUBLE.write(e, DOUBLE.bits(e, e.promote(value))),
    () => DOUBLE.write(e, e.soft('toF64', 'f32', mode, SINGLE.widen(e, bits))),
  );
};

/** fcvt.s.d: by WebAssembly when exact, or when rounding to nearest in the normal range with `inexact` set already. */
export const doubleToSingle: Semantics = (e) => {
  e.requireFloat();
  const mode = e.roundingMode();
  const bits = DOUBLE.read(e, 'rs1');
  const value = DOUBLE.value(e, bits);
  const single = e.bind(e.demote(value));
  const exact = e.eq(e.promote(single), value);
  const nearest = e.and(e.eq(mode, e.i32(ROUND_NEAREST_EVEN)), e.and(e.flags(), e.i32(INEXACT)));
  const usable: I32 = e.or(exact, e.and(nearest, isSafelyNormal(e, single)));
  e.if(
    usable,
    () => SINGLE.write(e, SINGLE.bits(e, single)),
    () => SINGLE.write(e, SINGLE.narrow(e, e.soft('toF32', 'f64', mode, bits))),
  );
};

/** See `inNormalRange` in float-arithmetic.ts. */
function isSafelyNormal(e: Emitter, single: F32): I32 {
  const size = magnitude(e, SINGLE, SINGLE.bits(e, single));
  const exponent = e.shrU(size, e.i32(SINGLE.fractionBits));
  return e.ltU(e.sub(exponent, e.i32(2)), e.i32(exponentMax(SINGLE) - 2));
}
