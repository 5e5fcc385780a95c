import { beforeEach, describe, expect, test } from 'vitest';
import { type BalloonStatistics, VirtioBalloon } from './balloon.ts';
import { INTERRUPT } from './constants.ts';
import { get32, set16, set32, set64 } from './little-endian.ts';
import { REGISTER } from './mmio-registers.ts';
import { LEGACY, MANNERS, type Manner, PACKED, SPLIT, TestDriver } from './testing/driver.ts';

const TELL = 1n;
const STATISTICS = 2n;
const POISON = 1n << 4n;
const REPORTING = 1n << 5n;
const INFLATE = 0;
const DEFLATE = 1;
const STATS_QUEUE = 2;

let log: string[];
let statistics: BalloonStatistics[];
let device: VirtioBalloon;
let driver: TestDriver;

function start(features = TELL, manner: Manner = SPLIT): void {
  log = [];
  statistics = [];
  const range = (what: string) => (address: bigint, length: number) =>
    log.push(`${what} 0x${address.toString(16)}+${length}`);
  device = new VirtioBalloon({
    inflated: range('in'),
    deflated: range('out'),
    reported: range('free'),
    statistics: (values) => statistics.push(values),
  });
  driver = new TestDriver(device, manner).start(features);
}

beforeEach(() => start());

function pages(...numbers: number[]): Uint8Array {
  const bytes = new Uint8Array(4 * numbers.length);
  for (const [index, number] of numbers.entries()) set32(bytes, 4 * index, number);
  return bytes;
}

function statistic(tag: number, value: bigint): Uint8Array {
  const bytes = new Uint8Array(10);
  set16(bytes, 0, tag);
  set64(bytes, 2, value);
  return bytes;
}
const joined = (...parts: Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));

describe.each(MANNERS)('virtio 1.2, 5.5.6 Device Operation: $title', ({ manner }) => {
  test('pages are given and taken back by number', () => {
    start(TELL, manner);
    driver.request(INFLATE, pages(0x80000, 0x80003));
    driver.request(DEFLATE, pages(0x80003));
    expect(log).toEqual(['in 0x80000000+4096', 'in 0x80003000+4096', 'out 0x80003000+4096']);
  });

  test('5.5.6.3: statistics come when they are asked for, by the buffer that was kept', () => {
    start(STATISTICS, manner);
    expect(device.requestStatistics()).toBe(false);
    const first = driver.send(STATS_QUEUE, statistic(4, 7n));
    expect(driver.returned(STATS_QUEUE)).toEqual([]);
    driver.memory.watch(() => expect(device.requestStatistics()).toBe(true));
    expect(driver.returned(STATS_QUEUE)).toMatchObject([{ token: first, written: 0 }]);
    expect(device.requestStatistics()).toBe(false);
    driver.send(STATS_QUEUE, joined(statistic(5, 2n ** 40n), statistic(99, 1n), statistic(4, 8n)));
    expect(statistics.at(-1)).toEqual({ total: 2n ** 40n, free: 8n });
    // A legacy driver's first buffer is ignored (5.5.6.3.3).
    expect(statistics).toHaveLength(manner.legacy ? 1 : 2);
  });

  test('5.5.6.7: free pages are reported as buffers, and come back at once', () => {
    start(STATISTICS | REPORTING, manner);
    const { base } = driver.memory;
    // The test's driver places buffers itself: what counts are the whole pages in them.
    driver.request(3, { room: 3 * 4096 });
    expect(log).toHaveLength(1);
    const [, address, length] = /free 0x([0-9a-f]+)\+(\d+)/.exec(log[0]!)!;
    expect(BigInt(`0x${address}`)).toBeGreaterThanOrEqual(base);
    expect(BigInt(`0x${address}`) % 4096n).toBe(0n);
    expect(Number(length)).toBeGreaterThanOrEqual(2 * 4096);
    expect(Number(length) % 4096).toBe(0);
  });
});

describe('virtio 1.2, 5.5 Traditional Memory Balloon Device', () => {
  test('5.5.4: the target is a configuration change, the actual size is the driver’s', () => {
    device.setTarget(77);
    expect(get32(driver.config(0, 4), 0)).toBe(77);
    expect(driver.acknowledge()).toBe(INTERRUPT.config);
    device.setTarget(77);
    expect(driver.acknowledge()).toBe(0);
    driver.write(REGISTER.config + 4, 50);
    expect(device.actualPages).toBe(50);
    driver.write(REGISTER.config, 9);
    expect([get32(driver.config(0, 4), 0), device.actualPages]).toEqual([77, 50]);
  });

  test('5.5.6.2.1: byte by byte, the actual size counts with its last byte', () => {
    for (const [index, byte] of [0x78, 0x56, 0x34].entries())
      driver.slot.write(REGISTER.config + 4 + index, 1, byte);
    expect(device.actualPages).toBe(0);
    driver.slot.write(REGISTER.config + 7, 1, 0x12);
    expect(device.actualPages).toBe(0x1234_5678);
    expect(get32(driver.config(4, 4), 0)).toBe(0x1234_5678);
  });

  test('5.5.6: pages that are no RAM are passed over', () => {
    driver.request(INFLATE, joined(pages(0, 0x10000, 0xffff_ffff, 0x80001), Uint8Array.of(1, 2, 3)));
    expect(log).toEqual(['in 0x80001000+4096']);
    expect(driver.needsReset).toBe(false);
  });

  test('5.5.6.6: a guest that counts on its poison keeps reported pages, unless it is zero', () => {
    start(STATISTICS | REPORTING | POISON);
    driver.write(REGISTER.config + 12, 0xaaaa_aaaa);
    driver.request(3, { room: 8192 });
    expect(log).toEqual([]);
    driver.write(REGISTER.config + 12, 0);
    driver.request(3, { room: 8192 });
    expect(log).toHaveLength(1);
  });

  test.each([
    ['2: the third queue there is', REPORTING, 2],
    ['3: the fourth queue there is', STATISTICS | REPORTING, 3],
    ['4: as the text counts', STATISTICS | REPORTING, 4],
  ])('5.5.2: pages are reported in queue %s', (_, features, queue) => {
    start(features);
    driver.request(queue, { room: 8192 });
    expect(log).toHaveLength(1);
  });

  test('less than a page is no page', () => {
    start(STATISTICS | REPORTING);
    driver.request(3, { room: 4095 });
    expect(log).toEqual([]);
  });

  test('of several statistics buffers the last is kept', () => {
    start(STATISTICS);
    const first = driver.send(STATS_QUEUE, statistic(4, 1n));
    const second = driver.send(STATS_QUEUE, statistic(4, 2n));
    expect(driver.returned(STATS_QUEUE)).toMatchObject([{ token: first }]);
    device.requestStatistics();
    expect(driver.returned(STATS_QUEUE)).toMatchObject([{ token: second }]);
  });

  test('a queue that is taken away takes its buffer along', () => {
    start(STATISTICS);
    driver.send(STATS_QUEUE, statistic(4, 1n));
    driver.write(REGISTER.queueSel, STATS_QUEUE);
    driver.write(REGISTER.queueReady, 0);
    expect(device.requestStatistics()).toBe(false);
  });

  test.each([SPLIT, PACKED, LEGACY])('saved state keeps the buffer for statistics', (manner) => {
    start(STATISTICS, manner);
    const token = driver.send(STATS_QUEUE, statistic(4, 1n));
    device.setTarget(12);
    driver.write(REGISTER.config + 4, 11);
    const saved = structuredClone(driver.slot.save());
    const ram = driver.memory.ram.slice();
    driver.slot.reset();
    expect(device.requestStatistics()).toBe(false);
    driver.memory.ram.set(ram);
    driver.slot.restore(saved);
    expect(driver.slot.save()).toEqual(saved);
    expect(device.actualPages).toBe(11);
    expect(device.requestStatistics()).toBe(true);
    expect(driver.returned(STATS_QUEUE)).toMatchObject([{ token }]);
  });

  test('a list of pages that is too long needs a reset', () => {
    const { memory } = driver;
    const { descriptor, driver: available } = driver.queues[INFLATE]!.areas;
    // 9 times the same buffer, which is the whole of RAM.
    for (let index = 0; index < 9; index += 1) {
      memory.set64(descriptor + 16n * BigInt(index), memory.base);
      memory.set32(descriptor + 16n * BigInt(index) + 8n, memory.ram.length);
      memory.set16(descriptor + 16n * BigInt(index) + 12n, index === 8 ? 0 : 1);
      memory.set16(descriptor + 16n * BigInt(index) + 14n, index + 1);
    }
    memory.set16(available + 2n, 1);
    driver.write(REGISTER.queueNotify, INFLATE);
    expect(driver.slot.failure).toContain('too long');
    expect(log).toEqual([]);
  });
});
