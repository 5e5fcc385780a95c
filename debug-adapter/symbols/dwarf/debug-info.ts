import { type Abbreviation, readAbbreviations } from './abbreviations.ts';
import { UNIT } from './constants.ts';
import type { Entry } from './entry.ts';
import type { DwarfSections } from './sections.ts';
import { Unit, type UnitHeader } from './unit.ts';

/**
 * The units of `.debug_info`. Only their headers are read at first, a few bytes each: the 3,000 units of a Linux
 * kernel take milliseconds. Entries are read when asked for and not kept.
 */
export class DebugInfo {
  readonly sections: DwarfSections;
  #units: readonly Unit[] | undefined;
  #signatures: Map<bigint, Unit> | undefined;
  readonly #abbreviations = new Map<number, Map<number, Abbreviation>>();

  constructor(sections: DwarfSections) {
    this.sections = sections;
  }

  /** By ascending offset. A damaged header ends the list. */
  get units(): readonly Unit[] {
    if (this.#units === undefined) {
      const units: Unit[] = [];
      this.#units = units;
      try {
        for (const header of readUnitHeaders(this.sections)) units.push(new Unit(this, header));
      } catch (error) {
        this.sections.report(error);
      }
    }
    return this.#units;
  }

  unitAt(offset: number): Unit | undefined {
    const units = this.units;
    let low = 0;
    let high = units.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (units[middle]!.header.end <= offset) low = middle + 1;
      else high = middle;
    }
    const unit = units[low];
    return unit !== undefined && offset >= unit.header.offset ? unit : undefined;
  }

  entryAt(offset: number): Entry | undefined {
    const unit = this.unitAt(offset);
    return unit === undefined || offset < unit.header.rootOffset ? undefined : unit.entryAt(offset);
  }

  /** The type of a type unit (DWARF 5, section 7.32). */
  typeBySignature(signature: bigint): Entry | undefined {
    this.#signatures ??= new Map(
      this.units.flatMap((unit) =>
        unit.header.signature === undefined ? [] : [[unit.header.signature, unit] as const],
      ),
    );
    const unit = this.#signatures.get(signature);
    return unit?.header.typeOffset === undefined ? undefined : unit.entryAt(unit.header.typeOffset);
  }

  abbreviationsAt(offset: number): Map<number, Abbreviation> {
    let table = this.#abbreviations.get(offset);
    if (table === undefined) {
      table = readAbbreviations(this.sections.reader('.debug_abbrev', offset));
      this.#abbreviations.set(offset, table);
    }
    return table;
  }
}

function* readUnitHeaders(sections: DwarfSections): Generator<UnitHeader, void, undefined> {
  const reader = sections.reader('.debug_info');
  while (!reader.atEnd) {
    const offset = reader.offset;
    let length = reader.u32();
    const dwarf64 = length === 0xffff_ffff;
    if (dwarf64) length = reader.size64();
    const end = reader.offset + length;
    if (end > reader.end) throw reader.error('a unit is longer than its section');
    const version = reader.u16();
    // Units of versions to come are skipped: their length tells where the next one starts.
    if (version >= 2 && version <= 5) {
      let unitType: number = UNIT.compile;
      let addressSize = 8;
      let abbreviationOffset: number;
      if (version >= 5) {
        unitType = reader.u8();
        addressSize = reader.u8();
        abbreviationOffset = dwarf64 ? reader.size64() : reader.u32();
      } else {
        abbreviationOffset = dwarf64 ? reader.size64() : reader.u32();
        addressSize = reader.u8();
      }
      let signature: bigint | undefined;
      let typeOffset: number | undefined;
      if (version >= 5 && (unitType === UNIT.type || unitType === UNIT.splitType)) {
        signature = reader.u64();
        typeOffset = offset + (dwarf64 ? reader.size64() : reader.u32());
      } else if (version >= 5 && (unitType === UNIT.skeleton || unitType === UNIT.splitCompile)) {
        reader.skip(8); // the id that joins the two halves of a split unit
      }
      if (addressSize !== 4 && addressSize !== 8) {
        throw reader.error(`a unit with addresses of ${addressSize} bytes`);
      }
      const rootOffset = reader.offset;
      if (rootOffset < end) {
        yield {
          offset,
          end,
          version,
          unitType,
          dwarf64,
          addressSize,
          abbreviationOffset,
          rootOffset,
          signature,
          typeOffset,
        };
      }
    }
    reader.seek(end);
  }
}
