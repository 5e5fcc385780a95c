import * as vscode from 'vscode';
import type { ExitBreakpointConfig } from '../debug-adapter/contract/launch.ts';
import { AVAILABLE_EXIT_KINDS, type ExitKind } from '../vmm/protocol/exits.ts';
import type { MachineSession } from './sessions.ts';

/** What each kind is, and a condition to start from. */
const KINDS: Readonly<Record<ExitKind, readonly [description: string, condition: string]>> = {
  mmio: ['a device register is read or written', 'device == "uart0" && write'],
  sbi: ['the guest calls its firmware', 'ext == "TIME"'],
  csr: ['a CSR with side effects is accessed', 'csr == "satp"'],
  trap: ['an exception or interrupt is taken', '!interrupt'],
  irq: ['an interrupt line changes, or is claimed or completed', 'event == "raised"'],
  'page-fault': ['an access outside RAM, or to a page that is not there', ''],
  'tlb-flush': ['translations are flushed', ''],
  virtqueue: ['a virtqueue is kicked or used', ''],
  wfi: ['a hart waits for an interrupt', ''],
  nested: ['a guest hypervisor takes an exit of its own', ''],
  system: ['the machine powers off, resets or crashes', ''],
  debug: ['the guest executes ebreak', ''],
};

/**
 * Breakpoints on exits set by command. Those of the Breakpoints view (one a kind) and of the launch configuration are
 * the adapter's own and stay beside these.
 */
export class ExitBreakpoints implements vscode.Disposable {
  readonly #bySession = new Map<string, readonly ExitBreakpointConfig[]>();
  readonly #subscription = vscode.debug.onDidTerminateDebugSession(({ id }) => this.#bySession.delete(id));

  /** Asks for a kind and a condition, and stops the machine at exits like that. */
  async add(session: MachineSession): Promise<void> {
    const added = await askForExit();
    if (added === undefined) return;
    const problem = await this.#replace(session, [...(this.#bySession.get(session.id) ?? []), added]);
    if (problem !== undefined) void vscode.window.showErrorMessage(problem);
    else vscode.window.setStatusBarMessage(`Hartscope: stops at ${text(added)}`, 5000);
  }

  async remove(session: MachineSession): Promise<void> {
    const set = this.#bySession.get(session.id) ?? [];
    if (set.length === 0) {
      void vscode.window.showInformationMessage(
        'No breakpoint on exits was set by command. Those of the Breakpoints view are switched off there.',
      );
      return;
    }
    const chosen = await vscode.window.showQuickPick(
      set.map((breakpoint) => ({ label: text(breakpoint), breakpoint })),
      { canPickMany: true, title: 'Remove Breakpoints on Exits' },
    );
    if (chosen === undefined) return;
    const gone = new Set(chosen.map(({ breakpoint }) => breakpoint));
    const problem = await this.#replace(
      session,
      set.filter((breakpoint) => !gone.has(breakpoint)),
    );
    if (problem !== undefined) void vscode.window.showErrorMessage(problem);
  }

  dispose(): void {
    this.#subscription.dispose();
  }

  /** Sets the whole list; keeps the old one and says why when an entry is refused. */
  async #replace(
    session: MachineSession,
    breakpoints: readonly ExitBreakpointConfig[],
  ): Promise<string | undefined> {
    const set = async (list: readonly ExitBreakpointConfig[]) =>
      (await session.request('hartscope/setExitBreakpoints', { breakpoints: [...list] })).breakpoints;
    try {
      const results = await set(breakpoints);
      const refused = results.findIndex(({ verified }) => !verified);
      if (refused < 0) {
        this.#bySession.set(session.id, breakpoints);
        return undefined;
      }
      await set(this.#bySession.get(session.id) ?? []);
      return `${text(breakpoints[refused]!)}: ${results[refused]?.message ?? 'refused'}`;
    } catch (error) {
      return (error as Error).message;
    }
  }
}

async function askForExit(): Promise<ExitBreakpointConfig | undefined> {
  const kind = await vscode.window.showQuickPick(
    AVAILABLE_EXIT_KINDS.map((name) => ({ label: name, description: KINDS[name][0], name })),
    { title: 'Break on Exit (1/2): the kind', placeHolder: 'Which exits from guest to VMM?' },
  );
  if (kind === undefined) return undefined;
  const condition = await vscode.window.showInputBox({
    title: `Break on Exit (2/2): ${kind.label}, under which condition?`,
    prompt: 'Leave empty to stop at every one.',
    value: KINDS[kind.name][1],
  });
  if (condition === undefined) return undefined;
  const trimmed = condition.trim();
  return { kind: kind.name, ...(trimmed === '' ? {} : { condition: trimmed }) };
}

const text = ({ kind, condition }: ExitBreakpointConfig): string =>
  condition === undefined ? kind : `${kind}: ${condition}`;
