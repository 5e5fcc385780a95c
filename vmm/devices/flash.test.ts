import { describe, expect, test } from 'vitest';
import { Flash, type FlashStore } from './flash.ts';

const SIZE = 32 << 20;
const BLOCK = 256 << 10;

/** What a bank keeps, in memory. */
class MemoryStore implements FlashStore {
  readonly readOnly: boolean;
  readonly bytes: Uint8Array;
  readonly writes: [offset: number, length: number][] = [];

  constructor(bytes: Uint8Array, readOnly = false) {
    this.bytes = bytes;
    this.readOnly = readOnly;
  }
  get size(): number {
    return this.bytes.length;
  }
  read(offset: number, target: Uint8Array): void {
    target.set(this.bytes.subarray(offset, offset + target.length));
  }
  write(offset: number, data: Uint8Array): void {
    this.writes.push([offset, data.length]);
    this.bytes.set(data, offset);
  }
}

const sectors = (...start: number[]): Uint8Array => {
  const bytes = new Uint8Array(1024);
  bytes.set(start);
  return bytes;
};
const make = (store?: FlashStore): Flash => new Flash(SIZE, store);
/** The byte that one chip answers at a CFI address; both chips must agree. */
function chipByte(flash: Flash, address: number): number {
  const word = flash.read(address * 4, 4);
  expect(word >>> 16).toBe(word & 0xffff);
  return word & 0xffff;
}
const command = (flash: Flash, value: number, address = 0): void =>
  flash.write(address, 4, (value | (value << 16)) >>> 0);
const READ_ARRAY = 0xff;

test('reads what it keeps, zeros behind it, by any width', () => {
  const flash = make(new MemoryStore(sectors(1, 2, 3, 4, 5)));
  expect(flash.read(0, 4)).toBe(0x0403_0201);
  expect(flash.read(1, 2)).toBe(0x0302);
  expect(flash.read(4, 4)).toBe(5);
  expect(flash.read(SIZE - 1, 1)).toBe(0);
});

test('the CFI query tells geometry and command set', () => {
  const flash = make();
  command(flash, 0x98, 0x55 * 4);
  expect([0x10, 0x11, 0x12].map((address) => String.fromCharCode(chipByte(flash, address))).join('')).toBe(
    'QRY',
  );
  expect(chipByte(flash, 0x13)).toBe(1);
  expect(2 ** chipByte(flash, 0x27) * 2).toBe(SIZE);
  const blocks = (chipByte(flash, 0x2d) | (chipByte(flash, 0x2e) << 8)) + 1;
  const blockSize = ((chipByte(flash, 0x2f) << 8) | (chipByte(flash, 0x30) << 16)) * 2;
  expect([blocks, blockSize]).toEqual([128, BLOCK]);
  expect(chipByte(flash, 0x60)).toBe(0);
  command(flash, READ_ARRAY);
  expect(flash.read(0x40, 4)).toBe(0);
});

test('identifies itself', () => {
  const flash = make();
  command(flash, 0x90);
  expect([chipByte(flash, 0), chipByte(flash, 1), chipByte(flash, 2)]).toEqual([0x89, 0x18, 0]);
  expect(flash.registerName()).toBe('identifier');
});

describe('programming', () => {
  test.each([0x40, 0x10])('with command 0x%x writes through, a sector at least', (program) => {
    const store = new MemoryStore(sectors(9, 9));
    const flash = make(store);
    command(flash, program);
    flash.write(0x200, 4, 0x1234_5678);
    expect(chipByte(flash, 0)).toBe(0x80);
    command(flash, READ_ARRAY);
    expect([flash.read(0, 4), flash.read(0x200, 4)]).toEqual([0x0909, 0x1234_5678]);
    expect(store.writes).toEqual([[0x200, 512]]);
    expect([...store.bytes.subarray(0x200, 0x204)]).toEqual([0x78, 0x56, 0x34, 0x12]);
  });

  test('a value like a command is a value', () => {
    const flash = make();
    command(flash, 0x40);
    flash.write(8, 4, 0x00ff_00ff);
    expect(flash.registerName()).toBe('status');
    command(flash, READ_ARRAY);
    expect(flash.read(8, 4)).toBe(0x00ff_00ff);
  });

  test('beyond what is kept stays with the machine', () => {
    const store = new MemoryStore(sectors());
    const flash = make(store);
    command(flash, 0x40);
    flash.write(BLOCK, 4, 7);
    command(flash, READ_ARRAY);
    expect([flash.read(BLOCK, 4), store.writes]).toEqual([7, []]);
  });

  test('buffered takes effect with its confirmation', () => {
    const store = new MemoryStore(new Uint8Array(BLOCK));
    const flash = make(store);
    for (const word of [0xe8, 0x01]) command(flash, word);
    flash.write(0x1000, 4, 0x1111_1111);
    flash.write(0x1004, 4, 0x2222_2222);
    expect(store.writes).toEqual([]);
    command(flash, 0xd0);
    expect(chipByte(flash, 0)).toBe(0x80);
    command(flash, READ_ARRAY);
    expect([flash.read(0x1000, 4), flash.read(0x1004, 4)]).toEqual([0x1111_1111, 0x2222_2222]);
    expect(store.writes).toEqual([[0x1000, 512]]);
  });

  test('buffered without its confirmation is nothing', () => {
    const flash = make();
    for (const word of [0xe8, 0x00]) command(flash, word);
    flash.write(0x1000, 4, 0x1111_1111);
    command(flash, 0x12);
    expect(flash.read(0x1000, 4)).toBe(0);
  });

  test.each([
    ['words of two buffers', [0x1ffc, 0x2000]],
    ['more words than a buffer has', Array.from({ length: 1025 }, (_, index) => 4 * (index % 1024))],
  ])('%s are an error', (_, addresses) => {
    const flash = make();
    command(flash, 0xe8);
    command(flash, addresses.length - 1);
    for (const address of addresses) flash.write(address, 4, 5);
    expect(chipByte(flash, 0)).toBe(0x90);
    command(flash, 0xd0);
    command(flash, READ_ARRAY);
    expect(addresses.every((address) => flash.read(address, 4) === 0)).toBe(true);
  });
});

describe('erasing', () => {
  test('sets a block to ones', () => {
    const store = new MemoryStore(new Uint8Array(2 * BLOCK));
    const flash = make(store);
    command(flash, 0x20, BLOCK + 0x1234);
    command(flash, 0xd0, BLOCK);
    expect(chipByte(flash, 0)).toBe(0x80);
    command(flash, READ_ARRAY);
    expect([BLOCK - 4, BLOCK, 2 * BLOCK - 4, 2 * BLOCK].map((offset) => flash.read(offset, 4))).toEqual([
      0, 0xffff_ffff, 0xffff_ffff, 0,
    ]);
    expect(store.writes).toEqual([[BLOCK, BLOCK]]);
  });
});

test.each([
  ['programming', [0x40, 0x1234], 0x90],
  ['erasing', [0x20, 0xd0], 0xa0],
  ['a buffered program of two words', [0xe8, 0x01, 0xaa, 0xbb], 0x90],
  ['locking, which has no error', [0x60, 0x01], 0x80],
])('%s is refused by the status of write-protected chips', (_, words, status) => {
  const store = new MemoryStore(sectors(0xff), true);
  const flash = make(store);
  for (const word of words) command(flash, word);
  expect(chipByte(flash, 0)).toBe(status);
  if (words[0] === 0xe8) command(flash, 0xd0);
  command(flash, 0x50);
  expect(flash.read(0, 4)).toBe(0xff);
  command(flash, 0x70);
  expect(chipByte(flash, 0)).toBe(0);
  expect(store.writes).toEqual([]);
});

describe('saved state', () => {
  test('restores in the middle of a command', () => {
    const flash = make();
    for (const word of [0xe8, 0x01]) command(flash, word);
    flash.write(0x10, 4, 0xaa);
    const other = make();
    other.restore(structuredClone(flash.save()));
    expect(other.save()).toEqual(flash.save());
    other.write(0x14, 4, 0xbb);
    command(other, 0xd0);
    command(other, READ_ARRAY);
    expect([other.read(0x10, 4), other.read(0x14, 4)]).toEqual([0xaa, 0xbb]);
  });

  test('brings contents back, also those that changed since', () => {
    const store = new MemoryStore(new Uint8Array(4 * BLOCK).fill(1));
    const flash = make(store);
    command(flash, 0x40);
    flash.write(0, 4, 5);
    const saved = structuredClone(flash.save());
    command(flash, 0x40);
    flash.write(0, 4, 6);
    command(flash, 0x20, BLOCK);
    flash.restore(saved);
    command(flash, READ_ARRAY);
    expect([flash.read(0, 4), flash.read(BLOCK, 4)]).toEqual([5, 0x0101_0101]);
    expect([store.bytes[0], store.bytes[BLOCK]]).toEqual([5, 1]);
  });

  test('a reset keeps contents and ends commands', () => {
    const flash = make();
    command(flash, 0x40);
    flash.write(0, 4, 5);
    command(flash, 0xe8);
    flash.reset();
    expect(flash.read(0, 4)).toBe(5);
  });

  test.each([
    ['mode', 'nothing'],
    ['blocks', [{ version: 1, index: 128, data: new Uint8Array(BLOCK) }]],
    ['blocks', [{ version: 1, index: 0, data: new Uint8Array(1) }]],
    ['buffer', [{ version: 1, offset: SIZE, size: 4, value: 0 }]],
    ['buffer', [{ version: 1, offset: 0, size: 3, value: 0 }]],
  ])('with a wrong %s is refused', (field, value) => {
    const flash = make();
    expect(() => flash.restore({ ...flash.save(), [field]: value })).toThrow(
      expect.objectContaining({ code: 'bad-file' }),
    );
  });
});
