import type { AccessSize, Device, RegisterDescription, Saved } from '../contracts/device.ts';
import { SavedReader } from './saved.ts';

/** The registers an empty slot answers; see virtio 1.2, "MMIO Device Register Layout". */
const MAGIC = 0x7472_6976; // "virt"
const VERSION = { legacy: 1, current: 2 } as const;
const VENDOR_QEMU = 0x554d_4551;

/**
 * A virtio-over-MMIO transport with nothing plugged in: device 0, which drivers skip (virtio 1.2, section 4.2.3.1.1).
 * It has no state and its writes have no effect.
 */
export class EmptyVirtioSlot implements Device {
  readonly registers = REGISTERS;
  readonly #version: number;

  /** QEMU's slots are in the legacy layout unless told otherwise; drivers look at the device first. */
  constructor(legacy = true) {
    this.#version = legacy ? VERSION.legacy : VERSION.current;
  }

  read(offset: number, size: AccessSize): number {
    return this.peek(offset, size);
  }

  peek(offset: number, size: AccessSize): number {
    if (size !== 4) return 0;
    switch (offset) {
      case 0x000:
        return MAGIC;
      case 0x004:
        return this.#version;
      case 0x00c:
        return VENDOR_QEMU;
      default:
        return 0;
    }
  }

  write(): void {}

  reset(): void {}

  save(): Saved {
    return { version: 1 };
  }

  restore(saved: Saved): void {
    new SavedReader(saved, 'the virtio slot', 1);
  }
}

const REGISTERS: readonly RegisterDescription[] = [
  { name: 'MagicValue', offset: 0x000, size: 4, access: 'read', description: '"virt"' },
  { name: 'Version', offset: 0x004, size: 4, access: 'read', description: '1 is the legacy layout' },
  { name: 'DeviceID', offset: 0x008, size: 4, access: 'read', description: '0: the slot is empty' },
  { name: 'VendorID', offset: 0x00c, size: 4, access: 'read' },
];
