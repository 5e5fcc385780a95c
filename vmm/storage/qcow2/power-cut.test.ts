import { afterAll, expect, test } from 'vitest';
import { ImageFolder, qemuCheck, qemuImg } from '../../../test/support/disk-images.ts';
import { type Random, random, SEED } from '../../../test/support/random.ts';
import { StampedDisk, stampedContents } from '../../../test/support/stamped-disk.ts';
import { describeWith } from '../../../test/support/tools.ts';
import { PowerCut, VolatileFile } from '../../../test/support/volatile-file.ts';
import type { BlockImage, ImageFile } from '../../contracts/storage.ts';
import { MemoryFile } from '../memory-file.ts';
import { RawImage } from '../raw.ts';
import { checkQcow2 } from './check.ts';
import { openQcow2 } from './image.ts';

const SIZE = 256 << 10;
/** So few tables fit that many commits are made for want of room. */
const CACHE_BYTES = 4 << 10;
const LONGEST = 40 << 10;
/** Cuts of each variant: one run has several, each image continuing with what the cut before left. */
const RUNS = 10;
const CUTS_A_RUN = 5;
const STEPS = 60;
/** Starting a program costs more than all of the rest. */
const QEMU_CHECKS_EVERY = 10;

interface Variant {
  readonly name: string;
  readonly options: string;
  readonly filled?: boolean;
  readonly compressed?: boolean;
  readonly backing?: boolean;
  readonly snapshot?: boolean;
  readonly size?: number;
  /** How many blocks of refcounts the table has room for; all clusters that the others count are counted as used. */
  readonly blocksLeft?: number;
}

const VARIANTS: readonly Variant[] = [
  { name: 'version 2', options: 'compat=0.10,cluster_size=4k' },
  { name: 'clusters of 512 bytes', options: 'cluster_size=512' },
  { name: 'clusters of 512 bytes, wide refcounts', options: 'cluster_size=512,refcount_bits=64' },
  { name: 'clusters of 512 bytes, narrow refcounts', options: 'cluster_size=512,refcount_bits=1' },
  { name: 'clusters of 64 KiB', options: 'cluster_size=64k' },
  { name: 'clusters of 2 MiB', options: 'cluster_size=2M' },
  { name: 'full', options: 'cluster_size=4k', filled: true },
  { name: 'preallocated', options: 'cluster_size=4k,preallocation=metadata' },
  { name: 'lazy refcounts', options: 'cluster_size=512,lazy_refcounts=on' },
  { name: 'compressed', options: 'cluster_size=4k', filled: true, compressed: true },
  { name: 'compressed, clusters of 512 bytes', options: 'cluster_size=512', filled: true, compressed: true },
  { name: 'backing file', options: 'cluster_size=4k', filled: true, backing: true },
  { name: 'backing file, version 2', options: 'cluster_size=4k,compat=0.10', filled: true, backing: true },
  { name: 'snapshot', options: 'cluster_size=4k', filled: true, snapshot: true },
  { name: 'snapshot, clusters of 512 bytes', options: 'cluster_size=512', filled: true, snapshot: true },
  {
    name: 'a refcount table that has to grow',
    options: 'cluster_size=512,refcount_bits=64',
    filled: true,
    snapshot: true,
    size: 1792 << 10,
  },
  {
    name: 'snapshot of compressed',
    options: 'cluster_size=4k',
    filled: true,
    compressed: true,
    snapshot: true,
  },
  { name: 'subclusters', options: 'extended_l2=on,cluster_size=16k' },
  {
    name: 'subclusters, backing file',
    options: 'extended_l2=on,cluster_size=16k',
    filled: true,
    backing: true,
  },
  { name: 'subclusters, snapshot', options: 'extended_l2=on,cluster_size=16k', filled: true, snapshot: true },
  {
    name: 'subclusters of compressed',
    options: 'extended_l2=on,cluster_size=16k',
    filled: true,
    compressed: true,
  },
];

/** Small ones, which are cut at each request in turn. */
const CUT_EVERYWHERE: readonly Variant[] = [
  { name: 'clusters of 512 bytes', options: 'cluster_size=512,refcount_bits=64', size: 64 << 10 },
  {
    name: 'a snapshot',
    options: 'cluster_size=512,refcount_bits=64',
    filled: true,
    snapshot: true,
    size: 64 << 10,
  },
  {
    name: 'a refcount table that grows',
    options: 'cluster_size=512,refcount_bits=64',
    filled: true,
    snapshot: true,
    blocksLeft: 0,
    size: 64 << 10,
  },
  {
    name: 'a refcount table that grows after its last block was made',
    options: 'cluster_size=512,refcount_bits=64',
    filled: true,
    snapshot: true,
    blocksLeft: 1,
    size: 64 << 10,
  },
];
const EVERYWHERE_STEPS = 20;
/** How often it is drawn what survives one cut. */
const SAMPLES = 6;

describeWith(['qemu-img'], `after a power cut (seed ${SEED})`, () => {
  const folder = new ImageFolder();
  let filled: Uint8Array;
  afterAll(() => folder.remove());

  test.each(VARIANTS)('the image is consistent and every flushed write is there: $name', (variant) => {
    const size = variant.size ?? SIZE;
    const contents = makeImage(variant);
    let cuts = 0;
    for (let run = 0; run < RUNS; run++) {
      const dice = random(SEED + run);
      const disk = new StampedDisk(size, variant.filled === true);
      let bytes = contents;
      for (let cut = 0; cut < CUTS_A_RUN; cut++, cuts++) {
        // Anywhere, or near the barriers of some commit.
        const place = dice.pick([
          { syncs: 0, requests: 1 + dice.below(dice.pick([10, 100, 400])) },
          { syncs: 1 + dice.below(dice.pick([5, 20])), requests: 1 + dice.below(8) },
        ]);
        const file = new VolatileFile(bytes, dice, place);
        runUntilCut(file, disk, dice, STEPS);
        bytes = file.survivors();
        const { corruptions } = checkQcow2(new MemoryFile(bytes), 'image');
        expect(corruptions, `run ${run}, cut ${cut}`).toEqual([]);
        if (cuts % QEMU_CHECKS_EVERY === 0) {
          folder.write('cut', bytes);
          const report = qemuCheck(folder, 'cut');
          expect(report.corruptions, report.text).toBe(0);
        }
        const image = open(new MemoryFile(bytes, { readOnly: true }));
        disk.verify(image);
      }
      if (variant.snapshot === true) {
        const image = open(new MemoryFile(bytes, { readOnly: true }), 'before');
        new StampedDisk(size, true).verify(image);
      }
    }
    expect(cuts).toBe(RUNS * CUTS_A_RUN);
  });

  test.each(CUT_EVERYWHERE)('no moment is a bad one: $name', (variant) => {
    const contents = makeImage(variant);
    for (let seed = SEED; seed < SEED + 2; seed++) {
      for (let requests = 1, cut = true; cut; requests++) {
        const disk = new StampedDisk(variant.size ?? SIZE, variant.filled === true);
        const file = new VolatileFile(contents, random(seed + 1000 * requests), { syncs: 0, requests });
        cut = runUntilCut(file, disk, random(seed), EVERYWHERE_STEPS);
        for (let sample = 0; sample < SAMPLES; sample++) {
          const bytes = file.survivors();
          const what = `seed ${seed}, cut at ${requests}, sample ${sample}`;
          expect(checkQcow2(new MemoryFile(bytes), 'image').corruptions, what).toEqual([]);
          disk.clone().verify(open(new MemoryFile(bytes, { readOnly: true })));
        }
        expect(requests).toBeLessThan(2000);
      }
    }
  });

  /** Random requests to an image until the power goes; false when it did not. */
  function runUntilCut(file: VolatileFile, disk: StampedDisk, dice: Random, steps: number): boolean {
    try {
      const image = open(file);
      for (let step = 0; step < steps; step++) disk.step(image, dice, LONGEST);
      image.close();
      return false;
    } catch (error) {
      if (error instanceof PowerCut) return true;
      throw error;
    }
  }

  function open(file: ImageFile, snapshot?: string): BlockImage {
    return openQcow2(file, {
      name: 'image',
      readOnly: file.readOnly,
      snapshot,
      cacheBytes: CACHE_BYTES,
      openBacking: (name) =>
        new RawImage(new MemoryFile(filled, { readOnly: true }), { name, readOnly: true, guessed: false }),
    });
  }

  function makeImage(variant: Variant): Uint8Array {
    const { options, filled: full, compressed, backing, snapshot, size = SIZE } = variant;
    filled = stampedContents(size);
    folder.write('base', filled);
    const flags = compressed === true ? ['-c'] : [];
    if (backing === true) {
      qemuImg(folder, 'create', '-f', 'qcow2', '-b', 'base', '-F', 'raw', '-o', options, 'image');
    } else if (full === true) {
      qemuImg(folder, 'convert', ...flags, '-f', 'raw', '-O', 'qcow2', '-o', options, 'base', 'image');
    } else {
      qemuImg(folder, 'create', '-f', 'qcow2', '-o', options, 'image', `${size}`);
    }
    if (snapshot === true) qemuImg(folder, 'snapshot', '-c', 'before', 'image');
    const contents = folder.read('image');
    return variant.blocksLeft === undefined ? contents : nearlyFull(contents, 64 - variant.blocksLeft);
  }
});

/** An image of clusters of 512 bytes and refcounts of 64 bits, in whose first `blocks` blocks none is 0: space is leaked. */
function nearlyFull(image: Uint8Array, blocks: number): Uint8Array {
  const table = Number(new DataView(image.buffer).getBigUint64(48));
  const imageEnd = Math.ceil(image.length / 512) * 512;
  const bytes = new Uint8Array(imageEnd + 512 * 64);
  bytes.set(image);
  const view = new DataView(bytes.buffer);
  for (let [entry, end] = [0, imageEnd]; entry < blocks; entry++) {
    let block = Number(view.getBigUint64(table + entry * 8));
    if (block === 0) {
      block = end;
      end += 512;
      view.setBigUint64(table + entry * 8, BigInt(block));
    }
    for (let at = block; at < block + 512; at += 8) {
      if (view.getBigUint64(at) === 0n) view.setBigUint64(at, 1n);
    }
  }
  return bytes;
}
