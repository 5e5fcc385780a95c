import type { HartCore } from './core.ts';
import { CSR } from './layout.ts';

/** mcountinhibit bits. */
export const INHIBIT = { CY: 1, IR: 4 } as const;

/**
 * mcycle and minstret (RISC-V privileged, "Hardware Performance Monitor"). A cycle is a step. An offset turns the
 * hart's own counts into what software wrote; while a counter is inhibited the offset is its value itself.
 */
export function readCycle(core: HartCore): bigint {
  const running = (core.state.lo(CSR.mcountinhibit) & INHIBIT.CY) === 0;
  return BigInt.asUintN(64, core.cycleOffset + (running ? BigInt(core.steps) : 0n));
}

export function readInstret(core: HartCore): bigint {
  const running = (core.state.lo(CSR.mcountinhibit) & INHIBIT.IR) === 0;
  return BigInt.asUintN(64, core.instretOffset + (running ? BigInt(core.retired) : 0n));
}

/** Writes by an instruction: the next instruction reads `value`, for the writing one does not count on top of it. */
export function writeCycle(core: HartCore, value: bigint, byInstruction: boolean): void {
  const running = (core.state.lo(CSR.mcountinhibit) & INHIBIT.CY) === 0;
  core.cycleOffset = running ? value - BigInt(core.steps + (byInstruction ? 1 : 0)) : value;
}

export function writeInstret(core: HartCore, value: bigint, byInstruction: boolean): void {
  const running = (core.state.lo(CSR.mcountinhibit) & INHIBIT.IR) === 0;
  core.instretOffset = running ? value - BigInt(core.retired + (byInstruction ? 1 : 0)) : value;
}

/** Writes mcountinhibit; the counters that it stops or starts keep their values across the change. */
export function writeInhibit(core: HartCore, value: number, byInstruction: boolean): void {
  const next = value & core.implemented.countInhibit;
  const changed = core.state.lo(CSR.mcountinhibit) ^ next;
  const cycle = readCycle(core);
  const instret = readInstret(core);
  core.counters.inhibit(() => core.state.set(CSR.mcountinhibit, next, 0), byInstruction);
  if ((changed & INHIBIT.CY) !== 0) writeCycle(core, cycle, byInstruction);
  if ((changed & INHIBIT.IR) !== 0) writeInstret(core, instret, byInstruction);
}
