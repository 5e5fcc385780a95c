import { assert } from '../base/assert.ts';
import { VmError } from '../base/vm-error.ts';
import type { StartVmThread, VmEventReport } from '../contracts/worker.ts';
import { encodeMessage } from '../protocol/codec.ts';
import {
  type EventMessage,
  type ParsedParams,
  PROTOCOL_VERSION,
  type Results,
  type VmInfo,
} from '../protocol/messages.ts';
import type { FrameSocket } from '../protocol/socket.ts';
import { Connection } from './connection.ts';
import { noSuchVm, type Outcome, VmHandle } from './vm-handle.ts';

/** Threads and guest memories of one process; more is a client that forgot to destroy them. */
const VMS_MAX = 64;

export interface ControlOptions {
  readonly startThread: StartVmThread;
  readonly version: string;
  readonly pid: number;
}

interface Entry {
  readonly handle: VmHandle;
  /** The connection whose end destroys the VM. */
  readonly owner: Connection | null;
  readonly subscribers: Set<Connection>;
}

/**
 * The VMM's server: its VMs, its connections, and who hears about what.
 *
 * Invariant: what one client or one VM does wrong reaches no other.
 */
export class ControlServer {
  readonly #options: ControlOptions;
  readonly #vms = new Map<string, Entry>();
  readonly #connections = new Set<Connection>();
  #nameCount = 0;

  constructor(options: ControlOptions) {
    this.#options = options;
  }

  /** Serves an authenticated client until its connection ends; VMs that it owns are destroyed then. */
  accept(socket: FrameSocket): void {
    const connection: Connection = new Connection(socket, this, () => void this.#disconnected(connection));
    this.#connections.add(connection);
    connection.listen();
  }

  /** Ends all connections and VMs. */
  async close(): Promise<void> {
    for (const connection of this.#connections) connection.close('the VMM ends');
    await Promise.all([...this.#vms.keys()].map((name) => this.#destroy(name)));
  }

  info(): Results['vmm.info'] {
    const { version, pid } = this.#options;
    return { version, protocol: PROTOCOL_VERSION, pid, vms: this.#vms.size };
  }

  async list(): Promise<VmInfo[]> {
    const ready = [...this.#vms.values()].filter(({ handle }) => handle.ready);
    return Promise.all(ready.map(({ handle }) => handle.state()));
  }

  /** Makes a VM; `done` is told when it stands. `creator` is subscribed to it, and owns it when asked to. */
  create(
    creator: Connection,
    params: ParsedParams<'vm.create'>,
    done: (outcome: Outcome<VmInfo>) => void,
  ): void {
    if (this.#vms.size >= VMS_MAX) {
      throw new VmError('bad-config', `there are ${VMS_MAX} virtual machines already; destroy one first`);
    }
    const name = params.name ?? this.#freeName();
    if (this.#vms.has(name)) {
      throw new VmError('bad-config', `there is a virtual machine '${name}' already; choose another name`);
    }
    const handle = new VmHandle({
      start: { vm: name, owned: params.owned, config: params.config },
      startThread: this.#options.startThread,
      onEvent: (event) => this.#fanOut(name, event),
      onReady: (outcome) => {
        if ('error' in outcome) {
          this.#vms.delete(name);
          void handle.destroy();
          done(outcome);
          return;
        }
        this.subscribe(creator, name);
        done(outcome);
        this.#broadcast({ event: 'created', params: { vm: name } });
      },
    });
    this.#vms.set(name, { handle, owner: params.owned ? creator : null, subscribers: new Set() });
  }

  /** Destroys a VM for a client. @throws VmError `no-such-vm`. */
  async destroy(name: string): Promise<void> {
    this.find(name);
    await this.#destroy(name);
  }

  /** @throws VmError `no-such-vm`, also while the VM is still being made. */
  find(name: string): VmHandle {
    const handle = this.#vms.get(name)?.handle;
    if (handle === undefined || !handle.ready) throw noSuchVm(name);
    return handle;
  }

  subscribe(connection: Connection, name: string): void {
    const entry = this.#vms.get(name);
    assert(entry !== undefined, `'${name}' was found before`);
    if (connection.closed) return;
    entry.subscribers.add(connection);
    if (entry.subscribers.size === 1) entry.handle.watchTrace(true);
  }

  /** A client fell behind, or caught up: guests whose events it gets rest, or go on. */
  congestionChanged(connection: Connection): void {
    for (const { handle, subscribers } of this.#vms.values()) {
      if (subscribers.has(connection)) handle.hold([...subscribers].some(({ congested }) => congested));
    }
  }

  async #destroy(name: string): Promise<void> {
    const entry = this.#vms.get(name);
    if (entry === undefined) return;
    this.#vms.delete(name);
    await entry.handle.destroy();
    if (entry.handle.ready) this.#broadcast({ event: 'destroyed', params: { vm: name } });
  }

  async #disconnected(connection: Connection): Promise<void> {
    this.#connections.delete(connection);
    this.congestionChanged(connection);
    for (const { handle, subscribers } of this.#vms.values()) {
      if (subscribers.delete(connection) && subscribers.size === 0) handle.watchTrace(false);
    }
    const owned = [...this.#vms].filter(([, { owner }]) => owner === connection);
    await Promise.all(owned.map(([name]) => this.#destroy(name)));
  }

  #fanOut(name: string, { event, params }: VmEventReport): void {
    const subscribers = this.#vms.get(name)?.subscribers;
    if (subscribers === undefined || subscribers.size === 0) return;
    const frame = encodeMessage({ event, params: { ...params, vm: name } });
    for (const connection of [...subscribers]) connection.sendFrame(frame);
  }

  #broadcast(message: EventMessage<'created' | 'destroyed'>): void {
    const frame = encodeMessage(message);
    for (const connection of [...this.#connections]) connection.sendFrame(frame);
  }

  #freeName(): string {
    do this.#nameCount++;
    while (this.#vms.has(`vm${this.#nameCount}`));
    return `vm${this.#nameCount}`;
  }
}
