import { describe, expect, test } from 'vitest';
import { assemble } from './assemble.ts';
import { createDecoded, type DecodeInto, decodeInto } from './decode.ts';
import { DEFAULT_ISA, EXTENSIONS } from './extensions.ts';
import { decoderOf } from './isa-decode.ts';
import { parseIsa } from './isa-text.ts';
import { COMPRESSED, INSTRUCTIONS } from './table.ts';

/** What harts of a configuration take an encoding for; undefined for no instruction. */
function nameOf(isa: string, raw: number): string | undefined {
  const known = decoders.get(isa) ?? decoderOf(parseIsa(isa));
  decoders.set(isa, known);
  const target = createDecoded();
  return known(target, raw) ? target.instruction.name : undefined;
}

const decoders = new Map<string, DecodeInto>();

describe('turned off', () => {
  const own = EXTENSIONS.map(({ name }) => name).filter((name) =>
    INSTRUCTIONS.some(({ extension }) => extension.toLowerCase() === name),
  );

  test.each(own.filter((name) => name !== 'i' && name !== 'zicsr'))(
    '-%s: what only it brings is gone',
    (name) => {
      const brought = INSTRUCTIONS.filter(
        ({ extension, broughtBy }) => extension.toLowerCase() === name && broughtBy === undefined,
      );
      expect(brought.length).toBeGreaterThan(0);
      for (const { name: instruction, match, mask, refines } of brought) {
        const raw = match | ~mask;
        expect(nameOf('', raw), instruction).toBe(instruction);
        expect(nameOf(`-${name}`, raw), instruction).toBe(refines);
      }
    },
  );

  test('every 16-bit instruction, with C', () => {
    for (let raw = 0; raw < 0x10000; raw++) {
      if ((raw & 3) !== 3 && nameOf('-c', raw) !== undefined) expect.fail(`0x${raw.toString(16)}`);
    }
    expect(nameOf('-c', assemble('addi a0,a0,1'))).toBe('addi');
  });

  test('a 16-bit instruction, with its extension or with that of what it stands for', () => {
    for (const [text, isa, kept] of [
      ['c.fld fa0,0(a0)', '-d', '-zfh'],
      ['c.fsdsp fa0,0(sp)', '-f', '-zcb'],
      ['c.mul a0,a1', '-zcb', '-zbb'],
      ['c.mul a0,a1', '-m', '-zba'],
      ['c.zext.w a0', '-zba', '-zbb'],
      ['c.zext.h a0', '-zbb', '-zba'],
      ['c.sext.b a0', '-zbb', '-zbkb'],
      ['c.lbu a0,0(a1)', '-zcb', '-zcmop'],
      ['c.mop.1', '-zcmop', '-zcb'],
      ['c.mop.1', '-zimop', '-zcb'],
    ] as const) {
      expect(nameOf(isa, assemble(text)), `${text} with ${isa}`).toBeUndefined();
      expect(nameOf(kept, assemble(text)), `${text} with ${kept}`).toBeDefined();
    }
  });

  test('a hint is the instruction without effect that it refines', () => {
    expect(nameOf('', assemble('pause'))).toBe('pause');
    expect(nameOf('-zihintpause', assemble('pause'))).toBe('fence');
    expect(nameOf('-zihintntl', assemble('c.ntl.all'))).toBe('add');
    expect(nameOf('-zicbop', assemble('prefetch.w 32(a0)'))).toBe('ori');
  });
});

describe('brought by several extensions', () => {
  test('what Zbb and Zbkb share', () => {
    for (const text of ['andn a0,a1,a2', 'rori a0,a1,3', 'rev8 a0,a1', 'rolw a0,a1,a2']) {
      for (const isa of ['-zbb', '-zbkb']) expect(nameOf(isa, assemble(text)), text).toBe(text.split(' ')[0]);
      expect(nameOf('-zbb,-zbkb', assemble(text)), text).toBeUndefined();
    }
    expect(nameOf('-zbkb', assemble('clz a0,a1'))).toBe('clz');
    expect(nameOf('-zbb', assemble('clz a0,a1'))).toBeUndefined();
  });

  test('zext.h is a packw where there is no Zbb', () => {
    const raw = assemble('zext.h a0,a1');
    expect(nameOf('', raw)).toBe('zext.h');
    expect(nameOf('-zbb', raw)).toBe('packw');
    expect(nameOf('-zbkb', raw)).toBe('zext.h');
    expect(nameOf('-zbb,-zbkb', raw)).toBeUndefined();
  });

  test('narrow compare-and-swap needs Zabha and Zacas', () => {
    for (const isa of ['-zabha', '-zacas', '-a']) {
      expect(nameOf(isa, assemble('amocas.b a0,a1,(a2)')), isa).toBeUndefined();
      expect(nameOf(isa, assemble('amocas.h a0,a1,(a2)')), isa).toBeUndefined();
    }
    expect(nameOf('-zabha', assemble('amocas.w a0,a1,(a2)'))).toBe('amocas.w');
    expect(nameOf('-zacas', assemble('amoadd.b a0,a1,(a2)'))).toBe('amoadd.b');
  });
});

test('by default everything is on', () => {
  expect(decoderOf(DEFAULT_ISA)).toBe(decodeInto);
  const extensions = new Set(
    [...INSTRUCTIONS, ...COMPRESSED].map(({ extension }) => extension.toLowerCase()),
  );
  const known = new Set(EXTENSIONS.map(({ name }) => name));
  expect([...extensions].filter((name) => !known.has(name))).toEqual(['privileged']);
});
