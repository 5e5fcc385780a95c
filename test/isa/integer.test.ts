import { describe, expect, test } from 'vitest';
import { assemble } from '../../vmm/isa/assemble.ts';
import { decode } from '../../vmm/isa/decode.ts';
import { random, SEED } from '../support/random.ts';
import { type Ending, Evaluator } from './evaluator.ts';

const ROUNDS = 300;
const MASK = (1n << 64n) - 1n;
const EDGES = [
  0n,
  1n,
  2n,
  31n,
  32n,
  63n,
  64n,
  0x7fn,
  0x80n,
  0xffn,
  0x8000n,
  0xffffn,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  0x100000000n,
  0x7fffffffffffffffn,
  0x8000000000000000n,
  0xffffffff80000000n,
  MASK - 1n,
  MASK,
];

const s64 = (a: bigint) => BigInt.asIntN(64, a);
const s32 = (a: bigint) => BigInt.asIntN(32, a);
const u32 = (a: bigint) => BigInt.asUintN(32, a);
const select = (condition: boolean, a: bigint, b: bigint) => (condition ? a : b);
const flag = (condition: boolean) => (condition ? 1n : 0n);
const digits = (a: bigint, width: number) => BigInt.asUintN(width, a).toString(2).padStart(width, '0');
const leading = (a: bigint, width: number) => BigInt(digits(a, width).indexOf('1') & 0xff) % 255n;
const bytes = (a: bigint) => a.toString(16).padStart(16, '0').match(/../g)!;
const rotateLeft = (a: bigint, n: bigint, width: bigint) => (a << (n % width)) | (a >> (width - (n % width)));
const divide = (a: bigint, b: bigint) => (b === 0n ? -1n : a / b);
const remainder = (a: bigint, b: bigint) => (b === 0n ? a : a % b);

/** The product without carries: the exclusive or of the multiplicand shifted to each bit that is set. */
const carryless = (a: bigint, b: bigint): bigint =>
  [...digits(b, 64)].reduce((sum, bit) => (sum << 1n) ^ (bit === '1' ? a : 0n), 0n);
/** Groups of 4 or 8 bits, the lowest first. */
const groups = (a: bigint, width: 4 | 8): bigint[] =>
  Array.from({ length: 64 / width }, (_, index) => BigInt.asUintN(width, a >> BigInt(index * width)));
const join = (parts: readonly bigint[], width: 4 | 8): bigint =>
  parts.reduce((sum, part, index) => sum | (part << BigInt(index * width)), 0n);
const permute = (a: bigint, b: bigint, width: 4 | 8): bigint => {
  const table = groups(a, width);
  return join(
    groups(b, width).map((number) => table[Number(number)] ?? 0n),
    width,
  );
};
const numbered = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, number) => `${name}.${number}`);

/** What each instruction gives for unsigned operands, from its text in the specification; any excess bits drop. */
const REGISTER_FORMS: Readonly<Record<string, (a: bigint, b: bigint) => bigint>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  sll: (a, b) => a << (b & 63n),
  slt: (a, b) => flag(s64(a) < s64(b)),
  sltu: (a, b) => flag(a < b),
  xor: (a, b) => a ^ b,
  srl: (a, b) => a >> (b & 63n),
  sra: (a, b) => s64(a) >> (b & 63n),
  or: (a, b) => a | b,
  and: (a, b) => a & b,
  addw: (a, b) => s32(a + b),
  subw: (a, b) => s32(a - b),
  sllw: (a, b) => s32(a << (b & 31n)),
  srlw: (a, b) => s32(u32(a) >> (b & 31n)),
  sraw: (a, b) => s32(a) >> (b & 31n),
  mul: (a, b) => a * b,
  mulh: (a, b) => (s64(a) * s64(b)) >> 64n,
  mulhsu: (a, b) => (s64(a) * b) >> 64n,
  mulhu: (a, b) => (a * b) >> 64n,
  div: (a, b) => divide(s64(a), s64(b)),
  divu: (a, b) => divide(a, b),
  rem: (a, b) => remainder(s64(a), s64(b)),
  remu: (a, b) => remainder(a, b),
  mulw: (a, b) => s32(a * b),
  divw: (a, b) => s32(divide(s32(a), s32(b))),
  divuw: (a, b) => s32(divide(u32(a), u32(b))),
  remw: (a, b) => s32(remainder(s32(a), s32(b))),
  remuw: (a, b) => s32(remainder(u32(a), u32(b))),
  'add.uw': (a, b) => u32(a) + b,
  sh1add: (a, b) => a * 2n + b,
  sh2add: (a, b) => a * 4n + b,
  sh3add: (a, b) => a * 8n + b,
  'sh1add.uw': (a, b) => u32(a) * 2n + b,
  'sh2add.uw': (a, b) => u32(a) * 4n + b,
  'sh3add.uw': (a, b) => u32(a) * 8n + b,
  andn: (a, b) => a & ~b,
  orn: (a, b) => a | ~b,
  xnor: (a, b) => ~(a ^ b),
  max: (a, b) => select(s64(a) > s64(b), a, b),
  maxu: (a, b) => select(a > b, a, b),
  min: (a, b) => select(s64(a) < s64(b), a, b),
  minu: (a, b) => select(a < b, a, b),
  rol: (a, b) => rotateLeft(a, b & 63n, 64n),
  ror: (a, b) => rotateLeft(a, 64n - (b & 63n), 64n),
  rolw: (a, b) => s32(rotateLeft(u32(a), b & 31n, 32n)),
  rorw: (a, b) => s32(rotateLeft(u32(a), 32n - (b & 31n), 32n)),
  bclr: (a, b) => a & ~(1n << (b & 63n)),
  bext: (a, b) => (a >> (b & 63n)) & 1n,
  binv: (a, b) => a ^ (1n << (b & 63n)),
  bset: (a, b) => a | (1n << (b & 63n)),
  'czero.eqz': (a, b) => (b === 0n ? 0n : a),
  'czero.nez': (a, b) => (b === 0n ? a : 0n),
  clmul: carryless,
  clmulh: (a, b) => carryless(a, b) >> 64n,
  clmulr: (a, b) => carryless(a, b) >> 63n,
  pack: (a, b) => u32(a) | (u32(b) << 32n),
  packh: (a, b) => (a & 0xffn) | ((b & 0xffn) << 8n),
  packw: (a, b) => s32((a & 0xffffn) | ((b & 0xffffn) << 16n)),
  xperm4: (a, b) => permute(a, b, 4),
  xperm8: (a, b) => permute(a, b, 8),
  ...Object.fromEntries(numbered('mop.rr', 8).map((name) => [name, () => 0n])),
};

const UNARY_FORMS: Readonly<Record<string, (a: bigint) => bigint>> = {
  clz: (a) => (a === 0n ? 64n : leading(a, 64)),
  ctz: (a) => (a === 0n ? 64n : BigInt(digits(a, 64).length - 1 - digits(a, 64).lastIndexOf('1'))),
  cpop: (a) => BigInt(digits(a, 64).replaceAll('0', '').length),
  clzw: (a) => (u32(a) === 0n ? 32n : leading(a, 32)),
  ctzw: (a) => (u32(a) === 0n ? 32n : BigInt(31 - digits(a, 32).lastIndexOf('1'))),
  cpopw: (a) => BigInt(digits(a, 32).replaceAll('0', '').length),
  'sext.b': (a) => BigInt.asIntN(8, a),
  'sext.h': (a) => BigInt.asIntN(16, a),
  'zext.h': (a) => a & 0xffffn,
  'orc.b': (a) =>
    BigInt(
      `0x${bytes(a)
        .map((byte) => (byte === '00' ? '00' : 'ff'))
        .join('')}`,
    ),
  rev8: (a) => BigInt(`0x${bytes(a).reverse().join('')}`),
  brev8: (a) =>
    join(
      groups(a, 8).map((byte) => BigInt(`0b${[...digits(byte, 8)].reverse().join('')}`)),
      8,
    ),
  ...Object.fromEntries(numbered('mop.r', 32).map((name) => [name, () => 0n])),
};

/** Immediate forms: the register form with the immediate as second operand. */
const IMMEDIATE_FORMS: Readonly<Record<string, readonly [of: string, shiftLimit?: number]>> = {
  addi: ['add'],
  slti: ['slt'],
  sltiu: ['sltu'],
  xori: ['xor'],
  ori: ['or'],
  andi: ['and'],
  addiw: ['addw'],
  slli: ['sll', 64],
  srli: ['srl', 64],
  srai: ['sra', 64],
  slliw: ['sllw', 32],
  srliw: ['srlw', 32],
  sraiw: ['sraw', 32],
  rori: ['ror', 64],
  roriw: ['rorw', 32],
  bclri: ['bclr', 64],
  bexti: ['bext', 64],
  binvi: ['binv', 64],
  bseti: ['bset', 64],
};

function run(machine: Evaluator, text: string): Ending | undefined {
  return machine.execute(decode(assemble(text, machine.programCounter))!);
}

describe(`integer instructions against their definitions (SEED=${SEED})`, () => {
  const { next, below, pick } = random(SEED);
  const operand = () => (below(3) === 0 ? pick(EDGES) : next() >> BigInt(below(64)));

  test.each(Object.entries(REGISTER_FORMS))('%s', (name, expected) => {
    const machine = new Evaluator();
    for (let i = 0; i < ROUNDS; i++) {
      const [a, b] = [operand(), below(8) === 0 ? pick(EDGES) : operand()];
      // Every way in which the registers may coincide.
      for (const [rd, rs1, rs2] of [
        [5, 6, 7],
        [6, 6, 7],
        [7, 6, 7],
        [6, 6, 6],
      ] as const) {
        machine.x_[rs1] = a;
        machine.x_[rs2] = rs1 === rs2 ? a : b;
        expect(run(machine, `${name} x${rd},x${rs1},x${rs2}`)).toBeUndefined();
        const result = expected(a, rs1 === rs2 ? a : b) & MASK;
        if (machine.x_[rd] !== result) {
          expect(machine.x_[rd], `${name} x${rd},x${rs1},x${rs2} of ${a}, ${b}`).toBe(result);
        }
      }
    }
    run(machine, `${name} x0,x5,x6`);
    expect(machine.x_[0]).toBe(0n);
  });

  test.each(Object.entries(UNARY_FORMS))('%s', (name, expected) => {
    const machine = new Evaluator();
    for (let i = 0; i < ROUNDS; i++) {
      const a = i < EDGES.length ? EDGES[i]! : operand();
      machine.x_[6] = a;
      run(machine, `${name} x6,x6`);
      expect(machine.x_[6], `${name} of 0x${a.toString(16)}`).toBe(expected(a) & MASK);
    }
  });

  test.each(Object.entries(IMMEDIATE_FORMS))('%s', (name, [of, shiftLimit]) => {
    const machine = new Evaluator();
    for (let i = 0; i < ROUNDS; i++) {
      const a = operand();
      const imm = shiftLimit === undefined ? below(4096) - 2048 : below(shiftLimit);
      machine.x_[6] = a;
      run(machine, `${name} x5,x6,${imm}`);
      const result = REGISTER_FORMS[of]!(a, BigInt(imm) & MASK) & MASK;
      expect(machine.x_[5], `${name} of ${a}, ${imm}`).toBe(result);
    }
  });

  test('slli.uw, lui, auipc', () => {
    const machine = new Evaluator();
    machine.x_[6] = 0xfedcba98_87654321n;
    run(machine, 'slli.uw x5,x6,36');
    expect(machine.x_[5]).toBe((0x87654321n << 36n) & MASK);
    run(machine, 'lui x5,0x80000');
    expect(machine.x_[5]).toBe(0xffffffff80000000n);
    machine.programCounter = 0x8000_1000n;
    run(machine, 'auipc x5,0xfffff');
    expect(machine.x_[5]).toBe(0x8000_0000n);
  });
});

describe('control flow', () => {
  const at = (pc: bigint) => Object.assign(new Evaluator(), { programCounter: pc });

  test('jalr clears bit 0, and reads rs1 before it writes rd', () => {
    const machine = at(0x8000_0000n);
    machine.x_[1] = 0x1003n;
    expect(run(machine, 'jalr x1,4(x1)')).toEqual({ kind: 'jump', target: 0x1006n });
    expect(machine.x_[1]).toBe(0x8000_0004n);
  });

  test('jal links, compressed jumps link behind two bytes', () => {
    const machine = at(0x8000_0000n);
    expect(run(machine, 'jal x5,0x7fffff00')).toEqual({ kind: 'jump', target: 0x7fffff00n });
    expect(machine.x_[5]).toBe(0x8000_0004n);
    expect(run(machine, 'c.jalr x5')).toEqual({ kind: 'jump', target: 0x8000_0004n });
    expect(machine.x_[1]).toBe(0x8000_0002n);
  });

  test.each([
    ['beq', 1n, 1n, true],
    ['beq', 1n, 2n, false],
    ['bne', 1n, 2n, true],
    ['bne', 2n, 2n, false],
    ['blt', MASK, 0n, true],
    ['blt', 0n, MASK, false],
    ['bge', 0n, MASK, true],
    ['bge', 5n, 5n, true],
    ['bge', MASK, 0n, false],
    ['bltu', 0n, MASK, true],
    ['bltu', MASK, MASK, false],
    ['bgeu', MASK, 0n, true],
    ['bgeu', 0n, 1n, false],
  ])('%s of %d and %d', (name, a, b, taken) => {
    const machine = at(0x1000n);
    machine.x_[5] = a;
    machine.x_[6] = b;
    expect(run(machine, `${name} x5,x6,0x0f00`)).toEqual({ kind: 'jump', target: taken ? 0xf00n : 0x1004n });
  });

  test.each([
    ['ecall', 'ecall'],
    ['ebreak', 'ebreak'],
    ['c.ebreak', 'ebreak'],
    ['mret', 'mret'],
    ['sret', 'sret'],
    ['wfi', 'wfi'],
    ['fence.i', 'fence.i'],
    ['sfence.vma x0,x0', 'sfence.vma'],
    ['wrs.nto', 'wrs.nto'],
    ['amocas.q x2,x4,(x6)', 'amocas.q'],
    ['cbo.clean (x5)', 'cbo'],
    ['csrrw x1,mstatus,x2', 'csr'],
    ['csrrci x1,mstatus,3', 'csr'],
  ])('%s leaves for the slow path', (text, reason) => {
    expect(run(at(0n), text)).toEqual({ kind: 'leave', reason });
  });

  test.each([
    'fence rw,rw',
    'pause',
    'wrs.sto',
    'ntl.p1',
    'ntl.all',
    'c.ntl.pall',
    'c.mop.15',
    'prefetch.i 0(x5)',
    'prefetch.r 2016(x5)',
    'prefetch.w -2048(x5)',
  ])('%s changes nothing and goes on', (text) => {
    const machine = at(0x1000n);
    machine.x_.forEach((_, index) => {
      machine.x_[index] = index === 0 ? 0n : MASK - BigInt(index);
    });
    const before = [...machine.x_];
    expect(run(machine, text)).toBeUndefined();
    expect([...machine.x_]).toEqual(before);
  });
});

describe('memory', () => {
  const machine = new Evaluator();
  const value = 0x8182_8384_8586_8788n;

  test.each([
    ['lb', 0xffffffffffffff88n],
    ['lbu', 0x88n],
    ['lh', 0xffffffffffff8788n],
    ['lhu', 0x8788n],
    ['lw', 0xffffffff85868788n],
    ['lwu', 0x85868788n],
    ['ld', value],
  ])('%s', (name, expected) => {
    machine.memory.setBigUint64(0x40, value, true);
    machine.x_[6] = 0x48n;
    run(machine, `${name} x6,-8(x6)`);
    expect(machine.x_[6]).toBe(expected);
  });

  test.each([
    ['sb', 0x88n],
    ['sh', 0x8788n],
    ['sw', 0x85868788n],
    ['sd', value],
  ])('%s', (name, expected) => {
    machine.memory.setBigUint64(0x40, 0n, true);
    machine.x_[6] = 0x38n;
    machine.x_[7] = value;
    run(machine, `${name} x7,8(x6)`);
    expect(machine.memory.getBigUint64(0x40, true)).toBe(expected);
  });

  test.each([
    ['amoswap', 0x80000001n, 5n, 5n],
    ['amoadd', 0xffffffffn, 2n, 1n],
    ['amoxor', 0xf0n, 0xffn, 0x0fn],
    ['amoand', 0xf0n, 0x3cn, 0x30n],
    ['amoor', 0xf0n, 0x0fn, 0xffn],
    ['amomin', 0x80000000n, 1n, 0x80000000n],
    ['amomax', 0x80000000n, 1n, 1n],
    ['amominu', 0x80000000n, 1n, 1n],
    ['amomaxu', 0x80000000n, 1n, 0x80000000n],
  ])('%s.w', (name, old, operand, stored) => {
    machine.memory.setBigUint64(0x80, 0xaaaaaaaa00000000n | old, true);
    machine.x_[6] = 0x80n;
    // The upper half of rs2 takes no part.
    machine.x_[7] = 0x1234567800000000n | operand;
    run(machine, `${name}.w x7,x7,(x6)`);
    expect(machine.x_[7]).toBe(s32(old) & MASK);
    expect(machine.memory.getBigUint64(0x80, true)).toBe(0xaaaaaaaa00000000n | stored);
    // The 64-bit form on the same operands, shifted to the top.
    machine.memory.setBigUint64(0x80, old << 32n, true);
    machine.x_[7] = operand << 32n;
    run(machine, `${name}.d x5,x7,(x6)`);
    expect(machine.x_[5]).toBe(old << 32n);
    expect(machine.memory.getBigUint64(0x80, true)).toBe((stored << 32n) & MASK);
  });

  test('lr and sc', () => {
    machine.memory.setBigUint64(0x80, 0xffffffff_80000000n, true);
    machine.x_[6] = 0x80n;
    machine.x_[7] = 7n;
    run(machine, 'lr.w x5,(x6)');
    expect(machine.x_[5]).toBe(0xffffffff80000000n);
    run(machine, 'sc.w x5,x7,(x6)');
    expect([machine.x_[5], machine.memory.getUint32(0x80, true)]).toEqual([0n, 7]);
    run(machine, 'sc.d x5,x7,(x6)');
    expect(machine.x_[5]).toBe(1n);
  });
});
