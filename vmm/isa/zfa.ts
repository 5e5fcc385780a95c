import type { Emitter, F32, F64, I32, I64 } from './emitter.ts';
import { canonicalNan, comparison, minimumOrMaximum } from './float-compare.ts';
import { DOUBLE, exponentAt, type FloatFormat, INVALID, raiseInexactIf, SINGLE } from './float-format.ts';
import { HALF } from './float-half.ts';
import { roundToIntegral } from './float-round.ts';
import {
  broughtBy,
  type Extension,
  entriesOf,
  type Instruction,
  type Semantics,
  seldomUsed,
} from './instruction.ts';

const entry = entriesOf('Zfa');

/** Zfa (unprivileged, "Zfa" Extension for Additional Floating-Point Instructions), as far as 64-bit harts have it. */
export const ZFA: readonly Instruction[] = [
  ...entries(SINGLE, { fmt: 0, suffix: 's', kind: 'single' }),
  ...entries(DOUBLE, { fmt: 0x02000000, suffix: 'd', kind: 'double', needs: 'D' }),
  ...entries(HALF, { fmt: 0x04000000, suffix: 'h', kind: 'half', needs: 'Zfh' }, (_e, half) => half),
  broughtBy(
    entry(
      'fcvtmod.w.d',
      'float-to-int-rtz',
      0xc2801053,
      'Converts a double to a signed 32-bit integer, modulo 2^32 where it is out of range.',
      convertModulo,
    ),
    ['Zfa', 'D'],
  ),
].map(seldomUsed);

function entries<B extends I32 | I64, V extends F32 | F64>(
  format: FloatFormat<B, V>,
  names: { readonly fmt: number; readonly suffix: string; readonly kind: string; readonly needs?: Extension },
  fromHalf: (e: Emitter, half: I32) => B = (e, half) => format.narrow(e, HALF.toDouble(e, half)),
): Instruction[] {
  const { fmt, suffix: s, kind, needs } = names;
  const instructions = [
    entry(
      `fli.${s}`,
      'float-constant',
      0xf0100053 + fmt,
      `Loads one of 32 constants as a ${kind}.`,
      loadImmediate(format, fromHalf),
    ),
    entry(
      `fminm.${s}`,
      'float',
      0x28002053 + fmt,
      `The lesser of two ${kind}s; a NaN if either is one.`,
      minimumOrMaximum(format, 'min', 'nan'),
    ),
    entry(
      `fmaxm.${s}`,
      'float',
      0x28003053 + fmt,
      `The greater of two ${kind}s; a NaN if either is one.`,
      minimumOrMaximum(format, 'max', 'nan'),
    ),
    entry(
      `fround.${s}`,
      'float-unary-rm',
      0x40400053 + fmt,
      `Rounds a ${kind} to an integral value, without raising inexact.`,
      roundToIntegral(format, false),
    ),
    entry(
      `froundnx.${s}`,
      'float-unary-rm',
      0x40500053 + fmt,
      `Rounds a ${kind} to an integral value, and raises inexact if it was none.`,
      roundToIntegral(format, true),
    ),
    entry(
      `fleq.${s}`,
      'float-compare',
      0xa0004053 + fmt,
      'Sets rd to 1 if rs1 is less than or equal to rs2, else to 0; quiet on NaNs.',
      comparison(format, 'le', 'quiet'),
    ),
    entry(
      `fltq.${s}`,
      'float-compare',
      0xa0005053 + fmt,
      'Sets rd to 1 if rs1 is less than rs2, else to 0; quiet on NaNs.',
      comparison(format, 'lt', 'quiet'),
    ),
  ];
  return needs === undefined ? instructions : instructions.map((each) => broughtBy(each, ['Zfa', needs]));
}

/**
 * Upper bytes of the constants as halves, whose lower bytes are zero, eight to a word. 2^16 is beyond halves: it is
 * infinity as one, and the smallest normal number is each format's own.
 */
const UPPER_BYTES = [
  0x302c_201c_0201_04bcn,
  0x3b3a_3938_3736_3534n,
  0x4442_4140_3f3e_3d3cn,
  0x7e7c_7c78_5c58_4c48n,
] as const;
/** Numbers of the constants that other formats do not have from halves. */
const MINIMUM = 1;
const POWER_16 = 29;
const NAN = 31;

function loadImmediate<B extends I32 | I64, V extends F32 | F64>(
  format: FloatFormat<B, V>,
  convert: (e: Emitter, half: I32) => B,
): Semantics {
  const bias = (1 << (format.exponentBits - 1)) - 1;
  return (e) => {
    e.requireFloat();
    const number = e.imm();
    const or = (index: number, bits: bigint, otherwise: B): B =>
      e.select(e.eq(number, e.i64(index)), format.constant(e, bits), otherwise);
    const half = halfConstant(e, number);
    const converted = convert(e, half);
    // Bits of a NaN may change when a value is narrowed.
    const others = or(NAN, canonicalNan(format), converted);
    // 2^16 is infinity as a half.
    const power = exponentAt(format, Math.min(bias + 16, 2 * bias + 1));
    format.write(e, or(MINIMUM, exponentAt(format, 1), or(POWER_16, power, others)));
  };
}

function halfConstant(e: Emitter, number: I64): I32 {
  const below = (limit: number) => e.ltU(number, e.i64(limit));
  const [first, second, third, fourth] = UPPER_BYTES.map((bytes) => e.i64(bytes)) as [I64, I64, I64, I64];
  const word = e.select(below(16), e.select(below(8), first, second), e.select(below(24), third, fourth));
  const shifted = e.shrU(word, e.shl(e.and(number, e.i64(7)), e.i64(3)));
  return e.bind(e.shl(e.wrap(e.and(shifted, e.i64(0xff))), e.i32(8)));
}

/** Fields of a double's bits; an exponent field that makes the significand an integer. */
const FRACTION = (1n << 52n) - 1n;
const INTEGRAL = 1023 + 52;

/** fcvtmod.w.d: flags as of fcvt.w.d, which saturates where this takes the low 32 bits of the integer part. */
function convertModulo(e: Emitter): void {
  e.requireFloat();
  const bits = DOUBLE.read(e, 'rs1');
  const value = DOUBLE.value(e, bits);
  const whole = e.bind(e.trunc(value));
  e.if(
    e.and(e.le(e.f64(-(2 ** 31)), whole), e.lt(whole, e.f64(2 ** 31))),
    () => {
      raiseInexactIf(e, e.ne(whole, value));
      e.setX('rd', e.truncateS(whole));
    },
    () => {
      // The exponent is 31 at least. Of infinities and NaNs, as of all large numbers, no bit is left.
      const significand = e.bind(e.or(e.and(bits, e.i64(FRACTION)), e.i64(FRACTION + 1n)));
      const exponent = e.and(e.shrU(bits, e.i64(52)), e.i64(0x7ff));
      const left = e.bind(e.sub(exponent, e.i64(INTEGRAL)));
      const shifted = e.select(e.ltU(left, e.i64(32)), e.shl(significand, left), e.i64(0));
      const modulus = e.bind(
        e.select(e.ltS(left, e.i64(0)), e.shrU(significand, e.sub(e.i64(0), left)), shifted),
      );
      e.raiseFlags(e.i32(INVALID));
      const signed = e.select(e.ltS(bits, e.i64(0)), e.sub(e.i64(0), modulus), modulus);
      e.setX('rd', e.extend32(signed));
    },
  );
}
