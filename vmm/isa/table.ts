import { A } from './a.ts';
import { C } from './c.ts';
import { D } from './d.ts';
import { F } from './f.ts';
import type { CompressedInstruction, Instruction } from './instruction.ts';
import { M } from './m.ts';
import { PRIVILEGED } from './privileged.ts';
import { RV64I } from './rv64i.ts';
import { ZBA } from './zba.ts';
import { ZBB } from './zbb.ts';
import { ZBS } from './zbs.ts';
import { ZICOND } from './zicond.ts';
import { ZICSR } from './zicsr.ts';
import { ZIFENCEI } from './zifencei.ts';

/**
 * Every 32-bit instruction. An entry's index is its opcode number in decoded records: the interpreter's
 * `br_table` and the translator count on it within one build, nothing saved to a file may.
 */
export const INSTRUCTIONS: readonly Instruction[] = [
  ...RV64I,
  ...ZICSR,
  ...ZIFENCEI,
  ...M,
  ...A,
  ...F,
  ...D,
  ...ZBA,
  ...ZBB,
  ...ZBS,
  ...ZICOND,
  ...PRIVILEGED,
];

/** Every 16-bit instruction. */
export const COMPRESSED: readonly CompressedInstruction[] = C;

const byName = new Map<string, Instruction | CompressedInstruction>(
  [...INSTRUCTIONS, ...COMPRESSED].map((instruction) => [instruction.name, instruction]),
);

/** The entry of a mnemonic in lower case, without `.aq` and `.rl`; undefined when there is none. */
export const instructionByName = (name: string): Instruction | CompressedInstruction | undefined =>
  byName.get(name);
