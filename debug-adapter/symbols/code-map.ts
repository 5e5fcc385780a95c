import { UNIT } from './dwarf/constants.ts';
import type { DebugInfo } from './dwarf/debug-info.ts';
import type { DwarfSections } from './dwarf/sections.ts';
import type { Unit } from './dwarf/unit.ts';
import type { LineTables } from './line-tables.ts';
import { type Interval, RangeMap } from './range-map.ts';

/**
 * Which unit the code at an address belongs to. Made of `.debug_aranges`, of the root entries of units that it
 * leaves out, and, for units that do not say where their code is, of their line tables: only those are run here.
 */
export function mapCode(info: DebugInfo, lines: LineTables): RangeMap<Unit> {
  const intervals: Interval<Unit>[] = [];
  const known = new Set<Unit>();
  try {
    for (const { unit, start, end } of readAranges(info)) {
      if (!info.sections.hasCodeAt(start)) continue;
      intervals.push({ start, end, value: unit });
      known.add(unit);
    }
  } catch (error) {
    info.sections.report(error);
  }
  for (const unit of info.units) {
    if (known.has(unit) || !hasCode(unit)) continue;
    try {
      for (const { start, end } of codeOf(unit, lines)) intervals.push({ start, end, value: unit });
    } catch (error) {
      info.sections.report(error);
    }
  }
  return new RangeMap(intervals);
}

function hasCode(unit: Unit): boolean {
  return unit.header.unitType === UNIT.compile || unit.header.unitType === UNIT.skeleton;
}

function codeOf(unit: Unit, lines: LineTables): readonly { start: bigint; end: bigint }[] {
  if (unit.ranges.length > 0) return unit.ranges;
  return (lines.ofUnit(unit)?.sequences ?? []).map(({ base, end }) => ({ start: base, end }));
}

/** `.debug_aranges` (DWARF 5, section 6.1.2): for each unit, pairs of address and length, aligned to twice an address. */
function* readAranges(
  info: DebugInfo,
): Generator<{ unit: Unit; start: bigint; end: bigint }, void, undefined> {
  const sections: DwarfSections = info.sections;
  const reader = sections.reader('.debug_aranges');
  while (!reader.atEnd) {
    const start = reader.offset;
    let length = reader.u32();
    const dwarf64 = length === 0xffff_ffff;
    if (dwarf64) length = reader.size64();
    const end = reader.offset + length;
    const set = reader.at(reader.offset, end);
    reader.seek(end);
    set.skip(2); // version: 2 ever since
    const unit = info.unitAt(dwarf64 ? set.size64() : set.u32());
    const addressSize = set.u8();
    set.skip(1); // segment selector size: 0
    if (unit === undefined || (addressSize !== 8 && addressSize !== 4)) continue;
    const tuple = 2 * addressSize;
    set.seek(start + Math.ceil((set.offset - start) / tuple) * tuple);
    while (set.remaining >= tuple) {
      const address = set.unsigned(addressSize);
      const size = set.unsigned(addressSize);
      if (size === 0n) {
        if (address === 0n) break;
        continue;
      }
      const from = BigInt.asUintN(64, address + sections.bias);
      yield { unit, start: from, end: from + size };
    }
  }
}
