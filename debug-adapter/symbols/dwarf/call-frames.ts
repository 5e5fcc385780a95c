import type { ByteReader } from '../../../vmm/base/bytes.ts';
import { lower } from '../range-map.ts';
import {
  type CfaRule,
  type CommonEntry,
  type RegisterRule,
  readCommonEntry,
  runInstructions,
} from './call-frame-program.ts';
import { readEncoded } from './pointer-encoding.ts';
import type { DwarfSections } from './sections.ts';

/** How to find the caller's registers from some pc: a row of the table that call frame information encodes. */
export interface UnwindRow {
  /** The row holds in `[start, end)`. */
  readonly start: bigint;
  readonly end: bigint;
  readonly cfa: CfaRule;
  /** By DWARF register number; one without a rule keeps its value if the calling convention preserves it. */
  readonly registers: ReadonlyMap<number, RegisterRule>;
  readonly returnAddressRegister: number;
  /** `S` augmentation: the frame below was interrupted rather than called, so its pc is exact and all registers survive. */
  readonly isSignalFrame: boolean;
}

interface FrameEntry {
  readonly start: bigint;
  readonly end: bigint;
  readonly common: CommonEntry;
  readonly section: SectionName;
  readonly program: number;
  readonly programEnd: number;
}

type SectionName = '.debug_frame' | '.eh_frame';

/**
 * Call frame information of `.debug_frame` and `.eh_frame` (DWARF 5, section 6.4; Linux Standard Base, "Exception
 * Frames"). The headers of all entries are read on first use; their programs run for the address asked.
 */
export class CallFrames {
  readonly #sections: DwarfSections;
  #entries: readonly FrameEntry[] | undefined;

  constructor(sections: DwarfSections) {
    this.#sections = sections;
  }

  /** The row for `pc`; undefined where no entry covers it or it is damaged. */
  rowAt(pc: bigint): UnwindRow | undefined {
    const entry = this.#find(pc);
    if (entry === undefined) return undefined;
    try {
      return this.#run(entry, pc);
    } catch (error) {
      this.#sections.report(error);
      return undefined;
    }
  }

  /** `[start, end)` of every entry, sorted. */
  ranges(): readonly { readonly start: bigint; readonly end: bigint }[] {
    return this.#all();
  }

  #run(entry: FrameEntry, pc: bigint): UnwindRow {
    const { common } = entry;
    const reader = this.#sections.reader(entry.section, entry.program);
    const pointer = (source: ByteReader): bigint =>
      readEncoded(source, common.pointerEncoding, {
        sectionAddress: this.#sections.addressOf(entry.section),
        bias: this.#sections.bias,
      });
    const state = runInstructions({
      common: {
        reader: this.#sections.reader(entry.section, common.program).at(common.program, common.programEnd),
        entry: common,
      },
      own: reader.at(entry.program, entry.programEnd),
      start: entry.start,
      pc,
      readAddress: pointer,
    });
    return {
      start: state.start,
      end: lower(state.end, entry.end),
      cfa: state.cfa,
      registers: state.registers,
      returnAddressRegister: common.returnAddressRegister,
      isSignalFrame: common.isSignalFrame,
    };
  }

  #find(pc: bigint): FrameEntry | undefined {
    const entries = this.#all();
    let low = 0;
    let high = entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (entries[middle]!.start <= pc) low = middle + 1;
      else high = middle;
    }
    // Both sections may describe one function; .debug_frame sorts first and the nearest that holds pc will do.
    for (let index = low - 1; index >= 0 && index >= low - 4; index -= 1) {
      if (pc < entries[index]!.end) return entries[index];
    }
    return undefined;
  }

  #all(): readonly FrameEntry[] {
    if (this.#entries === undefined) {
      const entries: FrameEntry[] = [];
      for (const section of ['.eh_frame', '.debug_frame'] as const) {
        try {
          for (const entry of readEntries(this.#sections, section)) {
            if (this.#sections.hasCodeAt(entry.start)) entries.push(entry);
          }
        } catch (error) {
          this.#sections.report(error);
        }
      }
      this.#entries = entries.sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
    }
    return this.#entries;
  }
}

function* readEntries(sections: DwarfSections, section: SectionName): Generator<FrameEntry, void, undefined> {
  const reader = sections.reader(section);
  const isEh = section === '.eh_frame';
  const commons = new Map<number, CommonEntry>();
  while (!reader.atEnd) {
    let length = reader.u32();
    if (length === 0) {
      if (isEh) return; // the terminator
      continue;
    }
    const dwarf64 = length === 0xffff_ffff;
    if (dwarf64) length = reader.size64();
    const idOffset = reader.offset;
    const end = idOffset + length;
    if (end > reader.end) throw reader.error('a frame entry is longer than its section');
    const entry = reader.at(idOffset, end);
    reader.seek(end);
    try {
      const found = readDescription(sections, section, entry, { idOffset, dwarf64, commons });
      if (found !== undefined) yield found;
    } catch (error) {
      // The length led past the damage: the entries after it are as good as ever.
      sections.report(error);
    }
  }
}

/** A frame description; undefined when the entry is a common one. */
function readDescription(
  sections: DwarfSections,
  section: SectionName,
  entry: ByteReader,
  place: { readonly idOffset: number; readonly dwarf64: boolean; readonly commons: Map<number, CommonEntry> },
): FrameEntry | undefined {
  const { idOffset, dwarf64, commons } = place;
  const isEh = section === '.eh_frame';
  const id = dwarf64 ? entry.u64() : BigInt(entry.u32());
  const isCommon = isEh ? id === 0n : id === (dwarf64 ? 0xffff_ffff_ffff_ffffn : 0xffff_ffffn);
  if (isCommon) return undefined;
  // In .debug_frame the id is the common entry's offset; in .eh_frame the distance back to it from here.
  const commonOffset = isEh ? idOffset - Number(id) : Number(id);
  let common = commons.get(commonOffset);
  if (common === undefined) {
    if (!(commonOffset >= 0 && commonOffset < entry.bytes.length)) {
      throw entry.error('a frame entry without its common one');
    }
    common = readCommonEntry(sections, section, commonOffset, isEh);
    commons.set(commonOffset, common);
  }
  return readFrameEntry(sections, section, entry, common);
}

function readFrameEntry(
  sections: DwarfSections,
  section: SectionName,
  reader: ByteReader,
  common: CommonEntry,
): FrameEntry {
  const context = { sectionAddress: sections.addressOf(section), bias: sections.bias };
  const start = readEncoded(reader, common.pointerEncoding, context);
  // The length has the width of the pointer but is relative to nothing.
  const size = readEncoded(reader, common.pointerEncoding & 0x0f, { sectionAddress: 0n, bias: 0n });
  if (common.hasAugmentationData) reader.skip(reader.uleb());
  return { start, end: start + size, common, section, program: reader.offset, programEnd: reader.end };
}
