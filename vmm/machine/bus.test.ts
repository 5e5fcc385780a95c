import { beforeEach, expect, test } from 'vitest';
import type { AccessSize, Device } from '../contracts/device.ts';
import { Exits } from '../exits/exits.ts';
import { exitBreakpointSchema } from '../protocol/messages.ts';
import { Bus } from './bus.ts';
import type { Region } from './memory-map.ts';

/** Remembers accesses; reads give the offset in every byte. */
class Recorder implements Device {
  readonly registers = [
    { name: 'data', offset: 0, size: 4, access: 'read' },
    { name: 'command', offset: 0, size: 4, access: 'write' },
    { name: 'bank', offset: 0x10, size: 2, count: 4, stride: 4 },
    { name: 'wide', offset: 0x20, size: 8 },
  ] as const;
  readonly accesses: string[] = [];

  read(offset: number, size: AccessSize): number {
    this.accesses.push(`read ${offset} ${size}`);
    return this.peek(offset, size);
  }
  peek(offset: number, size: AccessSize): number {
    return (offset * 0x0101_0101) >>> (32 - 8 * size);
  }
  write(offset: number, size: AccessSize, value: number): void {
    this.accesses.push(`write ${offset} ${size} ${value.toString(16)}`);
  }
  reset(): void {}
  save() {
    return { version: 1 };
  }
  restore(): void {}
}

const BASE = 0x1000_0000;
let device: Recorder;
let exits: Exits;
let bus: Bus;
let now: number;

beforeEach(() => {
  device = new Recorder();
  now = 0;
  exits = new Exits({ harts: 1, where: () => ({ pc: 0n, step: 0n }), log: () => {}, stopped: () => {} });
  const region = {
    name: 'dev0',
    compatible: 'x',
    base: BigInt(BASE),
    size: 0x100,
    irqs: [],
  } as unknown as Region;
  bus = new Bus({ devices: [{ region, device }], exits, nowNs: () => (now += 10) });
});

test.each([
  [1, 0x04n],
  [2, 0x0404n],
  [4, 0x0404_0404n],
  [8, 0x0808_0808_0404_0404n],
])('a read of %d bytes', (size, value) => {
  expect(bus.read(0, BASE + 4, size)).toBe('ok');
  expect((BigInt(bus.high >>> 0) << 32n) | BigInt(bus.low >>> 0)).toBe(value);
  expect(device.accesses).toEqual(size === 8 ? ['read 4 4', 'read 8 4'] : [`read 4 ${size}`]);
});

test('writes are cut to their size, 8 bytes to two words', () => {
  for (const size of [1, 2, 4, 8]) bus.write(0, BASE, size, 0x4433_2211, 0x8877_6655);
  expect(device.accesses).toEqual([
    'write 0 1 11',
    'write 0 2 2211',
    'write 0 4 44332211',
    'write 0 4 44332211',
    'write 4 4 88776655',
  ]);
});

test.each([BASE - 1, BASE + 0x100, BASE + 0xfc + 1, 0])('nothing answers at 0x%s', (address) => {
  const size = address === BASE + 0xfd ? 4 : 1;
  expect(bus.read(0, address, size)).toBe('fault');
  expect(bus.write(0, address, size, 0, 0)).toBe('fault');
  expect(exits.stats().counts).toEqual([]);
});

test('each access is one exit, named by what is there', () => {
  exits.setTraced(['mmio']);
  bus.read(0, BASE, 4);
  bus.write(0, BASE, 4, 1, -1);
  bus.read(0, BASE + 0x14, 2);
  bus.write(0, BASE + 0x20, 8, 2, 1);
  bus.read(0, BASE + 0x12, 1);
  const told = exits
    .trace(0, 10, {})
    .records.map(({ exit, handlerNs }) =>
      exit.kind === 'mmio' ? [exit.register, exit.offset, exit.size, exit.write, exit.value, handlerNs] : [],
    );
  expect(told).toEqual([
    ['data', 0, 4, false, 0n, 10],
    ['command', 0, 4, true, 1n, 10],
    ['bank[1]', 0x14, 2, false, 0x1414n, 10],
    ['wide', 0x20, 8, true, 0x1_0000_0002n, 10],
    ['reserved', 0x12, 1, false, 0x12n, 10],
  ]);
  expect(exits.stats().counts).toEqual([{ kind: 'mmio', hart: 0, count: 5 }]);
});

test('a stop in pre keeps the device untouched; resumed, the access is made and counted once', () => {
  exits.setBreakpoints([exitBreakpointSchema.parse({ kind: 'mmio', condition: 'write && value == 7' })]);
  expect(bus.write(0, BASE, 4, 6, 0)).toBe('ok');
  expect(bus.write(0, BASE, 4, 7, 0)).toBe('stop');
  expect(device.accesses).toEqual(['write 0 4 6']);
  expect(bus.write(0, BASE, 4, 7, 0)).toBe('ok');
  expect(device.accesses).toEqual(['write 0 4 6', 'write 0 4 7']);
  expect(exits.stats().counts).toEqual([{ kind: 'mmio', hart: 0, count: 2 }]);
});

test('peeking reads registers by their own width and touches nothing', () => {
  expect([0, 1, 2, 3].map((offset) => bus.peek(BASE + offset))).toEqual([0, 0, 0, 0]);
  expect([0x24, 0x25].map((offset) => bus.peek(BASE + offset))).toEqual([0x24, 0x24]);
  expect(bus.peek(BASE + 0x50)).toBe(0x50);
  expect(bus.peek(BASE - 1)).toBeUndefined();
  expect(device.accesses).toEqual([]);
});
