import { compressedEntriesOf } from './compressed-entries.ts';
import { type CompressedInstruction, entriesOf, hint, type Instruction } from './instruction.ts';

const entry = entriesOf('Zihintntl');
const compressed = compressedEntriesOf('Zihintntl');

/** By the register that an addition to x0 names (unprivileged, "Zihintntl" Extension for Non-Temporal Locality Hints). */
const LEVELS: readonly (readonly [name: string, register: number, where: string])[] = [
  ['p1', 2, "this hart's innermost cache"],
  ['pall', 3, 'any cache of this hart alone'],
  ['s1', 4, 'the innermost cache that harts share'],
  ['all', 5, 'any cache'],
];

const describe = (where: string): string =>
  `A hint that what the next instruction accesses need not stay in ${where}.`;

export const ZIHINTNTL: readonly Instruction[] = LEVELS.map(([name, register, where]) =>
  hint(
    'add',
    entry(`ntl.${name}`, 'none', 0x00000033 | (register << 20), describe(where), () => {}),
  ),
);

/** The 16-bit forms: a c.add to x0. */
export const C_ZIHINTNTL: readonly CompressedInstruction[] = LEVELS.map(([name, register, where], index) => ({
  ...compressed(
    `c.ntl.${name}`,
    '',
    0x9002 | (register << 2),
    0xffff,
    undefined,
    describe(where),
    () => ZIHINTNTL[index]!.match,
  ),
  refines: 'c.add',
}));
