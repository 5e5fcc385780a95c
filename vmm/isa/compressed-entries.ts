import { assert } from '../base/assert.ts';
import { D } from './d.ts';
import { encodeImmediate, FORMATS } from './formats.ts';
import type {
  CompressedExtension,
  CompressedImmediate,
  CompressedInstruction,
  Extension,
} from './instruction.ts';
import { M } from './m.ts';
import { RV64I } from './rv64i.ts';
import { ZBA } from './zba.ts';
import { ZBB } from './zbb.ts';

/** What 16-bit instructions stand for. */
const expandable = new Map(
  [...RV64I, ...M, ...D, ...ZBA, ...ZBB].map((instruction) => [instruction.name, instruction]),
);

/** Operand fields of a 16-bit instruction. `low` and `high` are the three-bit fields, which name x8 to x15. */
export interface CompressedFields {
  /** Bits 11:7, also the first source. */
  readonly rd: number;
  /** Bits 6:2. */
  readonly rs2: number;
  /** Bits 4:2. */
  readonly low: number;
  /** Bits 9:7. */
  readonly high: number;
  readonly imm: number;
}

/** Makes 16-bit entries of one extension. `needs`: what they need besides it and their expansion. */
export function compressedEntriesOf(extension: CompressedExtension) {
  return (
    name: string,
    syntax: string,
    match: number,
    mask: number,
    layout: CompressedImmediate | undefined,
    description: string,
    expandFields: (fields: CompressedFields) => number | undefined,
    needs: readonly Extension[] = [],
  ): CompressedInstruction => {
    const expand = (raw: number): number | undefined =>
      expandFields({
        rd: (raw >> 7) & 0x1f,
        rs2: (raw >> 2) & 0x1f,
        low: 8 + ((raw >> 2) & 7),
        high: 8 + ((raw >> 7) & 7),
        imm: layout?.decode(raw) ?? 0,
      });
    return { name, extension, syntax, match, mask, immediate: layout, description, needs, expand };
  };
}

/** Encodes the 32-bit instruction that a 16-bit one stands for. */
export function expandTo(
  name: string,
  operands: { rd?: number; rs1?: number; rs2?: number; imm?: number },
): number {
  const instruction = expandable.get(name);
  assert(instruction !== undefined, `a compressed instruction expands to ${name}, which is no instruction`);
  const { rd = 0, rs1 = 0, rs2 = 0, imm = 0 } = operands;
  const registers = (rd << 7) | (rs1 << 15) | (rs2 << 20);
  return instruction.match | registers | encodeImmediate(FORMATS[instruction.format].immediate, imm);
}

/** `'5:3@10 2@6'`: bits 5 to 3 of the value stand at bit 10 and above, bit 2 at bit 6. */
export function compressedImmediate(kind: 'signed' | 'unsigned', layout: string): CompressedImmediate {
  const parts = layout.split(' ').map((part) => {
    const [bits = '', position = ''] = part.split('@');
    const [high = '', low = high] = bits.split(':');
    const count = Number(high) - Number(low) + 1;
    return { low: Number(low), at: Number(position), mask: (1 << count) - 1, end: Number(high) + 1 };
  });
  const width = Math.max(...parts.map(({ end }) => end));
  const extend = kind === 'signed' ? 32 - width : 0;
  const decode = (raw: number) => {
    const value = parts.reduce((sum, { low, at, mask }) => sum | (((raw >> at) & mask) << low), 0);
    return (value << extend) >> extend;
  };
  const encode = (value: number) => {
    const raw = parts.reduce((sum, { low, at, mask }) => sum | (((value >> low) & mask) << at), 0);
    return decode(raw) === value ? raw : undefined;
  };
  return { decode, encode };
}
