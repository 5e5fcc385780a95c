import { assert } from '../base/assert.ts';
import type { Emitter } from './emitter.ts';
import { FORMATS, type Format } from './formats.ts';

/** The extension that defines an instruction (RISC-V unprivileged); `Privileged` for those of the privileged volume. */
export type Extension =
  | 'I'
  | 'M'
  | 'A'
  | 'F'
  | 'D'
  | 'Zicsr'
  | 'Zifencei'
  | 'Zicond'
  | 'Zicbom'
  | 'Zicbop'
  | 'Zicboz'
  | 'Zihintntl'
  | 'Zihintpause'
  | 'Zimop'
  | 'Zabha'
  | 'Zacas'
  | 'Zawrs'
  | 'Zfa'
  | 'Zfh'
  | 'Zfhmin'
  | 'Zba'
  | 'Zbb'
  | 'Zbc'
  | 'Zbkb'
  | 'Zbkx'
  | 'Zbs'
  | 'Svinval'
  | 'Privileged';

/** As `Extension`, of 16-bit instructions. */
export type CompressedExtension = 'C' | 'Zcb' | 'Zcmop' | 'Zihintntl';

export type Semantics = (e: Emitter) => void;

/**
 * One 32-bit instruction: the single source of its decoding, assembly text, description and meaning.
 * `match` and `mask` are signed 32-bit numbers, so that `(raw & mask) === match` holds for any form of `raw`.
 */
export interface Instruction {
  /** Mnemonic without suffixes for ordering: `add`, `lr.w`, `fcvt.w.s`. */
  readonly name: string;
  readonly extension: Extension;
  readonly format: Format;
  readonly match: number;
  readonly mask: number;
  /** One sentence for a person who hovers over the mnemonic. */
  readonly description: string;
  /** Writes the instruction's effect to an emitter; without a jump, execution goes on at the next instruction. */
  readonly semantics: Semantics;
  /** Where `extension` alone does not decide: sets of extensions each of which, complete, brings the instruction. */
  readonly broughtBy?: readonly (readonly Extension[])[];
  /**
   * The instruction some of whose encodings these are: hints stand in encodings of others that have no effect. Where
   * this one's extension is off, its encodings mean that instruction.
   */
  readonly refines?: string;
}

/**
 * One 16-bit instruction. It has no semantics of its own: it means what the 32-bit instruction means that
 * `expand` gives (unprivileged, "C" Extension). Of the entries whose bits match, at most one expands.
 */
export interface CompressedInstruction {
  /** `c.addi`, `c.lwsp`, … */
  readonly name: string;
  readonly extension: CompressedExtension;
  /** Operands in the order of assembly text; see `COMPRESSED_TOKENS` in syntax.ts. */
  readonly syntax: string;
  readonly match: number;
  readonly mask: number;
  readonly immediate: CompressedImmediate | undefined;
  readonly description: string;
  /** What it needs besides its extension, C and what its expansion needs. */
  readonly needs?: readonly Extension[];
  /** As `Instruction.refines`. */
  readonly refines?: string;
  /** The 32-bit encoding it stands for, as a signed number; `undefined` when these bits are reserved. */
  readonly expand: (raw16: number) => number | undefined;
}

/** How a 16-bit instruction scatters its immediate. */
export interface CompressedImmediate {
  decode(raw16: number): number;
  /** The bits that hold `value`, or `undefined` when it does not fit. */
  encode(value: number): number | undefined;
}

/** The same instruction, brought by several extensions. */
export function broughtBy(instruction: Instruction, ...sets: readonly (readonly Extension[])[]): Instruction {
  return { ...instruction, broughtBy: sets };
}

/** A hint: some encodings of another instruction, in which that has no effect. */
export function hint(refines: string, instruction: Instruction): Instruction {
  return { ...instruction, refines };
}

/** An instruction that programs use so seldom that no code for it is worth much space. */
export function seldomUsed(instruction: Instruction): Instruction {
  return { ...instruction, semantics: (e) => e.rarely(() => instruction.semantics(e)) };
}

/** Makes the entries of one extension, with the mask that follows from the format. */
export function entriesOf(extension: Extension) {
  return (
    name: string,
    format: Format,
    match: number,
    description: string,
    semantics: Semantics,
  ): Instruction => {
    const { mask } = FORMATS[format];
    assert(
      (match & ~mask) === 0,
      `${name}: match 0x${match.toString(16)} has bits outside its format's mask`,
    );
    return { name, extension, format, match: match | 0, mask: mask | 0, description, semantics };
  };
}
