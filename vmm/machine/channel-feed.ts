import type { DeviceFeed } from '../contracts/device-feed.ts';
import type { Machine } from '../contracts/machine.ts';
import { STREAM } from '../contracts/socket-thread.ts';

type Guest = Pick<Machine, 'deviceInput'>;

/** Records on their way to a device. */
export interface IncomingRecords {
  readonly isEmpty: boolean;
  peek(): Uint8Array | undefined;
  drop(): void;
}

/** The last stretch of a channel: makes inputs of its records as the device takes them. */
export interface Inlet {
  readonly pending: boolean;
  give(machine: Guest): void;
  /** See `DeviceFeed`. */
  restored(): void;
}

/** Gives a machine's devices what has come for them; see `DeviceFeed`. */
export class ChannelFeed implements Pick<DeviceFeed, 'pending' | 'give' | 'restored'> {
  readonly #inlets: readonly Inlet[];

  constructor(inlets: readonly Inlet[]) {
    this.#inlets = inlets;
  }

  get pending(): boolean {
    return this.#inlets.some(({ pending }) => pending);
  }

  give(machine: Guest): void {
    for (const inlet of this.#inlets) if (inlet.pending) inlet.give(machine);
  }

  restored(): void {
    for (const inlet of this.#inlets) inlet.restored();
  }
}

/** Frames for a network card. */
export class NetworkInlet implements Inlet {
  readonly #device: number;
  readonly #records: IncomingRecords;
  /** The card had no buffer; it says when it may have one. */
  #refused = false;

  constructor(device: number, records: IncomingRecords) {
    this.#device = device;
    this.#records = records;
  }

  get pending(): boolean {
    return !this.#refused && !this.#records.isEmpty;
  }

  give(machine: Guest): void {
    for (let data = this.#records.peek(); data !== undefined; data = this.#records.peek()) {
      if (machine.deviceInput(this.#device, { kind: 'frame', data }) === 0) {
        this.#refused = true;
        return;
      }
      this.#records.drop();
    }
  }

  resume(): void {
    this.#refused = false;
  }

  restored(): void {
    this.resume();
  }
}

/** Bytes for the only port of a console, and news of who is at its other end. */
export class PortInlet implements Inlet {
  readonly #device: number;
  readonly #records: IncomingRecords;
  /** Of the oldest record, how many bytes the port has taken. */
  #given = 0;
  #full = false;
  /** Whether somebody is at the other end, and what the port was told of that. */
  #open = false;
  #told: boolean | undefined;

  constructor(device: number, records: IncomingRecords) {
    this.#device = device;
    this.#records = records;
  }

  get pending(): boolean {
    return this.#told !== this.#open || (!this.#full && !this.#records.isEmpty);
  }

  give(machine: Guest): void {
    this.#tellOpen(machine);
    for (let record = this.#records.peek(); record !== undefined; record = this.#records.peek()) {
      if (record[0] === STREAM.data) {
        const data = record.subarray(1 + this.#given);
        const taken = machine.deviceInput(this.#device, { kind: 'port', port: 0, data });
        this.#given += taken;
        if (1 + this.#given < record.length) {
          if (taken > 0) continue;
          this.#full = true;
          return;
        }
        this.#given = 0;
      } else {
        this.#open = record[0] === STREAM.connected;
        this.#tellOpen(machine);
      }
      this.#records.drop();
    }
  }

  /** The guest has read some. */
  resume(): void {
    this.#full = false;
  }

  /** The port may have been saved while somebody else was there. */
  restored(): void {
    this.#told = undefined;
    this.resume();
  }

  #tellOpen(machine: Guest): void {
    if (this.#told === this.#open) return;
    this.#told = this.#open;
    machine.deviceInput(this.#device, { kind: 'port-open', port: 0, open: this.#open });
  }
}
