import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { assert } from '../base/assert.ts';
import type {
  StartVmThread,
  VmCommand,
  VmLoopPorts,
  VmReport,
  VmStart,
  VmThread,
  VmThreadListener,
} from '../contracts/worker.ts';
import { nowNs } from './clock.ts';

/**
 * Words of the memory that a VM's thread shares with the server. A thread that runs a guest gets no events, so the
 * server rings `doorbell` after each command, and the thread looks at it between slices or sleeps on it.
 */
const WORD = { doorbell: 0, reportsTaken: 1, held: 2 } as const;
const WORDS = 3;
/** Reports that may wait for the server's event loop before the guest is held back, so that they cannot fill its memory. */
const BACKLOG_MAX = 1000;

/** What a thread is started with. Which VM it runs is its first command. */
export interface VmThreadData {
  readonly commands: MessagePort;
  readonly shared: SharedArrayBuffer;
}

type ThreadCommand = VmCommand | { readonly kind: 'start'; readonly start: VmStart };

/**
 * Starts VMs in threads that run `script`, the bundle of `vmm/worker.ts`. The first thread is started now: to load the
 * machine's code takes longer than to make a machine, and the first VM is the one that a person waits for.
 */
export function vmThreads(script: string): StartVmThread {
  let ahead: Thread | undefined = new Thread(script);
  return (start, listener) => {
    const thread = ahead ?? new Thread(script);
    ahead = undefined;
    thread.begin(start, listener);
    return thread;
  };
}

class Thread implements VmThread {
  readonly #worker: Worker;
  readonly #commands: MessagePort;
  readonly #words: Int32Array;
  #listener: VmThreadListener | undefined;
  #failure: string | null = null;
  #gone = false;

  constructor(script: string) {
    const shared = new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT);
    const { port1, port2 } = new MessageChannel();
    const workerData: VmThreadData = { commands: port2, shared };
    this.#words = new Int32Array(shared);
    this.#commands = port1;
    this.#worker = new Worker(script, { workerData, transferList: [port2], name: 'vm' });
    this.#worker.on('message', (report: VmReport) => {
      Atomics.add(this.#words, WORD.reportsTaken, 1);
      this.#listener?.report(report);
    });
    this.#worker.on('messageerror', (error) => (this.#failure = error.message));
    this.#worker.on('error', (error: unknown) => {
      this.#failure = error instanceof Error ? error.message : String(error);
    });
    this.#worker.on('exit', () => {
      this.#gone = true;
      this.#commands.close();
      this.#listener?.exited(this.#failure);
    });
  }

  begin(start: VmStart, listener: VmThreadListener): void {
    this.#listener = listener;
    // A thread that was started ahead may have died since.
    if (this.#gone) setImmediate(() => listener.exited(this.#failure));
    else this.#send({ kind: 'start', start });
  }

  post(command: VmCommand): void {
    this.#send(detached(command));
  }

  hold(held: boolean): void {
    Atomics.store(this.#words, WORD.held, held ? 1 : 0);
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }

  #send(command: ThreadCommand): void {
    this.#commands.postMessage(command);
    Atomics.add(this.#words, WORD.doorbell, 1);
    Atomics.notify(this.#words, WORD.doorbell);
  }
}

/** Inside the thread: waits for the VM that it shall run. `whileNone` is called before if none is there yet. */
export function receiveStart({ commands, shared }: VmThreadData, whileNone: () => void): VmStart {
  const words = new Int32Array(shared);
  if (Atomics.load(words, WORD.doorbell) === 0) whileNone();
  Atomics.wait(words, WORD.doorbell, 0);
  const first = receiveMessageOnPort(commands)?.message as ThreadCommand | undefined;
  assert(first?.kind === 'start', 'a thread is told first which VM it runs');
  return first.start;
}

/** The word that the thread sleeps on, for others that bring it something. */
export const doorbellOf = ({ shared }: VmThreadData): { shared: SharedArrayBuffer; word: number } => ({
  shared,
  word: WORD.doorbell,
});

/** The loop's ports, inside the thread. */
export function vmLoopPorts(data: VmThreadData, send: (report: VmReport) => void): VmLoopPorts {
  const words = new Int32Array(data.shared);
  let seen = 0;
  let drained = false;
  let sent = 0;
  return {
    receive: () => {
      const now = Atomics.load(words, WORD.doorbell);
      if (now === seen && drained) return undefined;
      // The bell is read before the queue: a command that comes in between rings again.
      seen = now;
      const received = receiveMessageOnPort(data.commands);
      drained = received === undefined;
      return received?.message as VmCommand | undefined;
    },
    sleep: (timeoutMs) => {
      if (timeoutMs === null || timeoutMs > 0) {
        Atomics.wait(words, WORD.doorbell, seen, timeoutMs ?? Number.POSITIVE_INFINITY);
      }
    },
    send: (report) => {
      sent = (sent + 1) | 0;
      send(report);
    },
    get congested() {
      const backlog = (sent - Atomics.load(words, WORD.reportsTaken)) | 0;
      return backlog > BACKLOG_MAX || Atomics.load(words, WORD.held) !== 0;
    },
    nowNs,
  };
}

/** Bytes of a request are a view of a whole frame or pool; cloning the view would clone all of that. */
function detached(command: VmCommand): VmCommand {
  if (command.kind !== 'request') return command;
  const { request } = command;
  switch (request.method) {
    case 'vm.writeMemory':
    case 'vm.consoleWrite': {
      const params = { ...request.params, data: new Uint8Array(request.params.data) };
      return { kind: 'request', request: { ...request, params } as typeof request };
    }
    default:
      return command;
  }
}
