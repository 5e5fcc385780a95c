import type { Chain, ChainIdentity } from './chain.ts';
import {
  type Broken,
  broken,
  ChainBuilder,
  DESCRIPTOR,
  DESCRIPTOR_SIZE,
  splitDescriptor,
} from './descriptors.ts';
import type { ChainSummary } from './device.ts';
import { get16, set16, set32 } from './little-endian.ts';
import type { QueueState } from './queue-state.ts';
import { type RingPorts, type RingViews, ringViews } from './ring.ts';
import type { UsedChain, Virtqueue } from './virtqueue.ts';

/** VIRTQ_AVAIL_F_NO_INTERRUPT. */
const NO_INTERRUPT = 1;
/** Both rings: flags, index, entries. */
const INDEX = 2;
const ENTRIES = 4;
const USED_ENTRY_SIZE = 8;

/** A split virtqueue (virtio 1.2, section 2.7). */
export class SplitQueue implements Virtqueue {
  readonly #state: QueueState;
  readonly #ports: RingPorts;
  readonly #views: RingViews;
  readonly #mask: number;
  /** Index of the available ring when the queue was opened. */
  readonly #end: number;
  #failed = false;

  private constructor(state: QueueState, ports: RingPorts, views: RingViews) {
    this.#state = state;
    this.#ports = ports;
    this.#views = views;
    this.#mask = state.size - 1;
    this.#end = get16(views.driver, INDEX);
  }

  static open(state: QueueState, ports: RingPorts): SplitQueue | Broken {
    const { size } = state;
    if (size === 0 || (size & (size - 1)) !== 0) return broken(`a split queue has ${size} entries`);
    const views = ringViews(state, ports.dma, {
      descriptors: DESCRIPTOR_SIZE * size,
      driver: 6 + 2 * size,
      device: 6 + USED_ENTRY_SIZE * size,
    });
    if (views === undefined) return broken('a queue lies outside RAM');
    const queue = new SplitQueue(state, ports, views);
    // A driver has no more than as many chains in flight as the table has descriptors (section 2.7.13).
    if (queue.#pending > size)
      return broken('the index of the available ring is ahead by more than the ring');
    return queue;
  }

  take(): Chain | undefined {
    if (this.#failed) return undefined;
    if (this.#pending === 0) {
      this.#askForKick();
      return undefined;
    }
    const chain = this.#chainAt(this.#state.nextAvailable);
    if ('broken' in chain) {
      this.#failed = true;
      this.#ports.fail(chain.broken);
      return undefined;
    }
    this.#state.nextAvailable = (this.#state.nextAvailable + 1) & 0xffff;
    return chain;
  }

  untake(_chain: Chain): void {
    this.#state.nextAvailable = (this.#state.nextAvailable - 1) & 0xffff;
  }

  use(chain: ChainIdentity, written: number): void {
    this.useTogether([{ chain, written }]);
  }

  useTogether(used: readonly UsedChain[]): void {
    const descriptors = used.reduce((sum, { chain }) => sum + chain.descriptors, 0);
    const bytes = used.reduce((sum, { written }) => sum + written, 0);
    this.#ports.used({ descriptors, bytes }, () => this.#publish(used));
  }

  waiting(): ChainSummary {
    let descriptors = 0;
    let bytes = 0;
    for (let index = 0; index < this.#pending; index += 1) {
      const chain = this.#chainAt((this.#state.nextAvailable + index) & 0xffff);
      if ('broken' in chain) break;
      descriptors += chain.descriptors;
      bytes += chain.readable.length + chain.writable.length;
    }
    return { descriptors, bytes };
  }

  get #pending(): number {
    return (this.#end - this.#state.nextAvailable) & 0xffff;
  }

  #chainAt(index: number): Chain | Broken {
    const { descriptors, driver } = this.#views;
    const { size } = this.#state;
    const head = get16(driver, ENTRIES + 2 * (index & this.#mask));
    const builder = new ChainBuilder(this.#ports.dma);
    let table = descriptors;
    let entries = size;
    let at = head;
    // Each step of a chain takes a descriptor of its own, so one that is longer than its table is a loop.
    for (let steps = 0; steps < entries; steps += 1) {
      if (at >= entries) return broken(`descriptor ${at} is beyond the end of its table`);
      const descriptor = splitDescriptor(table, at);
      if ((descriptor.flags & DESCRIPTOR.indirect) !== 0) {
        if (!this.#ports.indirect) return broken('an indirect descriptor, which was not negotiated');
        if (table !== descriptors) return broken('an indirect descriptor inside an indirect table');
        if ((descriptor.flags & DESCRIPTOR.next) !== 0)
          return broken('an indirect descriptor with a next one');
        const indirect = builder.table(descriptor);
        if ('broken' in indirect) return indirect;
        table = indirect;
        entries = indirect.length / DESCRIPTOR_SIZE;
        at = 0;
        steps = -1;
        continue;
      }
      const wrong = builder.add(descriptor);
      if (wrong !== undefined) return wrong;
      if ((descriptor.flags & DESCRIPTOR.next) === 0) return builder.finish({ id: head, slots: 1 });
      at = descriptor.tag;
    }
    return broken('a chain of descriptors has a loop');
  }

  #publish(used: readonly UsedChain[]): void {
    const state = this.#state;
    const { device } = this.#views;
    const { dma } = this.#ports;
    const before = state.nextUsed;
    for (const { chain, written } of used) {
      const at = ENTRIES + USED_ENTRY_SIZE * (state.nextUsed & this.#mask);
      set32(device, at, chain.id);
      set32(device, at + 4, written);
      dma.wrote(state.deviceArea + BigInt(at), USED_ENTRY_SIZE);
      state.nextUsed = (state.nextUsed + 1) & 0xffff;
    }
    // The entries stand before the index tells of them (section 2.7.8.2).
    set16(device, INDEX, state.nextUsed);
    dma.wrote(state.deviceArea + BigInt(INDEX), 2);
    if (this.#wantsNotification(before)) this.#ports.notify();
  }

  /** Section 2.7.7.2. */
  #wantsNotification(before: number): boolean {
    const { driver } = this.#views;
    if (!this.#ports.eventIndex) return (get16(driver, 0) & NO_INTERRUPT) === 0;
    const event = get16(driver, ENTRIES + 2 * this.#state.size);
    const passed = (this.#state.nextUsed - before) & 0xffff;
    return ((event - before) & 0xffff) < passed;
  }

  /** Everything was taken: the next buffer is worth a notification (section 2.7.10.2). */
  #askForKick(): void {
    if (!this.#ports.eventIndex) return;
    const at = ENTRIES + USED_ENTRY_SIZE * this.#state.size;
    set16(this.#views.device, at, this.#state.nextAvailable);
    this.#ports.dma.wrote(this.#state.deviceArea + BigInt(at), 2);
  }
}
