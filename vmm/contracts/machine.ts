import type { PhysicalAddress } from '../base/brands.ts';
import type { ExitRecord } from '../protocol/exits.ts';
import type {
  DeviceInfo,
  ExitBreakpoint,
  ExitStats,
  StopInfo,
  TraceFilter,
  VmConfig,
  VmEnd,
} from '../protocol/messages.ts';
import type { Saved } from './device.ts';
import type { DeviceInput } from './device-input.ts';
import type { Hart } from './hart.ts';
import type { GuestMemory } from './memory.ts';

/** What the machine needs of its host. Everything that is not deterministic enters here. */
export interface MachinePorts {
  /** Bytes the guest wrote to its console, in order. */
  console(data: Uint8Array): void;
  /** A monotonic clock for handler times in the trace; a measurement only. */
  nowNs(): number;
  /** A log action of an exit breakpoint. */
  log(text: string, record: ExitRecord): void;
}

/** The files a `VmConfig` names, as bytes: the machine opens none itself. */
export interface MachineImages {
  readonly kernel?: { readonly name: string; readonly data: Uint8Array };
  readonly firmware?: { readonly name: string; readonly data: Uint8Array };
  readonly dtb?: Uint8Array;
  readonly initrd?: Uint8Array;
}

/** How a step runs; see the `vm.step` request. Addresses are virtual. */
export interface StepRequest {
  readonly hart: number;
  /** `over` runs calls and traps taken within to their end; `into` stops in them (a call's first instruction, an exception's handler; interrupts are always run to their end); `out` runs until `returnTo`. */
  readonly mode: 'into' | 'over' | 'out';
  /** The step ends when pc leaves these (half-open); none: after one instruction. */
  readonly ranges: readonly { readonly start: bigint; readonly end: bigint }[];
  readonly returnTo?: { readonly pc: bigint; readonly sp: bigint };
}

/**
 * Why `run` returned.
 * - `budget`: the steps asked for are done. - `idle`: all harts wait and no timer is set: only input ends it; or, with
 *   wall-clock time, nothing is due before machine step `untilStep` (null: never). - `stop`: see `StopInfo`. - `end`: the guest is over.
 */
export type MachineReturn =
  | { readonly kind: 'budget' }
  | { readonly kind: 'idle'; readonly untilStep: bigint | null }
  | { readonly kind: 'stop'; readonly stop: StopInfo }
  | { readonly kind: 'end'; readonly end: VmEnd };

/** What came from outside. Memory is by guest-physical address; registers and CSRs are a debugger's writes. */
export type MachineInput =
  | { readonly kind: 'console'; readonly data: Uint8Array }
  | { readonly kind: 'time'; readonly advanceSteps: bigint }
  | { readonly kind: 'memory'; readonly address: bigint; readonly data: Uint8Array }
  | {
      readonly kind: 'register';
      readonly hart: number;
      readonly register: string;
      readonly value: bigint;
    }
  | { readonly kind: 'csr'; readonly hart: number; readonly number: number; readonly value: bigint }
  /** For the device at this place among those that are plugged in. Logged also when the device did not take it, for it looked. */
  | { readonly kind: 'device'; readonly device: number; readonly input: DeviceInput }
  /** What a device asked the host for while it carried out the guest's instruction: random bytes, the answer of a file server. */
  | { readonly kind: 'answer'; readonly device: number; readonly data: Uint8Array }
  | { readonly kind: 'reset' };

/**
 * One entry of the input log: an input and the machine step it took effect at. `position`, the sum of all harts'
 * steps since power-on, tells apart the points within a round, where some harts have had their turn and some not.
 */
export type InputLogEntry = { readonly step: bigint; readonly position: bigint } & MachineInput;

/** The state of a whole machine but for RAM and disks, by section: `machine`, `hart0`, `device:uart0`, and so on. */
export type MachineState = Readonly<Record<string, Saved>>;

/** A machine: harts, RAM, board. Synchronous; `run` is called in slices by whoever owns the thread. */
export interface Machine {
  readonly config: VmConfig;
  readonly harts: readonly Hart[];
  /** Steps since power-on, the same for all harts at slice boundaries. */
  readonly steps: bigint;
  /** Sum of instructions (steps) all harts executed, waiting left out. */
  readonly instructions: bigint;
  readonly end: VmEnd | null;

  /** Runs all harts, round robin by a fixed quantum, for at most `maxSteps` machine steps. */
  run(maxSteps: number): MachineReturn;
  /** Begins a step; it is carried out by `run`, which then returns `stop` with reason `step` (or another stop that came first). */
  beginStep(request: StepRequest): void;
  /** A debugger was told that the hart stands where it does: a breakpoint there does not stop it again before it moved. */
  passStop(hart: number): void;
  /** Forgets a step in progress (a pause came first). */
  cancelStep(): void;
  reset(): void;

  /** RAM, for who saves and restores it. */
  readonly memory: GuestMemory;
  /**
   * The state between two runs, from which a machine of the same configuration, whose RAM is the same, goes on bit for bit.
   * What a debugger set (breakpoints, traces), counts of exits and the input log are no part of it.
   */
  save(): MachineState;
  /**
   * Takes over a state, RAM being in place already. The input log begins anew. Throws `VmError('bad-file')` when a section
   * is missing or does not fit; then the machine must be reset, or given another state, before it runs.
   */
  restore(state: MachineState): void;
  /** Names of the sections that `restore` reads. */
  readonly sections: readonly string[];
  /** Wall-clock mode: virtual time catches up by this many steps while all harts wait. Logged. */
  advanceIdle(steps: bigint): void;

  consoleInput(data: Uint8Array): void;
  /** Something for a device, by its place among those that are plugged in. Returns how much was taken; see `DeviceInput`. Logged. */
  deviceInput(device: number, input: DeviceInput): number;
  /** Everything that came from outside since power-on; empty once it was longer than this machine keeps. */
  readonly inputLog: readonly InputLogEntry[];

  /** Debugger access, no side effects, no traps; MMIO registers are peeked. Returns the readable prefix. */
  readMemory(hart: number, address: bigint, length: number, space: 'virtual' | 'physical'): Uint8Array;
  /** Bytes written (RAM only); drops code decoded from them. Logged as input. */
  writeMemory(hart: number, address: bigint, data: Uint8Array, space: 'virtual' | 'physical'): number;
  /** By name: `pc`, `x5`, `t0`, `f3`, `fa0`, `privilege`. False for an unknown name. Logged as input. */
  writeRegister(hart: number, register: string, value: bigint): boolean;
  writeCsr(hart: number, number: number, value: bigint): boolean;
  devices(values: boolean): DeviceInfo[];
  /** The device tree blob the guest was given, and where it lies. */
  readonly deviceTree: { readonly data: Uint8Array; readonly address: PhysicalAddress };

  setBreakpoints(addresses: ReadonlySet<bigint>): void;
  /** Throws `VmError('bad-condition')` with a column; call once a breakpoint to tell them apart. */
  checkExitBreakpoint(breakpoint: ExitBreakpoint): void;
  setExitBreakpoints(breakpoints: readonly ExitBreakpoint[]): void;
  /** Records after sequence number `after`; `dropped` of those asked for were overwritten in the ring. */
  trace(
    after: number,
    limit: number,
    filter: TraceFilter,
  ): { records: ExitRecord[]; dropped: number; next: number };
  exitStats(): ExitStats;
  /** Sequence number of the newest trace record, 0 before the first: what `trace` gives as `next` when nothing is left to read. */
  readonly traced: number;
  /** A sentence on a hart that does nothing but trap, told once a loop; undefined when there is none. Asked for between runs. */
  caughtInTraps(): string | undefined;
  /** True while the hart waits in WFI, or is not started (SBI HSM). */
  waiting(hart: number): boolean;
  /** Steps per execution tier. */
  readonly tiers: { readonly interpreter: number; readonly translator: number };
}
