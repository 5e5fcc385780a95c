import type { ByteReader } from '../../../vmm/base/bytes.ts';
import { AT, LLE } from './constants.ts';
import { listOffset, readAddress } from './range-lists.ts';
import type { Unit } from './unit.ts';

/**
 * The expression that a location list gives for `pc` (DWARF 5, section 2.6.2, in `.debug_loclists`; DWARF 4 in
 * `.debug_loc`). Undefined: the variable is nowhere at this point. `offset` is an index when `indexed`.
 */
export function locationAt(unit: Unit, offset: number, indexed: boolean, pc: bigint): Uint8Array | undefined {
  if (unit.version < 5) return oldLocationAt(unit, offset, pc);
  const section = '.debug_loclists';
  const start = indexed ? listOffset(unit, section, unit.root.number(AT.loclistsBase), offset) : offset;
  const reader = unit.sections.reader(section);
  reader.seek(start);
  let base = unit.baseAddress;
  let fallback: Uint8Array | undefined;
  const expression = (): Uint8Array => reader.take(reader.uleb());
  for (;;) {
    let from: bigint;
    let to: bigint;
    switch (reader.u8()) {
      case LLE.endOfList:
        return fallback;
      case LLE.baseAddressx:
        base = unit.addressAt(reader.uleb());
        continue;
      case LLE.baseAddress:
        base = readAddress(unit, reader);
        continue;
      case LLE.gnuViewPair: // GCC's view numbers: which of several states at one address; the address decides here
        reader.uleb();
        reader.uleb();
        continue;
      case LLE.defaultLocation:
        fallback = expression();
        continue;
      case LLE.startxEndx:
        from = unit.addressAt(reader.uleb());
        to = unit.addressAt(reader.uleb());
        break;
      case LLE.startxLength:
        from = unit.addressAt(reader.uleb());
        to = from + reader.ulebBig();
        break;
      case LLE.offsetPair:
        from = base + reader.ulebBig();
        to = base + reader.ulebBig();
        break;
      case LLE.startEnd:
        from = readAddress(unit, reader);
        to = readAddress(unit, reader);
        break;
      case LLE.startLength:
        from = readAddress(unit, reader);
        to = from + reader.ulebBig();
        break;
      default:
        throw reader.error('a location list with an unknown entry');
    }
    const found = expression();
    if (pc >= from && pc < to) return found;
  }
}

/** Pairs of addresses and an expression each; as in `.debug_ranges` otherwise (DWARF 4, section 2.6.2). */
function oldLocationAt(unit: Unit, offset: number, pc: bigint): Uint8Array | undefined {
  const reader: ByteReader = unit.sections.reader('.debug_loc');
  reader.seek(offset);
  const selector = (1n << BigInt(8 * unit.addressSize)) - 1n;
  let base = unit.baseAddress;
  for (;;) {
    const start = reader.unsigned(unit.addressSize);
    const end = reader.unsigned(unit.addressSize);
    if (start === 0n && end === 0n) return undefined;
    if (start === selector) {
      base = BigInt.asUintN(64, end + unit.sections.bias);
      continue;
    }
    const found = reader.take(reader.u16());
    if (pc >= base + start && pc < base + end) return found;
  }
}
