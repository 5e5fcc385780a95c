import { FLOAT_REGISTERS, REGISTERS, type Register } from '../../vmm/isa/registers.ts';

export type RegisterFile = 'integer' | 'float';

const files: readonly (readonly [RegisterFile, readonly Register[]])[] = [
  ['integer', REGISTERS],
  ['float', FLOAT_REGISTERS],
];

const byName = new Map(
  files.flatMap(([, registers]) =>
    registers.flatMap((register) => [
      [register.name, register] as const,
      [register.abiName, register] as const,
    ]),
  ),
);
byName.set('fp', byName.get('s0')!);

/** The register of a name: ABI (`a0`, `fp`) or plain (`x10`). */
export const registerByName = (name: string): Register | undefined => byName.get(name);

export const registersOf = (file: RegisterFile): readonly Register[] =>
  file === 'integer' ? REGISTERS : FLOAT_REGISTERS;
