import * as vscode from 'vscode';
import { DEBUG_TYPE } from '../debug-adapter/contract/launch.ts';
import type {
  CustomArguments,
  CustomEvents,
  CustomRequest,
  CustomResults,
} from '../debug-adapter/contract/requests.ts';

export type RunState = 'starting' | 'running' | 'stopped' | 'ended';

/** One debug session, and so one machine. Holds nothing of the machine: what a view shows, it asks for. */
export interface MachineSession {
  readonly id: string;
  readonly name: string;
  readonly state: RunState;
  readonly debug: vscode.DebugSession;
  /** Thread of the last stop. */
  readonly stoppedThread: number | undefined;
  request<R extends CustomRequest>(command: R, args: CustomArguments<R>): Promise<CustomResults[R]>;
}

/** A change a view may want to follow. `state` covers start, stop, resume and end. */
export type SessionEvent =
  | { readonly kind: 'state'; readonly session: MachineSession }
  | { readonly kind: 'console'; readonly session: MachineSession; readonly data: string }
  | { readonly kind: 'traced'; readonly session: MachineSession; readonly next: number }
  /** The guest ended; it cannot be asked any more. */
  | {
      readonly kind: 'lastStats';
      readonly session: MachineSession;
      readonly stats: CustomResults['hartscope/exitStats'];
    };

/** Requests after whose success a session runs; VS Code expects no `continued` event after these. */
const RESUMING = new Set(['continue', 'next', 'stepIn', 'stepOut', 'goto', 'reverseContinue', 'stepBack']);

interface DapMessage {
  readonly type: string;
  readonly event?: string;
  readonly command?: string;
  readonly success?: boolean;
  readonly body?: { readonly threadId?: number };
}

/** Every Hartscope session that runs, by session id, and which of them the views show. */
export class Sessions implements vscode.Disposable {
  readonly #byId = new Map<string, TrackedSession>();
  readonly #changes = new vscode.EventEmitter<SessionEvent>();
  readonly #activeChanges = new vscode.EventEmitter<MachineSession | undefined>();
  readonly #disposables: vscode.Disposable[];
  #active: TrackedSession | undefined;

  readonly onDidChange = this.#changes.event;
  /** The session that views show has changed, or the hart selected in its call stack. */
  readonly onDidChangeActive = this.#activeChanges.event;

  constructor() {
    this.#disposables = [
      vscode.debug.registerDebugAdapterTrackerFactory(DEBUG_TYPE, {
        createDebugAdapterTracker: (debug) => this.#track(debug),
      }),
      vscode.debug.onDidStartDebugSession((debug) => this.#setState(debug, 'running', ['starting'])),
      vscode.debug.onDidTerminateDebugSession((debug) => this.#end(debug)),
      vscode.debug.onDidReceiveDebugSessionCustomEvent((event) => this.#custom(event)),
      vscode.debug.onDidChangeActiveDebugSession((debug) => this.#follow(debug)),
      vscode.debug.onDidChangeActiveStackItem((item) => this.#follow(item?.session, true)),
      this.#changes,
      this.#activeChanges,
    ];
  }

  /** The session that views show: the debugger's active one, or the last Hartscope session that was. */
  get active(): MachineSession | undefined {
    return this.#active;
  }

  get all(): readonly MachineSession[] {
    return [...this.#byId.values()];
  }

  byId(id: string): MachineSession | undefined {
    return this.#byId.get(id);
  }

  /** The DAP thread selected in the call stack of `session`, else the one that stopped last. */
  selectedThread(session: MachineSession): number | undefined {
    const item = vscode.debug.activeStackItem;
    return item?.session.id === session.id ? item.threadId : session.stoppedThread;
  }

  dispose(): void {
    for (const disposable of this.#disposables) disposable.dispose();
  }

  #of(debug: vscode.DebugSession): TrackedSession {
    let session = this.#byId.get(debug.id);
    if (session === undefined) {
      session = new TrackedSession(debug);
      this.#byId.set(debug.id, session);
      this.#updateContext();
    }
    return session;
  }

  #track(debug: vscode.DebugSession): vscode.DebugAdapterTracker {
    const session = this.#of(debug);
    this.#active ??= session;
    this.#changes.fire({ kind: 'state', session });
    return {
      onWillReceiveMessage: (message: DapMessage) => {
        // The adapter lets go of the machine: nobody can be asked from here on.
        if (message.type === 'request' && message.command === 'disconnect') session.leaving = true;
      },
      onDidSendMessage: (message: DapMessage) => {
        if (message.type === 'event' && message.event === 'stopped') {
          session.stoppedThread = message.body?.threadId;
          this.#setState(debug, 'stopped');
        } else if (message.type === 'event' && message.event === 'continued') {
          this.#setState(debug, 'running');
        } else if (message.type === 'response' && message.success && RESUMING.has(message.command ?? '')) {
          this.#setState(debug, 'running');
        }
      },
      // An adapter that dies before the session started gives no terminate event.
      onExit: () => this.#end(debug),
    };
  }

  #setState(debug: vscode.DebugSession, state: RunState, from?: readonly RunState[]): void {
    if (debug.type !== DEBUG_TYPE) return;
    const session = this.#of(debug);
    if (from !== undefined && !from.includes(session.state)) return;
    session.state = state;
    this.#changes.fire({ kind: 'state', session });
  }

  #custom({ session: debug, event, body }: vscode.DebugSessionCustomEvent): void {
    if (debug.type !== DEBUG_TYPE) return;
    const session = this.#of(debug);
    if (event === 'hartscope/console') {
      const { data } = body as CustomEvents['hartscope/console'];
      this.#changes.fire({ kind: 'console', session, data });
    } else if (event === 'hartscope/traced') {
      const { next } = body as CustomEvents['hartscope/traced'];
      this.#changes.fire({ kind: 'traced', session, next });
    } else if (event === 'hartscope/lastExitStats') {
      const stats = body as CustomEvents['hartscope/lastExitStats'];
      this.#changes.fire({ kind: 'lastStats', session, stats });
    }
  }

  #follow(debug: vscode.DebugSession | undefined, stackItem = false): void {
    if (debug === undefined || debug.type !== DEBUG_TYPE) return;
    const session = this.#byId.get(debug.id);
    if (session === undefined || (session === this.#active && !stackItem)) return;
    this.#active = session;
    this.#activeChanges.fire(session);
  }

  #end(debug: vscode.DebugSession): void {
    const session = this.#byId.get(debug.id);
    if (session === undefined) return;
    session.state = 'ended';
    this.#byId.delete(debug.id);
    this.#changes.fire({ kind: 'state', session });
    if (this.#active === session) {
      this.#active = [...this.#byId.values()].at(-1);
      this.#activeChanges.fire(this.#active);
    }
    this.#updateContext();
  }

  #updateContext(): void {
    void vscode.commands.executeCommand('setContext', 'hartscope.hasSession', this.#byId.size > 0);
  }
}

class TrackedSession implements MachineSession {
  readonly debug: vscode.DebugSession;
  state: RunState = 'starting';
  stoppedThread: number | undefined;
  leaving = false;

  constructor(debug: vscode.DebugSession) {
    this.debug = debug;
  }

  get id(): string {
    return this.debug.id;
  }

  get name(): string {
    return this.debug.name;
  }

  async request<R extends CustomRequest>(command: R, args: CustomArguments<R>): Promise<CustomResults[R]> {
    if (this.leaving) throw new Error('The machine has gone.');
    return (await this.debug.customRequest(command, args)) as CustomResults[R];
  }
}
