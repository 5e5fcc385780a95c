import { csrByName, csrByNumber } from './csrs.ts';
import { decodeImmediate, encodeImmediate, FORMATS, type FormatInfo } from './formats.ts';
import type { CompressedInstruction, Instruction } from './instruction.ts';
import { loadImmediateText, parseLoadImmediate } from './load-immediate.ts';
import { FLOAT_REGISTER_NAMES, floatRegister, integerRegister, REGISTER_NAMES } from './registers.ts';

/** An encoding to be written as text: its bits, and its immediate as decoded. */
export interface Encoded {
  readonly raw: number;
  readonly imm: number;
  readonly pc: bigint | undefined;
}

/** What an operand's text means: bits of the encoding, or an immediate still to be placed; `undefined` if it does not fit. */
export type Parsed = { readonly bits: number } | { readonly imm: number } | undefined;

/** One kind of operand in assembly text. */
export interface Token {
  print(encoded: Encoded): string;
  parse(text: string, pc: bigint): Parsed;
  /** An operand whose text is this may be left out, with the comma before it. */
  readonly omitted?: string;
}

/** Operands of 32-bit instructions: see `FormatInfo.syntax`. */
export const TOKENS: Readonly<Record<string, Token>> = {
  rd: register(REGISTER_NAMES, integerRegister, 7),
  rs1: register(REGISTER_NAMES, integerRegister, 15),
  rs2: register(REGISTER_NAMES, integerRegister, 20),
  rdpair: evenRegister(7),
  rs2pair: evenRegister(20),
  fd: register(FLOAT_REGISTER_NAMES, floatRegister, 7),
  fs1: register(FLOAT_REGISTER_NAMES, floatRegister, 15),
  fs2: register(FLOAT_REGISTER_NAMES, floatRegister, 20),
  fs3: register(FLOAT_REGISTER_NAMES, floatRegister, 27),
  imm: number10(),
  zimm: number10(),
  shamt: number16(),
  upper: upper(),
  target: target(),
  csr: {
    print: ({ raw }) => csrByNumber(raw >>> 20)?.name ?? `0x${(raw >>> 20).toString(16)}`,
    parse: (text) => {
      const number = csrByName(text)?.number ?? parseInteger(text);
      return number !== undefined && number >= 0 && number < 0x1000 ? { bits: number << 20 } : undefined;
    },
  },
  pred: fenceSet(24),
  succ: fenceSet(20),
  rm: { ...roundingMode(), omitted: 'dyn' },
  exactrm: { ...roundingMode(), omitted: 'rne' },
  rtz: { print: () => 'rtz', parse: (text) => (text === 'rtz' ? { bits: 0 } : undefined) },
  fli: {
    print: ({ imm }) => loadImmediateText(imm),
    parse: (text) => {
      const imm = parseLoadImmediate(text);
      return imm === undefined ? undefined : { imm };
    },
  },
};

/**
 * Operands of 16-bit instructions: `rd rs2 frd frs2` the five-bit register fields at bits 7 and 2, `high low
 * flow` the three-bit ones, `hint` an immediate that may be left out when zero, the others as in `TOKENS`.
 */
export const COMPRESSED_TOKENS: Readonly<Record<string, Token>> = {
  rd: register(REGISTER_NAMES, integerRegister, 7),
  rs2: register(REGISTER_NAMES, integerRegister, 2),
  frd: register(FLOAT_REGISTER_NAMES, floatRegister, 7),
  frs2: register(FLOAT_REGISTER_NAMES, floatRegister, 2),
  high: shortRegister(REGISTER_NAMES, integerRegister, 7),
  low: shortRegister(REGISTER_NAMES, integerRegister, 2),
  flow: shortRegister(FLOAT_REGISTER_NAMES, floatRegister, 2),
  imm: number10(),
  hint: { ...number10(), omitted: '0' },
  shamt: number16(),
  upper: upper(),
  target: target(),
};

/** Rounding modes as assembly names them, by the encoding of `rm`; 5 and 6 are reserved. */
const ROUNDING_MODES: readonly string[] = ['rne', 'rtz', 'rdn', 'rup', 'rmm', 'unknown', 'unknown', 'dyn'];

/** A syntax string as its tokens and the literal text between them. */
export function splitSyntax(syntax: string): readonly string[] {
  return syntax.match(/[a-z]\w*|[(),]/g) ?? [];
}

export const isCompressed = (
  instruction: Instruction | CompressedInstruction,
): instruction is CompressedInstruction => 'expand' in instruction;

/** Syntax, tokens and immediate of any instruction, for the assembler. */
export function syntaxOf(instruction: Instruction | CompressedInstruction): {
  syntax: string;
  tokens: Readonly<Record<string, Token>>;
  ordered: boolean;
  encodeImmediate: (value: number) => number | undefined;
} {
  if (isCompressed(instruction)) {
    const { syntax, immediate } = instruction;
    const encode = (value: number) => (immediate === undefined ? 0 : immediate.encode(value));
    return { syntax, tokens: COMPRESSED_TOKENS, ordered: false, encodeImmediate: encode };
  }
  const format: FormatInfo = FORMATS[instruction.format];
  const encode = (value: number) => {
    const bits = encodeImmediate(format.immediate, value);
    return decodeImmediate(format.immediate, bits) === value ? bits : undefined;
  };
  return { syntax: format.syntax, tokens: TOKENS, ordered: format.ordered === true, encodeImmediate: encode };
}

/** Decimal or `0x` number with an optional sign, or `undefined`. */
export function parseInteger(text: string): number | undefined {
  return /^[-+]?(?:0x[0-9a-f]+|\d+)$/i.test(text)
    ? Number(text.replace(/^[-+]/, '')) * (text.startsWith('-') ? -1 : 1)
    : undefined;
}

function register(
  names: readonly string[],
  numberOf: (name: string) => number | undefined,
  shift: number,
): Token {
  return {
    print: ({ raw }) => names[(raw >> shift) & 0x1f]!,
    parse: (text) => {
      const number = numberOf(text);
      return number === undefined ? undefined : { bits: number << shift };
    },
  };
}

/** A register that stands for itself and the next one: only even ones do ("Zacas"). */
function evenRegister(shift: number): Token {
  const numberOf = (name: string): number | undefined => {
    const number = integerRegister(name);
    return number === undefined || (number & 1) !== 0 ? undefined : number;
  };
  return register(REGISTER_NAMES, numberOf, shift);
}

/** A three-bit field, which names x8 to x15 or f8 to f15. */
function shortRegister(
  names: readonly string[],
  numberOf: (name: string) => number | undefined,
  shift: number,
): Token {
  return {
    print: ({ raw }) => names[8 + ((raw >> shift) & 7)]!,
    parse: (text) => {
      const number = numberOf(text);
      return number !== undefined && number >> 3 === 1 ? { bits: (number & 7) << shift } : undefined;
    },
  };
}

function number10(): Token {
  return { print: ({ imm }) => imm.toString(), parse: parseImmediate };
}

function number16(): Token {
  return { print: ({ imm }) => `0x${imm.toString(16)}`, parse: parseImmediate };
}

function parseImmediate(text: string): Parsed {
  const imm = parseInteger(text);
  return imm === undefined ? undefined : { imm };
}

/** The operand of lui and auipc is bits 31:12 of the immediate, unsigned. */
function upper(): Token {
  return {
    print: ({ imm }) => `0x${(imm >>> 12).toString(16)}`,
    parse: (text) => {
      const value = parseInteger(text);
      return value !== undefined && value >= 0 && value < 0x100000 ? { imm: value << 12 } : undefined;
    },
  };
}

/** An absolute address when the pc is known, else `.+8`. */
function target(): Token {
  return {
    print: ({ imm, pc }) => {
      if (pc === undefined) return imm < 0 ? `.${imm}` : `.+${imm}`;
      return `0x${BigInt.asUintN(64, pc + BigInt(imm)).toString(16)}`;
    },
    parse: (text, pc) => {
      if (text.startsWith('.')) return parseImmediate(text.slice(1));
      if (!/^(?:0x[0-9a-f]+|\d+)$/i.test(text)) return undefined;
      return { imm: Number(BigInt.asIntN(64, BigInt(text) - pc)) };
    },
  };
}

function roundingMode(): Token {
  return {
    print: ({ raw }) => ROUNDING_MODES[(raw >> 12) & 7]!,
    parse: (text) => {
      const mode = ROUNDING_MODES.indexOf(text);
      return mode < 0 ? undefined : { bits: mode << 12 };
    },
  };
}

/** The four letters of a fence's set, device input first; the empty set has no spelling of its own. */
function fenceSet(shift: number): Token {
  const letters = 'iorw';
  return {
    print: ({ raw }) => {
      const set = [...letters].filter((_, index) => (raw >> shift) & (8 >> index)).join('');
      return set === '' ? 'unknown' : set;
    },
    parse: (text) => {
      if (text === 'unknown') return { bits: 0 };
      if (!/^i?o?r?w?$/.test(text) || text === '') return undefined;
      const set = [...text].reduce((sum, letter) => sum | (8 >> letters.indexOf(letter)), 0);
      return { bits: set << shift };
    },
  };
}
