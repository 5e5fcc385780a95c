/** Registers and CSRs for people: names, groups, fields. */
import { hex } from '../vmm/base/brands.ts';
import { csrAccess, csrByName, type DecodedField, decodeFields } from '../vmm/isa/csrs.ts';
import { FLOAT_REGISTER_NAMES, REGISTER_NAMES } from '../vmm/isa/registers.ts';
import type { CsrField } from './values/index.ts';

/** ABI names of x0 to x31. */
export const INTEGER_REGISTERS: readonly string[] = REGISTER_NAMES;
/** ABI names of f0 to f31. */
export const FLOAT_REGISTERS: readonly string[] = FLOAT_REGISTER_NAMES;

/** CSRs are shown in these groups, in this order. */
export const CSR_GROUPS = [
  'Supervisor',
  'Machine',
  'Hypervisor',
  'Memory protection',
  'Floating point',
  'Counters',
  'User',
] as const;
export type CsrGroup = (typeof CSR_GROUPS)[number];

const PRIVILEGE_GROUPS = { U: 'User', S: 'Supervisor', H: 'Hypervisor', M: 'Machine' } as const;

export function csrGroupOf(name: string, number: number): CsrGroup {
  if (/^pmp(cfg|addr)/.test(name)) return 'Memory protection';
  if (/^(fflags|frm|fcsr)$/.test(name)) return 'Floating point';
  if (/^(m?(cycle|time|instret|hpm(counter|event)\d+)|scountovf)$/.test(name)) return 'Counters';
  return PRIVILEGE_GROUPS[csrAccess(number).privilege];
}

/** Fields of a CSR by its lower-case name, for expressions such as `$mstatus.MIE`; undefined when it is one value. */
export function csrFieldsOf(name: string): readonly CsrField[] | undefined {
  const fields = csrByName(name.toLowerCase())?.fields;
  return fields === undefined || fields.length === 0 ? undefined : fields;
}

export function decodedFieldsOf(name: string, value: bigint): readonly DecodedField[] {
  const csr = csrByName(name.toLowerCase());
  return csr === undefined ? [] : decodeFields(csr, value);
}

/** More fields than this do not fit the line; they are children anyway. */
const SUMMARY_FIELDS_MAX = 6;

/** A CSR on one line: `0x8000000000080210 (MODE=Sv39 PPN=0x80210)`. Fields that are 0 go unsaid. */
export function summarizeCsr(name: string, value: bigint): string {
  const set = decodedFieldsOf(name, value).filter((field) => field.value !== 0n);
  if (set.length === 0) return hex(value);
  const shown = set.slice(0, SUMMARY_FIELDS_MAX).map((field) => `${field.name}=${field.text}`);
  const more = set.length > shown.length ? ' …' : '';
  return `${hex(value)} (${shown.join(' ')}${more})`;
}
