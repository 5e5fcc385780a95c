/** Writes machine code into an image of memory: encodings, and jumps to labels that may stand anywhere. */
import { assert } from '../../vmm/base/assert.ts';
import { encodeImmediate } from '../../vmm/isa/formats.ts';
import { COMPRESSED } from '../../vmm/isa/table.ts';

/** A place in the code, known once the label is placed. */
export interface Label {
  /** Offset in the image, -1 while it stands nowhere. */
  offset: number;
}
export const newLabel = (): Label => ({ offset: -1 });

/** Encodings by their operands; immediates must be in range. */
export const R = (match: number, rd: number, rs1: number, rs2: number): number =>
  match | (rd << 7) | (rs1 << 15) | (rs2 << 20);
const I = (match: number, rd: number, rs1: number, imm: number): number =>
  match | (rd << 7) | (rs1 << 15) | encodeImmediate('I', imm);
const S = (match: number, rs2: number, rs1: number, imm: number): number =>
  match | (rs2 << 20) | (rs1 << 15) | encodeImmediate('S', imm);

export const addi = (rd: number, rs1: number, imm: number): number => I(0x13, rd, rs1, imm);
export const addiw = (rd: number, rs1: number, imm: number): number => I(0x1b, rd, rs1, imm);
export const andi = (rd: number, rs1: number, imm: number): number => I(0x7013, rd, rs1, imm);
export const slli = (rd: number, rs1: number, by: number): number =>
  0x1013 | (rd << 7) | (rs1 << 15) | encodeImmediate('shift6', by);
export const add = (rd: number, rs1: number, rs2: number): number => R(0x33, rd, rs1, rs2);
export const or = (rd: number, rs1: number, rs2: number): number => R(0x6033, rd, rs1, rs2);
export const lui = (rd: number, upper: number): number => 0x37 | (rd << 7) | (upper & 0xffff_f000);
export const auipc = (rd: number, upper: number): number => 0x17 | (rd << 7) | (upper & 0xffff_f000);
export const ld = (rd: number, rs1: number, imm: number): number => I(0x3003, rd, rs1, imm);
/** Stores of 2^size bytes. */
export const store = (size: number, rs2: number, rs1: number, imm: number): number =>
  S(0x23 | (size << 12), rs2, rs1, imm);
export const sd = (rs2: number, rs1: number, imm: number): number => store(3, rs2, rs1, imm);
export const jalr = (rd: number, rs1: number, imm: number): number => I(0x67, rd, rs1, imm);
export const branch = (funct3: number, rs1: number, rs2: number): number =>
  R(0x63 | (funct3 << 12), 0, rs1, rs2);
export const BRANCH = { eq: 0, ne: 1, lt: 4, ge: 5, ltu: 6, geu: 7 } as const;
export const jal = (rd: number): number => 0x6f | (rd << 7);
/** csrrw, csrrs, csrrc by `funct3` 1 to 3; with 4 more the register is a 5-bit number. */
export const csr = (funct3: number, rd: number, number: number, source: number): number =>
  0x73 | (funct3 << 12) | (rd << 7) | (source << 15) | (number << 20) | 0;
export const ECALL = 0x73;
export const EBREAK = 0x10_0073;
export const SRET = 0x1020_0073;
export const MRET = 0x3020_0073;
export const WFI = 0x1050_0073;
export const FENCE_I = 0x100f;
export const NOP = 0x13;
export const C_NOP = 0x0001;
export const sfenceVma = (rs1: number, rs2: number): number => R(0x1200_0073, 0, rs1, rs2);

const immediateOf = (name: string) => {
  const entry = COMPRESSED.find((candidate) => candidate.name === name);
  assert(entry?.immediate !== undefined, `${name} has an immediate`);
  return { match: entry.match, encode: entry.immediate.encode };
};
const C_J = immediateOf('c.j');
const C_BRANCH = [immediateOf('c.beqz'), immediateOf('c.bnez')] as const;

type JumpKind = 'B' | 'J' | 'c.j' | 'c.branch' | 'address';

interface Jump {
  readonly at: number;
  readonly kind: JumpKind;
  readonly label: Label;
}

/** Code that grows in an image; jumps get their distances at the end. */
export class Code {
  /** Where the next instruction goes. */
  offset = 0;
  /** Offsets of all instructions, in the order they were written. */
  readonly starts: number[] = [];
  readonly #view: DataView;
  readonly #jumps: Jump[] = [];

  constructor(image: Uint8Array) {
    this.#view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  }

  /** Writes an instruction of 16 or 32 bits. */
  put(raw: number): void {
    this.starts.push(this.offset);
    this.#view.setUint16(this.offset, raw & 0xffff, true);
    if ((raw & 3) === 3) {
      this.#view.setUint16(this.offset + 2, raw >>> 16, true);
      this.offset += 4;
    } else {
      this.offset += 2;
    }
  }

  place(label: Label): void {
    label.offset = this.offset;
  }

  /** A label here. */
  here(): Label {
    return { offset: this.offset };
  }

  /** A conditional branch, whose immediate is filled in. */
  branch(raw: number, label: Label): void {
    this.#jump('B', raw, label);
  }

  /** `jal`, likewise. */
  jump(raw: number, label: Label): void {
    this.#jump('J', raw, label);
  }

  compressedJump(label: Label): void {
    this.#jump('c.j', C_J.match, label);
  }

  /** `c.beqz` or `c.bnez` of one of x8 to x15. */
  compressedBranch(ifZero: boolean, register: number, label: Label): void {
    const { match } = C_BRANCH[ifZero ? 0 : 1];
    this.#jump('c.branch', match | ((register - 8) << 7), label);
  }

  /** The label's address in `register`: `auipc` and `addi`. */
  address(register: number, label: Label): void {
    this.#jump('address', auipc(register, 0), label);
    this.put(addi(register, register, 0));
  }

  /** Fills in the distances. A jump that cannot reach its label goes to the next instruction. */
  resolve(): void {
    for (const { at, kind, label } of this.#jumps) {
      assert(label.offset >= 0, 'the label of a jump is placed');
      this.#resolve(at, kind, label.offset - at);
    }
    this.#jumps.length = 0;
  }

  #jump(kind: JumpKind, raw: number, label: Label): void {
    this.#jumps.push({ at: this.offset, kind, label });
    this.put(raw);
  }

  #resolve(at: number, kind: JumpKind, distance: number): void {
    switch (kind) {
      case 'B':
        this.#or32(at, encodeImmediate('B', distance >= -4096 && distance < 4096 ? distance : 4));
        break;
      case 'J':
        this.#or32(at, encodeImmediate('J', distance));
        break;
      case 'c.j':
        this.#or16(at, C_J.encode(distance) ?? C_J.encode(2)!);
        break;
      case 'c.branch':
        this.#or16(at, C_BRANCH[0].encode(distance) ?? C_BRANCH[0].encode(2)!);
        break;
      case 'address': {
        const low = (distance << 20) >> 20;
        this.#or32(at, (distance - low) & 0xffff_f000);
        this.#or32(at + 4, encodeImmediate('I', low));
      }
    }
  }

  #or16(at: number, bits: number): void {
    this.#view.setUint16(at, this.#view.getUint16(at, true) | bits, true);
  }

  #or32(at: number, bits: number): void {
    this.#view.setUint32(at, this.#view.getUint32(at, true) | bits, true);
  }
}
