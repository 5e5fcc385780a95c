import { describe, expect, test } from 'vitest';
import { parseSource } from './source.ts';

/** Each statement as `line: labels| operation | operands`. */
function check(text: string): string[] {
  return parseSource(text)
    .statements.filter(({ labels, operation }) => labels.length > 0 || operation !== undefined)
    .map(({ line, labels, operation, operands }) =>
      [
        `${line}:`,
        ...labels.map((label) => `${label.text}:`),
        ...(operation === undefined ? [] : [operation.text]),
        ...operands.map((operand) => `<${operand.text}>`),
      ].join(' '),
    );
}

describe('statements', () => {
  test.each<[string, string[]]>([
    ['add a0, a1, a2', ['0: add <a0> <a1> <a2>']],
    ['\tld\ta0,8(sp)', ['0: ld <a0> <8(sp)>']],
    ['_start: li sp, 1', ['0: _start: li <sp> <1>']],
    ['1:\nj 1b', ['0: 1:', '1: j <1b>']],
    ['a: b: nop', ['0: a: b: nop']],
    ['nop; ret # nop; nop', ['0: nop', '0: ret']],
    ['nop // comment', ['0: nop']],
    ['nop /* x */ ; /* a\nb */ ret', ['0: nop', '1: ret']],
    ['# just a comment', []],
    ['  # include nothing'.replace('include', 'includes'), []],
    ['#define X \\\n  foo a0 ; \\\n  bar\nnop', ['3: nop']],
    ['#if defined(__riscv) /* x\n*/ nop', ['1: */ <nop>']],
    ['.string "a; b # c"; nop', ['0: .string <"________">', '0: nop']],
    ['.ascii "\\"; nop', ['0: .ascii <"_______>']],
    ["li a0, ';' ; li a1, '\\n' ; li a2, '#", ['0: li <a0> <000>', '0: li <a1> <0000>', '0: li <a2> <00>']],
    ['x = 3 + y', ['0: x:']],
    ['x=3', ['0: x:']],
    ['\\name\\()_end: nop', ['0: \\name\\()_end: nop']],
    ['la a0, sym + (4, 5)', ['0: la <a0> <sym + (4, 5)>']],
    ['add a0, a1,', ['0: add <a0> <a1> <>']],
    ['FUNC(foo)', ['0: FUNC(foo)']],
    ['', []],
  ])('%j', (text, expected) => {
    expect(check(text)).toEqual(expected);
  });
});

test('columns are those of the line', () => {
  const [statement] = parseSource('  loop:  addi a0 , a0, -1 # down').statements;
  const piece = ({ start, end }: { start: number; end: number }) => [start, end];
  expect(statement!.labels.map(piece)).toEqual([[2, 6]]);
  expect(piece(statement!.operation!)).toEqual([9, 13]);
  expect(statement!.operands.map(piece)).toEqual([
    [14, 16],
    [19, 21],
    [23, 25],
  ]);
});

test('names that macros, headers and labels define', () => {
  const source = parseSource(`
#include "trap.h"
#define SAVE(n) sd x##n, (8 * n)(sp)
.macro restore reg, at
  ld \\reg, \\at(sp)
.endm
.include "more.S"
.globl entry
.equ SIZE, 4
entry: nop
`);
  expect([...source.macros]).toEqual(['SAVE', 'restore']);
  expect(source.includes).toEqual(['trap.h', 'more.S']);
  expect(source.opaqueInclude).toBe(false);
  expect([...source.symbols]).toEqual(['entry', 'SIZE']);
  expect(parseSource('#include <linux/linkage.h>').opaqueInclude).toBe(true);
  expect(parseSource('#include CONFIG_HEADER').opaqueInclude).toBe(true);
});
