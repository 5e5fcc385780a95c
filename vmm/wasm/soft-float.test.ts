import { expect, test } from 'vitest';
import { random as generator, type Random, SEED } from '../../test/support/random.ts';
import type { SoftFormat, SoftOperation } from '../isa/emitter.ts';
import { FLAG, ROUNDING, type SoftResult, softFloat } from './soft-float.ts';

const { NV, DZ, OF, UF, NX } = FLAG;
const { RNE, RTZ, RDN, RUP, RMM } = ROUNDING;
const MODES = [RNE, RTZ, RDN, RUP, RMM];

/** Width, bits of the fraction, bias. */
const LAYOUT = { f16: [16, 10, 15], f32: [32, 23, 127], f64: [64, 52, 1023] } as const;

/** The bits of a number in the format, through the host's own conversion; of a half, only of its normal numbers. */
function bits(format: SoftFormat, value: number): bigint {
  const view = new DataView(new ArrayBuffer(8));
  if (format === 'f16') {
    view.setFloat64(0, value);
    const wide = view.getBigUint64(0);
    expect(wide & ((1n << 42n) - 1n), `${value} is a half`).toBe(0n);
    return ((wide >> 48n) & 0x8000n) | ((((wide & ~SIGN.f64) >> 42n) - (1008n << 10n)) & 0x7fffn);
  }
  if (format === 'f64') view.setFloat64(0, value);
  else view.setFloat32(4, value);
  return view.getBigUint64(0);
}

function check(
  [operation, format, mode]: [SoftOperation, SoftFormat, number],
  operands: readonly bigint[],
  expected: { bits: bigint; flags: number },
) {
  const [a = 0n, b = 0n, c = 0n] = operands;
  const actual = softFloat(operation, format, mode, a, b, c);
  const show = (r: SoftResult) => `0x${r.bits.toString(16)} flags ${r.flags}`;
  const call = `${operation}.${format} mode ${mode} (${operands.map((x) => '0x' + x.toString(16)).join(', ')}), SEED=${SEED}`;
  if (actual.bits !== expected.bits || actual.flags !== expected.flags) {
    expect.fail(`${call} is ${show(actual)}, expected ${show(expected)}`);
  }
}

const NAN = { f16: 0x7e00n, f32: 0x7fc00000n, f64: 0x7ff8000000000000n } as const;
const INF = { f16: 0x7c00n, f32: 0x7f800000n, f64: 0x7ff0000000000000n } as const;
const SNAN = { f16: 0x7c01n, f32: 0x7f800001n, f64: 0x7ff0000000000001n } as const;
const SIGN = { f16: 1n << 15n, f32: 1n << 31n, f64: 1n << 63n } as const;
/** A quiet NaN with a sign and a payload: results must not show either. */
const PAYLOAD = { f16: 0xfe12n, f32: 0xffc12345n, f64: 0xfff8123456789abcn } as const;

/** Random operands that meet: full range, or near one, or subnormal, or few significant bits, or special. */
function randomOperand(random: Random, format: SoftFormat): bigint {
  const [width, fractionBits, bias] = LAYOUT[format];
  const [fraction, one] = [BigInt(fractionBits), BigInt(bias)];
  const raw = BigInt.asUintN(width, random.next());
  const sign = raw & SIGN[format];
  const low = BigInt.asUintN(fractionBits, raw);
  const spread = Math.min(32, bias - 1);
  switch (random.below(6)) {
    case 0:
      return raw;
    case 1:
      return sign | ((one + BigInt(random.below(12) - 6)) << fraction) | low;
    case 2:
      return sign | (low >> BigInt(random.below(fractionBits)));
    case 3:
      return (
        sign |
        ((one + BigInt(random.below(2 * spread) - spread)) << fraction) |
        (low & (7n << (fraction - 3n)))
      );
    case 4:
      return sign | (BigInt(random.below(4)) << fraction) | low;
    default: {
      const special = [0n, 1n, one << fraction, INF[format], INF[format] - 1n, NAN[format], 1n << fraction];
      return sign | special[random.below(special.length)]!;
    }
  }
}

test('arithmetic on doubles rounded to nearest equals the host’s', () => {
  const random = generator(SEED);
  const host = new DataView(new ArrayBuffer(8));
  const value = (raw: bigint): number => {
    host.setBigUint64(0, raw);
    return host.getFloat64(0);
  };
  const operations: Partial<Record<SoftOperation, (a: number, b: number) => number>> = {
    add: (a, b) => a + b,
    sub: (a, b) => a - b,
    mul: (a, b) => a * b,
    div: (a, b) => a / b,
    sqrt: (a) => Math.sqrt(a),
  };
  for (let i = 0; i < 10_000; i++) {
    const [a, b] = [randomOperand(random, 'f64'), randomOperand(random, 'f64')];
    for (const [name, compute] of Object.entries(operations)) {
      const result = compute(value(a), value(b));
      const expected = Number.isNaN(result) ? NAN.f64 : bits('f64', result);
      const { flags } = softFloat(name as SoftOperation, 'f64', RNE, a, b, 0n);
      check([name as SoftOperation, 'f64', RNE], [a, b], { bits: expected, flags });
    }
  }
});

test('narrowing and widening equal Math.fround', () => {
  const random = generator(SEED + 1);
  const host = new DataView(new ArrayBuffer(8));
  for (let i = 0; i < 10_000; i++) {
    const a = randomOperand(random, 'f64');
    host.setBigUint64(0, a);
    const narrow = Math.fround(host.getFloat64(0));
    const nan = Number.isNaN(narrow);
    const { bits: result } = softFloat('toF32', 'f64', RNE, a, 0n, 0n);
    expect(result, `SEED=${SEED}`).toBe(nan ? NAN.f32 : bits('f32', narrow));
    if (!nan) check(['toF64', 'f32', RDN], [result], { bits: bits('f64', narrow), flags: 0 });
  }
});

// The oracle for all modes and flags is exact rational arithmetic and a search through the data in their order:
// it shares neither representation nor rounding with the code under test.

interface Rational {
  readonly numerator: bigint;
  /** Positive. */
  readonly denominator: bigint;
}
const compareRationals = (a: Rational, b: Rational): number => {
  const difference = a.numerator * b.denominator - b.numerator * a.denominator;
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
};
const plus = (a: Rational, b: Rational): Rational => ({
  numerator: a.numerator * b.denominator + b.numerator * a.denominator,
  denominator: a.denominator * b.denominator,
});
const times = (a: Rational, b: Rational): Rational => ({
  numerator: a.numerator * b.numerator,
  denominator: a.denominator * b.denominator,
});
const powerOfTwo = (exponent: number): Rational =>
  exponent >= 0
    ? { numerator: 1n << BigInt(exponent), denominator: 1n }
    : { numerator: 1n, denominator: 1n << BigInt(-exponent) };

/** The value of the datum; for infinity's bits, where the format would go on: 2^(emax + 1). */
function rational(format: SoftFormat, raw: bigint): Rational {
  const [, fractionBits, bias] = LAYOUT[format];
  const magnitude = raw & (SIGN[format] - 1n);
  const field = Number(magnitude >> BigInt(fractionBits));
  const fraction = magnitude & ((1n << BigInt(fractionBits)) - 1n);
  const significand = field === 0 ? fraction : fraction + (1n << BigInt(fractionBits));
  const value = times(
    { numerator: significand, denominator: 1n },
    powerOfTwo(Math.max(field, 1) - bias - fractionBits),
  );
  return raw === magnitude ? value : { ...value, numerator: -value.numerator };
}

/** A positive exact value, known by how rationals compare with it (so that square roots fit, too). */
type Exact = (candidate: Rational) => number;

/** The correctly rounded result of a positive exact value, its sign given apart. */
function roundExact(format: SoftFormat, mode: number, negative: boolean, exact: Exact): SoftResult {
  // The largest magnitude at most the exact value.
  let [below, above] = [0n, INF[format] + 1n];
  while (above - below > 1n) {
    const middle = (below + above) / 2n;
    if (exact(rational(format, middle)) <= 0) below = middle;
    else above = middle;
  }
  const beyond = below >= INF[format];
  const inexact = exact(rational(format, below)) !== 0;
  const middle = times(plus(rational(format, below), rational(format, above)), powerOfTwo(-1));
  // Sign of (middle - exact value): positive means that the exact value is in the lower half.
  const half = exact(middle);
  const away = {
    [RNE]: half < 0 || (half === 0 && (below & 1n) === 1n),
    [RTZ]: false,
    [RDN]: negative,
    [RUP]: !negative,
    [RMM]: half <= 0,
  }[mode]!;
  const rounded = inexact && !beyond && away ? above : below;
  const sign = negative ? SIGN[format] : 0n;
  if (rounded >= INF[format]) {
    const toInfinity = mode === RNE || mode === RMM || mode === (negative ? RDN : RUP);
    return { bits: sign | (toInfinity ? INF[format] : INF[format] - 1n), flags: OF | NX };
  }
  return {
    bits: sign | rounded,
    flags: inexact ? (isTiny(format, mode, negative, exact) ? UF | NX : NX) : 0,
  };
}

/** Tininess after rounding: scaled up, where the exponent does not end, does it stay below the smallest normal? */
function isTiny(format: SoftFormat, mode: number, negative: boolean, exact: Exact): boolean {
  const [, fractionBits, bias] = LAYOUT[format];
  const smallestNormal = powerOfTwo(1 - bias);
  if (exact(smallestNormal) <= 0) return false;
  const scale = 4;
  if (exact(times(smallestNormal, powerOfTwo(-scale))) > 0) return true;
  const scaled: Exact = (candidate) => exact(times(candidate, powerOfTwo(-scale)));
  const rounded = roundExact(format, mode, negative, scaled).bits & (SIGN[format] - 1n);
  return rounded < BigInt(1 + scale) << BigInt(fractionBits);
}

/** The exact value of an operation on finite operands, or undefined where it is zero or has none. */
function exactValue(operation: SoftOperation, operands: readonly Rational[]): [boolean, Exact] | undefined {
  const [a, b, c] = operands as [Rational, Rational, Rational];
  if (operation === 'sqrt') {
    return a.numerator <= 0n ? undefined : [false, (q) => compareRationals(times(q, q), a)];
  }
  const value = {
    add: () => plus(a, b),
    sub: () => plus(a, { ...b, numerator: -b.numerator }),
    mul: () => times(a, b),
    div: () => {
      const sign = b.numerator < 0n ? -1n : 1n;
      return times(a, { numerator: b.denominator * sign, denominator: b.numerator * sign });
    },
    fma: () => plus(times(a, b), c),
    toF16: () => a,
    toF32: () => a,
  }[operation as string]!();
  if (value.numerator === 0n || value.denominator === 0n) return undefined;
  const negative = value.numerator < 0n;
  const magnitude = { ...value, numerator: negative ? -value.numerator : value.numerator };
  return [negative, (q) => compareRationals(q, magnitude)];
}

test.each(['f16', 'f32', 'f64'] as const)(
  '%s: every mode and flag agrees with rational arithmetic',
  (format) => {
    const random = generator(SEED + 2);
    const operations: SoftOperation[] = ['add', 'sub', 'mul', 'div', 'sqrt', 'fma'];
    if (format !== 'f16') operations.push('toF16');
    if (format === 'f64') operations.push('toF32');
    let compared = 0;
    for (let i = 0; i < 700; i++) {
      const operands = [0, 1, 2].map(() => randomOperand(random, format));
      if (operands.some((x) => (x & INF[format]) === INF[format])) continue;
      for (const operation of operations) {
        const values = operands.map((x) => rational(format, x));
        const exact = exactValue(operation, values);
        if (!exact) continue;
        const target = operation === 'toF16' ? 'f16' : operation === 'toF32' ? 'f32' : format;
        const mode = MODES[random.below(MODES.length)]!;
        check([operation, format, mode], operands, roundExact(target, mode, ...exact));
        compared++;
      }
    }
    expect(compared).toBeGreaterThan(1500);
  },
);

test.each(['f16', 'f32', 'f64'] as const)('%s: products at the border of the normal range', (format) => {
  // Just below the smallest normal number, whether a rounding is tiny depends on the mode and the discarded bits.
  const random = generator(SEED + 3);
  const [, fractionBits, bias] = LAYOUT[format];
  const [fraction, one] = [BigInt(fractionBits), BigInt(bias)];
  for (let i = 0; i < 400; i++) {
    const nearOne = (one << fraction) - BigInt(random.below(5));
    const nearBorder = (1n << fraction) + BigInt(random.below(5) - 2);
    const operands = [nearOne, nearBorder | (random.below(2) ? SIGN[format] : 0n)];
    const values = operands.map((x) => rational(format, x));
    const mode = MODES[i % MODES.length]!;
    check(['mul', format, mode], operands, roundExact(format, mode, ...exactValue('mul', values)!));
  }
});

test.each(['f16', 'f32', 'f64'] as const)(
  '%s: results without a value (IEEE 754-2019, 7.2 and 7.3)',
  (format) => {
    const one = bits(format, 1);
    const [nan, inf, snan, sign, payload] = [
      NAN[format],
      INF[format],
      SNAN[format],
      SIGN[format],
      PAYLOAD[format],
    ];
    const invalid = { bits: nan, flags: NV };
    const quiet = { bits: nan, flags: 0 };
    check(['add', format, RNE], [inf, inf | sign], invalid);
    check(['sub', format, RNE], [inf, inf], invalid);
    check(['add', format, RNE], [inf, one | sign], { bits: inf, flags: 0 });
    check(['mul', format, RNE], [inf, sign], invalid);
    check(['div', format, RNE], [0n, sign], invalid);
    check(['div', format, RNE], [inf, inf], invalid);
    check(['div', format, RNE], [one, sign], { bits: inf | sign, flags: DZ });
    check(['div', format, RNE], [inf, 0n], { bits: inf, flags: 0 });
    check(['div', format, RNE], [one, inf | sign], { bits: sign, flags: 0 });
    check(['sqrt', format, RNE], [one | sign], invalid);
    check(['sqrt', format, RNE], [inf | sign], invalid);
    check(['sqrt', format, RNE], [sign], { bits: sign, flags: 0 });
    check(['fma', format, RNE], [inf, 0n, one], invalid);
    check(['fma', format, RNE], [inf, one, inf | sign], invalid);
    check(['fma', format, RNE], [0n, inf, payload], invalid);
    for (const operation of ['add', 'sub', 'mul', 'div'] as const) {
      check([operation, format, RNE], [payload, one], quiet);
      check([operation, format, RNE], [one, payload], quiet);
      check([operation, format, RNE], [payload, snan], invalid);
    }
    check(['sqrt', format, RNE], [payload], quiet);
    check(['sqrt', format, RNE], [snan], invalid);
    check(['fma', format, RNE], [one, one, payload], quiet);
    check(['fma', format, RNE], [one, snan | sign, payload], invalid);
  },
);

test.each(['f16', 'f32', 'f64'] as const)('%s: signs of exact zeros (IEEE 754-2019, 6.3)', (format) => {
  const [one, sign] = [bits(format, 1), SIGN[format]];
  for (const mode of MODES) {
    const cancelled = { bits: mode === RDN ? sign : 0n, flags: 0 };
    check(['sub', format, mode], [one, one], cancelled);
    check(['add', format, mode], [0n, sign], cancelled);
    check(['fma', format, mode], [one, one, one | sign], cancelled);
    check(['add', format, mode], [sign, sign], { bits: sign, flags: 0 });
    check(['add', format, mode], [0n, 0n], { bits: 0n, flags: 0 });
    check(['fma', format, mode], [0n, sign, sign], { bits: sign, flags: 0 });
    check(['fma', format, mode], [0n, sign, 0n], cancelled);
    check(['mul', format, mode], [one, sign], { bits: sign, flags: 0 });
    check(['div', format, mode], [sign, one | sign], { bits: 0n, flags: 0 });
    check(['fromI32', format, mode], [0n], { bits: 0n, flags: 0 });
  }
});

test.each(['f16', 'f32', 'f64'] as const)('%s: minimum, maximum and comparisons', (format) => {
  const [one, two] = [bits(format, 1), bits(format, 2)];
  const [nan, snan, sign, payload] = [NAN[format], SNAN[format], SIGN[format], PAYLOAD[format]];
  const is = (value: bigint, flags = 0) => ({ bits: value, flags });
  check(['min', format, RNE], [0n, sign], is(sign));
  check(['min', format, RNE], [sign, 0n], is(sign));
  check(['max', format, RNE], [0n, sign], is(0n));
  check(['max', format, RNE], [sign, 0n], is(0n));
  check(['min', format, RNE], [one | sign, two | sign], is(two | sign));
  check(['max', format, RNE], [one, INF[format]], is(INF[format]));
  check(['min', format, RNE], [payload, one], is(one));
  check(['max', format, RNE], [one, snan], is(one, NV));
  check(['max', format, RNE], [payload, payload], is(nan));
  check(['min', format, RNE], [payload, snan], is(nan, NV));
  for (const [a, b, equal, less] of [
    [one, one, 1n, 0n],
    [one, two, 0n, 1n],
    [two, one, 0n, 0n],
    [0n, sign, 1n, 0n],
    [sign, 0n, 1n, 0n],
    [two | sign, one | sign, 0n, 1n],
    [INF[format] | sign, INF[format], 0n, 1n],
  ] as const) {
    check(['eq', format, RNE], [a, b], is(equal));
    check(['lt', format, RNE], [a, b], is(less));
    check(['le', format, RNE], [a, b], is(equal | less));
  }
  check(['eq', format, RNE], [nan, nan], is(0n));
  check(['eq', format, RNE], [one, snan], is(0n, NV));
  check(['lt', format, RNE], [one, nan], is(0n, NV));
  check(['le', format, RNE], [nan, one], is(0n, NV));
});

test.each(['f32', 'f64'] as const)(
  '%s: conversions to integers saturate (RISC-V, "Domains of float-to-integer conversions")',
  (format) => {
    const [inf, sign] = [INF[format], SIGN[format]];
    const ones = 2n ** 64n - 1n;
    const limits = {
      toI32: { min: ones << 31n, max: 2n ** 31n - 1n },
      toU32: { min: 0n, max: ones },
      toI64: { min: 1n << 63n, max: 2n ** 63n - 1n },
      toU64: { min: 0n, max: ones },
    } as const;
    for (const [name, { min, max }] of Object.entries(limits)) {
      const operation = name as keyof typeof limits;
      check([operation, format, RNE], [inf], { bits: BigInt.asUintN(64, max), flags: NV });
      check([operation, format, RNE], [NAN[format] | sign], { bits: BigInt.asUintN(64, max), flags: NV });
      check([operation, format, RNE], [SNAN[format]], { bits: BigInt.asUintN(64, max), flags: NV });
      check([operation, format, RNE], [inf | sign], { bits: BigInt.asUintN(64, min), flags: NV });
      check([operation, format, RTZ], [bits(format, -1e30)], { bits: BigInt.asUintN(64, min), flags: NV });
    }
    check(['toU32', format, RTZ], [bits(format, -0.75)], { bits: 0n, flags: NX });
    check(['toU32', format, RDN], [bits(format, -0.75)], { bits: 0n, flags: NV });
    check(['toU64', format, RNE], [bits(format, -1)], { bits: 0n, flags: NV });
    check(['toU32', format, RNE], [bits(format, 2 ** 31)], { bits: (ones << 31n) & ones, flags: 0 });
    check(['toI32', format, RNE], [bits(format, -(2 ** 31))], { bits: (ones << 31n) & ones, flags: 0 });
    const halves = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5];
    const rounded = {
      [RNE]: [-2, -2, 0, 0, 2, 2],
      [RTZ]: [-2, -1, 0, 0, 1, 2],
      [RDN]: [-3, -2, -1, 0, 1, 2],
      [RUP]: [-2, -1, 0, 1, 2, 3],
      [RMM]: [-3, -2, -1, 1, 2, 3],
    };
    for (const mode of MODES) {
      halves.forEach((half, i) => {
        const expected = BigInt.asUintN(64, BigInt(rounded[mode]![i]!));
        check(['toI64', format, mode], [bits(format, half)], { bits: expected, flags: NX });
      });
    }
  },
);

test('conversions from integers use only the integer’s width, and round', () => {
  const garbage = 0xdead_beef_0000_0000n;
  check(['fromI32', 'f64', RNE], [garbage | 0xffff_ffffn], { bits: bits('f64', -1), flags: 0 });
  check(['fromU32', 'f64', RNE], [garbage | 0xffff_ffffn], { bits: bits('f64', 2 ** 32 - 1), flags: 0 });
  check(['fromI32', 'f32', RDN], [0x7fff_ffffn], { bits: bits('f32', 2 ** 31 - 128), flags: NX });
  check(['fromI32', 'f32', RNE], [0x7fff_ffffn], { bits: bits('f32', 2 ** 31), flags: NX });
  check(['fromU64', 'f64', RUP], [2n ** 64n - 1n], { bits: bits('f64', 2 ** 64), flags: NX });
  check(['fromI64', 'f64', RNE], [2n ** 64n - 1n], { bits: bits('f64', -1), flags: 0 });
  check(['fromI64', 'f32', RMM], [2n ** 24n + 1n], { bits: bits('f32', 2 ** 24 + 2), flags: NX });
});

test('underflow is detected after rounding: at the border only what stays tiny raises it', () => {
  // (1 - 2^-24) * 2^-126 needs 24 bits below the smallest normal single: half way between two subnormals.
  const a = bits('f32', 1 - 2 ** -24);
  const b = bits('f32', 2 ** -126);
  // With an unbounded exponent the product is exact: it is tiny in every mode, though it rounds to a normal number.
  check(['mul', 'f32', RNE], [a, b], { bits: b, flags: UF | NX });
  // A hair more below 2^-126: the rounding to 24 bits itself reaches 2^-126, so it is not tiny.
  const c = bits('f64', 2 ** -126 - 2 ** -152);
  check(['toF32', 'f64', RNE], [c], { bits: b, flags: NX });
  check(['toF32', 'f64', RTZ], [c], { bits: b - 1n, flags: UF | NX });
});
