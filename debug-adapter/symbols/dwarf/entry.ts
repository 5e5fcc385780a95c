import type { ByteReader } from '../../../vmm/base/bytes.ts';
import type { Abbreviation } from './abbreviations.ts';
import { AT, FORM } from './constants.ts';
import type { Unit } from './unit.ts';

/** Numbers beyond 53 bits are bigints; blocks and expressions are bytes; indices and offsets are not resolved yet. */
export type RawValue = number | bigint | string | Uint8Array;

/** A debugging information entry (DWARF 5, section 2.1). Accessors answer undefined for what is absent or of another class. */
export class Entry {
  readonly unit: Unit;
  /** In `.debug_info`. */
  readonly offset: number;
  readonly tag: number;
  readonly hasChildren: boolean;
  /** Offset after the attributes: the first child, or the next sibling. */
  readonly end: number;
  readonly #abbreviation: Abbreviation;
  readonly #values: readonly RawValue[];
  /** Differ from the abbreviation's only where it says `DW_FORM_indirect`. */
  readonly #forms: readonly number[];

  constructor(unit: Unit, offset: number, abbreviation: Abbreviation, reader: ByteReader) {
    this.unit = unit;
    this.offset = offset;
    this.tag = abbreviation.tag;
    this.hasChildren = abbreviation.hasChildren;
    this.#abbreviation = abbreviation;
    const values: RawValue[] = [];
    let forms = abbreviation.forms;
    for (let index = 0; index < abbreviation.forms.length; index += 1) {
      let form = abbreviation.forms[index]!;
      if (form === FORM.indirect) {
        form = reader.uleb();
        forms = forms.with(index, form);
      }
      values.push(readForm(reader, form, unit, abbreviation.constants[index]));
    }
    this.#values = values;
    this.#forms = forms;
    this.end = reader.offset;
  }

  has(attribute: number): boolean {
    return this.#abbreviation.attributes.includes(attribute);
  }

  raw(attribute: number): { readonly form: number; readonly value: RawValue } | undefined {
    const index = this.#abbreviation.attributes.indexOf(attribute);
    return index < 0 ? undefined : { form: this.#forms[index]!, value: this.#values[index]! };
  }

  string(attribute: number): string | undefined {
    const raw = this.raw(attribute);
    return raw === undefined ? undefined : this.unit.resolveString(raw.form, raw.value);
  }

  /** A constant, offset or flag; undefined beyond 53 bits. */
  number(attribute: number): number | undefined {
    const value = this.raw(attribute)?.value;
    if (typeof value === 'bigint') {
      return value <= MAX_SAFE && value >= -MAX_SAFE ? Number(value) : undefined;
    }
    return typeof value === 'number' ? value : undefined;
  }

  integer(attribute: number): bigint | undefined {
    const value = this.raw(attribute)?.value;
    return typeof value === 'bigint' ? value : typeof value === 'number' ? BigInt(value) : undefined;
  }

  flag(attribute: number): boolean {
    return this.number(attribute) === 1;
  }

  block(attribute: number): Uint8Array | undefined {
    const value = this.raw(attribute)?.value;
    return value instanceof Uint8Array ? value : undefined;
  }

  /** An address, with the file's bias. */
  address(attribute: number): bigint | undefined {
    const raw = this.raw(attribute);
    return raw === undefined ? undefined : this.unit.resolveAddress(raw.form, raw.value);
  }

  /** The entry that an attribute refers to, in this unit or another. */
  reference(attribute: number): Entry | undefined {
    const raw = this.raw(attribute);
    return raw === undefined ? undefined : this.unit.resolveReference(raw.form, raw.value);
  }

  /**
   * Finds an attribute here or in the entries this one completes (`DW_AT_abstract_origin`, `DW_AT_specification`),
   * and returns the entry that has it.
   */
  owner(attribute: number): Entry | undefined {
    let entry: Entry | undefined = this;
    // Inlined copy, abstract instance, declaration: real chains have three links; damaged ones may be circles.
    for (let links = 0; entry !== undefined && links < 8; links += 1) {
      if (entry.has(attribute)) return entry;
      entry = entry.reference(AT.abstractOrigin) ?? entry.reference(AT.specification);
    }
    return undefined;
  }

  get name(): string | undefined {
    return this.owner(AT.name)?.string(AT.name);
  }

  children(): Generator<Entry, void, undefined> {
    return this.unit.children(this);
  }
}

const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);

function small(value: bigint): number | bigint {
  return value <= MAX_SAFE && value >= -MAX_SAFE ? Number(value) : value;
}

/** Reads one attribute value (DWARF 5, section 7.5.6). */
function readForm(reader: ByteReader, form: number, unit: Unit, constant: number | undefined): RawValue {
  switch (form) {
    case FORM.addr:
      return reader.unsigned(unit.addressSize);
    case FORM.data1:
    case FORM.ref1:
    case FORM.flag:
    case FORM.strx1:
    case FORM.addrx1:
      return reader.u8();
    case FORM.data2:
    case FORM.ref2:
    case FORM.strx2:
    case FORM.addrx2:
      return reader.u16();
    case FORM.strx3:
    case FORM.addrx3:
      return reader.u24();
    case FORM.data4:
    case FORM.ref4:
    case FORM.refSup4:
    case FORM.strx4:
    case FORM.addrx4:
      return reader.u32();
    case FORM.data8:
    case FORM.ref8:
    case FORM.refSup8:
    case FORM.refSig8:
      return small(reader.u64());
    case FORM.data16:
      return reader.take(16);
    case FORM.udata:
    case FORM.refUdata:
    case FORM.strx:
    case FORM.addrx:
    case FORM.loclistx:
    case FORM.rnglistx:
    case FORM.gnuAddrIndex:
    case FORM.gnuStrIndex:
      return small(reader.ulebBig());
    case FORM.sdata:
      return small(reader.slebBig());
    case FORM.string:
      return reader.cstring();
    case FORM.strp:
    case FORM.lineStrp:
    case FORM.strpSup:
    case FORM.secOffset:
    case FORM.gnuRefAlt:
    case FORM.gnuStrpAlt:
      return unit.dwarf64 ? reader.size64() : reader.u32();
    case FORM.refAddr:
      // Version 2 made it as wide as an address.
      return unit.version <= 2
        ? small(reader.unsigned(unit.addressSize))
        : unit.dwarf64
          ? reader.size64()
          : reader.u32();
    case FORM.block1:
      return reader.take(reader.u8());
    case FORM.block2:
      return reader.take(reader.u16());
    case FORM.block4:
      return reader.take(reader.u32());
    case FORM.block:
    case FORM.exprloc:
      return reader.take(reader.uleb());
    case FORM.flagPresent:
      return 1;
    case FORM.implicitConst:
      return constant ?? 0;
    default:
      throw reader.error(`an attribute in the unknown form 0x${form.toString(16)}`);
  }
}
