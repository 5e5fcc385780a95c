import type { HartId, PhysicalAddress, VirtualAddress } from '../base/brands.ts';
import type { AccessType, WalkResult } from '../protocol/walk.ts';
import type { Snapshottable } from './device.ts';
import type { ExitSink } from './exits.ts';

export type { AccessType, WalkLevel, WalkResult } from '../protocol/walk.ts';

/** Privilege levels as `mstatus.MPP` encodes them. */
export const PRIVILEGE = { U: 0, S: 1, M: 3 } as const;
export type PrivilegeLevel = 0 | 1 | 3;

/** Interrupt bits of mip and mie (RISC-V privileged, "Machine Interrupt (mip and mie) Registers"). */
export const INTERRUPT = { SSIP: 1, MSIP: 3, STIP: 5, MTIP: 7, SEIP: 9, MEIP: 11, LCOFIP: 13 } as const;

/** What an access outside RAM found. `fault`: nothing answers there, an access fault for the guest. */
export type BusResult = 'ok' | 'fault' | 'stop';

/** Guest-physical accesses outside RAM. Sizes are 1, 2, 4 or 8 bytes, naturally aligned. */
export interface MmioBus {
  /** On `ok` the value, zero-extended, stands in `low` and `high`. `stop`: an exit breakpoint in the `pre` stage; nothing happened. */
  read(hart: number, address: number, size: number): BusResult;
  /** Bits beyond the size are ignored. */
  write(hart: number, address: number, size: number, low: number, high: number): BusResult;
  /** Result of the last successful `read`: two words of 32 bits, signed or not. */
  low: number;
  high: number;
}

/** What a hart needs of the machine around it. */
export interface HartPorts {
  readonly bus: MmioBus;
  readonly exits: ExitSink;
  /** mtime (10 MHz ticks) at `hart.steps`, as `time` reads it. */
  time(hart: number): bigint;
  /** The first step count of this hart at which mtime is at least `ticks`; for timer deadlines. */
  stepsAt(hart: number, ticks: bigint): number;
  /**
   * An `ecall` from S-mode when the machine is the SBI implementation; absent when firmware runs in M-mode
   * (then it traps). The port reads and writes a0..a7 through the hart. `stop`: a `pre` breakpoint; not executed.
   */
  readonly sbiCall?: (hart: number) => 'done' | 'stop';
  /** A monotonic clock for the handler times of exits, a measurement only; absent: they are 0. */
  readonly nowNs?: () => number;
  /** A store that brings a page of RAM into being is a `page-fault` exit; default: false. */
  readonly tellsNewPages?: boolean;
  /** Stores that hit [`tohost`, +8) of an HTIF image end the instruction first and then call this; see `Hart.watchHtif`. */
  readonly tohost?: (hart: number) => void;
}

/**
 * Why `Hart.run` returned before or at the end of its budget.
 * - `budget`: all steps used.
 * - `wfi`: the hart waits for an interrupt (counted as a step already).
 * - `breakpoint`: an address breakpoint at pc; the instruction is not executed.
 * - `exit-stop`: the sink said stop; pc is at the instruction (`pre`) or after it (`post`).
 * - `yield`: a port called `requestYield` (reset, power-off, changed deadline, host request).
 */
export type HartReturn = 'budget' | 'wfi' | 'breakpoint' | 'exit-stop' | 'yield';

/** One hart of a machine. Not re-entrant; ports may call its accessors while it is inside `run`. */
export interface Hart extends Snapshottable {
  readonly id: HartId;

  /**
   * Runs until `budgetSteps` more steps (instructions retired or trapped) are done or something ends the run.
   * Takes pending interrupts and its own stimecmp timer exactly at their step. `budgetSteps` is at most 2^30.
   * A breakpoint at the current pc is not hit again by the first instruction when `skipBreakpoint` is set; nor is
   * an exit breakpoint in the `pre` stage. A turn ends the other harts' LR reservations, so that turns of a few steps
   * only could keep a loop of LR and SC from ever succeeding.
   */
  run(budgetSteps: number, skipBreakpoint?: boolean): HartReturn;
  /** Ends the current `run` after the present instruction. Callable from ports. */
  requestYield(): void;
  /** Steps done since reset, exact when called from a port too (the present instruction not counted). */
  readonly steps: number;
  /** Of these steps, those that retired an instruction, and those that trapped instead; the rest was waiting. */
  readonly retired: number;
  readonly trapped: number;
  /** The last instruction of the last `run` was a WFI that waits, whatever `run` returned. */
  readonly waits: boolean;
  /** Moves the hart's clock on without executing (waiting in WFI, or stopped). */
  skipSteps(count: number): void;

  /** Power-on: registers zero but as given, M-mode CSRs at their reset values. */
  reset(entry: { pc: bigint; privilege: PrivilegeLevel; a0: bigint; a1: bigint }): void;
  /**
   * The state an SBI implementation hands a supervisor: all exceptions and interrupts delegated that the
   * specification delegates, counters enabled, PMP open, `stimecmp` available, MIE of M-mode as it must be.
   */
  enterSupervisor(entry: { pc: bigint; a0: bigint; a1: bigint }): void;

  /** Level of an interrupt input (bit numbers in `INTERRUPT`). Ends a wait. */
  setInterrupt(bit: number, level: boolean): void;
  /** True when an interrupt is pending and enabled in mie, whatever the global enables say: what ends WFI. */
  readonly wakes: boolean;
  /**
   * Time in ticks from which on the supervisor's timer interrupt is pending: the timer of an SBI implementation, and
   * what `stimecmp` holds where the hart has it (Sstc). All ones, unsigned, for never.
   */
  supervisorTimer: bigint;
  /** Steps at which this hart next raises an interrupt by itself (its timer, a counter's overflow), Infinity if none. */
  readonly timerDeadline: number;

  getPc(): VirtualAddress;
  setPc(pc: bigint): void;
  getPrivilege(): PrivilegeLevel;
  setPrivilege(privilege: PrivilegeLevel): void;
  /** Integer and float registers as unsigned 64-bit values. */
  getX(index: number): bigint;
  setX(index: number, value: bigint): void;
  getF(index: number): bigint;
  setF(index: number, value: bigint): void;
  /** Debugger's view: no privilege check, no side effect. Undefined when the hart has no such CSR. */
  readCsr(number: number): bigint | undefined;
  /** Debugger's write: WARL rules and side effects (TLB flush) apply. False when there is no such CSR. */
  writeCsr(number: number, value: bigint): boolean;

  /** Page-table walk without side effects: sets no A or D bit, takes no trap. */
  walk(
    address: VirtualAddress,
    options?: { access?: AccessType; root?: PhysicalAddress; privilege?: PrivilegeLevel },
  ): WalkResult;
  /** Physical address for a debugger's access, A/D and permission bits ignored; undefined when unmapped. */
  translate(address: VirtualAddress): PhysicalAddress | undefined;
  /** Drops cached translations (another hart's remote fence, a debugger's page-table write): all, or those of a range. */
  flushTranslations(range?: { readonly start: bigint; readonly size: bigint }): void;
}

/**
 * What the harts of a machine share: decoded code, breakpoints. Implemented beside the hart. Its saved state is what the
 * harts have cached, which they must have again to go on bit for bit; it is restored after RAM and the harts.
 */
export interface HartGroup extends Snapshottable {
  readonly harts: readonly Hart[];
  /** Replaces all address breakpoints (guest-virtual, matched against pc whatever the address space). */
  setBreakpoints(addresses: ReadonlySet<bigint>): void;
  /** Host or device wrote [address, +length) of RAM: drop code decoded from it. `address` is guest-physical. */
  codeChanged(address: number, length: number): void;
  /** All of RAM is new, as at power-on: whatever was learned of its code is forgotten. */
  forgetCode(): void;
  /** Watches [address, +8) of RAM for stores and calls `ports.tohost` after each (HTIF). */
  watchHtif(address: number): void;
  /** The state of the code cache; null without a translator. */
  readonly translation: TranslatorStatistics | null;
  /** Steps executed per tier, for `--stats`. */
  readonly tiers: { readonly interpreter: number; readonly translator: number };
}

export interface TranslatorStatistics {
  /** Regions in the code cache, and those ever made. */
  readonly regions: number;
  readonly translated: number;
  /** Of those ever made: regions that follow computed jumps. */
  readonly dispatching: number;
  /** Bytes of WebAssembly of the regions in the cache. */
  readonly bytes: number;
  /** Times the engine refused a module. */
  readonly refused: number;
}
