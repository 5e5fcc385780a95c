import { createDecoder, type DecodeInto, decodeInto } from './decode.ts';
import type { IsaConfig } from './extensions.ts';
import type { CompressedInstruction, Instruction } from './instruction.ts';
import { COMPRESSED, INSTRUCTIONS } from './table.ts';

/** Whether harts of this configuration have the instruction; of a 16-bit one, apart from what it stands for. */
export function isEnabled(isa: IsaConfig, entry: Instruction | CompressedInstruction): boolean {
  const has = (extension: string): boolean => isa.has(extension.toLowerCase());
  if ('expand' in entry) return has('C') && has(entry.extension) && (entry.needs ?? []).every(has);
  // What the privileged volume defines outside of extensions every hart has.
  if (entry.extension === 'Privileged') return true;
  return entry.broughtBy?.some((all) => all.every(has)) ?? has(entry.extension);
}

const decoders = new WeakMap<IsaConfig, DecodeInto>();

/** Decodes for harts of this configuration: an instruction of an extension that is off is none. */
export function decoderOf(isa: IsaConfig): DecodeInto {
  const known = decoders.get(isa);
  if (known !== undefined) return known;
  const isOn = (entry: Instruction | CompressedInstruction): boolean => isEnabled(isa, entry);
  const decoder = [...INSTRUCTIONS, ...COMPRESSED].every(isOn) ? decodeInto : createDecoder(isOn);
  decoders.set(isa, decoder);
  return decoder;
}
