import { PRIVILEGE, type PrivilegeLevel } from '../contracts/hart.ts';
import { EVENT } from '../isa/performance-events.ts';
import type { Privilege, VmExit } from '../protocol/exits.ts';
import type { HartCore } from './core.ts';
import { CSR, HART } from './layout.ts';
import { joinHalves, MPP_SHIFT, MSTATUS } from './state.ts';

/** Exception causes (RISC-V privileged, "Machine Cause (mcause) Register"). */
export const CAUSE = {
  instructionAccessFault: 1,
  illegalInstruction: 2,
  breakpoint: 3,
  loadMisaligned: 4,
  loadAccessFault: 5,
  storeMisaligned: 6,
  storeAccessFault: 7,
  ecallFromU: 8,
  ecallFromS: 9,
  ecallFromM: 11,
  instructionPageFault: 12,
  loadPageFault: 13,
  storePageFault: 15,
} as const;

const EXCEPTION_NAMES: Readonly<Record<number, string>> = {
  0: 'instruction address misaligned',
  1: 'instruction access fault',
  2: 'illegal instruction',
  3: 'breakpoint',
  4: 'load address misaligned',
  5: 'load access fault',
  6: 'store/AMO address misaligned',
  7: 'store/AMO access fault',
  8: 'environment call from U-mode',
  9: 'environment call from S-mode',
  11: 'environment call from M-mode',
  12: 'instruction page fault',
  13: 'load page fault',
  15: 'store/AMO page fault',
};
const INTERRUPT_NAMES: Readonly<Record<number, string>> = {
  1: 'supervisor software interrupt',
  3: 'machine software interrupt',
  5: 'supervisor timer interrupt',
  7: 'machine timer interrupt',
  9: 'supervisor external interrupt',
  11: 'machine external interrupt',
  13: 'counter overflow interrupt',
};
export const PRIVILEGE_NAME: Readonly<Record<PrivilegeLevel, Privilege>> = { 0: 'U', 1: 'S', 3: 'M' };

/** A trap about to be taken; `valueLo` and `valueHi` are what tval will hold. */
export interface Trap {
  readonly cause: number;
  readonly interrupt: boolean;
  readonly valueLo: number;
  readonly valueHi: number;
}

/** The privilege level that takes the trap: never below the present one ("Machine Trap Delegation Registers"). */
export function trapTarget({ state }: HartCore, { cause, interrupt }: Trap): PrivilegeLevel {
  if (state.privilege === PRIVILEGE.M) return PRIVILEGE.M;
  const delegated = state.lo(interrupt ? CSR.mideleg : CSR.medeleg);
  return ((delegated >>> cause) & 1) !== 0 ? PRIVILEGE.S : PRIVILEGE.M;
}

/** What a trap to each level writes, and where it goes. */
const TRAP_REGISTERS = {
  S: { epc: CSR.sepc, cause: CSR.scause, tval: CSR.stval, vector: CSR.stvec },
  M: { epc: CSR.mepc, cause: CSR.mcause, tval: CSR.mtval, vector: CSR.mtvec },
} as const;

/** Enters the trap's handler: epc, cause, tval, the stacks in mstatus, privilege and pc. */
export function enterTrap(core: HartCore, trap: Trap): void {
  const { state } = core;
  const target = trapTarget(core, trap);
  countTrap(core, trap);
  const { epc, cause, tval, vector } = target === PRIVILEGE.S ? TRAP_REGISTERS.S : TRAP_REGISTERS.M;
  state.set(epc, state.lo(HART.pc), state.hi(HART.pc));
  state.set(cause, trap.cause, trap.interrupt ? 0x8000_0000 | 0 : 0);
  state.set(tval, trap.valueLo, trap.valueHi);
  const mode = state.lo(vector) & 3;
  state.set(HART.pc, state.lo(vector) & ~3, state.hi(vector));
  if (mode === 1 && trap.interrupt) state.advancePc(4 * trap.cause);
  core.changeContext(target, stackedStatus(state.mstatus, state.privilege, target));
}

/** The exit that describes the trap to whoever watches. */
export function trapExit(trap: Trap, from: PrivilegeLevel, to: PrivilegeLevel): VmExit {
  return {
    kind: 'trap',
    cause: trap.cause,
    interrupt: trap.interrupt,
    name: (trap.interrupt ? INTERRUPT_NAMES : EXCEPTION_NAMES)[trap.cause] ?? `cause ${trap.cause}`,
    tval: joinHalves(trap.valueLo, trap.valueHi),
    from: PRIVILEGE_NAME[from],
    to: PRIVILEGE_NAME[to],
  };
}

/** Returns from a trap by mret; legality is the caller's to check ("Trap-Return Instructions"). */
export function returnFromMachine(core: HartCore): void {
  const { state } = core;
  let status = state.mstatus;
  const previous = ((status >> MPP_SHIFT) & 3) as PrivilegeLevel;
  status = copyBit(status, MSTATUS.MPIE, MSTATUS.MIE) | MSTATUS.MPIE;
  status &= ~MSTATUS.MPP;
  if (previous !== PRIVILEGE.M) status &= ~MSTATUS.MPRV;
  state.set(HART.pc, state.lo(CSR.mepc), state.hi(CSR.mepc));
  core.counters.happened(EVENT.trapReturns);
  core.changeContext(previous, status);
}

/** Returns from a trap by sret. */
export function returnFromSupervisor(core: HartCore): void {
  const { state } = core;
  let status = state.mstatus;
  const previous = (status & MSTATUS.SPP) !== 0 ? PRIVILEGE.S : PRIVILEGE.U;
  status = copyBit(status, MSTATUS.SPIE, MSTATUS.SIE) | MSTATUS.SPIE;
  status &= ~(MSTATUS.SPP | MSTATUS.MPRV);
  state.set(HART.pc, state.lo(CSR.sepc), state.hi(CSR.sepc));
  core.counters.happened(EVENT.trapReturns);
  core.changeContext(previous, status);
}

const PAGE_FAULTS: ReadonlySet<number> = new Set([
  CAUSE.instructionPageFault,
  CAUSE.loadPageFault,
  CAUSE.storePageFault,
]);
const ENVIRONMENT_CALLS: ReadonlySet<number> = new Set([
  CAUSE.ecallFromU,
  CAUSE.ecallFromS,
  CAUSE.ecallFromM,
]);

/** A trap is an event of the level that it leaves. */
function countTrap({ counters }: HartCore, { cause, interrupt }: Trap): void {
  if (!counters.countsEvents) return;
  counters.happened(interrupt ? EVENT.interrupts : EVENT.exceptions);
  if (interrupt) return;
  if (PAGE_FAULTS.has(cause)) counters.happened(EVENT.pageFaults);
  if (ENVIRONMENT_CALLS.has(cause)) counters.happened(EVENT.environmentCalls);
}

/** mstatus after a trap: interrupt enable and privilege move one up their stacks. */
function stackedStatus(status: number, from: PrivilegeLevel, target: PrivilegeLevel): number {
  if (target === PRIVILEGE.S) {
    const stacked = copyBit(status, MSTATUS.SIE, MSTATUS.SPIE) & ~(MSTATUS.SIE | MSTATUS.SPP);
    return from === PRIVILEGE.S ? stacked | MSTATUS.SPP : stacked;
  }
  const stacked = copyBit(status, MSTATUS.MIE, MSTATUS.MPIE) & ~(MSTATUS.MIE | MSTATUS.MPP);
  return stacked | (from << MPP_SHIFT);
}

function copyBit(status: number, from: number, to: number): number {
  return (status & from) !== 0 ? status | to : status & ~to;
}
