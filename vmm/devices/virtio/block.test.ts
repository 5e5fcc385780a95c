import { beforeEach, describe, expect, test } from 'vitest';
import { VirtioBlock } from './block.ts';
import { BLOCK_FEATURE } from './block-config.ts';
import { INTERRUPT } from './constants.ts';
import { get32, get64, set32, set64 } from './little-endian.ts';
import { REGISTER } from './mmio-registers.ts';
import { LEGACY, MANNERS, SPLIT, TestDriver } from './testing/driver.ts';
import type { Returned } from './testing/driver-queue.ts';
import { TestImage } from './testing/image.ts';
import { TestMemory } from './testing/memory.ts';

const TYPE = {
  in: 0,
  out: 1,
  scsi: 2,
  flush: 4,
  flushOut: 5,
  getId: 8,
  lifetime: 10,
  discard: 11,
  zero: 13,
  erase: 14,
};
const OK = 0;
const IO_ERROR = 1;
const UNSUPPORTED = 2;
const { flush: FLUSH, configWce: WCE, discard: DISCARD, writeZeroes: ZEROES, readOnly: RO } = BLOCK_FEATURE;
const WRITEBACK = REGISTER.config + 32;

let image: TestImage;
let driver: TestDriver;

function start(features = FLUSH, manner = SPLIT): void {
  driver = new TestDriver(new VirtioBlock({ image, serial: 'disk-1' }), manner, new TestMemory(256 << 10));
  driver.start(features);
}

beforeEach(() => {
  image = new TestImage(64);
  start();
});

function header(type: number, sector = 0n): Uint8Array {
  const bytes = new Uint8Array(16);
  set32(bytes, 0, type);
  set64(bytes, 8, sector);
  return bytes;
}

const statusOf = ({ data }: Returned): number | undefined => data.at(-1);
const read = (sector: bigint, length: number): Returned =>
  driver.request(0, header(TYPE.in, sector), { room: length }, { room: 1 });
const write = (sector: bigint, data: Uint8Array): number | undefined =>
  statusOf(driver.request(0, header(TYPE.out, sector), data, { room: 1 }));
const command = (type: number, data: Uint8Array = new Uint8Array(0)): number | undefined =>
  statusOf(driver.request(0, header(type), data, { room: 1 }));

function range(sector: bigint, sectors: number, flags = 0): Uint8Array {
  const bytes = new Uint8Array(16);
  set64(bytes, 0, sector);
  set32(bytes, 8, sectors);
  set32(bytes, 12, flags);
  return bytes;
}

const joined = (...parts: Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));

describe.each(MANNERS)('virtio 1.2, 5.2.6 Device Operation: $title', ({ manner }) => {
  test('what is written is read back, and nothing else changes', () => {
    start(FLUSH, manner);
    const expected = image.data.slice();
    const data = Uint8Array.from({ length: 1536 }, (_, index) => index * 3);
    expect(write(5n, data)).toBe(OK);
    expected.set(data, 5 * 512);
    expect(image.data).toEqual(expected);
    const { data: got, written } = read(4n, 4 * 512);
    expect(got).toEqual(joined(expected.subarray(4 * 512, 8 * 512), Uint8Array.of(OK)));
    expect(written).toBe(4 * 512 + 1);
  });

  test('2.7.4.1: a request may be cut anywhere', () => {
    start(FLUSH, manner);
    const head = header(TYPE.out, 3n);
    const data = Uint8Array.from({ length: 1024 }, (_, index) => index * 5);
    const cut = [head.subarray(0, 3), joined(head.subarray(3), data.subarray(0, 100)), data.subarray(100)];
    expect(statusOf(driver.request(0, ...cut, { room: 1 }))).toBe(OK);
    expect(image.data.subarray(3 * 512, 5 * 512)).toEqual(data);
    const { data: got, written } = driver.request(
      0,
      header(TYPE.in, 3n),
      { room: 7 },
      { room: 1000 },
      { room: 18 },
    );
    expect(got).toEqual(joined(data, Uint8Array.of(OK)));
    expect(written).toBe(1025);
  });
});

describe('virtio 1.2, 5.2.3 and 5.2.4', () => {
  test('5.2.3: features of a disk, and of one that is read-only', () => {
    expect([
      driver.has(RO),
      driver.has(FLUSH),
      driver.has(WCE),
      driver.has(DISCARD),
      driver.has(ZEROES),
    ]).toEqual([false, true, true, true, true]);
    image = new TestImage(64, true);
    start(FLUSH | RO);
    expect([
      driver.has(RO),
      driver.has(FLUSH),
      driver.has(WCE),
      driver.has(DISCARD),
      driver.has(ZEROES),
    ]).toEqual([true, true, false, false, false]);
  });

  test('5.2.4: capacity in sectors, segments, block size; padding is 0', () => {
    const config = driver.config(0, 64);
    expect(get64(config, 0)).toBe(64n);
    expect(get32(config, 12)).toBe(254);
    expect(get32(config, 20)).toBe(512);
    expect(config[33]).toBe(0);
    expect([...config.subarray(57, 60)]).toEqual([0, 0, 0]);
  });

  test('a disk beyond 2 TiB has a capacity of 64 bits', () => {
    const huge = { ...image, size: 2 ** 42, readOnly: false } as TestImage;
    driver = new TestDriver(new VirtioBlock({ image: huge, serial: '' }));
    expect(get64(driver.config(0, 8), 0)).toBe(2n ** 33n);
  });
});

describe('virtio 1.2, 5.2.6.2 Device Requirements: Device Operation', () => {
  test('a read or write beyond the capacity is an I/O error', () => {
    expect(statusOf(read(63n, 512))).toBe(OK);
    expect(statusOf(read(63n, 1024))).toBe(IO_ERROR);
    expect(statusOf(read(64n, 512))).toBe(IO_ERROR);
    expect(statusOf(read(2n ** 64n - 1n, 512))).toBe(IO_ERROR);
    expect(statusOf(read(2n ** 55n, 512))).toBe(IO_ERROR);
    const before = image.data.slice();
    expect(write(63n, new Uint8Array(1024))).toBe(IO_ERROR);
    expect(image.data).toEqual(before);
    expect(driver.needsReset).toBe(false);
  });

  test('data that is no whole number of sectors is an I/O error', () => {
    expect(statusOf(read(0n, 100))).toBe(IO_ERROR);
    expect(write(0n, new Uint8Array(513))).toBe(IO_ERROR);
    expect(statusOf(read(0n, 0))).toBe(OK);
  });

  test('a failing host is an I/O error, and the used length counts nothing that was not written', () => {
    image.badByte = 512;
    expect(statusOf(read(0n, 512))).toBe(OK);
    const failed = driver.request(0, header(TYPE.in), { room: 512 }, { room: 512 }, { room: 1 });
    expect(statusOf(failed)).toBe(IO_ERROR);
    expect(failed.written).toBe(512);
    expect(write(1n, new Uint8Array(512))).toBe(IO_ERROR);
  });

  test('a write to a read-only disk is an I/O error and writes nothing', () => {
    image = new TestImage(64, true);
    start(FLUSH | RO);
    const before = image.data.slice();
    expect(write(0n, new Uint8Array(512))).toBe(IO_ERROR);
    expect(command(TYPE.discard, range(0n, 1))).toBe(IO_ERROR);
    expect(command(TYPE.zero, range(0n, 1))).toBe(IO_ERROR);
    expect(image.data).toEqual(before);
    expect(statusOf(read(0n, 512))).toBe(OK);
  });

  test('the ID string is NUL-padded, 20 bytes', () => {
    const { data, written } = driver.request(0, header(TYPE.getId), { room: 20 }, { room: 1 });
    expect(new TextDecoder().decode(data.subarray(0, 20))).toBe('disk-1'.padEnd(20, '\0'));
    expect([statusOf({ data } as Returned), written]).toEqual([OK, 21]);
  });

  test.each([TYPE.scsi, TYPE.lifetime, TYPE.erase, 0x8000_0000, 99])(
    'request type %i is not supported',
    (type) => {
      expect(command(type)).toBe(UNSUPPORTED);
    },
  );

  test('discard and write zeroes work on ranges', () => {
    start(FLUSH | DISCARD | ZEROES);
    const expected = image.data.slice();
    expect(command(TYPE.zero, joined(range(2n, 3, 1), range(10n, 1), range(5n, 0)))).toBe(OK);
    expected.fill(0, 2 * 512, 5 * 512).fill(0, 10 * 512, 11 * 512);
    expect(image.data).toEqual(expected);
    expect(command(TYPE.discard, range(20n, 4))).toBe(OK);
    expect(image.log).toEqual(['zero 1024+1536', 'zero 5120+512', 'discard 10240+2048']);
  });

  test('an unknown flag, or UNMAP in a discard, is not supported', () => {
    start(FLUSH | DISCARD | ZEROES);
    expect(command(TYPE.zero, range(0n, 1, 2))).toBe(UNSUPPORTED);
    expect(command(TYPE.discard, range(0n, 1, 1))).toBe(UNSUPPORTED);
    expect(command(TYPE.discard, joined(range(0n, 1), range(1n, 1, 0x8000_0000)))).toBe(UNSUPPORTED);
    expect(image.log).toEqual([]);
  });

  test('ranges beyond the disk, too long, too many, or none, are I/O errors', () => {
    start(FLUSH | DISCARD | ZEROES);
    const wrong = [
      range(60n, 5),
      range(2n ** 64n - 1n, 1),
      range(0n, 0x40_0000),
      new Uint8Array(0),
      new Uint8Array(17),
      new Uint8Array(33 * 16),
    ];
    for (const data of wrong) {
      expect(command(TYPE.zero, data)).toBe(IO_ERROR);
      expect(command(TYPE.discard, data)).toBe(IO_ERROR);
    }
    expect(image.log).toEqual([]);
  });

  test('what was not negotiated is not supported', () => {
    expect(command(TYPE.discard, range(0n, 1))).toBe(UNSUPPORTED);
    expect(command(TYPE.zero, range(0n, 1))).toBe(UNSUPPORTED);
  });

  test('a request without header or status needs a reset', () => {
    driver.send(0, header(TYPE.in).subarray(1), { room: 513 });
    expect(driver.needsReset).toBe(true);
    start();
    driver.send(0, header(TYPE.flush));
    expect(driver.needsReset).toBe(true);
    expect(driver.acknowledge()).toBe(INTERRUPT.config);
  });
});

describe('virtio 1.2, 5.2.6.2: which writes are stable when they are completed', () => {
  const data = new Uint8Array(512).fill(0xee);
  const isStable = (): boolean => image.stable.subarray(0, 512).every((byte) => byte === 0xee);

  test('with FLUSH, after a flush', () => {
    start(FLUSH);
    expect(write(0n, data)).toBe(OK);
    expect(isStable()).toBe(false);
    expect(command(TYPE.flush)).toBe(OK);
    expect(isStable()).toBe(true);
  });

  test('case 1: neither CONFIG_WCE nor FLUSH negotiated: at once', () => {
    start(0n);
    expect(write(0n, data)).toBe(OK);
    expect(isStable()).toBe(true);
  });

  test('case 2: CONFIG_WCE with a writeback of 0: at once; with 1 after a flush', () => {
    start(FLUSH | WCE);
    expect(driver.slot.read(WRITEBACK, 1)).toBe(1);
    expect(write(0n, data)).toBe(OK);
    expect(isStable()).toBe(false);
    driver.slot.write(WRITEBACK, 1, 0);
    expect(driver.slot.read(WRITEBACK, 1)).toBe(0);
    expect(write(0n, data)).toBe(OK);
    expect(isStable()).toBe(true);
  });

  test('5.2.5.2: CONFIG_WCE without FLUSH starts with a writeback of 0', () => {
    start(WCE);
    expect(driver.slot.read(WRITEBACK, 1)).toBe(0);
    expect(write(0n, data)).toBe(OK);
    expect(isStable()).toBe(true);
  });

  test('write zeroes is a write too', () => {
    start(ZEROES);
    image.data.fill(0xee, 512, 1024);
    expect(command(TYPE.zero, range(1n, 1))).toBe(OK);
    expect(image.stable.subarray(512, 1024).every((byte) => byte === 0)).toBe(true);
  });

  test('5.2.6.3: legacy drivers have another name for a flush', () => {
    start(FLUSH, LEGACY);
    expect(write(0n, data)).toBe(OK);
    expect(command(TYPE.flushOut)).toBe(OK);
    expect(isStable()).toBe(true);
  });
});

test('saved state keeps the cache mode, and knows its disk', () => {
  start(FLUSH | WCE);
  driver.slot.write(WRITEBACK, 1, 0);
  const saved = structuredClone(driver.slot.save());
  driver.slot.reset();
  expect(driver.slot.read(WRITEBACK, 1)).toBe(1);
  driver.slot.restore(saved);
  expect(driver.slot.read(WRITEBACK, 1)).toBe(0);
  const other = new TestDriver(new VirtioBlock({ image: new TestImage(65), serial: '' }));
  expect(() => other.slot.restore(saved)).toThrow('the disk had 64 sectors when it was saved, not 65');
});
