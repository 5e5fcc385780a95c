import { createDecoded, type DecodeInto } from '../../vmm/isa/decode.ts';
import type { IsaConfig } from '../../vmm/isa/extensions.ts';
import type { CompressedInstruction, Instruction } from '../../vmm/isa/instruction.ts';
import { decoderOf, isEnabled } from '../../vmm/isa/isa-decode.ts';
import { COMPRESSED, INSTRUCTIONS } from '../../vmm/isa/table.ts';

/** Instructions of the table that sequences do not contain, and why. */
export const NOT_GENERATED: Readonly<Record<string, string>> = {
  ecall: 'ends each sequence',
  mret: 'belongs to the guest around the sequences',
  sret: 'belongs to the guest around the sequences',
  wfi: 'waits for an interrupt, and none comes',
  'sfence.w.inval': 'QEMU 10 lets U-mode execute it',
  'sfence.inval.ir': 'QEMU 10 lets U-mode execute it',
};

/** What sequences for harts of one configuration are made from. */
export class InstructionPool {
  readonly instructions: readonly Instruction[];
  readonly compressed: readonly CompressedInstruction[];
  /** Register-only instructions that can neither trap nor jump, for between lr and sc. */
  readonly harmless: readonly Instruction[];
  readonly #decode: DecodeInto;
  readonly #decoded = createDecoded();

  constructor(isa: IsaConfig) {
    this.#decode = decoderOf(isa);
    this.instructions = INSTRUCTIONS.filter(
      (entry) => isEnabled(isa, entry) && !(entry.name in NOT_GENERATED),
    );
    this.compressed = COMPRESSED.filter((entry) => isEnabled(isa, entry) && this.#expands(entry));
    this.harmless = this.instructions.filter(
      ({ name, format, extension }) =>
        extension !== 'Zicsr' &&
        name !== 'ctzw' &&
        ['R', 'unary', 'I', 'shift5', 'shift6', 'U'].includes(format),
    );
  }

  /** The instruction that these bits are for such harts; undefined for none. */
  instructionAt(raw: number): Instruction | undefined {
    return this.#decode(this.#decoded, raw) ? this.#decoded.instruction : undefined;
  }

  /** The entry whose encoding these 16 bits are, and what it stands for, nothing where they are reserved. */
  compressedAt(
    raw: number,
  ): { readonly entry: CompressedInstruction; readonly expanded: number | undefined } | undefined {
    const possible = this.compressed.filter(({ mask, match }) => (raw & mask) === match);
    const legal = possible.filter(({ expand }) => expand(raw) !== undefined);
    const entry = legal.find(({ name }) => !legal.some(({ refines }) => refines === name)) ?? possible[0];
    return entry && { entry, expanded: entry.expand(raw) };
  }

  /** Whether these harts have what the entry stands for. */
  #expands({ match, mask, expand }: CompressedInstruction): boolean {
    for (let raw = 0; raw < 0x1_0000; raw++) {
      const expanded = (raw & mask) === match ? expand(raw) : undefined;
      if (expanded !== undefined) return this.instructionAt(expanded) !== undefined;
    }
    return false;
  }
}
