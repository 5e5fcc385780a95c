import { describe, expect, test } from 'vitest';
import { assemble } from '../../vmm/isa/assemble.ts';
import { decode } from '../../vmm/isa/decode.ts';
import type { SoftOperation } from '../../vmm/isa/emitter.ts';
import { softFloat } from '../../vmm/wasm/soft-float.ts';
import { random, SEED } from '../support/random.ts';
import { Evaluator } from './evaluator.ts';

/** Executions of each instruction; raise it by `ROUNDS` in the environment for a longer search. */
const ROUNDS = Number(process.env['ROUNDS'] ?? 2000);
const MODES = ['rne', 'rtz', 'rdn', 'rup', 'rmm'];

type Format = 'f32' | 'f64';
const FORMATS = {
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
  const box = format === 'f32' ? 0xffffffff00000000n : 0n;
  for (const [index, value] of values.entries()) machine.f_[index + 1] = box | value;
}

function run(machine: Evaluator, text: string): void {
  expect(machine.execute(decode(assemble(text))!), text).toBeUndefined();
}

interface Case {
  readonly name: string;
  readonly operation: SoftOperation;
  readonly count: 1 | 2 | 3;
  readonly rounds: boolean;
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
  { name: 'fmin', operation: 'min', count: 2, rounds: false },
  { name: 'fmax', operation: 'max', count: 2, rounds: false },
  { name: 'feq', operation: 'eq', count: 2, rounds: false },
  { name: 'flt', operation: 'lt', count: 2, rounds: false },
  { name: 'fle', operation: 'le', count: 2, rounds: false },
];

describe.each(['f32', 'f64'] as const)(`%s against the software path (SEED=${SEED})`, (format) => {
  const { suffix, signBit, mask } = FORMATS[format];

  test.each(CASES)(`$name, ${format}`, ({ name, operation, count, rounds, adapt }) => {
    const machine = new Evaluator();
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
      const flagsBefore = below(2);
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
      if (format === 'f32' && !intoInteger) expect(machine.f_[4]! >> 32n).toBe(0xffffffffn);
    }
    // Both paths were taken, or this shows nothing.
    expect(machine.softCalls).toBeGreaterThan(ROUNDS / 50);
    expect(machine.softCalls).toBeLessThan(ROUNDS * 0.95);
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

  test('fcvt to the other format', () => {
    const machine = new Evaluator();
    const other = format === 'f32' ? 'f64' : 'f32';
    for (let i = 0; i < ROUNDS; i++) {
      const mode = below(3) === 0 ? below(5) : 0;
      const value = conversionOperand(format);
      const flagsBefore = below(2);
      prepare(machine, format, [value]);
      machine.fflags = flagsBefore;
      run(machine, `fcvt.${FORMATS[other].suffix}.${suffix} f4,f1,${MODES[mode]}`);
      const expected = softFloat(format === 'f32' ? 'toF64' : 'toF32', format, mode, value, 0n, 0n);
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

/** Doubles are mostly outside singles' range: half of them are scaled to lie inside or at its ends. */
function conversionOperand(format: Format): bigint {
  const value = operand(format);
  if (format === 'f32' || below(2) === 0) return value;
  const exponent = BigInt(1023 + pick([below(260) - 130, -127, -126, -150, -149, 127, 128]));
  return (value & ~(0x7ffn << 52n)) | (exponent << 52n);
}

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
