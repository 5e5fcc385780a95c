import { describe, expect, test } from 'vitest';
import { findProblems, type Surroundings } from './diagnostics.ts';
import { parseSource } from './source.ts';

const ALONE: Surroundings = { macros: new Set(), complete: true };

/** Each finding as `line:start-end severity message`. */
const check = (text: string, surroundings = ALONE): string[] =>
  findProblems(parseSource(text), surroundings).map(
    ({ line, start, end, severity, message }) => `${line}:${start}-${end} ${severity} ${message}`,
  );

describe('unknown mnemonics', () => {
  test.each<[string, string[]]>([
    ['  adddi a0, a0, 1', ['0:2-7 error Unknown mnemonic "adddi": did you mean "addi"?']],
    ['x: frobnicate a0', ['0:3-13 error Unknown mnemonic "frobnicate".']],
    ['ADD a0, a0, a1', ['0:0-3 error Unknown mnemonic "ADD": did you mean "add"?']],
    ['nop; rett', ['0:5-9 error Unknown mnemonic "rett": did you mean "ret"?']],
    [
      'vsetvli t0, a0, e8',
      [
        '0:0-7 information "vsetvli" belongs to V (vector), which this machine does not implement: it traps as an illegal instruction.',
      ],
    ],
  ])('%j', (text, expected) => {
    expect(check(text)).toEqual(expected);
  });
});

describe('what is not flagged', () => {
  test.each([
    'lr.w.aqrl a0, (a1)\nfence rw, rw\ncsrr a0, mhartid\n1: j 1b',
    '.macro save\n nop\n.endm\n save',
    '#define ENTER addi sp, sp, -16\nENTER',
    'FUNC(start)\n\\op a0, a1',
    '# addd\n/* subb\n mull */ // divv',
    'symbol = 4\n.wibble 3',
    '#define M \\\n  whatever',
    '.code64\nmovq %rsp, %rax',
    'movq $1, %rax\nsyscal',
    'mov r0, #1\nldr r1, [r0]\nstr r1, [r0]\nbl foo\nbx lr\npush {lr}\nadd r0, r1, r2',
  ])('%j', (text) => {
    expect(check(text)).toEqual([]);
  });

  test('a name that an included file defines', () => {
    expect(check('SAVE_ALL a0', { macros: new Set(['SAVE_ALL']), complete: true })).toEqual([]);
  });

  test('any name, when an included file could not be read', () => {
    expect(check('SAVE_ALL a0', { macros: new Set(), complete: false })).toEqual([]);
  });
});
