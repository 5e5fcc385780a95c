import { FORMATS, type FormatInfo, type ImmediateKind } from '../../vmm/isa/formats.ts';
import type { CompressedInstruction, Instruction } from '../../vmm/isa/instruction.ts';
import { PSEUDO_INSTRUCTIONS, type PseudoInstruction, pseudoByName } from '../../vmm/isa/pseudo.ts';
import { COMPRESSED, INSTRUCTIONS, instructionByName } from '../../vmm/isa/table.ts';

/** What a mnemonic stands for, from the instruction table or as a pseudo-instruction. */
export interface Operation {
  readonly name: string;
  /** `I`, `Zbb`, …; `pseudo-instruction` for what the assembler expands. */
  readonly extension: string;
  /** Comma-separated, in the token language of the instruction formats. */
  readonly syntax: string;
  readonly description: string;
  /** Of a pseudo-instruction: what it becomes. */
  readonly expansion?: string;
  readonly instruction?: Instruction | CompressedInstruction;
}

/** The operation of a mnemonic as written, ordering suffixes included; undefined when there is none. */
export function operationOf(mnemonic: string): Operation | undefined {
  // `jalr` and the like are both, instruction and pseudo-instruction: the instruction says more.
  const instruction = instructionByName(mnemonic) ?? orderedInstruction(mnemonic);
  if (instruction !== undefined) return fromTable(instruction);
  const pseudo = pseudoByName(mnemonic);
  return pseudo === undefined ? undefined : fromPseudo(pseudo);
}

/** Every mnemonic that can be completed, without ordering suffixes. */
export const OPERATIONS: readonly Operation[] = [
  ...INSTRUCTIONS.map(fromTable),
  ...PSEUDO_INSTRUCTIONS.map(fromPseudo),
  ...COMPRESSED.map(fromTable),
];

/** An atomic with `.aq`, `.rl` or `.aqrl` (unprivileged, "Specifying Ordering of Atomic Instructions"). */
function orderedInstruction(mnemonic: string): Instruction | undefined {
  const base = /^(.*)\.(?:aq|rl|aqrl)$/.exec(mnemonic)?.[1];
  const instruction = base === undefined ? undefined : instructionByName(base);
  if (instruction === undefined || !('format' in instruction)) return undefined;
  const info: FormatInfo = FORMATS[instruction.format];
  return info.ordered ? instruction : undefined;
}

function fromTable(instruction: Instruction | CompressedInstruction): Operation {
  const { name, extension, description } = instruction;
  const syntax = 'format' in instruction ? FORMATS[instruction.format].syntax : instruction.syntax;
  return { name, extension, syntax, description, instruction };
}

function fromPseudo({ name, syntax, description, meaning }: PseudoInstruction): Operation {
  // The table writes operands as the disassembler does, `addi rd,rs1,0`; a person reads them with spaces.
  const expansion = meaning.replaceAll(',', ', ');
  return { name, extension: 'pseudo-instruction', syntax, description, expansion };
}

/** A run of bits of an encoding: constant bits as `0110011`, an operand by its name. */
export interface EncodingField {
  readonly high: number;
  readonly low: number;
  readonly text: string;
}

type Place = readonly [high: number, low: number, name: string];

/** Where each immediate stands (unprivileged, "Immediate Encoding Variants"). */
const IMMEDIATES: Readonly<Record<ImmediateKind, readonly Place[]>> = {
  none: [],
  I: [[31, 20, 'imm[11:0]']],
  S: [
    [31, 25, 'imm[11:5]'],
    [11, 7, 'imm[4:0]'],
  ],
  B: [
    [31, 25, 'imm[12|10:5]'],
    [11, 7, 'imm[4:1|11]'],
  ],
  U: [[31, 12, 'imm[31:12]']],
  J: [[31, 12, 'imm[20|10:1|11|19:12]']],
  shift5: [[24, 20, 'shamt']],
  shift6: [[25, 20, 'shamt']],
  zimm: [[19, 15, 'zimm']],
  block: [[31, 25, 'imm[11:5]']],
};

const OPERANDS: Readonly<Record<string, Place>> = {
  rd: [11, 7, 'rd'],
  rdpair: [11, 8, 'rd[4:1]'],
  rs2pair: [24, 21, 'rs2[4:1]'],
  fd: [11, 7, 'fd'],
  rs1: [19, 15, 'rs1'],
  fs1: [19, 15, 'fs1'],
  rs2: [24, 20, 'rs2'],
  fs2: [24, 20, 'fs2'],
  fs3: [31, 27, 'fs3'],
  rm: [14, 12, 'rm'],
  csr: [31, 20, 'csr'],
  pred: [27, 24, 'pred'],
  succ: [23, 20, 'succ'],
};

/** The encoding of an instruction from bit 31 (or 15) down. Operand bits with no name of their own are `…`. */
export function encodingOf(instruction: Instruction | CompressedInstruction): readonly EncodingField[] {
  const top = 'format' in instruction ? 31 : 15;
  const places = 'format' in instruction ? placesOf(FORMATS[instruction.format]) : [];
  const fields: EncodingField[] = [];
  for (let high = top; high >= 0; ) {
    const place = places.find(([bit]) => bit === high);
    const low = place?.[1] ?? runEnd(instruction, places, high);
    fields.push({ high, low, text: place?.[2] ?? constantBits(instruction, high, low) });
    high = low - 1;
  }
  return fields;
}

function placesOf(info: FormatInfo): readonly Place[] {
  const tokens = info.syntax.split(/[^a-z0-9]+/);
  const named = tokens.map((token) => OPERANDS[token]).filter((place) => place !== undefined);
  const ordering: readonly Place[] = info.ordered
    ? [
        [26, 26, 'aq'],
        [25, 25, 'rl'],
      ]
    : [];
  return [...IMMEDIATES[info.immediate], ...named, ...ordering];
}

/** The lowest bit of the run from `high` that is all constant, or all unnamed operand. */
function runEnd({ mask }: { mask: number }, places: readonly Place[], high: number): number {
  const constant = (mask >>> high) & 1;
  let low = high;
  while (low > 0 && ((mask >>> (low - 1)) & 1) === constant && !places.some(([bit]) => bit === low - 1))
    low -= 1;
  return low;
}

function constantBits({ mask, match }: { mask: number; match: number }, high: number, low: number): string {
  if (((mask >>> high) & 1) === 0) return '…';
  const bits = (match >>> low) & (2 ** (high - low + 1) - 1);
  return bits.toString(2).padStart(high - low + 1, '0');
}

/**
 * Extensions of RISC-V that the assembler may know and this machine does not run: a mnemonic of theirs is no typing
 * error. First match wins.
 */
const OTHER_EXTENSIONS: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/^v[a-z0-9]{2,}(?:\.[a-z0-9]+)*$/, 'V (vector)'],
  [/^(?:hfence|hinval|hlvx?|hsv)\./, 'H (hypervisor)'],
  [/^(?:aes|sha|sm3|sm4)[0-9a-z]+$/, 'Zkn or Zks (cryptography)'],
  [/^(?:zip|unzip)$/, 'Zbkb of 32-bit harts'],
  [/^(?:f[a-z]+(?:\.[a-z0-9]+)*\.q(?:\.[a-z]+)?|flq|fsq)$/, 'Q (quad-precision floating point)'],
  [/^(?:lpad$|ss(?:push|popchk|rdp|amoswap)|c\.ss)/, 'Zicfilp or Zicfiss (control-flow integrity)'],
  [/^c\.[a-z]+(?:\.[a-z0-9]+)?$|^cm\./, 'Zcf, Zcmp or Zcmt (compressed)'],
  [/^(?:mnret|dret|uret|sctrclr|mret\.n)$/, 'the privileged or debug specification'],
];

/** The extension a mnemonic belongs to that this machine does not implement; undefined for no known mnemonic. */
export function foreignExtension(mnemonic: string): string | undefined {
  return OTHER_EXTENSIONS.find(([pattern]) => pattern.test(mnemonic))?.[1];
}
