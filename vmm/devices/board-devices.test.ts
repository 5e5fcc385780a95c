import { describe, expect, test } from 'vitest';
import type { Device } from '../contracts/device.ts';
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
  const select = (device: FwCfg, key: number): void => device.write(8, 2, ((key & 0xff) << 8) | (key >> 8));

  test.each([
    [0x00, [0x51, 0x45, 0x4d, 0x55, 0]],
    [0x01, [1, 0, 0, 0, 0]],
    [0x19, [0, 0, 0, 0, 0]],
    [0x42, [0, 0, 0, 0, 0]],
  ])('item 0x%x byte by byte', (key, bytes) => {
    const device = new FwCfg();
    select(device, key);
    expect(bytes.map(() => device.read(0, 1))).toEqual(bytes);
  });

  test('wide reads take several bytes, and peeking none', () => {
    const device = new FwCfg();
    select(device, 0);
    expect(device.peek(0, 4)).toBe(0x554d_4551);
    expect(device.read(0, 2)).toBe(0x4551);
    const other = new FwCfg();
    other.restore(structuredClone(device.save()));
    expect(other.read(0, 2)).toBe(0x554d);
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
  ['firmware configuration', new FwCfg()],
  ['PCIe host', new PcieEcam()],
  ['PCI window', new OpenBus()],
  ['ROM', new Rom(new Uint8Array(0))],
])('%s refuses state of another version', (_, device) => {
  device.restore(structuredClone(device.save()));
  expect(() => device.restore({ version: 99 })).toThrow(/version 99/);
});
