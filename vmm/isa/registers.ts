/** A register of the integer or floating-point file. */
export interface Register {
  /** `x10`, `f10`. */
  readonly name: string;
  /** `a0`, `fa0` (RISC-V ABIs Specification, "Register Convention"). */
  readonly abiName: string;
  /** One sentence: role, and who saves it across a call. */
  readonly description: string;
}

const CALLER = 'Not kept across calls.';
const CALLEE = 'Kept across calls: the callee saves it.';

/** x0 to x31. */
export const REGISTERS: readonly Register[] = [
  ...numbered('x', 0, ['zero'], 'Always zero; writes vanish.'),
  ...numbered('x', 1, ['ra'], `Return address. ${CALLER}`),
  ...numbered('x', 2, ['sp'], `Stack pointer, 16-byte aligned at calls. ${CALLEE}`),
  ...numbered(
    'x',
    3,
    ['gp'],
    'Global pointer: the middle of the small-data section. Never changed by functions.',
  ),
  ...numbered('x', 4, ['tp'], 'Thread pointer. Never changed by functions.'),
  ...numbered('x', 5, ['t0'], `Temporary; the alternate link register of millicode. ${CALLER}`),
  ...numbered('x', 6, ['t1', 't2'], `Temporary. ${CALLER}`),
  ...numbered('x', 8, ['s0'], `Saved register; the frame pointer (fp) where there is one. ${CALLEE}`),
  ...numbered('x', 9, ['s1'], `Saved register. ${CALLEE}`),
  ...numbered('x', 10, ['a0', 'a1'], `Argument and return value. ${CALLER}`),
  ...numbered('x', 12, ['a2', 'a3', 'a4', 'a5', 'a6'], `Argument. ${CALLER}`),
  ...numbered('x', 17, ['a7'], `Argument; the number of a system or SBI call. ${CALLER}`),
  ...numbered(
    'x',
    18,
    ['s2', 's3', 's4', 's5', 's6', 's7', 's8', 's9', 's10', 's11'],
    `Saved register. ${CALLEE}`,
  ),
  ...numbered('x', 28, ['t3', 't4', 't5', 't6'], `Temporary. ${CALLER}`),
];

/** f0 to f31. */
export const FLOAT_REGISTERS: readonly Register[] = [
  ...numbered(
    'f',
    0,
    ['ft0', 'ft1', 'ft2', 'ft3', 'ft4', 'ft5', 'ft6', 'ft7'],
    `Floating-point temporary. ${CALLER}`,
  ),
  ...numbered('f', 8, ['fs0', 'fs1'], `Saved floating-point register. ${CALLEE}`),
  ...numbered('f', 10, ['fa0', 'fa1'], `Floating-point argument and return value. ${CALLER}`),
  ...numbered('f', 12, ['fa2', 'fa3', 'fa4', 'fa5', 'fa6', 'fa7'], `Floating-point argument. ${CALLER}`),
  ...numbered(
    'f',
    18,
    ['fs2', 'fs3', 'fs4', 'fs5', 'fs6', 'fs7', 'fs8', 'fs9', 'fs10', 'fs11'],
    `Saved floating-point register. ${CALLEE}`,
  ),
  ...numbered('f', 28, ['ft8', 'ft9', 'ft10', 'ft11'], `Floating-point temporary. ${CALLER}`),
];

/** ABI names by number. */
export const REGISTER_NAMES: readonly string[] = REGISTERS.map(({ abiName }) => abiName);
export const FLOAT_REGISTER_NAMES: readonly string[] = FLOAT_REGISTERS.map(({ abiName }) => abiName);

const integerNumbers = numbersOf(REGISTERS).set('fp', 8);
const floatNumbers = numbersOf(FLOAT_REGISTERS);

/** The number of an integer register by ABI or plain name (`a0`, `fp`, `x10`), or `undefined`. */
export const integerRegister = (name: string): number | undefined => integerNumbers.get(name);
/** As `integerRegister`, of a floating-point register. */
export const floatRegister = (name: string): number | undefined => floatNumbers.get(name);

function numbered(
  file: 'x' | 'f',
  first: number,
  abiNames: readonly string[],
  description: string,
): Register[] {
  return abiNames.map((abiName, index) => ({ name: `${file}${first + index}`, abiName, description }));
}

function numbersOf(registers: readonly Register[]): Map<string, number> {
  const numbers = new Map<string, number>();
  for (const [number, { name, abiName }] of registers.entries())
    numbers.set(name, number).set(abiName, number);
  return numbers;
}
