import { assert } from '../base/assert.ts';
import {
  type HartId,
  hartId,
  type PhysicalAddress,
  physical,
  type VirtualAddress,
  virtual,
} from '../base/brands.ts';
import type { Saved } from '../contracts/device.ts';
import {
  type AccessType,
  type Hart,
  type HartReturn,
  INTERRUPT,
  PRIVILEGE,
  type PrivilegeLevel,
  type WalkResult,
} from '../contracts/hart.ts';
import type { HartCore } from './core.ts';
import { csrByNumber } from './csr.ts';
import type { HartExecution } from './execution.ts';
import { CSR, CSR_PMPADDR, HART } from './layout.ts';
import { restoreHart, saveHart } from './saved-state.ts';
import { ENVCFG, FS_INITIAL, highHalf, lowHalf, STATEEN } from './state.ts';
import { walkPageTables } from './walk.ts';

const PAGE = 4096n;
/** Beyond, forgetting everything costs less. */
const PAGES_FLUSHED_ONE_BY_ONE = 64n;
const PMP_ALL_OF_MEMORY = 0x1f; // NAPOT, RWX
const SUPERVISOR_EXCEPTIONS = 0xb1ff; // all that the specification delegates, but for S-mode's own ecall

/** One hart, as the machine sees it: the run loop is `HartExecution`'s. */
export class RiscvHart implements Hart {
  readonly id: HartId;
  readonly core: HartCore;
  readonly execution: HartExecution;

  constructor(core: HartCore, execution: HartExecution) {
    this.id = hartId(core.state.id);
    this.core = core;
    this.execution = execution;
    this.reset({ pc: 0n, privilege: PRIVILEGE.M, a0: 0n, a1: 0n });
  }

  run(budgetSteps: number, skipBreakpoint = false): HartReturn {
    assert(budgetSteps >= 0 && budgetSteps <= 2 ** 30, 'a budget of up to 2^30 steps');
    return this.execution.run(budgetSteps, skipBreakpoint);
  }

  requestYield(): void {
    this.execution.requestYield();
  }

  get steps(): number {
    return this.core.steps;
  }

  get retired(): number {
    return this.core.retired;
  }

  get trapped(): number {
    return this.core.notRetired - this.core.skipped;
  }

  get waits(): boolean {
    return this.execution.waits;
  }

  skipSteps(count: number): void {
    this.core.sliceEnd += count;
    this.core.notRetired += count;
    this.core.skipped += count;
    this.core.attention = true;
  }

  reset(entry: { pc: bigint; privilege: PrivilegeLevel; a0: bigint; a1: bigint }): void {
    const { core } = this;
    const { state } = core;
    state.u8.fill(0, state.base, state.base + HART.scratchCode);
    state.set(CSR.menvcfg, 0, core.implemented.environmentAtReset);
    // A comparator that never fires until it is written.
    state.set(CSR.stimecmp, -1, -1);
    core.cycleOffset = 0n;
    core.instretOffset = 0n;
    core.sliceEnd = 0;
    core.notRetired = 0;
    core.skipped = 0;
    core.translated = 0;
    core.counters.reset();
    core.pmp.refresh();
    core.caches.flush();
    core.refreshTimer();
    core.changeContext(entry.privilege, 0);
    this.setX(10, entry.a0);
    this.setX(11, entry.a1);
    this.setPc(entry.pc);
  }

  enterSupervisor(entry: { pc: bigint; a0: bigint; a1: bigint }): void {
    const { sliceEnd, notRetired, skipped, translated } = this.core;
    const remaining = this.core.state.lo(HART.remaining);
    const lines = this.core.state.lo(CSR.mipLines);
    this.reset({ ...entry, privilege: PRIVILEGE.S });
    const { core } = this;
    // The clock goes on: firmware starts a supervisor at any time (SBI, "Hart State Management").
    core.sliceEnd = sliceEnd;
    core.notRetired = notRetired;
    core.skipped = skipped;
    core.translated = translated;
    core.state.setLo(HART.remaining, remaining);
    // The levels of the inputs are their sources', which tell changes only.
    core.state.set(CSR.mipLines, lines, 0);
    core.state.set(CSR.medeleg, SUPERVISOR_EXCEPTIONS, 0);
    const { supervisorInterrupts, counterEnable, environment, environmentHigh } = core.implemented;
    core.state.set(CSR.mideleg, supervisorInterrupts, 0);
    core.state.set(CSR.mcounteren, counterEnable, 0);
    // All that the configuration has, but for ADUE, which stays as the reset left it, and FIOM, which only orders more.
    const high = core.state.hi(CSR.menvcfg) | (environmentHigh & ~ENVCFG.ADUE);
    core.state.set(CSR.menvcfg, environment & ~ENVCFG.FIOM, high);
    core.state.set(CSR.mstateen0, 0, STATEEN.SE | STATEEN.ENVCFG);
    for (const offset of [CSR.mstateen1, CSR.mstateen2, CSR.mstateen3]) core.state.set(offset, 0, STATEEN.SE);
    core.state.set(CSR_PMPADDR, -1, 0x003f_ffff);
    core.pmp.writeConfig(0, PMP_ALL_OF_MEMORY, 0);
    core.refreshTimer();
    core.changeContext(PRIVILEGE.S, FS_INITIAL & core.implemented.mstatus);
  }

  setInterrupt(bit: number, level: boolean): void {
    const { core } = this;
    // SSIP and STIP have no lines: whoever raises them writes the bits that software clears.
    const isLine = bit !== INTERRUPT.SSIP && bit !== INTERRUPT.STIP;
    const slot = isLine ? CSR.mipLines : CSR.mipSoftware;
    const old = core.state.lo(slot);
    const next = level ? old | (1 << bit) : old & ~(1 << bit);
    if (next === old) return;
    core.state.setLo(slot, next);
    core.attention = true;
  }

  get wakes(): boolean {
    this.core.refreshTimer();
    return (this.core.pendingInterrupts & this.core.state.lo(CSR.mie)) !== 0;
  }

  get supervisorTimer(): bigint {
    return this.core.state.big(CSR.stimecmp);
  }

  set supervisorTimer(ticks: bigint) {
    this.core.state.setBig(CSR.stimecmp, ticks);
    this.core.refreshTimer();
    this.core.attention = true;
  }

  get timerDeadline(): number {
    this.core.refreshTimer();
    return this.core.ownDeadline;
  }

  getPc(): VirtualAddress {
    return virtual(this.core.state.big(HART.pc));
  }

  setPc(pc: bigint): void {
    this.core.state.setBig(HART.pc, pc & ~1n);
    this.execution.pcWasSet();
  }

  getPrivilege(): PrivilegeLevel {
    return this.core.state.privilege;
  }

  setPrivilege(privilege: PrivilegeLevel): void {
    this.core.changeContext(privilege, this.core.state.mstatus);
  }

  getX(index: number): bigint {
    assert(index >= 0 && index < 32, 'x0 to x31');
    return this.core.state.big(HART.x + index * 8);
  }

  setX(index: number, value: bigint): void {
    assert(index >= 0 && index < 32, 'x0 to x31');
    if (index !== 0) this.core.state.setBig(HART.x + index * 8, value);
  }

  getF(index: number): bigint {
    assert(index >= 0 && index < 32, 'f0 to f31');
    return this.core.state.big(HART.f + index * 8);
  }

  setF(index: number, value: bigint): void {
    assert(index >= 0 && index < 32, 'f0 to f31');
    this.core.state.setBig(HART.f + index * 8, value);
  }

  readCsr(number: number): bigint | undefined {
    const csr = csrByNumber(this.core.isa, number);
    if (csr === undefined) return undefined;
    const value = { lo: 0, hi: 0 };
    csr.read(this.core, value);
    return (BigInt(value.hi >>> 0) << 32n) | BigInt(value.lo >>> 0);
  }

  writeCsr(number: number, value: bigint): boolean {
    const csr = csrByNumber(this.core.isa, number);
    if (csr === undefined) return false;
    csr.write?.(this.core, lowHalf(value), highHalf(value), false);
    return true;
  }

  walk(
    address: VirtualAddress,
    options: { access?: AccessType; root?: PhysicalAddress; privilege?: PrivilegeLevel } = {},
  ): WalkResult {
    return walkPageTables(this.core, address, options);
  }

  translate(address: VirtualAddress): PhysicalAddress | undefined {
    const result = walkPageTables(this.core, address, { ignorePermissions: true });
    return result.physical === undefined ? undefined : physical(result.physical);
  }

  flushTranslations(range?: { readonly start: bigint; readonly size: bigint }): void {
    const { caches } = this.core;
    if (range === undefined || range.size > PAGES_FLUSHED_ONE_BY_ONE * PAGE) {
      caches.flush();
      return;
    }
    const first = range.start & ~(PAGE - 1n);
    for (let page = first; page < range.start + range.size; page += PAGE) {
      caches.flushPage(lowHalf(page), highHalf(page));
    }
  }

  save(): Saved {
    return saveHart(this.core);
  }

  restore(saved: Saved): void {
    restoreHart(this.core, saved);
    this.execution.pcWasSet();
  }
}
