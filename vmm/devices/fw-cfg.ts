import type {
  AccessSize,
  Device,
  FieldDescription,
  RegisterDescription,
  Saved,
} from '../contracts/device.ts';
import type { GuestDma } from '../contracts/dma.ts';
import { type FwCfgConfig, fwCfgItems } from './fw-cfg-items.ts';
import { SavedReader } from './saved.ts';

const DATA = 0;
const DATA_END = 8;
const SELECTOR = 8;
const DMA = 16;
const DMA_LOW = 20;

/** What the DMA register reads as, big-endian (fw_cfg, "Guest-side DMA Interface"). */
const DMA_SIGNATURE = [...'QEMU CFG'].map((character) => character.charCodeAt(0));
/** A bit of keys that once was for writing, and is no part of what they select. */
const WRITE_CHANNEL = 0x4000;
/** A request in memory: control, length, address; all big-endian. */
const REQUEST = { bytes: 16, control: 0, length: 4, address: 8 } as const;
const CONTROL = { error: 1, read: 2, skip: 4, select: 8, write: 16 } as const;

/**
 * QEMU's firmware configuration device (`qemu,fw-cfg-mmio`; QEMU `docs/specs/fw_cfg`): a key is selected, then its item is read
 * through the data register or by DMA. Nothing can be written: no item of this board is for writing.
 */
export class FwCfg implements Device {
  readonly registers = REGISTERS;
  readonly #items: ReadonlyMap<number, Uint8Array>;
  readonly #dma: GuestDma;
  #key = 0;
  #position = 0;
  /** High word of a request's address, which the low one completes. */
  #addressHigh = 0;

  constructor(config: FwCfgConfig, dma: GuestDma) {
    this.#items = fwCfgItems(config);
    this.#dma = dma;
  }

  read(offset: number, size: AccessSize): number {
    const value = this.peek(offset, size);
    if (offset < DATA_END) this.#position = Math.min(this.#position + size, this.#item.length);
    return value;
  }

  peek(offset: number, size: AccessSize): number {
    let value = 0;
    for (let byte = 0; byte < size; byte += 1) {
      // The data register is a string of bytes: the first one read stands in the lowest.
      const from = offset < DATA_END ? this.#item[this.#position + byte] : DMA_SIGNATURE[offset - DMA + byte];
      value |= (from ?? 0) << (8 * byte);
    }
    return value >>> 0;
  }

  write(offset: number, size: AccessSize, value: number): void {
    if (offset === SELECTOR && size === 2) {
      this.#select(((value & 0xff) << 8) | ((value >> 8) & 0xff));
    } else if (offset === DMA && size === 4) {
      this.#addressHigh = swap(value);
    } else if (offset === DMA_LOW && size === 4) {
      const address = (BigInt(this.#addressHigh) << 32n) | BigInt(swap(value));
      this.#addressHigh = 0;
      this.#carryOut(address);
    }
  }

  reset(): void {
    this.#key = 0;
    this.#position = 0;
    this.#addressHigh = 0;
  }

  save(): Saved {
    return { version: 2, key: this.#key, position: this.#position, addressHigh: this.#addressHigh };
  }

  restore(saved: Saved): void {
    const from = new SavedReader(saved, 'fw-cfg', 2);
    this.#key = from.number('key');
    this.#position = from.number('position');
    this.#addressHigh = from.number('addressHigh');
  }

  get #item(): Uint8Array {
    return this.#items.get(this.#key & ~WRITE_CHANNEL) ?? NOTHING;
  }

  #select(key: number): void {
    this.#key = key;
    this.#position = 0;
  }

  /** Carries out the request at an address; a request that cannot be read has nowhere to tell its error. */
  #carryOut(address: bigint): void {
    const request = this.#dma.view(address, REQUEST.bytes);
    if (request === undefined) return;
    const view = new DataView(request.buffer, request.byteOffset, REQUEST.bytes);
    const control = view.getUint32(REQUEST.control);
    if ((control & CONTROL.select) !== 0) this.#select(control >>> 16);
    const done = this.#transfer(control, view.getUint32(REQUEST.length), view.getBigUint64(REQUEST.address));
    view.setUint32(REQUEST.control, done ? 0 : CONTROL.error);
    this.#dma.wrote(address, REQUEST.bytes);
  }

  /** Behind an item's end zeros are read. A request of several kinds is of the first. False for an error. */
  #transfer(control: number, length: number, address: bigint): boolean {
    const item = this.#item;
    if (length === 0) return true;
    const from = this.#position;
    const taken = Math.min(length, item.length - from);
    if ((control & CONTROL.read) !== 0) {
      const target = this.#dma.view(address, length);
      if (target === undefined) return false;
      target.set(item.subarray(from, from + taken));
      target.fill(0, taken);
      this.#dma.wrote(address, length);
    } else if ((control & CONTROL.write) !== 0) {
      return false;
    } else if ((control & CONTROL.skip) === 0) {
      return true;
    }
    this.#position = from + taken;
    return true;
  }
}

const NOTHING = new Uint8Array(0);

const swap = (word: number): number =>
  (((word & 0xff) << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0;

const controlBit = (name: string, bit: number, description: string): FieldDescription => ({
  name,
  low: bit,
  high: bit,
  description,
});

const REGISTERS: readonly RegisterDescription[] = [
  { name: 'data', offset: DATA, size: 8, access: 'read', description: 'Next bytes of the selected item' },
  {
    name: 'selector',
    offset: SELECTOR,
    size: 2,
    access: 'write',
    description: 'Key of an item, big-endian',
    fields: [
      controlBit('ARCH', 7, 'an item of the architecture'),
      controlBit('WRITE', 6, 'a key for writing, which no item has any more'),
    ],
  },
  {
    name: 'dma',
    offset: DMA,
    size: 8,
    description: 'Reads "QEMU CFG"; the address of a request, big-endian, whose low word carries it out',
  },
];
