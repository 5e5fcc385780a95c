import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { RecordRing } from '../base/record-ring.ts';
import { VmError } from '../base/vm-error.ts';
import {
  type ChannelConfig,
  SOCKET_WORD,
  SOCKET_WORDS,
  type SocketReport,
  type SocketThreadData,
} from '../contracts/socket-thread.ts';

/** Towards the guest and towards the host, each: some hundred full frames, more than a TCP window. */
const RING_BYTES = 1 << 20;
/** A thread that has not come up by then never will. */
const START_MS_MAX = 30_000;

export interface SocketThreadOptions {
  /** The bundle of `vmm/program.ts`. */
  readonly script: string;
  readonly channels: readonly ChannelConfig[];
  /** A word that the machine's thread sleeps on, for one that runs no event loop. */
  readonly doorbell?: { readonly shared: SharedArrayBuffer; readonly word: number };
}

/** One channel as the machine's thread sees it. */
export interface SocketChannel {
  readonly isEmpty: boolean;
  /** False: there is no room, and the record is lost. */
  put(record: Uint8Array): boolean;
  /** The oldest record for the guest, which stays until `drop`. */
  peek(): Uint8Array | undefined;
  drop(): void;
}

/**
 * The thread that has a machine's sockets, seen from the machine's: records go through memory that both share, so that neither
 * waits for the other. It ends with the thread that made it, and keeps no process alive.
 */
export class SocketThread {
  readonly channels: readonly SocketChannel[];
  /** Ports of the host's that forwards got, in the order of the channels' forwards. */
  readonly ports: readonly number[];
  /** Called from the event loop when something came while `setAsleep`. */
  onWake: (() => void) | undefined;
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #words: Int32Array;
  #reportsSeen = 0;
  #failure: string | null = null;
  /** Something was put for the thread. To wake it takes longer than to put, so that it is done once for several. */
  #unannounced = false;

  /** Blocks until all sockets are open. @throws VmError `bad-config` when one cannot be. */
  constructor({ script, channels, doorbell }: SocketThreadOptions) {
    const words = new SharedArrayBuffer(SOCKET_WORDS * Int32Array.BYTES_PER_ELEMENT);
    const { port1, port2 } = new MessageChannel();
    const rings = channels.map((config) => ({
      config,
      toHost: RecordRing.allocate(RING_BYTES),
      toGuest: RecordRing.allocate(RING_BYTES),
    }));
    this.#words = new Int32Array(words);
    this.#port = port1;
    const data: SocketThreadData = { kind: 'sockets', words, doorbell, channels: rings, port: port2 };
    this.#worker = new Worker(script, { workerData: data, transferList: [port2], name: 'sockets' });
    this.#worker.unref();
    this.#worker.on('message', () => this.onWake?.());
    this.#worker.on('error', (error: unknown) => {
      this.#failure = error instanceof Error ? error.message : String(error);
    });
    this.channels = rings.map(({ toHost, toGuest }) => this.#channel(toHost, toGuest));
    this.ports = this.#started();
  }

  flush(): void {
    if (!this.#unannounced) return;
    this.#unannounced = false;
    this.#wake();
  }

  takeWarning(): string | undefined {
    if (this.#failure !== null) {
      const text = `the thread of the machine's sockets died: ${this.#failure}`;
      this.#failure = null;
      return text;
    }
    if (Atomics.load(this.#words, SOCKET_WORD.reports) === this.#reportsSeen) return undefined;
    const report = this.#report();
    return report?.kind === 'warning' ? report.text : undefined;
  }

  /** Whoever waits in an event loop says so before it looks for the last time. */
  setAsleep(): void {
    Atomics.store(this.#words, SOCKET_WORD.ownerAsleep, 1);
  }

  close(): void {
    this.#port.close();
    void this.#worker.terminate();
  }

  #started(): readonly number[] {
    Atomics.wait(this.#words, SOCKET_WORD.reports, 0, START_MS_MAX);
    const report = this.#report();
    if (report?.kind === 'ready') return report.ports;
    this.close();
    throw new VmError(
      'bad-config',
      report?.kind === 'failed' ? report.message : "the thread of the machine's sockets does not start",
    );
  }

  #report(): SocketReport | undefined {
    const received = receiveMessageOnPort(this.#port);
    if (received === undefined) return undefined;
    this.#reportsSeen = (this.#reportsSeen + 1) | 0;
    return received.message as SocketReport;
  }

  #channel(hostBytes: SharedArrayBuffer, guestBytes: SharedArrayBuffer): SocketChannel {
    const toHost = new RecordRing(hostBytes);
    const toGuest = new RecordRing(guestBytes);
    return {
      get isEmpty() {
        return toGuest.isEmpty;
      },
      put: (record) => {
        this.#unannounced = true;
        return toHost.put(record);
      },
      peek: () => toGuest.peek(),
      drop: () => {
        toGuest.drop();
        // Not for every record: what wakes up should find something to do.
        if (Atomics.load(this.#words, SOCKET_WORD.wantsRoom) === 0 || !toGuest.hasRoom(RING_BYTES / 2))
          return;
        Atomics.store(this.#words, SOCKET_WORD.wantsRoom, 0);
        this.#wake();
      },
    };
  }

  #wake(): void {
    if (Atomics.exchange(this.#words, SOCKET_WORD.asleep, 0) === 1) this.#port.postMessage(null);
  }
}
