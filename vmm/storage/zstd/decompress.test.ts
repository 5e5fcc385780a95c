import { describe, expect, test } from 'vitest';
import { decompressZstd } from './decompress.ts';

const MAGIC = [0x28, 0xb5, 0x2f, 0xfd];
/** A frame of one block: a single segment whose size is a byte, then the block's header. */
const frame = (size: number, header: number, ...content: number[]): Uint8Array =>
  Uint8Array.from([...MAGIC, 0x20, size, header & 0xff, (header >> 8) & 0xff, header >> 16, ...content]);
const LAST = 1;
const RAW = 0;
const RLE = 1;
const block = (type: number, size: number): number => LAST | (type << 1) | (size << 3);
const padded = (bytes: Uint8Array): Uint8Array => Uint8Array.from([...bytes, ...Array(64).fill(0xaa)]);

describe('a Zstandard frame (RFC 8878)', () => {
  test('3.1.1.2.3: a raw block, with foreign bytes behind the frame', () => {
    expect([...decompressZstd(padded(frame(3, block(RAW, 3), 7, 8, 9)), 3)]).toEqual([7, 8, 9]);
  });

  test('3.1.1.2.3: a block that repeats one byte', () => {
    expect([...decompressZstd(padded(frame(5, block(RLE, 5), 4)), 5)]).toEqual([4, 4, 4, 4, 4]);
  });

  test('that holds more than asked for is refused', () => {
    expect(() => decompressZstd(padded(frame(5, block(RLE, 5), 4)), 4)).toThrow('more than 4 bytes');
  });

  test('that is none is refused', () => {
    expect(() => decompressZstd(new Uint8Array(64), 16)).toThrow();
  });

  test('3.1.1.1.2: that asks for a window of terabytes is refused before anything is set aside', () => {
    const greedy = Uint8Array.from([...MAGIC, 0x00, 0xff, ...Array(64).fill(0)]);
    expect(() => decompressZstd(greedy, 4096)).toThrow('window');
  });

  test('3.1.1.1.4: nor one whose content would take exabytes', () => {
    const greedy = Uint8Array.from([...MAGIC, 0xe0, ...Array(8).fill(0xff), ...Array(64).fill(0)]);
    expect(() => decompressZstd(greedy, 4096)).toThrow('window');
  });
});
