import { BLOCK_BYTES, STATUS, type Status } from './abi.ts';
import type { HartCore } from './core.ts';
import { type DataAccess, OUTSIDE_RAM, TRAPPED } from './data-access.ts';
import { HART } from './layout.ts';
import { ACCESS_FAULT, PAGE_FAULT } from './mmu.ts';
import { ACCESS } from './pmp.ts';
import type { HartState } from './state.ts';
import { CAUSE } from './traps.ts';

/** Accesses wider than a register: whole cache blocks, and pairs of registers. Each ends as `DataAccess`'s do. */

const QUAD_BYTES = 16;

/** cbo.zero at a virtual address: the block around it becomes zero (unprivileged, "Cache-Block Zero Instructions"). */
export function zeroBlock(data: DataAccess, state: HartState, lo: number, hi: number): Status {
  const host = data.resolve(lo, hi, 1, ACCESS.write);
  if (host === TRAPPED) return STATUS.trap;
  // Only main memory has blocks to be zeroed ("Page-Fault, Guest-Page-Fault, and Access-Fault Exceptions").
  if (host === OUTSIDE_RAM) return data.trap(ACCESS_FAULT[ACCESS.write], lo, hi);
  const start = host - (host % BLOCK_BYTES);
  state.u8.fill(0, start, start + BLOCK_BYTES);
  data.wrote(start, BLOCK_BYTES);
  return STATUS.done;
}

/**
 * cbo.clean, cbo.flush and cbo.inval: there are no caches, so all that is left to do is to check the address. Being
 * allowed to read is enough, for whatever may be written may be read; what is not allowed is a fault of a store.
 */
export function manageBlock(data: DataAccess, core: HartCore, raw: number): Status {
  const [lo, hi] = address(core.state, raw);
  if (data.resolve(lo, hi, 1, ACCESS.read) !== TRAPPED) return STATUS.done;
  const isPageFault = core.state.lo(HART.trapCause) === PAGE_FAULT[ACCESS.read];
  return data.trap((isPageFault ? PAGE_FAULT : ACCESS_FAULT)[ACCESS.write], lo, hi);
}

/** amocas.q, whose operands are pairs of registers; x0 stands for a pair of zeros (unprivileged, "Zacas"). */
export function compareAndSwapQuad(data: DataAccess, core: HartCore, raw: number): Status {
  const { state } = core;
  const [lo, hi] = address(state, raw);
  if ((lo & (QUAD_BYTES - 1)) !== 0) return data.trap(CAUSE.storeMisaligned, lo, hi);
  const host = data.resolve(lo, hi, QUAD_BYTES, ACCESS.write);
  if (host === TRAPPED) return STATUS.trap;
  if (host === OUTSIDE_RAM) return data.trap(ACCESS_FAULT[ACCESS.write], lo, hi);
  const rd = (raw >> 7) & 31;
  const rs2 = (raw >> 20) & 31;
  const compared = pair(state, rd);
  const old = [0, 1, 2, 3].map((word) => state.i32[(host >>> 2) + word]!);
  if (old.every((word, index) => word === compared[index])) {
    for (const [index, word] of pair(state, rs2).entries()) state.i32[(host >>> 2) + index] = word;
    data.wrote(host, QUAD_BYTES);
  }
  if (rd !== 0) {
    state.set(HART.x + rd * 8, old[0]!, old[1]!);
    state.set(HART.x + rd * 8 + 8, old[2]!, old[3]!);
  }
  return STATUS.done;
}

function address(state: HartState, raw: number): [lo: number, hi: number] {
  const rs1 = HART.x + ((raw >> 15) & 31) * 8;
  return [state.lo(rs1), state.hi(rs1)];
}

/** The four words of a register and the one after it. */
function pair(state: HartState, register: number): readonly number[] {
  if (register === 0) return [0, 0, 0, 0];
  const at = HART.x + register * 8;
  return [state.lo(at), state.hi(at), state.lo(at + 8), state.hi(at + 8)];
}
