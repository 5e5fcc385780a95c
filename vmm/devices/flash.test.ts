import { expect, test } from 'vitest';
import { Flash } from './flash.ts';

const SIZE = 32 << 20;
const make = (contents?: Uint8Array): Flash => new Flash(SIZE, contents);
/** The byte that one chip answers at a CFI address; both chips must agree. */
function chipByte(flash: Flash, address: number): number {
  const word = flash.read(address * 4, 4);
  expect(word >>> 16).toBe(word & 0xffff);
  return word & 0xffff;
}
const command = (flash: Flash, value: number, address = 0): void =>
  flash.write(address, 4, value | (value << 16));

test('reads its contents, zero behind them, by any width', () => {
  const flash = make(Uint8Array.of(1, 2, 3, 4, 5));
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
  expect([blocks, blockSize]).toEqual([128, 256 << 10]);
  expect(chipByte(flash, 0x60)).toBe(0);
  command(flash, 0xff);
  expect(flash.read(0x40, 4)).toBe(0);
});

test('identifies itself', () => {
  const flash = make();
  command(flash, 0x90);
  expect([chipByte(flash, 0), chipByte(flash, 1), chipByte(flash, 2)]).toEqual([0x89, 0x18, 0]);
  expect(flash.registerName()).toBe('identifier');
});

test.each([
  ['programming', [0x40, 0x1234], 0x90],
  ['erasing', [0x20, 0xd0], 0xa0],
  ['a buffered program of two words', [0xe8, 0x01, 0xaa, 0xbb, 0xd0], 0x90],
  ['locking, which has no error', [0x60, 0x01], 0x80],
])('%s is refused by the status of the write-protected chips', (_, words, status) => {
  const flash = make(Uint8Array.of(0xff));
  for (const word of words) command(flash, word);
  expect(chipByte(flash, 0)).toBe(status);
  command(flash, 0x50);
  expect(flash.read(0, 4)).toBe(0xff);
  command(flash, 0x70);
  expect(chipByte(flash, 0)).toBe(0);
});

test('saved state restores in the middle of a command', () => {
  const flash = make();
  for (const word of [0xe8, 0x01, 0xaa]) command(flash, word);
  const other = make();
  other.restore(structuredClone(flash.save()));
  expect(other.save()).toEqual(flash.save());
  command(other, 0xbb);
  command(other, 0xd0);
  expect(chipByte(other, 0)).toBe(0x90);
  other.reset();
  expect(other.save()).toEqual(make().save());
});
