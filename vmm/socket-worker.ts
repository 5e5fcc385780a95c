/** The thread of a machine's sockets: the other ends of its network card and its console's ports. */
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from './base/assert.ts';
import { RecordRing } from './base/record-ring.ts';
import { VmError } from './base/vm-error.ts';
import {
  type ChannelConfig,
  SOCKET_WORD,
  type SocketReport,
  type SocketThreadData,
} from './contracts/socket-thread.ts';
import { CaptureFile } from './host/capture-file.ts';
import { clockOriginNs, nowNs } from './host/clock.ts';
import { NetworkSockets } from './host/network-sockets.ts';
import { StreamSocket } from './host/stream-socket.ts';
import { FramePump } from './network/frame-pump.ts';
import { PcapngWriter } from './network/pcapng.ts';
import { UserNetwork } from './network/user-network.ts';

/** Timers of Node count no further. */
const TIMER_MS_MAX = 2 ** 31 - 1;

interface Rings {
  readonly toHost: RecordRing;
  readonly toGuest: RecordRing;
}

/** One channel's other end. */
interface Endpoint {
  readonly hasWork: boolean;
  readonly nextDeadlineNs: number;
  pump(nowNs: number): { readonly delivered: boolean; readonly blocked: boolean };
}

class SocketLoop {
  readonly #data: SocketThreadData;
  readonly #words: Int32Array;
  readonly #doorbell: Int32Array | undefined;
  readonly #endpoints: Endpoint[] = [];
  readonly #ports: (number | undefined)[] = [];
  #waitingFor = 0;
  #failed = false;
  #scheduled = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(data: SocketThreadData) {
    this.#data = data;
    this.#words = new Int32Array(data.words);
    this.#doorbell = data.doorbell && new Int32Array(data.doorbell.shared);
    process.on('uncaughtException', (error: Error) => {
      this.#report({ kind: 'warning', text: `an error in Hartscope's sockets: ${error.message}` });
    });
    data.port.on('message', () => this.#schedule());
  }

  open(): void {
    // Until all have been asked for, none counts as the last.
    this.#waitingFor = 1;
    try {
      for (const { config, toHost, toGuest } of this.#data.channels) {
        const rings = { toHost: new RecordRing(toHost), toGuest: new RecordRing(toGuest) };
        this.#endpoints.push(this.#endpoint(config, rings));
      }
    } catch (error) {
      if (!(error instanceof VmError)) throw error;
      this.#fail(error.message);
    }
    this.#opened();
  }

  #endpoint(config: ChannelConfig, rings: Rings): Endpoint {
    return config.kind === 'network' ? this.#network(config, rings) : this.#stream(config, rings);
  }

  #network({ forwards, capture }: Extract<ChannelConfig, { kind: 'network' }>, rings: Rings): Endpoint {
    const warn = (text: string): void => this.#report({ kind: 'warning', text });
    const file = capture === undefined ? undefined : new CaptureFile(capture, warn);
    const writer = file && new PcapngWriter((bytes) => file.write(bytes));
    const network = new UserNetwork({
      host: new NetworkSockets(),
      frameReady: () => this.#schedule(),
      ...(writer && {
        capture: (frame, direction, atNs) => writer.frame(frame, direction, clockOriginNs + atNs),
      }),
    });
    for (const forward of forwards) {
      const index = this.#ports.push(undefined) - 1;
      this.#waitingFor++;
      network.forward(forward, {
        listening: (port) => {
          this.#ports[index] = port;
          this.#opened();
        },
        failed: (reason) => this.#fail(reason),
      });
    }
    const pump = new FramePump(network, rings);
    return {
      get hasWork() {
        return pump.hasWork;
      },
      get nextDeadlineNs() {
        return pump.nextDeadlineNs;
      },
      pump: (now) => {
        const moved = pump.pump(now);
        file?.flush();
        return moved;
      },
    };
  }

  #stream({ socket }: Extract<ChannelConfig, { kind: 'stream' }>, rings: Rings): Endpoint {
    this.#waitingFor++;
    const stream = new StreamSocket(socket, rings, {
      ready: () => this.#schedule(),
      listening: () => this.#opened(),
      failed: (reason) => this.#fail(reason),
    });
    return {
      get hasWork() {
        return stream.hasWork;
      },
      nextDeadlineNs: Infinity,
      pump: () => stream.pump(),
    };
  }

  #opened(): void {
    this.#waitingFor--;
    if (this.#waitingFor > 0 || this.#failed) return;
    this.#report({ kind: 'ready', ports: this.#ports.map((port) => port!) });
    this.#schedule();
  }

  #fail(message: string): void {
    if (this.#waitingFor === 0) this.#report({ kind: 'warning', text: message });
    else if (!this.#failed) this.#report({ kind: 'failed', message });
    this.#failed = true;
  }

  /** The word behind the message: who sees it finds the message. */
  #report(report: SocketReport): void {
    this.#data.port.postMessage(report);
    Atomics.add(this.#words, SOCKET_WORD.reports, 1);
    Atomics.notify(this.#words, SOCKET_WORD.reports);
    this.#ring();
  }

  /** Events that come together are served together. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#pump());
  }

  #pump(): void {
    // What is put into a ring, or taken out, from now on is seen below, or sends a message.
    Atomics.store(this.#words, SOCKET_WORD.asleep, 0);
    let delivered = false;
    let blocked = false;
    const now = nowNs();
    for (const endpoint of this.#endpoints) {
      const moved = endpoint.pump(now);
      delivered ||= moved.delivered;
      blocked ||= moved.blocked;
    }
    this.#scheduled = false;
    if (delivered) this.#ring();
    if (blocked) Atomics.store(this.#words, SOCKET_WORD.wantsRoom, 1);
    Atomics.store(this.#words, SOCKET_WORD.asleep, 1);
    if (this.#endpoints.some(({ hasWork }) => hasWork)) this.#schedule();
    this.#arm(now);
  }

  #arm(now: number): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const deadline = Math.min(...this.#endpoints.map(({ nextDeadlineNs }) => nextDeadlineNs));
    if (deadline === Infinity) return;
    const delayMs = Math.min(Math.max(1, Math.ceil((deadline - now) / 1e6)), TIMER_MS_MAX);
    this.#timer = setTimeout(() => this.#schedule(), delayMs);
  }

  #ring(): void {
    const { doorbell } = this.#data;
    if (this.#doorbell !== undefined) {
      Atomics.add(this.#doorbell, doorbell!.word, 1);
      Atomics.notify(this.#doorbell, doorbell!.word);
    } else if (Atomics.exchange(this.#words, SOCKET_WORD.ownerAsleep, 0) === 1) {
      parentPort!.postMessage(null);
    }
  }
}

assert(parentPort !== null, 'the sockets have a thread of their own');
new SocketLoop(workerData as SocketThreadData).open();
