import { afterAll, beforeAll, expect, test } from 'vitest';
import { ImageFolder, openImage, qemuImg } from '../../../test/support/disk-images.ts';
import { mixedContents } from '../../../test/support/disk-model.ts';
import { describeWith } from '../../../test/support/tools.ts';

const SIZE = 3 << 20;

/** Options of `qemu-img create` or `convert`. */
const VARIANTS: readonly (readonly string[])[] = [
  ['-o', 'compat=0.10'],
  ['-o', 'compat=0.10,cluster_size=512'],
  ['-o', 'compat=1.1'],
  ['-o', 'cluster_size=512'],
  ['-o', 'cluster_size=2M'],
  ['-o', 'refcount_bits=1'],
  ['-o', 'refcount_bits=64,cluster_size=4k'],
  ['-o', 'lazy_refcounts=on'],
  ['-o', 'extended_l2=on'],
  ['-o', 'extended_l2=on,cluster_size=16k'],
  ['-o', 'preallocation=metadata'],
  ['-o', 'preallocation=falloc,cluster_size=2M'],
  ['-o', 'preallocation=full'],
];

const COMPRESSED: readonly (readonly string[])[] = [
  ['-o', 'compat=0.10'],
  ['-o', 'cluster_size=512'],
  ['-o', 'cluster_size=4k'],
  ['-o', 'cluster_size=64k'],
  ['-o', 'cluster_size=2M'],
  ['-o', 'extended_l2=on'],
  ['-o', 'compression_type=zstd'],
  ['-o', 'compression_type=zstd,cluster_size=512'],
  ['-o', 'compression_type=zstd,cluster_size=2M'],
];

describeWith(['qemu-img'], 'an image made by qemu-img', () => {
  const folder = new ImageFolder();
  const contents = mixedContents(SIZE);

  beforeAll(() => void folder.write('raw', contents));
  afterAll(() => folder.remove());

  test.each(VARIANTS)('reads right: %s %s', (...options) => {
    qemuImg(folder, 'convert', '-f', 'raw', '-O', 'qcow2', ...options, 'raw', 'image');
    expectContents('image', contents);
  });

  test.each(COMPRESSED)('reads right when compressed: %s %s', (...options) => {
    qemuImg(folder, 'convert', '-c', '-f', 'raw', '-O', 'qcow2', ...options, 'raw', 'image');
    expectContents('image', contents);
  });

  test.each(VARIANTS)('reads zeros when it is empty: %s %s', (...options) => {
    qemuImg(folder, 'create', '-f', 'qcow2', ...options, 'image', `${SIZE}`);
    expectContents('image', new Uint8Array(SIZE));
  });

  function expectContents(name: string, expected: Uint8Array): void {
    const image = openImage(folder, name, { readOnly: true });
    expect(image.size).toBe(expected.length);
    const actual = new Uint8Array(image.size).fill(0xee);
    // In pieces that are no clusters.
    for (let at = 0; at < actual.length; at += 77 * 512) image.read(at, actual.subarray(at, at + 77 * 512));
    expect(Buffer.compare(actual, expected)).toBe(0);
    image.close();
  }
});
