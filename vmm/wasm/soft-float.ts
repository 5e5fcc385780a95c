import { assert, unreachable } from '../base/assert.ts';
import type { SoftFormat, SoftOperation } from '../isa/emitter.ts';

/** Rounding modes as an instruction's `rm` field encodes them (RISC-V unprivileged, "Rounding Mode Encoding"). */
export const ROUNDING = { RNE: 0, RTZ: 1, RDN: 2, RUP: 3, RMM: 4 } as const;

/** Accrued exceptions as `fflags` encodes them: invalid, divide by zero, overflow, underflow, inexact. */
export const FLAG = { NV: 16, DZ: 8, OF: 4, UF: 2, NX: 1 } as const;

/** `bits` is unsigned; narrow formats stand in the low bits, integers are sign-extended to 64. */
export interface SoftResult {
  readonly bits: bigint;
  readonly flags: number;
}

/**
 * One floating-point operation, exact to IEEE 754-2019 with the choices RISC-V makes: tininess is detected after
 * rounding, every NaN result is the canonical one, and a product of infinity and zero is invalid in `fma` even
 * when the addend is a quiet NaN (RISC-V unprivileged, "F" and "D").
 *
 * `format` is that of the floating-point operands; for conversions from integers, of the result. Operands are raw
 * bits, those above the format's (or the integer's) width are ignored. `roundingMode` is 0 to 4; operations that
 * never round ignore it. Operands that an operation does not have are ignored too.
 */
export function softFloat(
  operation: SoftOperation,
  format: SoftFormat,
  roundingMode: number,
  a: bigint,
  b: bigint,
  c: bigint,
): SoftResult {
  const f = FORMATS[format];
  switch (operation) {
    case 'add':
      return add(f, roundingMode, unpack(f, a), unpack(f, b));
    case 'sub':
      return add(f, roundingMode, unpack(f, a), unpack(f, b ^ f.signBit));
    case 'mul':
      return multiply(f, roundingMode, unpack(f, a), unpack(f, b));
    case 'div':
      return divide(f, roundingMode, unpack(f, a), unpack(f, b));
    case 'sqrt':
      return squareRoot(f, roundingMode, unpack(f, a));
    case 'fma':
      return fusedMultiplyAdd(f, roundingMode, unpack(f, a), unpack(f, b), unpack(f, c));
    case 'min':
    case 'max':
      return minimumOrMaximum(f, operation, unpack(f, a), unpack(f, b));
    case 'eq':
    case 'lt':
    case 'le':
      return compare(operation, unpack(f, a), unpack(f, b));
    case 'toI32':
    case 'toU32':
    case 'toI64':
    case 'toU64':
      return toInteger(INTEGERS[operation], roundingMode, unpack(f, a));
    case 'fromI32':
    case 'fromU32':
    case 'fromI64':
    case 'fromU64':
      return fromInteger(f, INTEGERS[operation], roundingMode, a);
    case 'toF16':
      return convert(FORMATS.f16, roundingMode, unpack(f, a));
    case 'toF32':
      return convert(FORMATS.f32, roundingMode, unpack(f, a));
    case 'toF64':
      return convert(FORMATS.f64, roundingMode, unpack(f, a));
    default:
      return unreachable(operation);
  }
}

/** What an operation on operands of a format gives. */
export function softResultFormat(operation: SoftOperation, format: SoftFormat): SoftFormat | 'integer' {
  switch (operation) {
    case 'eq':
    case 'lt':
    case 'le':
    case 'toI32':
    case 'toU32':
    case 'toI64':
    case 'toU64':
      return 'integer';
    case 'toF16':
      return 'f16';
    case 'toF32':
      return 'f32';
    case 'toF64':
      return 'f64';
    default:
      return format;
  }
}

/** A result's bits as its register holds them: narrow formats NaN-boxed (unprivileged, "NaN Boxing of Narrower Values"). */
export function inRegister(operation: SoftOperation, format: SoftFormat, bits: bigint): bigint {
  const result = softResultFormat(operation, format);
  if (result === 'integer') return bits;
  return bits | FORMATS[result].box;
}

/** An IEEE 754 binary interchange format. */
interface Format {
  readonly width: number;
  /** Stored bits of the significand; its precision is one more. */
  readonly fractionBits: number;
  /** Exponent of the lowest bit of a subnormal: no finite value has a smaller quantum. */
  readonly quantumMin: number;
  readonly signBit: bigint;
  readonly fractionMask: bigint;
  /** Positive infinity; the bits of every finite magnitude are below it. */
  readonly infinity: bigint;
  readonly canonicalNan: bigint;
  /** The bits above it in a register of 64. */
  readonly box: bigint;
}

function binaryFormat(width: number, fractionBits: number): Format {
  const exponentBits = width - 1 - fractionBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  const infinity = ((1n << BigInt(exponentBits)) - 1n) << BigInt(fractionBits);
  return {
    width,
    fractionBits,
    quantumMin: 1 - bias - fractionBits,
    signBit: 1n << BigInt(width - 1),
    fractionMask: (1n << BigInt(fractionBits)) - 1n,
    infinity,
    canonicalNan: infinity | (1n << BigInt(fractionBits - 1)),
    box: (1n << 64n) - (1n << BigInt(width)),
  };
}

const FORMATS: Readonly<Record<SoftFormat, Format>> = {
  f16: binaryFormat(16, 10),
  f32: binaryFormat(32, 23),
  f64: binaryFormat(64, 52),
};

interface IntegerType {
  readonly width: number;
  readonly signed: boolean;
  readonly min: bigint;
  readonly max: bigint;
}

const integer = (width: number, signed: boolean): IntegerType => {
  const range = 1n << BigInt(width);
  return { width, signed, min: signed ? -range / 2n : 0n, max: (signed ? range / 2n : range) - 1n };
};

const I32 = integer(32, true);
const U32 = integer(32, false);
const I64 = integer(64, true);
const U64 = integer(64, false);
const INTEGERS = {
  toI32: I32,
  toU32: U32,
  toI64: I64,
  toU64: U64,
  fromI32: I32,
  fromU32: U32,
  fromI64: I64,
  fromU64: U64,
} as const;

/** The value `±significand * 2^exponent`. */
interface Finite {
  readonly negative: boolean;
  readonly significand: bigint;
  readonly exponent: number;
}

/** A datum taken apart. The `Finite` part is meaningless for infinities and NaNs, the sign apart. */
interface Unpacked extends Finite {
  readonly kind: 'finite' | 'infinity' | 'quietNan' | 'signalingNan';
  /** The bits without the sign; they order magnitudes as integers do. */
  readonly magnitude: bigint;
  readonly bits: bigint;
}

function unpack(format: Format, raw: bigint): Unpacked {
  const bits = BigInt.asUintN(format.width, raw);
  const magnitude = BigInt.asUintN(format.width - 1, bits);
  const negative = bits !== magnitude;
  const field = Number(magnitude >> BigInt(format.fractionBits));
  const fraction = magnitude & format.fractionMask;
  if (magnitude >= format.infinity) {
    const quiet = (magnitude & format.canonicalNan) === format.canonicalNan;
    const kind = magnitude === format.infinity ? 'infinity' : quiet ? 'quietNan' : 'signalingNan';
    return { kind, negative, significand: 0n, exponent: 0, magnitude, bits };
  }
  // A zero exponent field means a subnormal: no hidden bit, and the quantum of field 1.
  const significand = field === 0 ? fraction : fraction | (1n << BigInt(format.fractionBits));
  const exponent = format.quantumMin + Math.max(field - 1, 0);
  return { kind: 'finite', negative, significand, exponent, magnitude, bits };
}

const isNan = (x: Unpacked): boolean => x.kind === 'quietNan' || x.kind === 'signalingNan';
const isZero = (x: Unpacked): boolean => x.kind === 'finite' && x.significand === 0n;

const exact = (bits: bigint): SoftResult => ({ bits, flags: 0 });
const invalid = (format: Format): SoftResult => ({ bits: format.canonicalNan, flags: FLAG.NV });
const signed = (format: Format, negative: boolean, magnitude: bigint): SoftResult =>
  exact(negative ? format.signBit | magnitude : magnitude);

/** The result when an operand is a NaN: canonical, and invalid only if one signals. Undefined without a NaN. */
function propagateNan(format: Format, ...operands: readonly Unpacked[]): SoftResult | undefined {
  if (operands.some((x) => x.kind === 'signalingNan')) return invalid(format);
  return operands.some(isNan) ? exact(format.canonicalNan) : undefined;
}

const number = new DataView(new ArrayBuffer(8));

/** Bits up to the leading one of a positive value. */
function bitLength(value: bigint): number {
  number.setFloat64(0, Number(value));
  const high = number.getUint32(0);
  const isPowerOfTwo = (high & 0xf_ffff) === 0 && number.getUint32(4) === 0;
  // The conversion rounds, and up to a power of two from just below it, or to infinity.
  if (!isPowerOfTwo) return (high >>> 20) - 1022;
  const digits = value.toString(16);
  return 4 * digits.length - Math.clz32(Number.parseInt(digits[0]!, 16)) + 28;
}

/**
 * Drops the low `drop` bits of a magnitude, rounding as `mode` says. `sticky` stands for a nonzero part below the
 * given bits, less than one of them; with it, at least one bit must be dropped.
 */
function roundOff(mode: number, negative: boolean, significand: bigint, drop: number, sticky: boolean) {
  if (drop <= 0) return { kept: significand << BigInt(-drop), inexact: false };
  const shift = BigInt(drop);
  const kept = significand >> shift;
  const rest = significand - (kept << shift);
  const inexact = rest !== 0n || sticky;
  const half = 1n << (shift - 1n);
  const up = inexact && roundsUp(mode, negative, rest === half && !sticky, rest >= half, (kept & 1n) === 1n);
  return { kept: up ? kept + 1n : kept, inexact };
}

/** Whether the magnitude of an inexact value grows. `tie`: exactly half way; `upperHalf`: half way or above. */
function roundsUp(mode: number, negative: boolean, tie: boolean, upperHalf: boolean, odd: boolean): boolean {
  switch (mode) {
    case ROUNDING.RNE:
      return tie ? odd : upperHalf;
    case ROUNDING.RTZ:
      return false;
    case ROUNDING.RDN:
      return negative;
    case ROUNDING.RUP:
      return !negative;
    case ROUNDING.RMM:
      return upperHalf;
    default:
      // A reserved mode makes the instruction illegal; it never comes this far.
      assert(false, `rounding mode ${mode}`);
  }
}

/**
 * The nearest datum to a nonzero `±significand * 2^exponent`, as `mode` defines nearest, with its flags. When the
 * value is only known to be a little above that (`sticky`), the significand must be two bits longer than the
 * format's precision.
 */
function roundAndPack(
  format: Format,
  mode: number,
  negative: boolean,
  significand: bigint,
  exponent: number,
  sticky = false,
): SoftResult {
  const leading = exponent + bitLength(significand) - 1;
  // The quantum that keeps the full precision, and the one the format can represent.
  const fullQuantum = leading - format.fractionBits;
  const quantum = Math.max(fullQuantum, format.quantumMin);
  const { kept, inexact } = roundOff(mode, negative, significand, quantum - exponent, sticky);

  // The significand's hidden bit, and a carry out of it, add to the exponent field by themselves.
  const magnitude = (BigInt(quantum - format.quantumMin) << BigInt(format.fractionBits)) + kept;
  const sign = negative ? format.signBit : 0n;
  if (magnitude >= format.infinity) {
    // Overflow gives infinity, or the largest finite number where the mode rounds towards zero on this side.
    const away = roundsUp(mode, negative, false, true, true);
    return {
      bits: sign | (away ? format.infinity : format.infinity - 1n),
      flags: FLAG.OF | FLAG.NX,
    };
  }
  if (!inexact) return exact(sign | magnitude);
  const tiny =
    fullQuantum < format.quantumMin &&
    !reachesNormal(format, mode, negative, significand, fullQuantum - exponent, fullQuantum, sticky);
  return { bits: sign | magnitude, flags: tiny ? FLAG.UF | FLAG.NX : FLAG.NX };
}

/**
 * True when a value below the normal range would round up into it were the exponent unbounded: then it is not tiny
 * after rounding, and an inexact result does not underflow (IEEE 754-2019, 7.5, option a).
 */
function reachesNormal(
  format: Format,
  mode: number,
  negative: boolean,
  significand: bigint,
  drop: number,
  quantum: number,
  sticky: boolean,
): boolean {
  if (quantum !== format.quantumMin - 1) return false;
  const { kept } = roundOff(mode, negative, significand, drop, sticky);
  return kept >> BigInt(format.fractionBits + 1) !== 0n;
}

/** The sum of two finite values given exactly, with one rounding. */
function addExact(format: Format, mode: number, a: Finite, b: Finite): SoftResult {
  const exponent = Math.min(a.exponent, b.exponent);
  const scaled = (x: Finite): bigint => {
    const aligned = x.significand << BigInt(x.exponent - exponent);
    return x.negative ? -aligned : aligned;
  };
  const sum = scaled(a) + scaled(b);
  if (sum === 0n) {
    // Zeros of one sign keep it; any other exact zero is +0, but -0 when rounding down (IEEE 754-2019, 6.3).
    const negative = a.negative === b.negative ? a.negative : mode === ROUNDING.RDN;
    return signed(format, negative, 0n);
  }
  return roundAndPack(format, mode, sum < 0n, sum < 0n ? -sum : sum, exponent);
}

function add(format: Format, mode: number, a: Unpacked, b: Unpacked): SoftResult {
  const nan = propagateNan(format, a, b);
  if (nan) return nan;
  if (a.kind === 'infinity' && b.kind === 'infinity' && a.negative !== b.negative) return invalid(format);
  if (a.kind === 'infinity') return signed(format, a.negative, format.infinity);
  if (b.kind === 'infinity') return signed(format, b.negative, format.infinity);
  return addExact(format, mode, a, b);
}

function multiply(format: Format, mode: number, a: Unpacked, b: Unpacked): SoftResult {
  const nan = propagateNan(format, a, b);
  if (nan) return nan;
  const negative = a.negative !== b.negative;
  if (a.kind === 'infinity' || b.kind === 'infinity') {
    return isZero(a) || isZero(b) ? invalid(format) : signed(format, negative, format.infinity);
  }
  if (isZero(a) || isZero(b)) return signed(format, negative, 0n);
  return roundAndPack(format, mode, negative, a.significand * b.significand, a.exponent + b.exponent);
}

function fusedMultiplyAdd(format: Format, mode: number, a: Unpacked, b: Unpacked, c: Unpacked): SoftResult {
  const infinite = a.kind === 'infinity' || b.kind === 'infinity';
  if (infinite && (isZero(a) || isZero(b))) return invalid(format);
  const nan = propagateNan(format, a, b, c);
  if (nan) return nan;
  const negative = a.negative !== b.negative;
  if (infinite) {
    if (c.kind === 'infinity' && c.negative !== negative) return invalid(format);
    return signed(format, negative, format.infinity);
  }
  if (c.kind === 'infinity') return signed(format, c.negative, format.infinity);
  const significand = a.significand * b.significand;
  return addExact(format, mode, { negative, significand, exponent: a.exponent + b.exponent }, c);
}

function divide(format: Format, mode: number, a: Unpacked, b: Unpacked): SoftResult {
  const nan = propagateNan(format, a, b);
  if (nan) return nan;
  const negative = a.negative !== b.negative;
  if (a.kind === 'infinity') {
    return b.kind === 'infinity' ? invalid(format) : signed(format, negative, format.infinity);
  }
  if (b.kind === 'infinity') return signed(format, negative, 0n);
  if (isZero(b)) {
    if (isZero(a)) return invalid(format);
    return { ...signed(format, negative, format.infinity), flags: FLAG.DZ };
  }
  if (isZero(a)) return signed(format, negative, 0n);
  // Enough quotient bits for the format's precision and two more; what is left over only matters as nonzero.
  const shift = format.fractionBits + 3 + bitLength(b.significand);
  const dividend = a.significand << BigInt(shift);
  const quotient = dividend / b.significand;
  const sticky = quotient * b.significand !== dividend;
  return roundAndPack(format, mode, negative, quotient, a.exponent - b.exponent - shift, sticky);
}

function squareRoot(format: Format, mode: number, a: Unpacked): SoftResult {
  const nan = propagateNan(format, a);
  if (nan) return nan;
  if (isZero(a)) return exact(a.bits);
  if (a.negative) return invalid(format);
  if (a.kind === 'infinity') return exact(format.infinity);
  // Twice the precision and four bits more, at an even exponent, so that the root has two bits to spare.
  let shift = Math.max(2 * (format.fractionBits + 3) - bitLength(a.significand), 0);
  if ((a.exponent - shift) % 2 !== 0) shift += 1;
  const radicand = a.significand << BigInt(shift);
  const root = integerSquareRoot(radicand);
  return roundAndPack(format, mode, false, root, (a.exponent - shift) / 2, root * root !== radicand);
}

/** The largest integer whose square is at most `n`, for `n` from 1 to 2^1023. */
function integerSquareRoot(n: bigint): bigint {
  // A double's root is good to 52 bits and one step of Newton's method doubles that; the loops settle the last unit.
  const estimate = BigInt(Math.floor(Math.sqrt(Number(n))));
  let root = (estimate + n / estimate) >> 1n;
  while (root * root > n) root -= 1n;
  while ((root + 1n) * (root + 1n) <= n) root += 1n;
  return root;
}

/** An integer that is ordered as the data are, with -0 directly below +0. */
const order = (x: Unpacked): bigint => (x.negative ? -1n - x.magnitude : x.magnitude);

/** IEEE 754-2019 minimumNumber and maximumNumber: a number wins over a NaN, and -0 is less than +0. */
function minimumOrMaximum(format: Format, operation: 'min' | 'max', a: Unpacked, b: Unpacked): SoftResult {
  const flags = a.kind === 'signalingNan' || b.kind === 'signalingNan' ? FLAG.NV : 0;
  if (isNan(a) && isNan(b)) return { bits: format.canonicalNan, flags };
  if (isNan(a)) return { bits: b.bits, flags };
  if (isNan(b)) return { bits: a.bits, flags };
  const aFirst = order(a) < order(b);
  return exact(aFirst === (operation === 'min') ? a.bits : b.bits);
}

/** `eq` is a quiet comparison, `lt` and `le` signal on any NaN (RISC-V unprivileged, "Floating-Point Compare"). */
function compare(operation: 'eq' | 'lt' | 'le', a: Unpacked, b: Unpacked): SoftResult {
  const signals = (x: Unpacked) => x.kind === 'signalingNan' || (x.kind === 'quietNan' && operation !== 'eq');
  if (isNan(a) || isNan(b)) return { bits: 0n, flags: signals(a) || signals(b) ? FLAG.NV : 0 };
  const equal = a.bits === b.bits || (isZero(a) && isZero(b));
  const less = !equal && order(a) < order(b);
  return exact((operation !== 'lt' && equal) || (operation !== 'eq' && less) ? 1n : 0n);
}

/** Out of range saturates and is invalid, not inexact; a NaN counts as the largest (table "Domains of float-to-integer conversions"). */
function toInteger(type: IntegerType, mode: number, a: Unpacked): SoftResult {
  const result = (value: bigint, flags: number): SoftResult => ({
    bits: BigInt.asUintN(64, BigInt.asIntN(type.width, value)),
    flags,
  });
  if (isNan(a)) return result(type.max, FLAG.NV);
  if (a.kind === 'infinity') return result(a.negative ? type.min : type.max, FLAG.NV);
  const { kept, inexact } = roundOff(mode, a.negative, a.significand, -a.exponent, false);
  const value = a.negative ? -kept : kept;
  if (value < type.min) return result(type.min, FLAG.NV);
  if (value > type.max) return result(type.max, FLAG.NV);
  return result(value, inexact ? FLAG.NX : 0);
}

function fromInteger(format: Format, type: IntegerType, mode: number, raw: bigint): SoftResult {
  const value = type.signed ? BigInt.asIntN(type.width, raw) : BigInt.asUintN(type.width, raw);
  if (value === 0n) return exact(0n);
  return roundAndPack(format, mode, value < 0n, value < 0n ? -value : value, 0);
}

/** Between formats. `a` was unpacked from the source's; `format` is the destination's. */
function convert(format: Format, mode: number, a: Unpacked): SoftResult {
  const nan = propagateNan(format, a);
  if (nan) return nan;
  if (a.kind === 'infinity') return signed(format, a.negative, format.infinity);
  if (isZero(a)) return signed(format, a.negative, 0n);
  return roundAndPack(format, mode, a.negative, a.significand, a.exponent);
}
