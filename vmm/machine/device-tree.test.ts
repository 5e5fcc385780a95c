import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { describeWith } from '../../test/support/tools.ts';
import { buildDeviceTree, withChosen } from './device-tree.ts';
import { decodeFdt, type FdtNode, fdtChild, fdtNode } from './fdt.ts';
import { ISA } from './index.ts';

const build = (harts: number, more: Parameters<typeof buildDeviceTree>[0]['chosen'] = {}): FdtNode =>
  decodeFdt(buildDeviceTree({ harts, memory: 128 << 20, isa: ISA, chosen: more }));
const text = (node: FdtNode, name: string): string =>
  Buffer.from(node.properties.get(name) ?? []).toString('latin1');

/** What differs from QEMU 7.2's tree for the same board, and why: paths of nodes and properties. */
const DIFFERENCES: readonly { readonly path: RegExp; readonly why: string }[] = [
  { path: /^\/pmu/, why: 'it maps events to performance counters, of which this machine has none' },
  { path: /^\/chosen rng-seed$/, why: 'a run must repeat, and a constant would be taken for entropy' },
  {
    path: /^\/cpus\/cpu@\d+ riscv,isa$/,
    why: 'other extensions: Zicond is there, Zbc and Zihintpause are not',
  },
  { path: /^\/cpus\/cpu@\d+ mmu-type$/, why: 'this machine has Sv57, QEMU 7.2 announces Sv48' },
  {
    path: /^\/soc\/pci@30000000 ranges$/,
    why: 'the window above 4 GiB is left out: with nothing on the bus no device can need it',
  },
];

describeWith(['qemu-system-riscv64'], 'the device tree against QEMU', () => {
  test.each([1, 2, 4])('the same nodes and properties for %d harts, but for those listed', (harts) => {
    const expected = flatten(decodeFdt(dumpQemu(harts)));
    const actual = flatten(build(harts));
    const paths = new Set([...expected.keys(), ...actual.keys()]);
    const different = [...paths].filter((path) => expected.get(path) !== actual.get(path));
    const explained = (path: string): boolean => DIFFERENCES.some((difference) => difference.path.test(path));
    expect(different.filter((path) => !explained(path))).toEqual([]);
    // A difference that is gone is to be taken from the list.
    for (const { path } of DIFFERENCES)
      expect(
        different.some((found) => path.test(found)),
        String(path),
      ).toBe(true);
  });
});

describe('/chosen', () => {
  test('command line and initrd', () => {
    const initrd = { start: 0x8400_0000n, end: 0x1_0000_1234n };
    const chosen = fdtChild(build(1, { append: 'console=ttyS0', initrd }), 'chosen')!;
    expect(text(chosen, 'bootargs')).toBe('console=ttyS0\0');
    expect(Buffer.from(chosen.properties.get('linux,initrd-start')!).toString('hex')).toBe(
      '0000000084000000',
    );
    expect(Buffer.from(chosen.properties.get('linux,initrd-end')!).toString('hex')).toBe('0000000100001234');
    expect(text(chosen, 'stdout-path')).toBe('/soc/serial@10000000\0');
  });

  test('a tree of the user keeps what it has', () => {
    const given = fdtNode('', { model: 'mine' }, [
      fdtNode('chosen', { bootargs: 'old', mine: [1] }),
      fdtNode('soc', {}),
    ]);
    const tree = withChosen(given, { append: 'new' });
    expect(text(fdtChild(tree, 'chosen')!, 'bootargs')).toBe('new\0');
    expect(fdtChild(tree, 'chosen')!.properties.has('mine')).toBe(true);
    expect(tree.children).toHaveLength(2);
    expect(text(withChosen(fdtNode('', {}), {}).children[0]!, 'stdout-path')).not.toBe('');
  });
});

/** Properties by `path name`, as hex; a node alone as `path`. */
function flatten(node: FdtNode, path = ''): Map<string, string> {
  const here: [string, string][] = [[path || '/', 'node']];
  for (const [name, value] of node.properties)
    here.push([`${path || '/'} ${name}`, Buffer.from(value).toString('hex')]);
  return new Map([
    ...here,
    ...node.children.flatMap((child) => [...flatten(child, `${path}/${child.name}`)]),
  ]);
}

function dumpQemu(harts: number): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'device-tree-'));
  try {
    const file = join(folder, 'virt.dtb');
    const machine = [
      '-M',
      `virt,dumpdtb=${file}`,
      '-cpu',
      'rv64,h=false',
      '-smp',
      String(harts),
      '-m',
      '128M',
    ];
    execFileSync('qemu-system-riscv64', [...machine, '-display', 'none'], { stdio: 'pipe' });
    return readFileSync(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
