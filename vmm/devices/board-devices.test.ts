import { describe, expect, test } from 'vitest';
import type { Device } from '../contracts/device.ts';
import type { GuestDma } from '../contracts/dma.ts';
import { Flash } from './flash.ts';
import { FwCfg } from './fw-cfg.ts';
import { OpenBus } from './open-bus.ts';
import { PcieEcam } from './pcie-ecam.ts';
import { Rom } from './rom.ts';
import { SifiveTest } from './sifive-test.ts';
import { EmptyVirtioSlot } from './virtio-slot.ts';

describe('test finisher', () => {
  test.each([
    [4, 0x5555, ['pass', 0]],
    [4, 0x0001_3333, ['fail', 1]],
    [4, 0xffff_3333, ['fail', 0xffff]],
    [2, 0x3333, ['fail', 0]],
    [4, 0x7777, ['reset', 0]],
    [4, 0x1234, null],
    [1, 0x55, null],
  ] as const)('%d bytes of 0x%x', (size, value, expected) => {
    const calls: unknown[] = [];
    new SifiveTest({ finish: (how, code) => calls.push([how, code]) }).write(0, size, value);
    expect(calls).toEqual(expected === null ? [] : [expected]);
  });

  test('only its register acts', () => {
    const device = new SifiveTest({ finish: () => expect.unreachable() });
    device.write(4, 4, 0x5555);
    expect(device.read()).toBe(0);
  });
});

test('an empty virtio slot says so', () => {
  const slot = new EmptyVirtioSlot();
  expect([0, 4, 8, 12, 0x100].map((offset) => slot.read(offset, 4))).toEqual([
    0x7472_6976, 1, 0, 0x554d_4551, 0,
  ]);
  slot.write();
  expect(slot.read(0, 1)).toBe(0);
});

describe('firmware configuration', () => {
  const config = { harts: 4, memory: 3 * 2 ** 30, kernel: Uint8Array.of(1, 2, 3), commandLine: 'quiet' };
  /** RAM from address 0 on, for requests. */
  const ram = new Uint8Array(0x1000);
  const wrote: [bigint, number][] = [];
  const dma: GuestDma = {
    view: (address, length) =>
      address + BigInt(length) <= 0x1000n
        ? ram.subarray(Number(address), Number(address) + length)
        : undefined,
    wrote: (address, length) => wrote.push([address, length]),
    forgot: () => expect.unreachable(),
  };
  const make = (): FwCfg => new FwCfg(config, dma);
  const select = (device: FwCfg, key: number): void => device.write(8, 2, ((key & 0xff) << 8) | (key >> 8));

  test.each([
    [0x00, [0x51, 0x45, 0x4d, 0x55, 0]],
    [0x01, [3, 0, 0, 0, 0]],
    [0x03, [0, 0, 0, 0xc0, 0, 0, 0, 0, 0]],
    [0x05, [4, 0, 0]],
    [0x08, [3, 0, 0, 0, 0]],
    [0x11, [1, 2, 3, 0]],
    [0x14, [6, 0, 0, 0]],
    [0x15, [...'quiet\0\0'].map((character) => character.charCodeAt(0))],
    [0x19, [0, 0, 0, 3, 0, 0, 0, 0, 0, 0x20, 0, 0, 0x62]],
    [0x22, [0xff, 0xff, 0xff, 0xff, 0]],
    [0x4005, [4, 0]],
    [0x42, [0, 0, 0, 0, 0]],
  ])('item 0x%x byte by byte', (key, bytes) => {
    const device = make();
    select(device, key);
    expect(bytes.map(() => device.read(0, 1))).toEqual(bytes);
  });

  test('wide reads take several bytes, and peeking none', () => {
    const device = make();
    select(device, 0);
    expect(device.peek(0, 4)).toBe(0x554d_4551);
    expect(device.read(0, 2)).toBe(0x4551);
    const other = make();
    other.restore(structuredClone(device.save()));
    expect(other.read(0, 2)).toBe(0x554d);
  });

  /** Writes a request to RAM and its address to the device; gives back the control word. */
  function request(device: FwCfg, control: number, length: number, address: bigint, at = 0x100): number {
    const view = new DataView(ram.buffer);
    view.setUint32(at, control);
    view.setUint32(at + 4, length);
    view.setBigUint64(at + 8, address);
    const swapped = new DataView(new ArrayBuffer(4));
    swapped.setUint32(0, at);
    device.write(16, 4, 0);
    device.write(20, 4, swapped.getUint32(0, true));
    return view.getUint32(at);
  }
  const [ERROR, READ, SKIP, SELECT, WRITE] = [1, 2, 4, 8, 16];

  test('its DMA register says that there is DMA', () => {
    expect([make().read(16, 4), make().read(20, 4)]).toEqual([0x554d_4551, 0x4746_4320]);
  });

  test('DMA selects, reads and skips, with zeros behind the end', () => {
    const device = make();
    ram.fill(0xaa);
    wrote.length = 0;
    expect(request(device, (0x11 << 16) | SELECT | READ, 2, 0x200n)).toBe(0);
    expect([...ram.subarray(0x200, 0x203)]).toEqual([1, 2, 0xaa]);
    expect(wrote).toEqual([
      [0x200n, 2],
      [0x100n, 16],
    ]);
    expect(request(device, READ, 4, 0x200n)).toBe(0);
    expect([...ram.subarray(0x200, 0x205)]).toEqual([3, 0, 0, 0, 0xaa]);
    expect(request(device, (0x15 << 16) | SELECT | SKIP, 3, 0n)).toBe(0);
    expect(device.read(0, 2)).toBe(0x7465);
    expect(request(device, (0x777 << 16) | SELECT | READ, 1, 0x200n)).toBe(0);
    expect(ram[0x200]).toBe(0);
    expect(request(device, 0, 5, 0x200n)).toBe(0);
  });

  test('DMA that writes, or reads to where there is no RAM, is an error', () => {
    const device = make();
    expect(request(device, (0x11 << 16) | SELECT | WRITE, 2, 0x200n)).toBe(ERROR);
    expect(request(device, READ, 2, 0xfff_ffffn)).toBe(ERROR);
    expect(request(device, READ, 0, 0xfff_ffffn)).toBe(0);
    // The request itself is out of reach: nothing to be told, and nothing done.
    const before = ram.slice();
    device.write(16, 4, 0xffff_ffff);
    device.write(20, 4, 0xffff_ffff);
    expect(ram).toEqual(before);
  });
});

describe('PCIe host', () => {
  test('the host bridge is there and nothing else', () => {
    const ecam = new PcieEcam();
    expect(ecam.read(0, 4)).toBe(0x0008_1b36);
    expect(ecam.read(8, 4)).toBe(0x0600_0000);
    expect(ecam.read(0x2c, 4)).toBe(0x1100_1af4);
    expect(ecam.read(0x1000, 4)).toBe(0xffff_ffff);
    expect(ecam.read(0x8000, 2)).toBe(0xffff);
    expect(ecam.read(0x100, 4)).toBe(0);
  });

  test('only enables and the interrupt line can be written', () => {
    const ecam = new PcieEcam();
    ecam.write(0, 4, 0);
    ecam.write(4, 4, 0xffff_ffff);
    ecam.write(0x10, 4, 0xffff_ffff);
    ecam.write(0x1004, 4, 0xffff_ffff);
    ecam.write(0x3c, 1, 0x21);
    expect([0, 4, 0x10, 0x3c].map((offset) => ecam.read(offset, 4))).toEqual([0x0008_1b36, 0x0503, 0, 0x21]);
    const saved = structuredClone(ecam.save());
    ecam.reset();
    expect(ecam.read(4, 4)).toBe(0);
    ecam.restore(saved);
    expect(ecam.read(4, 4)).toBe(0x0503);
  });

  test('windows that nothing decodes read as ones', () => {
    const window = new OpenBus();
    expect([window.read(0, 1), window.read(0, 2), window.read(0, 4)]).toEqual([0xff, 0xffff, 0xffff_ffff]);
  });
});

test('a ROM reads and does not write', () => {
  const rom = new Rom(Uint8Array.of(1, 2, 3));
  rom.write();
  expect([rom.read(0, 4), rom.read(1, 2), rom.read(2, 1), rom.read(100, 4)]).toEqual([
    0x0003_0201, 0x0302, 3, 0,
  ]);
});

test.each<[string, Device]>([
  ['test finisher', new SifiveTest({ finish: () => {} })],
  ['virtio slot', new EmptyVirtioSlot()],
  [
    'firmware configuration',
    new FwCfg({ harts: 1, memory: 0 }, { view: () => undefined, wrote: () => {}, forgot: () => {} }),
  ],
  ['flash', new Flash(1 << 20)],
  ['PCIe host', new PcieEcam()],
  ['PCI window', new OpenBus()],
  ['ROM', new Rom(new Uint8Array(0))],
])('%s refuses state of another version', (_, device) => {
  device.restore(structuredClone(device.save()));
  expect(() => device.restore({ version: 99 })).toThrow(/version 99/);
});
