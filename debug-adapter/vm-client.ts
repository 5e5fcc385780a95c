/**
 * The adapter's end of the VMM protocol: connects to a VMM, and speaks for one virtual machine.
 * Invariant: a VMM that we started ends with us; one that we did not start is left alone.
 */
import { VmmClient } from '../vmm/protocol/client.ts';
import type {
  EventName,
  Events,
  Method,
  Params,
  Results,
  VmConfigInput,
  VmInfo,
} from '../vmm/protocol/messages.ts';
import type { VmmProcess } from './vmm-process.ts';

/** The parameters of a request about a virtual machine, without its name. */
type VmParams<M extends Method> = Omit<Params<M>, 'vm'>;

/** Events about one virtual machine. */
export type VmEvent = { [E in EventName]: { readonly event: E } & Events[E] }[EventName];

/** A connected VMM, and its process if we started it. */
export class Vmm {
  readonly address: string;
  readonly #client: VmmClient;
  readonly #process: VmmProcess | undefined;
  #closing = false;

  private constructor(address: string, client: VmmClient, process: VmmProcess | undefined) {
    this.address = address;
    this.#client = client;
    this.#process = process;
  }

  /** Connects to a VMM that we started, and ends it when that fails. @throws VmError `vm-died` when it does not come up, with what it printed. */
  static async of(process: VmmProcess): Promise<Vmm> {
    try {
      const { address, tokenFile } = await process.ready;
      return new Vmm(address, await VmmClient.connect({ address, tokenFile }), process);
    } catch (error) {
      await process.end();
      throw error;
    }
  }

  /** Connects to a VMM that runs. @throws VmError `io` or `unauthorized`. */
  static async connect(address: string, tokenFile: string | undefined): Promise<Vmm> {
    return new Vmm(address, await VmmClient.connect({ address, tokenFile }), undefined);
  }

  request<M extends Method>(method: M, params: Params<M>): Promise<Results[M]> {
    return this.#client.request(method, params);
  }

  /** Calls `listener` for each event of each machine this connection subscribed to, in order. */
  onEvent(listener: (event: VmEvent) => void): void {
    this.#client.onEvent((event, params) => listener({ event, ...params } as VmEvent));
  }

  /** Calls `listener` once, with one line for the user, when the VMM dies or the connection breaks unasked. */
  onLost(listener: (message: string) => void): void {
    this.#client.onClose(async () => {
      if (this.#closing) return;
      listener(
        this.#process === undefined
          ? `The connection to the VMM at ${this.address} was lost.`
          : `The VMM process ended unexpectedly (${await this.#process.exitDescription()}). Start debugging again for a new one.`,
      );
    });
  }

  /** Closes the connection; a VMM that we started ends, and is gone when the promise resolves. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#client.close();
    await this.#process?.end();
  }
}

/** One virtual machine of a VMM. */
export class Vm {
  readonly name: string;
  readonly vmm: Vmm;

  constructor(vmm: Vmm, name: string) {
    this.vmm = vmm;
    this.name = name;
  }

  static async create(vmm: Vmm, config: VmConfigInput): Promise<{ vm: Vm; info: VmInfo }> {
    const info = await vmm.request('vm.create', { config, owned: true });
    return { vm: new Vm(vmm, info.vm), info };
  }

  request<M extends Method>(method: M, params: VmParams<M>): Promise<Results[M]> {
    return this.vmm.request(method, { ...params, vm: this.name } as Params<M>);
  }
}
