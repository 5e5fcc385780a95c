import { describe, expect, test } from 'vitest';
import { assemble } from '../../vmm/isa/assemble.ts';
import { decode } from '../../vmm/isa/decode.ts';
import { random, SEED } from '../support/random.ts';
import { type Ending, Evaluator } from './evaluator.ts';

const MASK = (1n << 64n) - 1n;
const ROUNDS = 200;
const WIDTHS = { b: 8, h: 16, w: 32, d: 64 } as const;

const signed = (value: bigint, width: number) => BigInt.asIntN(width, value);
const unsigned = (value: bigint, width: number) => BigInt.asUintN(width, value);
const greater = (condition: boolean, a: bigint, b: bigint) => (condition ? a : b);

/** What is stored, of the old value and rs2 (unprivileged, "Zaamo"); any excess bits drop. */
const OPERATIONS: Readonly<Record<string, (old: bigint, b: bigint, width: number) => bigint>> = {
  amoswap: (_old, b) => b,
  amoadd: (old, b) => old + b,
  amoxor: (old, b) => old ^ b,
  amoand: (old, b) => old & b,
  amoor: (old, b) => old | b,
  amomin: (old, b, width) => greater(signed(old, width) < signed(b, width), old, b),
  amomax: (old, b, width) => greater(signed(old, width) > signed(b, width), old, b),
  amominu: (old, b, width) => greater(unsigned(old, width) < unsigned(b, width), old, b),
  amomaxu: (old, b, width) => greater(unsigned(old, width) > unsigned(b, width), old, b),
};

function run(machine: Evaluator, text: string): Ending | undefined {
  return machine.execute(decode(assemble(text))!);
}

/** 64 bits of memory in which the low `width` are replaced. */
const replaced = (memory: bigint, value: bigint, width: number) =>
  ((memory >> BigInt(width)) << BigInt(width)) | unsigned(value, width);

describe(`read-modify-write against its definition (SEED=${SEED})`, () => {
  const { next, below, pick } = random(SEED);
  const edge = () => pick([0n, 1n, 0x7fn, 0x80n, 0xffn, 0x7fffn, 0x8000n, 0x7fffffffn, 0x80000000n, MASK]);
  const operand = () => (below(3) === 0 ? edge() : next());

  for (const [suffix, width] of Object.entries(WIDTHS)) {
    test.each(Object.entries(OPERATIONS))(`%s.${suffix}`, (name, operation) => {
      const machine = new Evaluator();
      for (let i = 0; i < ROUNDS; i++) {
        const [memory, b] = [operand(), operand()];
        machine.memory.setBigUint64(0x80, memory, true);
        machine.x_[6] = 0x80n;
        machine.x_[7] = b;
        const rd = pick([5, 7]);
        run(machine, `${name}.${suffix} x${rd},x7,(x6)`);
        expect(machine.x_[rd]).toBe(signed(memory, width) & MASK);
        const stored = replaced(memory, operation(memory, b, width), width);
        expect(machine.memory.getBigUint64(0x80, true), `${name}.${suffix} of ${memory}, ${b}`).toBe(stored);
      }
    });

    test(`amocas.${suffix}`, () => {
      const machine = new Evaluator();
      for (let i = 0; i < ROUNDS; i++) {
        const [memory, swap, noise] = [operand(), operand(), next()];
        // Equal in the bits that count, equal in all others, or anything.
        const compared = pick([replaced(noise, memory, width), memory ^ 1n, operand()]);
        machine.memory.setBigUint64(0x80, memory, true);
        machine.x_[6] = 0x80n;
        machine.x_[5] = compared;
        machine.x_[7] = swap;
        run(machine, `amocas.${suffix} x5,x7,(x6)`);
        expect(machine.x_[5]).toBe(signed(memory, width) & MASK);
        const equal = unsigned(compared, width) === unsigned(memory, width);
        expect(machine.memory.getBigUint64(0x80, true)).toBe(equal ? replaced(memory, swap, width) : memory);
      }
    });
  }
});

test('amocas compares with zero where rd is x0, and with rs2 where it is that', () => {
  const machine = new Evaluator();
  machine.x_[6] = 0x80n;
  machine.x_[7] = 0x55n;
  run(machine, 'amocas.d x0,x7,(x6)');
  expect([machine.x_[0], machine.memory.getBigUint64(0x80, true)]).toEqual([0n, 0x55n]);
  run(machine, 'amocas.d x0,x6,(x6)');
  expect(machine.memory.getBigUint64(0x80, true)).toBe(0x55n);
  run(machine, 'amocas.d x7,x7,(x6)');
  expect([machine.x_[7], machine.memory.getBigUint64(0x80, true)]).toEqual([0x55n, 0x55n]);
});

test('amocas.q has pairs of registers, named by the even one', () => {
  for (const text of ['amocas.q x1,x2,(x6)', 'amocas.q x2,x3,(x6)'])
    expect(() => assemble(text), text).toThrow(/operand/);
  const raw = assemble('amocas.q x2,x4,(x6)');
  expect(decode(raw | (1 << 7))).toBeUndefined();
  expect(decode(raw | (1 << 20))).toBeUndefined();
});

describe('cache blocks', () => {
  test('cbo.zero clears the 64 bytes around an address', () => {
    const machine = new Evaluator();
    new Uint8Array(machine.memory.buffer).fill(0xff);
    machine.x_[5] = 0x87fn;
    expect(run(machine, 'cbo.zero (x5)')).toBeUndefined();
    const bytes = [...new Uint8Array(machine.memory.buffer)];
    expect(bytes.map((byte, index) => (byte === 0 ? index : -1)).filter((index) => index >= 0)).toEqual(
      Array.from({ length: 64 }, (_, index) => 0x840 + index),
    );
  });

  test.each([
    ['cbo.zero', 1 << 7],
    ['cbo.clean', 1 << 6],
    ['cbo.flush', 1 << 6],
    ['cbo.inval', 1 << 4],
    ['cbo.inval', 2 << 4],
  ])('%s is legal where bits 0x%s of the environment allow it', (name, bits) => {
    const machine = new Evaluator();
    machine.environment = bits;
    expect(run(machine, `${name} (x5)`)?.kind).not.toBe('trap');
    machine.environment = ~bits & ~(name === 'cbo.inval' ? 3 << 4 : 0);
    expect(run(machine, `${name} (x5)`)).toMatchObject({ kind: 'trap', cause: 2 });
  });
});
