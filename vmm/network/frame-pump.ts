import type { RecordRing } from '../base/record-ring.ts';
import type { Network } from '../contracts/network.ts';

/** A frame and what the ring needs beside it. */
const FRAME_BYTES_MAX = 14 + 65_535;

/** Moves frames between a network and the rings to and from a machine's card. */
export class FramePump {
  readonly #network: Network;
  readonly #toHost: RecordRing;
  readonly #toGuest: RecordRing;
  #blocked = false;

  constructor(network: Network, rings: { readonly toHost: RecordRing; readonly toGuest: RecordRing }) {
    this.#network = network;
    this.#toHost = rings.toHost;
    this.#toGuest = rings.toGuest;
  }

  /** The guest has sent something that was not looked at yet, or made the room that was missing. */
  get hasWork(): boolean {
    return !this.#toHost.isEmpty || (this.#blocked && this.#toGuest.hasRoom(FRAME_BYTES_MAX));
  }

  get nextDeadlineNs(): number {
    return this.#network.nextDeadlineNs();
  }

  /** `blocked`: there may be more for the guest than its ring takes. */
  pump(nowNs: number): { readonly delivered: boolean; readonly blocked: boolean } {
    this.#network.poll(nowNs);
    for (let frame = this.#toHost.take(); frame !== undefined; frame = this.#toHost.take()) {
      this.#network.frameFromGuest(frame);
    }
    let delivered = false;
    this.#blocked = false;
    // The network makes a frame when it is taken, so none is taken that the ring might refuse.
    while (this.#toGuest.hasRoom(FRAME_BYTES_MAX)) {
      const frame = this.#network.takeFrameForGuest();
      if (frame === undefined) return { delivered, blocked: false };
      this.#toGuest.put(frame);
      delivered = true;
    }
    this.#blocked = true;
    return { delivered, blocked: true };
  }
}
