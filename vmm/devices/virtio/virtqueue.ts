import type { Chain, ChainIdentity } from './chain.ts';
import type { ChainSummary } from './device.ts';

/** A chain that the device is done with. */
export interface UsedChain {
  readonly chain: ChainIdentity;
  /** Bytes written to its device-writable part, from the start on (section 2.7.8.2). */
  readonly written: number;
}

/**
 * A queue as a device sees it while it serves one event; the ring's format does not show. What the driver had made
 * available when it was opened is all there is, so that buffers that overlap the ring cannot keep a device busy for ever.
 */
export interface Virtqueue {
  /** The next chain of buffers. Undefined when there is none, or when the driver's was broken and the device has failed. */
  take(): Chain | undefined;
  /** Puts the chain that was taken last back, as if it had not been taken. */
  untake(chain: Chain): void;
  /** Returns a chain to the driver, and notifies it unless it asked not to be. */
  use(chain: ChainIdentity, written: number): void;
  /** The same for several that the driver must see at once (section 5.1.6.4.1). */
  useTogether(used: readonly UsedChain[]): void;
  /** What waits, without taking it. */
  waiting(): ChainSummary;
}
