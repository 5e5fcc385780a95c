import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VmError } from '../../vmm/base/vm-error.ts';
import { evaluate, evaluateCondition, parseExpression } from './evaluate.ts';
import { render } from './render.ts';
import {
  arrayOf,
  fakeContext,
  I32,
  inMemoryAt,
  MEMORY_BASE,
  NODE,
  nodeMemory,
  pointerTo,
  STATE,
  U8,
  U64,
} from './testing.ts';
import { toBytes } from './value.ts';

const CONTEXT = fakeContext({
  registers: {
    a0: 0xffff_ffff_ffff_fff6n,
    a1: 42n,
    pc: 0x8000_0004n,
    sp: MEMORY_BASE,
    fa0: 0x3ff8_0000_0000_0000n,
    fa1: 0xffff_ffff_3fc0_0000n,
  },
  csrs: { mstatus: 0x1888n, satp: 8n << 60n },
  csrFields: [
    { name: 'MIE', low: 3, high: 3 },
    { name: 'MPP', low: 11, high: 12 },
  ],
  memory: nodeMemory(),
  variables: {
    node: inMemoryAt(NODE, MEMORY_BASE),
    head: { type: pointerTo(NODE), location: { kind: 'bytes', bytes: toBytes(MEMORY_BASE, 8) } },
    bytes: inMemoryAt(arrayOf(U8, 64), MEMORY_BASE),
    count: { type: I32, location: { kind: 'register', register: 11 } },
    a7: { type: I32, location: { kind: 'bytes', bytes: toBytes(7n, 4) } },
    gone: { type: I32, location: { kind: 'unavailable', reason: 'optimized out' } },
    unmapped: inMemoryAt(U64, 0x9000n),
  },
  symbols: { main: 0x8000_0000n, stack_top: 0x8000_2000n },
  types: [NODE, U64, { kind: 'typedef', name: 'node_t', size: 32, target: NODE }],
  enumerators: { RUNNING: { type: STATE, value: 5n }, DEAD: { type: STATE, value: -1n } },
});

async function shown(text: string): Promise<string> {
  const { value, format } = await evaluate(text, CONTEXT);
  return (await render(value, CONTEXT, format)).text;
}

async function failure(text: string): Promise<[string, number | undefined]> {
  try {
    await evaluate(text, CONTEXT);
  } catch (error) {
    expect(error).toBeInstanceOf(VmError);
    return [(error as VmError).message, (error as VmError).column];
  }
  return ['no error', undefined];
}

describe('evaluate', () => {
  it.each([
    ['1 + 2 * 3', '7'],
    ['(1 + 2) * 3', '9'],
    ['10 - 4 - 3', '3'],
    ['7 / 2', '3'],
    ['-7 / 2', '-3'],
    ['-7 % 4', '-3'],
    ['1 << 4 | 1', '17'],
    ['0xff & ~0xf', '240'],
    ['6 ^ 3', '5'],
    ['1 < 2 == 1', '1'],
    ['!5', '0'],
    ['!!5', '1'],
    ['1 ? 2 : 3', '2'],
    ['0 ? 2 : 1 ? 4 : 5', '4'],
    ['1 && 0 || 1', '1'],
    ['0b101', '5'],
    ['017', '15'],
    ["'a'", "97 'a'"],
    ["'\\n' == 10", '1'],
    ['0xffffffffffffffff', '18446744073709551615'],
    ['0xffffffffffffffff + 1', '0'],
    ['0x7fffffffffffffff + 1', '-9223372036854775808'],
    ['-1 > 1u', '1'],
    ['-1 < 1', '1'],
    ['1.5 * 2', '3'],
    ['1.5 > 1', '1'],
    ['(int)3.9', '3'],
    ['-1 >> 1', '-1'],
    ['0x8000000000000000 >> 63', '1'],
  ])('computes %s', async (text, result) => {
    expect(await shown(text)).toBe(result);
  });

  it.each([
    ['$a0', '0xfffffffffffffff6'],
    ['a0', '0xfffffffffffffff6'],
    ['$a0,d', '-10'],
    ['$A1', '0x2a'],
    ['$a1 + 1', '43'],
    ['$pc,a', '0x80000004 <main+4>'],
    ['a7', '7'],
    ['$fa0', '1.5'],
    ['$fa1', '1.5'],
    ['$mstatus', '0x1888'],
    ['mstatus.MPP', '0x3'],
    ['$mstatus.mie,d', '1'],
    ['$satp >> 60', '8'],
    ['$x9', '<not preserved (x9 of this frame was overwritten by its callee)>'],
  ])('reads registers and CSRs: %s', async (text, result) => {
    expect(await shown(text)).toBe(result);
  });

  it.each([
    ['node.value', '-7'],
    ['node.next->value', '99'],
    ['head->next->value', '99'],
    ['head.value', '-7'],
    ['(*head).value', '-7'],
    ['node.low', '5'],
    ['node.high', '-3'],
    ['node.x', '-2'],
    ['node.name', '"first"'],
    ['node.next->name', '"a\\"\\n"'],
    ['node.name[1]', "105 'i'"],
    ['node.state', 'RUNNING'],
    ['node.state == RUNNING', '1'],
    ['node.next->state', '(enum state) 7'],
    ['DEAD < 0', '1'],
    ['&node', '0x1000'],
    ['&node.value', '0x1008'],
    ['*&node.value', '-7'],
    ['&head[1]', '0x1020'],
    ['head + 1', '0x1020'],
    ['(head + 1) - head', '1'],
    ['head[1].value', '99'],
    ['bytes[8],x', '0xf9'],
    ['*bytes', '32'],
    ['bytes + 1', '0x1001'],
    ['*(int *)0x1008', '-7'],
    ['*0x1000', '4128'],
    ['*$sp', '4128'],
    ['((struct node *)$sp)->value', '-7'],
    ['((node_t *)$sp)->value', '-7'],
    ['(unsigned char)node.value', '249'],
    ['(uint64_t)node.value', '18446744073709551609'],
    ['(unsigned)node.value,x', '0xfffffff9'],
    ['(count)-1', '41'],
    ['(bool)5', 'true'],
    ['sizeof(struct node)', '32'],
    ['sizeof node.name', '8'],
    ['sizeof(node_t) * 2', '64'],
    ['main', '0x80000000 <main>'],
    ['&main', '0x80000000 <main>'],
    ['main + 4', '2147483652'],
    ['stack_top - main', '8192'],
    ['gone', '<optimized out>'],
    ['unmapped', '<cannot read memory at 0x9000>'],
    ['head && head->next->value == 99', '1'],
    ['0 && gone', '0'],
    ['node.value,b', '0b11111111111111111111111111111001'],
    ['(void *)0', '0x0'],
  ])('follows the program: %s', async (text, result) => {
    expect(await shown(text)).toBe(result);
  });

  it.each([
    ['', 'an expression is missing', 1],
    ['1 +', 'the expression ends too early', 4],
    ['1 2', 'unexpected "2"', 3],
    ['(1', '")" expected at the end', 3],
    ['a[1', '"]" expected at the end', 4],
    ['nothing + 1', 'nothing here is named "nothing"', 1],
    ['1 + $nothing', 'no register or CSR named "$nothing"', 5],
    ['node.wrong', 'struct node has no member "wrong"', 5],
    ['count.x', 'the type is int', 6],
    ['mstatus.XYZ', 'mstatus has no field "XYZ": it has MIE, MPP', 8],
    ['1 / 0', 'division by zero', 3],
    ['1 % (a1 - 42)', 'division by zero', 3],
    ['count = 5', '"=" cannot stand in an expression', 7],
    ['count++', '"++" cannot stand in an expression', 6],
    ['main(1)', 'functions of the guest cannot be called', 5],
    ['1 # 2', 'unexpected "#"', 3],
    ['12ab', '"12ab" in column 1 is no number', 1],
    ['08', 'no octal number', 1],
    ['0x1ffffffffffffffff', 'does not fit 64 bits', 1],
    ['node + 1', 'a number is needed, not a value of type struct node', 6],
    ['&5', 'this has no address', 1],
    ['&node.low', 'this has no address', 1],
    ['*(void *)8', 'must be cast', 1],
    ['(struct missing *)0', 'there is no type "struct missing"', 2],
    ['1,q', '"q" is no format', 3],
    ['gone + 1', 'a value is not available: optimized out', 6],
    ['1.5 % 2', '"%" needs integers', 5],
    [`${'('.repeat(500)}1`, 'nested too deeply', 202],
  ])('explains what is wrong with %s', async (text, message, column) => {
    const [found, at] = await failure(text);
    expect(found).toContain(message);
    expect(at).toBe(column);
  });

  it('checks syntax without a machine', () => {
    expect(parseExpression('a->b == (uint64_t)c + *p').text).toBe('a->b == (uint64_t)c + *p');
    expect(() => parseExpression('a ->')).toThrow(VmError);
  });

  it('decides conditions', async () => {
    expect(await evaluateCondition('count == 42', CONTEXT)).toBe(true);
    expect(await evaluateCondition('head->next->next', CONTEXT)).toBe(false);
    expect(await evaluateCondition('0.0', CONTEXT)).toBe(false);
    await expect(evaluateCondition('node', CONTEXT)).rejects.toThrow('a number is needed');
  });

  it('computes like 64-bit arithmetic', async () => {
    const seed = Number(process.env['SEED'] ?? 1);
    const number = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
    const operators = {
      '+': (a: bigint, b: bigint) => a + b,
      '-': (a: bigint, b: bigint) => a - b,
      '*': (a: bigint, b: bigint) => a * b,
      '&': (a: bigint, b: bigint) => a & b,
      '|': (a: bigint, b: bigint) => a | b,
      '^': (a: bigint, b: bigint) => a ^ b,
      '/': (a: bigint, b: bigint) => (b === 0n ? 0n : a / b),
      '%': (a: bigint, b: bigint) => (b === 0n ? 0n : a % b),
    };
    const operator = fc.constantFrom(...(Object.keys(operators) as (keyof typeof operators)[]));
    await fc.assert(
      fc.asyncProperty(number, operator, number, async (a, name, b) => {
        if (b === 0n && (name === '/' || name === '%')) return;
        const expected = BigInt.asUintN(64, operators[name](a, b));
        expect(await shown(`${a}u ${name} 0x${b.toString(16)}ul`)).toBe(String(expected));
        const signed = operators[name](BigInt.asIntN(64, a), BigInt.asIntN(64, b));
        const text = `(long)0x${a.toString(16)} ${name} (long)0x${b.toString(16)}`;
        expect(await shown(text)).toBe(String(BigInt.asIntN(64, signed)));
      }),
      { seed },
    );
  });

  it('throws nothing but VmError for any text', async () => {
    const seed = Number(process.env['SEED'] ?? 1);
    const piece = fc.constantFrom(
      ...[
        'node',
        'head',
        '->',
        '.',
        '[',
        ']',
        '(',
        ')',
        '*',
        '&',
        '-',
        '+',
        '<<',
        '?',
        ':',
        '1',
        '0x',
        '$a0',
        'struct node',
        ',x',
        "'",
        '1.5',
        '~',
        'sizeof',
        'bytes',
        'int',
        ' ',
        'é',
      ],
    );
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 12 }), async (pieces) => {
        try {
          const { value, format } = await evaluate(pieces.join(''), CONTEXT);
          await render(value, CONTEXT, format);
        } catch (error) {
          if (!(error instanceof VmError)) throw error;
          expect(error.code).toBe('bad-request');
        }
      }),
      { seed, numRuns: 2000 },
    );
  });
});
