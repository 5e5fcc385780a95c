import { assert } from '../../../base/assert.ts';
import { FEATURE, has, STATUS } from '../constants.ts';
import type { VirtioDevice, VirtqueueEvent } from '../device.ts';
import { VirtioMmio } from '../mmio.ts';
import { REGISTER } from '../mmio-registers.ts';
import type { Buffer, DriverQueue, Returned } from './driver-queue.ts';
import { TestMemory } from './memory.ts';
import { PackedDriverQueue } from './packed-driver.ts';
import { SplitDriverQueue } from './split-driver.ts';

/** One way to drive a device. */
export interface Manner {
  readonly legacy: boolean;
  readonly packed: boolean;
  readonly indirect: boolean;
  readonly eventIndex: boolean;
}

const CURRENT = { legacy: false, packed: false, indirect: false, eventIndex: false };

/** Every combination that a driver can negotiate. */
export const MANNERS: readonly { readonly title: string; readonly manner: Manner }[] = [
  { ...CURRENT, legacy: true },
  { ...CURRENT, packed: false },
  { ...CURRENT, packed: true },
].flatMap((layout) =>
  [false, true].flatMap((indirect) =>
    [false, true].map((eventIndex) => {
      const manner = { ...layout, indirect, eventIndex };
      const ring = layout.legacy ? 'legacy' : layout.packed ? 'packed' : 'split';
      const rest = `${indirect ? ', indirect' : ''}${eventIndex ? ', event index' : ''}`;
      return { title: `${ring}${rest}`, manner };
    }),
  ),
);

export const SPLIT: Manner = CURRENT;
export const PACKED: Manner = { ...CURRENT, packed: true };
export const LEGACY: Manner = { ...CURRENT, legacy: true };

const PAGE = 4096;

/** A device behind its transport with a driver that keeps to the specification. */
export class TestDriver {
  readonly slot: VirtioMmio;
  readonly memory: TestMemory;
  readonly manner: Manner;
  readonly events: VirtqueueEvent[] = [];
  readonly queues: DriverQueue[] = [];
  /** Level of the interrupt line. */
  irq = false;
  /** How often it rose. */
  interrupts = 0;

  constructor(device: VirtioDevice, manner: Manner = SPLIT, memory = new TestMemory()) {
    this.memory = memory;
    this.manner = manner;
    const irq = {
      set: (level: boolean): void => {
        this.irq = level;
        if (level) this.interrupts += 1;
      },
    };
    const observe = (event: VirtqueueEvent, effect: () => void): void => {
      this.events.push(event);
      event.summary();
      effect();
    };
    const fromHost = (ask: () => Uint8Array): Uint8Array => ask();
    const ports = { irq, dma: memory, observe, fromHost };
    this.slot = new VirtioMmio(device, ports, { legacy: manner.legacy });
  }

  read(offset: number): number {
    return this.slot.read(offset, 4);
  }

  write(offset: number, value: number): void {
    this.memory.watch(() => this.slot.write(offset, 4, value));
  }

  get status(): number {
    return this.read(REGISTER.status);
  }

  get needsReset(): boolean {
    return (this.status & STATUS.needsReset) !== 0;
  }

  /** Section 3.1.1 (or 3.1.2), with all queues of the device unless told otherwise, each of `size` entries. */
  start(wanted = 0n, { queues, size = 16 }: { queues?: readonly number[]; size?: number } = {}): this {
    this.negotiate(wanted);
    for (let index = 0; index < 64; index += 1) {
      this.write(REGISTER.queueSel, index);
      if (this.read(REGISTER.queueNumMax) === 0) break;
      if (queues?.includes(index) ?? true) this.queues[index] = this.setUpQueue(index, size);
    }
    this.memory.reserve();
    this.write(REGISTER.status, this.status | STATUS.driverOk);
    return this;
  }

  /** Steps 1 to 6: everything up to FEATURES_OK. */
  negotiate(wanted = 0n): void {
    if (this.manner.legacy) this.write(REGISTER.guestPageSize, PAGE);
    this.write(REGISTER.status, 0);
    this.write(REGISTER.status, STATUS.acknowledge);
    this.write(REGISTER.status, this.status | STATUS.driver);
    const offered = this.offered();
    const own =
      (this.manner.legacy ? 0n : FEATURE.version1) |
      (this.manner.packed ? FEATURE.ringPacked : 0n) |
      (this.manner.indirect ? FEATURE.indirectDescriptors : 0n) |
      (this.manner.eventIndex ? FEATURE.eventIndex : 0n);
    assert(((wanted | own) & ~offered) === 0n, 'the device offers what the test wants');
    this.accept(wanted | own);
    if (this.manner.legacy) return;
    this.write(REGISTER.status, this.status | STATUS.featuresOk);
    assert((this.status & STATUS.featuresOk) !== 0, 'the features are accepted');
  }

  offered(): bigint {
    this.write(REGISTER.deviceFeaturesSel, 1);
    const high = BigInt(this.read(REGISTER.deviceFeatures));
    this.write(REGISTER.deviceFeaturesSel, 0);
    return (high << 32n) | BigInt(this.read(REGISTER.deviceFeatures));
  }

  accept(features: bigint): void {
    for (const half of [1, 0]) {
      this.write(REGISTER.driverFeaturesSel, half);
      this.write(REGISTER.driverFeatures, Number((features >> BigInt(32 * half)) & 0xffff_ffffn));
    }
  }

  /** Section 4.2.3.2, or 4.2.4. */
  setUpQueue(index: number, size: number): DriverQueue {
    const { packed, eventIndex, legacy } = this.manner;
    this.write(REGISTER.queueSel, index);
    this.write(REGISTER.queueNum, size);
    const areas = legacy ? this.#placeLegacy(size) : this.#place(size);
    const queue = packed
      ? new PackedDriverQueue(this.memory, size, areas, eventIndex)
      : new SplitDriverQueue(this.memory, size, areas, eventIndex);
    return queue;
  }

  /** Adds a chain, in the manner of this driver, and tells the device if it wants to know. */
  send(queue: number, ...buffers: readonly Buffer[]): number {
    const token = this.queues[queue]!.add(buffers, { indirect: this.manner.indirect });
    this.kick(queue);
    return token;
  }

  kick(queue: number): void {
    if (this.queues[queue]!.wantsKick()) this.write(REGISTER.queueNotify, queue);
  }

  returned(queue: number): Returned[] {
    return this.queues[queue]!.returned();
  }

  /** Sends one chain and takes what comes back at once. */
  request(queue: number, ...buffers: readonly Buffer[]): Returned {
    const token = this.send(queue, ...buffers);
    const returned = this.returned(queue);
    assert(returned.length === 1 && returned[0]!.token === token, 'the device is done at once');
    return returned[0]!;
  }

  /** What raised the interrupt; acknowledges it. */
  acknowledge(): number {
    const status = this.read(REGISTER.interruptStatus);
    this.write(REGISTER.interruptAck, status);
    return status;
  }

  /** The configuration space, byte by byte. */
  config(offset: number, length: number): Uint8Array {
    return Uint8Array.from({ length }, (_, index) => this.slot.read(REGISTER.config + offset + index, 1));
  }

  has(feature: bigint): boolean {
    return has(this.offered(), feature);
  }

  #place(size: number): DriverQueue['areas'] {
    const packed = this.manner.packed;
    const descriptor = this.memory.allocate(16 * size);
    const driver = this.memory.allocate(packed ? 4 : 6 + 2 * size);
    const device = this.memory.allocate(packed ? 4 : 6 + 8 * size);
    const areas: [number, bigint][] = [
      [REGISTER.queueDescLow, descriptor],
      [REGISTER.queueDriverLow, driver],
      [REGISTER.queueDeviceLow, device],
    ];
    for (const [register, address] of areas) {
      this.write(register, Number(address & 0xffff_ffffn));
      this.write(register + 4, Number(address >> 32n));
    }
    this.write(REGISTER.queueReady, 1);
    return { descriptor, driver, device };
  }

  #placeLegacy(size: number): DriverQueue['areas'] {
    const whole = (bytes: number): number => Math.ceil(bytes / PAGE) * PAGE;
    const front = whole(16 * size + 2 * (3 + size));
    const descriptor = this.memory.allocate(front + whole(6 + 8 * size), PAGE);
    this.write(REGISTER.queueAlign, PAGE);
    this.write(REGISTER.queuePfn, Number(descriptor) / PAGE);
    return { descriptor, driver: descriptor + BigInt(16 * size), device: descriptor + BigInt(front) };
  }
}
