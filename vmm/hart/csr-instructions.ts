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

/**
 * Decodes and checks csrrw, csrrs, csrrc and their immediate forms; undefined is an illegal instruction
 * (RISC-V unprivileged, "Zicsr"; privileged, "CSR Address Mapping Conventions").
 */
export function prepareCsr(core: HartCore, raw: number): CsrOperation | undefined {
  const number = raw >>> 20;
  const operation = (raw >> 12) & 3;
  const immediate = (raw & 0x4000) !== 0;
  const source = (raw >> 15) & 31;
  const writes = operation === FUNCT3.rw || source !== 0;
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
  combine(operation, next, lo, hi);
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
  const lowestPrivilege = (csr.number >> 8) & 3;
  const readOnly = csr.number >> 10 === 3;
  if (core.state.privilege < lowestPrivilege) return false;
  if (writes && readOnly) return false;
  return csr.isAccessible?.(core) ?? true;
}

function combine(operation: number, value: CsrValue, lo: number, hi: number): void {
  switch (operation) {
    case FUNCT3.rs:
      value.lo |= lo;
      value.hi |= hi;
      break;
    case FUNCT3.rc:
      value.lo &= ~lo;
      value.hi &= ~hi;
      break;
    default:
      value.lo = lo;
      value.hi = hi;
  }
}
