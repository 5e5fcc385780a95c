/**
 * Custom requests and events beside DAP, for the extension's views. All are answered from the VMM and, but for
 * `setExitBreakpoints`, `consoleWrite` and `restoreSnapshot`, free of side effects. 64-bit quantities are `0x…` strings.
 */
import * as z from 'zod';
import { EXIT_KINDS, type ExitRecord, type Privilege } from '../../vmm/protocol/exits.ts';
import type { DeviceInfo, ExitStats, SavedSnapshot, VmInfo } from '../../vmm/protocol/messages.ts';
import type { WalkResult } from '../../vmm/protocol/walk.ts';
import type { Json } from './json.ts';
import { exitBreakpointConfigSchema } from './launch.ts';

export type { Json } from './json.ts';

/**
 * A client that shows the guest's console itself sets this key, `true`, in the launch or attach configuration (an
 * extension cannot add to the arguments of `initialize`, where `hartscope: true` does the same). It gets the console as `hartscope/console`
 * events only; other clients get it as `output` events as well.
 */
export const CLIENT_FLAG = '__hartscope';

const hart = z.int().min(0).max(63).optional();
const kinds = z.array(z.enum(EXIT_KINDS)).optional();

/** Arguments of each custom request. `hart` defaults to the one that stopped last. */
export const customRequestSchemas = {
  /** `address` and `root`: `0x…`, or an expression such as `$sp` or `&table`. `root` is a physical address of a root table in place of satp's. */
  'hartscope/walk': z.strictObject({
    address: z.string().min(1),
    hart,
    root: z.string().min(1).optional(),
    access: z.enum(['read', 'write', 'execute']).optional(),
  }),
  /** Trace records after sequence number `after` (default 0), oldest first. */
  'hartscope/exits': z.strictObject({
    after: z.int().min(0).optional(),
    limit: z.int().min(1).max(10_000).optional(),
    filter: z.strictObject({ kinds, condition: z.string().optional() }).optional(),
  }),
  'hartscope/exitStats': z.strictObject({
    filter: z.strictObject({ kinds, hart }).optional(),
  }),
  'hartscope/devices': z.strictObject({ values: z.boolean().optional() }),
  /** Replaces the breakpoints on exits that this request set before; those of the exception filters and of the launch configuration stay. */
  'hartscope/setExitBreakpoints': z.strictObject({
    breakpoints: z.array(exitBreakpointConfigSchema).max(500),
  }),
  /** Bytes typed at the guest's console: UTF-8 `text` or base64 `data`. */
  'hartscope/consoleWrite': z.union([
    z.strictObject({ text: z.string() }),
    z.strictObject({ data: z.base64() }),
  ]),
  'hartscope/machine': z.strictObject({}),
  /** Writes a snapshot of the machine to a file; `incremental`: only what changed since the last one, where there is one to build on. */
  'hartscope/saveSnapshot': z.strictObject({
    file: z.string().min(1),
    incremental: z.boolean().optional(),
  }),
  /** Puts the machine into the state of a snapshot, which a `stopped` event tells. */
  'hartscope/restoreSnapshot': z.strictObject({ file: z.string().min(1) }),
} as const;

export type CustomRequest = keyof typeof customRequestSchemas;
export type CustomArguments<R extends CustomRequest> = z.input<(typeof customRequestSchemas)[R]>;

/** A trace record with what only the adapter knows: words for it, and the source line of its pc. */
export type TraceRecord = Json<ExitRecord> & {
  /** One line such as `write uart0.THR = 0x48 'H'`. */
  readonly text: string;
  /** Function and line of `pc`, such as `putc (uart.c:12)`; absent without symbols. */
  readonly location?: string;
};

export interface HartInfo {
  readonly hart: number;
  /** The DAP thread of this hart. */
  readonly threadId: number;
  readonly pc: string;
  readonly privilege: Privilege;
  /** The hart waits in WFI. */
  readonly waiting: boolean;
  /** Steps (instructions retired or trapped) since reset. */
  readonly steps: number;
  readonly function?: string;
  /** `file.c:12`. */
  readonly location?: string;
}

export interface ExitBreakpointResult {
  readonly verified: boolean;
  /** Why not. */
  readonly message?: string;
  /** 1-based column in the condition that the message is about. */
  readonly column?: number;
}

/** The body of each custom request's response. */
export interface CustomResults {
  'hartscope/walk': Json<WalkResult>;
  'hartscope/exits': {
    readonly records: readonly TraceRecord[];
    readonly dropped: number;
    readonly next: number;
  };
  'hartscope/exitStats': Json<ExitStats>;
  'hartscope/devices': { readonly devices: readonly Json<DeviceInfo>[] };
  'hartscope/setExitBreakpoints': { readonly breakpoints: readonly ExitBreakpointResult[] };
  'hartscope/consoleWrite': Record<string, never>;
  'hartscope/machine': {
    readonly info: Json<VmInfo>;
    /** Address of the VMM it runs in, for other clients; a later attach takes it as `vmm`. */
    readonly vmm: string;
    readonly harts: readonly HartInfo[];
    /** Why it stands still, in words; absent while it runs. */
    readonly stopped?: { readonly reason: string; readonly hart: number; readonly description: string };
  };
  'hartscope/saveSnapshot': Json<SavedSnapshot>;
  'hartscope/restoreSnapshot': Record<string, never>;
}

/** The body of each custom event. */
export interface CustomEvents {
  /** Bytes the guest wrote to its console, base64. */
  'hartscope/console': { readonly data: string };
  /** New trace records exist; at most ten a second. `next` is the number the newest has. */
  'hartscope/traced': { readonly next: number };
  /** The guest has ended, and these are its last counts. Sent before `terminated`, since nobody can be asked after it. */
  'hartscope/lastExitStats': CustomResults['hartscope/exitStats'];
}
export type CustomEvent = keyof CustomEvents;
