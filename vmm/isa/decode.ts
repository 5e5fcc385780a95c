import { decodeImmediate, FORMATS, type ImmediateKind } from './formats.ts';
import type { CompressedInstruction, Instruction } from './instruction.ts';
import { COMPRESSED, INSTRUCTIONS } from './table.ts';

const immediateKinds: readonly ImmediateKind[] = INSTRUCTIONS.map(({ format }) => FORMATS[format].immediate);
const matches = Int32Array.from(INSTRUCTIONS, ({ match }) => match);
const masks = Int32Array.from(INSTRUCTIONS, ({ mask }) => mask);

// An entry that refines another fixes more bits than that one does, and comes before it.
const fixed = masks.map(fixedBits);
const order = [...INSTRUCTIONS.keys()].sort((a, b) => fixed[b]! - fixed[a]!);
const compressedInOrder = COMPRESSED.toSorted((a, b) => fixedBits(b.mask) - fixedBits(a.mask));

/** No 32-bit instruction: its low bits are not 11. */
const ILLEGAL = 1;
const BUCKET_BITS = 15;

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

/** Decodes into an object that is used again; on `false` it keeps its old content. */
export type DecodeInto = (target: Decoded, raw: number) => boolean;

/** As `decode`, for whoever decodes much. */
export const decodeInto: DecodeInto = createDecoder(() => true);

/** Length in bytes of the instruction that begins with these bits (unprivileged, "Expanded Instruction-Length Encoding"). */
export const instructionLength = (raw: number): 2 | 4 => ((raw & 3) === 3 ? 4 : 2);

/** The entry of a 16-bit instruction; undefined for reserved bits. */
export const findCompressed = (raw16: number): CompressedInstruction | undefined =>
  compressedInOrder.find(
    ({ match, mask, expand }) => (raw16 & mask) === match && expand(raw16) !== undefined,
  );

/** A decoder that knows the entries that `has` lets through. Where one refines another, it comes first. */
export function createDecoder(has: (entry: Instruction | CompressedInstruction) => boolean): DecodeInto {
  const compressed = compressedInOrder.filter(has);
  const known = order.filter((index) => has(INSTRUCTIONS[index]!));
  const expansions = new Int32Array(0x10000);
  /** Indices of the instructions that a bucket's words may be. Programs use some hundreds of buckets: each is filled on first use. */
  const buckets = new Array<readonly number[] | undefined>(1 << BUCKET_BITS);

  /** The 32-bit form of a 16-bit instruction, `ILLEGAL` for a reserved one. Each is worked out once. */
  function expandCompressed(raw16: number): number {
    const expanded = expansions[raw16]!;
    if (expanded !== 0) return expanded;
    for (const { match, mask, expand } of compressed) {
      const word = (raw16 & mask) === match ? expand(raw16) : undefined;
      if (word !== undefined) return (expansions[raw16] = word);
    }
    return (expansions[raw16] = ILLEGAL);
  }

  /** Index in `INSTRUCTIONS`, -1 when no entry matches. */
  function indexOf(word: number): number {
    if ((word & 3) !== 3) return -1;
    const bucket = bucketOf(word);
    for (const index of (buckets[bucket] ??= inBucket(known, bucket))) {
      if ((word & masks[index]!) === matches[index]!) return index;
    }
    return -1;
  }

  return (target, raw) => {
    const isCompressed = (raw & 3) !== 3;
    const word = isCompressed ? expandCompressed(raw & 0xffff) : raw | 0;
    const index = indexOf(word);
    if (index < 0) return false;
    target.instruction = INSTRUCTIONS[index]!;
    target.index = index;
    target.length = isCompressed ? 2 : 4;
    target.raw = word;
    target.rd = (word >> 7) & 0x1f;
    target.rs1 = (word >> 15) & 0x1f;
    target.rs2 = (word >> 20) & 0x1f;
    target.rs3 = word >>> 27;
    target.imm = decodeImmediate(immediateKinds[index]!, word);
    return true;
  };
}

/** Opcode (5 bits above the constant two), funct3 and funct7: nearly every bucket has one candidate or none. */
function bucketOf(word: number): number {
  return ((word >> 2) & 0x1f) | ((word >> 7) & 0xe0) | ((word >>> 25) << 8);
}

function inBucket(indices: readonly number[], bucket: number): readonly number[] {
  return indices.filter((index) => ((bucketOf(matches[index]!) ^ bucket) & bucketOf(masks[index]!)) === 0);
}

function fixedBits(mask: number): number {
  let bits = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) bits++;
  return bits;
}
