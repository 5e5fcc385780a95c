import { assert } from '../../../base/assert.ts';
import {
  type Buffer,
  collect,
  type DriverQueue,
  type InFlight,
  type Placed,
  place,
  type Returned,
  roomsOf,
} from './driver-queue.ts';
import type { TestMemory } from './memory.ts';

const NEXT = 1;
const WRITE = 2;
const INDIRECT = 4;

/** A driver's side of a split virtqueue, as virtio 1.2, sections 2.7.13 and 2.7.14, has it. */
export class SplitDriverQueue implements DriverQueue {
  readonly areas: DriverQueue['areas'];
  readonly #memory: TestMemory;
  readonly #size: number;
  readonly #eventIndex: boolean;
  readonly #free: number[];
  readonly #inFlight = new Map<number, InFlight>();
  #available = 0;
  #kickedAt = 0;
  #used = 0;
  #tokens = 0;

  constructor(memory: TestMemory, size: number, areas: DriverQueue['areas'], eventIndex: boolean) {
    this.#memory = memory;
    this.#size = size;
    this.areas = areas;
    this.#eventIndex = eventIndex;
    this.#free = Array.from({ length: size }, (_, index) => index);
  }

  add(buffers: readonly Buffer[], { indirect = false } = {}): number {
    const placed = place(this.#memory, buffers);
    const token = this.#tokens++;
    const descriptors = this.#allocate(indirect ? 1 : placed.length);
    if (indirect) {
      const table = this.#memory.allocate(16 * placed.length);
      this.#chain(
        table,
        placed,
        placed.map((_, index) => index),
      );
      this.#descriptor(this.areas.descriptor, descriptors[0]!, table, 16 * placed.length, INDIRECT, 0);
    } else {
      this.#chain(this.areas.descriptor, placed, descriptors);
    }
    this.#inFlight.set(descriptors[0]!, { token, descriptors, rooms: roomsOf(placed) });
    this.offer(descriptors[0]!);
    return token;
  }

  /** Puts a head into the available ring, whatever stands in the table. */
  offer(head: number): void {
    const { driver } = this.areas;
    this.#memory.set16(driver + 4n + 2n * BigInt(this.#available % this.#size), head);
    this.#available = (this.#available + 1) & 0xffff;
    this.#memory.set16(driver + 2n, this.#available);
  }

  wantsKick(): boolean {
    const { device } = this.areas;
    const added = (this.#available - this.#kickedAt) & 0xffff;
    const from = this.#kickedAt;
    this.#kickedAt = this.#available;
    if (!this.#eventIndex) return (this.#memory.get16(device) & 1) === 0;
    const event = this.#memory.get16(device + 4n + 8n * BigInt(this.#size));
    return ((event - from) & 0xffff) < added;
  }

  returned(): Returned[] {
    const { device } = this.areas;
    const returned: Returned[] = [];
    while (this.#used !== this.#memory.get16(device + 2n)) {
      const entry = device + 4n + 8n * BigInt(this.#used % this.#size);
      const head = this.#memory.get32(entry);
      const flight = this.#inFlight.get(head);
      assert(flight !== undefined, `the chain ${head} was in flight`);
      this.#inFlight.delete(head);
      this.#free.push(...flight.descriptors);
      returned.push(collect(this.#memory, flight, this.#memory.get32(entry + 4n)));
      this.#used = (this.#used + 1) & 0xffff;
    }
    return returned;
  }

  wantNotifications(when: 'always' | 'never' | 'after the next'): void {
    const { driver } = this.areas;
    if (!this.#eventIndex) {
      this.#memory.set16(driver, when === 'never' ? 1 : 0);
      return;
    }
    // An index that was passed long ago is never equal to the next.
    const ahead = { always: 0, 'after the next': 1, never: -this.#size - 1 }[when];
    this.#memory.set16(driver + 4n + 2n * BigInt(this.#size), (this.#used + ahead) & 0xffff);
  }

  #allocate(count: number): number[] {
    assert(this.#free.length >= count, 'the queue has room');
    return this.#free.splice(0, count);
  }

  #chain(table: bigint, placed: readonly Placed[], indices: readonly number[]): void {
    for (const [index, { address, length, writable }] of placed.entries()) {
      const last = index === placed.length - 1;
      const flags = (writable ? WRITE : 0) | (last ? 0 : NEXT);
      this.#descriptor(table, indices[index]!, address, length, flags, last ? 0 : indices[index + 1]!);
    }
  }

  #descriptor(
    table: bigint,
    index: number,
    address: bigint,
    length: number,
    flags: number,
    next: number,
  ): void {
    const at = table + 16n * BigInt(index);
    this.#memory.set64(at, address);
    this.#memory.set32(at + 8n, length);
    this.#memory.set16(at + 12n, flags);
    this.#memory.set16(at + 14n, next);
  }
}
