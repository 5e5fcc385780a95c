import type { ByteReader } from '../../../vmm/base/bytes.ts';
import { FORM } from './constants.ts';

/** One abbreviation: the shape of the entries that name it (DWARF 5, section 7.5.3). */
export interface Abbreviation {
  readonly tag: number;
  readonly hasChildren: boolean;
  readonly attributes: readonly number[];
  readonly forms: readonly number[];
  /** Values that stand here instead of in the entry (`DW_FORM_implicit_const`), by position. */
  readonly constants: readonly (number | undefined)[];
}

/**
 * Compilers write some thirty. Many attributes take no bytes in the entries, so that without a bound a small file
 * could ask for endless work.
 */
const ATTRIBUTES_MAX = 256;

/** Reads one table; damaged ones end early, and entries that name what is missing are reported there. */
export function readAbbreviations(reader: ByteReader): Map<number, Abbreviation> {
  const table = new Map<number, Abbreviation>();
  while (!reader.atEnd) {
    const code = reader.uleb();
    if (code === 0) break;
    const tag = reader.uleb();
    const hasChildren = reader.u8() !== 0;
    const attributes: number[] = [];
    const forms: number[] = [];
    const constants: (number | undefined)[] = [];
    for (;;) {
      const attribute = reader.uleb();
      const form = reader.uleb();
      const constant = form === FORM.implicitConst ? reader.sleb() : undefined;
      if (attribute === 0 && form === 0) break;
      if (attributes.length === ATTRIBUTES_MAX)
        throw reader.error('an abbreviation with too many attributes');
      attributes.push(attribute);
      forms.push(form);
      constants.push(constant);
    }
    table.set(code, { tag, hasChildren, attributes, forms, constants });
  }
  return table;
}
