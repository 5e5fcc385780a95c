import type { AccessSize, IrqLine, RegisterDescription, Snapshottable } from '../../contracts/device.ts';
import type { DeviceInput } from '../../contracts/device-input.ts';
import type { GuestDma } from '../../contracts/dma.ts';
import type { Virtqueue } from './virtqueue.ts';

/** What a chain of descriptors, or several, amount to. */
export interface ChainSummary {
  readonly descriptors: number;
  /** Kicked: bytes of all buffers. Used: bytes that the device wrote. */
  readonly bytes: number;
}

/** A queue was kicked by the driver, or the device returned buffers in it. */
export interface VirtqueueEvent {
  readonly queue: number;
  readonly event: 'kicked' | 'used';
  /** Kicked: of every chain that waits, which costs a walk of the ring. Used: of what is returned. No side effects. */
  summary(): ChainSummary;
}

/** What a transport needs of the machine around it. */
export interface VirtioPorts {
  readonly irq: IrqLine;
  readonly dma: GuestDma;
  /** Carries out `effect`, and may tell others of the event before and after. */
  observe(event: VirtqueueEvent, effect: () => void): void;
  /** Bytes that the device asks the host for: an input of the run, so a run that repeats another gets that one's. */
  fromHost(ask: () => Uint8Array): Uint8Array;
}

/** What a device type sees of the transport that it is plugged into. */
export interface VirtioTransport {
  /** The features negotiated; in the legacy layout those that the driver wrote last. */
  readonly features: bigint;
  readonly legacy: boolean;
  /**
   * Looks at a queue's ring as it stands. Undefined when the driver has not set the queue up, is not ready, or the
   * device has failed. What it returns holds until the device returns to its caller.
   */
  open(queue: number): Virtqueue | undefined;
  /** True when a range lies in RAM as a whole. */
  isRam(address: bigint, length: number): boolean;
  /** Bytes from the host on behalf of a request of the driver's. All that a device learns from outside while it serves the guest comes this way. */
  fromHost(ask: () => Uint8Array): Uint8Array;
  /** Nobody needs what stands in a range of RAM any more: it reads as zeros from now on. */
  forget(address: bigint, length: number): void;
  /** The device changed its configuration space (section 3.2.1). */
  configChanged(): void;
  /** The driver broke the rules: nothing goes on before a reset (section 2.1.2). */
  fail(reason: string): void;
}

/**
 * A type of device behind any transport (virtio 1.2, section 5): features, configuration space, and what it does
 * with the buffers in its queues.
 */
export interface VirtioDevice extends Snapshottable {
  readonly id: number;
  /** What it is, for messages. */
  readonly name: string;
  /** Offered beside the transport's own. */
  readonly features: bigint;
  readonly queues: number;
  /** Fields of the configuration space, offsets from its start. */
  readonly configRegisters: readonly RegisterDescription[];
  /** Called once, before anything else. */
  plug(transport: VirtioTransport): void;
  /** The configuration space as it stands. */
  config(): Uint8Array;
  writeConfig(offset: number, size: AccessSize, value: number): void;
  /** FEATURES_OK was accepted; never so in the legacy layout. */
  negotiated?(): void;
  /** The driver is ready (DRIVER_OK); `notified` follows for every queue that is set up. */
  started?(): void;
  /** The driver may have made buffers available in a queue. */
  notified(queue: number): void;
  /** The driver took a queue away: chains held from it are gone. */
  queueStopped?(queue: number): void;
  /** Something from outside; see `DeviceInput` for what is returned. Devices that get nothing lack this. */
  input?(input: DeviceInput): number;
  /** Forgets the driver. What the host has set stays. */
  reset(): void;
}
