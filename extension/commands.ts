import * as vscode from 'vscode';
import type { GuestConsoles } from './console/guest-console.ts';
import type { ExitBreakpoints } from './exit-breakpoints.ts';
import type { MachineSession, Sessions } from './sessions.ts';
import { restoreSnapshot, saveSnapshot } from './snapshots.ts';
import { openSource } from './source.ts';
import type { TraceView } from './views/trace-view.ts';
import type { WalkView } from './views/walk-view.ts';

interface Parts {
  readonly sessions: Sessions;
  readonly consoles: GuestConsoles;
  readonly walk: WalkView;
  readonly trace: TraceView;
  readonly exitBreakpoints: ExitBreakpoints;
}

/** What the Variables view gives a command of its context menu. */
interface VariableContext {
  readonly variable?: {
    readonly memoryReference?: string;
    readonly evaluateName?: string;
    readonly value?: string;
  };
}

/** What the tree of machines gives a command of its context menu. */
interface SessionNode {
  readonly session: MachineSession;
}

export function registerCommands({
  sessions,
  consoles,
  walk,
  trace,
  exitBreakpoints,
}: Parts): vscode.Disposable[] {
  const command = vscode.commands.registerCommand;
  return [
    command('hartscope.walkAddress', async (given?: string | VariableContext) => {
      if (!needSession(sessions)) return;
      const address = addressOf(given) ?? (await askForAddress(walk.address));
      if (address !== undefined) await walk.walk(address);
    }),
    command('hartscope.refreshWalk', () => walk.refresh()),
    command('hartscope.toggleFollow', () => trace.toggleFollow()),
    command('hartscope.clearExits', () => trace.clear()),
    command('hartscope.showConsole', () => {
      if (needSession(sessions)) consoles.reveal(sessions.active!);
    }),
    command('hartscope.breakOnExit', async () => {
      if (needSession(sessions)) await exitBreakpoints.add(sessions.active!);
    }),
    command('hartscope.removeExitBreakpoints', async () => {
      if (needSession(sessions)) await exitBreakpoints.remove(sessions.active!);
    }),
    command('hartscope.saveSnapshot', async (node?: SessionNode) => {
      if (needSession(sessions)) await saveSnapshot(node?.session ?? sessions.active!);
    }),
    command('hartscope.restoreSnapshot', async (node?: SessionNode) => {
      if (needSession(sessions)) await restoreSnapshot(node?.session ?? sessions.active!);
    }),
    command('hartscope.openPc', async (sessionId: string, pc: string) => {
      const session = sessions.byId(sessionId);
      if (session !== undefined) await openSource(session, pc);
    }),
  ];
}

function needSession(sessions: Sessions): boolean {
  if (sessions.active !== undefined) return true;
  void vscode.window.showInformationMessage('No Hartscope machine is running. Start one with F5 first.');
  return false;
}

function addressOf(given: string | VariableContext | undefined): string | undefined {
  if (typeof given === 'string') return given;
  const variable = given?.variable;
  return variable?.memoryReference ?? variable?.evaluateName ?? variable?.value;
}

/** Asks, with what is selected in the editor (else what the view shows) to start from. */
function askForAddress(current: string): Thenable<string | undefined> {
  const editor = vscode.window.activeTextEditor;
  const selected = editor?.document.getText(editor.selection).trim() ?? '';
  return vscode.window.showInputBox({
    title: 'Walk Address',
    prompt: 'A virtual address or an expression, such as 0x80200000, $sp or &table',
    value: selected !== '' && !selected.includes('\n') ? selected : current,
    validateInput: (text) => (text.trim() === '' ? 'An address or an expression is needed.' : undefined),
  });
}
