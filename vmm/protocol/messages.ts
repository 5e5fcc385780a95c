/**
 * What clients (debug adapters, views) and the VMM say to each other: requests with a response each, and events.
 * One MessagePack value a WebSocket message, in msgpackr's `structuredClone` mode, so that 64-bit quantities
 * travel as bigints and memory as `Uint8Array`.
 *
 * A request: `{ id, method, params }`. Its response: `{ id, result }` or `{ id, error: { code, message, column? } }`.
 * An event: `{ event, params }`. Parameters are validated against the schemas below; results are typed only.
 */
import * as z from 'zod';
import type { VmErrorCode } from '../base/vm-error.ts';
import { EXIT_KINDS, type ExitKind, type ExitRecord } from './exits.ts';
import { DEVICES, DRIVES, FORWARDS, HARTS, MEMORY } from './limits.ts';
import type { WalkResult } from './walk.ts';

export const PROTOCOL_VERSION = 1;

const u64 = z.bigint().min(0n).max(0xffff_ffff_ffff_ffffn);
const hart = z.int().min(0).max(63);
const vm = z.string().min(1).max(64);

/** A disk image and how it is used. */
export const driveSchema = z.strictObject({
  file: z.string().min(1),
  /** Where it is plugged in: a disk on virtio (default), or one of the board's two banks of flash, in their order. */
  if: z.enum(['virtio', 'pflash']).optional(),
  /** Default: what its first bytes look like. A raw image that a guest has written may look like anything. */
  format: z.enum(['raw', 'qcow2']).optional(),
  readonly: z.boolean().default(false),
  /** Writes go to a file of the machine's own that ends with it. */
  overlay: z.boolean().default(false),
  /** ID or name of an internal snapshot of a qcow2 image to start from. */
  snapshot: z.string().min(1).optional(),
});
export type DriveConfig = z.infer<typeof driveSchema>;

const ipv4 = z.string().regex(/^\d{1,3}(\.\d{1,3}){3}$/);
const port = z.int().min(0).max(0xffff);

/** A port of the host's that leads to one of the guest's. */
export const forwardSchema = z.strictObject({
  protocol: z.enum(['tcp', 'udp']).default('tcp'),
  /** Default: 127.0.0.1, so that nobody else gets in. */
  hostAddress: ipv4.optional(),
  /** 0: any that is free. */
  hostPort: port,
  /** Default: 10.0.2.15, the first that DHCP gives. */
  guestAddress: ipv4.optional(),
  guestPort: port.min(1),
});
export type ForwardConfig = z.infer<typeof forwardSchema>;

/** A network card with a network behind it that needs no rights on the host: 10.0.2.0/24, as QEMU's user network. */
export const netSchema = z.strictObject({
  forwards: z.array(forwardSchema).max(FORWARDS.max).default([]),
  /** A pcapng file of all frames. */
  capture: z.string().min(1).optional(),
});
export type NetConfig = z.infer<typeof netSchema>;

/** A folder of the host's that the guest mounts by its tag (9P2000.L). */
export const shareSchema = z.strictObject({
  folder: z.string().min(1),
  /** Default: `share0`, `share1`, … */
  tag: z.string().min(1).max(31).optional(),
  readonly: z.boolean().default(false),
});
export type ShareConfig = z.infer<typeof shareSchema>;

/** A device on virtio that is no disk, network card or shared folder. */
export const deviceSchema = z.discriminatedUnion('type', [
  /** A source of random bytes, which are the host's. */
  z.strictObject({ type: z.literal('rng') }),
  /** Gives memory back on request; `bytes` from the start. */
  z.strictObject({ type: z.literal('balloon'), bytes: z.int().min(0).default(0) }),
  z.strictObject({ type: z.literal('keyboard') }),
  z.strictObject({ type: z.literal('tablet') }),
  /** A console's port. At a UNIX socket of the host's, one program at a time is its other end. `name`: a stream of bytes by that name, else a terminal (hvc0). */
  z.strictObject({
    type: z.literal('port'),
    socket: z.string().min(1),
    name: z.string().min(1).max(64).optional(),
  }),
]);
export type DeviceConfig = z.infer<typeof deviceSchema>;

/** What a machine is made from. Paths are absolute, or relative to the VMM's working directory. */
export const vmConfigSchema = z.strictObject({
  /** An ELF or a raw image. */
  kernel: z.string().optional(),
  /** `builtin`: the VMM is the SBI implementation. `none`: the kernel starts in M-mode. Else a firmware image's path. Default: builtin with a kernel, and none without. */
  firmware: z.string().optional(),
  dtb: z.string().optional(),
  initrd: z.string().optional(),
  append: z.string().optional(),
  /** Disks on virtio, in the order in which the guest finds them. */
  drives: z.array(driveSchema).max(DRIVES.max).optional(),
  /** A network card. Time must keep pace with the wall clock: a guest that does not wait hears no answers. */
  net: netSchema.optional(),
  /** Behind the disks and the network card, in this order. */
  devices: z.array(deviceSchema).max(DEVICES.max).optional(),
  /** Behind all others. */
  shares: z.array(shareSchema).max(DEVICES.max).optional(),
  /** The registers of virtio devices: `legacy`, as on QEMU's board unless told otherwise, or `modern` (there: force-legacy=false). */
  virtio: z.enum(['legacy', 'modern']).optional(),
  harts: z.int().min(HARTS.min).max(HARTS.max).default(HARTS.default),
  /** Bytes of RAM. */
  memory: z.int().min(MEMORY.min).max(MEMORY.max).default(MEMORY.default),
  /** The harts' extensions: an ISA such as `rv64gc_zba_zbb`, or changes to the default such as `-zacas,+svade`. */
  isa: z.string().max(4096).optional(),
  /** Free: WFI skips to the next deadline. Wall: virtual time keeps pace with the host's clock. */
  time: z.enum(['free', 'wall']).default('free'),
  /** Seconds since 1970 that the RTC starts from; configuration, so that runs repeat. */
  rtcStart: z.int().min(0).default(0),
  /**
   * A snapshot to start from. The machine is the one that was saved: of what else is said here, only the paths of its files, its
   * other connections to the host, `time` and `trace` count.
   */
  snapshot: z.string().min(1).optional(),
  /** Exit kinds to trace from the start; `true` for the default set (mmio, sbi, irq, trap, system). */
  trace: z.union([z.boolean(), z.array(z.enum(EXIT_KINDS))]).default(true),
});
export type VmConfig = z.infer<typeof vmConfigSchema>;
export type VmConfigInput = z.input<typeof vmConfigSchema>;

export const exitBreakpointSchema = z.strictObject({
  kind: z.enum(EXIT_KINDS),
  stage: z.enum(['pre', 'post']).default('pre'),
  /** In the exit-condition language; see `condition.ts`. */
  condition: z.string().optional(),
  /** Hits at this many matches and after: 1 is every match. */
  hitCount: z.int().min(1).default(1),
  action: z.enum(['stop', 'log']).default('stop'),
  /** For `log`: a text in which `{field}` is replaced by the exit's field. */
  log: z.string().optional(),
});
export type ExitBreakpoint = z.infer<typeof exitBreakpointSchema>;
export type ExitBreakpointInput = z.input<typeof exitBreakpointSchema>;

const traceFilter = z.strictObject({
  kinds: z.array(z.enum(EXIT_KINDS)).optional(),
  condition: z.string().optional(),
});
export type TraceFilter = z.infer<typeof traceFilter>;

const space = z.enum(['virtual', 'physical']).default('virtual');
const access = z.enum(['read', 'write', 'execute']);

/** The parameters of each method. */
export const requestSchemas = {
  'vmm.info': z.strictObject({}),
  'vm.create': z.strictObject({
    name: vm.optional(),
    config: vmConfigSchema,
    owned: z.boolean().default(true),
  }),
  'vm.list': z.strictObject({}),
  'vm.destroy': z.strictObject({ vm }),
  /** Subscribes the connection to this VM's events. The creator of a VM is subscribed already. */
  'vm.subscribe': z.strictObject({ vm }),
  'vm.state': z.strictObject({ vm }),
  'vm.resume': z.strictObject({ vm }),
  'vm.pause': z.strictObject({ vm }),
  'vm.reset': z.strictObject({ vm }),
  /** Writes the machine's state to a file; `incremental`: only what changed since the last one, where there is one to build on. */
  'vm.save': z.strictObject({ vm, file: z.string().min(1), incremental: z.boolean().default(false) }),
  /** The machine is as it was when the file was written, and stands. Refused, it goes on as it was. */
  'vm.restore': z.strictObject({ vm, file: z.string().min(1) }),
  /** Runs one hart until its pc leaves `ranges` (none: one instruction); see `StepMode`. Ends in a `stopped` event with reason `step`. */
  'vm.step': z.strictObject({
    vm,
    hart,
    mode: z.enum(['into', 'over', 'out']).default('into'),
    ranges: z.array(z.strictObject({ start: u64, end: u64 })).default([]),
    /** For `out`: where the caller continues, and its stack pointer. */
    returnTo: z.strictObject({ pc: u64, sp: u64 }).optional(),
  }),
  'vm.registers': z.strictObject({ vm, hart }),
  'vm.writeRegister': z.strictObject({ vm, hart, register: z.string(), value: u64 }),
  /** All CSRs when `numbers` is absent. */
  'vm.csrs': z.strictObject({ vm, hart, numbers: z.array(z.int().min(0).max(4095)).optional() }),
  'vm.writeCsr': z.strictObject({ vm, hart, number: z.int().min(0).max(4095), value: u64 }),
  'vm.readMemory': z.strictObject({
    vm,
    hart,
    address: u64,
    length: z
      .int()
      .min(0)
      .max(1 << 24),
    space,
  }),
  'vm.writeMemory': z.strictObject({ vm, hart, address: u64, data: z.instanceof(Uint8Array), space }),
  'vm.walk': z.strictObject({ vm, hart, address: u64, root: u64.optional(), access: access.optional() }),
  /** Replaces all address breakpoints. */
  'vm.setBreakpoints': z.strictObject({ vm, addresses: z.array(u64).max(10_000) }),
  /** Replaces all breakpoints on exits; the answer tells which conditions do not parse. */
  'vm.setExitBreakpoints': z.strictObject({ vm, breakpoints: z.array(exitBreakpointSchema).max(1000) }),
  'vm.trace': z.strictObject({
    vm,
    after: z.int().min(0).default(0),
    limit: z.int().min(1).max(10_000).default(1000),
    filter: traceFilter.default({}),
  }),
  'vm.exitStats': z.strictObject({ vm }),
  'vm.devices': z.strictObject({ vm, values: z.boolean().default(true) }),
  /** Bytes typed at the guest's console. */
  'vm.consoleWrite': z.strictObject({ vm, data: z.instanceof(Uint8Array) }),
  /** Keys or movements that happen at once, by Linux's event types and codes; the report behind them is added. */
  'vm.sendEvents': z.strictObject({
    vm,
    device: z.enum(['keyboard', 'tablet']),
    events: z
      .array(
        z.strictObject({
          type: z.int().min(0).max(0xffff),
          code: z.int().min(0).max(0xffff),
          value: z.int().min(-0x8000_0000).max(0x7fff_ffff),
        }),
      )
      .min(1)
      .max(63),
  }),
  /** How much memory the guest shall give to its balloon in all. It may take its time, or not do so. */
  'vm.setBalloon': z.strictObject({ vm, bytes: z.int().min(0).max(MEMORY.max) }),
} as const;

export type Method = keyof typeof requestSchemas;
/** Parameters as a client may write them: fields with defaults are optional. */
export type Params<M extends Method> = z.input<(typeof requestSchemas)[M]>;
/** Parameters after validation. */
export type ParsedParams<M extends Method> = z.output<(typeof requestSchemas)[M]>;

export type VmState = 'stopped' | 'running' | 'ended';

export interface VmInfo {
  readonly vm: string;
  readonly state: VmState;
  readonly harts: number;
  readonly memory: number;
  /** Bytes of RAM that the guest has in use: pages that were ever written, and not given up to a balloon. */
  readonly memoryInUse: number;
  readonly kernel: string | null;
  readonly firmware: string;
  /** Machine steps since power-on. */
  readonly steps: bigint;
  readonly endedWith: VmEnd | null;
  /** A connection owns it, whose end destroys the VM. */
  readonly owned: boolean;
}

/** How a guest ended: the test device, SBI system reset, or HTIF. */
export interface VmEnd {
  readonly reason: 'pass' | 'fail' | 'shutdown' | 'crash';
  /** The guest's own code; 0 for pass and shutdown. */
  readonly code: number;
}

export interface Registers {
  readonly pc: bigint;
  readonly privilege: 'U' | 'S' | 'M';
  /** x0..x31 and f0..f31 as raw 64 bits. */
  readonly x: readonly bigint[];
  readonly f: readonly bigint[];
  readonly steps: number;
  readonly waiting: boolean;
}

/**
 * Why the machine stopped. `hart` is the one that caused it; all harts stop.
 * - `entry`: created stopped. - `restored`: put into a saved state. - `exit`: a breakpoint on an exit; `record` says which.
 */
export interface StopInfo {
  readonly reason: 'entry' | 'restored' | 'pause' | 'step' | 'breakpoint' | 'exit';
  readonly hart: number;
  readonly pc: bigint;
  readonly step: bigint;
  readonly record?: ExitRecord;
  /** Index into the list given to `vm.setExitBreakpoints`. */
  readonly exitBreakpoint?: number;
}

export interface CsrValue {
  readonly number: number;
  readonly name: string;
  readonly value: bigint;
}

export interface DeviceRegisterValue {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
  readonly description: string | null;
  /** Null when values were not asked for. */
  readonly value: bigint | null;
  readonly fields: readonly {
    readonly name: string;
    readonly low: number;
    readonly high: number;
    readonly value: bigint | null;
    readonly text: string | null;
  }[];
}

export interface DeviceInfo {
  readonly name: string;
  readonly compatible: string;
  readonly base: bigint;
  readonly size: number;
  /** PLIC sources it drives. */
  readonly irqs: readonly number[];
  readonly registers: readonly DeviceRegisterValue[];
}

export interface ExitCount {
  readonly kind: ExitKind;
  readonly hart: number;
  readonly count: number;
}

export interface ExitStats {
  readonly counts: readonly ExitCount[];
  /** Finer: by device and register, SBI function, trap cause, … of the exits that were traced. */
  readonly detail: readonly {
    readonly kind: ExitKind;
    readonly key: string;
    readonly count: number;
    readonly handlerNs: number;
  }[];
}

export interface SavedSnapshot {
  /** Absolute. */
  readonly file: string;
  /** Of the file. */
  readonly bytes: number;
  /** Pages of RAM in it, of how many that the guest has in use; and blocks of disks. */
  readonly pages: number;
  readonly present: number;
  readonly blocks: number;
  /** The snapshot that it builds on. */
  readonly parent: string | null;
}

export interface Results {
  'vmm.info': {
    readonly version: string;
    readonly protocol: number;
    readonly pid: number;
    readonly vms: number;
  };
  'vm.create': VmInfo;
  'vm.list': { readonly vms: readonly VmInfo[] };
  'vm.destroy': Record<string, never>;
  'vm.subscribe': VmInfo;
  'vm.state': { readonly info: VmInfo; readonly stop: StopInfo | null };
  'vm.resume': Record<string, never>;
  'vm.pause': Record<string, never>;
  'vm.reset': Record<string, never>;
  'vm.save': SavedSnapshot;
  'vm.restore': { readonly info: VmInfo; readonly stop: StopInfo | null };
  'vm.step': Record<string, never>;
  'vm.registers': Registers;
  'vm.writeRegister': Record<string, never>;
  'vm.csrs': { readonly csrs: readonly CsrValue[] };
  'vm.writeCsr': { readonly value: bigint };
  /** As much as could be read from the start; `unreadable` bytes follow that could not. */
  'vm.readMemory': { readonly data: Uint8Array; readonly unreadable: number };
  'vm.writeMemory': { readonly written: number };
  'vm.walk': WalkResult;
  'vm.setBreakpoints': Record<string, never>;
  'vm.setExitBreakpoints': {
    readonly results: readonly (
      | { readonly ok: true }
      | { readonly ok: false; readonly message: string; readonly column: number | null }
    )[];
  };
  'vm.trace': { readonly records: readonly ExitRecord[]; readonly dropped: number; readonly next: number };
  'vm.exitStats': ExitStats;
  'vm.devices': { readonly devices: readonly DeviceInfo[] };
  'vm.consoleWrite': Record<string, never>;
  /** False: the guest has not looked for so long that they were dropped. */
  'vm.sendEvents': { readonly taken: boolean };
  'vm.setBalloon': Record<string, never>;
}

export interface Events {
  /** With the registers of `stop.hart`, which everyone who hears of a stop asks for next. */
  stopped: { readonly vm: string; readonly stop: StopInfo; readonly registers: Registers };
  resumed: { readonly vm: string };
  /** Bytes the guest wrote to its console. */
  console: { readonly vm: string; readonly data: Uint8Array };
  /** A log action of an exit breakpoint. */
  log: { readonly vm: string; readonly text: string; readonly record: ExitRecord };
  /** The guest does something that hardly anyone wants, in a sentence; it goes on. */
  warning: { readonly vm: string; readonly text: string };
  /** Something on the host's side of the machine that a person should know, in a sentence; the guest goes on. */
  note: { readonly vm: string; readonly text: string };
  /** New trace records exist; at most ten a second. */
  traced: { readonly vm: string; readonly next: number };
  /** The guest powered off, or its thread died (`error`). */
  ended: { readonly vm: string; readonly end: VmEnd | null; readonly error: string | null };
  created: { readonly vm: string };
  destroyed: { readonly vm: string };
}

export type EventName = keyof Events;

export interface RequestMessage {
  readonly id: number;
  readonly method: string;
  readonly params: unknown;
}
export type ResponseMessage =
  | { readonly id: number; readonly result: unknown }
  | {
      readonly id: number;
      readonly error: { readonly code: VmErrorCode; readonly message: string; readonly column?: number };
    };
export interface EventMessage<E extends EventName = EventName> {
  readonly event: E;
  readonly params: Events[E];
}
export type ServerMessage = ResponseMessage | EventMessage;
