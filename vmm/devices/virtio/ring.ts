import type { GuestDma } from '../../contracts/dma.ts';
import type { ChainSummary } from './device.ts';
import type { QueueState } from './queue-state.ts';

/** What a ring needs while it is open. */
export interface RingPorts {
  readonly dma: GuestDma;
  readonly eventIndex: boolean;
  readonly indirect: boolean;
  /** The driver broke the rules. */
  fail(reason: string): void;
  /** A used buffer notification (section 2.3). */
  notify(): void;
  /** Carries out `effect`, by which chains are returned. */
  used(summary: ChainSummary, effect: () => void): void;
}

/** The memory of a queue's three parts, each whole in RAM; undefined when one is not. */
export interface RingViews {
  readonly descriptors: Uint8Array;
  readonly driver: Uint8Array;
  readonly device: Uint8Array;
}

export function ringViews(
  state: QueueState,
  dma: GuestDma,
  bytes: { readonly descriptors: number; readonly driver: number; readonly device: number },
): RingViews | undefined {
  const descriptors = dma.view(state.descriptorArea, bytes.descriptors);
  const driver = dma.view(state.driverArea, bytes.driver);
  const device = dma.view(state.deviceArea, bytes.device);
  if (descriptors === undefined || driver === undefined || device === undefined) return undefined;
  return { descriptors, driver, device };
}
