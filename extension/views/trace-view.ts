import * as vscode from 'vscode';
import type { MachineSession, SessionEvent, Sessions } from '../sessions.ts';
import { openSource } from '../source.ts';
import type { FromTraceView, ToTraceView } from './shared/messages.ts';
import { shown } from './shown.ts';
import { TraceFeed } from './trace-feed.ts';
import { setUpPage } from './webview-page.ts';

/** The list of exits and device accesses of the active session. It keeps the last machine's list after that has gone. */
export class TraceView implements vscode.WebviewViewProvider, vscode.Disposable {
  static readonly id = 'hartscope.exits';
  readonly #extension: vscode.Uri;
  readonly #sessions: Sessions;
  readonly #feeds = new Map<string, TraceFeed>();
  readonly #subscriptions: vscode.Disposable[];
  #view: vscode.WebviewView | undefined;
  #session: MachineSession | undefined;

  constructor(extension: vscode.Uri, sessions: Sessions) {
    this.#extension = extension;
    this.#sessions = sessions;
    this.#session = sessions.active;
    this.#subscriptions = [
      vscode.window.registerWebviewViewProvider(TraceView.id, this),
      sessions.onDidChange((event) => this.#handle(event)),
      sessions.onDidChangeActive((session) => this.#show(session)),
    ];
  }

  resolveWebviewView(view: vscode.WebviewView): void {
    this.#view = view;
    setUpPage(view.webview, this.#extension, 'trace');
    view.webview.onDidReceiveMessage((message: FromTraceView) => this.#receive(message));
    view.onDidDispose(() => {
      this.#view = undefined;
    });
  }

  toggleFollow(): void {
    this.#post({ type: 'toggleFollow' });
  }

  clear(): void {
    if (this.#session !== undefined) this.#feeds.get(this.#session.id)?.clear();
  }

  dispose(): void {
    for (const subscription of this.#subscriptions) subscription.dispose();
  }

  #handle(event: SessionEvent): void {
    const { session } = event;
    if (event.kind === 'traced') {
      if (this.#session === undefined || this.#session.state === 'ended') this.#show(session);
      void this.#feedOf(session).notify(event.next);
    } else if (event.kind === 'state') {
      if (session.state === 'starting') this.#show(this.#sessions.active);
      if (session === this.#session) this.#post({ type: 'session', session: shown(session) });
      else if (session.state === 'ended') this.#feeds.delete(session.id);
    }
  }

  #feedOf(session: MachineSession): TraceFeed {
    let feed = this.#feeds.get(session.id);
    if (feed === undefined) {
      const ifShown = (message: ToTraceView) => session === this.#session && this.#post(message);
      feed = new TraceFeed((args) => session.request('hartscope/exits', args), {
        reset: () => ifShown({ type: 'reset' }),
        append: (records, missed) => ifShown({ type: 'append', records, missed }),
        problem: (message) => ifShown({ type: 'problem', message }),
      });
      this.#feeds.set(session.id, feed);
    }
    return feed;
  }

  #show(session: MachineSession | undefined): void {
    if (session === undefined || session === this.#session) return;
    const before = this.#session;
    if (before?.state === 'ended') this.#feeds.delete(before.id);
    this.#session = session;
    this.#sendAll();
  }

  #receive(message: FromTraceView): void {
    const session = this.#session;
    switch (message.type) {
      case 'ready':
        this.#sendAll();
        return;
      case 'filter':
        if (session !== undefined) void this.#feedOf(session).setFilter(message.filter);
        return;
      case 'openSource':
        if (session !== undefined) void openSource(session, message.pc);
        return;
      case 'walk':
        void vscode.commands.executeCommand('hartscope.walkAddress', message.address);
        return;
      case 'start':
        void vscode.commands.executeCommand('workbench.action.debug.start');
        return;
    }
  }

  /** Everything a page that has just been made, or shows another session from now on, needs. */
  #sendAll(): void {
    const session = this.#session;
    this.#post({ type: 'session', session: session === undefined ? null : shown(session) });
    this.#post({ type: 'reset' });
    const feed = session === undefined ? undefined : this.#feeds.get(session.id);
    if (feed === undefined) return;
    this.#post({ type: 'append', records: feed.records, missed: feed.missed });
    this.#post({ type: 'problem', message: feed.problem });
  }

  #post(message: ToTraceView): void {
    void this.#view?.webview.postMessage(message);
  }
}
