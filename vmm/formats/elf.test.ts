import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VmError } from '../base/vm-error.ts';
import { isElf, parseElf, SECTION_FLAG, SECTION_TYPE, SEGMENT_TYPE } from './elf.ts';

/** The built sample: a real file from a real linker. */
const KERNEL = readFileSync(join(import.meta.dirname, '../../samples/01-first-kernel/kernel.elf'));

interface Parts {
  readonly segments?: readonly {
    paddr?: bigint;
    vaddr?: bigint;
    data?: Uint8Array;
    memSize?: number;
    offset?: number;
  }[];
  readonly sections?: readonly {
    name: string;
    type?: number;
    flags?: number;
    address?: bigint;
    data: Uint8Array;
    link?: number;
  }[];
}

/** Writes a small ELF file by hand, independent of the parser: header, program headers, contents, section headers. */
function makeElf({ segments = [], sections = [] }: Parts): Uint8Array {
  const names = ['', ...sections.map(({ name }) => name), '.shstrtab'];
  const nameTable = new TextEncoder().encode(names.join('\0') + '\0');
  const all = [...sections, { name: '.shstrtab', type: SECTION_TYPE.strtab, data: nameTable }];
  const contents: Uint8Array[] = [];
  let end = 64 + 56 * segments.length;
  const place = (data: Uint8Array): number => {
    contents.push(data);
    end += data.length;
    return end - data.length;
  };
  const programs = segments.map((segment) => ({ ...segment, at: place(segment.data ?? new Uint8Array(0)) }));
  const placed = all.map((section) => ({ ...section, at: place(section.data) }));
  const file = new Uint8Array(end + 64 * (placed.length + 1));
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, 243, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, 0x8000_0000n, true);
  view.setBigUint64(32, 64n, true);
  view.setBigUint64(40, BigInt(end), true);
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, segments.length, true);
  view.setUint16(58, 64, true);
  view.setUint16(60, placed.length + 1, true);
  view.setUint16(62, placed.length, true);
  for (const [index, { at, data, ...segment }] of programs.entries()) {
    const header = 64 + 56 * index;
    const size = data?.length ?? 0;
    view.setUint32(header, SEGMENT_TYPE.load, true);
    view.setUint32(header + 4, 7, true);
    view.setBigUint64(header + 8, BigInt(segment.offset ?? at), true);
    view.setBigUint64(header + 16, segment.vaddr ?? segment.paddr ?? 0n, true);
    view.setBigUint64(header + 24, segment.paddr ?? 0n, true);
    view.setBigUint64(header + 32, BigInt(size), true);
    view.setBigUint64(header + 40, BigInt(segment.memSize ?? size), true);
  }
  let at = 64 + 56 * segments.length;
  for (const data of contents) {
    file.set(data, at);
    at += data.length;
  }
  let nameOffset = 1;
  for (const [index, section] of placed.entries()) {
    const header = end + 64 * (index + 1);
    view.setUint32(header, nameOffset, true);
    nameOffset += section.name.length + 1;
    view.setUint32(header + 4, section.type ?? SECTION_TYPE.progbits, true);
    view.setBigUint64(header + 8, BigInt(section.flags ?? 0), true);
    view.setBigUint64(header + 16, section.address ?? 0n, true);
    view.setBigUint64(header + 24, BigInt(section.at), true);
    view.setBigUint64(header + 32, BigInt(section.data.length), true);
    view.setUint32(header + 40, section.link ?? 0, true);
  }
  return file;
}

function symbol(name: number, value: bigint, section: number, binding = 1): Uint8Array {
  const bytes = new Uint8Array(24);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, name, true);
  view.setUint8(4, (binding << 4) | 1);
  view.setUint16(6, section, true);
  view.setBigUint64(8, value, true);
  view.setBigUint64(16, 8n, true);
  return bytes;
}

function compressed(data: Uint8Array, claimed = data.length, type = 1): Uint8Array {
  const body = deflateSync(data);
  const bytes = new Uint8Array(24 + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setBigUint64(8, BigInt(claimed), true);
  view.setBigUint64(16, 1n, true);
  bytes.set(body, 24);
  return bytes;
}

function patched(at: number, ...bytes: number[]): Uint8Array {
  const copy = Uint8Array.from(KERNEL);
  copy.set(bytes, at);
  return copy;
}

function message(bytes: Uint8Array): string {
  try {
    parseElf(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(VmError);
    expect((error as VmError).code).toBe('bad-file');
    return (error as VmError).message;
  }
  return 'no error';
}

describe('parseElf on the sample kernel', () => {
  it('finds entry, segments, sections and symbols', () => {
    const elf = parseElf(KERNEL);
    expect(elf.type).toBe(2);
    expect(elf.entry).toBe(elf.symbol('_start')!.value);
    const loaded = elf.segments.filter(({ type }) => type === SEGMENT_TYPE.load);
    expect(loaded.length).toBeGreaterThan(0);
    expect(
      loaded.some(({ paddr, memSize }) => elf.entry >= paddr && elf.entry < paddr + BigInt(memSize)),
    ).toBe(true);
    expect(elf.section('.debug_line')!.data.length).toBeGreaterThan(1000);
    expect(elf.section('.nothing')).toBeUndefined();
    expect(elf.symbol('kernel_main')).toMatchObject({ type: 2, binding: 1 });
    expect(elf.tohost).toBeUndefined();
  });

  it('works on a view into a larger buffer', () => {
    const buffer = new Uint8Array(KERNEL.length + 13);
    buffer.set(KERNEL, 13);
    expect(parseElf(buffer.subarray(13)).symbols).toEqual(parseElf(KERNEL).symbols);
  });
});

describe('parseElf', () => {
  it('reads what was written', () => {
    const strings = new TextEncoder().encode('\0tohost\0fromhost\0');
    const data = Uint8Array.of(1, 2, 3, 4);
    const table = new Uint8Array(72);
    table.set(symbol(1, 0x8000_1000n, 1, 0), 24);
    table.set(symbol(1, 0x8000_2000n, 1), 48);
    const elf = parseElf(
      makeElf({
        segments: [{ paddr: 0x8000_0000n, vaddr: 0xffff_ffff_8000_0000n, data, memSize: 100 }],
        sections: [
          { name: '.text', flags: SECTION_FLAG.alloc | SECTION_FLAG.execute, address: 0x8000_0000n, data },
          { name: '.strtab', type: SECTION_TYPE.strtab, data: strings },
          { name: '.symtab', type: SECTION_TYPE.symtab, data: table, link: 2 },
        ],
      }),
    );
    expect(elf.entry).toBe(0x8000_0000n);
    expect(elf.segments[0]).toMatchObject({ vaddr: 0xffff_ffff_8000_0000n, fileSize: 4, memSize: 100, data });
    expect(elf.section('.text')).toMatchObject({ index: 1, address: 0x8000_0000n, size: 4, data });
    // A global symbol wins over a local one of the same name.
    expect(elf.tohost).toBe(0x8000_2000n);
    expect(elf.fromhost).toBeUndefined();
  });

  it('decompresses sections', () => {
    const data = new TextEncoder().encode('debug '.repeat(500));
    const section = (bytes: Uint8Array) =>
      parseElf(
        makeElf({ sections: [{ name: '.debug_info', flags: SECTION_FLAG.compressed, data: bytes }] }),
      ).section('.debug_info')!;
    expect(section(compressed(data)).data).toEqual(data);
    expect(() => section(compressed(data, 10)).data).toThrow(/damaged contents|instead of/);
    expect(() => section(compressed(data, 5000)).data).toThrow('expands to 3000 bytes instead of 5000');
    expect(() => section(compressed(data, 2 ** 40)).data).toThrow('cannot expand');
    expect(() => section(compressed(data, data.length, 2)).data).toThrow('zstd');
    expect(() => section(Uint8Array.of(1, 0)).data).toThrow('ends too early');
  });

  it('says what is wrong with a file', () => {
    expect(message(new Uint8Array(0))).toContain('not an ELF file');
    expect(message(new TextEncoder().encode('MZ and so on'))).toContain('not an ELF file');
    expect(message(KERNEL.subarray(0, 40))).toContain('truncated: 40 bytes');
    expect(message(KERNEL.subarray(0, KERNEL.length - 100))).toContain('truncated');
    expect(message(KERNEL.subarray(0, 4096))).toContain('truncated');
    expect(message(patched(4, 1))).toContain('32-bit');
    expect(message(patched(5, 2))).toContain('big-endian');
    expect(message(patched(18, 62, 0))).toContain('x86-64');
    expect(message(patched(18, 183, 0))).toContain('AArch64');
    expect(message(patched(18, 0x99, 0x77))).toContain('machine number 30617');
    expect(message(patched(54, 32, 0))).toContain('program headers take 32 bytes');
    expect(message(patched(58, 40, 0))).toContain('section headers take 40 bytes');
    expect(message(patched(32, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff))).toContain(
      'no offset or size',
    );
  });

  it('refuses segments that lie', () => {
    const data = new Uint8Array(64);
    const segment = { paddr: 0x8000_0000n, data };
    expect(message(makeElf({ segments: [{ ...segment, memSize: 10 }] }))).toContain(
      'takes 10 bytes of memory but brings 64',
    );
    expect(message(makeElf({ segments: [{ ...segment, paddr: (1n << 64n) - 8n }] }))).toContain(
      'wraps around',
    );
    expect(message(makeElf({ segments: [segment, { ...segment, paddr: 0x8000_0020n }] }))).toBe(
      'segments 0 and 1 of the ELF file both load at 0x80000020',
    );
    expect(message(makeElf({ segments: [{ ...segment, offset: 1 << 20 }] }))).toContain(
      'truncated: segment 0',
    );
    // Zeroed memory may lie under another segment's data.
    expect(
      message(
        makeElf({
          segments: [
            { ...segment, memSize: 1000 },
            { ...segment, paddr: 0x8000_0100n },
          ],
        }),
      ),
    ).toBe('no error');
  });

  it('tells ELF files from others', () => {
    expect(isElf(KERNEL)).toBe(true);
    expect(isElf(KERNEL.subarray(1))).toBe(false);
    expect(isElf(new Uint8Array(3))).toBe(false);
  });
});

describe('parseElf on damaged files', () => {
  const seed = Number(process.env['SEED'] ?? 1);

  /** Reads everything there is; only `VmError` may come out. */
  function readAll(bytes: Uint8Array): void {
    try {
      const elf = parseElf(bytes);
      for (const segment of elf.segments) expect(segment.data.length).toBe(segment.fileSize);
      expect(elf.symbols.length).toBeLessThanOrEqual(bytes.length);
      for (const section of elf.sections) expect(section.data.length).toBeGreaterThanOrEqual(0);
    } catch (error) {
      if (!(error instanceof VmError)) throw error;
      expect(error.code).toBe('bad-file');
    }
  }

  it('throws nothing but VmError when bytes are changed', () => {
    const small = KERNEL.subarray();
    // Headers decide; most changes go there.
    const sectionHeaders = Number(new DataView(small.buffer, small.byteOffset).getBigUint64(40, true));
    const place = fc.oneof(
      fc.integer({ min: 4, max: 400 }),
      fc.integer({ min: sectionHeaders, max: small.length - 1 }),
      fc.integer({ min: 0, max: small.length - 1 }),
    );
    const change = fc.tuple(place, fc.constantFrom(0, 1, 0x7f, 0x80, 0xff, 0x10));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), (changes) => {
        const bytes = Uint8Array.from(small);
        for (const [at, value] of changes) bytes[at] = value;
        readAll(bytes);
      }),
      { seed, numRuns: 300 },
    );
  });

  it('throws nothing but VmError at any length', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: KERNEL.length }), (length) =>
        readAll(KERNEL.subarray(0, length)),
      ),
      { seed, numRuns: 300 },
    );
  });
});
