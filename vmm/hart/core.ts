import { type HartPorts, INTERRUPT, PRIVILEGE, type PrivilegeLevel } from '../contracts/hart.ts';
import type { GuestMemory } from '../contracts/memory.ts';
import type { IsaConfig } from '../isa/extensions.ts';
import { EXIT_KINDS, type ExitKind, type VmExit } from '../protocol/exits.ts';
import { Implemented } from './implemented.ts';
import { CSR, HART, VARIANT, type Variant } from './layout.ts';
import { Mmu } from './mmu.ts';
import { PerformanceCounters } from './performance-counters.ts';
import { Pmp } from './pmp.ts';
import { ENVCFG, HartState, joinHalves } from './state.ts';
import { TranslationCaches } from './tlb.ts';

/** An instruction that the `pre` stage of exit `by` stopped, after it had begun others. */
interface StoppedInstruction {
  /** Kinds, by `KIND_BIT`. */
  readonly begun: number;
  /** Those whose `post` stage was reported. */
  readonly ended: number;
  readonly by: ExitKind;
}

const KIND_BIT = Object.fromEntries(EXIT_KINDS.map((kind, index) => [kind, 1 << index])) as Readonly<
  Record<ExitKind, number>
>;

/**
 * What all parts of a hart share: its state, translation, and the account of steps. The interpreter's loop counts
 * down `HART.remaining`; `sliceEnd` is the step at which it reaches zero.
 */
export class HartCore {
  readonly state: HartState;
  readonly pmp: Pmp;
  readonly mmu: Mmu;
  readonly caches: TranslationCaches;
  readonly ports: HartPorts;
  readonly isa: IsaConfig;
  readonly implemented: Implemented;
  readonly counters: PerformanceCounters;

  sliceEnd = 0;
  /** Steps that retired nothing: trapped instructions, and skipped ones. */
  notRetired = 0;
  /** Steps that passed without executing anything; counted in `notRetired` too. */
  skipped = 0;
  /** Steps done by translated code. */
  translated = 0;
  /** What mcycle and minstret are ahead of steps and of retired instructions. */
  cycleOffset = 0n;
  instretOffset = 0n;
  /** Set by whatever the run loop must look at before the next instruction: interrupts, timers, a request to yield. */
  attention = false;
  /** Step at which stimecmp is reached, Infinity when Sstc is off. */
  timerStep = Number.POSITIVE_INFINITY;

  /** A sink said stop in the `post` stage: the run ends after the present instruction. */
  stopAfter = false;
  /** Kinds of exit that the present instruction began, and of those whose `post` stage was told; by `KIND_BIT`. */
  #begun = 0;
  #ended = 0;
  /** When the handler of an exit that someone watches began, by the host's clock. */
  readonly #startedNs = new Map<ExitKind, number>();
  /** What the instruction had begun when a `pre` stage stopped it, and the kind that did. */
  #stopped: StoppedInstruction | null = null;
  #resumes: StoppedInstruction | null = null;

  constructor(
    memory: GuestMemory,
    id: number,
    ports: HartPorts,
    isa: IsaConfig,
    tableWritten: (host: number) => void,
  ) {
    this.state = new HartState(memory, id);
    this.pmp = new Pmp(this.state);
    this.isa = isa;
    this.implemented = new Implemented(this.isa);
    this.mmu = new Mmu(this.state, this.pmp, this.implemented, tableWritten);
    this.caches = new TranslationCaches(this.state);
    this.counters = new PerformanceCounters(this);
    this.ports = ports;
  }

  /** Steps done since reset, the present instruction not counted. */
  get steps(): number {
    return this.sliceEnd - this.state.lo(HART.remaining);
  }

  /** Instructions done, retired or trapped. */
  get executed(): number {
    return this.steps - this.skipped;
  }

  /**
   * The variant of translated code that the hart may run now: bare where addresses are physical, for fetches and
   * for data, and protection lets it have all of RAM.
   */
  get variant(): Variant {
    const { state } = this;
    const { privilege, dataPrivilege } = state;
    const translates = state.hi(CSR.satp) >>> 28 !== 0;
    if (translates && (privilege !== PRIVILEGE.M || dataPrivilege !== PRIVILEGE.M)) return VARIANT.paged;
    return this.pmp.opensRam(privilege) && this.pmp.opensRam(dataPrivilege) ? VARIANT.bare : VARIANT.paged;
  }

  get retired(): number {
    return this.steps - this.notRetired;
  }

  /** What began belongs to an instruction, or an interrupt, that is done. */
  forgetBegun(): void {
    this.#begun = 0;
  }

  /** Counts the present instruction. */
  countStep(): void {
    this.state.setLo(HART.remaining, this.state.lo(HART.remaining) - 1);
  }

  /**
   * An exit begins: reports its `pre` stage where someone watches, and counts it. True when the instruction must
   * not be executed now. An instruction resumed after such a stop neither reports nor counts anything twice.
   */
  beginExit(kind: ExitKind, describe: () => VmExit): boolean {
    const { exits } = this.ports;
    const { id } = this.state;
    const bit = KIND_BIT[kind];
    // The first exit of an instruction: what ended belongs to those before it.
    if (this.#begun === 0) this.#ended = 0;
    if (this.#resumes !== null && (this.#resumes.begun & bit) !== 0) {
      this.#begun |= bit;
      this.#startTiming(kind);
      return false;
    }
    if (this.#resumes?.by !== kind && exits.watches(kind, 'pre')) {
      if (exits.report(id, 'pre', describe(), 0) === 'stop') {
        this.#stopped = { begun: this.#begun, ended: this.#ended, by: kind };
        return true;
      }
    }
    exits.count(id, kind);
    this.#begun |= bit;
    this.#startTiming(kind);
    return false;
  }

  /** Nobody watches these exits, and none began before: `countExit` is all that they need if they are their instruction's only one. */
  isUnwatched(kind: ExitKind): boolean {
    const { exits } = this.ports;
    return this.#resumes === null && !exits.watches(kind, 'pre') && !exits.watches(kind, 'post');
  }

  countExit(kind: ExitKind): void {
    this.ports.exits.count(this.state.id, kind);
  }

  /** The exit's effect is done: reports its `post` stage. */
  endExit(kind: ExitKind, describe: () => VmExit): void {
    const { exits } = this.ports;
    this.#ended |= KIND_BIT[kind];
    if (this.#resumes !== null && (this.#resumes.ended & KIND_BIT[kind]) !== 0) return;
    if (!exits.watches(kind, 'post')) return;
    const started = this.#startedNs.get(kind);
    this.#startedNs.delete(kind);
    const handlerNs = started === undefined ? 0 : this.ports.nowNs!() - started;
    if (exits.report(this.state.id, 'post', describe(), handlerNs) === 'stop') {
      this.stopAfter = true;
      this.attention = true;
    }
  }

  /** A stop between an exit's stages is no part of its handler's time: timing starts again on resumption. */
  #startTiming(kind: ExitKind): void {
    const { exits, nowNs } = this.ports;
    if (nowNs !== undefined && exits.watches(kind, 'post')) this.#startedNs.set(kind, nowNs());
  }

  /** Begins a run; with `resume` its first instruction does not stop again where it stopped last. */
  beginRun(resume: boolean): void {
    this.#resumes = resume ? this.#stopped : null;
    this.#stopped = null;
    this.forgetBegun();
    this.stopAfter = false;
  }

  /** True while the first instruction of a resumed run must be told from those after it. */
  get isResuming(): boolean {
    return this.#resumes !== null;
  }

  endResume(): void {
    this.#resumes = null;
  }

  /** Moves to another privilege level or mstatus: puts the right translation caches in force. */
  changeContext(privilege: PrivilegeLevel, mstatus: number): void {
    const { state, counters } = this;
    const recounts = counters.dependsOnPrivilege && privilege !== state.privilege;
    if (recounts) counters.settle();
    state.privilege = privilege;
    state.mstatus = mstatus;
    if (recounts) counters.privilegeChanged();
    this.caches.select();
    this.attention = true;
  }

  /** mip as software reads it (RISC-V privileged, "Machine Interrupt (mip and mie) Registers"). */
  get pendingInterrupts(): number {
    const { state, counters } = this;
    if (this.steps >= counters.overflowStep) counters.settle();
    const written = state.lo(CSR.mipSoftware) | state.lo(CSR.mipLines);
    if (!this.usesStimecmp) return written;
    const timer = 1 << INTERRUPT.STIP;
    return (written & ~timer) | (this.steps >= this.timerStep ? timer : 0);
  }

  /** STIP is what stimecmp says: for S-mode (Sstc), or for the SBI implementation, whose timer it is otherwise. */
  get usesStimecmp(): boolean {
    if ((this.state.hi(CSR.menvcfg) & ENVCFG.STCE) !== 0) return true;
    return this.ports.sbiCall !== undefined && !this.isa.has('sstc');
  }

  /** Recomputes when stimecmp is reached: its value, its enable, or the course of time changed. */
  refreshTimer(): void {
    const { state } = this;
    this.timerStep = this.usesStimecmp
      ? this.ports.stepsAt(state.id, joinHalves(state.lo(CSR.stimecmp), state.hi(CSR.stimecmp)))
      : Number.POSITIVE_INFINITY;
  }

  /** The step at which an interrupt of the hart's own making may next begin to pend while it waits. */
  get ownDeadline(): number {
    const timer = this.timerStep > this.steps ? this.timerStep : Number.POSITIVE_INFINITY;
    return Math.min(timer, this.counters.overflowStepOfWait);
  }

  /** The interrupt to take now, -1 for none. Priority: MEI, MSI, MTI, SEI, SSI, STI, LCOFI. */
  takeableInterrupt(): number {
    const { state } = this;
    const enabled = this.pendingInterrupts & state.lo(CSR.mie);
    if (enabled === 0) return -1;
    const { privilege } = state;
    const status = state.lo(CSR.mstatus);
    const delegated = state.lo(CSR.mideleg);
    const machine = enabled & ~delegated;
    if (machine !== 0 && (privilege < PRIVILEGE.M || (status & MIE) !== 0)) return highestPriority(machine);
    const supervisor = enabled & delegated;
    if (supervisor === 0 || privilege === PRIVILEGE.M) return -1;
    if (privilege === PRIVILEGE.S && (status & SIE) === 0) return -1;
    return highestPriority(supervisor);
  }
}

const MIE = 1 << 3;
const SIE = 1 << 1;

const PRIORITY = [
  INTERRUPT.MEIP,
  INTERRUPT.MSIP,
  INTERRUPT.MTIP,
  INTERRUPT.SEIP,
  INTERRUPT.SSIP,
  INTERRUPT.STIP,
  INTERRUPT.LCOFIP,
] as const;

function highestPriority(pending: number): number {
  return PRIORITY.find((bit) => (pending & (1 << bit)) !== 0) ?? -1;
}
