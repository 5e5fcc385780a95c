import { VmError } from '../../base/vm-error.ts';
import type { AccessSize, Device, RegisterDescription, Saved } from '../../contracts/device.ts';
import { SavedReader } from '../saved.ts';
import { FEATURE, has, INTERRUPT, QUEUE_SIZE_MAX, STATUS } from './constants.ts';
import type { VirtioDevice, VirtioPorts, VirtioTransport } from './device.ts';
import { MAGIC_VALUE, mmioRegisters, REGISTER, VENDOR_QEMU, VERSION } from './mmio-registers.ts';
import { PackedQueue } from './packed-queue.ts';
import {
  initialQueueState,
  placeLegacyQueue,
  type QueueState,
  restoreQueue,
  rewindQueue,
  saveQueue,
} from './queue-state.ts';
import type { RingPorts } from './ring.ts';
import { SplitQueue } from './split-queue.ts';
import type { Virtqueue } from './virtqueue.ts';

/** What the current layout offers for every device type. */
const CURRENT_FEATURES =
  FEATURE.indirectDescriptors |
  FEATURE.eventIndex |
  FEATURE.version1 |
  FEATURE.ringPacked |
  FEATURE.ringReset;
/** A legacy driver sees 32 features, and must be offered arbitrary layouts (section 6.3). */
const LEGACY_FEATURES = FEATURE.indirectDescriptors | FEATURE.eventIndex | FEATURE.anyLayout;
const LEGACY_FEATURES_MASK = 0xffff_ffffn;

const DRIVER_STATUS =
  STATUS.acknowledge | STATUS.driver | STATUS.driverOk | STATUS.featuresOk | STATUS.failed;

export interface VirtioMmioOptions {
  /** Version 1 of the registers, as QEMU's `virt` offers unless told otherwise; else version 2. */
  readonly legacy: boolean;
}

/**
 * The transport of a virtio device over MMIO (virtio 1.2, section 4.2), in its current or its legacy layout.
 * Requests are served while the driver notifies, so that runs repeat.
 */
export class VirtioMmio implements Device, VirtioTransport {
  readonly registers: readonly RegisterDescription[];
  readonly legacy: boolean;
  readonly #device: VirtioDevice;
  readonly #ports: VirtioPorts;
  readonly #offered: bigint;
  #status = 0;
  #driverFeatures = 0n;
  #negotiated = 0n;
  #deviceFeaturesSel = 0;
  #driverFeaturesSel = 0;
  #queueSel = 0;
  #pageShift = 0;
  #interruptStatus = 0;
  #generation = 0;
  #queues: QueueState[];
  #failure = '';
  #irq = false;

  constructor(device: VirtioDevice, ports: VirtioPorts, { legacy }: VirtioMmioOptions) {
    this.#device = device;
    this.#ports = ports;
    this.legacy = legacy;
    this.#offered = legacy
      ? (device.features & LEGACY_FEATURES_MASK) | LEGACY_FEATURES
      : device.features | CURRENT_FEATURES;
    this.registers = mmioRegisters(legacy, device.configRegisters);
    this.#queues = Array.from({ length: device.queues }, initialQueueState);
    device.plug(this);
  }

  get features(): bigint {
    return this.#negotiated;
  }

  /** What the driver did wrong when the device needs a reset; else empty. */
  get failure(): string {
    return this.#failure;
  }

  read(offset: number, size: AccessSize): number {
    return this.peek(offset, size);
  }

  peek(offset: number, size: AccessSize): number {
    if (offset >= REGISTER.config) return readBytes(this.#device.config(), offset - REGISTER.config, size);
    // The registers are words (section 4.2.2.2); QEMU answers nothing narrower either.
    if (size !== 4) return 0;
    switch (offset) {
      case REGISTER.magicValue:
        return MAGIC_VALUE;
      case REGISTER.version:
        return this.legacy ? VERSION.legacy : VERSION.current;
      case REGISTER.deviceId:
        return this.#device.id;
      case REGISTER.vendorId:
        return VENDOR_QEMU;
      case REGISTER.deviceFeatures:
        return this.#deviceFeaturesSel < 2 ? word(this.#offered, this.#deviceFeaturesSel) : 0;
      case REGISTER.queueNumMax:
        return this.#selected === undefined ? 0 : QUEUE_SIZE_MAX;
      case REGISTER.interruptStatus:
        return this.#interruptStatus;
      case REGISTER.status:
        return this.#status;
      default:
        return this.legacy ? this.#peekLegacy(offset) : this.#peekCurrent(offset);
    }
  }

  write(offset: number, size: AccessSize, value: number): void {
    if (offset >= REGISTER.config) {
      this.#device.writeConfig(offset - REGISTER.config, size, value);
      return;
    }
    if (size !== 4) return;
    switch (offset) {
      case REGISTER.deviceFeaturesSel:
        this.#deviceFeaturesSel = value;
        break;
      case REGISTER.driverFeatures:
        this.#writeDriverFeatures(value);
        break;
      case REGISTER.driverFeaturesSel:
        this.#driverFeaturesSel = value;
        break;
      case REGISTER.queueSel:
        this.#queueSel = value;
        break;
      case REGISTER.queueNum:
        // Out of 16 bits a size is none, which opening the queue refuses.
        if (this.#selected?.ready === false) this.#selected.size = value > QUEUE_SIZE_MAX ? 0 : value;
        break;
      case REGISTER.queueNotify:
        this.#notified(value);
        break;
      case REGISTER.interruptAck:
        this.#setInterruptStatus(this.#interruptStatus & ~value);
        break;
      case REGISTER.status:
        this.#writeStatus(value);
        break;
      default:
        if (this.legacy) this.#writeLegacy(offset, value);
        else this.#writeCurrent(offset, value);
    }
  }

  reset(): void {
    this.#softReset();
    this.#deviceFeaturesSel = 0;
    this.#driverFeaturesSel = 0;
    this.#queueSel = 0;
    this.#pageShift = 0;
    this.#generation = 0;
  }

  save(): Saved {
    return {
      version: 1,
      type: this.#device.id,
      legacy: this.legacy,
      status: this.#status,
      driverFeatures: this.#driverFeatures,
      negotiated: this.#negotiated,
      deviceFeaturesSel: this.#deviceFeaturesSel,
      driverFeaturesSel: this.#driverFeaturesSel,
      queueSel: this.#queueSel,
      pageShift: this.#pageShift,
      interruptStatus: this.#interruptStatus,
      generation: this.#generation,
      failure: this.#failure,
      queues: this.#queues.map(saveQueue),
      device: this.#device.save(),
    };
  }

  restore(saved: Saved): void {
    const what = `the virtio ${this.#device.name}`;
    const from = new SavedReader(saved, what, 1);
    if (from.number('type') !== this.#device.id || from.boolean('legacy') !== this.legacy) {
      throw new VmError('bad-file', `saved state of ${what} is that of another device`);
    }
    const negotiated = from.bigint('negotiated');
    if ((negotiated & ~this.#offered) !== 0n) {
      throw new VmError('bad-file', `saved state of ${what} has features that this one does not offer`);
    }
    const queues = from.sections('queues', this.#queues.length).map(restoreQueue);
    this.#status = from.number('status');
    this.#driverFeatures = from.bigint('driverFeatures');
    this.#negotiated = negotiated;
    this.#deviceFeaturesSel = from.number('deviceFeaturesSel');
    this.#driverFeaturesSel = from.number('driverFeaturesSel');
    this.#queueSel = from.number('queueSel');
    this.#pageShift = from.number('pageShift') & 31;
    this.#generation = from.number('generation');
    this.#failure = from.string('failure');
    this.#queues = queues;
    this.#device.restore(from.section('device'));
    this.#setInterruptStatus(from.number('interruptStatus'));
  }

  open(queue: number): Virtqueue | undefined {
    const state = this.#queues[queue];
    if (state?.ready !== true || !this.#live) return undefined;
    const opened = this.#openRing(queue, state);
    if (!('broken' in opened)) return opened;
    this.fail(`queue ${queue}: ${opened.broken}`);
    return undefined;
  }

  isRam(address: bigint, length: number): boolean {
    return this.#ports.dma.view(address, length) !== undefined;
  }

  fromHost(ask: () => Uint8Array): Uint8Array {
    return this.#ports.fromHost(ask);
  }

  forget(address: bigint, length: number): void {
    const view = this.#ports.dma.view(address, length);
    if (view === undefined) return;
    view.fill(0);
    this.#ports.dma.wrote(address, length);
    this.#ports.dma.forgot(address, length);
  }

  configChanged(): void {
    this.#generation = (this.#generation + 1) >>> 0;
    // Before the driver is ready there is nobody to tell (section 2.1.2).
    if ((this.#status & STATUS.driverOk) !== 0) {
      this.#setInterruptStatus(this.#interruptStatus | INTERRUPT.config);
    }
  }

  fail(reason: string): void {
    if ((this.#status & STATUS.needsReset) !== 0) return;
    this.#failure = reason;
    this.#status |= STATUS.needsReset;
    this.configChanged();
  }

  /** A legacy driver may use the device before it says that it is ready (section 3.1.2). */
  get #live(): boolean {
    if ((this.#status & STATUS.needsReset) !== 0) return false;
    const needed = STATUS.driverOk | STATUS.featuresOk;
    return this.legacy || (this.#status & needed) === needed;
  }

  get #selected(): QueueState | undefined {
    return this.#queues[this.#queueSel];
  }

  #peekLegacy(offset: number): number {
    return offset === REGISTER.queuePfn ? (this.#selected?.pageNumber ?? 0) : 0;
  }

  #peekCurrent(offset: number): number {
    switch (offset) {
      case REGISTER.queueReady:
        return Number(this.#selected?.ready === true);
      case REGISTER.configGeneration:
        return this.#generation;
      case REGISTER.shmLenLow:
      case REGISTER.shmLenHigh:
      case REGISTER.shmBaseLow:
      case REGISTER.shmBaseHigh:
        return 0xffff_ffff;
      default:
        // QueueReset too: a queue is reset by the time it could be read.
        return 0;
    }
  }

  #writeLegacy(offset: number, value: number): void {
    const queue = this.#selected;
    switch (offset) {
      case REGISTER.guestPageSize:
        // As QEMU: the lowest bit set counts, and none is a byte.
        this.#pageShift = value === 0 ? 0 : 31 - Math.clz32(value & -value);
        break;
      case REGISTER.queueAlign:
        if (queue !== undefined && !queue.ready && value !== 0) queue.align = value;
        break;
      case REGISTER.queuePfn:
        if (queue === undefined) break;
        this.#stopQueue(this.#queueSel, queue);
        queue.pageNumber = value;
        placeLegacyQueue(queue, this.#pageShift);
        queue.ready = value !== 0;
        break;
    }
  }

  #writeCurrent(offset: number, value: number): void {
    const queue = this.#selected;
    if (queue === undefined) return;
    if (offset === REGISTER.queueReady) {
      if ((value & 1) === 0) this.#stopQueue(this.#queueSel, queue);
      else queue.ready = true;
    } else if (offset === REGISTER.queueReset) {
      if ((value & 1) !== 0 && has(this.#negotiated, FEATURE.ringReset)) {
        this.#stopQueue(this.#queueSel, queue);
      }
    } else if (!queue.ready) {
      writeAddress(queue, offset, value);
    }
  }

  #writeDriverFeatures(value: number): void {
    if (this.legacy) {
      if (this.#driverFeaturesSel !== 0) return;
      // There is no step in which a legacy device could refuse (section 3.1.2): what was not offered is dropped.
      this.#driverFeatures = BigInt(value) & this.#offered;
      this.#negotiated = this.#driverFeatures;
    } else if (this.#driverFeaturesSel < 2 && (this.#status & STATUS.featuresOk) === 0) {
      const shift = 32n * BigInt(this.#driverFeaturesSel);
      const others = this.#driverFeatures & ~(0xffff_ffffn << shift);
      this.#driverFeatures = others | (BigInt(value) << shift);
    }
  }

  #writeStatus(value: number): void {
    if (value === 0) {
      this.#softReset();
      return;
    }
    const wasLive = this.#live && (this.#status & STATUS.driverOk) !== 0;
    let bits = value & DRIVER_STATUS;
    if (!this.legacy && (bits & STATUS.featuresOk) !== 0 && (this.#status & STATUS.featuresOk) === 0) {
      if (this.#featuresAcceptable) {
        this.#negotiated = this.#driverFeatures;
        this.#device.negotiated?.();
      } else {
        bits &= ~STATUS.featuresOk;
      }
    }
    // A driver must not clear bits (section 2.1.1), so that none is lost to one that does.
    this.#status |= bits;
    if (!wasLive && this.#live && (this.#status & STATUS.driverOk) !== 0) this.#start();
  }

  /** Section 2.2.2; without VERSION_1 a device may refuse (section 6.2). */
  get #featuresAcceptable(): boolean {
    return (this.#driverFeatures & ~this.#offered) === 0n && has(this.#driverFeatures, FEATURE.version1);
  }

  /** Queues are filled before DRIVER_OK (section 3.1.1), and no notification need follow. */
  #start(): void {
    this.#device.started?.();
    for (const [index, { ready }] of this.#queues.entries()) if (ready) this.#device.notified(index);
  }

  #notified(queue: number): void {
    const state = this.#queues[queue];
    if (state?.ready !== true || !this.#live) return;
    const summary = (): ReturnType<Virtqueue['waiting']> => {
      const opened = this.#openRing(queue, state);
      return 'broken' in opened ? { descriptors: 0, bytes: 0 } : opened.waiting();
    };
    this.#ports.observe({ queue, event: 'kicked', summary }, () => this.#device.notified(queue));
  }

  #openRing(queue: number, state: QueueState): ReturnType<typeof SplitQueue.open | typeof PackedQueue.open> {
    const ports: RingPorts = {
      dma: this.#ports.dma,
      eventIndex: has(this.#negotiated, FEATURE.eventIndex),
      indirect: has(this.#negotiated, FEATURE.indirectDescriptors),
      fail: (reason) => this.fail(`queue ${queue}: ${reason}`),
      notify: () => this.#setInterruptStatus(this.#interruptStatus | INTERRUPT.used),
      used: (used, effect) => this.#ports.observe({ queue, event: 'used', summary: () => used }, effect),
    };
    const packed = has(this.#negotiated, FEATURE.ringPacked);
    return packed ? PackedQueue.open(state, ports) : SplitQueue.open(state, ports);
  }

  #stopQueue(index: number, queue: QueueState): void {
    if (queue.ready) this.#device.queueStopped?.(index);
    rewindQueue(queue);
  }

  /** What a driver's reset clears. The page size stays: Linux sets it once, before its reset (section 4.2.4). */
  #softReset(): void {
    this.#status = 0;
    this.#driverFeatures = 0n;
    this.#negotiated = 0n;
    this.#failure = '';
    this.#queues = this.#queues.map(initialQueueState);
    this.#device.reset();
    this.#setInterruptStatus(0);
  }

  /** The line is high as long as an event waits to be acknowledged (section 4.2.3.4). */
  #setInterruptStatus(status: number): void {
    this.#interruptStatus = status;
    const level = status !== 0;
    if (level === this.#irq) return;
    this.#irq = level;
    this.#ports.irq.set(level);
  }
}

const word = (value: bigint, index: number): number =>
  Number((value >> (32n * BigInt(index))) & 0xffff_ffffn);

/** Beyond the end of the configuration space there are zeros. */
function readBytes(bytes: Uint8Array, offset: number, size: AccessSize): number {
  let value = 0;
  for (let index = size - 1; index >= 0; index -= 1) value = (value << 8) | (bytes[offset + index] ?? 0);
  return value >>> 0;
}

function writeAddress(queue: QueueState, offset: number, value: number): void {
  const half = BigInt(value);
  const low = (old: bigint): bigint => ((old >> 32n) << 32n) | half;
  const high = (old: bigint): bigint => (old & 0xffff_ffffn) | (half << 32n);
  switch (offset) {
    case REGISTER.queueDescLow:
      queue.descriptorArea = low(queue.descriptorArea);
      break;
    case REGISTER.queueDescHigh:
      queue.descriptorArea = high(queue.descriptorArea);
      break;
    case REGISTER.queueDriverLow:
      queue.driverArea = low(queue.driverArea);
      break;
    case REGISTER.queueDriverHigh:
      queue.driverArea = high(queue.driverArea);
      break;
    case REGISTER.queueDeviceLow:
      queue.deviceArea = low(queue.deviceArea);
      break;
    case REGISTER.queueDeviceHigh:
      queue.deviceArea = high(queue.deviceArea);
      break;
  }
}
