import { hex } from '../../base/brands.ts';
import { VmError } from '../../base/vm-error.ts';
import { EXIT_KINDS } from '../../protocol/exits.ts';
import { columns } from './arguments.ts';
import { describeSnapshot, type SnapshotSummary, startsAsSnapshot } from './inspect-snapshot.ts';

/** What `inspect` shows of an ELF file; `Elf` of `vmm/formats` has it. */
export interface ElfSummary {
  readonly entry: bigint;
  readonly type: number;
  readonly flags: number;
  readonly segments: readonly {
    readonly type: number;
    readonly vaddr: bigint;
    readonly paddr: bigint;
    readonly fileSize: number;
    readonly memSize: number;
    readonly flags: number;
  }[];
  readonly symbols: { readonly length: number };
  section(name: string): unknown;
  readonly tohost: bigint | undefined;
  readonly fromhost: bigint | undefined;
}

/** A node of a device tree; property values are raw bytes. */
export interface TreeNode {
  readonly name: string;
  readonly properties: ReadonlyMap<string, Uint8Array>;
  readonly children: readonly TreeNode[];
}

/** Readers of the formats, which stand in other folders. They throw `VmError('bad-file')`. */
export interface FileReaders {
  isElf(bytes: Uint8Array): boolean;
  parseElf(bytes: Uint8Array): ElfSummary;
  decodeFdt(bytes: Uint8Array): TreeNode;
  /** Of the same file, which is a snapshot; it is read with those that it builds on. */
  summary(): SnapshotSummary;
}

/** A description of a file for people, lines ended. Throws `VmError('bad-file')` for a damaged ELF file, device tree or snapshot. */
export function inspectFile(path: string, data: Uint8Array, readers: FileReaders): string {
  const lines = nameInErrors(path, () => describe(data, readers));
  return [`${path}: ${lines[0]}`, ...lines.slice(1), ''].join('\n');
}

function nameInErrors<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof VmError)) throw error;
    throw new VmError(error.code, `${path}: ${error.message}`, error.column);
  }
}

function describe(data: Uint8Array, readers: FileReaders): string[] {
  if (readers.isElf(data)) return describeElf(readers.parseElf(data));
  if (startsAsDeviceTree(data)) return describeDeviceTree(data.length, readers.decodeFdt(data));
  if (startsAsSnapshot(data)) return describeSnapshot(readers.summary());
  return describeTrace(data) ?? describeRaw(data);
}

const ELF_TYPES: Readonly<Record<number, string>> = {
  1: 'relocatable object',
  2: 'executable',
  3: 'shared object or position-independent executable',
  4: 'core file',
};
const PT_LOAD = 1;

function describeElf(elf: ElfSummary): string[] {
  const loadable = elf.segments.filter(({ type }) => type === PT_LOAD);
  const facts: [string, string][] = [
    ['entry', hex(elf.entry)],
    ['flags', elfFlags(elf.flags)],
    ['symbols', String(elf.symbols.length)],
    ['debug information', elf.section('.debug_info') === undefined ? 'none' : 'DWARF'],
    ['tohost', elf.tohost === undefined ? 'none' : `${hex(elf.tohost)} (the guest ends through HTIF)`],
  ];
  if (elf.fromhost !== undefined) facts.push(['fromhost', hex(elf.fromhost)]);
  return [
    `ELF64, RISC-V, ${ELF_TYPES[elf.type] ?? `type ${elf.type}`}`,
    ...columns(facts),
    '',
    `  ${'virtual'.padEnd(20)}${'physical'.padEnd(20)}${'in file'.padStart(10)}${'in memory'.padStart(12)}  access`,
    ...loadable.map(
      ({ vaddr, paddr, fileSize, memSize, flags }) =>
        `  ${hex(vaddr).padEnd(20)}${hex(paddr).padEnd(20)}${String(fileSize).padStart(10)}${String(memSize).padStart(12)}  ${access(flags)}`,
    ),
  ];
}

/** `e_flags` (RISC-V ELF psABI, "File Header"). */
function elfFlags(flags: number): string {
  const floats = ['soft-float', 'single-float', 'double-float', 'quad-float'][(flags >> 1) & 3]!;
  return [flags & 1 ? 'compressed instructions' : 'no compressed instructions', `${floats} ABI`].join(', ');
}

const access = (flags: number): string =>
  (flags & 4 ? 'r' : '-') + (flags & 2 ? 'w' : '-') + (flags & 1 ? 'x' : '-');

/** The magic number of a device tree blob (Devicetree Specification, section 5.2). */
const startsAsDeviceTree = (data: Uint8Array): boolean =>
  data[0] === 0xd0 && data[1] === 0x0d && data[2] === 0xfe && data[3] === 0xed;

function describeDeviceTree(bytes: number, root: TreeNode): string[] {
  return [`device tree blob, ${bytes} bytes`, '', ...sourceOfNode({ ...root, name: '/' }, '')];
}

/** A node in the syntax of device tree sources. */
function sourceOfNode(node: TreeNode, indent: string): string[] {
  const inner = `${indent}    `;
  return [
    `${indent}${node.name} {`,
    ...[...node.properties].map(([name, value]) => `${inner}${name}${sourceOfValue(value)};`),
    ...node.children.flatMap((child) => ['', ...sourceOfNode(child, inner)]),
    `${indent}};`,
  ];
}

/** Blobs do not say what a value is: like dtc, text is what consists of printable strings, cells are what has their size. */
function sourceOfValue(value: Uint8Array): string {
  if (value.length === 0) return '';
  const text = new TextDecoder().decode(value);
  if (/^([\x20-\x7e]+\0)+$/.test(text)) {
    return ` = ${text
      .slice(0, -1)
      .split('\0')
      .map((part) => `"${part}"`)
      .join(', ')}`;
  }
  const digits = [...value].map((byte) => byte.toString(16).padStart(2, '0'));
  if (value.length % 4 !== 0) return ` = [${digits.join(' ')}]`;
  const cells = Array.from({ length: value.length / 4 }, (_, cell) =>
    digits.slice(cell * 4, cell * 4 + 4).join(''),
  );
  return ` = <${cells.map((cell) => `0x${cell.replace(/^0+(?=.)/, '')}`).join(' ')}>`;
}

/** Lines of `run --trace`: records counted by kind. Undefined when the first line is no such record. */
function describeTrace(data: Uint8Array): string[] | undefined {
  if (data[0] !== 0x7b) return undefined;
  const counts = new Map<string, number>();
  let first: string | undefined;
  let last: string | undefined;
  let damaged = 0;
  for (const line of new TextDecoder().decode(data).split('\n')) {
    if (line === '') continue;
    const record = traceRecord(line);
    if (record === undefined) {
      if (first === undefined) return undefined;
      damaged++;
      continue;
    }
    first ??= record.step;
    last = record.step;
    counts.set(record.kind, (counts.get(record.kind) ?? 0) + 1);
  }
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const rows = EXIT_KINDS.filter((kind) => counts.has(kind)).map(
    (kind) => [kind, String(counts.get(kind))] as const,
  );
  return [
    `trace of ${total} exits, steps ${first} to ${last}`,
    ...columns(rows),
    ...(damaged > 0 ? ['', `  lines that are no trace records: ${damaged}`] : []),
  ];
}

function traceRecord(line: string): { kind: string; step: string } | undefined {
  try {
    const record = JSON.parse(line) as { step?: unknown; exit?: { kind?: unknown } };
    const kind = record.exit?.kind;
    if (typeof kind !== 'string' || !EXIT_KINDS.some((known) => known === kind)) return undefined;
    return { kind, step: BigInt(String(record.step)).toString() };
  } catch {
    return undefined;
  }
}

/** A Linux `Image` header (Documentation/arch/riscv/boot-image-header.rst): `magic2` is "RSC\x05" at offset 56. */
const LINUX_MAGIC2 = 0x0543_5352;

function describeRaw(data: Uint8Array): string[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (data.length >= 64 && view.getUint32(56, true) === LINUX_MAGIC2) {
    return [
      `Linux kernel image for RISC-V, ${data.length} bytes`,
      ...columns([
        ['load offset', hex(view.getBigUint64(8, true))],
        ['size in memory', `${view.getBigUint64(16, true)} bytes`],
      ]),
    ];
  }
  return [
    `raw image, ${data.length} bytes`,
    '  It has no header: as a kernel it goes to 0x80200000 (RAM + 2 MiB), with --firmware none or as firmware to 0x80000000.',
  ];
}
