import * as vscode from 'vscode';
import type { CustomResults, HartInfo } from '../../debug-adapter/contract/requests.ts';
import type { MachineSession, SessionEvent, Sessions } from '../sessions.ts';

type Machine = CustomResults['hartscope/machine'];
type Node =
  | { readonly kind: 'machine'; readonly session: MachineSession; readonly machine: Machine | undefined }
  | { readonly kind: 'hart'; readonly session: MachineSession; readonly hart: HartInfo };

/** While a machine runs its harts move on; this often they are asked where they are. */
const REFRESH_RUNNING_MS = 1000;
const SHOWN_ONCE = 'machinesShownOnce';

/** Machines and their harts: state, privilege, function and pc. */
export class MachinesView implements vscode.TreeDataProvider<Node>, vscode.Disposable {
  static readonly id = 'hartscope.machines';
  readonly #sessions: Sessions;
  readonly #memento: vscode.Memento;
  readonly #changes = new vscode.EventEmitter<void>();
  readonly #tree: vscode.TreeView<Node>;
  readonly #subscriptions: vscode.Disposable[];
  #timer: NodeJS.Timeout | undefined;
  readonly onDidChangeTreeData = this.#changes.event;

  /** `memento` remembers that the view was shown once. */
  constructor(sessions: Sessions, memento: vscode.Memento) {
    this.#sessions = sessions;
    this.#memento = memento;
    this.#tree = vscode.window.createTreeView(MachinesView.id, { treeDataProvider: this });
    this.#subscriptions = [
      this.#tree,
      this.#changes,
      this.#tree.onDidChangeVisibility(() => this.#changes.fire()),
      sessions.onDidChange((event) => this.#handle(event)),
    ];
  }

  dispose(): void {
    clearTimeout(this.#timer);
    for (const subscription of this.#subscriptions) subscription.dispose();
  }

  async getChildren(parent?: Node): Promise<Node[]> {
    if (parent === undefined) {
      this.#refreshWhileRunning();
      return Promise.all(
        this.#sessions.all.map(async (session) => ({
          kind: 'machine' as const,
          session,
          // A session that starts or ends has no machine to ask.
          machine: await session.request('hartscope/machine', {}).catch(() => undefined),
        })),
      );
    }
    if (parent.kind === 'hart') return [];
    const { session } = parent;
    return (parent.machine?.harts ?? []).map((hart) => ({ kind: 'hart' as const, session, hart }));
  }

  getTreeItem(node: Node): vscode.TreeItem {
    return node.kind === 'machine'
      ? machineItem(node.session, node.machine)
      : hartItem(node.session, node.hart);
  }

  /** The views here are two levels of rows; the tree asks when it reveals one. */
  getParent(node: Node): Node | undefined {
    const { kind, session } = node;
    return kind === 'machine' ? undefined : { kind: 'machine', session, machine: undefined };
  }

  #handle({ kind, session }: SessionEvent): void {
    if (kind !== 'state') return;
    this.#changes.fire();
    if (session.state === 'stopped' && this.#memento.get(SHOWN_ONCE) !== true) void this.#showOnce(session);
  }

  /** VS Code starts views in its own containers collapsed; a person has to see this one once to know of it. */
  async #showOnce(session: MachineSession): Promise<void> {
    await this.#memento.update(SHOWN_ONCE, true);
    await this.#tree.reveal(
      { kind: 'machine', session, machine: undefined },
      { select: false, focus: false, expand: true },
    );
  }

  #refreshWhileRunning(): void {
    clearTimeout(this.#timer);
    const running = this.#sessions.all.some(({ state }) => state === 'running' || state === 'starting');
    if (running && this.#tree.visible)
      this.#timer = setTimeout(() => this.#changes.fire(), REFRESH_RUNNING_MS);
  }
}

function machineItem(session: MachineSession, machine: Machine | undefined): vscode.TreeItem {
  const item = new vscode.TreeItem(session.name, vscode.TreeItemCollapsibleState.Expanded);
  // The id keeps a row expanded or collapsed while its content changes.
  item.id = session.id;
  item.iconPath = new vscode.ThemeIcon('vm');
  item.contextValue = 'machine';
  if (machine === undefined) {
    item.description = 'starting';
    return item;
  }
  const { info, stopped } = machine;
  item.description = info.state === 'stopped' ? (stopped?.description ?? 'stopped') : stateText(machine);
  item.tooltip = [
    session.name,
    `${info.harts} ${info.harts === 1 ? 'hart' : 'harts'}, ${info.memory / 2 ** 20} MiB of RAM, ${mebibytes(info.memoryInUse)} in use`,
    `kernel: ${info.kernel ?? 'none'}`,
    `firmware: ${info.firmware}`,
    `steps since power-on: ${BigInt(info.steps).toLocaleString('en')}`,
    `VMM: ${machine.vmm}`,
  ].join('\n');
  return item;
}

const mebibytes = (bytes: number): string => `${Number((bytes / 2 ** 20).toFixed(1))} MiB`;

function stateText({ info }: Machine): string {
  if (info.endedWith === null) return info.state;
  const { reason, code } = info.endedWith;
  return reason === 'fail' ? `ended: fail, code ${code}` : `ended: ${reason}`;
}

function hartItem(session: MachineSession, hart: HartInfo): vscode.TreeItem {
  const item = new vscode.TreeItem(`Hart ${hart.hart}`);
  item.id = `${session.id}/${hart.hart}`;
  item.contextValue = 'hart';
  item.iconPath = new vscode.ThemeIcon(
    session.state === 'stopped' ? 'debug-pause' : hart.waiting ? 'watch' : 'run',
  );
  const where = [hart.function, hart.location === undefined ? undefined : `(${hart.location})`];
  const place = where.filter((part) => part !== undefined).join(' ');
  item.description = [
    hart.privilege,
    place === '' ? hart.pc : place,
    hart.waiting ? 'waits (WFI)' : undefined,
  ]
    .filter((part) => part !== undefined)
    .join(' · ');
  item.tooltip = [
    `Hart ${hart.hart} in ${PRIVILEGES[hart.privilege]}`,
    `pc ${hart.pc}${place === '' ? '' : ` ${place}`}`,
    `steps since reset: ${hart.steps.toLocaleString('en')}`,
  ].join('\n');
  item.command = { command: 'hartscope.openPc', title: 'Open Source', arguments: [session.id, hart.pc] };
  return item;
}

const PRIVILEGES = { U: 'U-mode', S: 'S-mode', M: 'M-mode' } as const;
