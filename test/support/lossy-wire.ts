import type { Network } from '../../vmm/contracts/network.ts';
import { arpRequestFrame, GATEWAY } from './guest-frames.ts';
import type { GuestSocket } from './guest-tcp.ts';
import type { Random } from './random.ts';

const TICK_NS = 1e6;
/** Frames a tick towards the guest: some 380 MB a second. */
const FRAMES_A_TICK = 256;

/** How many of 1,000 frames meet each fate, in both directions. */
export interface WireFaults {
  readonly lost?: number;
  readonly doubled?: number;
  /** Overtaken by those behind them. */
  readonly late?: number;
}

/** A wire between guest and network with a delay of one tick, and with faults by a seed. It is the clock of both ends. */
export class LossyWire {
  nowNs = 0;
  readonly #network: Network;
  readonly #host: { run(): void };
  readonly #random: Random;
  readonly faults: WireFaults;
  readonly sockets: GuestSocket[] = [];
  /** All that reached the guest and no socket looked at is seen here too. */
  onFrame: (frame: Uint8Array) => void = () => {};
  /** Picks frames towards the guest that are lost. */
  loses: (frame: Uint8Array) => boolean = () => false;
  readonly #toNetwork = new Map<number, Uint8Array[]>();
  readonly #toGuest = new Map<number, Uint8Array[]>();
  #tick = 0;
  /** While set, the guest takes no frames. */
  guestStopped = false;

  constructor(network: Network, host: { run(): void }, random: Random, faults: WireFaults = {}) {
    this.#network = network;
    this.#host = host;
    this.#random = random;
    this.faults = faults;
    network.frameFromGuest(arpRequestFrame(GATEWAY));
    while (network.takeFrameForGuest() !== undefined);
  }

  readonly send = (frame: Uint8Array): void => this.#put(this.#toNetwork, frame);

  /** One millisecond. False when nothing reached either end in it. */
  step(): boolean {
    let moved = false;
    this.#tick++;
    this.nowNs += TICK_NS;
    this.#host.run();
    this.#network.poll(this.nowNs);
    for (const frame of this.#due(this.#toNetwork)) {
      moved = true;
      this.#network.frameFromGuest(frame);
    }
    for (const frame of this.#due(this.#toGuest)) {
      moved = true;
      for (const socket of this.sockets) socket.frame(frame, this.nowNs);
      this.onFrame(frame);
    }
    for (const socket of this.sockets) socket.timer(this.nowNs);
    for (let i = 0; i < FRAMES_A_TICK && !this.guestStopped; i++) {
      const frame = this.#network.takeFrameForGuest();
      if (frame === undefined) break;
      if (!this.loses(frame)) this.#put(this.#toGuest, frame);
    }
    return moved;
  }

  /** Steps until something holds, at most so many simulated seconds. */
  until(holds: () => boolean, seconds = 600): void {
    const end = this.nowNs + seconds * 1e9;
    while (!holds()) {
      if (this.nowNs > end) throw new Error(`nothing after ${seconds} simulated seconds`);
      this.step();
    }
  }

  wait(seconds: number): void {
    for (let i = 0; i < seconds * 1000; i++) this.step();
  }

  #put(direction: Map<number, Uint8Array[]>, frame: Uint8Array): void {
    const { lost = 0, doubled = 0, late = 0 } = this.faults;
    if (this.#random.below(1000) < lost) return;
    const copies = this.#random.below(1000) < doubled ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      const tick = this.#tick + 1 + (this.#random.below(1000) < late ? 1 + this.#random.below(5) : 0);
      const frames = direction.get(tick);
      if (frames === undefined) direction.set(tick, [frame]);
      else frames.push(frame);
    }
  }

  #due(direction: Map<number, Uint8Array[]>): Uint8Array[] {
    const frames = direction.get(this.#tick) ?? [];
    direction.delete(this.#tick);
    return frames;
  }
}

/** Bytes that differ from their neighbours and from themselves further on. */
export const patternSource = (length: number) => ({
  length,
  read: (offset: number, count: number): Uint8Array => {
    const bytes = new Uint8Array(Math.max(0, Math.min(count, length - offset)));
    for (let i = 0; i < bytes.length; i++) {
      const at = offset + i;
      bytes[i] = at ^ (at >>> 8) ^ (at >>> 16) ^ (Math.imul(at, 0x9e3779b1) >>> 24);
    }
    return bytes;
  },
});

/** Checks bytes against the pattern as they come. */
export class PatternSink {
  bytes = 0;
  readonly #pattern: ReturnType<typeof patternSource>;

  constructor(length: number) {
    this.#pattern = patternSource(length);
  }

  readonly take = (data: Uint8Array): void => {
    const wanted = this.#pattern.read(this.bytes, data.length);
    if (Buffer.compare(wanted, data) !== 0) throw new Error(`wrong bytes behind ${this.bytes}`);
    this.bytes += data.length;
  };
}
