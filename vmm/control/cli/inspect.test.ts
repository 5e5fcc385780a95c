import { expect, test } from 'vitest';
import { VmError } from '../../base/vm-error.ts';
import { type ElfSummary, type FileReaders, inspectFile, type TreeNode } from './inspect.ts';

const elf: ElfSummary = {
  entry: 0x8020_0000n,
  type: 2,
  flags: 5,
  segments: [
    {
      type: 1,
      vaddr: 0xffff_ffc0_8000_0000n,
      paddr: 0x8020_0000n,
      fileSize: 8192,
      memSize: 12_288,
      flags: 5,
    },
    { type: 4, vaddr: 0n, paddr: 0n, fileSize: 10, memSize: 10, flags: 4 },
  ],
  symbols: { length: 12 },
  section: (name) => (name === '.debug_info' ? {} : undefined),
  tohost: 0x8000_1000n,
  fromhost: undefined,
};

const tree: TreeNode = {
  name: '',
  properties: new Map([
    ['compatible', new TextEncoder().encode('riscv-virtio\0qemu,virt\0')],
    ['#address-cells', Uint8Array.of(0, 0, 0, 2)],
  ]),
  children: [
    {
      name: 'serial@10000000',
      properties: new Map([
        ['reg', Uint8Array.of(0, 0, 0, 0, 0x10, 0, 0, 0)],
        ['dma-coherent', new Uint8Array(0)],
        ['odd', Uint8Array.of(1, 0xff)],
      ]),
      children: [],
    },
  ],
};

const readers: FileReaders = {
  isElf: (bytes) => bytes[0] === 0x7f,
  parseElf: (bytes) => {
    if (bytes.length < 4) throw new VmError('bad-file', 'the ELF file is truncated');
    return elf;
  },
  decodeFdt: () => tree,
  summary: () => ({
    header: {
      program: '1.2.3',
      config: { harts: 2, memory: 128 << 20 },
      steps: 1_000n,
      instructions: 1_900n,
      images: [{ option: 'kernel', file: '/images/kernel' }],
      disks: [
        { name: 'a.qcow2', session: true },
        { name: 'b.raw', session: false },
      ],
    },
    bytes: 4321,
    parents: ['/snapshots/a', '/snapshots/b'],
    presentBytes: 3 << 19,
    sections: [{ name: 'pages', version: 1, count: 3, stored: 4000, length: 786_432 }],
  }),
};

const text = (lines: string) => new TextEncoder().encode(lines);
const inspect = (data: Uint8Array) => inspectFile('f', data, readers);

test('an ELF file: where it goes and how it starts', () => {
  expect(inspect(Uint8Array.of(0x7f, 1, 2, 3))).toBe(`f: ELF64, RISC-V, executable
  entry              0x80200000
  flags              compressed instructions, double-float ABI
  symbols            12
  debug information  DWARF
  tohost             0x80001000 (the guest ends through HTIF)

  virtual             physical               in file   in memory  access
  0xffffffc080000000  0x80200000                8192       12288  r-x
`);
});

test('a damaged ELF file is an error', () => {
  expect(() => inspect(Uint8Array.of(0x7f))).toThrow('truncated');
});

test('a device tree blob: its source', () => {
  expect(inspect(Uint8Array.of(0xd0, 0x0d, 0xfe, 0xed))).toBe(`f: device tree blob, 4 bytes

/ {
    compatible = "riscv-virtio", "qemu,virt";
    #address-cells = <0x2>;

    serial@10000000 {
        reg = <0x0 0x10000000>;
        dma-coherent;
        odd = [01 ff];
    };
};
`);
});

test('a trace: its exits by kind', () => {
  const line = (kind: string, step: string) => JSON.stringify({ step, exit: { kind } });
  const lines = [line('sbi', '0x10'), line('mmio', '0x11'), 'cut off', line('sbi', '0x20'), ''];
  expect(inspect(text(lines.join('\n')))).toBe(`f: trace of 3 exits, steps 16 to 32
  mmio  1
  sbi   2

  lines that are no trace records: 1
`);
});

test.each([
  ['JSON that is no trace', text('{"a":1}\n'), 'raw image, 8 bytes'],
  ['anything else', Uint8Array.of(1, 2, 3), 'raw image, 3 bytes'],
])('%s', (_, data, expected) => {
  expect(inspect(data)).toContain(expected);
});

test('a Linux image: where it wants to be', () => {
  const image = new Uint8Array(64);
  const view = new DataView(image.buffer);
  view.setBigUint64(8, 0x20_0000n, true);
  view.setBigUint64(16, 0x150_0000n, true);
  image.set(text('RSC\x05'), 56);
  expect(inspect(image)).toBe(`f: Linux kernel image for RISC-V, 64 bytes
  load offset     0x200000
  size in memory  22020096 bytes
`);
});

test('a snapshot, with what it is of and what it builds on', () => {
  const text = inspectFile('a.snapshot', new TextEncoder().encode('HARTSNAP…'), readers);
  expect(text.split('\n')[0]).toBe(
    'a.snapshot: snapshot of a machine, 4321 bytes, written by Hartscope 1.2.3',
  );
  expect(text).toMatch(/memory +128 MiB, of which 1\.5 MiB are in use/);
  expect(text).toMatch(/kernel +\/images\/kernel\n/);
  expect(text).toMatch(/drive0 +a\.qcow2 \(overlay\)\n +drive1 +b\.raw\n/);
  expect(text).toMatch(/builds on +\/snapshots\/a\n +\/snapshots\/b\n/);
  expect(text).toMatch(/pages +1 +3 +4000 +786432\n/);
});
