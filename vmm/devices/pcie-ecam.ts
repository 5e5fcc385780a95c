import type { AccessSize, Device, RegisterDescription, Saved } from '../contracts/device.ts';
import { SavedReader } from './saved.ts';

/** Configuration space of one function in the enhanced configuration access mechanism (PCIe, section 7.2.2). */
const FUNCTION_SIZE = 0x1000;

/** What can be written of the host bridge: the command's enables, and the interrupt line. */
const WRITABLE: ReadonlyMap<number, number> = new Map([
  [0x04, 0x03],
  [0x05, 0x05],
  [0x3c, 0xff],
]);

/**
 * The configuration space of a PCIe host with nothing on its bus but the host bridge itself, as
 * `pci-host-ecam-generic` describes it. Functions that do not exist read as all ones (PCI, "Configuration Reads").
 */
export class PcieEcam implements Device {
  readonly registers = REGISTERS;
  readonly #bridge = hostBridge();

  read(offset: number, size: AccessSize): number {
    return this.peek(offset, size);
  }

  peek(offset: number, size: AccessSize): number {
    let value = 0;
    for (let byte = 0; byte < size; byte += 1) {
      const contents = offset < FUNCTION_SIZE ? (this.#bridge[offset + byte] ?? 0) : 0xff;
      value |= contents << (8 * byte);
    }
    return value >>> 0;
  }

  write(offset: number, size: AccessSize, value: number): void {
    for (let byte = 0; byte < size; byte += 1) {
      const mask = WRITABLE.get(offset + byte) ?? 0;
      if (mask === 0) continue;
      const old = this.#bridge[offset + byte]!;
      this.#bridge[offset + byte] = (old & ~mask) | ((value >>> (8 * byte)) & mask);
    }
  }

  reset(): void {
    this.#bridge.set(hostBridge());
  }

  save(): Saved {
    return { version: 1, bridge: [...this.#bridge] };
  }

  restore(saved: Saved): void {
    this.#bridge.set(new SavedReader(saved, 'the PCIe host', 1).numbers('bridge', this.#bridge.length));
  }
}

/** A type 0 header: vendor Red Hat, device "QEMU PCIe Host bridge", class host bridge. */
function hostBridge(): Uint8Array {
  const header = new Uint8Array(256);
  const view = new DataView(header.buffer);
  view.setUint16(0x00, 0x1b36, true);
  view.setUint16(0x02, 0x0008, true);
  view.setUint16(0x0a, 0x0600, true);
  view.setUint16(0x2c, 0x1af4, true);
  view.setUint16(0x2e, 0x1100, true);
  return header;
}

const REGISTERS: readonly RegisterDescription[] = [
  { name: 'VendorID', offset: 0x00, size: 2, access: 'read', description: 'of the host bridge at 00:00.0' },
  { name: 'DeviceID', offset: 0x02, size: 2, access: 'read' },
  { name: 'Command', offset: 0x04, size: 2 },
  { name: 'Status', offset: 0x06, size: 2, access: 'read' },
  { name: 'ClassCode', offset: 0x08, size: 4, access: 'read' },
];
