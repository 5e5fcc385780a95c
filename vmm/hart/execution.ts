import { assert } from '../base/assert.ts';
import { type HartReturn, PRIVILEGE } from '../contracts/hart.ts';
import type { LeaveReason } from '../isa/emitter.ts';
import { EVENT } from '../isa/performance-events.ts';
import type { VmExit } from '../protocol/exits.ts';
import { EXIT, LEAVE_REASONS, STATUS } from './abi.ts';
import { compareAndSwapQuad, manageBlock } from './block-access.ts';
import type { CodePages } from './code-pages.ts';
import type { HartCore } from './core.ts';
import { hasTranslationMode } from './csr.ts';
import { applyCsr, type CsrOperation, prepareCsr } from './csr-instructions.ts';
import type { DataAccess } from './data-access.ts';
import type { InstructionFetch } from './instruction-fetch.ts';
import type { Interpreter } from './interpreter.ts';
import { SPECIAL } from './interpreter-loop.ts';
import {
  CELL_SLOT,
  CSR,
  cellOf,
  cellsBase,
  ENTRY_RECORD,
  HART,
  JUMP_RECORD,
  LAST_TARGET,
  RECORD,
  type Variant,
} from './layout.ts';
import { fenceOperands, mayFence, mayReturn, mayStall, mayWait, translationFence } from './privileged.ts';
import { highHalf, joinHalves, lowHalf } from './state.ts';
import { OUT_OF_LINE, RESULT, type Translator, unpackService } from './translation.ts';
import {
  CAUSE,
  enterTrap,
  returnFromMachine,
  returnFromSupervisor,
  type Trap,
  trapExit,
  trapTarget,
} from './traps.ts';

/**
 * Steps after which generated code returns even when nothing is due: V8 replaces a running function by its
 * optimised form only when it is entered anew.
 */
const SLICE_STEPS_MAX = 100_000;

/** What handling one return of generated code came to: go on, run the scratch record next, or leave `run`. */
type Outcome = HartReturn | 'scratch' | null;

/** Reasons whose instruction leaves translations and decoded code as they are, unless the hart's attention is called. */
const KEEPS_TRANSLATIONS: ReadonlySet<LeaveReason> = new Set<LeaveReason>(['csr', 'fence.i']);

/** Breakpoints by address; shared by the harts of a machine. */
export interface Breakpoints {
  readonly isEmpty: boolean;
  has(pc: bigint): boolean;
}

/** Runs one hart: enters generated code in slices that end where something is due, and does what that code leaves. */
export class HartExecution {
  readonly #core: HartCore;
  readonly #interpreter: Interpreter;
  readonly #code: CodePages;
  readonly #fetch: InstructionFetch;
  readonly #data: DataAccess;
  readonly #breakpoints: Breakpoints;
  /** Tells the other harts that this one is about to execute. */
  readonly #takesTurn: () => void;
  readonly #translator: Translator | null;
  #variant: Variant = 0;
  /** What the last instruction that translated code left to the hart came to, when that code had to end. */
  #served: HartReturn | null | 'nothing' = 'nothing';
  /** Steps that remained when translated code left the instruction at pc undone; -1 when it did not. */
  #leftAt = -1;
  /** Steps that remained when translated code was left by a jump, or by anything that goes on as one; -1 when it was not. */
  #jumpedAt = -1;
  /** The record by which the interpreter is entered next: as a jump to pc, or not. */
  #entry: typeof ENTRY_RECORD | typeof JUMP_RECORD = ENTRY_RECORD;
  #yieldRequested = false;
  /** See `Hart.waits`. */
  waits = false;
  #inside = false;
  /** A breakpoint that the run began at, not to be hit before it was executed once. */
  #skippedBreakpoint = -1n;
  /** Told apart: did a port move pc while it handled an instruction? */
  #pcMoves = 0;

  constructor(
    core: HartCore,
    parts: {
      interpreter: Interpreter;
      code: CodePages;
      fetch: InstructionFetch;
      data: DataAccess;
      breakpoints: Breakpoints;
      translator: Translator | null;
      takesTurn: () => void;
    },
  ) {
    this.#core = core;
    this.#interpreter = parts.interpreter;
    this.#code = parts.code;
    this.#fetch = parts.fetch;
    this.#data = parts.data;
    this.#breakpoints = parts.breakpoints;
    this.#translator = parts.translator;
    this.#takesTurn = parts.takesTurn;
  }

  run(budgetSteps: number, skipBreakpoint: boolean): HartReturn {
    assert(!this.#inside, 'run is not re-entrant');
    const core = this.#core;
    this.#inside = true;
    this.#yieldRequested = false;
    this.waits = false;
    this.#entry = ENTRY_RECORD;
    this.#skippedBreakpoint = skipBreakpoint ? core.state.big(HART.pc) : -1n;
    core.beginRun(skipBreakpoint);
    core.refreshTimer();
    if (budgetSteps > 0) this.#takesTurn();
    const end = core.steps + budgetSteps;
    try {
      return this.#runUntil(end);
    } finally {
      // Nothing may stay planned that `steps` would count.
      core.sliceEnd = core.steps;
      core.state.setLo(HART.remaining, 0);
      this.#inside = false;
    }
  }

  requestYield(): void {
    this.#yieldRequested = true;
    this.#core.attention = true;
  }

  /** pc was set from outside the instruction stream. */
  pcWasSet(): void {
    this.#pcMoves++;
  }

  #runUntil(end: number): HartReturn {
    const core = this.#core;
    for (;;) {
      if (this.#data.watchHit) this.#tellWatch();
      if (core.stopAfter) return 'exit-stop';
      if (this.#yieldRequested) return 'yield';
      const now = core.steps;
      if (now >= end) return 'budget';
      core.attention = false;
      const interrupt = core.takeableInterrupt();
      if (interrupt >= 0) {
        const outcome = this.#trap({ cause: interrupt, interrupt: true, valueLo: 0, valueHi: 0 });
        if (outcome !== null) return outcome;
        // It takes no step: what comes next is not what was resumed.
        core.endResume();
        continue;
      }
      this.#planSlice(now, end);
      if (this.#translator !== null) {
        this.#sampleJump();
        this.#translator.poll();
      }
      do {
        const outcome = this.#enter();
        if (outcome !== null) return outcome;
      } while (!core.attention && core.state.lo(HART.remaining) > 0);
      if (core.isResuming && core.steps > now) core.endResume();
    }
  }

  /** The steps until something is due: the budget's end, the hart's own timer, the end of a resumed instruction. */
  #planSlice(now: number, end: number): void {
    const core = this.#core;
    let sliceEnd = Math.min(end, now + SLICE_STEPS_MAX);
    if (core.timerStep > now) sliceEnd = Math.min(sliceEnd, core.timerStep);
    sliceEnd = Math.min(sliceEnd, core.counters.overflowStep);
    if (core.isResuming) sliceEnd = now + 1;
    core.sliceEnd = sliceEnd;
    core.state.setLo(HART.remaining, sliceEnd - now);
    this.#selectVariant();
  }

  /** Enters generated code at pc and handles why it returned. */
  #enter(): HartReturn | null {
    const { base } = this.#core.state;
    let entry = base + this.#entry;
    this.#entry = ENTRY_RECORD;
    for (;;) {
      const outcome = this.#handle(this.#interpreter.run(base, entry));
      if (outcome !== 'scratch') return outcome;
      // At once, before anything can move pc away from the instruction in the scratch record.
      entry = base + HART.scratchCode;
    }
  }

  #handle(exit: number): Outcome {
    const { state } = this.#core;
    switch (exit) {
      case EXIT.budget:
        return null;
      case EXIT.slow:
        return this.#slow();
      case EXIT.decode:
        this.#code.decode(state.lo(HART.ip) >>> 0);
        return null;
      case EXIT.fetch:
        return this.#fetchPage();
      case EXIT.leave:
        return this.#leave();
      case EXIT.trap:
        return this.#exception();
      case EXIT.illegal:
        return this.#illegal();
      case EXIT.translated:
        return this.#runTranslated();
      case EXIT.hot:
        return this.#hot();
      default:
        assert(exit === EXIT.straddle || exit === EXIT.breakpoint, 'a known exit of generated code');
        return this.#runOutsidePage(state.lo(HART.ip) >>> 0);
    }
  }

  /** Runs translated code from pc on, until the interpreter is needed again. */
  #runTranslated(): Outcome {
    const core = this.#core;
    const { state } = core;
    const slot = state.u16[cellOf(state.lo(HART.ip) >>> 0, this.#variant) >>> 1]! & ~CELL_SLOT;
    const before = state.lo(HART.remaining);
    state.setLo(HART.lastJump, 0);
    const result = this.#translator!.run(state.base, before, slot);
    const remaining = result & RESULT.steps;
    state.setLo(HART.remaining, remaining);
    core.translated += before - remaining;
    const served = this.#served;
    this.#served = 'nothing';
    const canJump = result >= 0 || served !== 'nothing';
    this.#leftAt = canJump ? -1 : remaining;
    this.#jumpedAt = canJump ? remaining : -1;
    this.#entry = canJump ? JUMP_RECORD : ENTRY_RECORD;
    return served === 'nothing' ? null : served;
  }

  /** Executes an instruction that translated code left to the hart; see `TranslatorParts.serve`. */
  serve(service: number, raw: number): number {
    const core = this.#core;
    const { state } = core;
    const { reason, length } = unpackService(service);
    const losses = this.#translator!.losses;
    const outcome =
      reason === OUT_OF_LINE ? this.#serveAccess() : this.#leaveFor(LEAVE_REASONS[reason]!, raw, length);
    const remaining = state.lo(HART.remaining);
    if (outcome !== null) {
      assert(outcome !== 'scratch', 'it was executed, or stopped');
      this.#served = outcome;
      return RESULT.mustInterpret | remaining;
    }
    if (!core.attention) {
      // Others unwind, for frames rely on translations and code.
      const keeps = reason === OUT_OF_LINE || KEEPS_TRANSLATIONS.has(LEAVE_REASONS[reason]!);
      return keeps && losses === this.#translator!.losses ? remaining : RESULT.unwind | remaining;
    }
    if (this.#mayGoOn()) {
      core.attention = false;
      this.#selectVariant();
      return RESULT.unwind | remaining;
    }
    this.#served = null;
    return RESULT.mustInterpret | remaining;
  }

  /** An access that translated code left to the hart for good, because it was always slow. */
  #serveAccess(): Outcome {
    const record = this.#core.state.lo(HART.ip) >>> 0;
    // Translated code may run where nothing was interpreted yet.
    if (this.#core.state.u16[(record + RECORD.op) >>> 1] === SPECIAL.decode) this.#code.decode(record);
    const slowBefore = this.#data.alwaysSlow;
    const outcome = this.#outOfLine();
    if (this.#data.alwaysSlow === slowBefore) this.#translator!.servedFastAccess(record);
    return outcome;
  }

  /** Though attention was called: nothing has to be looked at before the next instruction, and the slice ends where it should. */
  #mayGoOn(): boolean {
    const core = this.#core;
    const { timerStep, sliceEnd } = core;
    return (
      (timerStep >= sliceEnd || timerStep <= core.steps) &&
      !this.#data.watchHit &&
      !core.stopAfter &&
      !this.#yieldRequested &&
      !core.isResuming &&
      core.counters.overflowStep >= sliceEnd &&
      core.takeableInterrupt() < 0
    );
  }

  #selectVariant(): void {
    this.#variant = this.#core.variant;
    this.#core.state.setLo(HART.cells, cellsBase(this.#variant));
  }

  /** Tells the translator of the last computed jump between its regions. */
  #sampleJump(): void {
    const { state } = this.#core;
    const jumpedFrom = state.lo(HART.lastJump) >>> 0;
    const record = state.lo(LAST_TARGET.record) >>> 0;
    if (jumpedFrom === 0 || record === 0) return;
    state.setLo(HART.lastJump, 0);
    const page = state.big(LAST_TARGET.pc) & ~0xfffn;
    this.#translator!.jumped(record, this.#variant, { page, fetchTlb: state.lo(HART.fetchTlb), jumpedFrom });
  }

  /** The code at pc is worth translating; it is interpreted until that is done. */
  #hot(): null {
    const { state } = this.#core;
    const record = state.lo(HART.ip) >>> 0;
    this.#code.restartCount(record, this.#variant);
    const hasJumpedHere = this.#jumpedAt === state.lo(HART.remaining);
    this.#translator?.hot(record, this.#variant, {
      page: state.big(HART.pc) & ~0xfffn,
      fetchTlb: state.lo(HART.fetchTlb),
      jumpedFrom: hasJumpedHere ? state.lo(HART.lastJump) >>> 0 : 0,
    });
    // In synchronous modes the translation is there already.
    if ((state.u16[cellOf(record, this.#variant) >>> 1]! & CELL_SLOT) !== 0) this.#entry = JUMP_RECORD;
    return null;
  }

  /** The interpreter left an instruction to its out-of-line form; the translator learns what its code left before. */
  #slow(): Outcome {
    const { state } = this.#core;
    const wasLeft = this.#leftAt === state.lo(HART.remaining);
    this.#leftAt = -1;
    if (!wasLeft) return this.#outOfLine();
    const record = state.lo(HART.ip) >>> 0;
    const slowBefore = this.#data.alwaysSlow;
    const outcome = this.#outOfLine();
    if (this.#data.alwaysSlow !== slowBefore) this.#translator!.leftSlowAccess(record);
    return outcome;
  }

  /** Executes the instruction at pc by its out-of-line form. */
  #outOfLine(): Outcome {
    const { state } = this.#core;
    const record = state.lo(HART.ip) >>> 0;
    const { outline, length } = this.#interpreter.ops[state.u16[(record + RECORD.op) >>> 1]!]!;
    const moves = this.#pcMoves;
    return this.#finish(this.#interpreter.outline(outline, state.base, record), length, moves);
  }

  /** What an instruction out of line came to. `moves`: the count of moves of pc before it. */
  #finish(status: number, length: number, moves: number): Outcome {
    switch (status) {
      case STATUS.done:
        return this.#retire(length, moves);
      case STATUS.trap:
        if (this.#data.takeStop()) return 'exit-stop';
        this.#core.countStep();
        return this.#exception();
      case STATUS.illegal:
        return this.#illegal();
      default:
        return 'exit-stop';
    }
  }

  /** The instruction at pc is done: counts it and goes on behind it, unless a port moved pc. */
  #retire(length: number, moves: number): null {
    this.#core.countStep();
    this.#core.forgetBegun();
    if (moves === this.#pcMoves) this.#core.state.advancePc(length);
    return null;
  }

  #fetchPage(): Outcome {
    // With no step left the next instruction is not this slice's to fetch: a fetch sets A bits.
    if (this.#core.state.lo(HART.remaining) <= 0) return null;
    const found = this.#fetch.enterPage();
    if (found === 'cached') return null;
    if (found === 'outside') return this.#runOutsidePage(null);
    this.#core.countStep();
    return this.#exception();
  }

  /**
   * Runs the instruction at pc from the scratch record: it straddles pages, its page cannot be decoded, or its
   * record is a breakpoint's (of this address, or of another page with the same offset).
   */
  #runOutsidePage(record: number | null): Outcome {
    if (this.#stopsHere()) return 'breakpoint';
    switch (this.#fetch.prepareScratch(record)) {
      case 'ready':
        return 'scratch';
      case 'stop':
        return 'exit-stop';
      case 'trap':
        this.#core.countStep();
        return this.#exception();
    }
  }

  #stopsHere(): boolean {
    if (this.#breakpoints.isEmpty) return false;
    const pc = this.#core.state.big(HART.pc);
    if (!this.#breakpoints.has(pc)) return false;
    if (pc !== this.#skippedBreakpoint) return true;
    this.#skippedBreakpoint = -1n;
    return false;
  }

  #illegal(): Outcome {
    const raw = this.#fetch.rawAtPc();
    return this.#fault(CAUSE.illegalInstruction, raw, 0);
  }

  /** Takes the exception that stands in the hart's record; its step is counted. */
  #exception(): Outcome {
    const { state } = this.#core;
    return this.#trapCounted({
      cause: state.lo(HART.trapCause),
      interrupt: false,
      valueLo: state.lo(HART.trapValue),
      valueHi: state.hi(HART.trapValue),
    });
  }

  /** Takes an exception of the instruction at pc, whose step is not counted yet. */
  #fault(cause: number, valueLo: number, valueHi: number): Outcome {
    this.#core.countStep();
    return this.#trapCounted({ cause, interrupt: false, valueLo, valueHi });
  }

  #trapCounted(trap: Trap): HartReturn | null {
    const core = this.#core;
    core.notRetired++;
    const outcome = this.#trap(trap);
    if (outcome === null) return null;
    // Not taken now: the instruction is executed, and counted, when the run resumes.
    core.notRetired--;
    core.state.setLo(HART.remaining, core.state.lo(HART.remaining) + 1);
    return outcome;
  }

  #trap(trap: Trap): HartReturn | null {
    this.#entry = JUMP_RECORD;
    const core = this.#core;
    if (core.isUnwatched('trap')) {
      core.countExit('trap');
      enterTrap(core, trap);
      core.forgetBegun();
      return null;
    }
    const from = core.state.privilege;
    const to = trapTarget(core, trap);
    const describe = (): VmExit => trapExit(trap, from, to);
    if (core.beginExit('trap', describe)) return 'exit-stop';
    enterTrap(core, trap);
    core.forgetBegun();
    core.endExit('trap', describe);
    return null;
  }

  /** The watched store is done: the machine looks at what it wrote. */
  #tellWatch(): void {
    this.#data.watchHit = false;
    this.#core.ports.tohost?.(this.#core.state.id);
  }

  #leave(): Outcome {
    const { state } = this.#core;
    const record = state.lo(HART.ip) >>> 0;
    const raw = state.i32[(record + RECORD.raw) >>> 2]!;
    const { length } = this.#interpreter.ops[state.u16[(record + RECORD.op) >>> 1]!]!;
    return this.#leaveFor(LEAVE_REASONS[state.lo(HART.leaveReason)]!, raw, length);
  }

  /** Executes the instruction at pc, which is the hart's business for this reason. */
  #leaveFor(reason: LeaveReason, raw: number, length: number): Outcome {
    switch (reason) {
      case 'csr':
        return this.#csr(raw);
      case 'ecall':
        return this.#ecall();
      case 'ebreak':
        return this.#ebreak();
      case 'mret':
        return this.#return(PRIVILEGE.M);
      case 'sret':
        return this.#return(PRIVILEGE.S);
      case 'wfi':
        return this.#wfi();
      case 'fence.i':
        // Decoded code follows every store already.
        return this.#retire(length, this.#pcMoves);
      case 'sfence.vma':
        return this.#fence(raw);
      case 'cbo':
        return this.#finish(manageBlock(this.#data, this.#core, raw), length, this.#pcMoves);
      case 'amocas.q':
        return this.#finish(compareAndSwapQuad(this.#data, this.#core, raw), length, this.#pcMoves);
      case 'wrs.nto':
        return mayStall(this.#core) ? this.#retire(length, this.#pcMoves) : this.#illegal();
    }
  }

  #csr(raw: number): Outcome {
    const core = this.#core;
    const operation = prepareCsr(core, raw);
    if (operation === undefined) return this.#fault(CAUSE.illegalInstruction, raw, 0);
    if (operation.writes && operation.csr.isExit === true) {
      // With satp the translations go: an exit of its own.
      if (operation.csr.name === 'satp' || !core.isUnwatched('csr')) return this.#csrExit(operation);
      core.countExit('csr');
    }
    const moves = this.#pcMoves;
    applyCsr(core, operation);
    return this.#retire(4, moves);
  }

  #csrExit(operation: CsrOperation): Outcome {
    const core = this.#core;
    const { csr } = operation;
    const old = joinHalves(operation.old.lo, operation.old.hi);
    const value = joinHalves(operation.next.lo, operation.next.hi);
    const describe = (): VmExit => ({
      kind: 'csr',
      csr: csr.name,
      number: csr.number,
      write: true,
      old,
      value,
    });
    if (core.beginExit('csr', describe)) return 'exit-stop';
    const moves = this.#pcMoves;
    if (csr.name === 'satp' && hasTranslationMode(operation.next.hi)) {
      const outcome = this.#flushExit('satp', null, null);
      if (outcome !== null) return outcome;
    }
    applyCsr(core, operation);
    this.#retire(4, moves);
    core.endExit('csr', describe);
    return null;
  }

  #ecall(): Outcome {
    const { state, ports } = this.#core;
    const { privilege } = state;
    if (privilege !== PRIVILEGE.S || ports.sbiCall === undefined) {
      return this.#fault(CAUSE.ecallFromU + privilege, 0, 0);
    }
    const moves = this.#pcMoves;
    if (ports.sbiCall(state.id) === 'stop') return 'exit-stop';
    this.#core.counters.happened(EVENT.environmentCalls);
    // The guest trapped to a supervisor execution environment: nothing retired.
    this.#core.notRetired++;
    return this.#retire(4, moves);
  }

  /** A debugger that asked for it stops at the exit; the exception is the guest's own in any case. */
  #ebreak(): Outcome {
    const core = this.#core;
    const describe = (): VmExit => ({ kind: 'debug', event: 'breakpoint', address: core.state.big(HART.pc) });
    if (core.beginExit('debug', describe)) return 'exit-stop';
    core.endExit('debug', describe);
    return this.#fault(CAUSE.breakpoint, core.state.lo(HART.pc), core.state.hi(HART.pc));
  }

  #return(from: typeof PRIVILEGE.M | typeof PRIVILEGE.S): Outcome {
    const core = this.#core;
    if (!mayReturn(core, from)) return this.#illegal();
    // The step is one of the level that it leaves.
    core.countStep();
    this.#entry = JUMP_RECORD;
    if (from === PRIVILEGE.M) returnFromMachine(core);
    else returnFromSupervisor(core);
    return null;
  }

  #wfi(): Outcome {
    const core = this.#core;
    if (!mayWait(core)) return this.#illegal();
    const until = core.usesStimecmp ? core.state.big(CSR.stimecmp) : null;
    const describe = (): VmExit => ({ kind: 'wfi', until });
    if (core.beginExit('wfi', describe)) return 'exit-stop';
    core.counters.happened(EVENT.waits);
    this.#retire(4, this.#pcMoves);
    core.endExit('wfi', describe);
    this.waits = (core.pendingInterrupts & core.state.lo(CSR.mie)) === 0;
    if (core.stopAfter) return 'exit-stop';
    return this.waits ? 'wfi' : null;
  }

  #fence(raw: number): Outcome {
    const core = this.#core;
    const fence = translationFence(raw);
    if (!mayFence(core, fence)) return this.#illegal();
    if (fence === 'order') return this.#retire(4, this.#pcMoves);
    const { address, asid } = fenceOperands(core, raw);
    const outcome = this.#flushExit(fence, address, asid);
    if (outcome !== null) return outcome;
    core.counters.happened(EVENT.translationFences);
    if (address === null) core.caches.flush();
    else core.caches.flushPage(lowHalf(address), highHalf(address));
    return this.#retire(4, this.#pcMoves);
  }

  #flushExit(
    fence: 'sfence.vma' | 'sinval.vma' | 'satp',
    address: bigint | null,
    asid: number | null,
  ): Outcome {
    const describe = (): VmExit => ({ kind: 'tlb-flush', fence, address, asid });
    if (this.#core.beginExit('tlb-flush', describe)) return 'exit-stop';
    this.#core.endExit('tlb-flush', describe);
    return null;
  }
}
