import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { describeWithNewer, newerQemu, output, type Program } from '../../test/support/newer-tools.ts';
import { describeWith } from '../../test/support/tools.ts';
import { parseIsa } from '../isa/isa-text.ts';
import { PERFORMANCE_EVENTS } from '../isa/performance-events.ts';
import { buildDeviceTree, withChosen } from './device-tree.ts';
import { decodeFdt, type FdtNode, fdtChild, fdtNode } from './fdt.ts';

type Chosen = Parameters<typeof buildDeviceTree>[0]['chosen'];

const MIB = 2 ** 20;
const build = (harts: number, chosen: Chosen = {}, isa = '', memory = 128 * MIB): FdtNode =>
  decodeFdt(buildDeviceTree({ harts, memory, isa: parseIsa(isa), chosen }));
const text = (node: FdtNode, name: string): string =>
  Buffer.from(node.properties.get(name) ?? []).toString('latin1');

interface Difference {
  readonly path: RegExp;
  readonly why: string;
}

/**
 * What differs from QEMU's tree for the same board, whatever its version, and why: paths of nodes and properties. The board is the
 * one of QEMU's defaults: `aclint=on`, which splits the CLINT in three, `aia` and `iommu-sys` are other boards.
 */
const DIFFERENCES: readonly Difference[] = [
  {
    path: /^\/pmu/,
    why: 'it maps events to performance counters for firmware; the events of this machine are others',
  },
  { path: /^\/chosen rng-seed$/, why: 'a run must repeat, and a constant would be taken for entropy' },
  { path: /^\/cpus\/cpu@\d+ riscv,isa$/, why: 'other extensions' },
  {
    path: /^\/soc\/pci@30000000 ranges$/,
    why: 'the window above 4 GiB is left out: with nothing on the bus no device can need it',
  },
];

const DIFFERENCES_OF_7: readonly Difference[] = [
  ...DIFFERENCES,
  { path: /^\/cpus\/cpu@\d+ mmu-type$/, why: 'this machine has Sv57, QEMU 7.2 announces Sv48' },
  {
    path: /^\/cpus\/cpu@\d+ riscv,(isa-base|isa-extensions|cbo[mpz]-block-size)$/,
    why: 'newer bindings, which QEMU 7.2 does not know',
  },
];

const DIFFERENCES_OF_10: readonly Difference[] = [
  ...DIFFERENCES,
  { path: /^\/cpus\/cpu@\d+ riscv,isa-extensions$/, why: 'other extensions' },
  { path: /^\/aliases/, why: 'it names the UART, which stdout-path does too' },
  { path: /^\/soc\/plic@c000000 riscv,ndev$/, why: 'QEMU 7.2 says one more source than there are' },
];

describeWith(['qemu-system-riscv64'], 'the device tree against the installed QEMU', () => {
  compareWithQemu({ file: 'qemu-system-riscv64', arguments: [] }, DIFFERENCES_OF_7);
});

describeWithNewer(['qemu'], 'the device tree against QEMU 10', () => {
  compareWithQemu(newerQemu(), DIFFERENCES_OF_10);

  test('the cache-block sizes, and where an ISA string is looked for', () => {
    const cpu = (tree: FdtNode): FdtNode => fdtChild(fdtChild(tree, 'cpus')!, 'cpu@0')!;
    const [expected, actual] = [cpu(decodeFdt(dumpQemu(newerQemu(), 1))), cpu(build(1))];
    for (const name of [
      'riscv,cbom-block-size',
      'riscv,cboz-block-size',
      'riscv,cbop-block-size',
      'riscv,isa-base',
    ])
      expect(actual.properties.get(name), name).toEqual(expected.properties.get(name));
    // What this machine and QEMU's `rv64` both name stands in both lists, and nothing else is named twice.
    const list = (node: FdtNode): string[] => text(node, 'riscv,isa-extensions').split('\0').slice(0, -1);
    const ours = new Set(list(actual));
    // The hypervisor extension, and the properties that follow from it.
    expect(list(expected).filter((name) => !ours.has(name) && !/^(?:h|sh.*)$/.test(name))).toEqual([]);
    expect(ours.size).toBe(list(actual).length);
  });
});

function compareWithQemu(qemu: Program | string, differences: readonly Difference[]): void {
  test.each([
    { harts: 1, mib: 128 },
    { harts: 2, mib: 128 },
    { harts: 4, mib: 128, append: 'console=ttyS0 quiet' },
    { harts: 1, mib: 3072 },
    { harts: 4, mib: 3072 },
  ])('the same nodes and properties for $harts harts and $mib MiB, but for those listed', (board) => {
    const { harts, mib, append } = board;
    const expected = flatten(decodeFdt(dumpQemu(qemu, harts, mib, append)));
    const actual = flatten(build(harts, append === undefined ? {} : { append }, '', mib * MIB));
    const paths = new Set([...expected.keys(), ...actual.keys()]);
    const different = [...paths].filter((path) => expected.get(path) !== actual.get(path));
    const explained = (path: string): boolean => differences.some((difference) => difference.path.test(path));
    expect(different.filter((path) => !explained(path))).toEqual([]);
    // A difference that is gone is to be taken from the list.
    for (const { path } of differences)
      expect(
        different.some((found) => path.test(found)),
        String(path),
      ).toBe(true);
  });
}

describe('what harts have', () => {
  const cpu = (isa: string): FdtNode => fdtChild(fdtChild(build(1, {}, isa), 'cpus')!, 'cpu@0')!;

  test('is told by name, and turned off by name', () => {
    const { properties } = cpu('rv64gc_zicboz');
    expect([...properties.keys()].filter((name) => name.endsWith('-block-size'))).toEqual([
      'riscv,cboz-block-size',
    ]);
    expect(text(cpu('rv64gc_zicboz'), 'riscv,isa')).toMatch(
      /^rv64imafdc_zic64b_zicboz_ziccamoa_.*_svvptc\0$/,
    );
    const names = text(cpu('-zacas,-d'), 'riscv,isa-extensions').split('\0');
    expect(names).toEqual(expect.arrayContaining(['i', 'm', 'f', 'zfh', 'zabha', 'sstc', 'zca']));
    for (const absent of ['zacas', 'd', 'zcd', 'svade']) expect(names).not.toContain(absent);
    expect(text(cpu(''), 'riscv,isa-base')).toBe('rv64i\0');
  });

  // OpenSBI, "PMU support": selector, mask of its bits, counters.
  test('of performance counters is what each may count', () => {
    const pmu = fdtChild(build(1), 'pmu')!;
    const cells = (name: string): number[] => {
      const bytes = Buffer.from(pmu.properties.get(name)!);
      return Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readUInt32BE(index * 4));
    };
    expect(cells('riscv,event-to-mhpmcounters')).toEqual([1, 1, 0xffff_fff9, 2, 2, 0xffff_fffc]);
    const raw = cells('riscv,raw-event-to-mhpmcounters');
    const rest = PERFORMANCE_EVENTS.filter(({ code }) => code > 2);
    expect(raw).toEqual(rest.flatMap(({ code }) => [0, code, 0xffff_ffff, 0xffff_ffff, 0xffff_fff8]));
    expect(fdtChild(build(1, {}, '-zihpm'), 'pmu')).toBeUndefined();
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

function dumpQemu(qemu: Program | string, harts: number, mib = 128, append?: string): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'device-tree-'));
  try {
    const file = join(folder, 'virt.dtb');
    // QEMU takes a command line for a kernel only: one word will do.
    const kernel = join(folder, 'kernel');
    writeFileSync(kernel, new Uint8Array(4));
    const machine = [
      '-M',
      `virt,dumpdtb=${file}`,
      '-cpu',
      'rv64,h=false',
      '-smp',
      String(harts),
      '-m',
      `${mib}M`,
      ...(append === undefined ? [] : ['-kernel', kernel, '-append', append]),
    ];
    output(qemu, [...machine, '-display', 'none']);
    return readFileSync(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
