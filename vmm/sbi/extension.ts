import type { ExitSink } from '../contracts/exits.ts';
import type { Hart } from '../contracts/hart.ts';

/** Error codes (RISC-V SBI 3.0, table 1). */
export const SBI = {
  success: 0n,
  failed: -1n,
  notSupported: -2n,
  invalidParameter: -3n,
  denied: -4n,
  invalidAddress: -5n,
  alreadyAvailable: -6n,
  alreadyStarted: -7n,
  alreadyStopped: -8n,
  noSharedMemory: -9n,
  deniedLocked: -14n,
} as const;

/** States of a hart (SBI 3.0, "Hart State Management Extension") that this implementation passes through; its changes take no time. */
export const HART_STATE = { started: 0, stopped: 1, suspended: 4 } as const;
export type HartState = (typeof HART_STATE)[keyof typeof HART_STATE];

/** What the machine does for its SBI. Addresses are guest-physical, harts are numbers. */
export interface SbiPorts {
  readonly harts: readonly Hart[];
  readonly exits: ExitSink;
  readonly nowNs: () => number;
  /** Whether harts have an extension of the instruction set, by its lower-case name. */
  has(extension: string): boolean;
  /** Sends a byte to the console. */
  consoleWrite(byte: number): void;
  /** Next byte typed at the console, if there is one. */
  consoleRead(): number | undefined;
  /** RAM from `address` on, to read and write; undefined when the range is not all RAM. */
  ram(address: bigint, length: bigint): Uint8Array | undefined;
  /** RAM was written through `ram`. */
  ramChanged(address: bigint, length: number): void;
  hartState(hart: number): HartState;
  /** Starts a stopped hart in S-mode with translation off, a0 its number and a1 `opaque`. */
  startHart(hart: number, pc: bigint, opaque: bigint): void;
  stopHart(hart: number): void;
  /** Waits for an interrupt; with `resume`, the hart starts anew there when one comes. */
  suspendHart(hart: number, resume?: { readonly pc: bigint; readonly opaque: bigint }): void;
  /** Ends or restarts the machine after the present instruction. */
  system(what: 'shutdown' | 'reboot', failed: boolean): void;
  /** Tells that the whole machine sleeps from now on; the hart that asked for it is suspended besides. */
  systemSuspended(): void;
}

/** Events that an SBI implementation counts itself (SBI 3.0, "Event: Firmware Events"); those of the calls it serves. */
export const FIRMWARE_EVENT = {
  misalignedLoad: 0,
  misalignedStore: 1,
  accessLoad: 2,
  accessStore: 3,
  illegalInstruction: 4,
  setTimer: 5,
  ipiSent: 6,
  ipiReceived: 7,
  fenceISent: 8,
  fenceIReceived: 9,
  sfenceVmaSent: 10,
  sfenceVmaReceived: 11,
  sfenceVmaAsidSent: 12,
  sfenceVmaAsidReceived: 13,
} as const;
export type FirmwareEvent = (typeof FIRMWARE_EVENT)[keyof typeof FIRMWARE_EVENT];

/** What a call returns in a0 and a1. */
export interface SbiResult {
  readonly error: bigint;
  readonly value: bigint;
}

export interface SbiCall {
  readonly ports: SbiPorts;
  /** The calling hart. */
  readonly hart: number;
  /** a0 to a5, unsigned. */
  readonly args: readonly bigint[];
  /** Something happened on a hart that its firmware counters may count. */
  happened(hart: number, event: FirmwareEvent): void;
}

/** One function: its name and what it does. */
export interface SbiFunction {
  readonly name: string;
  call(call: SbiCall): SbiResult;
}

/** One SBI extension. Functions are known by number (a6). */
export interface SbiExtension {
  readonly id: bigint;
  readonly name: string;
  readonly functions: ReadonlyMap<number, SbiFunction>;
}

export const ok = (value: bigint | number = 0n): SbiResult => ({ error: SBI.success, value: BigInt(value) });
export const failed = (error: bigint): SbiResult => ({ error, value: 0n });

/** Builds the table of an extension's functions from their numbers. */
export const functions = (
  table: Readonly<Record<number, readonly [name: string, call: (call: SbiCall) => SbiResult]>>,
): ReadonlyMap<number, SbiFunction> =>
  new Map(Object.entries(table).map(([number, [name, call]]) => [Number(number), { name, call }]));

/** A hart can begin there: RAM, at a halfword. */
export const executable = (ports: SbiPorts, address: bigint): boolean =>
  (address & 1n) === 0n && ports.ram(address, 2n) !== undefined;

const ALL_HARTS = 0xffff_ffff_ffff_ffffn;

/**
 * The harts a mask selects: bit n is hart `base` + n, and a base of -1 means all (SBI 3.0, "Hart list
 * parameter"). Undefined when it selects one that does not exist.
 */
export function hartsOf(ports: SbiPorts, mask: bigint, base: bigint): number[] | undefined {
  const all = [...ports.harts.keys()];
  if (base === ALL_HARTS) return all;
  const count = BigInt(all.length);
  if (base >= count) return mask === 0n && base < ALL_HARTS ? [] : undefined;
  if (mask >> (count - base) !== 0n) return undefined;
  return all.filter((hart) => BigInt(hart) >= base && ((mask >> (BigInt(hart) - base)) & 1n) !== 0n);
}
