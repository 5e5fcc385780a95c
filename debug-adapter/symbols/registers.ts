import type { FrameRegisters } from './model.ts';

/**
 * DWARF register numbers (RISC-V DWARF psABI, "DWARF Register Numbers"): x0 to x31, f0 to f31, the alternate frame
 * return column, and from 4096 the CSRs.
 */
export const REGISTER = { ra: 1, sp: 2, fp: 8, f0: 32, alternateReturn: 64, csr0: 4096 } as const;

/** The calling convention's view of x0 to x31 (RISC-V psABI, "Integer Register Convention"). */
export const X_NAMES = [
  'zero',
  'ra',
  'sp',
  'gp',
  'tp',
  't0',
  't1',
  't2',
  's0',
  's1',
  'a0',
  'a1',
  'a2',
  'a3',
  'a4',
  'a5',
  'a6',
  'a7',
  's2',
  's3',
  's4',
  's5',
  's6',
  's7',
  's8',
  's9',
  's10',
  's11',
  't3',
  't4',
  't5',
  't6',
] as const;

export const F_NAMES = [
  'ft0',
  'ft1',
  'ft2',
  'ft3',
  'ft4',
  'ft5',
  'ft6',
  'ft7',
  'fs0',
  'fs1',
  'fa0',
  'fa1',
  'fa2',
  'fa3',
  'fa4',
  'fa5',
  'fa6',
  'fa7',
  'fs2',
  'fs3',
  'fs4',
  'fs5',
  'fs6',
  'fs7',
  'fs8',
  'fs9',
  'fs10',
  'fs11',
  'ft8',
  'ft9',
  'ft10',
  'ft11',
] as const;

/** True for registers that a called function hands back as it found them; sp, gp and tp count. */
export function isPreserved(register: number): boolean {
  const name = register < 32 ? X_NAMES[register] : F_NAMES[register - 32];
  return name !== undefined && /^(?:zero|sp|gp|tp|s\d+|fs\d+)$/.test(name);
}

/** ABI names by DWARF number, x0 to x31 and f0 to f31. */
export const REGISTER_NAMES: readonly string[] = [...X_NAMES, ...F_NAMES];

/** Contents of a register of a frame, by its DWARF number or by name (`pc`, `a0`, `x10`, `fa0`). */
export function frameRegister(registers: FrameRegisters, which: number | string): bigint | undefined {
  if (which === 'pc') return registers.pc;
  const number = typeof which === 'string' ? NUMBERS.get(which) : which;
  if (number === undefined) return undefined;
  if (number === 0) return 0n;
  return number < REGISTER.f0 ? registers.x[number] : registers.f[number - REGISTER.f0];
}

const NUMBERS: ReadonlyMap<string, number> = new Map([
  ...X_NAMES.map((name, index) => [name, index] as const),
  ...F_NAMES.map((name, index) => [name, index + REGISTER.f0] as const),
  ...X_NAMES.map((_, index) => [`x${index}`, index] as const),
  ...F_NAMES.map((_, index) => [`f${index}`, index + REGISTER.f0] as const),
  ['fp', REGISTER.fp] as const,
]);
