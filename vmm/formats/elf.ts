import { hex } from '../base/brands.ts';
import { ByteReader } from '../base/bytes.ts';
import { VmError } from '../base/vm-error.ts';
import { decompress } from './elf-compression.ts';

/** `e_type` (System V ABI, "ELF Header"). */
export const ELF_TYPE = { relocatable: 1, executable: 2, shared: 3, core: 4 } as const;
/** `p_type` values that matter here. */
export const SEGMENT_TYPE = { load: 1, dynamic: 2, interp: 3, note: 4 } as const;
/** `p_flags`. */
export const SEGMENT_FLAG = { execute: 1, write: 2, read: 4 } as const;
/** `sh_type` values that matter here. */
export const SECTION_TYPE = {
  null: 0,
  progbits: 1,
  symtab: 2,
  strtab: 3,
  rela: 4,
  nobits: 8,
  dynsym: 11,
} as const;
/** `sh_flags`. */
export const SECTION_FLAG = { write: 1, alloc: 2, execute: 4, compressed: 0x800 } as const;
/** `st_info` type. */
export const SYMBOL_TYPE = { none: 0, object: 1, function: 2, section: 3, file: 4 } as const;
/** `st_info` binding. */
export const SYMBOL_BINDING = { local: 0, global: 1, weak: 2 } as const;

/** A program header. `offset` and the sizes are in bytes; `data` is the part in the file, not copied. */
export interface ElfSegment {
  readonly type: number;
  readonly offset: number;
  readonly vaddr: bigint;
  readonly paddr: bigint;
  readonly fileSize: number;
  /** At least `fileSize` for loadable segments; the rest is zero in memory. */
  readonly memSize: number;
  readonly flags: number;
  readonly data: Uint8Array;
}

export interface ElfSection {
  readonly name: string;
  readonly index: number;
  readonly type: number;
  readonly flags: number;
  /** Where it stands in guest memory; 0 when it takes none. */
  readonly address: bigint;
  /** Bytes in memory; for compressed sections, bytes in the file. */
  readonly size: number;
  /** Index of a related section, e.g. a symbol table's strings. */
  readonly link: number;
  /**
   * The contents, decompressed once if `SHF_COMPRESSED` is set; empty for sections without bits in the file.
   * Throws `VmError('bad-file')` when compressed contents are damaged or in a format unknown here.
   */
  readonly data: Uint8Array;
}

export interface ElfSymbol {
  readonly name: string;
  /** An address for functions and objects of a linked file. */
  readonly value: bigint;
  readonly size: number;
  /** See `SYMBOL_TYPE`. */
  readonly type: number;
  /** See `SYMBOL_BINDING`. */
  readonly binding: number;
  /** Section index; 0 is undefined, 0xfff1 absolute. */
  readonly section: number;
}

/** A parsed ELF64 file for RISC-V. */
export interface Elf {
  readonly entry: bigint;
  /** See `ELF_TYPE`. */
  readonly type: number;
  /** `e_flags`: RVC, float ABI (RISC-V ELF psABI, "File Header"). */
  readonly flags: number;
  readonly segments: readonly ElfSegment[];
  readonly sections: readonly ElfSection[];
  /** Of `.symtab`, else of `.dynsym`, in file order; read on first use. */
  readonly symbols: readonly ElfSymbol[];
  /** The first section of that name. */
  section(name: string): ElfSection | undefined;
  /** The defined symbol of that name, a global one before a local one. */
  symbol(name: string): ElfSymbol | undefined;
  /** HTIF mailboxes, for images of RISC-V's own tests; addresses. */
  readonly tohost: bigint | undefined;
  readonly fromhost: bigint | undefined;
}

/** True when the bytes start as any ELF file does, of whatever class and machine. */
export function isElf(bytes: Uint8Array): boolean {
  return (
    bytes.length >= 4 && bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46
  );
}

/**
 * Parses an ELF64 little-endian file for RISC-V (System V ABI, chapter 4 and 5; RISC-V ELF psABI).
 * Segment, section and symbol contents are views into `file`. Throws `VmError('bad-file')` when the file is
 * no ELF, is for another machine, or its headers point outside of it.
 */
export function parseElf(file: Uint8Array): Elf {
  // Node's Buffer is a Uint8Array whose `slice` does not copy; plain ones behave alike everywhere.
  const bytes = new Uint8Array(file.buffer, file.byteOffset, file.length);
  checkIdentity(bytes);
  const reader = new ByteReader(bytes, 'the ELF header', 16);
  const type = reader.u16();
  checkMachine(reader.u16());
  reader.skip(4); // e_version: 1 in every file there is
  const entry = reader.u64();
  const programHeaders = reader.size64();
  const sectionHeaders = reader.size64();
  const flags = reader.u32();
  reader.skip(2); // e_ehsize
  const programEntrySize = reader.u16();
  let programCount = reader.u16();
  const sectionEntrySize = reader.u16();
  let sectionCount = reader.u16();
  let nameSection = reader.u16();

  if (sectionHeaders !== 0) {
    checkEntrySize('section', sectionEntrySize, SECTION_HEADER_SIZE);
    const first = readSectionHeader(tableReader(bytes, 'section', sectionHeaders, 1, SECTION_HEADER_SIZE));
    // Counts that do not fit 16 bits stand in the first section header (System V ABI, "Sections").
    if (sectionCount === 0) sectionCount = first.size;
    if (nameSection === SHN_XINDEX) nameSection = first.link;
    if (programCount === PN_XNUM) programCount = first.info;
  } else {
    sectionCount = 0;
  }
  if (programCount !== 0) checkEntrySize('program', programEntrySize, PROGRAM_HEADER_SIZE);

  const segments = readSegments(bytes, programHeaders, programCount);
  const sections = readSections(bytes, sectionHeaders, sectionCount, nameSection);
  return new ParsedElf({ entry, type, flags, segments, sections });
}

const PROGRAM_HEADER_SIZE = 56;
const SECTION_HEADER_SIZE = 64;
const SYMBOL_SIZE = 24;
const SHN_XINDEX = 0xffff;
const PN_XNUM = 0xffff;
const EM_RISCV = 243;

class ParsedElf implements Elf {
  readonly entry: bigint;
  readonly type: number;
  readonly flags: number;
  readonly segments: readonly ElfSegment[];
  readonly sections: readonly ElfSection[];
  #symbols: readonly ElfSymbol[] | undefined;
  #byName: Map<string, ElfSymbol> | undefined;

  constructor(parts: Pick<Elf, 'entry' | 'type' | 'flags' | 'segments' | 'sections'>) {
    this.entry = parts.entry;
    this.type = parts.type;
    this.flags = parts.flags;
    this.segments = parts.segments;
    this.sections = parts.sections;
  }

  get symbols(): readonly ElfSymbol[] {
    return (this.#symbols ??= readSymbols(this.sections));
  }

  get tohost(): bigint | undefined {
    return this.symbol('tohost')?.value;
  }

  get fromhost(): bigint | undefined {
    return this.symbol('fromhost')?.value;
  }

  section(name: string): ElfSection | undefined {
    return this.sections.find((section) => section.name === name);
  }

  symbol(name: string): ElfSymbol | undefined {
    this.#byName ??= indexByName(this.symbols);
    return this.#byName.get(name);
  }
}

function checkIdentity(bytes: Uint8Array): void {
  if (!isElf(bytes)) throw new VmError('bad-file', 'not an ELF file: it does not start with 7f 45 4c 46');
  if (bytes.length < 64) {
    throw new VmError(
      'bad-file',
      `the ELF file is truncated: ${bytes.length} bytes, its header alone takes 64`,
    );
  }
  if (bytes[4] !== 2) {
    const found = bytes[4] === 1 ? 'a 32-bit ELF file' : `an ELF file of unknown class ${bytes[4]}`;
    throw new VmError('bad-file', `${found}: this machine is RV64 and needs a 64-bit one (-march=rv64…)`);
  }
  if (bytes[5] !== 1) {
    throw new VmError('bad-file', 'a big-endian ELF file: this machine is little-endian');
  }
}

function checkMachine(machine: number): void {
  if (machine === EM_RISCV) return;
  const name = MACHINES[machine] ?? `machine number ${machine}`;
  throw new VmError('bad-file', `an ELF file for ${name}: this machine runs RISC-V (riscv64) code only`);
}

/** The machines that a person is likely to pick by mistake. */
const MACHINES: Readonly<Record<number, string>> = {
  2: 'SPARC',
  3: 'x86 (i386)',
  8: 'MIPS',
  20: 'PowerPC',
  21: 'PowerPC64',
  22: 'S390',
  40: 'Arm (32-bit)',
  43: 'SPARC V9',
  62: 'x86-64',
  94: 'Xtensa',
  183: 'AArch64',
  247: 'BPF',
  258: 'LoongArch',
};

function checkEntrySize(kind: string, found: number, expected: number): void {
  if (found === expected) return;
  throw new VmError(
    'bad-file',
    `the ELF file says its ${kind} headers take ${found} bytes each, not ${expected}`,
  );
}

function tableReader(
  bytes: Uint8Array,
  kind: string,
  offset: number,
  count: number,
  size: number,
): ByteReader {
  const end = offset + count * size;
  if (end > bytes.length) {
    throw new VmError(
      'bad-file',
      `the ELF file is truncated: its ${kind} headers reach to byte ${end}, the file has ${bytes.length}`,
    );
  }
  return new ByteReader(bytes, `the ELF file's ${kind} headers`, offset, end);
}

function readSegments(bytes: Uint8Array, offset: number, count: number): ElfSegment[] {
  const reader = tableReader(bytes, 'program', offset, count, PROGRAM_HEADER_SIZE);
  const segments: ElfSegment[] = [];
  for (let index = 0; index < count; index += 1) {
    const type = reader.u32();
    const flags = reader.u32();
    const fileOffset = reader.size64();
    const vaddr = reader.u64();
    const paddr = reader.u64();
    const fileSize = reader.size64();
    const memSize = reader.size64();
    reader.skip(8); // p_align
    const data = fileRange(bytes, `segment ${index}`, fileOffset, fileSize);
    segments.push({ type, flags, offset: fileOffset, vaddr, paddr, fileSize, memSize, data });
    if (type === SEGMENT_TYPE.load) checkLoadable(segments.at(-1)!, index);
  }
  checkNoOverlap(segments);
  return segments;
}

function checkLoadable(segment: ElfSegment, index: number): void {
  if (segment.memSize < segment.fileSize) {
    throw new VmError(
      'bad-file',
      `segment ${index} of the ELF file takes ${segment.memSize} bytes of memory but brings ${segment.fileSize}`,
    );
  }
  const size = BigInt(segment.memSize);
  if (segment.paddr + size > 1n << 64n || segment.vaddr + size > 1n << 64n) {
    throw new VmError(
      'bad-file',
      `segment ${index} of the ELF file wraps around the end of the address space`,
    );
  }
}

/** No two segments may bring bytes for one address. Zeroed memory may overlap: linker scripts do lay .bss over data used up by then. */
function checkNoOverlap(segments: readonly ElfSegment[]): void {
  const loaded = segments
    .filter((segment) => segment.type === SEGMENT_TYPE.load && segment.fileSize > 0)
    .sort((a, b) => (a.paddr < b.paddr ? -1 : a.paddr > b.paddr ? 1 : 0));
  for (const [index, segment] of loaded.entries()) {
    const next = loaded[index + 1];
    if (next === undefined || segment.paddr + BigInt(segment.fileSize) <= next.paddr) continue;
    const [first, second] = [segments.indexOf(segment), segments.indexOf(next)].sort((a, b) => a - b);
    throw new VmError(
      'bad-file',
      `segments ${first} and ${second} of the ELF file both load at ${hex(next.paddr)}`,
    );
  }
}

function fileRange(bytes: Uint8Array, what: string, offset: number, size: number): Uint8Array {
  if (offset + size > bytes.length) {
    throw new VmError(
      'bad-file',
      `the ELF file is truncated: ${what} reaches to byte ${offset + size}, the file has ${bytes.length}`,
    );
  }
  return bytes.subarray(offset, offset + size);
}

interface SectionHeader {
  readonly name: number;
  readonly type: number;
  readonly flags: number;
  readonly address: bigint;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  readonly info: number;
}

function readSectionHeader(reader: ByteReader): SectionHeader {
  const name = reader.u32();
  const type = reader.u32();
  // Flags above bit 31 are reserved for processors and unused on RISC-V.
  const flags = Number(reader.u64() & 0xffff_ffffn);
  const address = reader.u64();
  const offset = reader.size64();
  const size = reader.size64();
  const link = reader.u32();
  const info = reader.u32();
  reader.skip(16); // sh_addralign, sh_entsize
  return { name, type, flags, address, offset, size, link, info };
}

function readSections(bytes: Uint8Array, offset: number, count: number, nameSection: number): ElfSection[] {
  const reader = tableReader(bytes, 'section', offset, count, SECTION_HEADER_SIZE);
  const headers: SectionHeader[] = [];
  for (let index = 0; index < count; index += 1) headers.push(readSectionHeader(reader));
  const names = headers[nameSection];
  const nameBytes =
    names === undefined || names.type === SECTION_TYPE.nobits || nameSection === 0
      ? new Uint8Array(0)
      : fileRange(bytes, 'the section name table', names.offset, names.size);
  return headers.map((header, index) => {
    const name = textAt(nameBytes, header.name, SECTION_NAME_MAX);
    const inFile = header.type !== SECTION_TYPE.nobits && header.type !== SECTION_TYPE.null;
    const contents = inFile
      ? fileRange(bytes, `section ${name || index}`, header.offset, header.size)
      : new Uint8Array(0);
    return new ParsedSection(name, index, header, contents);
  });
}

class ParsedSection implements ElfSection {
  readonly name: string;
  readonly index: number;
  readonly type: number;
  readonly flags: number;
  readonly address: bigint;
  readonly size: number;
  readonly link: number;
  readonly #contents: Uint8Array;
  #data: Uint8Array | undefined;

  constructor(name: string, index: number, header: SectionHeader, contents: Uint8Array) {
    this.name = name;
    this.index = index;
    this.type = header.type;
    this.flags = header.flags;
    this.address = header.address;
    this.size = header.size;
    this.link = header.link;
    this.#contents = contents;
  }

  get data(): Uint8Array {
    if ((this.flags & SECTION_FLAG.compressed) === 0) return this.#contents;
    return (this.#data ??= decompress(this.name, this.#contents));
  }
}

function readSymbols(sections: readonly ElfSection[]): ElfSymbol[] {
  const table =
    sections.find((section) => section.type === SECTION_TYPE.symtab) ??
    sections.find((section) => section.type === SECTION_TYPE.dynsym);
  if (table === undefined) return [];
  const names = sections[table.link]?.data ?? new Uint8Array(0);
  const reader = new ByteReader(table.data, `the symbol table ${table.name}`);
  const symbols: ElfSymbol[] = [];
  while (reader.remaining >= SYMBOL_SIZE) {
    const name = textAt(names, reader.u32(), SYMBOL_NAME_MAX);
    const info = reader.u8();
    reader.skip(1); // st_other: visibility
    const section = reader.u16();
    const value = reader.u64();
    const size = Number(reader.u64());
    symbols.push({ name, value, size, type: info & 15, binding: info >> 4, section });
  }
  return symbols;
}

function indexByName(symbols: readonly ElfSymbol[]): Map<string, ElfSymbol> {
  const byName = new Map<string, ElfSymbol>();
  for (const symbol of symbols) {
    if (symbol.name === '' || symbol.section === 0) continue;
    const earlier = byName.get(symbol.name);
    const better = earlier?.binding === SYMBOL_BINDING.local && symbol.binding !== SYMBOL_BINDING.local;
    if (earlier === undefined || better) byName.set(symbol.name, symbol);
  }
  return byName;
}

/**
 * Longest names kept, in bytes. Without a bound, a file whose symbols all point at the start of one string
 * as long as the file would cost memory quadratic in its size.
 */
const SECTION_NAME_MAX = 255;
const SYMBOL_NAME_MAX = 4096;

/** A string of a string table; one that points outside of it is empty, since nothing but display depends on it. */
function textAt(table: Uint8Array, offset: number, lengthMax: number): string {
  if (offset >= table.length || table[offset] === 0) return '';
  return new ByteReader(table, 'a string table', offset, offset + lengthMax).text();
}
