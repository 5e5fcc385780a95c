import { assert } from '../../base/assert.ts';
import type { Saved } from '../../contracts/device.ts';
import { SavedReader } from '../saved.ts';
import { DEVICE_ID } from './constants.ts';
import type { VirtioDevice, VirtioTransport } from './device.ts';

/** Bytes given for one buffer: a device may use less than all of it (section 5.4.6.2). */
const BYTES_MAX = 64 << 10;

export interface EntropyPorts {
  /** `count` random bytes. */
  random(count: number): Uint8Array;
}

/** A source of random bytes (virtio 1.2, section 5.4). */
export class VirtioEntropy implements VirtioDevice {
  readonly id = DEVICE_ID.entropy;
  readonly name = 'entropy source';
  readonly features = 0n;
  readonly queues = 1;
  readonly configRegisters = [];
  readonly #ports: EntropyPorts;
  #transport: VirtioTransport | undefined;

  constructor(ports: EntropyPorts) {
    this.#ports = ports;
  }

  plug(transport: VirtioTransport): void {
    this.#transport = transport;
  }

  config(): Uint8Array {
    return EMPTY;
  }

  writeConfig(): void {}

  notified(index: number): void {
    const queue = this.#transport?.open(index);
    if (queue === undefined) return;
    for (let chain = queue.take(); chain !== undefined; chain = queue.take()) {
      const count = Math.min(chain.writable.length, BYTES_MAX);
      if (count === 0) {
        this.#transport?.fail('a buffer for random bytes has no room for one');
        return;
      }
      const bytes = this.#transport!.fromHost(() => this.#ports.random(count));
      assert(bytes.length === count, 'the entropy port gives as many bytes as it is asked for');
      chain.writable.put(bytes);
      queue.use(chain, count);
    }
  }

  reset(): void {}

  save(): Saved {
    return { version: 1 };
  }

  restore(saved: Saved): void {
    new SavedReader(saved, 'the entropy source', 1);
  }
}

const EMPTY = new Uint8Array(0);
