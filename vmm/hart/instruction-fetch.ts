import type { CodePages } from './code-pages.ts';
import type { HartCore } from './core.ts';
import { HART } from './layout.ts';
import { ACCESS_FAULT } from './mmu.ts';
import { ACCESS } from './pmp.ts';
import { NO_PAGE, type RecordWriter } from './record-writer.ts';
import { CAUSE } from './traps.ts';

type HalfwordResult = 'ready' | 'trap' | 'stop';

/** Gets instructions to execute: whole decoded pages where it can, single records where it must. */
export class InstructionFetch {
  readonly #core: HartCore;
  readonly #code: CodePages;
  readonly #writer: RecordWriter;
  #halfword = 0;
  /** The instruction in the scratch record, as fetched. */
  #scratchRaw = 0;

  constructor(core: HartCore, code: CodePages, writer: RecordWriter) {
    this.#core = core;
    this.#code = code;
    this.#writer = writer;
  }

  /**
   * Caches the decoded page of pc. `outside`: its instructions must run one by one, for it is no RAM or protection
   * differs within it. On `trap` the exception stands in the hart's record.
   */
  enterPage(): 'cached' | 'outside' | 'trap' {
    const { state, mmu, pmp, caches } = this.#core;
    const lo = state.lo(HART.pc);
    const hi = state.hi(HART.pc);
    const { privilege } = state;
    const cause = mmu.translate(lo, hi, ACCESS.execute, privilege);
    if (cause !== 0) return this.#trap(cause, lo, hi);
    const page = mmu.physical - (mmu.physical % 4096);
    const host = state.ramHost(page, 4096);
    if (host === 0 || !pmp.isUniform(page)) return 'outside';
    if (!pmp.allows(page, 4096, ACCESS.execute, privilege)) {
      return this.#trap(CAUSE.instructionAccessFault, lo, hi);
    }
    caches.fillFetch(lo, hi, this.#code.pageFor(host), mmu.leafPages);
    return 'cached';
  }

  /**
   * Writes the instruction at pc into the scratch record. `record`: its own in a decoded page, whose translation is cached
   * and holds, whatever the page tables say now. `stop`: a bus read in a `pre` stage.
   */
  prepareScratch(record: number | null): HalfwordResult {
    const { state } = this.#core;
    const lo = state.lo(HART.pc);
    const hi = state.hi(HART.pc);
    const host = record === null ? 0 : this.#code.hostOf(record) >>> 1;
    if (record === null) {
      const result = this.#fetchHalfword(lo, hi);
      if (result !== 'ready') return result;
    } else {
      this.#halfword = state.u16[host]!;
    }
    let raw = this.#halfword;
    if ((raw & 3) === 3) {
      if (record === null || (lo & 0xfff) === 0xffe) {
        const nextLo = (lo + 2) | 0;
        const result = this.#fetchHalfword(nextLo, (hi + (nextLo === 0 ? 1 : 0)) | 0);
        if (result !== 'ready') return result;
      } else {
        this.#halfword = state.u16[host + 1]!;
      }
      raw |= this.#halfword << 16;
    }
    this.#scratchRaw = raw;
    this.#writer.write(state.base + HART.scratchCode, raw, NO_PAGE);
    return 'ready';
  }

  /** Encoding of the instruction whose record `HART.ip` names, as fetched: 16 or 32 bits. */
  rawAtPc(): number {
    const { state } = this.#core;
    const record = state.lo(HART.ip) >>> 0;
    if (record === state.base + HART.scratchCode) return this.#scratchRaw;
    const host = this.#code.hostOf(record);
    const first = state.u16[host >>> 1]!;
    return (first & 3) === 3 ? first | (state.u16[(host >>> 1) + 1]! << 16) : first;
  }

  #fetchHalfword(lo: number, hi: number): HalfwordResult {
    const { state, mmu, pmp, ports } = this.#core;
    const { privilege } = state;
    const cause = mmu.translate(lo, hi, ACCESS.execute, privilege);
    if (cause !== 0) return this.#trap(cause, lo, hi);
    const address = mmu.physical;
    if (!pmp.allows(address, 2, ACCESS.execute, privilege)) {
      return this.#trap(ACCESS_FAULT[ACCESS.execute]!, lo, hi);
    }
    const host = state.ramHost(address, 2);
    if (host !== 0) {
      this.#halfword = state.u16[host >>> 1]!;
      return 'ready';
    }
    const result = ports.bus.read(state.id, address, 2);
    if (result === 'stop') return 'stop';
    if (result === 'fault') {
      const exit = {
        kind: 'page-fault',
        address: BigInt(address),
        reason: 'outside-ram',
        write: false,
      } as const;
      if (this.#core.beginExit('page-fault', () => exit)) return 'stop';
      this.#core.endExit('page-fault', () => exit);
      return this.#trap(CAUSE.instructionAccessFault, lo, hi);
    }
    this.#halfword = ports.bus.low & 0xffff;
    return 'ready';
  }

  #trap(cause: number, lo: number, hi: number): 'trap' {
    const { state } = this.#core;
    state.setLo(HART.trapCause, cause);
    state.set(HART.trapValue, lo, hi);
    return 'trap';
  }
}
