import * as vscode from 'vscode';
import type { MachineSession, SessionEvent, Sessions } from '../sessions.ts';
import type { Access, FromWalkView, WalkState } from './shared/messages.ts';
import { shown } from './shown.ts';
import { setUpPage } from './webview-page.ts';

interface Walk {
  readonly address: string;
  readonly access: Access;
  answer: Pick<WalkState, 'hart' | 'result' | 'problem'>;
}

const NO_ANSWER = { hart: null, result: null, problem: null } as const;

/** The page-table walk of one address a session, made anew at each stop. Without a choice it walks the pc. */
export class WalkView implements vscode.WebviewViewProvider, vscode.Disposable {
  static readonly id = 'hartscope.walk';
  readonly #extension: vscode.Uri;
  readonly #sessions: Sessions;
  readonly #walks = new Map<string, Walk>();
  readonly #subscriptions: vscode.Disposable[];
  #view: vscode.WebviewView | undefined;

  constructor(extension: vscode.Uri, sessions: Sessions) {
    this.#extension = extension;
    this.#sessions = sessions;
    this.#subscriptions = [
      vscode.window.registerWebviewViewProvider(WalkView.id, this),
      sessions.onDidChange((event) => this.#handle(event)),
      sessions.onDidChangeActive(() => void this.refresh()),
    ];
  }

  resolveWebviewView(view: vscode.WebviewView): void {
    this.#view = view;
    setUpPage(view.webview, this.#extension, 'walk');
    view.webview.onDidReceiveMessage((message: FromWalkView) => this.#receive(message));
    view.onDidChangeVisibility(() => void this.refresh());
    view.onDidDispose(() => {
      this.#view = undefined;
    });
  }

  /** Walks `address`, an expression of the debugger, in the active session and brings the view to the front. */
  async walk(address: string, access: Access = 'read'): Promise<void> {
    const session = this.#sessions.active;
    if (session === undefined) return;
    this.#walks.set(session.id, { address, access, answer: NO_ANSWER });
    await vscode.commands.executeCommand(`${WalkView.id}.focus`, { preserveFocus: true });
    await this.refresh();
  }

  /** The address that the view shows now. */
  get address(): string {
    return this.#current().address;
  }

  async refresh(): Promise<void> {
    const session = this.#sessions.active;
    if (session !== undefined && this.#view?.visible) {
      const walk = this.#current();
      this.#walks.set(session.id, walk);
      // While the guest runs, the walk is of a moment that has gone; the last stop's stays.
      if (session.state === 'stopped') walk.answer = await this.#ask(session, walk);
    }
    this.#post();
  }

  dispose(): void {
    for (const subscription of this.#subscriptions) subscription.dispose();
  }

  #current(): Walk {
    const session = this.#sessions.active;
    const known = session === undefined ? undefined : this.#walks.get(session.id);
    return known ?? { address: '$pc', access: 'execute', answer: NO_ANSWER };
  }

  async #ask(session: MachineSession, { address, access }: Walk): Promise<Walk['answer']> {
    let hart: number | null = null;
    try {
      const thread = this.#sessions.selectedThread(session);
      const { harts } = await session.request('hartscope/machine', {});
      hart = harts.find(({ threadId }) => threadId === thread)?.hart ?? null;
      const result = await session.request('hartscope/walk', {
        address,
        access,
        ...(hart === null ? {} : { hart }),
      });
      return { hart, result, problem: null };
    } catch (error) {
      return { hart, result: null, problem: (error as Error).message };
    }
  }

  #handle({ kind, session }: SessionEvent): void {
    if (kind !== 'state') return;
    if (session.state === 'ended') this.#walks.delete(session.id);
    if (session === this.#sessions.active || session.state === 'ended') void this.refresh();
  }

  #receive(message: FromWalkView): void {
    const session = this.#sessions.active;
    if (message.type === 'start') {
      void vscode.commands.executeCommand('workbench.action.debug.start');
      return;
    }
    if (message.type === 'walk' && session !== undefined) {
      this.#walks.set(session.id, {
        address: message.address,
        access: message.access,
        answer: NO_ANSWER,
      });
    }
    void this.refresh();
  }

  #post(): void {
    const session = this.#sessions.active;
    const { address, access, answer } = this.#current();
    const state: WalkState = {
      session: session === undefined ? null : shown(session),
      address,
      access,
      ...answer,
    };
    void this.#view?.webview.postMessage({ type: 'state', state });
  }
}
