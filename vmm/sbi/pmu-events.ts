import { PERFORMANCE_EVENTS } from '../isa/performance-events.ts';
import { FIRMWARE_EVENT, type FirmwareEvent } from './extension.ts';

/** Types of an event: bits 19 to 16 of its index (SBI 3.0, "Event Types"). */
const TYPE = { general: 0, cache: 1, raw: 2, rawWide: 3, firmware: 15 } as const;
const INDEX_BITS = 20n;
/** Bits of `event_data` that select a raw event, by type. */
const RAW_BITS = { [TYPE.raw]: 48n, [TYPE.rawWide]: 56n } as const;

/** "Event: Hardware General Events": what these harts count of them. Their numbers are those of `mhpmevent` here. */
export const GENERAL_EVENT = { cycles: 1, instructions: 2 } as const;

/** What a counter is asked to count. */
export type PmuEvent =
  /** `selector` is what `mhpmevent` holds. */
  | { readonly kind: 'hardware'; readonly selector: number }
  | { readonly kind: 'firmware'; readonly event: FirmwareEvent };

const HARDWARE_SELECTORS: ReadonlySet<number> = new Set(
  PERFORMANCE_EVENTS.map(({ code }) => code).filter((code) => code !== 0),
);
const FIRMWARE_EVENTS: ReadonlySet<number> = new Set(Object.values(FIRMWARE_EVENT));

/** False for an index with bits that no event has (SBI 3.0, "Event: …": `event_idx` has 20). */
export const isEventIndex = (index: bigint): boolean => index >> INDEX_BITS === 0n;

/**
 * The event of an index and its data; undefined where no counter of this machine can count it. Of caches and branches
 * nothing is counted, for there are none. A supervisor's misaligned and faulting accesses go to itself and never to an SBI
 * implementation, so that the firmware's events of them are there and stay at zero.
 */
export function eventOf(index: bigint, data: bigint): PmuEvent | undefined {
  if (!isEventIndex(index)) return undefined;
  const type = Number(index >> 16n);
  const code = Number(index & 0xffffn);
  switch (type) {
    case TYPE.general:
      return code === GENERAL_EVENT.cycles || code === GENERAL_EVENT.instructions
        ? { kind: 'hardware', selector: code }
        : undefined;
    case TYPE.raw:
    case TYPE.rawWide: {
      const selects = code === 0 && data >> RAW_BITS[type] === 0n && HARDWARE_SELECTORS.has(Number(data));
      return selects ? { kind: 'hardware', selector: Number(data) } : undefined;
    }
    case TYPE.firmware:
      return FIRMWARE_EVENTS.has(code) ? { kind: 'firmware', event: code as FirmwareEvent } : undefined;
    default:
      return undefined;
  }
}
