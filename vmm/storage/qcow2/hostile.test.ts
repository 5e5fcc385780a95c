import { describe, expect, test } from 'vitest';
import { randomOperation } from '../../../test/support/disk-model.ts';
import { type Random, random, SEED } from '../../../test/support/random.ts';
import { VmError } from '../../base/vm-error.ts';
import type { ImageFile } from '../../contracts/storage.ts';
import { MemoryFile } from '../memory-file.ts';
import { checkQcow2 } from './check.ts';
import { type CreateOptions, createQcow2 } from './create.ts';
import { openQcow2, type Qcow2Image } from './image.ts';

const SIZE = 1 << 20;
/** Fields of the header by their places ("Header"). */
const FIELD = {
  version: 4,
  backingOffset: 8,
  backingLength: 16,
  clusterBits: 20,
  size: 24,
  crypt: 32,
  l1Entries: 36,
  l1Offset: 40,
  refcountTableOffset: 48,
  refcountTableClusters: 56,
  snapshotCount: 60,
  snapshotsOffset: 64,
  incompatible: 72,
  autoclear: 88,
  refcountOrder: 96,
  headerLength: 100,
} as const;

/** An image of 1 MiB with some data in it. */
function makeImage(options: Partial<CreateOptions> = {}): Uint8Array {
  const file = new MemoryFile();
  createQcow2(file, { size: SIZE, clusterBytes: 4096, ...options }, 'image');
  const image = open(file);
  image.write(0, new Uint8Array(20_480).fill(1));
  image.write(300 * 512, new Uint8Array(512).fill(2));
  image.writeZeroes(64 * 4096, 8 * 4096);
  image.write(SIZE - 512, new Uint8Array(512).fill(3));
  image.close();
  return file.contents();
}

function open(file: ImageFile, readOnly = false): Qcow2Image {
  return openQcow2(file, {
    name: 'image',
    readOnly,
    cacheBytes: 8192,
    openBacking: () => {
      throw new VmError('bad-file', 'no backing file here');
    },
  });
}

const u32 = (bytes: Uint8Array, at: number, value: number) => new DataView(bytes.buffer).setUint32(at, value);
const u64 = (bytes: Uint8Array, at: number, value: number | bigint) =>
  new DataView(bytes.buffer).setBigUint64(at, BigInt(value));
const get64 = (bytes: Uint8Array, at: number) => Number(new DataView(bytes.buffer).getBigUint64(at));
/** Where entry 0 of the L1 table lies, and of the first L2 table. */
const l1At = (bytes: Uint8Array) => get64(bytes, FIELD.l1Offset);
const l2At = (bytes: Uint8Array) => get64(bytes, l1At(bytes)) % 2 ** 56;

type Change = (bytes: Uint8Array) => void;
const set32 =
  (at: number, value: number): Change =>
  (bytes) =>
    u32(bytes, at, value);
const set64 =
  (at: number, value: number | bigint): Change =>
  (bytes) =>
    u64(bytes, at, value);
const both =
  (one: Change, other: Change): Change =>
  (bytes) => {
    one(bytes);
    other(bytes);
  };

test.each<[string, Change]>([
  ['version 4 of qcow2 is unknown', set32(FIELD.version, 4)],
  ["convert it with 'qemu-img convert", set32(FIELD.version, 1)],
  ['2^8 bytes', set32(FIELD.clusterBits, 8)],
  ['2^22 bytes', set32(FIELD.clusterBits, 22)],
  ['2^4294967295 bytes', set32(FIELD.clusterBits, 0xffffffff)],
  ['the size of the disk is absurd', set64(FIELD.size, 2n ** 64n - 1n)],
  ['an L1 table of 1 entries is too small', set64(FIELD.size, 2 ** 40)],
  ['the image is encrypted', set32(FIELD.crypt, 2)],
  ['an L1 table of 4194305 entries is too large', set32(FIELD.l1Entries, 2 ** 22 + 1)],
  ['the L1 table lies beyond the end', set32(FIELD.l1Entries, 2 ** 22)],
  ['the L1 table lies beyond the end', set64(FIELD.l1Offset, 2 ** 40)],
  ['the place of the L1 table is absurd', set64(FIELD.l1Offset, 2n ** 60n)],
  ['the L1 table is at 0x1008, which is no cluster', set64(FIELD.l1Offset, 4096 + 8)],
  ['the L1 table is at 0x0, which is no cluster', set64(FIELD.l1Offset, 0)],
  ['the refcount table at 0x1000 overlaps', set64(FIELD.l1Offset, 4096)],
  ['a refcount table of 0 clusters', set32(FIELD.refcountTableClusters, 0)],
  ['a refcount table of 4294967295 clusters', set32(FIELD.refcountTableClusters, 0xffffffff)],
  ['the refcount table lies beyond the end', set32(FIELD.refcountTableClusters, 2048)],
  ['the refcount table is at 0x0', set64(FIELD.refcountTableOffset, 0)],
  ['65537 snapshots', set32(FIELD.snapshotCount, 65537)],
  ['the snapshot table is at 0x0', set32(FIELD.snapshotCount, 1)],
  ['the unknown feature 40', set64(FIELD.incompatible, 2n ** 40n)],
  ['external data file', set64(FIELD.incompatible, 4)],
  ['marked as damaged', set64(FIELD.incompatible, 2)],
  ['subclusters need clusters of 16 KiB', set64(FIELD.incompatible, 16)],
  ['contradicts itself about the kind of compression', set64(FIELD.incompatible, 8)],
  ['2^7 bits', set32(FIELD.refcountOrder, 7)],
  ['a header of 0 bytes', set32(FIELD.headerLength, 0)],
  ['a header of 4294967288 bytes', set32(FIELD.headerLength, 0xfffffff8)],
  ['a header extension is longer', both(set32(112, 0x12345678), set32(116, 0x7fffffff))],
  ['a backing file name of 0 bytes', set64(FIELD.backingOffset, 200)],
  [
    'a backing file name of 1024 bytes',
    both(set64(FIELD.backingOffset, 200), set32(FIELD.backingLength, 1024)),
  ],
  ['a backing file name of 9 bytes', both(set64(FIELD.backingOffset, 4090), set32(FIELD.backingLength, 9))],
  ['an L2 table at 0x1000 overlaps', (bytes) => u64(bytes, l1At(bytes), 2n ** 63n + 4096n)],
  ['an L2 table at 0x10000000 is beyond', (bytes) => u64(bytes, l1At(bytes), 2n ** 63n + 2n ** 28n)],
  ['a refcount block at 0x0 ', set64(4096, 0x200)],
])('a lie is refused: %s', (message, change) => {
  const bytes = makeImage();
  change(bytes);
  expect(() => open(new MemoryFile(bytes))).toThrow(VmError);
  expect(() => open(new MemoryFile(bytes))).toThrow(
    message.startsWith('a refcount block') ? 'a refcount block' : message,
  );
});

describe('a lying table', () => {
  test.each<[string, (bytes: Uint8Array) => number | bigint, string]>([
    ['beyond the end of the file', () => 2n ** 63n + 2n ** 32n, 'a cluster at 0x100000000'],
    ['between clusters', () => 2n ** 63n + 0x5200n, 'a cluster at 0x5200'],
    ['at the far end of what fits', () => 2n ** 63n + 2n ** 56n - 4096n, 'a cluster at 0xfffffffffff000'],
    ['with compressed data beyond the end', () => 2n ** 62n + 2n ** 40n, 'a cluster at 0x10000000000'],
    ['with compressed data that is none', () => 2n ** 62n + 1n, 'the compressed cluster at 0x1'],
  ])('refuses requests to a cluster %s, and no others', (_, entry, message) => {
    const bytes = makeImage();
    u64(bytes, l2At(bytes), entry(bytes));
    const image = open(new MemoryFile(bytes), true);
    expect(() => image.read(0, new Uint8Array(512))).toThrow(message);
    const sector = new Uint8Array(512);
    image.read(4096, sector);
    expect(sector[0]).toBe(1);
  });

  test.each<[string, (bytes: Uint8Array) => number]>([
    ['the header', () => 0x1000],
    ['its own L2 table', l2At],
    ['the L1 table', l1At],
    ['a refcount block', (bytes) => get64(bytes, get64(bytes, FIELD.refcountTableOffset))],
  ])('never has data written over %s', (_, place) => {
    const bytes = makeImage();
    const target = place(bytes);
    u64(bytes, l2At(bytes), 2n ** 63n + BigInt(target));
    const file = new MemoryFile(bytes);
    const image = open(file);
    expect(() => image.write(0, new Uint8Array(512).fill(0x55))).toThrow('holds data and metadata');
    // It does not go on as if nothing had happened.
    expect(() => image.write(4096, new Uint8Array(512))).toThrow('damaged');
    expect(() => image.flush()).toThrow('damaged');
    image.close();
    const after = file.contents();
    expect(get64(after, FIELD.incompatible)).toBe(2);
    expect(Buffer.compare(after.subarray(target, target + 4096), bytes.subarray(target, target + 4096))).toBe(
      0,
    );
  });

  test('of refcounts never gives out clusters with metadata', () => {
    const bytes = makeImage();
    const block = get64(bytes, get64(bytes, FIELD.refcountTableOffset));
    bytes.fill(0, block, block + 4096);
    const file = new MemoryFile(bytes);
    const image = open(file);
    image.write(128 * 4096, new Uint8Array(64 * 4096).fill(0x55));
    image.close();
    const again = open(new MemoryFile(file.contents()), true);
    const sector = new Uint8Array(512);
    again.read(SIZE - 512, sector);
    again.read(128 * 4096, sector);
    expect(sector[0]).toBe(0x55);
  });
});

test('an image that is cut off anywhere is refused or read as far as it is there', () => {
  const bytes = makeImage();
  for (let length = 0; length < bytes.length; length += length < 300 ? 1 : 509) {
    exercise(bytes.subarray(0, length), random(SEED + length), false);
    exercise(bytes.subarray(0, length), random(SEED + length), true);
  }
});

describe(`an image whose metadata was altered at random (seed ${SEED})`, () => {
  test.each<[string, Partial<CreateOptions>, number?]>([
    // Copying such images takes all the time.
    ['version 3', {}],
    ['version 2', { version: 2 }],
    ['clusters of 512 bytes', { clusterBytes: 512, refcountBits: 64 }],
    ['narrow refcounts', { clusterBytes: 512, refcountBits: 1 }],
    ['subclusters', { clusterBytes: 16384, extendedL2: true }],
    ['clusters of 2 MiB', { clusterBytes: 2 << 20 }, 100],
  ])('gives errors with a code and bounded work: %s', (_, options, rounds = 300) => {
    const original = makeImage(options);
    let opened = 0;
    for (let round = 0; round < rounds; round++) {
      const dice = random(SEED + round);
      const bytes = original.slice();
      for (let changes = 1 + dice.below(4); changes > 0; changes--)
        alter(bytes, original, dice, options.clusterBytes ?? 4096);
      if (exercise(bytes, dice, dice.below(4) === 0)) opened++;
    }
    // Else nothing but the header's checks would have been tried.
    expect(opened).toBeGreaterThan(rounds / 6);
  });
});

/** Changes a few bytes in one of the image's tables, or puts a number there that could do harm. */
function alter(bytes: Uint8Array, original: Uint8Array, dice: Random, clusterBytes: number): void {
  const clusters = Math.floor(bytes.length / clusterBytes);
  const tables = [
    0,
    get64(original, FIELD.l1Offset),
    get64(original, FIELD.refcountTableOffset),
    l2At(original),
  ];
  tables.push(dice.below(clusters) * clusterBytes);
  const table = dice.pick(tables);
  const used = table === 0 ? 120 : Math.min(clusterBytes, 256);
  const at = Math.min(table + dice.below(used / 8) * 8, bytes.length - 8);
  const place = BigInt(dice.below(clusters + 2) * clusterBytes);
  switch (dice.below(5)) {
    case 0:
      bytes[at + dice.below(8)] = dice.below(256);
      break;
    case 1:
      bytes[at + dice.below(8)]! ^= 1 << dice.below(8);
      break;
    case 2:
      u64(bytes, at, place | (BigInt(dice.below(4)) << 62n));
      break;
    case 3:
      u64(bytes, at, dice.pick([0n, 1n, 2n ** 63n, 2n ** 64n - 1n, 2n ** 56n - 512n, 2n ** 53n, 2n ** 32n]));
      break;
    case 4:
      u32(bytes, at + dice.pick([0, 4]), dice.pick([0, 1, 0x7fffffff, 0xffffffff, dice.below(2 ** 16)]));
  }
}

/** Opens, checks and uses an image that nobody should trust; true when it could be opened. */
function exercise(bytes: Uint8Array, dice: Random, readOnly: boolean): boolean {
  tolerant(() => checkQcow2(new BoundedFile(bytes), 'image'));
  const file = new BoundedFile(bytes);
  const image = tolerant(() => open(file, readOnly));
  if (image === undefined) return false;
  tolerant(() => image.snapshots);
  for (let i = 0; i < 12; i++) {
    const operation = randomOperation(dice, Math.min(image.size, 64 << 20), 256 << 10);
    tolerant(() => {
      if (operation.kind === 'flush') return image.flush();
      const { kind, offset, length } = operation;
      if (kind === 'read') return image.read(offset, new Uint8Array(length));
      if (kind === 'write') return image.write(offset, new Uint8Array(length).fill(operation.fill));
      return kind === 'zero' ? image.writeZeroes(offset, length) : image.discard(offset, length);
    });
  }
  tolerant(() => image.close());
  return true;
}

/** Runs what may fail, with an error that says so in our own words. */
function tolerant<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof VmError)) throw error;
    expect(error.message).toMatch(/^image: .{10}/);
    return undefined;
  }
}

/** A file that fails the test when more is asked of it than an honest image of its size would need. */
class BoundedFile implements ImageFile {
  readonly readOnly = false;
  readonly #file: MemoryFile;
  #work = 0;

  constructor(contents: Uint8Array) {
    this.#file = new MemoryFile(contents);
  }

  get size(): number {
    return this.#file.size;
  }

  read(offset: number, target: Uint8Array): number {
    this.#count(offset, target.length);
    return this.#file.read(offset, target);
  }

  write(offset: number, data: Uint8Array): void {
    this.#count(offset, data.length);
    this.#file.write(offset, data);
  }

  truncate(size: number): void {
    this.#count(size, 0);
    this.#file.truncate(size);
  }

  sync(): void {}

  close(): void {}

  #count(offset: number, length: number): void {
    // A request costs something too.
    this.#work += 4096 + length;
    const sane = Number.isSafeInteger(offset) && offset >= 0 && length <= 32 << 20;
    if (!sane || this.#work > 2 ** 30) throw new Error(`${length} bytes at ${offset}, after ${this.#work}`);
  }
}
