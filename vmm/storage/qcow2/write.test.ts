import { afterAll, beforeAll, expect, test } from 'vitest';
import { ImageFolder, openImage, qemuCheck, qemuImg, qemuIo } from '../../../test/support/disk-images.ts';
import {
  DiskModel,
  type DiskOperation,
  mixedContents,
  randomOperation,
} from '../../../test/support/disk-model.ts';
import { random, SEED } from '../../../test/support/random.ts';
import { describeWith } from '../../../test/support/tools.ts';

const SIZE = 3 << 20;
/** Longest request, so that a sequence changes many places of the disk and not all of it at once. */
const LONGEST = 300 << 10;

interface Variant {
  readonly name: string;
  /** Commands of qemu-img that make `image`, and the name of a raw file with what it then holds; null for zeros. */
  readonly make: readonly (readonly string[])[];
  readonly holds: 'base' | 'top' | null;
}

const create = (options: string): Variant => ({
  name: `empty: ${options}`,
  make: [['create', '-f', 'qcow2', '-o', options, 'image', `${SIZE}`]],
  holds: null,
});
const convert = (options: string, ...flags: string[]): Variant => ({
  name: `full: ${options} ${flags.join(' ')}`,
  make: [['convert', ...flags, '-f', 'raw', '-O', 'qcow2', '-o', options, 'base', 'image']],
  holds: 'base',
});
const onBase = (options: string, size = SIZE): Variant => ({
  name: `on a backing file: ${options}${size === SIZE ? '' : `, ${size} bytes`}`,
  make: [['create', '-f', 'qcow2', '-b', 'base', '-F', 'raw', '-o', options, 'image', `${size}`]],
  holds: 'base',
});
const withSnapshot = (variant: Variant): Variant => ({
  ...variant,
  name: `with a snapshot, ${variant.name}`,
  make: [...variant.make, ['snapshot', '-c', 'before', 'image']],
});

const VARIANTS: readonly Variant[] = [
  create('compat=0.10'),
  create('compat=1.1'),
  create('cluster_size=512'),
  create('cluster_size=512,refcount_bits=64'),
  create('cluster_size=2M'),
  create('refcount_bits=1,cluster_size=512'),
  create('lazy_refcounts=on'),
  create('extended_l2=on'),
  create('extended_l2=on,cluster_size=16k'),
  create('preallocation=metadata'),
  create('preallocation=full,cluster_size=4k'),
  convert('compat=0.10'),
  convert('cluster_size=4k,refcount_bits=8'),
  convert('compat=0.10', '-c'),
  convert('cluster_size=4k', '-c'),
  convert('extended_l2=on', '-c'),
  onBase('compat=0.10'),
  onBase('cluster_size=4k'),
  onBase('cluster_size=2M'),
  onBase('extended_l2=on'),
  onBase('compat=1.1', SIZE + (1 << 20)),
  onBase('cluster_size=4k', SIZE - 4608),
  withSnapshot(convert('compat=0.10')),
  withSnapshot(convert('cluster_size=4k')),
  withSnapshot(convert('cluster_size=4k', '-c')),
  withSnapshot(convert('cluster_size=512,refcount_bits=2')),
  withSnapshot(onBase('extended_l2=on')),
  withSnapshot(create('extended_l2=on,preallocation=metadata')),
];

describeWith(['qemu-img', 'qemu-io'], `an image that is written (seed ${SEED})`, () => {
  const folder = new ImageFolder();
  const base = mixedContents(SIZE);

  beforeAll(() => void folder.write('base', base));
  afterAll(() => folder.remove());

  test.each(VARIANTS)('stays right for us and for QEMU: $name', ({ make, holds }) => {
    for (const command of make) qemuImg(folder, ...command);
    const size = openImage(folder, 'image', { readOnly: true }).size;
    const start = new Uint8Array(size);
    if (holds !== null) start.set(base.subarray(0, size));
    const model = new DiskModel(start);
    const dice = random(SEED);
    for (let round = 0; round < 3; round++) {
      const image = openImage(folder, 'image');
      for (let i = 0; i < 60; i++) model.apply(image, randomOperation(dice, size, LONGEST));
      model.compare(image);
      image.close();
      expect(qemuCheck(folder, 'image')).toMatchObject({ corruptions: 0, leaks: 0 });
      qemuWrites(model, size, dice);
      const reopened = openImage(folder, 'image', { readOnly: true });
      model.compare(reopened);
      reopened.close();
    }
    expect(Buffer.compare(folder.read('base'), base)).toBe(0);
    if (!make.some((command) => command.includes('snapshot'))) return;
    qemuImg(folder, 'convert', '-l', 'before', '-O', 'raw', 'image', 'as-before');
    expect(Buffer.compare(folder.read('as-before'), start)).toBe(0);
    new DiskModel(start).compare(openImage(folder, 'image', { readOnly: true, snapshot: 'before' }));
  });

  /** QEMU writes to the image after us, and compares what it reads with the model. */
  function qemuWrites(model: DiskModel, size: number, dice: ReturnType<typeof random>): void {
    const operations: DiskOperation[] = [];
    for (let i = 0; i < 10; i++) operations.push(randomOperation(dice, size, LONGEST));
    qemuIo(folder, 'image', 'qcow2', operations.filter((one) => one.kind !== 'discard').map(qemuCommand));
    for (const one of operations) model.note(one);
    folder.write('model', model.bytes);
    qemuImg(folder, 'compare', '-f', 'raw', '-F', 'qcow2', 'model', 'image');
    expect(qemuCheck(folder, 'image')).toMatchObject({ corruptions: 0, leaks: 0 });
  }
});

function qemuCommand(operation: DiskOperation): string {
  switch (operation.kind) {
    case 'write':
      return `write -P ${operation.fill} ${operation.offset} ${operation.length}`;
    case 'zero':
      return `write -z ${operation.offset} ${operation.length}`;
    case 'discard':
      return `discard ${operation.offset} ${operation.length}`;
    case 'read':
      return `read ${operation.offset} ${operation.length}`;
    case 'flush':
      return 'flush';
  }
}
