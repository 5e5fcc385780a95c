import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import type { StartVmThread, VmCommand, VmLoopPorts, VmReport, VmStart } from '../contracts/worker.ts';
import { nowNs } from './clock.ts';

/**
 * Words of the memory that a VM's thread shares with the server. A thread that runs a guest gets no events, so the
 * server rings `doorbell` after each command, and the thread looks at it between slices or sleeps on it.
 */
const WORD = { doorbell: 0, reportsTaken: 1, held: 2 } as const;
const WORDS = 3;
/** Reports that may wait for the server's event loop before the guest is held back, so that they cannot fill its memory. */
const BACKLOG_MAX = 1000;

/** What a VM's thread is started with. */
export interface VmThreadData {
  readonly start: VmStart;
  readonly commands: MessagePort;
  readonly shared: SharedArrayBuffer;
}

/** Starts VMs in threads that run `script`, the bundle of `vmm/worker.ts`. */
export function vmThreads(script: string): StartVmThread {
  return (start, listener) => {
    const shared = new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT);
    const words = new Int32Array(shared);
    const channel = new MessageChannel();
    const data: VmThreadData = { start, commands: channel.port2, shared };
    const worker = new Worker(script, { workerData: data, transferList: [channel.port2], name: start.vm });
    let failure: string | null = null;
    worker.on('message', (report: VmReport) => {
      Atomics.add(words, WORD.reportsTaken, 1);
      listener.report(report);
    });
    worker.on('messageerror', (error) => (failure = error.message));
    worker.on('error', (error: unknown) => {
      failure = error instanceof Error ? error.message : String(error);
    });
    worker.on('exit', () => {
      channel.port1.close();
      listener.exited(failure);
    });
    return {
      post: (command) => {
        channel.port1.postMessage(detached(command));
        Atomics.add(words, WORD.doorbell, 1);
        Atomics.notify(words, WORD.doorbell);
      },
      hold: (held) => Atomics.store(words, WORD.held, held ? 1 : 0),
      terminate: async () => void (await worker.terminate()),
    };
  };
}

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
