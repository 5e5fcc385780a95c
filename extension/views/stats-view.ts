import * as vscode from 'vscode';
import type { CustomResults } from '../../debug-adapter/contract/requests.ts';
import type { ExitKind } from '../../vmm/protocol/exits.ts';
import type { MachineSession, SessionEvent, Sessions } from '../sessions.ts';

type Stats = CustomResults['hartscope/exitStats'];
type Detail = Stats['detail'][number];
type Node =
  | { readonly kind: 'kind'; readonly exit: ExitKind; readonly count: number; readonly share: number }
  | { readonly kind: 'detail'; readonly detail: Detail };

/** The trace moves up to ten times a second; counts that change so fast cannot be read. */
const REFRESH_MS = 1000;

/** How often each kind of exit happened, and which device, function or cause it was. */
export class StatsView implements vscode.TreeDataProvider<Node>, vscode.Disposable {
  static readonly id = 'hartscope.exitStats';
  readonly #sessions: Sessions;
  readonly #changes = new vscode.EventEmitter<void>();
  readonly #tree: vscode.TreeView<Node>;
  readonly #subscriptions: vscode.Disposable[];
  #timer: NodeJS.Timeout | undefined;
  #session: MachineSession | undefined;
  /** The last answer; it stays to be read after the machine has gone. */
  #stats: Stats | undefined;
  readonly onDidChangeTreeData = this.#changes.event;

  constructor(sessions: Sessions) {
    this.#sessions = sessions;
    this.#tree = vscode.window.createTreeView(StatsView.id, { treeDataProvider: this });
    this.#subscriptions = [
      this.#tree,
      this.#changes,
      this.#tree.onDidChangeVisibility(() => this.refresh()),
      sessions.onDidChange((event) => this.#handle(event)),
      sessions.onDidChangeActive(() => this.refresh()),
    ];
  }

  refresh(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#changes.fire();
  }

  dispose(): void {
    clearTimeout(this.#timer);
    for (const subscription of this.#subscriptions) subscription.dispose();
  }

  async getChildren(parent?: Node): Promise<Node[]> {
    if (parent !== undefined) return parent.kind === 'kind' ? this.#details(parent.exit) : [];
    const session = this.#sessions.active;
    if (session !== undefined) {
      const stats = await session.request('hartscope/exitStats', {}).catch(() => undefined);
      this.#keep(session, stats);
    }
    this.#tree.message =
      session === undefined && this.#session !== undefined && this.#stats === undefined
        ? `${this.#session.name} was stopped before this view asked for its statistics.`
        : undefined;
    return this.#stats === undefined ? [] : kindNodes(this.#stats);
  }

  getTreeItem(node: Node): vscode.TreeItem {
    return node.kind === 'kind'
      ? kindItem(node, this.#details(node.exit).length > 0)
      : detailItem(node.detail);
  }

  #details(exit: ExitKind): Node[] {
    const details = (this.#stats?.detail ?? []).filter(({ kind }) => kind === exit);
    return details.sort((a, b) => b.count - a.count).map((detail) => ({ kind: 'detail' as const, detail }));
  }

  /** An answer that comes too late, or not at all, leaves what is known of the session. */
  #keep(session: MachineSession, stats: Stats | undefined): void {
    if (stats !== undefined || session !== this.#session) this.#stats = stats;
    this.#session = session;
  }

  #handle(event: SessionEvent): void {
    const { kind, session } = event;
    if (session !== this.#sessions.active) return;
    // Also while the view is hidden: it may be opened for the first time after the machine has gone.
    if (kind === 'lastStats') this.#keep(session, event.stats);
    else if (kind === 'state' && session !== this.#session) this.#keep(session, undefined);
    if (kind === 'state' || kind === 'lastStats') this.refresh();
    else if (kind === 'traced' && this.#tree.visible)
      this.#timer ??= setTimeout(() => this.refresh(), REFRESH_MS);
  }
}

/** Counts of all harts by kind, the most frequent first. */
function kindNodes({ counts }: Stats): Node[] {
  const byKind = new Map<ExitKind, number>();
  for (const { kind, count } of counts) byKind.set(kind, (byKind.get(kind) ?? 0) + count);
  const total = [...byKind.values()].reduce((sum, count) => sum + count, 0);
  return [...byKind]
    .filter(([, count]) => count > 0)
    .sort(([, a], [, b]) => b - a)
    .map(([exit, count]) => ({ kind: 'kind' as const, exit, count, share: count / total }));
}

function kindItem({ exit, count, share }: Node & { kind: 'kind' }, hasDetails: boolean): vscode.TreeItem {
  const { Collapsed, None } = vscode.TreeItemCollapsibleState;
  const item = new vscode.TreeItem(exit, hasDetails ? Collapsed : None);
  item.id = exit;
  item.description = `${count.toLocaleString('en')} · ${(share * 100).toFixed(1)} %`;
  return item;
}

function detailItem({ kind, key, count, handlerNs }: Detail): vscode.TreeItem {
  const item = new vscode.TreeItem(key);
  item.id = `${kind}/${key}`;
  const mean = Math.round(handlerNs / Math.max(1, count)).toLocaleString('en');
  item.description = `${count.toLocaleString('en')}${handlerNs > 0 ? ` · ${mean} ns each` : ''}`;
  return item;
}
