import type { AccessSize, Device, RegisterDescription, Saved } from '../contracts/device.ts';
import { SavedReader } from './saved.ts';

/** Keys every machine has (QEMU `docs/specs/fw_cfg`, "Selector (Key) Register"). */
const KEY = { signature: 0x0000, id: 0x0001, fileDirectory: 0x0019 } as const;
/** Feature bit of the traditional interface; the DMA one is not there. */
const FEATURE_TRADITIONAL = 1;

const DATA = 0;
const SELECTOR = 8;

/**
 * QEMU's firmware configuration device (`qemu,fw-cfg-mmio`): a key is selected, then its item is read byte by
 * byte. It offers the signature, the features and an empty directory of files, and no DMA.
 */
export class FwCfg implements Device {
  readonly registers = REGISTERS;
  #key = 0;
  #position = 0;

  read(offset: number, size: AccessSize): number {
    const value = this.peek(offset, size);
    if (offset >= DATA && offset < DATA + 8) this.#position += size;
    return value;
  }

  peek(offset: number, size: AccessSize): number {
    if (offset < DATA || offset >= DATA + 8) return 0;
    const item = ITEMS.get(this.#key);
    let value = 0;
    // The data register is a string of bytes: the first read stands in the lowest.
    for (let byte = 0; byte < size; byte += 1) value |= (item?.[this.#position + byte] ?? 0) << (8 * byte);
    return value >>> 0;
  }

  write(offset: number, size: AccessSize, value: number): void {
    if (offset !== SELECTOR || size !== 2) return;
    // The selector is big-endian on MMIO (fw_cfg, "Register Locations").
    this.#key = ((value & 0xff) << 8) | ((value >> 8) & 0xff);
    this.#position = 0;
  }

  reset(): void {
    this.#key = 0;
    this.#position = 0;
  }

  save(): Saved {
    return { version: 1, key: this.#key, position: this.#position };
  }

  restore(saved: Saved): void {
    const from = new SavedReader(saved, 'fw-cfg', 1);
    this.#key = from.number('key');
    this.#position = from.number('position');
  }
}

const ITEMS: ReadonlyMap<number, readonly number[]> = new Map([
  [KEY.signature, [...'QEMU'].map((character) => character.charCodeAt(0))],
  [KEY.id, [FEATURE_TRADITIONAL, 0, 0, 0]],
  // A big-endian count of files: none.
  [KEY.fileDirectory, [0, 0, 0, 0]],
]);

const REGISTERS: readonly RegisterDescription[] = [
  { name: 'data', offset: DATA, size: 8, access: 'read', description: 'Next bytes of the selected item' },
  { name: 'selector', offset: SELECTOR, size: 2, access: 'write', description: 'Key of an item, big-endian' },
];
