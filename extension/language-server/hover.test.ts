import { describe, expect, test } from 'vitest';
import { hoverAt } from './hover.ts';
import { parseSource } from './source.ts';

/** The hover at the `|` in the text, as `start-end` and its lines. */
function check(marked: string): { range: string; lines: string[] } | undefined {
  const before = marked.slice(0, marked.indexOf('|')).split('\n');
  const source = parseSource(marked.replace('|', ''));
  const hover = hoverAt(source, before.length - 1, before.at(-1)!.length);
  return (
    hover && {
      range: `${hover.start}-${hover.end}`,
      lines: hover.markdown.split('\n').filter((line) => line !== ''),
    }
  );
}

describe('instructions', () => {
  test('syntax, description, extension and encoding', () => {
    expect(check('  ad|di a0, a0, 1')).toEqual({
      range: '2-6',
      lines: [
        '```riscv-asm',
        'addi rd, rs1, imm',
        '```',
        'Adds an immediate. *(I extension)*',
        '| 31:20 | 19:15 | 14:12 | 11:7 | 6:0 |',
        '| :-: | :-: | :-: | :-: | :-: |',
        '| `imm[11:0]` | `rs1` | `000` | `rd` | `0010011` |',
      ],
    });
  });
  test('a pseudo-instruction says what it becomes', () => {
    expect(check('x: |ret')!.lines.slice(1)).toEqual([
      'ret',
      '```',
      'Returns to the address in ra. *(pseudo-instruction)*',
      'Assembles to `jalr zero, 0(ra)`',
    ]);
    expect(check('|la a0, x')!.lines.at(-1)).toBe(
      'Assembles to `auipc rd, %pcrel_hi(symbol); addi rd, rd, %pcrel_lo(…)`',
    );
  });
  test('ordering of atomics', () => {
    expect(check('lr.d.aq| a0, (a1)')!.lines.join()).toContain('Acquire: later memory operations');
  });
  test('of another extension', () => {
    expect(check('|vsetvli t0, a0, e8')!.lines[0]).toBe('**vsetvli** — V (vector)');
  });
});

describe('operands', () => {
  test('a register by each of its names', () => {
    expect(check('mv a0, x1|0')!.lines[0]).toBe('**a0** (x10) — register');
    expect(check('ld ra, 8(f|p)')).toMatchObject({
      range: '9-11',
      lines: ['**s0** (x8) — register', expect.any(String)],
    });
    expect(check('fmv.d fa0, |fs11')!.lines[0]).toBe('**fs11** (f27) — register');
  });
  test('a CSR with number, access and fields', () => {
    const { range, lines } = check('csrr t0, s|cause')!;
    expect(range).toBe('9-15');
    expect(lines[0]).toBe('**scause** — CSR 0x142, S-mode, read and write');
    expect(lines.slice(2, 4)).toEqual(['| bits | field | meaning |', '| -: | :- | :- |']);
    expect(lines[4]).toMatch(/^\| 63 \| Interrupt \| /);
    expect(check('csrr t0, mhartid|')!.lines[0]).toBe('**mhartid** — CSR 0xf14, M-mode, read only');
  });
  test('a relocation', () => {
    expect(check('lui a0, %h|i(x)')!.lines).toEqual(['**%hi** — Bits 31:12 of a symbol, for lui.']);
  });
});

test('a directive', () => {
  expect(check('.bal|ign 8')).toMatchObject({
    range: '0-7',
    lines: ['**.balign** — directive', expect.any(String)],
  });
});

test.each([
  'nop # ad|d',
  '/* ad|di */',
  'foo|: nop',
  'la a0, sym|bol',
  '.string "ad|d"',
  '|',
  '#define ad|d',
])('nothing at %j', (marked) => {
  expect(check(marked)).toBeUndefined();
});

test('a macro hides the instruction of its name', () => {
  expect(check('.macro not a\n.endm\nno|t a0')).toBeUndefined();
});
