import { hex } from '../base/brands.ts';
import { CSR_FIELDS, type CsrField } from './csr-fields.ts';

export type { CsrField } from './csr-fields.ts';

/** A control and status register. */
export interface Csr {
  /** The 12-bit number in an instruction. */
  readonly number: number;
  readonly name: string;
  /** One sentence, with units where it counts something. */
  readonly description: string;
  /** From the lowest bit up; empty for registers that are one value. */
  readonly fields: readonly CsrField[];
}

export interface DecodedField {
  readonly name: string;
  readonly low: number;
  readonly high: number;
  readonly value: bigint;
  /** The value for people: its name where it has one. */
  readonly text: string;
}

/** The CSRs of U-, S- and M-mode (privileged, "CSR Listing"), by number. */
export const CSRS: readonly Csr[] = [
  csr(0x001, 'fflags', 'Accrued exceptions of floating point.'),
  csr(0x002, 'frm', 'Rounding mode of floating point.'),
  csr(0x003, 'fcsr', 'Rounding mode and accrued exceptions of floating point.'),

  csr(0x100, 'sstatus', "The part of the hart's state that S-mode controls."),
  csr(0x104, 'sie', 'Interrupts enabled for S-mode.'),
  csr(0x105, 'stvec', 'Where traps into S-mode enter.'),
  csr(0x106, 'scounteren', 'Counters that U-mode may read.'),
  csr(0x10a, 'senvcfg', 'Environment of U-mode.'),
  ...numbered(0x10c, 4, 0, (n) => [`sstateen${n}`, 'State of extensions that U-mode may use (Ssstateen).']),
  csr(0x140, 'sscratch', "A word for S-mode's trap handler."),
  csr(0x141, 'sepc', 'Where the trap into S-mode happened and sret returns to.'),
  csr(0x142, 'scause', 'Why the trap into S-mode happened.'),
  csr(0x143, 'stval', 'Address or instruction that caused the trap into S-mode.'),
  csr(0x144, 'sip', 'Interrupts pending for S-mode.'),
  csr(
    0x14d,
    'stimecmp',
    'The timer interrupt of S-mode is pending while time is at least this, in ticks (Sstc).',
  ),
  csr(0x180, 'satp', 'Address translation: scheme, address space and root page table.'),

  csr(0x300, 'mstatus', "The hart's state: interrupt enables, privilege before the trap, units in use."),
  csr(0x301, 'misa', 'Extensions of the hart.'),
  csr(0x302, 'medeleg', 'Exceptions that S-mode handles.'),
  csr(0x303, 'mideleg', 'Interrupts that S-mode handles.'),
  csr(0x304, 'mie', 'Interrupts enabled.'),
  csr(0x305, 'mtvec', 'Where traps into M-mode enter.'),
  csr(0x306, 'mcounteren', 'Counters that lower levels may read.'),
  csr(0x30a, 'menvcfg', 'Environment of lower levels.'),
  ...numbered(0x30c, 4, 0, (n) => [
    `mstateen${n}`,
    'State of extensions that lower levels may use (Smstateen).',
  ]),
  csr(0x320, 'mcountinhibit', 'Counters that stand still.'),
  ...numbered(0x323, 29, 3, (n) => [`mhpmevent${n}`, `What mhpmcounter${n} counts.`]),
  csr(0x340, 'mscratch', "A word for M-mode's trap handler."),
  csr(0x341, 'mepc', 'Where the trap into M-mode happened and mret returns to.'),
  csr(0x342, 'mcause', 'Why the trap into M-mode happened.'),
  csr(0x343, 'mtval', 'Address or instruction that caused the trap into M-mode.'),
  csr(0x344, 'mip', 'Interrupts pending.'),
  // RV64 has the even ones only: each holds the configuration of eight regions.
  ...Array.from({ length: 8 }, (_, index) =>
    csr(
      0x3a0 + 2 * index,
      `pmpcfg${2 * index}`,
      `Memory protection of regions ${8 * index} to ${8 * index + 7}.`,
    ),
  ),
  ...numbered(0x3b0, 64, 0, (n) => [
    `pmpaddr${n}`,
    `Bound of memory protection region ${n}, in units of 4 bytes.`,
  ]),

  csr(0x7a0, 'tselect', 'The trigger that tdata1 to tdata3 mean.'),
  csr(0x7a1, 'tdata1', "The selected trigger's type and configuration."),
  csr(0x7a2, 'tdata2', "The selected trigger's data, such as an address."),
  csr(0x7a3, 'tdata3', "The selected trigger's further data."),

  csr(0xb00, 'mcycle', 'Clock cycles of the hart.'),
  csr(0xb02, 'minstret', 'Instructions retired by the hart.'),
  ...numbered(0xb03, 29, 3, (n) => [`mhpmcounter${n}`, `Counter of the event in mhpmevent${n}.`]),
  csr(0xc00, 'cycle', 'Clock cycles of the hart; reads mcycle.'),
  csr(0xc01, 'time', 'Real time in ticks of the timer; reads mtime.'),
  csr(0xc02, 'instret', 'Instructions retired by the hart; reads minstret.'),
  ...numbered(0xc03, 29, 3, (n) => [`hpmcounter${n}`, `Reads mhpmcounter${n}.`]),
  csr(0xda0, 'scountovf', 'Counters that overflowed: OF of mhpmevent3 to mhpmevent31 (Sscofpmf).'),

  csr(0xf11, 'mvendorid', "The maker's JEDEC number; 0 for none."),
  csr(0xf12, 'marchid', "The core's design; 0 for none."),
  csr(0xf13, 'mimpid', "The design's version; 0 for none."),
  csr(0xf14, 'mhartid', 'Number of the hart.'),
  csr(0xf15, 'mconfigptr', 'Address of a description of the platform; 0 for none.'),
];

const byNumber = new Map(CSRS.map((entry) => [entry.number, entry]));
const byName = new Map(CSRS.map((entry) => [entry.name, entry]));

export const csrByNumber = (number: number): Csr | undefined => byNumber.get(number);
/** By its name in lower case. */
export const csrByName = (name: string): Csr | undefined => byName.get(name);

/** The lowest level that may access a CSR, and whether it may write (privileged, "CSR Address Mapping Conventions"). */
export function csrAccess(number: number): { privilege: 'U' | 'S' | 'H' | 'M'; writable: boolean } {
  const privilege = (['U', 'S', 'H', 'M'] as const)[(number >> 8) & 3]!;
  return { privilege, writable: number >> 10 !== 3 };
}

/** The fields of a CSR that holds `value`, from the lowest bit up. */
export function decodeFields(csr: Csr, value: bigint): DecodedField[] {
  const whole = BigInt.asUintN(64, value);
  return csr.fields.map((field) => {
    const { name, low, high } = field;
    const bits = BigInt.asUintN(high - low + 1, whole >> BigInt(low));
    return { name, low, high, value: bits, text: fieldText(field, bits, whole) };
  });
}

function fieldText({ low, high, values, text }: CsrField, value: bigint, whole: bigint): string {
  if (text !== undefined) return text(value, whole);
  const name = values?.[Number(value)];
  if (name !== undefined) return name;
  return high - low < 8 ? value.toString() : hex(value);
}

function csr(number: number, name: string, description: string): Csr {
  return { number, name, description, fields: CSR_FIELDS[name] ?? [] };
}

function numbered(
  first: number,
  count: number,
  firstIndex: number,
  describe: (index: number) => readonly [name: string, description: string],
): Csr[] {
  return Array.from({ length: count }, (_, index) => csr(first + index, ...describe(firstIndex + index)));
}
