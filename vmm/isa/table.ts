import { A } from './a.ts';
import { C } from './c.ts';
import { D } from './d.ts';
import { F } from './f.ts';
import type { CompressedInstruction, Instruction } from './instruction.ts';
import { M } from './m.ts';
import { PRIVILEGED } from './privileged.ts';
import { RV64I } from './rv64i.ts';
import { SVINVAL } from './svinval.ts';
import { ZABHA } from './zabha.ts';
import { ZACAS } from './zacas.ts';
import { ZAWRS } from './zawrs.ts';
import { ZBA } from './zba.ts';
import { ZBB } from './zbb.ts';
import { ZBC } from './zbc.ts';
import { ZBKB } from './zbkb.ts';
import { ZBKX } from './zbkx.ts';
import { ZBS } from './zbs.ts';
import { ZCB } from './zcb.ts';
import { ZFA } from './zfa.ts';
import { ZFH, ZFHMIN } from './zfh.ts';
import { ZICBOM } from './zicbom.ts';
import { ZICBOP } from './zicbop.ts';
import { ZICBOZ } from './zicboz.ts';
import { ZICOND } from './zicond.ts';
import { ZICSR } from './zicsr.ts';
import { ZIFENCEI } from './zifencei.ts';
import { C_ZIHINTNTL, ZIHINTNTL } from './zihintntl.ts';
import { ZIHINTPAUSE } from './zihintpause.ts';
import { ZCMOP, ZIMOP } from './zimop.ts';

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
  ...ZFHMIN,
  ...ZFH,
  ...ZFA,
  ...ZBA,
  ...ZBB,
  ...ZBS,
  ...ZICOND,
  ...ZBC,
  ...ZBKB,
  ...ZBKX,
  ...ZABHA,
  ...ZACAS,
  ...ZAWRS,
  ...ZICBOM,
  ...ZICBOP,
  ...ZICBOZ,
  ...ZIHINTNTL,
  ...ZIHINTPAUSE,
  ...ZIMOP,
  ...PRIVILEGED,
  ...SVINVAL,
];

/** Every 16-bit instruction. */
export const COMPRESSED: readonly CompressedInstruction[] = [...C, ...ZCB, ...C_ZIHINTNTL, ...ZCMOP];

const byName = new Map<string, Instruction | CompressedInstruction>(
  [...INSTRUCTIONS, ...COMPRESSED].map((instruction) => [instruction.name, instruction]),
);

/** The entry of a mnemonic in lower case, without `.aq` and `.rl`; undefined when there is none. */
export const instructionByName = (name: string): Instruction | CompressedInstruction | undefined =>
  byName.get(name);
