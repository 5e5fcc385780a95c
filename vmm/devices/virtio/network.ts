import { VmError } from '../../base/vm-error.ts';
import type { AccessSize, Saved } from '../../contracts/device.ts';
import type { DeviceInput } from '../../contracts/device-input.ts';
import { SavedReader } from '../saved.ts';
import type { Chain } from './chain.ts';
import { FEATURE as COMMON, DEVICE_ID, has } from './constants.ts';
import type { VirtioDevice, VirtioTransport } from './device.ts';
import { set16 } from './little-endian.ts';
import type { UsedChain, Virtqueue } from './virtqueue.ts';

const FEATURE = { mac: 1n << 5n, mergeableBuffers: 1n << 15n, status: 1n << 16n } as const;
const LINK_UP = 1;

const RECEIVE = 0;
const TRANSMIT = 1;

/** `struct virtio_net_hdr` (section 5.1.6); legacy drivers know it without its last field (section 5.1.6.1). */
const HEADER_SIZE = 12;
const LEGACY_HEADER_SIZE = 10;
const GSO_TYPE = 1;
const NUM_BUFFERS = 10;

/** An Ethernet frame without its checksum: destination, source and type, up to what a 16-bit length can say. */
const FRAME_MIN = 14;
export const FRAME_MAX = 14 + 65_535;

export interface NetworkPorts {
  /** A frame from the guest. False: it is not taken now, and `transmitMore` is to be called once it would be. */
  send(frame: Uint8Array): boolean;
  /** The driver gave buffers after `receive` had refused a frame. */
  receiveMore(): void;
}

export interface NetworkOptions {
  /** Six bytes. */
  readonly mac: Uint8Array;
}

/** A network card without offloads (virtio 1.2, section 5.1). Frames that the driver has no buffer for wait at the other end. */
export class VirtioNetwork implements VirtioDevice {
  readonly id = DEVICE_ID.network;
  readonly name = 'network card';
  readonly features = FEATURE.mac | FEATURE.mergeableBuffers | FEATURE.status;
  readonly queues = 2;
  readonly configRegisters = [
    { name: 'mac', offset: 0, size: 1, count: 6, description: 'Address of the card' },
    {
      name: 'status',
      offset: 6,
      size: 2,
      access: 'read',
      fields: [{ name: 'LINK_UP', low: 0, high: 0, description: 'the link is up' }],
    },
  ] as const;
  readonly #ports: NetworkPorts;
  /** As the host has set it, and as a legacy driver may have changed it. */
  readonly #ownMac: Uint8Array;
  readonly #mac: Uint8Array;
  #transport: VirtioTransport | undefined;
  #linkUp = true;
  /** A frame was refused for want of buffers. */
  #starved = false;

  constructor(ports: NetworkPorts, { mac }: NetworkOptions) {
    if (mac.length !== 6) throw new VmError('bad-config', 'the address of a network card has six bytes');
    this.#ports = ports;
    this.#ownMac = mac.slice();
    this.#mac = mac.slice();
  }

  plug(transport: VirtioTransport): void {
    this.#transport = transport;
  }

  /**
   * A frame for the guest. False: there is no room now, `receiveMore` is called when there is. True: it is delivered,
   * or lost, as on a cable with nobody at its end or when no buffer of the driver's would hold it.
   */
  receive(frame: Uint8Array): boolean {
    const queue = this.#linkUp ? this.#transport?.open(RECEIVE) : undefined;
    if (queue === undefined || frame.length < FRAME_MIN || frame.length > FRAME_MAX) return true;
    const chains = this.#buffersFor(queue, frame.length + this.#headerSize);
    if (chains === 'too small') return true;
    if (chains === undefined) {
      this.#starved = true;
      return false;
    }
    this.#lay(frame, chains);
    const used = chains.map((chain): UsedChain => ({ chain, written: chain.writable.written }));
    queue.useTogether(used);
    return true;
  }

  input(input: DeviceInput): number {
    return input.kind === 'frame' && this.receive(input.data) ? 1 : 0;
  }

  /** The other end would take frames again. To be called after a restore too, for the other end then is another one. */
  transmitMore(): void {
    this.#transmit();
  }

  /** Plugs the cable in or pulls it. */
  setLink(up: boolean): void {
    if (this.#linkUp === up) return;
    this.#linkUp = up;
    this.#transport?.configChanged();
  }

  config(): Uint8Array {
    const config = new Uint8Array(8);
    config.set(this.#mac);
    set16(config, 6, this.#linkUp ? LINK_UP : 0);
    return config;
  }

  /** The address is a legacy driver's to write (section 5.1.4.3). Which frames come is the other end's matter. */
  writeConfig(offset: number, size: AccessSize, value: number): void {
    if (!this.#transport?.legacy) return;
    for (let index = 0; index < size && offset + index < this.#mac.length; index += 1) {
      this.#mac[offset + index] = value >>> (8 * index);
    }
  }

  notified(index: number): void {
    if (index === TRANSMIT) {
      this.#transmit();
    } else if (this.#starved) {
      this.#starved = false;
      this.#ports.receiveMore();
    }
  }

  reset(): void {
    // Whoever waits for room is told, and finds that nobody listens.
    this.#mac.set(this.#ownMac);
    const starved = this.#starved;
    this.#starved = false;
    if (starved) this.#ports.receiveMore();
  }

  save(): Saved {
    return { version: 1, mac: this.#mac.slice(), linkUp: this.#linkUp, starved: this.#starved };
  }

  restore(saved: Saved): void {
    const from = new SavedReader(saved, 'the network card', 1);
    const mac = from.bytes('mac', 6);
    this.#linkUp = from.boolean('linkUp');
    this.#mac.set(mac);
    this.#starved = from.boolean('starved');
  }

  get #features(): bigint {
    return this.#transport?.features ?? 0n;
  }

  get #merges(): boolean {
    return has(this.#features, FEATURE.mergeableBuffers);
  }

  get #headerSize(): number {
    return has(this.#features, COMMON.version1) || this.#merges ? HEADER_SIZE : LEGACY_HEADER_SIZE;
  }

  #transmit(): void {
    const queue = this.#transport?.open(TRANSMIT);
    if (queue === undefined) return;
    const headerSize = this.#headerSize;
    for (let chain = queue.take(); chain !== undefined; chain = queue.take()) {
      if (chain.readable.length < headerSize) {
        this.#transport?.fail('a frame to send has no header');
        return;
      }
      const header = chain.readable.take(headerSize);
      const length = chain.readable.remaining;
      // Segmentation was not offered, and what is no frame goes nowhere. Without a link all is lost.
      const sound = length >= FRAME_MIN && length <= FRAME_MAX && header[GSO_TYPE] === 0;
      if (sound && this.#linkUp && !this.#ports.send(chain.readable.take(length))) {
        queue.untake(chain);
        return;
      }
      queue.use(chain, 0);
    }
  }

  /** Chains that hold `length` bytes, several only when the driver merges them (section 5.1.6.3.2). */
  #buffersFor(queue: Virtqueue, length: number): Chain[] | 'too small' | undefined {
    const chains: Chain[] = [];
    let room = 0;
    const putBack = (): void => {
      for (const chain of chains.toReversed()) queue.untake(chain);
    };
    while (room < length) {
      const chain = queue.take();
      if (chain === undefined) {
        putBack();
        return undefined;
      }
      chains.push(chain);
      room += chain.writable.length;
      if (chain.writable.length < (chains.length === 1 ? this.#headerSize : 1)) {
        putBack();
        this.#transport?.fail('a buffer for a frame has no room for its header');
        return 'too small';
      }
      if (room < length && !this.#merges) {
        putBack();
        return 'too small';
      }
    }
    return chains;
  }

  /** Fills all buffers but the last to their ends (section 5.1.6.4.1). */
  #lay(frame: Uint8Array, chains: readonly Chain[]): void {
    const headerSize = this.#headerSize;
    const header = new Uint8Array(headerSize);
    if (headerSize === HEADER_SIZE) set16(header, NUM_BUFFERS, chains.length);
    let done = 0;
    for (const [index, { writable }] of chains.entries()) {
      if (index === 0) writable.put(header);
      done += writable.put(frame.subarray(done, done + writable.length - writable.written));
    }
  }
}
