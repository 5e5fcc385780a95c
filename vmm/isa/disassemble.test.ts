import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { describeWithNewer, newerBinutils, output, type Program } from '../../test/support/newer-tools.ts';
import { random, SEED } from '../../test/support/random.ts';
import { describeWith } from '../../test/support/tools.ts';
import { assemble } from './assemble.ts';
import { CSRS } from './csrs.ts';
import { decode, findCompressed } from './decode.ts';
import { disassemble } from './disassemble.ts';
import { FORMATS } from './formats.ts';
import type { Instruction } from './instruction.ts';
import { COMPRESSED, INSTRUCTIONS } from './table.ts';

/** Encodings of each instruction in the comparisons. */
const SAMPLES = 60;

function check(raw: number, text: string, pc?: bigint): void {
  const label = `0x${raw.toString(16)} is ${text}`;
  test(label, () => expect(disassemble(raw, pc).text).toBe(text));
}

describe('disassembly', () => {
  check(0x00b50533, 'add a0,a0,a1');
  check(0xff010113, 'addi sp,sp,-16');
  check(0x00813423, 'sd s0,8(sp)');
  check(0x123452b7, 'lui t0,0x12345');
  check(0x00c5a6af, 'amoadd.w a3,a2,(a1)');
  check(0x160525af, 'lr.w.aqrl a1,(a0)');
  check(0x02c5f553, 'fadd.d fa0,fa1,fa2');
  check(0x02c59553, 'fadd.d fa0,fa1,fa2,rtz');
  check(0x30052573, 'csrrs a0,mstatus,a0');
  check(0x18051073, 'csrw satp,a0');
  check(0x00b50463, 'beq a0,a1,0x80000010', 0x80000008n);
  check(0xfe0518e3, 'bnez a0,.-16');
  check(0xffdff0ef, 'jal 0xfffffffffffffffc', 0n);
  check(0x8082, 'ret');
  check(0x1141, 'addi sp,sp,-16');
  check(0x852e, 'mv a0,a1');
  check(0x0000, 'unimp');
  check(0xffffffff, '.4byte 0xffffffff');
  // Zicond, which Debian 12's objdump does not know (unprivileged, "Zicond", instruction listings).
  check(0x0ec5d533, 'czero.eqz a0,a1,a2');
  check(0x0ec5f533, 'czero.nez a0,a1,a2');
  check(0x0e0050b3, 'czero.eqz ra,zero,zero');

  test('names branch targets', () => {
    const symbol = (address: bigint) => (address === 0x1010n ? 'main+0x10' : undefined);
    expect(disassemble(0x00b50463, 0x1008n, { symbol })).toEqual({
      text: 'beq a0,a1,0x1010 <main+0x10>',
      mnemonic: 'beq',
      length: 4,
      valid: true,
      target: 0x1010n,
    });
    expect(disassemble(0x00b50463, 0x2000n, { symbol }).text).toBe('beq a0,a1,0x2008');
  });
});

test(`random words never throw (SEED=${SEED})`, () => {
  const { next } = random(SEED);
  for (let i = 0; i < 100_000; i++) {
    const raw = Number(next() & 0xffffffffn);
    const { length, valid, text } = disassemble(raw, 0x8000_0000n);
    const consistent = length === ((raw & 3) === 3 ? 4 : 2) && valid === (decode(raw) !== undefined);
    if (!consistent || /undefined|NaN/.test(text)) expect.fail(`0x${raw.toString(16)}: ${text}`);
  }
});

describe(`round trip through assembly (SEED=${SEED})`, () => {
  const { next } = random(SEED);
  const word = () => Number(BigInt.asIntN(32, next()));
  const pc = 0x8000_0000n;

  test.each(INSTRUCTIONS)('$name', (instruction) => {
    for (let i = 0; i < SAMPLES; i++) {
      const raw = encodeRandom(instruction, word());
      const { text, valid } = disassemble(raw, pc, { aliases: false });
      expect(valid).toBe(true);
      const assembled = assemble(text, pc);
      expect(disassemble(assembled, pc, { aliases: false }).text).toBe(text);
      // What text does not show (the reserved fields of fences) is zero in what is assembled from it.
      const shown = decode(assembled)!.instruction;
      expect([shown.name, shown.refines], text).toContain(instruction.name);
      if (!RESERVED_FIELDS.has(instruction.name)) expect(assembled, text).toBe(raw >>> 0);
      expect(decode(raw)?.instruction).toBe(instruction);
    }
  });

  test('every 16-bit instruction', () => {
    const seen = new Set<string>();
    for (let raw = 0; raw < 0x10000; raw++) {
      if ((raw & 3) === 3 || decode(raw) === undefined) continue;
      const { text, mnemonic } = disassemble(raw, pc, { aliases: false });
      if (assemble(text, pc) !== raw) expect(assemble(text, pc), text).toBe(raw);
      seen.add(mnemonic);
    }
    expect([...seen].sort()).toEqual(COMPRESSED.map(({ name }) => name).sort());
  });
});

/** Extensions that binutils 2.40 does not know, or only in the spelling of a draft. */
const UNKNOWN_TO_2_40: ReadonlySet<string> = new Set([
  ...['Zicond', 'Zabha', 'Zacas', 'Zimop', 'Zcmop', 'Zcb', 'Zfa', 'Zihintntl'],
]);

describeWith(
  ['riscv64-unknown-elf-objcopy', 'riscv64-unknown-elf-objdump'],
  'comparison with the installed objdump',
  () => {
    const installed = (program: string): Program => ({
      file: `riscv64-unknown-elf-${program}`,
      arguments: [],
    });
    const march = 'rv64gc_zba_zbb_zbs_zbc_zbkb_zbkx_zfh_zicbom_zicboz_zicbop_zawrs_zihintpause_svinval';
    comparisons({ program: installed, march, knows: (extension) => !UNKNOWN_TO_2_40.has(extension) });
  },
);

describeWithNewer(['binutils'], 'comparison with the objdump of binutils 2.44', () => {
  const program = (name: 'as' | 'objcopy' | 'objdump'): Program => {
    const found = newerBinutils(name);
    if (typeof found === 'string') throw new Error(found);
    return found;
  };
  const named = [...INSTRUCTIONS, ...COMPRESSED].map(({ extension }) => extension.toLowerCase());
  const march = `rv64gc_${[...new Set(named)].filter((name) => /^[zs]/.test(name)).join('_')}`;
  comparisons({ program, march, knows: () => true });
});

/** One version of binutils, and what to compare with it. */
interface Oracle {
  readonly program: (name: 'as' | 'objcopy' | 'objdump') => Program;
  readonly march: string;
  readonly knows: (extension: string) => boolean;
}

function comparisons(oracle: Oracle): void {
  test(`every 32-bit instruction, random operands (SEED=${SEED})`, () => {
    const { next } = random(SEED);
    const word = () => Number(BigInt.asIntN(32, next()));
    const known = INSTRUCTIONS.filter(({ extension }) => oracle.knows(extension));
    const words = known.flatMap((instruction) =>
      Array.from({ length: SAMPLES }, () => encodeRandom(instruction, word()) >>> 0),
    );
    for (const [index, { number }] of CSRS.entries()) {
      words.push(((number << 20) | 0x00002073 | ((index & 31) << 7)) >>> 0);
    }
    const bytes = new Uint8Array(Uint32Array.from(words).buffer);
    compare(oracle, bytes, { aliases: true });
    compare(oracle, bytes, { aliases: false });
  });

  test('every 16-bit encoding', () => {
    const halves = Array.from({ length: 0x10000 }, (_, raw) => raw).filter((raw) => {
      const extension = findCompressed(raw)?.extension;
      return (
        (raw & 3) !== 3 && !DIFFERENT_HALVES.has(raw) && (extension === undefined || oracle.knows(extension))
      );
    });
    const bytes = new Uint8Array(Uint16Array.from(halves).buffer);
    compare(oracle, bytes, { aliases: true });
    compare(oracle, bytes, { aliases: false });
  });
}

/** Their other fields are ignored, and not shown. */
const RESERVED_FIELDS = new Set(['fence', 'fence.i']);

/** c.addi16sp by zero, which is reserved ("Integer Register-Immediate Operations"); objdump shows it all the same. */
const DIFFERENT_HALVES = new Set([0x6101]);

const REFINING = INSTRUCTIONS.filter(({ refines }) => refines !== undefined);

/** The instruction with `bits` in its operand fields, as it is: not what refines it. */
function encodeRandom(instruction: Instruction, bits: number): number {
  const raw = withOperands(instruction, bits);
  const isRefined = REFINING.some(
    ({ refines, match, mask }) => refines === instruction.name && (raw & mask) === match,
  );
  return isRefined ? withOperands(instruction, -1) : raw;
}

/** `bits` in the instruction's operand fields; often x0, ra or equal registers, where pseudo-instructions live. */
function withOperands(instruction: Instruction, bits: number): number {
  const { match, mask, format, name } = instruction;
  let operands = bits;
  const bias = (bits >>> 7) % 5;
  if (bias === 1) operands &= ~(0x1f << 15);
  if (bias === 2) operands &= ~(0x1f << 7);
  if (bias === 3) operands &= ~(0xfff << 20);
  if (bias === 4) operands = (operands & ~(0x1f << 20)) | (((operands >> 15) & 0x1f) << 20);
  // A CSR that the table names, or none does.
  if (format.startsWith('csr')) operands = (operands & 0xfffff) | (csrFor(bits >>> 20) << 20);
  if (name === 'fence') operands &= 0x0ff00000;
  if (name === 'fence.i') operands = 0;
  // The one mode of conversions that never round which binutils 2.40 knows.
  if (FORMATS[format].syntax.endsWith('exactrm')) operands &= ~0x7000;
  // Modes 5 and 6 are reserved.
  const rm = (operands >> 12) & 7;
  if ((mask & 0x7000) === 0 && (rm === 5 || rm === 6)) operands |= 0x7000;
  return match | (operands & ~mask);
}

function csrFor(random: number): number {
  return random % 8 === 0 ? 0x800 : CSRS[random % CSRS.length]!.number;
}

function compare(oracle: Oracle, code: Uint8Array, options: { aliases: boolean }): void {
  const lines = objdump(oracle, code, options.aliases);
  expect(lines.length).toBeGreaterThan(code.length / 5);
  const different = lines.flatMap(({ address, raw, text }) => {
    const ours = disassemble(raw, BigInt(address), options).text;
    const theirs = normalize(text, options.aliases);
    return ours === theirs ? [] : [`0x${raw.toString(16)}: ${ours}, objdump: ${theirs}`];
  });
  expect(different.slice(0, 50)).toEqual([]);
}

/** The code as objdump reads it in an ELF file for all the extensions it is asked for. */
function objdump(
  { program, march }: Oracle,
  code: Uint8Array,
  aliases: boolean,
): { address: number; raw: number; text: string }[] {
  const folder = mkdtempSync(join(tmpdir(), 'hartscope-objdump-'));
  try {
    const [source, object, binary] = ['code.s', 'code.o', 'code.bin'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    writeFileSync(source, 'nop\n');
    writeFileSync(binary, code);
    output(program('as'), [`-march=${march}`, source, '-o', object]);
    output(program('objcopy'), ['--update-section', `.text=${binary}`, object]);
    const listing = output(program('objdump'), ['-d', ...(aliases ? [] : ['-M', 'no-aliases']), object]);
    return [...listing.matchAll(/^\s*([0-9a-f]+):\t([0-9a-f]+)\s+\t(.*)$/gm)].map((match) => ({
      address: Number.parseInt(match[1]!, 16),
      raw: Number.parseInt(match[2]!, 16),
      text: match[3]!,
    }));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * The same text as we spell it. Binutils 2.40 writes immediate forms with the register form's mnemonic (`add
 * a0,a0,1`), which later versions do no more; its branch targets have no 0x, and end in the nearest symbol.
 */
function normalize(text: string, aliases: boolean): string {
  const plain = text
    .replace(/\s*(?:#|<).*$/, '')
    .replace('\t', ' ')
    // What is no instruction, in the spelling of binutils 2.44.
    .replace(/^\.insn ([24]), 0x0*(?=.)/, '.$1byte 0x')
    .trim();
  const [mnemonic = '', operands = ''] = plain.split(' ');
  const last = operands.slice(operands.lastIndexOf(',') + 1);
  if (JUMPS.has(mnemonic)) return plain.replace(/[0-9a-f]+$/, '0x$&');
  if (!aliases) return NOT_CANONICAL.get(plain) ?? plain.replace(/^c\.addi zero,/, 'c.nop ');
  const isImmediate = /^-?(?:0x[0-9a-f]+|\d+)$/.test(last);
  return isImmediate && SHORTENED.has(mnemonic) ? `${SHORTENED.get(mnemonic)} ${operands}` : plain;
}

const JUMPS = new Set(
  [
    'beq',
    'bne',
    'blt',
    'bge',
    'bltu',
    'bgeu',
    'beqz',
    'bnez',
    'blez',
    'bgez',
    'bltz',
    'bgtz',
    'j',
    'jal',
  ].flatMap((name) => [name, `c.${name}`]),
);

/** What objdump writes when asked for no pseudo-instructions, which yet is none of the table. */
const NOT_CANONICAL = new Map([
  ['c.unimp', 'unimp'],
  ['c.addi zero,0', 'c.nop'],
  ['fence.tso', 'fence rw,rw'],
  ['unimp', 'csrrw zero,cycle,zero'],
]);

const SHORTENED = new Map([
  ...['add', 'and', 'or', 'xor', 'sll', 'srl', 'sra', 'ror', 'bclr', 'bext', 'binv', 'bset'].map(
    (name) => [name, `${name}i`] as const,
  ),
  ...['add', 'sll', 'srl', 'sra', 'ror'].map((name) => [`${name}w`, `${name}iw`] as const),
  ...['csrw', 'csrs', 'csrc', 'csrrw', 'csrrs', 'csrrc'].map((name) => [name, `${name}i`] as const),
]);
