import { ByteReader } from '../../../vmm/base/bytes.ts';
import { VmError } from '../../../vmm/base/vm-error.ts';
import { type Elf, SECTION_FLAG, SECTION_TYPE } from '../../../vmm/formats/elf.ts';
import type { AddressRange } from '../model.ts';

/** The DWARF sections of a file, found and decompressed when first asked for. A missing one is empty. */
export class DwarfSections {
  /** Added to every address that is read. */
  readonly bias: bigint;
  /** Where the file has code, sorted. Debug information about code elsewhere is of functions the linker dropped. */
  readonly code: readonly AddressRange[];
  readonly #elf: Elf;
  readonly #report: (problem: string) => void;
  readonly #cache = new Map<string, Uint8Array>();

  constructor(elf: Elf, bias: bigint, report: (problem: string) => void) {
    this.#elf = elf;
    this.#report = report;
    this.bias = bias;
    this.code = codeRanges(elf, bias);
  }

  bytes(name: string): Uint8Array {
    let bytes = this.#cache.get(name);
    if (bytes === undefined) {
      bytes = this.#load(name);
      this.#cache.set(name, bytes);
    }
    return bytes;
  }

  reader(name: string, offset = 0): ByteReader {
    return new ByteReader(this.bytes(name), name, offset);
  }

  /** Where the section stands in memory (0 for most debug sections), with the bias. */
  addressOf(name: string): bigint {
    return BigInt.asUintN(64, (this.#elf.section(name)?.address ?? 0n) + this.bias);
  }

  /** A string of a string section; damaged offsets give an empty one. */
  string(section: '.debug_str' | '.debug_line_str', offset: number): string {
    const bytes = this.bytes(section);
    return offset < bytes.length ? new ByteReader(bytes, section, offset, offset + STRING_MAX).text() : '';
  }

  /** Something in the file is damaged: kept for the user, while the rest of the file stays in use. */
  report(error: unknown): void {
    if (!(error instanceof VmError)) throw error;
    this.#report(error.message);
  }

  hasCodeAt(address: bigint): boolean {
    return this.code.length === 0 || this.code.some(({ start, end }) => address >= start && address < end);
  }

  #load(name: string): Uint8Array {
    const section = this.#elf.section(name);
    if (section === undefined) return EMPTY;
    try {
      return section.data;
    } catch (error) {
      this.report(error);
      return EMPTY;
    }
  }
}

/** Cuts names that no compiler writes: else a damaged file could have each entry name the whole section. */
const STRING_MAX = 4096;

const EMPTY = new Uint8Array(0);

function codeRanges(elf: Elf, bias: bigint): AddressRange[] {
  const ranges: AddressRange[] = [];
  for (const section of elf.sections) {
    if ((section.flags & SECTION_FLAG.execute) === 0 || section.type === SECTION_TYPE.null) continue;
    const start = BigInt.asUintN(64, section.address + bias);
    if (section.size > 0) ranges.push({ start, end: start + BigInt(section.size) });
  }
  ranges.sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
  // Hundreds of sections stand side by side in -ffunction-sections builds that were not linked into one.
  const merged: AddressRange[] = [];
  for (const range of ranges) {
    const last = merged.at(-1);
    if (last === undefined || range.start > last.end) merged.push(range);
    else if (range.end > last.end) merged[merged.length - 1] = { start: last.start, end: range.end };
  }
  return merged;
}
