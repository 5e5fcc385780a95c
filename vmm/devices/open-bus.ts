import type { AccessSize, Device, RegisterDescription, Saved } from '../contracts/device.ts';
import { SavedReader } from './saved.ts';

/** A PCI window that no device decodes: reads give all ones, writes are lost (PCI, "Master-Abort"). */
export class OpenBus implements Device {
  readonly registers: readonly RegisterDescription[] = [];

  read(offset: number, size: AccessSize): number {
    return this.peek(offset, size);
  }

  peek(_offset: number, size: AccessSize): number {
    return size === 4 ? 0xffff_ffff : (1 << (8 * size)) - 1;
  }

  write(): void {}

  reset(): void {}

  save(): Saved {
    return { version: 1 };
  }

  restore(saved: Saved): void {
    new SavedReader(saved, 'the PCI window', 1);
  }
}
