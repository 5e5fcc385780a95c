import type { PhysicalAddress } from '../base/brands.ts';
import { physical } from '../base/brands.ts';

/** One region of the board: the single source for bus, device tree and views. */
export interface Region {
  /** What views, traces and exit conditions call it. */
  readonly name: string;
  /** First compatible string of its device tree node. */
  readonly compatible: string;
  readonly base: PhysicalAddress;
  /** Bytes. */
  readonly size: number;
  /** Sources of the PLIC it drives. */
  readonly irqs: readonly number[];
}

/** Where RAM starts; its size is configuration. */
export const RAM_BASE = 0x8000_0000;

/** Transports for virtio devices, one a page from `virtio0` on. */
export const VIRTIO_SLOTS = 8;

const row = (
  name: string,
  compatible: string,
  base: number,
  size: number,
  irqs: readonly number[] = [],
): Region => ({ name, compatible, base: physical(base), size, irqs });

/** The memory map of QEMU's `virt` (its `hw/riscv/virt.c`, `virt_memmap`). */
export const MEMORY_MAP = {
  rom: row('rom', 'hartscope,boot-rom', 0x1000, 0xf000),
  test: row('test', 'sifive,test1', 0x10_0000, 0x1000),
  rtc: row('rtc', 'google,goldfish-rtc', 0x10_1000, 0x1000, [11]),
  clint: row('clint', 'sifive,clint0', 0x200_0000, 0x1_0000),
  pcieIo: row('pcie-io', 'pci-host-ecam-generic', 0x300_0000, 0x1_0000),
  /** Nothing answers in it. */
  platformBus: row('platform-bus', 'qemu,platform', 0x400_0000, 0x200_0000),
  plic: row('plic', 'sifive,plic-1.0.0', 0xc00_0000, 0x60_0000),
  uart: row('uart0', 'ns16550a', 0x1000_0000, 0x100, [10]),
  virtio: Array.from({ length: VIRTIO_SLOTS }, (_, slot) =>
    row(`virtio${slot}`, 'virtio,mmio', 0x1000_1000 + slot * 0x1000, 0x1000, [1 + slot]),
  ),
  fwCfg: row('fw-cfg', 'qemu,fw-cfg-mmio', 0x1010_0000, 0x18),
  flash: [0, 1].map((bank) => row(`flash${bank}`, 'cfi-flash', 0x2000_0000 + bank * 0x200_0000, 0x200_0000)),
  pcieEcam: row('pcie-ecam', 'pci-host-ecam-generic', 0x3000_0000, 0x1000_0000, [32, 33, 34, 35]),
  pcieMmio: row('pcie-mmio', 'pci-host-ecam-generic', 0x4000_0000, 0x4000_0000),
} as const;
