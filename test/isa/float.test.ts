import { describe, expect, test } from 'vitest';
import { assemble } from '../../vmm/isa/assemble.ts';
import { decode } from '../../vmm/isa/decode.ts';
import type { SoftFormat, SoftOperation } from '../../vmm/isa/emitter.ts';
import { LOAD_IMMEDIATES, loadImmediateText } from '../../vmm/isa/load-immediate.ts';
import { softFloat } from '../../vmm/wasm/soft-float.ts';
import { random, SEED } from '../support/random.ts';
import { Evaluator } from './evaluator.ts';

/** Executions of each instruction; raise it by `ROUNDS` in the environment for a longer search. */
const ROUNDS = Number(process.env['ROUNDS'] ?? 2000);
const MODES = ['rne', 'rtz', 'rdn', 'rup', 'rmm'];

type Format = SoftFormat;
const FORMATS = {
  f16: { suffix: 'h', fraction: 10n, exponentMax: 31n, signBit: 1n << 15n, mask: (1n << 16n) - 1n },
  f32: { suffix: 's', fraction: 23n, exponentMax: 255n, signBit: 1n << 31n, mask: (1n << 32n) - 1n },
  f64: { suffix: 'd', fraction: 52n, exponentMax: 2047n, signBit: 1n << 63n, mask: (1n << 64n) - 1n },
} as const;

const { next, below, pick } = random(SEED);

/** Numbers where shortcuts go wrong: few bits, many bits, near the ends of the exponent's range, and no numbers. */
function operand(format: Format): bigint {
  const { fraction, exponentMax, signBit, mask } = FORMATS[format];
  const bias = exponentMax >> 1n;
  const sign = below(2) === 0 ? 0n : signBit;
  const all = next() & ((1n << fraction) - 1n);
  const few = all & ~((1n << BigInt(below(Number(fraction) + 1))) - 1n);
  const significand = pick([0n, 1n, all, few, few, (1n << fraction) - 1n]);
  const near = (center: bigint, spread: number) => center + BigInt(below(2 * spread + 1) - spread);
  const inRange = (exponent: bigint) =>
    exponent < 0n ? 0n : exponent > exponentMax ? exponentMax : exponent;
  const exponent = pick([
    () => BigInt(below(Number(exponentMax) + 1)),
    () => near(bias, 4),
    () => near(bias, Number(fraction) + 3),
    () => near(bias / 2n, 4),
    () => near(bias + bias / 2n, 4),
    () => near(0n, 3),
    () => near(fraction, 3),
    () => near(exponentMax, 3),
  ])();
  if (below(20) === 0) return sign;
  return (sign | (inRange(exponent) << fraction) | significand) & mask;
}

/** Machine with operands in f1 to f3, properly boxed. */
function prepare(machine: Evaluator, format: Format, values: readonly bigint[]): void {
  const box = ~FORMATS[format].mask;
  for (const [index, value] of values.entries()) machine.f_[index + 1] = BigInt.asUintN(64, box | value);
}

function run(machine: Evaluator, text: string): void {
  expect(machine.execute(decode(assemble(text))!), text).toBeUndefined();
}

interface Case {
  readonly name: string;
  readonly operation: SoftOperation;
  readonly count: 1 | 2 | 3;
  readonly rounds: boolean;
  /** Never takes the software path. */
  readonly direct?: true;
  /** Operands as the software path is to get them. */
  readonly adapt?: (operands: bigint[], signBit: bigint) => bigint[];
}

const CASES: readonly Case[] = [
  { name: 'fadd', operation: 'add', count: 2, rounds: true },
  { name: 'fsub', operation: 'sub', count: 2, rounds: true },
  { name: 'fmul', operation: 'mul', count: 2, rounds: true },
  { name: 'fdiv', operation: 'div', count: 2, rounds: true },
  { name: 'fsqrt', operation: 'sqrt', count: 1, rounds: true },
  { name: 'fmadd', operation: 'fma', count: 3, rounds: true },
  { name: 'fmsub', operation: 'fma', count: 3, rounds: true, adapt: ([a, b, c], s) => [a!, b!, c! ^ s] },
  { name: 'fnmsub', operation: 'fma', count: 3, rounds: true, adapt: ([a, b, c], s) => [a! ^ s, b!, c!] },
  { name: 'fnmadd', operation: 'fma', count: 3, rounds: true, adapt: ([a, b, c], s) => [a! ^ s, b!, c! ^ s] },
  { name: 'fmin', operation: 'min', count: 2, rounds: false, direct: true },
  { name: 'fmax', operation: 'max', count: 2, rounds: false, direct: true },
  { name: 'feq', operation: 'eq', count: 2, rounds: false, direct: true },
  { name: 'flt', operation: 'lt', count: 2, rounds: false, direct: true },
  { name: 'fle', operation: 'le', count: 2, rounds: false, direct: true },
];

describe.each(['f16', 'f32', 'f64'] as const)(`%s against the software path (SEED=${SEED})`, (format) => {
  const { suffix, signBit, mask } = FORMATS[format];

  const forms = CASES.flatMap((each) =>
    each.operation === 'fma' && format !== 'f16'
      ? [
          { ...each, fuses: false, title: `${each.name}, the host without a fused one` },
          { ...each, fuses: true, title: `${each.name}, the host with a fused one` },
        ]
      : [{ ...each, fuses: false, title: each.name }],
  );

  test.each(forms)('$title', ({ name, operation, count, rounds, direct, adapt, fuses }) => {
    const machine = new Evaluator();
    machine.fuses = fuses;
    const intoInteger = ['eq', 'lt', 'le'].includes(operation);
    const sources = ['f1', 'f2', 'f3'].slice(0, count).join(',');
    const decoded = MODES.map(
      (mode) =>
        decode(
          assemble(`${name}.${suffix} ${intoInteger ? 'x' : 'f'}4,${sources}${rounds ? `,${mode}` : ''}`),
        )!,
    );
    for (let i = 0; i < ROUNDS; i++) {
      const operands = Array.from({ length: count }, () => operand(format));
      // Addends that cancel a product or a sum, nearly or wholly.
      if (count > 1 && below(4) === 0) operands[count - 1] = related(format, operands);
      const mode = rounds && below(3) === 0 ? below(5) : 0;
      const flagsBefore = pick([0, 1, 1, 3]);
      prepare(machine, format, operands);
      machine.fflags = flagsBefore;
      machine.execute(decoded[mode]!);
      const [a = 0n, b = 0n, c = 0n] = adapt?.(operands, signBit) ?? operands;
      const expected = softFloat(operation, format, mode, a, b, c);
      const bits = intoInteger ? machine.x_[4]! : machine.f_[4]! & mask;
      const label = () => `${operands.map((v) => v.toString(16))} ${MODES[mode]}, flags ${flagsBefore}`;
      if (bits !== expected.bits || machine.fflags !== (expected.flags | flagsBefore)) {
        expect({ bits, flags: machine.fflags }, label()).toEqual({
          bits: expected.bits,
          flags: expected.flags | flagsBefore,
        });
      }
      if (!intoInteger) expect(machine.f_[4]! | mask).toBe((1n << 64n) - 1n);
    }
    if (direct) {
      expect(machine.softCalls).toBe(0);
      return;
    }
    // Both paths were taken, or this shows nothing.
    expect(machine.softCalls).toBeGreaterThan(ROUNDS / 50);
    expect(machine.softCalls).toBeLessThan(ROUNDS * 0.8);
  });

  test.each(['w', 'wu', 'l', 'lu'])('fcvt to and from %s', (integer) => {
    const machine = new Evaluator();
    const size = integer.startsWith('w') ? '32' : '64';
    const kind = `${integer.endsWith('u') ? 'U' : 'I'}${size}` as 'I32' | 'U32' | 'I64' | 'U64';
    for (let i = 0; i < ROUNDS; i++) {
      const mode = below(3) === 0 ? below(5) : below(2);
      const value = operand(format);
      const flagsBefore = below(2);
      prepare(machine, format, [value]);
      machine.fflags = flagsBefore;
      run(machine, `fcvt.${integer}.${suffix} x4,f1,${MODES[mode]}`);
      const to = softFloat(`to${kind}`, format, mode, value, 0n, 0n);
      expect([machine.x_[4], machine.fflags], `0x${value.toString(16)} ${MODES[mode]}`).toEqual([
        BigInt.asUintN(64, to.bits),
        to.flags | flagsBefore,
      ]);

      const whole = below(4) === 0 ? pick([0n, 1n, 1n << 63n, 1n << 31n, mask]) : next() >> BigInt(below(64));
      machine.x_[5] = below(2) === 0 ? whole : BigInt.asUintN(64, -whole);
      machine.fflags = flagsBefore;
      run(machine, `fcvt.${suffix}.${integer} f4,x5,${MODES[mode]}`);
      const from = softFloat(`from${kind}`, format, mode, machine.x_[5]!, 0n, 0n);
      expect([machine.f_[4]! & mask, machine.fflags], `${machine.x_[5]} ${MODES[mode]}`).toEqual([
        from.bits,
        from.flags | flagsBefore,
      ]);
    }
  });

  const others = (['f16', 'f32', 'f64'] as const).filter((each) => each !== format);
  test.each(others)('fcvt to %s', (other) => {
    const machine = new Evaluator();
    for (let i = 0; i < ROUNDS; i++) {
      const mode = below(3) === 0 ? below(5) : 0;
      const value = conversionOperand(format, other);
      const flagsBefore = pick([0, 1, 3]);
      prepare(machine, format, [value]);
      machine.fflags = flagsBefore;
      run(machine, `fcvt.${FORMATS[other].suffix}.${suffix} f4,f1,${MODES[mode]}`);
      const operation = ({ f16: 'toF16', f32: 'toF32', f64: 'toF64' } as const)[other];
      const expected = softFloat(operation, format, mode, value, 0n, 0n);
      expect([machine.f_[4]! & FORMATS[other].mask, machine.fflags], `0x${value.toString(16)}`).toEqual([
        expected.bits,
        expected.flags | flagsBefore,
      ]);
    }
  });

  test('sign injection', () => {
    const machine = new Evaluator();
    for (let i = 0; i < 200; i++) {
      const [a, b] = [operand(format), operand(format)];
      prepare(machine, format, [a, b]);
      for (const [name, sign] of [
        ['fsgnj', b],
        ['fsgnjn', ~b],
        ['fsgnjx', a ^ b],
      ] as const) {
        run(machine, `${name}.${suffix} f4,f1,f2`);
        expect(machine.f_[4]! & mask, name).toBe((a & ~signBit & mask) | (sign & signBit));
      }
    }
  });

  test('fclass', () => {
    const { fraction, exponentMax } = FORMATS[format];
    const infinity = exponentMax << fraction;
    const machine = new Evaluator();
    const classes: readonly [value: bigint, bit: number][] = [
      [signBit | infinity, 0],
      [signBit | (5n << fraction), 1],
      [signBit | 1n, 2],
      [signBit, 3],
      [0n, 4],
      [(1n << fraction) - 1n, 5],
      [1n << fraction, 6],
      [infinity - 1n, 6],
      [infinity, 7],
      [infinity | 1n, 8],
      [signBit | infinity | 1n, 8],
      [infinity | (1n << (fraction - 1n)), 9],
      [signBit | infinity | (1n << (fraction - 1n)), 9],
    ];
    for (const [value, bit] of classes) {
      prepare(machine, format, [value]);
      run(machine, `fclass.${suffix} x4,f1`);
      expect(machine.x_[4], `0x${value.toString(16)}`).toBe(1n << BigInt(bit));
    }
  });
});

/** An operand near the others' product or its negative, or equal to one of them but for a bit. */
function related(format: Format, operands: readonly bigint[]): bigint {
  const { signBit, mask } = FORMATS[format];
  const [a = 0n, b = 0n] = operands;
  const base = operands.length === 3 ? softFloat('mul', format, 0, a, b, 0n).bits : a;
  const nudged = BigInt.asUintN(64, base + BigInt(below(3) - 1)) & mask;
  return below(3) === 0 ? nudged : nudged ^ signBit;
}

/** Wide formats' numbers are mostly outside narrow ones' range: half of them are scaled to lie inside or at its ends. */
function conversionOperand(from: Format, to: Format): bigint {
  const value = operand(from);
  const [wide, narrow] = [FORMATS[from], FORMATS[to]];
  if (wide.fraction < narrow.fraction || below(2) === 0) return value;
  const [bias, fraction] = [Number(narrow.exponentMax >> 1n), Number(narrow.fraction)];
  const ends = [-bias, 1 - bias, -bias - fraction - 1, -bias - fraction, bias, bias + 1];
  const exponent = (wide.exponentMax >> 1n) + BigInt(pick([below(2 * bias + 6) - bias - 3, ...ends]));
  return (value & ~(wide.exponentMax << wide.fraction)) | (exponent << wide.fraction);
}

describe('Zfa', () => {
  /** A number as a register holds it; halves by way of the conversion that is tested above. */
  const inRegister = (format: Format, value: number): bigint => {
    const view = new DataView(new ArrayBuffer(8));
    view.setFloat64(0, value);
    const wide = view.getBigUint64(0);
    const operation = ({ f16: 'toF16', f32: 'toF32', f64: undefined } as const)[format];
    const bits = operation === undefined ? wide : softFloat(operation, 'f64', 0, wide, 0n, 0n).bits;
    return BigInt.asUintN(64, bits | ~FORMATS[format].mask);
  };

  test.each(['f16', 'f32', 'f64'] as const)('fli, %s', (format) => {
    const machine = new Evaluator();
    const { suffix, fraction } = FORMATS[format];
    for (const [index, value] of LOAD_IMMEDIATES.entries()) {
      run(machine, `fli.${suffix} f4,${loadImmediateText(index)}`);
      const expected =
        value === 'min'
          ? BigInt.asUintN(64, (1n << fraction) | ~FORMATS[format].mask)
          : inRegister(format, value);
      expect(machine.f_[4], `${value}`).toBe(expected);
    }
    expect(machine.fflags).toBe(0);
  });

  test.each([
    ['rne', [-0, 2, 2, -2, 0, 1, 2 ** 52 + 1]],
    ['rtz', [-0, 1, 2, -2, 0, 0, 2 ** 52 + 1]],
    ['rdn', [-1, 1, 2, -3, 0, 0, 2 ** 52 + 1]],
    ['rup', [-0, 2, 3, -2, 1, 1, 2 ** 52 + 1]],
    ['rmm', [-1, 2, 3, -3, 0, 1, 2 ** 52 + 1]],
  ] as const)('fround and froundnx, %s', (mode, rounded) => {
    const machine = new Evaluator();
    const values = [-0.5, 1.5, 2.5, -2.5, 0.5 - 2 ** -54, 0.5 + 2 ** -53, 2 ** 52 + 1];
    for (const [index, value] of values.entries()) {
      machine.f_[1] = inRegister('f64', value);
      machine.fflags = 0;
      run(machine, `fround.d f4,f1,${mode}`);
      expect([machine.f_[4], machine.fflags], `${value}`).toEqual([inRegister('f64', rounded[index]!), 0]);
      run(machine, `froundnx.d f4,f1,${mode}`);
      const inexact = rounded[index] === value ? 0 : 1;
      expect([machine.f_[4], machine.fflags]).toEqual([inRegister('f64', rounded[index]!), inexact]);
    }
  });

  test('fround of NaNs, infinities and of single and half numbers', () => {
    const machine = new Evaluator();
    machine.f_[1] = 0xfff0_0000_0000_0001n;
    run(machine, 'fround.d f4,f1');
    expect([machine.f_[4], machine.fflags]).toEqual([0x7ff8_0000_0000_0000n, 16]);
    machine.fflags = 0;
    machine.f_[1] = 0xfff8_0000_0000_0001n;
    run(machine, 'froundnx.d f4,f1');
    expect([machine.f_[4], machine.fflags]).toEqual([0x7ff8_0000_0000_0000n, 0]);
    for (const format of ['f16', 'f32', 'f64'] as const) {
      for (const [value, expected] of [
        [-Infinity, -Infinity],
        [-0.25, -0],
        [1023.5, 1024],
        [7, 7],
      ] as const) {
        machine.f_[1] = inRegister(format, value);
        run(machine, `fround.${FORMATS[format].suffix} f4,f1`);
        expect(machine.f_[4], `${value}, ${format}`).toBe(inRegister(format, expected));
      }
    }
  });

  test('fminm and fmaxm give a NaN where there is one, and order zeros', () => {
    const machine = new Evaluator();
    const check = (text: string, a: bigint, b: bigint, expected: bigint, flags: number) => {
      [machine.f_[1], machine.f_[2]] = [a, b];
      machine.fflags = 0;
      run(machine, text);
      expect([machine.f_[4], machine.fflags], text).toEqual([expected, flags]);
    };
    const [one, nan, signaling] = [inRegister('f64', 1), 0x7ff8_0000_0000_0000n, 0x7ff0_0000_0000_0001n];
    check('fminm.d f4,f1,f2', one, nan | 1n, nan, 0);
    check('fmaxm.d f4,f1,f2', signaling, one, nan, 16);
    check('fminm.d f4,f1,f2', 0n, 1n << 63n, 1n << 63n, 0);
    check('fmaxm.d f4,f1,f2', 1n << 63n, 0n, 0n, 0);
    check('fmaxm.d f4,f1,f2', one, inRegister('f64', 2), inRegister('f64', 2), 0);
  });

  test('fleq and fltq are quiet on quiet NaNs', () => {
    const machine = new Evaluator();
    [machine.f_[1], machine.f_[2]] = [0x7ff8_0000_0000_0000n, inRegister('f64', 1)];
    run(machine, 'fltq.d x4,f1,f2');
    run(machine, 'fleq.d x5,f2,f2');
    expect([machine.x_[4], machine.x_[5], machine.fflags]).toEqual([0n, 1n, 0]);
    machine.f_[1] = 0x7ff0_0000_0000_0001n;
    run(machine, 'fltq.d x4,f1,f2');
    expect(machine.fflags).toBe(16);
  });

  test.each([
    [1.75, 1n, 1],
    [-1.75, -1n, 1],
    [2 ** 31 - 0.5, 2n ** 31n - 1n, 1],
    [2 ** 31, -(2n ** 31n), 16],
    [-(2 ** 31), -(2n ** 31n), 0],
    [-(2 ** 31) - 1, 2n ** 31n - 1n, 16],
    [2 ** 32 + 5.5, 5n, 16],
    [-(2 ** 32) - 5.5, -5n, 16],
    [3 * 2 ** 51 + 2 ** 33 + 7, 7n, 16],
    [(2 ** 53 - 1) * 2 ** 20, -(2n ** 20n), 16],
    [2 ** 83, 2n ** 31n - 2n ** 31n, 16],
    [1e300, 0n, 16],
    [Infinity, 0n, 16],
    [Number.NaN, 0n, 16],
  ])('fcvtmod.w.d of %f', (value, expected, flags) => {
    const machine = new Evaluator();
    machine.f_[1] = inRegister('f64', value);
    run(machine, 'fcvtmod.w.d x4,f1,rtz');
    expect([BigInt.asIntN(64, machine.x_[4]!), machine.fflags]).toEqual([expected, flags]);
  });
});

describe('registers and modes', () => {
  const BOX = 0xffffffff00000000n;

  test('a single that is not boxed is the canonical NaN, except to moves and stores', () => {
    const machine = new Evaluator();
    machine.f_[1] = 0x3f800000n;
    machine.f_[2] = BOX | 0x3f800000n;
    run(machine, 'fadd.s f4,f1,f2,dyn');
    expect(machine.f_[4]).toBe(BOX | 0x7fc00000n);
    run(machine, 'fsgnj.s f4,f1,f2');
    expect(machine.f_[4]).toBe(BOX | 0x7fc00000n);
    run(machine, 'fmv.x.w x5,f1');
    expect(machine.x_[5]).toBe(0x3f800000n);
    machine.x_[6] = 0x40n;
    run(machine, 'fsw f1,0(x6)');
    expect(machine.memory.getUint32(0x40, true)).toBe(0x3f800000);
  });

  test('moves and loads', () => {
    const machine = new Evaluator();
    machine.x_[5] = 0x12345678_80000001n;
    run(machine, 'fmv.w.x f4,x5');
    expect(machine.f_[4]).toBe(BOX | 0x80000001n);
    run(machine, 'fmv.x.w x6,f4');
    expect(machine.x_[6]).toBe(0xffffffff80000001n);
    run(machine, 'fmv.d.x f5,x5');
    run(machine, 'fmv.x.d x7,f5');
    expect([machine.f_[5], machine.x_[7]]).toEqual([machine.x_[5], machine.x_[5]]);
    machine.x_[6] = 0x40n;
    run(machine, 'fsd f5,8(x6)');
    run(machine, 'flw f6,8(x6)');
    run(machine, 'fld f7,8(x6)');
    expect([machine.f_[6], machine.f_[7]]).toEqual([BOX | 0x80000001n, machine.x_[5]]);
  });

  test('halves: moves, loads, stores, and the box of 48 ones', () => {
    const machine = new Evaluator();
    const HALF_BOX = 0xffff_ffff_ffff_0000n;
    machine.x_[5] = 0x1234_8001n;
    run(machine, 'fmv.h.x f4,x5');
    expect(machine.f_[4]).toBe(HALF_BOX | 0x8001n);
    run(machine, 'fmv.x.h x6,f4');
    expect(machine.x_[6]).toBe(0xffff_ffff_ffff_8001n);
    machine.x_[7] = 0x40n;
    run(machine, 'fsh f4,2(x7)');
    run(machine, 'flh f5,2(x7)');
    expect([machine.memory.getUint32(0x40, true), machine.f_[5]]).toEqual([0x8001_0000, HALF_BOX | 0x8001n]);
    // A boxed single is no half.
    machine.f_[1] = BOX | 0x3c00n;
    run(machine, 'fcvt.s.h f6,f1');
    expect([machine.f_[6], machine.fflags]).toEqual([BOX | 0x7fc00000n, 0]);
    run(machine, 'fclass.h x6,f1');
    expect(machine.x_[6]).toBe(1n << 9n);
  });

  test('a dynamic mode comes from frm, and reserved modes are illegal', () => {
    const machine = new Evaluator();
    machine.f_[1] = 0x3ff8000000000000n;
    const convert = decode(assemble('fcvt.w.d x4,f1,dyn'))!;
    for (const [frm, expected] of [2n, 1n, 1n, 2n, 2n].entries()) {
      machine.frm = frm;
      expect(machine.execute(convert)).toBeUndefined();
      expect(machine.x_[4]).toBe(expected);
    }
    machine.frm = 5;
    const illegal = { kind: 'trap', cause: 2, value: BigInt(convert.raw) };
    expect(machine.execute(convert)).toEqual(illegal);
    // Mode 6 in the instruction itself, also of a conversion that never rounds.
    expect(machine.execute(decode(0x02c5e553)!)).toMatchObject({ kind: 'trap', cause: 2 });
    expect(machine.execute(decode(0xd2056553)!)).toMatchObject({ kind: 'trap', cause: 2 });
  });

  test('with the unit off, every instruction is illegal and changes nothing', () => {
    const machine = new Evaluator();
    machine.floatOn = false;
    for (const text of [
      'flw f1,0(x0)',
      'fsd f1,0(x0)',
      'fadd.s f1,f2,f3',
      'fclass.d x1,f1',
      'fmv.x.w x1,f1',
    ]) {
      expect(machine.execute(decode(assemble(text))!), text).toMatchObject({ kind: 'trap', cause: 2 });
    }
    expect([machine.f_[1], machine.x_[1]]).toEqual([0n, 0n]);
  });
});
