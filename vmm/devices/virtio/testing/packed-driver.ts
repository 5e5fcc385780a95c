import { assert } from '../../../base/assert.ts';
import {
  type Buffer,
  collect,
  type DriverQueue,
  type InFlight,
  place,
  type Returned,
  roomsOf,
} from './driver-queue.ts';
import type { TestMemory } from './memory.ts';

const NEXT = 1;
const WRITE = 2;
const INDIRECT = 4;
const AVAILABLE = 1 << 7;
const USED = 1 << 15;
const EVENT = { enable: 0, disable: 1, descriptor: 2 } as const;

/** A driver's side of a packed virtqueue, as virtio 1.2, sections 2.8.21 and 2.8.22, has it. */
export class PackedDriverQueue implements DriverQueue {
  readonly areas: DriverQueue['areas'];
  readonly #memory: TestMemory;
  readonly #size: number;
  readonly #eventIndex: boolean;
  readonly #inFlight = new Map<number, InFlight>();
  #nextAvailable = 0;
  #availableWrap = true;
  #nextUsed = 0;
  #usedWrap = true;
  #added = 0;
  #tokens = 0;
  #taken = 0;

  constructor(memory: TestMemory, size: number, areas: DriverQueue['areas'], eventIndex: boolean) {
    this.#memory = memory;
    this.#size = size;
    this.areas = areas;
    this.#eventIndex = eventIndex;
  }

  add(buffers: readonly Buffer[], { indirect = false } = {}): number {
    const placed = place(this.#memory, buffers);
    const token = this.#tokens++;
    // Any number that is not in flight will do; these are not indices of the ring.
    let id = (token * 7 + 3) & 0xffff;
    while (this.#inFlight.has(id)) id = (id + 1) & 0xffff;
    const slots: number[] = [];
    if (indirect) {
      const table = this.#memory.allocate(16 * placed.length);
      for (const [index, { address, length, writable }] of placed.entries()) {
        this.#write(table + 16n * BigInt(index), address, length, 0, writable ? WRITE : 0);
      }
      slots.push(this.#publish(table, 16 * placed.length, id, INDIRECT));
    } else {
      // The first is made available last (section 2.8.17); to the device that is one moment here.
      for (const [index, { address, length, writable }] of placed.entries()) {
        const flags = (writable ? WRITE : 0) | (index === placed.length - 1 ? 0 : NEXT);
        slots.push(this.#publish(address, length, id, flags));
      }
    }
    this.#inFlight.set(id, { token, descriptors: slots, rooms: roomsOf(placed) });
    this.#taken += slots.length;
    this.#added += slots.length;
    assert(this.#taken <= this.#size, 'the ring has room');
    return token;
  }

  wantsKick(): boolean {
    const { device } = this.areas;
    const added = this.#added;
    this.#added = 0;
    const flags = this.#memory.get16(device + 2n) & 3;
    if (flags !== EVENT.descriptor) return flags === EVENT.enable;
    const word = this.#memory.get16(device);
    const offset = word & 0x7fff;
    const event = word >> 15 === Number(this.#availableWrap) ? offset : offset - this.#size;
    return event >= this.#nextAvailable - added && event < this.#nextAvailable;
  }

  returned(): Returned[] {
    const returned: Returned[] = [];
    for (;;) {
      const at = this.areas.descriptor + 16n * BigInt(this.#nextUsed);
      const flags = this.#memory.get16(at + 14n);
      const available = (flags & AVAILABLE) !== 0;
      const used = (flags & USED) !== 0;
      if (this.#taken === 0 || available !== this.#usedWrap || used !== this.#usedWrap) return returned;
      const id = this.#memory.get16(at + 12n);
      const flight = this.#inFlight.get(id);
      assert(flight !== undefined, `the buffer ${id} was in flight`);
      this.#inFlight.delete(id);
      const length = this.#memory.get32(at + 8n);
      // The length counts where WRITE is set (section 2.8.4).
      returned.push(collect(this.#memory, flight, (flags & WRITE) !== 0 ? length : 0));
      this.#taken -= flight.descriptors.length;
      this.#nextUsed += flight.descriptors.length;
      if (this.#nextUsed >= this.#size) {
        this.#nextUsed -= this.#size;
        this.#usedWrap = !this.#usedWrap;
      }
    }
  }

  wantNotifications(when: 'always' | 'never' | 'after the next'): void {
    const { driver } = this.areas;
    if (when === 'after the next') {
      assert(this.#eventIndex, 'a place in the ring takes the event index');
      const next = this.#nextUsed + 1;
      const wrapped = next >= this.#size;
      const wrap = this.#usedWrap !== wrapped;
      this.#memory.set16(driver, (wrapped ? next - this.#size : next) | (wrap ? 1 << 15 : 0));
      this.#memory.set16(driver + 2n, EVENT.descriptor);
      return;
    }
    this.#memory.set16(driver + 2n, when === 'never' ? EVENT.disable : EVENT.enable);
  }

  #publish(address: bigint, length: number, id: number, flags: number): number {
    const slot = this.#nextAvailable;
    const round = this.#availableWrap ? AVAILABLE : USED;
    this.#write(this.areas.descriptor + 16n * BigInt(slot), address, length, id, flags | round);
    this.#nextAvailable += 1;
    if (this.#nextAvailable === this.#size) {
      this.#nextAvailable = 0;
      this.#availableWrap = !this.#availableWrap;
    }
    return slot;
  }

  #write(at: bigint, address: bigint, length: number, id: number, flags: number): void {
    this.#memory.set64(at, address);
    this.#memory.set32(at + 8n, length);
    this.#memory.set16(at + 12n, id);
    this.#memory.set16(at + 14n, flags);
  }
}
