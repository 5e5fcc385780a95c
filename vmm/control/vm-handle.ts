import { VmError } from '../base/vm-error.ts';
import type {
  ErrorReport,
  StartVmThread,
  VmEventReport,
  VmMethod,
  VmReport,
  VmRequest,
  VmStart,
  VmThread,
} from '../contracts/worker.ts';
import type { ParsedParams, Results, StopInfo, VmInfo } from '../protocol/messages.ts';
import { errorOf } from './errors.ts';

/** How a request ended. */
export type Outcome<T> = { readonly result: T } | { readonly error: ErrorReport };

type Done = (outcome: Outcome<Results[VmMethod]>) => void;

/** One VM as the server sees it: its thread, and the requests it has not answered yet. */
export class VmHandle {
  readonly name: string;
  readonly owned: boolean;
  readonly #thread: VmThread;
  readonly #onEvent: (event: VmEventReport) => void;
  readonly #pending = new Map<number, Done>();
  #lastId = 0;
  #info: VmInfo | undefined;
  /** Why the thread is gone. */
  #death: ErrorReport | undefined;
  #destroyed = false;
  #onReady: ((outcome: Outcome<VmInfo>) => void) | undefined;

  /**
   * Starts the VM's thread. `onReady` is called once, when the machine stands or cannot be made; events follow it.
   * Callbacks, not promises, keep responses and events in the order in which the thread sent them.
   */
  constructor(options: {
    readonly start: VmStart;
    readonly startThread: StartVmThread;
    readonly onReady: (outcome: Outcome<VmInfo>) => void;
    readonly onEvent: (event: VmEventReport) => void;
  }) {
    this.name = options.start.vm;
    this.owned = options.start.owned;
    this.#onReady = options.onReady;
    this.#onEvent = options.onEvent;
    this.#thread = options.startThread(options.start, {
      report: (report) => this.#take(report),
      exited: (error) => this.#exited(error),
    });
  }

  /** True once the machine stands. */
  get ready(): boolean {
    return this.#info !== undefined;
  }

  request<M extends VmMethod>(
    method: M,
    params: ParsedParams<M>,
    done: (outcome: Outcome<Results[M]>) => void,
  ): void {
    if (this.#death !== undefined) {
      this.#answerDead(method, done as Done);
      return;
    }
    const id = ++this.#lastId;
    this.#pending.set(id, done as Done);
    this.#thread.post({ kind: 'request', request: { id, method, params } as VmRequest });
  }

  /** The VM's state, also when its thread died. */
  state(): Promise<VmInfo> {
    return new Promise((resolve) => {
      this.request('vm.state', { vm: this.name }, (outcome) =>
        resolve('result' in outcome ? outcome.result.info : this.#deadInfo()),
      );
    });
  }

  /** Tells the thread whether anyone wants `traced` events. */
  watchTrace(traced: boolean): void {
    if (this.#death === undefined) this.#thread.post({ kind: 'watch', traced });
  }

  /** Lets the guest rest while a client does not keep up with its events. */
  hold(held: boolean): void {
    this.#thread.hold(held);
  }

  /** Ends the thread; requests that wait fail. Resolves when it is gone. */
  async destroy(): Promise<void> {
    this.#destroyed = true;
    this.#thread.post({ kind: 'end' });
    await this.#thread.terminate();
    this.#die({ code: 'no-such-vm', message: `the virtual machine '${this.name}' was destroyed` });
  }

  #take(report: VmReport): void {
    if (this.#destroyed) return;
    switch (report.kind) {
      case 'ready':
        this.#info = report.info;
        this.#tellReady({ result: report.info });
        break;
      case 'failed':
        this.#tellReady({ error: report.error });
        break;
      case 'event':
        this.#onEvent(report);
        break;
      case 'response': {
        const done = this.#pending.get(report.id);
        this.#pending.delete(report.id);
        done?.(report);
      }
    }
  }

  #exited(error: string | null): void {
    if (this.#destroyed) return;
    const reason = error ?? 'its thread ended by itself';
    const death = `the virtual machine '${this.name}' died: ${reason}; destroy it and launch it again`;
    this.#die({ code: 'vm-died', message: death });
    if (this.#info !== undefined) {
      this.#onEvent({ kind: 'event', event: 'ended', params: { end: null, error: reason } });
    }
    this.#tellReady({ error: { code: 'vm-died', message: death } });
  }

  #die(death: ErrorReport): void {
    this.#death ??= death;
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const done of pending) done({ error: this.#death });
  }

  #tellReady(outcome: Outcome<VmInfo>): void {
    const tell = this.#onReady;
    this.#onReady = undefined;
    tell?.(outcome);
  }

  /** A VM that died can still be asked how it is. */
  #answerDead(method: VmMethod, done: Done): void {
    if (method === 'vm.state' && this.#info !== undefined) {
      const stop: StopInfo | null = null;
      done({ result: { info: this.#deadInfo(), stop } });
    } else {
      done({ error: this.#death! });
    }
  }

  #deadInfo(): VmInfo {
    if (this.#info === undefined) throw errorOf(this.#death!);
    return { ...this.#info, state: 'ended' };
  }
}

/** The error for a name that no VM has. */
export const noSuchVm = (name: string): VmError =>
  new VmError('no-such-vm', `there is no virtual machine '${name}'; vm.list names those that are`);
