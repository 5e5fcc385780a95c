import { VmError } from '../../base/vm-error.ts';
import type { AccessSize, Saved } from '../../contracts/device.ts';
import type { DeviceInput } from '../../contracts/device-input.ts';
import { SavedReader } from '../saved.ts';
import type { ChainIdentity } from './chain.ts';
import { DEVICE_ID, has } from './constants.ts';
import type { VirtioDevice, VirtioTransport } from './device.ts';
import { get16, get32, get64, set32 } from './little-endian.ts';

const FEATURE = {
  mustTellHost: 1n << 0n,
  statistics: 1n << 1n,
  deflateOnOutOfMemory: 1n << 2n,
  pagePoison: 1n << 4n,
  pageReporting: 1n << 5n,
} as const;

/** Pages of the balloon, whatever the guest's own are (section 5.5.6). */
export const BALLOON_PAGE = 4096;
const PAGE_SHIFT = 12n;

/** Fields of the configuration space (section 5.5.4). */
const FIELD = { pages: 0, actual: 4, poison: 12 } as const;
const CONFIG_SIZE = 16;

const INFLATE = 0;
const DEFLATE = 1;
/** Where the reporting queue stands when all queues before it exist, and where the text puts it in any case. */
const REPORTING_BY_THE_TEXT = 4;

/** Bytes of page numbers in one buffer; Linux sends 1 KiB. */
const NUMBERS_MAX = 1 << 20;
const STATISTIC_SIZE = 10;
const STATISTICS_MAX = 256;

/** Statistics by name; tags without one are ignored (section 5.5.6.3.2). */
const STATISTIC_NAMES = [
  'swapIn',
  'swapOut',
  'majorFaults',
  'minorFaults',
  'free',
  'total',
  'available',
  'caches',
  'hugePagesAllocated',
  'hugePagesFailed',
] as const;
export type StatisticName = (typeof STATISTIC_NAMES)[number];
export type BalloonStatistics = Readonly<Partial<Record<StatisticName, bigint>>>;

/** Guest-physical ranges, whole pages of RAM. */
export interface BalloonPorts {
  /** The guest gave these pages up until it asks for them back. */
  inflated(address: bigint, length: number): void;
  /** The guest takes pages back. */
  deflated(address: bigint, length: number): void;
  /** Nothing is in these pages that the guest needs, and it may use them at any time without saying so. */
  reported(address: bigint, length: number): void;
  /** An answer to `requestStatistics`, or the driver's first. */
  statistics(statistics: BalloonStatistics): void;
}

/** The traditional memory balloon (virtio 1.2, section 5.5), without free page hints, which serve migration. */
export class VirtioBalloon implements VirtioDevice {
  readonly id = DEVICE_ID.balloon;
  readonly name = 'memory balloon';
  readonly features =
    FEATURE.mustTellHost |
    FEATURE.statistics |
    FEATURE.deflateOnOutOfMemory |
    FEATURE.pagePoison |
    FEATURE.pageReporting;
  readonly queues = 5;
  readonly configRegisters = [
    { name: 'num_pages', offset: FIELD.pages, size: 4, access: 'read', description: 'Pages wanted' },
    { name: 'actual', offset: FIELD.actual, size: 4, description: 'Pages that the guest gave' },
    {
      name: 'poison_val',
      offset: FIELD.poison,
      size: 4,
      description: 'What the guest fills free pages with',
    },
  ] as const;
  readonly #ports: BalloonPorts;
  #transport: VirtioTransport | undefined;
  #target = 0;
  #actual = 0;
  #poison = 0;
  /** Bytes of `actual` and of `poison_val` as they are written one by one. */
  readonly #partial = { actual: new Uint8Array(4), poison: new Uint8Array(4) };
  /** The buffer kept to ask for statistics with (section 5.5.6.3). */
  #held: ChainIdentity | undefined;
  /** The driver has given statistics since its reset. */
  #reported = false;

  constructor(ports: BalloonPorts) {
    this.#ports = ports;
  }

  plug(transport: VirtioTransport): void {
    this.#transport = transport;
  }

  /** Pages that the guest says it gave. */
  get actualPages(): number {
    return this.#actual;
  }

  /** Asks the guest for so many pages in all. */
  setTarget(pages: number): void {
    if (this.#target === pages) return;
    this.#target = pages;
    this.#transport?.configChanged();
  }

  input(input: DeviceInput): number {
    if (input.kind === 'balloon') this.setTarget(input.pages);
    return 0;
  }

  /** Asks for new statistics. False when the driver has not been ready to give any since the last time. */
  requestStatistics(): boolean {
    const index = this.#queueOf('statistics');
    if (this.#held === undefined || index === undefined) return false;
    const queue = this.#transport?.open(index);
    if (queue === undefined) return false;
    queue.use(this.#held, 0);
    this.#held = undefined;
    return true;
  }

  config(): Uint8Array {
    const config = new Uint8Array(CONFIG_SIZE);
    set32(config, FIELD.pages, this.#target);
    set32(config, FIELD.actual, this.#actual);
    set32(config, FIELD.poison, this.#poison);
    return config;
  }

  writeConfig(offset: number, size: AccessSize, value: number): void {
    for (let index = 0; index < size; index += 1)
      this.#writeByte(offset + index, (value >>> (8 * index)) & 0xff);
  }

  notified(index: number): void {
    if (index === INFLATE) this.#pages(index, (address, length) => this.#inflated(address, length));
    else if (index === DEFLATE)
      this.#pages(index, (address, length) => this.#ports.deflated(address, length));
    else if (index === this.#queueOf('statistics')) this.#takeStatistics(index);
    else if (index === this.#queueOf('reporting') || index === REPORTING_BY_THE_TEXT) this.#report(index);
  }

  queueStopped(index: number): void {
    if (index === this.#queueOf('statistics')) this.#held = undefined;
  }

  reset(): void {
    this.#actual = 0;
    this.#poison = 0;
    this.#partial.actual.fill(0);
    this.#partial.poison.fill(0);
    this.#held = undefined;
    this.#reported = false;
  }

  save(): Saved {
    return {
      version: 1,
      target: this.#target,
      actual: this.#actual,
      poison: this.#poison,
      partialActual: this.#partial.actual.slice(),
      partialPoison: this.#partial.poison.slice(),
      reported: this.#reported,
      held: this.#held === undefined ? [] : [this.#held.id, this.#held.slots, this.#held.descriptors],
    };
  }

  restore(saved: Saved): void {
    const from = new SavedReader(saved, 'the memory balloon', 1);
    const held = from.numbers('held', { maximum: 3 });
    const [id, slots, descriptors] = held;
    if (slots !== undefined && !(slots >= 1 && slots <= 1024)) {
      throw new VmError('bad-file', "saved state of the memory balloon: 'held' is no chain");
    }
    this.#target = from.number('target');
    this.#actual = from.number('actual');
    this.#poison = from.number('poison');
    this.#partial.actual.set(from.bytes('partialActual', 4));
    this.#partial.poison.set(from.bytes('partialPoison', 4));
    this.#reported = from.boolean('reported');
    this.#held =
      id === undefined || slots === undefined || descriptors === undefined
        ? undefined
        : { id, slots, descriptors };
  }

  get #features(): bigint {
    return this.#transport?.features ?? 0n;
  }

  /** Legacy drivers write byte by byte, and a value counts once its last byte is there (section 5.5.6.2.1). */
  #writeByte(offset: number, byte: number): void {
    const { actual, poison } = this.#partial;
    if (offset >= FIELD.actual && offset < FIELD.actual + 4) {
      actual[offset - FIELD.actual] = byte;
      if (offset === FIELD.actual + 3) this.#actual = get32(actual, 0);
    } else if (offset >= FIELD.poison && offset < FIELD.poison + 4) {
      poison[offset - FIELD.poison] = byte;
      if (offset === FIELD.poison + 3) this.#poison = get32(poison, 0);
    }
  }

  /**
   * Index of an optional queue. Drivers and QEMU number only the queues that exist; the text numbers them all
   * (section 5.5.2), which differs where free page hints are missing before reports.
   */
  #queueOf(which: 'statistics' | 'reporting'): number | undefined {
    const statistics = has(this.#features, FEATURE.statistics);
    if (which === 'statistics') return statistics ? 2 : undefined;
    if (!has(this.#features, FEATURE.pageReporting)) return undefined;
    return statistics ? 3 : 2;
  }

  /** What stood in the page is lost (section 5.5.6): as zeros it takes no place in what is saved. */
  #inflated(address: bigint, length: number): void {
    this.#transport?.forget(address, length);
    this.#ports.inflated(address, length);
  }

  #reportedFree(address: bigint, length: number): void {
    this.#transport?.forget(address, length);
    this.#ports.reported(address, length);
  }

  #pages(index: number, give: (address: bigint, length: number) => void): void {
    const queue = this.#transport?.open(index);
    if (queue === undefined) return;
    for (let chain = queue.take(); chain !== undefined; chain = queue.take()) {
      if (chain.readable.length > NUMBERS_MAX) {
        this.#transport?.fail('a buffer of page numbers is too long');
        return;
      }
      const numbers = chain.readable.take(chain.readable.length);
      for (let at = 0; at + 4 <= numbers.length; at += 4) {
        const address = BigInt(get32(numbers, at)) << PAGE_SHIFT;
        // What is not RAM was never the guest's to give.
        if (this.#transport?.isRam(address, BALLOON_PAGE)) give(address, BALLOON_PAGE);
      }
      queue.use(chain, 0);
    }
  }

  #takeStatistics(index: number): void {
    const queue = this.#transport?.open(index);
    if (queue === undefined) return;
    for (let chain = queue.take(); chain !== undefined; chain = queue.take()) {
      const data = chain.readable.take(STATISTICS_MAX * STATISTIC_SIZE);
      // A legacy driver's first buffer was never initialised (section 5.5.6.3.3).
      if (!this.#transport?.legacy || this.#reported) this.#ports.statistics(decodeStatistics(data));
      this.#reported = true;
      // A driver has one buffer in the queue; of several, the last is kept.
      if (this.#held !== undefined) queue.use(this.#held, 0);
      this.#held = chain.identity;
    }
  }

  #report(index: number): void {
    if (!has(this.#features, FEATURE.pageReporting)) return;
    const queue = this.#transport?.open(index);
    if (queue === undefined) return;
    // A guest that counts on its poison in free pages keeps them as they are, unless what it fills with is zero.
    const keep = has(this.#features, FEATURE.pagePoison) && this.#poison !== 0;
    for (let chain = queue.take(); chain !== undefined; chain = queue.take()) {
      for (const { address, length } of keep ? [] : chain.writable.ranges()) {
        const end = (address + BigInt(length)) & -BigInt(BALLOON_PAGE);
        const start = (address + BigInt(BALLOON_PAGE) - 1n) & -BigInt(BALLOON_PAGE);
        if (end > start) this.#reportedFree(start, Number(end - start));
      }
      queue.use(chain, 0);
    }
  }
}

function decodeStatistics(data: Uint8Array): BalloonStatistics {
  const statistics: Partial<Record<StatisticName, bigint>> = {};
  for (let at = 0; at + STATISTIC_SIZE <= data.length; at += STATISTIC_SIZE) {
    const name = STATISTIC_NAMES[get16(data, at)];
    if (name !== undefined) statistics[name] = get64(data, at + 2);
  }
  return statistics;
}
