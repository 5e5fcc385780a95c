import { PRIVILEGE } from '../contracts/hart.ts';
import type { HartCore } from './core.ts';
import { CSR, HART } from './layout.ts';
import { MSTATUS } from './state.ts';

/** What the present privilege may do; where it may not, the instruction is illegal. */

/** mret and sret (RISC-V privileged, "Trap-Return Instructions" and mstatus.TSR). */
export function mayReturn(core: HartCore, from: typeof PRIVILEGE.M | typeof PRIVILEGE.S): boolean {
  const { privilege, mstatus } = core.state;
  if (privilege < from) return false;
  return from === PRIVILEGE.M || privilege === PRIVILEGE.M || (mstatus & MSTATUS.TSR) === 0;
}

/** wfi ("Wait for Interrupt" and mstatus.TW): U-mode only where the wait is bounded, which it is not here. */
export function mayWait(core: HartCore): boolean {
  const { privilege, mstatus } = core.state;
  return privilege === PRIVILEGE.M || (privilege === PRIVILEGE.S && (mstatus & MSTATUS.TW) === 0);
}

/**
 * wrs.nto: a stall may end for any reason and here always does at once, so that it shows nothing of how harts take
 * turns. Where mstatus.TW bounds the wait, not even that: with nothing to end the stall it is illegal (unprivileged,
 * "Wait-on-Reservation-Set Instructions").
 */
export function mayStall(core: HartCore): boolean {
  const { state } = core;
  if (state.privilege === PRIVILEGE.M || (state.mstatus & MSTATUS.TW) === 0) return true;
  return state.lo(HART.reservation) === 0 || (core.pendingInterrupts & state.lo(CSR.mie)) !== 0;
}

/**
 * What a fence of address translation does: sfence.vma and sinval.vma forget translations, the other two of Svinval only
 * order, and here everything is in order.
 */
export type TranslationFence = 'sfence.vma' | 'sinval.vma' | 'order';

export function translationFence(raw: number): TranslationFence {
  switch (raw >>> 25) {
    case 0x09:
      return 'sfence.vma';
    case 0x0b:
      return 'sinval.vma';
    default:
      return 'order';
  }
}

/**
 * Fences of address translation ("Supervisor Memory-Management Fence Instruction" and mstatus.TVM; "Svinval": what only
 * orders is permitted in S-mode whatever TVM says).
 */
export function mayFence(core: HartCore, fence: TranslationFence): boolean {
  const { privilege, mstatus } = core.state;
  if (privilege !== PRIVILEGE.S) return privilege === PRIVILEGE.M;
  return fence === 'order' || (mstatus & MSTATUS.TVM) === 0;
}

/** The address and address space that an sfence.vma or sinval.vma names; null for all. */
export function fenceOperands(
  core: HartCore,
  raw: number,
): { readonly address: bigint | null; readonly asid: number | null } {
  const rs1 = (raw >> 15) & 31;
  const rs2 = (raw >> 20) & 31;
  return {
    address: rs1 === 0 ? null : core.state.big(HART.x + rs1 * 8),
    asid: rs2 === 0 ? null : core.state.lo(HART.x + rs2 * 8) & 0xffff,
  };
}
