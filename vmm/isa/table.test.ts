import { describe, expect, test } from 'vitest';
import { random, SEED } from '../../test/support/random.ts';
import { createDecoded, decode, decodeInto } from './decode.ts';
import { FORMATS } from './formats.ts';
import { ALIASES, PSEUDO_INSTRUCTIONS, pseudoByName } from './pseudo.ts';
import { COMPRESSED_TOKENS, splitSyntax, TOKENS } from './syntax.ts';
import { COMPRESSED, INSTRUCTIONS, instructionByName } from './table.ts';

describe('the instruction table', () => {
  test('no two 32-bit encodings overlap but where one refines the other', () => {
    const overlaps = INSTRUCTIONS.flatMap((a, index) =>
      INSTRUCTIONS.slice(index + 1)
        .filter((b) => ((a.match ^ b.match) & a.mask & b.mask) === 0)
        .filter((b) => a.refines !== b.name && b.refines !== a.name)
        .map((b) => `${a.name} and ${b.name}`),
    );
    expect(overlaps).toEqual([]);
  });

  test('what refines another has some of its encodings', () => {
    const refining = [...INSTRUCTIONS, ...COMPRESSED].filter(({ refines }) => refines !== undefined);
    expect(refining.length).toBeGreaterThan(8);
    for (const { name, match, mask, refines } of refining) {
      const refined = instructionByName(refines!)!;
      expect(mask & refined.mask, name).toBe(refined.mask);
      expect(match & refined.mask, name).toBe(refined.match);
      expect(mask, name).not.toBe(refined.mask);
    }
  });

  test('at most one instruction has each 16-bit encoding', () => {
    const overlaps: string[] = [];
    for (let raw = 0; raw < 0x10000; raw++) {
      const legal = COMPRESSED.filter(
        ({ match, mask, expand }) => (raw & mask) === match && expand(raw) !== undefined,
      );
      const unrefined = legal.filter(({ name }) => !legal.some(({ refines }) => refines === name));
      if (unrefined.length > 1)
        overlaps.push(`0x${raw.toString(16)}: ${unrefined.map(({ name }) => name).join(', ')}`);
    }
    expect(overlaps).toEqual([]);
  });

  test('lengths agree with the low bits', () => {
    for (const { name, match, mask } of INSTRUCTIONS) expect([match & 3, mask & 3], name).toEqual([3, 3]);
    for (const { name, match, mask } of COMPRESSED) {
      expect(match & 3, name).not.toBe(3);
      expect(mask & 3, name).toBe(3);
      expect(match & ~mask, name).toBe(0);
    }
  });

  test('names are unique and found', () => {
    const all = [...INSTRUCTIONS, ...COMPRESSED];
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
    for (const instruction of all) expect(instructionByName(instruction.name)).toBe(instruction);
    expect(instructionByName('vadd.vv')).toBeUndefined();
  });

  test('descriptions are one sentence', () => {
    for (const { name, description } of [
      ...INSTRUCTIONS,
      ...COMPRESSED,
      ...ALIASES,
      ...PSEUDO_INSTRUCTIONS,
    ]) {
      expect(description, name).toMatch(/^[A-Z0-9r][^.;].*[^.]\.$/);
    }
  });

  test('syntax uses known operands', () => {
    const literals = new Set(['(', ')', ',']);
    for (const { syntax } of Object.values(FORMATS)) {
      for (const part of splitSyntax(syntax)) expect(literals.has(part) || part in TOKENS, part).toBe(true);
    }
    for (const { syntax } of COMPRESSED) {
      const known = (part: string) => literals.has(part) || part === 'sp' || part in COMPRESSED_TOKENS;
      for (const part of splitSyntax(syntax)) expect(known(part), part).toBe(true);
    }
  });

  test('pseudo-instructions say what they mean', () => {
    expect(pseudoByName('li')?.meaning).toBe('addi rd,zero,imm');
    expect(pseudoByName('ret')?.meaning).toBe('jalr zero,0(ra)');
    expect(pseudoByName('not')?.meaning).toBe('xori rd,rs1,-1');
    expect(pseudoByName('csrr')?.meaning).toBe('csrrs rd,csr,zero');
    expect(pseudoByName('rdtime')?.meaning).toBe('csrrs rd,time,zero');
    expect(pseudoByName('fneg.d')?.meaning).toBe('fsgnjn.d fd,fs1,fs1');
    expect(pseudoByName('fence.tso')?.meaning).toBe('fence rw,rw');
    expect(pseudoByName('call')?.syntax).toBe('symbol');
    expect(pseudoByName('fgt.s')?.meaning).toBe('flt.s rd,fs2,fs1');
    expect(pseudoByName('add')).toBeUndefined();
  });

  test('a pseudo-instruction of several forms is told with all operands', () => {
    expect(pseudoByName('fsrm')).toMatchObject({ syntax: 'rd,rs1', meaning: 'csrrw rd,frm,rs1' });
    expect(pseudoByName('jr')?.syntax).toBe('rs1');
  });
});

describe('decoding', () => {
  test('extracts operands', () => {
    expect(decode(0xfe0a8ae3)).toMatchObject({ length: 4, rs1: 21, rs2: 0, imm: -12 });
    expect(decode(0xfff00513)?.imm).toBe(-1);
    expect(decode(0x03f55513)).toMatchObject({ imm: 63, rd: 10, rs1: 10 });
    expect(decode(0x41f5551b)).toMatchObject({ imm: 31 });
    expect(decode(0x800002b7)?.imm).toBe(-0x80000000);
    expect(decode(0xfe113423)).toMatchObject({ imm: -24, rs1: 2, rs2: 1 });
    expect(decode(0x300fd073)).toMatchObject({ imm: 31 });
    expect(decode(0xffdff06f)?.imm).toBe(-4);
    expect(decode(0x6ac5f543)).toMatchObject({ rs3: 13, rs2: 12, rs1: 11, rd: 10 });
  });

  test('expands compressed instructions', () => {
    const decoded = decode(0xffff_1141);
    expect(decoded).toMatchObject({ length: 2, raw: 0xff010113 | 0, rd: 2, rs1: 2, imm: -16 });
    expect(decoded?.instruction.name).toBe('addi');
    expect(INSTRUCTIONS[decoded!.index]).toBe(decoded!.instruction);
  });

  test('leaves the target alone when there is no instruction', () => {
    const target = createDecoded();
    expect(decodeInto(target, 0x00b50533)).toBe(true);
    const before = { ...target };
    // All zeros, all ones, a reserved funct3 of loads, c.lwsp to x0, c.addi4spn by zero, RV32's c.jal... as c.addiw.
    for (const raw of [0, -1, 0x00007003, 0x4002, 0x0004, 0x2001]) {
      expect(decodeInto(target, raw), raw.toString(16)).toBe(false);
      expect(target).toEqual(before);
    }
  });

  test(`agrees with match and mask on random words (SEED=${SEED})`, () => {
    const { next } = random(SEED);
    const target = createDecoded();
    const hints = INSTRUCTIONS.filter(({ refines }) => refines !== undefined);
    for (let i = 0; i < 100_000; i++) {
      const bits = Number(BigInt.asIntN(32, next()));
      const near = hints[i]!;
      const raw = i < hints.length ? near.match | (bits & ~near.mask) : bits | 3;
      const possible = INSTRUCTIONS.filter(({ match, mask }) => (raw & mask) === match);
      const expected = possible.find(({ name }) => !possible.some(({ refines }) => refines === name));
      const found = decodeInto(target, raw) ? INSTRUCTIONS[target.index] : undefined;
      if (found !== expected) expect(found, raw.toString(16)).toBe(expected);
    }
  });
});
