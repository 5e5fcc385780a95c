/**
 * VMM processes of our own. Invariant: they end with us, since we hold their stdin.
 * Loaded first of all and thus small: a VMM starts up while the rest of the adapter is loaded.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { VmError } from '../vmm/base/vm-error.ts';

/** How long a VMM may take to end once its stdin is closed, before it is killed. */
const END_GRACE_MS = 3000;
/** What a VMM prints before it dies is shown to the user; more than this is not read by anyone. */
const STDERR_CHARS_MAX = 2000;

/** Where a VMM says that it can be reached. */
export interface ReadyVmm {
  readonly address: string;
  readonly tokenFile?: string;
}

/** The VMM as our child. */
export class VmmProcess {
  /** Rejects with VmError `vm-died` when it does not come up, with what it printed. */
  readonly ready: Promise<ReadyVmm>;
  readonly #child: ChildProcess;
  readonly #exited: Promise<string>;

  /** Starts a VMM on our own runtime. @throws VmError `io` when there is no such bundle. */
  constructor(bundle: string) {
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
    this.#child = child;
    this.#exited = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('close', (code, signal) => {
        const how = signal === null ? `status ${code}` : `signal ${signal}`;
        resolve(stderr.trim() === '' ? how : `${how}: ${stderr.trim()}`);
      });
    });
    const firstLine = new Promise<string>((resolve) => {
      createInterface({ input: child.stdout }).once('line', resolve);
    });
    this.ready = Promise.race([
      firstLine.then(parseReadyLine),
      this.#exited.then((reason) => {
        throw new VmError('vm-died', `The VMM could not start (${reason}).`);
      }),
    ]);
    // Told to whoever uses it; one that was started ahead may find no user.
    this.ready.catch(() => {});
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

/** Where a session gets its VMM from. One can be started ahead, before it is known whether the session needs one. */
export class VmmStarter {
  readonly #bundle: string;
  #ahead: VmmProcess | undefined;
  #releasing: Promise<void> | undefined;

  /** @param bundle the VMM's bundle. */
  constructor(bundle: string) {
    this.#bundle = bundle;
  }

  /** Starts a VMM for the next `take`. A bundle that is missing is reported there. */
  startAhead(): void {
    if (existsSync(this.#bundle)) this.#ahead = new VmmProcess(this.#bundle);
  }

  /** A VMM that belongs to the caller from now on. @throws VmError `io` when the bundle is missing. */
  take(): VmmProcess {
    const taken = this.#ahead ?? new VmmProcess(this.#bundle);
    this.#ahead = undefined;
    return taken;
  }

  /** Ends the VMM that was started ahead, if nobody took it. */
  async release(): Promise<void> {
    this.#releasing ??= this.#ahead?.end();
    this.#ahead = undefined;
    await this.#releasing;
  }
}

function parseReadyLine(line: string): ReadyVmm {
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
  throw new VmError('vm-died', `The VMM said "${line}" where its address was due. Reinstall the extension.`);
}
