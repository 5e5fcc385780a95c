import { createDecoded, type Decoded, decodeInto, findCompressed, instructionLength } from './decode.ts';
import { FORMATS, type FormatInfo } from './formats.ts';
import type { CompressedInstruction } from './instruction.ts';
import { findAlias } from './pseudo.ts';
import { COMPRESSED_TOKENS, type Encoded, splitSyntax, TOKENS, type Token } from './syntax.ts';

export interface Disassembly {
  /** `addi a0,a0,1`; `.4byte 0xffffffff` for what is no instruction. */
  readonly text: string;
  /** The text up to its first space. */
  readonly mnemonic: string;
  /** Bytes: 2 or 4. */
  readonly length: 2 | 4;
  /** False when the bits are no instruction of the table. */
  readonly valid: boolean;
  /** Where a branch or `jal` goes, when the pc is known. */
  readonly target?: bigint;
}

export interface DisassembleOptions {
  /** Whether pseudo-instructions stand for their special cases, and 32-bit ones for compressed; on by default. */
  readonly aliases?: boolean;
  /** A name for a branch target, such as `main+0x10`, shown in `<>` behind it. */
  readonly symbol?: (address: bigint) => string | undefined;
}

/**
 * One instruction as text, spelled as GNU objdump spells it, with ABI register names. `raw` is its first 32 bits,
 * signed or unsigned; of a compressed one only the low 16 count. `pc` is its address: without it branch targets
 * are written relative, `.+8`.
 */
export function disassemble(raw: number, pc?: bigint, options: DisassembleOptions = {}): Disassembly {
  const length = instructionLength(raw);
  const decoded = createDecoded();
  if (!decodeInto(decoded, raw)) return unknown(raw, length);
  const { aliases = true, symbol } = options;
  const compressed = length === 2 ? findCompressed(raw & 0xffff) : undefined;
  const text = textOf(decoded, raw, compressed, pc, aliases);
  const mnemonic = text.split(' ', 1)[0]!;
  const target = targetOf(decoded, pc);
  if (target === undefined) return { text, mnemonic, length, valid: true };
  const name = symbol?.(target);
  return { text: name === undefined ? text : `${text} <${name}>`, mnemonic, length, valid: true, target };
}

function textOf(
  decoded: Decoded,
  raw: number,
  compressed: CompressedInstruction | undefined,
  pc: bigint | undefined,
  aliases: boolean,
): string {
  if (compressed === undefined) return longText({ ...decoded, pc }, decoded, aliases);
  if (!aliases || isHint(compressed, decoded)) {
    const imm = compressed.immediate?.decode(raw) ?? 0;
    return format(compressed.name, compressed.syntax, COMPRESSED_TOKENS, { raw, imm, pc });
  }
  // It expands to an addition to zero, which is not the usual way to write a copy.
  if (compressed.name === 'c.mv') return format('mv', 'rd,rs2', COMPRESSED_TOKENS, { raw, imm: 0, pc });
  // c.addi with an immediate of zero is a hint and no copy.
  const isSum = compressed.name === 'c.addi';
  return longText({ ...decoded, pc }, decoded, !isSum);
}

function longText(encoded: Encoded, { instruction }: Decoded, aliases: boolean): string {
  const alias = aliases ? findAlias(instruction.name, encoded.raw) : undefined;
  if (alias !== undefined) return format(alias.name, alias.syntax, TOKENS, encoded);
  const { syntax, ordered }: FormatInfo = FORMATS[instruction.format];
  const ordering = ordered ? ORDERINGS[(encoded.raw >> 25) & 3]! : '';
  return format(instruction.name + ordering, syntax, TOKENS, encoded);
}

/** Suffixes by the rl (1) and aq (2) bits. */
export const ORDERINGS: readonly string[] = ['', '.rl', '.aq', '.aqrl'];

function format(
  name: string,
  syntax: string,
  tokens: Readonly<Record<string, Token>>,
  encoded: Encoded,
): string {
  let operands = '';
  for (const part of splitSyntax(syntax)) {
    const token = tokens[part];
    const text = token?.print(encoded) ?? part;
    if (token?.omitted === text) operands = operands.replace(/,$/, '');
    else operands += text;
  }
  return operands === '' ? name : `${name} ${operands}`;
}

/** A hint that writes x0 or shifts by nothing: written as what it is, since its expansion says nothing. */
function isHint({ name }: CompressedInstruction, { instruction, rd, imm }: Decoded): boolean {
  if (name === 'c.nop') return imm !== 0;
  if (name.endsWith('64') || name.startsWith('c.mop')) return true;
  // A copy to x0 expands to what is a hint of another meaning.
  return rd === 0 && (name === 'c.mv' || WRITES_ONLY_RD.has(instruction.name));
}

const WRITES_ONLY_RD = new Set(['addi', 'lui', 'add', 'slli']);

function targetOf({ instruction, imm }: Decoded, pc: bigint | undefined): bigint | undefined {
  const relative = instruction.format === 'B' || instruction.format === 'J';
  return relative && pc !== undefined ? BigInt.asUintN(64, pc + BigInt(imm)) : undefined;
}

function unknown(raw: number, length: 2 | 4): Disassembly {
  // All zeros are defined to be illegal for good, so that running into cleared memory traps ("C" Extension).
  if (length === 2 && (raw & 0xffff) === 0) return { text: 'unimp', mnemonic: 'unimp', length, valid: false };
  const mnemonic = length === 2 ? '.2byte' : '.4byte';
  const value = length === 2 ? raw & 0xffff : raw >>> 0;
  return { text: `${mnemonic} 0x${value.toString(16)}`, mnemonic, length, valid: false };
}
