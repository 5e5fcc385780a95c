import type { ByteReader } from '../../../vmm/base/bytes.ts';
import type { AddressRange } from '../model.ts';
import { AT, RLE } from './constants.ts';
import type { Unit } from './unit.ts';

/**
 * Reads a range list: of `.debug_rnglists` (DWARF 5, section 2.17.3), or of `.debug_ranges` for units of earlier
 * versions. `offset` is an index into the unit's offset table when `indexed`. Bounded by the section, since every
 * entry takes at least a byte.
 */
export function readRangeList(unit: Unit, offset: number, indexed: boolean): AddressRange[] {
  if (unit.version < 5) return readOldList(unit, offset);
  const start = indexed
    ? listOffset(unit, '.debug_rnglists', unit.root.number(AT.rnglistsBase), offset)
    : offset;
  const reader = unit.sections.reader('.debug_rnglists');
  reader.seek(start);
  const ranges: AddressRange[] = [];
  let base = unit.baseAddress;
  for (;;) {
    switch (reader.u8()) {
      case RLE.endOfList:
        return ranges;
      case RLE.baseAddressx:
        base = unit.addressAt(reader.uleb());
        break;
      case RLE.startxEndx:
        ranges.push({ start: unit.addressAt(reader.uleb()), end: unit.addressAt(reader.uleb()) });
        break;
      case RLE.startxLength: {
        const from = unit.addressAt(reader.uleb());
        ranges.push({ start: from, end: from + reader.ulebBig() });
        break;
      }
      case RLE.offsetPair:
        ranges.push({ start: base + reader.ulebBig(), end: base + reader.ulebBig() });
        break;
      case RLE.baseAddress:
        base = readAddress(unit, reader);
        break;
      case RLE.startEnd:
        ranges.push({ start: readAddress(unit, reader), end: readAddress(unit, reader) });
        break;
      case RLE.startLength: {
        const from = readAddress(unit, reader);
        ranges.push({ start: from, end: from + reader.ulebBig() });
        break;
      }
      default:
        throw reader.error('a range list with an unknown entry');
    }
  }
}

/** Offset of a list by its index in the table at `base` (DWARF 5, sections 7.28 and 7.29); entries count from the table. */
export function listOffset(unit: Unit, section: string, base: number | undefined, index: number): number {
  const size = unit.dwarf64 ? 8 : 4;
  const table = base ?? (unit.dwarf64 ? 20 : 12);
  const reader = unit.sections.reader(section);
  reader.seek(table + index * size);
  return table + (unit.dwarf64 ? reader.size64() : reader.u32());
}

export function readAddress(unit: Unit, reader: ByteReader): bigint {
  return BigInt.asUintN(64, reader.unsigned(unit.addressSize) + unit.sections.bias);
}

/** Pairs of addresses from a base; two zeros end the list, and all ones select a new base (DWARF 4, section 2.17.3). */
function readOldList(unit: Unit, offset: number): AddressRange[] {
  const reader = unit.sections.reader('.debug_ranges');
  reader.seek(offset);
  const ranges: AddressRange[] = [];
  const selector = (1n << BigInt(8 * unit.addressSize)) - 1n;
  let base = unit.baseAddress;
  for (;;) {
    const start = reader.unsigned(unit.addressSize);
    const end = reader.unsigned(unit.addressSize);
    if (start === 0n && end === 0n) return ranges;
    if (start === selector) base = BigInt.asUintN(64, end + unit.sections.bias);
    else ranges.push({ start: BigInt.asUintN(64, base + start), end: BigInt.asUintN(64, base + end) });
  }
}
