import type { HartCore } from './core.ts';
import { type CsrDefinition, type CsrValue, csrByNumber } from './csr.ts';
import { HART } from './layout.ts';

/** A CSR instruction, checked and computed, not yet applied. Valid until the next one is prepared. */
export interface CsrOperation {
  readonly csr: CsrDefinition;
  readonly writes: boolean;
  readonly rd: number;
  readonly old: CsrValue;
  readonly next: CsrValue;
}

/** Filled anew for each instruction: CSRs are accessed too often to allocate. */
const prepared = {
  csr: undefined as unknown as CsrDefinition,
  writes: false,
  rd: 0,
  old: { lo: 0, hi: 0 },
  next: { lo: 0, hi: 0 },
};

const FUNCT3 = { rw: 1, rs: 2, rc: 3 } as const;

/** The fields of a Zicsr instruction (unprivileged, "CSR Instructions"). */
export interface CsrFields {
  readonly number: number;
  readonly operation: number;
  /** The operand is `source` itself, not the register of that number. */
  readonly immediate: boolean;
  readonly source: number;
  readonly writes: boolean;
}

export function csrFields(raw: number): CsrFields {
  const operation = (raw >> 12) & 3;
  const source = (raw >> 15) & 31;
  return {
    number: raw >>> 20,
    operation,
    immediate: (raw & 0x4000) !== 0,
    source,
    writes: operation === FUNCT3.rw || source !== 0,
  };
}

/** The lowest privilege level that may access a CSR ("CSR Address Mapping Conventions"). */
export const lowestPrivilege = (number: number): number => (number >> 8) & 3;

/** Bitwise operations on whatever a value is to the caller. */
export interface BitOperations<T> {
  or(a: T, b: T): T;
  andNot(a: T, b: T): T;
}

/** What a CSR instruction writes, before the CSR's own rules. */
export function csrResult<T>({ or, andNot }: BitOperations<T>, operation: number, old: T, operand: T): T {
  if (operation === FUNCT3.rs) return or(old, operand);
  return operation === FUNCT3.rc ? andNot(old, operand) : operand;
}

const HALVES: BitOperations<number> = { or: (a, b) => a | b, andNot: (a, b) => a & ~b };

/**
 * Decodes and checks csrrw, csrrs, csrrc and their immediate forms; undefined is an illegal instruction
 * (RISC-V unprivileged, "Zicsr"; privileged, "CSR Address Mapping Conventions").
 */
export function prepareCsr(core: HartCore, raw: number): CsrOperation | undefined {
  const { number, operation, immediate, source, writes } = csrFields(raw);
  const csr = csrByNumber(core.isa, number);
  if (csr === undefined || !mayAccess(core, csr, writes)) return undefined;

  const { old, next } = prepared;
  old.lo = 0;
  old.hi = 0;
  csr.read(core, old);
  next.lo = old.lo;
  next.hi = old.hi;
  if (operation !== FUNCT3.rw) csr.readForModify?.(core, next);
  const { state } = core;
  const lo = immediate ? source : state.lo(HART.x + source * 8);
  const hi = immediate ? 0 : state.hi(HART.x + source * 8);
  next.lo = csrResult(HALVES, operation, next.lo, lo);
  next.hi = csrResult(HALVES, operation, next.hi, hi);
  prepared.csr = csr;
  prepared.writes = writes;
  prepared.rd = (raw >> 7) & 31;
  return prepared;
}

/** Writes the CSR, then rd: the old value wins over a side effect on rd's register. */
export function applyCsr(core: HartCore, operation: CsrOperation): void {
  const { csr, writes, rd, old, next } = operation;
  if (writes) csr.write?.(core, next.lo, next.hi, true);
  if (rd !== 0) core.state.set(HART.x + rd * 8, old.lo, old.hi);
}

function mayAccess(core: HartCore, csr: CsrDefinition, writes: boolean): boolean {
  const readOnly = csr.number >> 10 === 3;
  if (core.state.privilege < lowestPrivilege(csr.number)) return false;
  if (writes && readOnly) return false;
  return csr.isAccessible?.(core) ?? true;
}
