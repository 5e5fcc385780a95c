/**
 * The adapter's end of the VMM protocol: starts a VMM process or connects to one, and speaks for one virtual machine.
 * Invariant: a VMM that we started ends with us, since we hold its stdin; one that we did not start is left alone.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { VmError } from '../vmm/base/vm-error.ts';
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

/** The parameters of a request about a virtual machine, without its name. */
type VmParams<M extends Method> = Omit<Params<M>, 'vm'>;

/** Events about one virtual machine. */
export type VmEvent = { [E in EventName]: { readonly event: E } & Events[E] }[EventName];

/** How long a VMM may take to end once its stdin is closed, before it is killed. */
const END_GRACE_MS = 3000;
/** What a VMM prints before it dies is shown to the user; more than this is not read by anyone. */
const STDERR_CHARS_MAX = 2000;

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

  /** Starts a VMM on our own runtime. @throws VmError `vm-died` when it does not come up, with what it printed. */
  static async start(bundle: string): Promise<Vmm> {
    const process = await VmmProcess.start(bundle);
    try {
      const { address, tokenFile } = process;
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
          : `The VMM process ended unexpectedly (${await this.#process.exitDescription()}).`,
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

/** The VMM as our child. Its stdin is held open for as long as it shall live. */
class VmmProcess {
  readonly address: string;
  readonly tokenFile: string | undefined;
  readonly #child: ChildProcess;
  readonly #exited: Promise<string>;

  private constructor(
    child: ChildProcess,
    exited: Promise<string>,
    ready: { address: string; tokenFile?: string },
  ) {
    this.#child = child;
    this.#exited = exited;
    this.address = ready.address;
    this.tokenFile = ready.tokenFile;
  }

  static async start(bundle: string): Promise<VmmProcess> {
    if (!existsSync(bundle)) {
      throw new VmError(
        'io',
        `The VMM is missing: ${bundle} does not exist. Run "npm run build", or reinstall the extension.`,
      );
    }
    // The environment goes along: under VS Code, ELECTRON_RUN_AS_NODE makes its executable a Node.
    const child = spawn(process.execPath, [bundle, 'serve'], { stdio: ['pipe', 'pipe', 'pipe'] });
    // Without a listener, a write to the stdin of a VMM that died would end this process.
    child.stdin.on('error', () => {});
    let stderr = '';
    child.stderr.on('data', (data: Buffer) => {
      stderr = (stderr + data.toString()).slice(-STDERR_CHARS_MAX);
    });
    const exited = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('close', (code, signal) => {
        const how = signal === null ? `status ${code}` : `signal ${signal}`;
        resolve(stderr.trim() === '' ? how : `${how}: ${stderr.trim()}`);
      });
    });
    const firstLine = new Promise<string>((resolve) => {
      createInterface({ input: child.stdout }).once('line', resolve);
    });
    const first = await Promise.race([
      firstLine.then((line) => ({ line })),
      exited.then((reason) => ({ reason })),
    ]);
    if ('reason' in first) {
      throw new VmError('vm-died', `The VMM could not start (${first.reason}).`);
    }
    return new VmmProcess(child, exited, parseReadyLine(first.line, child));
  }

  exitDescription(): Promise<string> {
    return this.#exited;
  }

  async end(): Promise<void> {
    this.#child.stdin?.end();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), END_GRACE_MS);
    await this.#exited;
    clearTimeout(timer);
  }
}

function parseReadyLine(line: string, child: ChildProcess): { address: string; tokenFile?: string } {
  try {
    const ready: unknown = JSON.parse(line);
    if (
      typeof ready === 'object' &&
      ready !== null &&
      'address' in ready &&
      typeof ready.address === 'string'
    ) {
      const tokenFile =
        'tokenFile' in ready && typeof ready.tokenFile === 'string' ? ready.tokenFile : undefined;
      return tokenFile === undefined ? { address: ready.address } : { address: ready.address, tokenFile };
    }
  } catch {
    // Falls through to the message below, as a line of another shape does.
  }
  child.kill();
  throw new VmError('vm-died', `The VMM said "${line}" where its address was due. Reinstall the extension.`);
}
