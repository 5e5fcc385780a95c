import type { AddressRange } from '../model.ts';
import type { Abbreviation } from './abbreviations.ts';
import { AT, FORM, LANG_ASSEMBLER } from './constants.ts';
import type { DebugInfo } from './debug-info.ts';
import { Entry, type RawValue } from './entry.ts';
import { readRangeList } from './range-lists.ts';
import type { DwarfSections } from './sections.ts';

export interface UnitHeader {
  readonly offset: number;
  /** Of the next unit. */
  readonly end: number;
  readonly version: number;
  readonly unitType: number;
  readonly dwarf64: boolean;
  readonly addressSize: number;
  readonly abbreviationOffset: number;
  /** Of the unit's own entry. */
  readonly rootOffset: number;
  /** Of type units: what `DW_FORM_ref_sig8` names them by, and the entry that is meant. */
  readonly signature: bigint | undefined;
  readonly typeOffset: number | undefined;
}

/** A unit of `.debug_info` (DWARF 5, section 7.5.1): the entries of one compiled source file. */
export class Unit {
  readonly header: UnitHeader;
  readonly info: DebugInfo;
  readonly version: number;
  readonly dwarf64: boolean;
  readonly addressSize: number;
  #abbreviations: Map<number, Abbreviation> | undefined;
  #root: Entry | undefined;
  #ranges: readonly AddressRange[] | undefined;

  constructor(info: DebugInfo, header: UnitHeader) {
    this.info = info;
    this.header = header;
    this.version = header.version;
    this.dwarf64 = header.dwarf64;
    this.addressSize = header.addressSize;
  }

  get sections(): DwarfSections {
    return this.info.sections;
  }

  get root(): Entry {
    return (this.#root ??= this.entryAt(this.header.rootOffset) ?? this.#missingRoot());
  }

  get name(): string {
    return this.root.string(AT.name) ?? '';
  }

  get compDir(): string {
    return this.root.string(AT.compDir) ?? '';
  }

  /** Offset of its line table; undefined when it has none. */
  get lineOffset(): number | undefined {
    return this.root.number(AT.stmtList);
  }

  get isAssembly(): boolean {
    return this.root.number(AT.language) === LANG_ASSEMBLER;
  }

  /** Compiled with optimization, as far as the compiler wrote its options down. */
  get isOptimized(): boolean {
    return / -O(?!0\b)/.test(this.root.string(AT.producer) ?? '');
  }

  /** What offsets in its range and location lists count from (DWARF 5, section 3.1.1). */
  get baseAddress(): bigint {
    return this.root.address(AT.lowPc) ?? this.sections.bias;
  }

  /** The code it says it has; may be empty although it has some. */
  get ranges(): readonly AddressRange[] {
    return (this.#ranges ??= this.rangesOf(this.root));
  }

  /** The entry at an offset of `.debug_info` in this unit; undefined for the null entry that ends siblings. */
  entryAt(offset: number): Entry | undefined {
    const reader = this.sections.reader('.debug_info', offset).at(offset, this.header.end);
    const code = reader.uleb();
    if (code === 0) return undefined;
    this.#abbreviations ??= this.info.abbreviationsAt(this.header.abbreviationOffset);
    const abbreviation = this.#abbreviations.get(code);
    if (abbreviation === undefined) throw reader.error(`an entry with the unknown abbreviation ${code}`);
    return new Entry(this, offset, abbreviation, reader);
  }

  /** The children of an entry. Its descendants are skipped, by `DW_AT_sibling` where the compiler wrote that. */
  *children(parent: Entry): Generator<Entry, void, undefined> {
    if (!parent.hasChildren) return;
    let offset = parent.end;
    while (offset < this.header.end) {
      const child = this.entryAt(offset);
      if (child === undefined) return;
      yield child;
      offset = this.#after(child);
    }
  }

  /** `[start, end)` of an entry's code, without what lies outside of the file's code. */
  rangesOf(entry: Entry): readonly AddressRange[] {
    const found: AddressRange[] = [];
    const list = entry.raw(AT.ranges);
    if (list !== undefined && typeof list.value === 'number') {
      found.push(...readRangeList(this, list.value, list.form === FORM.rnglistx));
    } else {
      const start = entry.address(AT.lowPc);
      const high = entry.raw(AT.highPc);
      if (start !== undefined && high !== undefined) {
        // An address, or since version 4 also the distance from the low one.
        const end = this.resolveAddress(high.form, high.value) ?? start + (entry.integer(AT.highPc) ?? 0n);
        found.push({ start, end });
      }
    }
    return found.filter(({ start, end }) => start < end && this.sections.hasCodeAt(start));
  }

  resolveString(form: number, value: RawValue): string | undefined {
    if (typeof value === 'string') return value;
    if (typeof value !== 'number') return undefined;
    switch (form) {
      case FORM.strp:
        return this.sections.string('.debug_str', value);
      case FORM.lineStrp:
        return this.sections.string('.debug_line_str', value);
      case FORM.strx:
      case FORM.strx1:
      case FORM.strx2:
      case FORM.strx3:
      case FORM.strx4:
      case FORM.gnuStrIndex: {
        const size = this.dwarf64 ? 8 : 4;
        const base = this.root.number(AT.strOffsetsBase) ?? (this.version >= 5 ? 2 * size : 0);
        const reader = this.sections.reader('.debug_str_offsets');
        reader.seek(base + value * size);
        return this.sections.string('.debug_str', this.dwarf64 ? reader.size64() : reader.u32());
      }
      default:
        return undefined;
    }
  }

  resolveAddress(form: number, value: RawValue): bigint | undefined {
    switch (form) {
      case FORM.addr:
        return typeof value === 'bigint' ? BigInt.asUintN(64, value + this.sections.bias) : undefined;
      case FORM.addrx:
      case FORM.addrx1:
      case FORM.addrx2:
      case FORM.addrx3:
      case FORM.addrx4:
      case FORM.gnuAddrIndex:
        return typeof value === 'number' ? this.addressAt(value) : undefined;
      default:
        return undefined;
    }
  }

  /** An address of `.debug_addr` by its index. */
  addressAt(index: number): bigint {
    const reader = this.sections.reader('.debug_addr');
    reader.seek((this.root.number(AT.addrBase) ?? 8) + index * this.addressSize);
    return BigInt.asUintN(64, reader.unsigned(this.addressSize) + this.sections.bias);
  }

  resolveReference(form: number, value: RawValue): Entry | undefined {
    if (form === FORM.refSig8) return this.info.typeBySignature(BigInt(value as number | bigint));
    if (typeof value !== 'number') return undefined;
    switch (form) {
      case FORM.ref1:
      case FORM.ref2:
      case FORM.ref4:
      case FORM.ref8:
      case FORM.refUdata: {
        const offset = this.header.offset + value;
        return offset < this.header.end ? this.entryAt(offset) : undefined;
      }
      case FORM.refAddr:
        return this.info.entryAt(value);
      default:
        return undefined; // a supplementary file, which nobody gave us
    }
  }

  #after(entry: Entry): number {
    if (!entry.hasChildren) return entry.end;
    const sibling = entry.raw(AT.sibling);
    if (sibling !== undefined && typeof sibling.value === 'number') {
      const offset = (sibling.form === FORM.refAddr ? 0 : this.header.offset) + sibling.value;
      // Backwards would be a loop.
      if (offset >= entry.end && offset <= this.header.end) return offset;
    }
    let offset = entry.end;
    for (let depth = 1; depth > 0 && offset < this.header.end; ) {
      const next = this.entryAt(offset);
      if (next === undefined) {
        depth -= 1;
        offset += 1;
      } else {
        offset = next.end;
        if (next.hasChildren) depth += 1;
      }
    }
    return offset;
  }

  #missingRoot(): Entry {
    throw this.sections.reader('.debug_info', this.header.rootOffset).error('a unit without entries');
  }
}
