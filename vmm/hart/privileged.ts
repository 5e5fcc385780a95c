import { PRIVILEGE } from '../contracts/hart.ts';
import type { HartCore } from './core.ts';
import { HART } from './layout.ts';
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

/** sfence.vma ("Supervisor Memory-Management Fence Instruction" and mstatus.TVM). */
export function mayFence(core: HartCore): boolean {
  const { privilege, mstatus } = core.state;
  return privilege === PRIVILEGE.M || (privilege === PRIVILEGE.S && (mstatus & MSTATUS.TVM) === 0);
}

/** The address and address space that an sfence.vma names; null for all. */
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
