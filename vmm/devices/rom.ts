import type { AccessSize, Device, RegisterDescription, Saved } from '../contracts/device.ts';
import { SavedReader } from './saved.ts';

/** Read-only memory on the bus: bytes given at construction, zero behind them; writes have no effect. */
export class Rom implements Device {
  readonly registers: readonly RegisterDescription[] = [];
  readonly #contents: Uint8Array;

  constructor(contents: Uint8Array) {
    this.#contents = contents;
  }

  read(offset: number, size: AccessSize): number {
    return this.peek(offset, size);
  }

  peek(offset: number, size: AccessSize): number {
    let value = 0;
    for (let byte = 0; byte < size; byte += 1) value |= (this.#contents[offset + byte] ?? 0) << (8 * byte);
    return value >>> 0;
  }

  write(): void {}

  /** Its contents are configuration, not state. */
  reset(): void {}

  save(): Saved {
    return { version: 1 };
  }

  restore(saved: Saved): void {
    new SavedReader(saved, 'the boot ROM', 1);
  }
}
