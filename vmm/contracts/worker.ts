import type { VmErrorCode } from '../base/vm-error.ts';
import type {
  EventName,
  Events,
  Method,
  ParsedParams,
  Results,
  VmConfig,
  VmInfo,
} from '../protocol/messages.ts';

/** Requests that a VM's own thread answers; the others are the server's. */
export type VmMethod = Exclude<Method, 'vmm.info' | 'vm.create' | 'vm.list' | 'vm.destroy' | 'vm.subscribe'>;

/** A validated request on its way to a VM's thread. */
export type VmRequest = {
  readonly [M in VmMethod]: { readonly id: number; readonly method: M; readonly params: ParsedParams<M> };
}[VmMethod];

/** What a VM's thread is told. */
export type VmCommand =
  | { readonly kind: 'request'; readonly request: VmRequest }
  /** Whether anyone wants `traced` events. */
  | { readonly kind: 'watch'; readonly traced: boolean }
  /** The thread's loop returns. */
  | { readonly kind: 'end' };

/** A `VmError` as it crosses threads and connections. */
export interface ErrorReport {
  readonly code: VmErrorCode;
  readonly message: string;
  readonly column?: number;
}

/** Events of one VM; the name of the VM is added by the server. */
export type VmEventName = Exclude<EventName, 'created' | 'destroyed'>;
export type VmEventReport = {
  readonly [E in VmEventName]: {
    readonly kind: 'event';
    readonly event: E;
    readonly params: Omit<Events[E], 'vm'>;
  };
}[VmEventName];

/** What a VM's thread says. `ready` or `failed` comes first, once; responses come in the order of the requests. */
export type VmReport =
  | { readonly kind: 'ready'; readonly info: VmInfo }
  | { readonly kind: 'failed'; readonly error: ErrorReport }
  | { readonly kind: 'response'; readonly id: number; readonly result: Results[VmMethod] }
  | { readonly kind: 'response'; readonly id: number; readonly error: ErrorReport }
  | VmEventReport;

/** A thread that runs one VM, seen from the server. */
export interface VmThread {
  post(command: VmCommand): void;
  /** While held the guest rests, since nobody takes what it says; commands are still obeyed. */
  hold(held: boolean): void;
  /** Ends the thread wherever it is; resolves when it is gone. */
  terminate(): Promise<void>;
}

export interface VmThreadListener {
  report(report: VmReport): void;
  /** The thread is gone, told once; `error` says why when nobody ended it. */
  exited(error: string | null): void;
}

/** A VM to be made: its name, and whether a connection owns it. */
export interface VmStart {
  readonly vm: string;
  readonly owned: boolean;
  readonly config: VmConfig;
}

/** Starts a thread that makes the machine and then runs it. */
export type StartVmThread = (start: VmStart, listener: VmThreadListener) => VmThread;

/** The host as a VM's loop sees it from inside its thread. */
export interface VmLoopPorts {
  /** The next command that has arrived, if any. Cheap when there is none: looked at between all slices. */
  receive(): VmCommand | undefined;
  /** Blocks until a command arrives or `timeoutMs` are over; null waits for a command only. */
  sleep(timeoutMs: number | null): void;
  send(report: VmReport): void;
  /** True while the server cannot take more reports: the guest should rest. */
  readonly congested: boolean;
  /** A monotonic clock. */
  nowNs(): number;
}
