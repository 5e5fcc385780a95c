import type { Saved, Snapshottable } from '../../contracts/device.ts';
import { SavedReader } from '../saved.ts';
import { DEVICE_ID } from './constants.ts';
import type { VirtioDevice, VirtioTransport } from './device.ts';
import { get32, set16 } from './little-endian.ts';

/** VIRTIO_9P_MOUNT_TAG: the configuration space holds the name to mount. */
const MOUNT_TAG = 1n;
/** Smallest message: size, type and tag (9P2000.L, "size[4] Tversion tag[2]"). */
const MESSAGE_MIN = 7;
/** Largest request: Linux asks for messages of at most 512 KiB on this transport. */
const MESSAGE_MAX = 1 << 20;
/** Linux takes tags of any length; `mount` and the device tree of QEMU know 32 bytes. */
const TAG_MAX = 32;

/** Serves 9P2000.L messages. Synchronous, so that runs repeat. */
export interface NinePServer extends Snapshottable {
  /** The answer to one request, both with their size in front. An error is an answer too: it never throws for the guest's doing. */
  handle(request: Uint8Array): Uint8Array;
  /** Forgets the client: every file that it had open is closed. */
  reset(): void;
}

export interface NinePOptions {
  /** The name that the guest mounts by. */
  readonly tag: string;
  readonly server: NinePServer;
}

/** The virtio transport of 9P (device type 9; its queue and configuration are those of Linux's `virtio_9p.h`). */
export class VirtioNineP implements VirtioDevice {
  readonly id = DEVICE_ID.nineP;
  readonly name = '9P transport';
  readonly features = MOUNT_TAG;
  readonly queues = 1;
  readonly configRegisters = [
    { name: 'tag_len', offset: 0, size: 2, access: 'read', description: 'Bytes of the mount tag' },
    { name: 'tag', offset: 2, size: 1, count: TAG_MAX, access: 'read', description: 'The mount tag' },
  ] as const;
  readonly #server: NinePServer;
  readonly #config: Uint8Array;
  #transport: VirtioTransport | undefined;

  constructor({ tag, server }: NinePOptions) {
    this.#server = server;
    const name = new TextEncoder().encode(tag).subarray(0, TAG_MAX);
    this.#config = new Uint8Array(2 + name.length);
    set16(this.#config, 0, name.length);
    this.#config.set(name, 2);
  }

  plug(transport: VirtioTransport): void {
    this.#transport = transport;
  }

  config(): Uint8Array {
    return this.#config;
  }

  writeConfig(): void {}

  notified(index: number): void {
    const queue = this.#transport?.open(index);
    if (queue === undefined) return;
    for (let chain = queue.take(); chain !== undefined; chain = queue.take()) {
      const { length } = chain.readable;
      const request = chain.readable.take(Math.min(length, MESSAGE_MAX));
      // The size counts itself, and the buffers may be longer than the message.
      const size = length < MESSAGE_MIN ? 0 : get32(request, 0);
      if (size < MESSAGE_MIN || size > request.length) {
        this.#transport?.fail('a 9P request has another size than it says');
        return;
      }
      const answer = this.#transport!.fromHost(() => this.#server.handle(request.subarray(0, size)));
      if (answer.length > chain.writable.length) {
        this.#transport?.fail('there is no room for the answer to a 9P request');
        return;
      }
      chain.writable.put(answer);
      queue.use(chain, answer.length);
    }
  }

  reset(): void {
    this.#server.reset();
  }

  save(): Saved {
    return { version: 1, server: this.#server.save() };
  }

  restore(saved: Saved): void {
    this.#server.restore(new SavedReader(saved, 'the 9P transport', 1).section('server'));
  }
}
