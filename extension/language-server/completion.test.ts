import { describe, expect, test } from 'vitest';
import { completionsAt, type Suggestion } from './completion.ts';
import { parseSource } from './source.ts';

/** What is suggested at the `|` in the text. */
function suggestions(marked: string): readonly Suggestion[] {
  const before = marked.slice(0, marked.indexOf('|')).split('\n');
  return completionsAt(parseSource(marked.replace('|', '')), before.length - 1, before.at(-1)!.length);
}

const labels = (marked: string): string[] => suggestions(marked).map(({ label }) => label);
const kinds = (marked: string): string[] => [...new Set(suggestions(marked).map(({ kind }) => kind))];

describe('where a statement begins', () => {
  test.each(['|', '  ad|', 'loop: |', 'nop; |', 'loop: ad|'])(
    '%j offers mnemonics and directives',
    (marked) => {
      expect(labels(marked)).toEqual(
        expect.arrayContaining(['addi', 'csrrw', 'ret', 'c.addi', 'sret', '.globl']),
      );
      expect(new Set(labels(marked)).size).toBe(labels(marked).length);
    },
  );
  test('macros of the file, too', () => {
    expect(labels('.macro save\n.endm\n  sa|')).toContain('save');
  });
  test('the word begun is replaced, dots included', () => {
    expect(suggestions('  csrr|')[0]).toMatchObject({ start: 2, end: 6 });
    expect(suggestions('.ba|')[0]).toMatchObject({ start: 0, end: 3 });
    expect(suggestions('  lr.w|')[0]).toMatchObject({ start: 2, end: 6 });
  });
});

describe('where an operand stands', () => {
  test.each([
    ['add |', 'register', 'a0'],
    ['add a0, a|', 'register', 'a1'],
    ['addi a0, sp, |', 'keyword', '%lo'],
    ['ld a0, 8(|', 'register', 'sp'],
    ['amoswap.w.aq a0, a1, (|', 'register', 'a2'],
    ['fadd.d fa0, |', 'register', 'fa1'],
    ['fadd.d fa0, fa1, fa2, |', 'keyword', 'rtz'],
    ['fence r|', 'keyword', 'rw'],
    ['csrrw a0, |', 'csr', 'mstatus'],
    ['csrw s|', 'csr', 'satp'],
    ['csrr a0, |', 'csr', 'mhartid'],
    ['x: beq a0, a1, |', 'symbol', 'x'],
    ['x: la a0, |', 'symbol', 'x'],
    ['lui a0, %|', 'keyword', '%hi'],
  ])('%j offers %s, such as %s', (marked, kind, label) => {
    expect(kinds(marked)).toEqual([kind]);
    expect(labels(marked)).toContain(label);
  });

  test('float registers are not offered for integers', () => {
    expect(labels('add |')).not.toContain('fa0');
    expect(labels('fadd.s |')).not.toContain('a0');
  });
});

test.each([
  'add a0, a1, a2, |',
  'nop # ad|',
  'nop // |',
  '.globl |',
  'ret |',
  '#define |',
  '/* a| */',
  'frob |',
])('nothing at %j', (marked) => {
  expect(labels(marked)).toEqual([]);
});
