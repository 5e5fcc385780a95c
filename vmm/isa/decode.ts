import { decodeImmediate, FORMATS, type ImmediateKind } from './formats.ts';
import type { Instruction } from './instruction.ts';
import { COMPRESSED, INSTRUCTIONS } from './table.ts';

/** An instruction with its operands. */
export interface Decoded {
  instruction: Instruction;
  /** Index of `instruction` in `INSTRUCTIONS`. */
  index: number;
  /** Bytes as fetched: 2 when it was compressed. */
  length: 2 | 4;
  /** The 32-bit encoding (expanded when it was compressed), as a signed number. */
  raw: number;
  /** Register fields, extracted whether or not the format has them. */
  rd: number;
  rs1: number;
  rs2: number;
  rs3: number;
  /**
   * The immediate as a signed 32-bit number; the shift amount; the 5-bit CSR immediate; for lui and auipc the
   * value already shifted. 0 where the format has none: a CSR's number stays in `raw`.
   */
  imm: number;
}

/**
 * Decodes one instruction from its first 32 bits, signed or unsigned; of a compressed one only the low 16 count.
 * `undefined` for encodings that are illegal or of no extension in the table.
 */
export function decode(raw: number): Decoded | undefined {
  const target = createDecoded();
  return decodeInto(target, raw) ? target : undefined;
}

/** A target for `decodeInto`. */
export const createDecoded = (): Decoded => ({
  instruction: INSTRUCTIONS[0]!,
  index: 0,
  length: 4,
  raw: 0,
  rd: 0,
  rs1: 0,
  rs2: 0,
  rs3: 0,
  imm: 0,
});

/** As `decode`, into an object that is used again; on `false` it keeps its old content. */
export function decodeInto(target: Decoded, raw: number): boolean {
  const compressed = (raw & 3) !== 3;
  const word = compressed ? expandCompressed(raw & 0xffff) : raw | 0;
  const index = indexOf(word);
  if (index < 0) return false;
  target.instruction = INSTRUCTIONS[index]!;
  target.index = index;
  target.length = compressed ? 2 : 4;
  target.raw = word;
  target.rd = (word >> 7) & 0x1f;
  target.rs1 = (word >> 15) & 0x1f;
  target.rs2 = (word >> 20) & 0x1f;
  target.rs3 = word >>> 27;
  target.imm = decodeImmediate(immediateKinds[index]!, word);
  return true;
}

/** Length in bytes of the instruction that begins with these bits (unprivileged, "Expanded Instruction-Length Encoding"). */
export const instructionLength = (raw: number): 2 | 4 => ((raw & 3) === 3 ? 4 : 2);

const immediateKinds: readonly ImmediateKind[] = INSTRUCTIONS.map(({ format }) => FORMATS[format].immediate);

/** No 32-bit instruction: its low bits are not 11. */
const ILLEGAL = 1;

/** The 32-bit form of a 16-bit instruction, `ILLEGAL` for a reserved one. Each is worked out once. */
function expandCompressed(raw16: number): number {
  const known = expansions[raw16]!;
  if (known !== 0) return known;
  let expanded = ILLEGAL;
  for (const { match, mask, expand } of COMPRESSED) {
    if ((raw16 & mask) === match) expanded = expand(raw16) ?? expanded;
  }
  return (expansions[raw16] = expanded);
}

const expansions = new Int32Array(0x10000);

/** Index in `INSTRUCTIONS`, -1 when no entry matches. */
function indexOf(word: number): number {
  if ((word & 3) !== 3) return -1;
  const candidates = buckets[bucketOf(word)]!;
  for (const index of candidates) {
    if ((word & masks[index]!) === matches[index]!) return index;
  }
  return -1;
}

const matches = Int32Array.from(INSTRUCTIONS, ({ match }) => match);
const masks = Int32Array.from(INSTRUCTIONS, ({ mask }) => mask);

/** Opcode (5 bits above the constant two), funct3 and funct7: nearly every bucket has one candidate or none. */
function bucketOf(word: number): number {
  return ((word >> 2) & 0x1f) | ((word >> 7) & 0xe0) | ((word >>> 25) << 8);
}

const BUCKET_BITS = 15;

const buckets = fillBuckets();

function fillBuckets(): readonly (readonly number[])[] {
  const empty: readonly number[] = [];
  const filled: number[][] = [];
  for (const [index, { match, mask }] of INSTRUCTIONS.entries()) {
    const fixed = bucketOf(mask);
    const free = ~fixed & ((1 << BUCKET_BITS) - 1);
    // Counts through every combination of the free bits: subtracting borrows across the fixed ones.
    let operands = 0;
    do {
      const bucket = bucketOf(match) | operands;
      (filled[bucket] ??= []).push(index);
      operands = (operands - free) & free;
    } while (operands !== 0);
  }
  return Array.from({ length: 1 << BUCKET_BITS }, (_, bucket) => filled[bucket] ?? empty);
}
