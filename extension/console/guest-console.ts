import * as vscode from 'vscode';
import type { MachineSession, SessionEvent, Sessions } from '../sessions.ts';
import { TerminalText } from './terminal-text.ts';

/** Output before the terminal is drawn is kept up to here; a guest that prints more before that loses the oldest. */
const EARLY_CHARACTERS_MAX = 1 << 20;

/** A terminal for the guest's console per session: what the guest writes is shown, what is typed goes to its UART. */
export class GuestConsoles implements vscode.Disposable {
  readonly #bySession = new Map<string, GuestConsole>();
  readonly #subscription: vscode.Disposable;

  constructor(sessions: Sessions) {
    this.#subscription = sessions.onDidChange((event) => this.#handle(event));
  }

  /** Brings the session's console to the front. */
  reveal(session: MachineSession): void {
    this.#open(session).terminal.show(false);
  }

  dispose(): void {
    this.#subscription.dispose();
    for (const { terminal } of this.#bySession.values()) terminal.dispose();
  }

  #handle(event: SessionEvent): void {
    if (event.kind === 'console') {
      this.#open(event.session).write(Buffer.from(event.data, 'base64'));
    } else if (event.kind === 'state' && event.session.state === 'ended') {
      this.#bySession.get(event.session.id)?.end();
    } else if (event.kind === 'state' && event.session.state !== 'starting') {
      // Not before: a configuration that is refused has no machine and so no console.
      this.#open(event.session).showOnce();
    }
  }

  #open(session: MachineSession): GuestConsole {
    let console = this.#bySession.get(session.id);
    if (console === undefined || console.closed) {
      this.#closeEnded(session.name);
      // One that the person closed comes back in the list only, when the guest writes on.
      console = new GuestConsole(session, console?.closed === true);
      this.#bySession.set(session.id, console);
    }
    return console;
  }

  /** The console of an earlier run stays to be read until the same configuration starts again. */
  #closeEnded(name: string): void {
    for (const [id, console] of this.#bySession) {
      if (!console.ended || console.name !== name) continue;
      console.terminal.dispose();
      this.#bySession.delete(id);
    }
  }
}

class GuestConsole implements vscode.Pseudoterminal {
  readonly name: string;
  readonly terminal: vscode.Terminal;
  readonly #session: MachineSession;
  readonly #output = new vscode.EventEmitter<string>();
  readonly #text = new TerminalText();
  readonly onDidWrite = this.#output.event;
  #early: string | undefined = '';
  #shown: boolean;
  ended = false;
  closed = false;

  constructor(session: MachineSession, shown: boolean) {
    this.#session = session;
    this.#shown = shown;
    this.name = session.name;
    this.terminal = vscode.window.createTerminal({
      name: `Guest: ${session.name}`,
      iconPath: new vscode.ThemeIcon('circuit-board'),
      isTransient: true, // A reload of the window cannot bring the machine back.
      pty: this,
    });
  }

  open(): void {
    const early = this.#early ?? '';
    this.#early = undefined;
    if (early !== '') this.#output.fire(early);
  }

  close(): void {
    this.closed = true;
  }

  handleInput(text: string): void {
    if (this.ended) return;
    this.#session.request('hartscope/consoleWrite', { text }).then(undefined, (error: Error) => {
      this.#show(`\r\n\x1b[31m${error.message}\x1b[0m\r\n`);
    });
  }

  /** At the session's start, without taking the focus from the editor, where F10 is about to be pressed. */
  showOnce(): void {
    if (this.#shown) return;
    this.#shown = true;
    this.terminal.show(true);
  }

  write(bytes: Uint8Array): void {
    this.#show(this.#text.decode(bytes));
  }

  end(): void {
    if (this.ended) return;
    this.ended = true;
    this.#show(this.#text.flush() + '\x1b[0m\r\n\x1b[2m[the machine has gone]\x1b[0m\r\n');
  }

  #show(text: string): void {
    if (this.#early === undefined) this.#output.fire(text);
    else this.#early = (this.#early + text).slice(-EARLY_CHARACTERS_MAX);
  }
}
