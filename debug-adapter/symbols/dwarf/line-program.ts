import type { ByteReader } from '../../../vmm/base/bytes.ts';
import { FORM } from './constants.ts';
import type { DwarfSections } from './sections.ts';

/** A file of a line table: its name as the compiler wrote it, and the directory to prepend when it is relative. */
export interface LineFile {
  readonly name: string;
  readonly directory: string;
}

/** Header of one line-number program (DWARF 5, section 6.2.4). */
export interface LineHeader {
  readonly version: number;
  /** Offset of the header in `.debug_line`. */
  readonly offset: number;
  readonly programStart: number;
  readonly end: number;
  readonly addressSize: number;
  readonly minimumInstructionLength: number;
  readonly maximumOperations: number;
  readonly defaultIsStatement: boolean;
  readonly lineBase: number;
  readonly lineRange: number;
  readonly opcodeBase: number;
  /** Operands of the standard opcodes, from 1. */
  readonly operandCounts: readonly number[];
  /** By the numbers the program uses: from 0 in version 5, from 1 before (index 0 is then undefined). */
  readonly files: readonly (LineFile | undefined)[];
}

export const ROW = {
  statement: 1,
  basicBlock: 2,
  endSequence: 4,
  prologueEnd: 8,
  epilogueBegin: 16,
} as const;

/**
 * Rows of one contiguous piece of code, by ascending address; the last one has `ROW.endSequence` and no code.
 * Columns of numbers instead of row objects, and offsets from `base` instead of 64-bit addresses, since a kernel
 * has millions of rows.
 */
export interface LineSequence {
  readonly base: bigint;
  readonly end: bigint;
  readonly offsets: Float64Array;
  readonly files: Uint32Array;
  readonly lines: Uint32Array;
  readonly columns: Uint16Array;
  readonly flags: Uint8Array;
}

/** Reads the header at `offset` of `.debug_line`. `compDir` completes relative directories. */
export function readLineHeader(
  sections: DwarfSections,
  offset: number,
  compDir: string,
  unitName: string,
): LineHeader {
  const section = sections.reader('.debug_line', offset);
  let length = section.u32();
  const dwarf64 = length === 0xffff_ffff;
  if (dwarf64) length = section.size64();
  const end = section.offset + length;
  if (end > section.end) throw section.error('a line table is longer than its section');
  const reader = section.at(section.offset, end);
  const version = reader.u16();
  if (version < 2 || version > 5) throw reader.error(`a line table of unknown version ${version}`);
  let addressSize = 8;
  if (version >= 5) {
    addressSize = reader.u8();
    reader.skip(1); // segment selector size
  }
  const headerLength = dwarf64 ? reader.size64() : reader.u32();
  const programStart = reader.offset + headerLength;
  const minimumInstructionLength = reader.u8();
  const maximumOperations = version >= 4 ? Math.max(1, reader.u8()) : 1;
  const defaultIsStatement = reader.u8() !== 0;
  const lineBase = reader.i8();
  const lineRange = reader.u8();
  const opcodeBase = reader.u8();
  const operandCounts = [0];
  for (let opcode = 1; opcode < opcodeBase; opcode += 1) operandCounts.push(reader.u8());
  if (lineRange === 0) throw reader.error('a line table with a line range of zero');
  const files =
    version >= 5 ? readFilesV5(sections, reader, dwarf64, compDir) : readFilesV4(reader, compDir, unitName);
  if (programStart > end) throw reader.error('a line table with a header longer than itself');
  return {
    version,
    offset,
    programStart,
    end,
    addressSize,
    minimumInstructionLength,
    maximumOperations,
    defaultIsStatement,
    lineBase,
    lineRange,
    opcodeBase,
    operandCounts,
    files,
  };
}

/** Versions 2 to 4: directories and files end with an empty name; directory 0 is the compilation directory. */
function readFilesV4(reader: ByteReader, compDir: string, unitName: string): (LineFile | undefined)[] {
  const directories = [compDir];
  for (let name = reader.cstring(); name !== ''; name = reader.cstring()) {
    directories.push(joinDirectory(compDir, name));
  }
  const files: (LineFile | undefined)[] = [undefined];
  for (let name = reader.cstring(); name !== ''; name = reader.cstring()) {
    files.push({ name, directory: directories[reader.uleb()] ?? compDir });
    reader.uleb(); // modification time
    reader.uleb(); // length in bytes
  }
  // Some assemblers write no table at all and mean the unit itself.
  if (files.length === 1 && unitName !== '') files.push({ name: unitName, directory: compDir });
  return files;
}

const LNCT_PATH = 1;
const LNCT_DIRECTORY_INDEX = 2;

/** Version 5: directories and files are tables that describe their own columns (DWARF 5, section 6.2.4.1). */
function readFilesV5(
  sections: DwarfSections,
  reader: ByteReader,
  dwarf64: boolean,
  compDir: string,
): LineFile[] {
  const directories = readEntries(sections, reader, dwarf64).map(({ path }) => joinDirectory(compDir, path));
  return readEntries(sections, reader, dwarf64).map(({ path, directory }) => ({
    name: path,
    directory: directories[directory] ?? compDir,
  }));
}

function readEntries(
  sections: DwarfSections,
  reader: ByteReader,
  dwarf64: boolean,
): { path: string; directory: number }[] {
  const formats: { content: number; form: number }[] = [];
  for (let count = reader.u8(); count > 0; count -= 1) {
    formats.push({ content: reader.uleb(), form: reader.uleb() });
  }
  const count = reader.uleb();
  // An entry without columns takes no bytes, so only this keeps a damaged count from running for ever.
  if (formats.length === 0 && count > 0) throw reader.error('a line table with files that have no names');
  const entries: { path: string; directory: number }[] = [];
  for (let index = 0; index < count; index += 1) {
    let path = '';
    let directory = 0;
    const before = reader.offset;
    for (const { content, form } of formats) {
      const value = readEntryValue(sections, reader, dwarf64, form);
      if (content === LNCT_PATH && typeof value === 'string') path = value;
      if (content === LNCT_DIRECTORY_INDEX && typeof value === 'number') directory = value;
    }
    if (reader.offset === before) throw reader.error('a line table with empty file entries');
    entries.push({ path, directory });
  }
  return entries;
}

function readEntryValue(
  sections: DwarfSections,
  reader: ByteReader,
  dwarf64: boolean,
  form: number,
): string | number | undefined {
  switch (form) {
    case FORM.string:
      return reader.cstring();
    case FORM.lineStrp:
      return sections.string('.debug_line_str', dwarf64 ? reader.size64() : reader.u32());
    case FORM.strp:
      return sections.string('.debug_str', dwarf64 ? reader.size64() : reader.u32());
    case FORM.udata:
      return reader.uleb();
    case FORM.data1:
      return reader.u8();
    case FORM.data2:
      return reader.u16();
    case FORM.data4:
      return reader.u32();
    case FORM.data8:
      reader.skip(8);
      return undefined;
    case FORM.data16:
      reader.skip(16); // an MD5 sum
      return undefined;
    case FORM.block:
      reader.skip(reader.uleb());
      return undefined;
    default:
      throw reader.error(`a line table with files in the unknown form 0x${form.toString(16)}`);
  }
}

/** Joins without resolving dots, which is left to those who know the host's paths. */
export function joinDirectory(base: string, path: string): string {
  if (path === '' || path === base) return base;
  if (base === '' || isAbsolutePath(path)) return path;
  return `${base}/${path}`;
}

/** Of POSIX or, for files compiled there, Windows. */
export function isAbsolutePath(path: string): boolean {
  return path.startsWith('/') || path.startsWith('\\\\') || /^[A-Za-z]:[\\/]/.test(path);
}
