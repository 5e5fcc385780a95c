import { VmError } from '../../base/vm-error.ts';
import type { AccessSize, Saved } from '../../contracts/device.ts';
import type { BlockImage } from '../../contracts/storage.ts';
import { SavedReader } from '../saved.ts';
import {
  BLOCK_FEATURE,
  BLOCK_REGISTERS,
  blockConfig,
  RANGE_SECTORS_MAX,
  RANGES_MAX,
  SECTOR,
  WRITEBACK,
} from './block-config.ts';
import type { Chain } from './chain.ts';
import { DEVICE_ID, has } from './constants.ts';
import type { VirtioDevice, VirtioTransport } from './device.ts';
import { get32, get64 } from './little-endian.ts';

/** Kinds of requests (section 5.2.6); `flushOut` is legacy's other name of a flush (section 5.2.6.3). */
const TYPE = { in: 0, out: 1, flush: 4, flushOut: 5, getId: 8, discard: 11, writeZeroes: 13 } as const;
const STATUS = { ok: 0, ioError: 1, unsupported: 2 } as const;
type Status = (typeof STATUS)[keyof typeof STATUS];

const HEADER_SIZE = 16;
const RANGE_SIZE = 16;
const UNMAP = 1;
const ID_SIZE = 20;
/** Bytes that one request moves: far beyond what any driver asks for, and served without a look at the control port. */
const REQUEST_BYTES_MAX = 64 << 20;

export interface BlockOptions {
  readonly image: BlockImage;
  /** The ID string, cut to 20 bytes of ASCII; `/dev/disk/by-id` shows it. */
  readonly serial: string;
}

/** A disk (virtio 1.2, section 5.2). */
export class VirtioBlock implements VirtioDevice {
  readonly id = DEVICE_ID.block;
  readonly name = 'block device';
  readonly features: bigint;
  readonly queues = 1;
  readonly configRegisters = BLOCK_REGISTERS;
  readonly #image: BlockImage;
  readonly #serial: Uint8Array;
  readonly #sectors: number;
  #transport: VirtioTransport | undefined;
  #writeback = true;

  constructor({ image, serial }: BlockOptions) {
    this.#image = image;
    this.#sectors = Math.floor(image.size / SECTOR);
    this.#serial = new Uint8Array(ID_SIZE);
    this.#serial.set(new TextEncoder().encode(serial.replace(/[^\x20-\x7e]/g, '?')).subarray(0, ID_SIZE));
    const common = BLOCK_FEATURE.segMax | BLOCK_FEATURE.blockSize | BLOCK_FEATURE.flush;
    this.features = image.readOnly
      ? common | BLOCK_FEATURE.readOnly
      : common | BLOCK_FEATURE.configWce | BLOCK_FEATURE.discard | BLOCK_FEATURE.writeZeroes;
  }

  plug(transport: VirtioTransport): void {
    this.#transport = transport;
  }

  config(): Uint8Array {
    return blockConfig(this.#sectors, this.#writeback);
  }

  writeConfig(offset: number, _size: AccessSize, value: number): void {
    if (offset === WRITEBACK && has(this.features, BLOCK_FEATURE.configWce))
      this.#writeback = (value & 1) !== 0;
  }

  negotiated(): void {
    // A driver that cannot flush gets a cache that needs none (section 5.2.5.2).
    if (!has(this.#features, BLOCK_FEATURE.flush)) this.#writeback = false;
  }

  notified(index: number): void {
    const queue = this.#transport?.open(index);
    if (queue === undefined) return;
    for (let chain = queue.take(); chain !== undefined; chain = queue.take()) {
      if (chain.readable.length < HEADER_SIZE || chain.writable.length < 1) {
        this.#transport?.fail('a block request has no header or no room for its status');
        return;
      }
      chain.writable.putLast(this.#serve(chain));
      queue.use(chain, chain.writable.written);
    }
  }

  reset(): void {
    this.#writeback = true;
  }

  save(): Saved {
    return { version: 1, sectors: this.#sectors, writeback: this.#writeback };
  }

  restore(saved: Saved): void {
    const from = new SavedReader(saved, 'the block device', 1);
    const sectors = from.number('sectors');
    if (sectors !== this.#sectors) {
      throw new VmError(
        'bad-file',
        `the disk had ${sectors} sectors when it was saved, not ${this.#sectors}`,
      );
    }
    this.#writeback = from.boolean('writeback');
  }

  get #features(): bigint {
    return this.#transport?.features ?? 0n;
  }

  #serve(chain: Chain): Status {
    const header = chain.readable.take(HEADER_SIZE);
    const sector = get64(header, 8);
    try {
      switch (get32(header, 0)) {
        case TYPE.in:
          return this.#read(chain, sector);
        case TYPE.out:
          return this.#write(chain, sector);
        case TYPE.flush:
        case TYPE.flushOut:
          this.#image.flush();
          return STATUS.ok;
        case TYPE.getId:
          chain.writable.put(this.#serial.subarray(0, chain.writable.length - 1));
          return STATUS.ok;
        case TYPE.discard:
          return this.#ranges(chain, false);
        case TYPE.writeZeroes:
          return this.#ranges(chain, true);
        default:
          return STATUS.unsupported;
      }
    } catch (error) {
      // The host's failure is an I/O error to the guest; anything else is ours.
      if (error instanceof VmError) return STATUS.ioError;
      throw error;
    }
  }

  #read(chain: Chain, sector: bigint): Status {
    const length = chain.writable.length - 1;
    if (!this.#fits(sector, length)) return STATUS.ioError;
    const start = Number(sector) * SECTOR;
    if (chain.writable.multiplesOf(SECTOR, length)) {
      chain.writable.fill(length, (view, done) => this.#image.read(start + done, view));
    } else {
      const data = new Uint8Array(length);
      this.#image.read(start, data);
      chain.writable.put(data);
    }
    return STATUS.ok;
  }

  #write(chain: Chain, sector: bigint): Status {
    const length = chain.readable.remaining;
    if (this.#image.readOnly || !this.#fits(sector, length)) return STATUS.ioError;
    let offset = Number(sector) * SECTOR;
    const views = chain.readable.views(length);
    const whole = views.every((view) => view.length % SECTOR === 0) ? views : [joined(views, length)];
    for (const view of whole) {
      this.#image.write(offset, view);
      offset += view.length;
    }
    this.#settle();
    return STATUS.ok;
  }

  #ranges(chain: Chain, zero: boolean): Status {
    if (this.#image.readOnly) return STATUS.ioError;
    const length = chain.readable.remaining;
    const wanted = zero ? BLOCK_FEATURE.writeZeroes : BLOCK_FEATURE.discard;
    if (!has(this.#features, wanted)) return STATUS.unsupported;
    if (length === 0 || length % RANGE_SIZE !== 0 || length > RANGES_MAX * RANGE_SIZE) return STATUS.ioError;
    const data = chain.readable.take(length);
    const ranges = Array.from({ length: length / RANGE_SIZE }, (_, index) => ({
      sector: get64(data, index * RANGE_SIZE),
      sectors: get32(data, index * RANGE_SIZE + 8),
      flags: get32(data, index * RANGE_SIZE + 12),
    }));
    // Only write-zeroes has a flag, UNMAP (section 5.2.6.2).
    const known = zero ? UNMAP : 0;
    if (ranges.some(({ flags }) => (flags & ~known) !== 0)) return STATUS.unsupported;
    const fit = ranges.every(
      ({ sector, sectors }) =>
        sectors <= RANGE_SECTORS_MAX && sector + BigInt(sectors) <= BigInt(this.#sectors),
    );
    if (!fit) return STATUS.ioError;
    for (const { sector, sectors } of ranges) {
      if (sectors === 0) continue;
      if (zero) this.#image.writeZeroes(Number(sector) * SECTOR, sectors * SECTOR);
      else this.#image.discard(Number(sector) * SECTOR, sectors * SECTOR);
    }
    this.#settle();
    return STATUS.ok;
  }

  #fits(sector: bigint, length: number): boolean {
    return (
      length % SECTOR === 0 &&
      length <= REQUEST_BYTES_MAX &&
      sector + BigInt(length / SECTOR) <= BigInt(this.#sectors)
    );
  }

  /** Which writes are stable once they are completed (section 5.2.6.2, cases 1 and 2). */
  #settle(): void {
    const toggled = has(this.#features, BLOCK_FEATURE.configWce);
    const cached = toggled ? this.#writeback : has(this.#features, BLOCK_FEATURE.flush);
    if (!cached) this.#image.flush();
  }
}

function joined(views: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const view of views) {
    whole.set(view, at);
    at += view.length;
  }
  return whole;
}
