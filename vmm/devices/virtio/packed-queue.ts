import type { Chain, ChainIdentity } from './chain.ts';
import {
  type Broken,
  broken,
  ChainBuilder,
  DESCRIPTOR,
  DESCRIPTOR_SIZE,
  type Descriptor,
  packedDescriptor,
} from './descriptors.ts';
import type { ChainSummary } from './device.ts';
import { get16, set16, set32 } from './little-endian.ts';
import type { QueueState } from './queue-state.ts';
import { type RingPorts, type RingViews, ringViews } from './ring.ts';
import type { UsedChain, Virtqueue } from './virtqueue.ts';

/** Entries of a packed ring at most (section 2.8). */
const ENTRIES_MAX = 2 ** 15;
/** `struct pvirtq_event_suppress` (section 2.8.14). */
const SUPPRESSION_SIZE = 4;
const EVENT_OFFSET = 0;
const EVENT_FLAGS = 2;
const EVENT = { enable: 0, disable: 1, descriptor: 2 } as const;
const EVENT_WRAP = 1 << 15;

/** A place in the ring and the counter that tells one round from the next (section 2.8.1). */
interface Place {
  readonly at: number;
  readonly wrap: boolean;
}

/** A packed virtqueue (virtio 1.2, section 2.8). */
export class PackedQueue implements Virtqueue {
  readonly #state: QueueState;
  readonly #ports: RingPorts;
  readonly #views: RingViews;
  /** Ring entries that may still be taken: no driver can have made more available than there are. */
  #budget: number;
  #failed = false;

  private constructor(state: QueueState, ports: RingPorts, views: RingViews) {
    this.#state = state;
    this.#ports = ports;
    this.#views = views;
    this.#budget = state.size;
  }

  static open(state: QueueState, ports: RingPorts): PackedQueue | Broken {
    const { size } = state;
    if (size === 0 || size > ENTRIES_MAX) return broken(`a packed queue has ${size} entries`);
    if (state.nextAvailable >= size || state.nextUsed >= size) return broken('a packed queue shrank');
    const views = ringViews(state, ports.dma, {
      descriptors: DESCRIPTOR_SIZE * size,
      driver: SUPPRESSION_SIZE,
      device: SUPPRESSION_SIZE,
    });
    return views === undefined ? broken('a queue lies outside RAM') : new PackedQueue(state, ports, views);
  }

  take(): Chain | undefined {
    if (this.#failed) return undefined;
    const place = { at: this.#state.nextAvailable, wrap: this.#state.availableWrap };
    if (this.#budget === 0 || !this.#isAvailable(place)) {
      this.#askForKick();
      return undefined;
    }
    const chain = this.#chainAt(place);
    if ('broken' in chain) {
      this.#failed = true;
      this.#ports.fail(chain.broken);
      return undefined;
    }
    this.#budget = Math.max(0, this.#budget - chain.slots);
    this.#setNextAvailable(this.#after(place, chain.slots));
    return chain;
  }

  untake(chain: Chain): void {
    const { size, nextAvailable, availableWrap } = this.#state;
    const at = nextAvailable - chain.slots;
    this.#budget += chain.slots;
    this.#setNextAvailable(at >= 0 ? { at, wrap: availableWrap } : { at: at + size, wrap: !availableWrap });
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
    let place: Place = { at: this.#state.nextAvailable, wrap: this.#state.availableWrap };
    for (let budget = this.#budget; budget > 0 && this.#isAvailable(place); ) {
      const chain = this.#chainAt(place);
      if ('broken' in chain) break;
      descriptors += chain.descriptors;
      bytes += chain.readable.length + chain.writable.length;
      budget -= chain.slots;
      place = this.#after(place, chain.slots);
    }
    return { descriptors, bytes };
  }

  /** AVAIL matches the counter, USED does not (section 2.8.1). */
  #isAvailable({ at, wrap }: Place): boolean {
    const { flags } = packedDescriptor(this.#views.descriptors, at);
    const available = (flags & DESCRIPTOR.available) !== 0;
    const used = (flags & DESCRIPTOR.used) !== 0;
    return available === wrap && used !== wrap;
  }

  #after({ at, wrap }: Place, slots: number): Place {
    const next = at + slots;
    return next < this.#state.size ? { at: next, wrap } : { at: next - this.#state.size, wrap: !wrap };
  }

  #setNextAvailable({ at, wrap }: Place): void {
    this.#state.nextAvailable = at;
    this.#state.availableWrap = wrap;
  }

  #chainAt(place: Place): Chain | Broken {
    const builder = new ChainBuilder(this.#ports.dma);
    const { size } = this.#state;
    for (let slots = 1, at = place.at; slots <= size; slots += 1, at = (at + 1) % size) {
      const descriptor = packedDescriptor(this.#views.descriptors, at);
      const last = (descriptor.flags & DESCRIPTOR.next) === 0;
      if ((descriptor.flags & DESCRIPTOR.indirect) !== 0) {
        if (slots > 1 || !last) return broken('an indirect descriptor in a list of descriptors');
        const wrong = this.#addIndirect(builder, descriptor);
        return wrong ?? builder.finish({ id: descriptor.tag, slots: 1 });
      }
      const wrong = builder.add(descriptor);
      if (wrong !== undefined) return wrong;
      // The ID of a list stands in its last descriptor (section 2.8.6).
      if (last) return builder.finish({ id: descriptor.tag, slots });
    }
    return broken('a list of descriptors is longer than the ring');
  }

  /** The entries follow each other; of their flags only WRITE counts (section 2.8.7). */
  #addIndirect(builder: ChainBuilder, descriptor: Descriptor): Broken | undefined {
    if (!this.#ports.indirect) return broken('an indirect descriptor, which was not negotiated');
    const table = builder.table(descriptor);
    if ('broken' in table) return table;
    for (let index = 0; index < table.length / DESCRIPTOR_SIZE; index += 1) {
      const wrong = builder.add(packedDescriptor(table, index));
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  }

  #publish(used: readonly UsedChain[]): void {
    const state = this.#state;
    const places: Place[] = [];
    let place: Place = { at: state.nextUsed, wrap: state.usedWrap };
    let passed = 0;
    for (const { chain } of used) {
      places.push(place);
      place = this.#after(place, chain.slots);
      passed += chain.slots;
    }
    // The first of a request's buffers is marked last (section 2.8.9).
    for (let index = used.length - 1; index >= 0; index -= 1) this.#mark(places[index]!, used[index]!);
    state.nextUsed = place.at;
    state.usedWrap = place.wrap;
    if (this.#wantsNotification(passed)) this.#ports.notify();
  }

  #mark({ at, wrap }: Place, { chain, written }: UsedChain): void {
    const { descriptors } = this.#views;
    const start = at * DESCRIPTOR_SIZE;
    const round = wrap ? DESCRIPTOR.available | DESCRIPTOR.used : 0;
    set32(descriptors, start + 8, written);
    set16(descriptors, start + 12, chain.id);
    set16(descriptors, start + 14, round | (written > 0 ? DESCRIPTOR.write : 0));
    this.#ports.dma.wrote(this.#state.descriptorArea + BigInt(start + 8), 8);
  }

  /** Section 2.8.10: whether the driver's event lies among the `passed` entries before the next used one. */
  #wantsNotification(passed: number): boolean {
    const { driver } = this.#views;
    const flags = get16(driver, EVENT_FLAGS) & 3;
    if (flags === EVENT.disable) return false;
    if (flags !== EVENT.descriptor || !this.#ports.eventIndex) return true;
    const { size, nextUsed, usedWrap } = this.#state;
    const word = get16(driver, EVENT_OFFSET);
    const offset = word & ~EVENT_WRAP;
    const event = ((word & EVENT_WRAP) !== 0) === usedWrap ? offset : offset - size;
    return event >= nextUsed - passed && event < nextUsed;
  }

  /** Everything was taken: the next buffer is worth a notification. */
  #askForKick(): void {
    if (!this.#ports.eventIndex) return;
    const { device } = this.#views;
    const { nextAvailable, availableWrap, deviceArea } = this.#state;
    set16(device, EVENT_OFFSET, nextAvailable | (availableWrap ? EVENT_WRAP : 0));
    set16(device, EVENT_FLAGS, EVENT.descriptor);
    this.#ports.dma.wrote(deviceArea, SUPPRESSION_SIZE);
  }
}
