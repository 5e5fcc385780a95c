import { hex } from '../base/brands.ts';
import { causeName, EXCEPTIONS, INTERRUPTS } from './causes.ts';
import { PERFORMANCE_EVENTS } from './performance-events.ts';

/** A field of a CSR: bits `high` down to `low`. */
export interface CsrField {
  readonly name: string;
  readonly low: number;
  readonly high: number;
  readonly description: string;
  /** Names of values. Values without a name are shown as numbers. */
  readonly values?: Readonly<Record<number, string>>;
  /** Shows what names of values cannot; `whole` is the register. */
  readonly text?: (value: bigint, whole: bigint) => string;
}

// Fields of the privileged volume's chapters "Machine-Level ISA" and "Supervisor-Level ISA", unless said otherwise.

const STATE = { 0: 'off', 1: 'initial', 2: 'clean', 3: 'dirty' };
const PRIVILEGE = { 0: 'U', 1: 'S', 3: 'M' };
const XLEN = { 1: '32', 2: '64', 3: '128' };
const ENDIAN = { 0: 'little', 1: 'big' };

const SUPERVISOR_STATUS: readonly CsrField[] = [
  bit('SIE', 1, 'Interrupts are enabled in S-mode.'),
  bit('SPIE', 5, 'SIE as it was before the trap into S-mode.'),
  bit('UBE', 6, "Byte order of U-mode's loads and stores.", ENDIAN),
  bit('SPP', 8, 'Privilege level before the trap into S-mode.', PRIVILEGE),
  bits('VS', 10, 9, 'State of the vector unit.', STATE),
  bits('FS', 14, 13, 'State of the floating-point unit; off makes its instructions illegal.', STATE),
  bits('XS', 16, 15, 'State of further extensions.', STATE),
  bit('SUM', 18, 'S-mode may access pages of U-mode.'),
  bit('MXR', 19, 'Loads may read pages that are only executable.'),
  bits('UXL', 33, 32, 'XLEN of U-mode.', XLEN),
  bit('SD', 63, 'One of VS, FS and XS is dirty.'),
];

const MACHINE_STATUS: readonly CsrField[] = inOrder([
  ...SUPERVISOR_STATUS,
  bit('MIE', 3, 'Interrupts are enabled in M-mode.'),
  bit('MPIE', 7, 'MIE as it was before the trap into M-mode.'),
  bits('MPP', 12, 11, 'Privilege level before the trap into M-mode.', PRIVILEGE),
  bit('MPRV', 17, 'Loads and stores are translated and protected as at the level in MPP.'),
  bit('TVM', 20, 'satp and sfence.vma are illegal in S-mode.'),
  bit('TW', 21, 'wfi is illegal below M-mode after a bounded wait.'),
  bit('TSR', 22, 'sret is illegal in S-mode.'),
  bits('SXL', 35, 34, 'XLEN of S-mode.', XLEN),
  bit('SBE', 36, "Byte order of S-mode's loads and stores.", ENDIAN),
  bit('MBE', 37, "Byte order of M-mode's loads and stores.", ENDIAN),
]);

const SUPERVISOR_INTERRUPTS = [1, 5, 9, 13];
const MACHINE_INTERRUPTS = [1, 3, 5, 7, 9, 11, 13];

const INTERRUPT_BITS: Readonly<Record<number, string>> = {
  1: 'SSI',
  3: 'MSI',
  5: 'STI',
  7: 'MTI',
  9: 'SEI',
  11: 'MEI',
  13: 'LCOFI',
};

const TRAP_VECTOR: readonly CsrField[] = [
  bits('MODE', 1, 0, 'Direct: all traps enter at BASE; vectored: interrupts at BASE + 4 times the cause.', {
    0: 'direct',
    1: 'vectored',
  }),
  shown('BASE', 63, 2, 'Address of the trap handler.', (value) => hex(value << 2n)),
];

const CAUSE: readonly CsrField[] = [
  shown('Code', 62, 0, 'Which exception or interrupt.', (_value, whole) => causeName(whole)),
  bit('Interrupt', 63, 'The trap was an interrupt.'),
];

const COUNTERS = [
  { name: 'CY', number: 0, counts: 'cycle' },
  { name: 'TM', number: 1, counts: 'time' },
  { name: 'IR', number: 2, counts: 'instret' },
  ...Array.from({ length: 29 }, (_, index) => ({
    name: `HPM${index + 3}`,
    number: index + 3,
    counts: `hpmcounter${index + 3}`,
  })),
];

const USER_ENVIRONMENT: readonly CsrField[] = [
  bit('FIOM', 0, 'A fence of device accesses also orders memory, and the reverse.'),
  bits('CBIE', 5, 4, 'What cbo.inval does at lower levels.', { 0: 'illegal', 1: 'flush', 3: 'invalidate' }),
  bit('CBCFE', 6, 'cbo.clean and cbo.flush are allowed at lower levels.'),
  bit('CBZE', 7, 'cbo.zero is allowed at lower levels.'),
];

const STATE_ENABLE: readonly CsrField[] = [
  bit('SE', 63, 'The lower level may use its own state enables of this number.'),
];
const FIRST_STATE_ENABLE: readonly CsrField[] = inOrder([
  ...STATE_ENABLE,
  bit('ENVCFG', 62, 'Lower levels may use senvcfg.'),
]);

const EVENT_SELECTION: readonly CsrField[] = [
  shown('Event', 55, 0, 'What the counter counts.', (value) => {
    const known = PERFORMANCE_EVENTS.find(({ code }) => BigInt(code) === value);
    return known?.name ?? hex(value);
  }),
  bit('UINH', 60, 'The counter stands still in U-mode.'),
  bit('SINH', 61, 'The counter stands still in S-mode.'),
  bit('MINH', 62, 'The counter stands still in M-mode.'),
  bit('OF', 63, 'The counter overflowed; until this is cleared it raises no further interrupt.'),
];

const FLAGS: readonly CsrField[] = [
  bit('NX', 0, 'Inexact.'),
  bit('UF', 1, 'Underflow.'),
  bit('OF', 2, 'Overflow.'),
  bit('DZ', 3, 'Division by zero.'),
  bit('NV', 4, 'Invalid operation.'),
];

const ROUNDING = {
  0: 'RNE (nearest, ties to even)',
  1: 'RTZ (towards zero)',
  2: 'RDN (down)',
  3: 'RUP (up)',
  4: 'RMM (nearest, ties away)',
};

/** The fields of each CSR that has any, by its name. */
export const CSR_FIELDS: Readonly<Record<string, readonly CsrField[]>> = {
  fflags: FLAGS,
  frm: [bits('RM', 2, 0, 'Rounding mode.', ROUNDING)],
  fcsr: [...FLAGS, bits('RM', 7, 5, 'Rounding mode.', ROUNDING)],
  sstatus: SUPERVISOR_STATUS,
  mstatus: MACHINE_STATUS,
  misa: [
    shown('Extensions', 25, 0, 'A bit for each letter of the alphabet.', letters),
    bits('MXL', 63, 62, 'XLEN of M-mode.', XLEN),
  ],
  sie: interrupts(SUPERVISOR_INTERRUPTS, 'E', 'enabled'),
  sip: interrupts(SUPERVISOR_INTERRUPTS, 'P', 'pending'),
  mie: interrupts(MACHINE_INTERRUPTS, 'E', 'enabled'),
  mip: interrupts(MACHINE_INTERRUPTS, 'P', 'pending'),
  mideleg: interrupts(MACHINE_INTERRUPTS, '', 'handled in S-mode'),
  medeleg: EXCEPTIONS.map(({ code, name }) => bit(`Exception${code}`, code, `Handled in S-mode: ${name}.`)),
  stvec: TRAP_VECTOR,
  mtvec: TRAP_VECTOR,
  scause: CAUSE,
  mcause: CAUSE,
  satp: [
    shown('PPN', 43, 0, 'Physical page number of the root page table.', (value) => hex(value)),
    bits('ASID', 59, 44, 'Address-space identifier.'),
    bits('MODE', 63, 60, 'Translation scheme.', { 0: 'Bare', 8: 'Sv39', 9: 'Sv48', 10: 'Sv57' }),
  ],
  scounteren: COUNTERS.map(({ name, number, counts }) => bit(name, number, `U-mode may read ${counts}.`)),
  mcounteren: COUNTERS.map(({ name, number, counts }) =>
    bit(name, number, `Lower levels may read ${counts}.`),
  ),
  mcountinhibit: COUNTERS.filter(({ name }) => name !== 'TM').map(({ name, number, counts }) =>
    bit(name, number, `${counts} stands still.`),
  ),
  scountovf: COUNTERS.slice(3).map(({ name, number, counts }) => bit(name, number, `${counts} overflowed.`)),
  ...named(29, (index) => [`mhpmevent${index + 3}`, EVENT_SELECTION]),
  mstateen0: FIRST_STATE_ENABLE,
  ...named(3, (index) => [`mstateen${index + 1}`, STATE_ENABLE]),
  senvcfg: USER_ENVIRONMENT,
  menvcfg: [
    ...USER_ENVIRONMENT,
    bit('ADUE', 61, 'Hardware sets the A and D bits of page-table entries; else they fault (Svadu).'),
    bit('PBMTE', 62, 'Page-based memory types are available (Svpbmt).'),
    bit('STCE', 63, 'stimecmp is available (Sstc).'),
  ],
  ...named(8, (index) => [`pmpcfg${2 * index}`, protection(8 * index)]),
};

/** The fields of CSRs of numbered names. */
function named(
  count: number,
  entry: (index: number) => [name: string, fields: readonly CsrField[]],
): Readonly<Record<string, readonly CsrField[]>> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => entry(index)));
}

function bit(name: string, number: number, description: string, values?: CsrField['values']): CsrField {
  return bits(name, number, number, description, values);
}

function bits(
  name: string,
  high: number,
  low: number,
  description: string,
  values?: CsrField['values'],
): CsrField {
  return values === undefined ? { name, low, high, description } : { name, low, high, description, values };
}

function shown(
  name: string,
  high: number,
  low: number,
  description: string,
  text: (value: bigint, whole: bigint) => string,
): CsrField {
  return { name, low, high, description, text };
}

function inOrder(fields: readonly CsrField[]): readonly CsrField[] {
  return [...fields].sort((a, b) => a.low - b.low);
}

function interrupts(numbers: readonly number[], suffix: string, what: string): readonly CsrField[] {
  return numbers.map((number) => {
    const name = INTERRUPTS.find(({ code }) => code === number)?.name;
    return bit(`${INTERRUPT_BITS[number]}${suffix}`, number, `The ${name} is ${what}.`);
  });
}

function letters(value: bigint): string {
  const alphabet = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'];
  return alphabet.filter((_, index) => (value >> BigInt(index)) & 1n).join('');
}

/** Eight entries a register on RV64 (privileged, "Physical Memory Protection CSRs"); `first` is the lowest's number. */
function protection(first: number): readonly CsrField[] {
  return Array.from({ length: 8 }, (_, index) =>
    shown(
      `pmp${first + index}cfg`,
      8 * index + 7,
      8 * index,
      `Permissions, address matching and lock of pmpaddr${first + index}.`,
      protectionText,
    ),
  );
}

const MATCHING = ['OFF', 'TOR', 'NA4', 'NAPOT'];

function protectionText(value: bigint): string {
  const number = Number(value);
  const permissions = [...'RWX'].map((letter, index) => ((number >> index) & 1 ? letter : '-')).join('');
  return `${MATCHING[(number >> 3) & 3]} ${permissions}${number & 0x80 ? ' locked' : ''}`;
}
