import { AT, UNIT } from './dwarf/constants.ts';
import type { DebugInfo } from './dwarf/debug-info.ts';
import type { Entry } from './dwarf/entry.ts';
import type { Unit } from './dwarf/unit.ts';
import type { Functions } from './functions.ts';
import type { UnitIndex } from './unit-index.ts';

/**
 * Bytes of `.debug_info` that searches by name index at most, some seconds of work. The whole of a small kernel's; of a
 * Linux kernel's 60 MB the unit at hand and the first part, and what was indexed for other reasons.
 */
const SEARCHED_BYTES_MAX = 16 << 20;

type Names = 'variables' | 'types' | 'enumerators';

/** Finds entries by name: in the unit at hand first, whose meaning of a name counts, then in all others. */
export class NameSearch {
  readonly #info: DebugInfo;
  readonly #functions: Functions;
  /** What searches beyond the unit at hand found, including nothing. */
  readonly #found = new Map<string, Entry | undefined>();
  #units: readonly Unit[] | undefined;

  constructor(info: DebugInfo, functions: Functions) {
    this.#info = info;
    this.#functions = functions;
  }

  /** A definition if there is one, else a declaration. `near` is an address in the unit at hand. */
  find(names: Names, name: string, near: bigint | undefined): Entry | undefined {
    const unit = near === undefined ? undefined : this.#functions.unitAt(near);
    const own = unit && this.#inUnit(unit, names, name);
    if (own !== undefined && !isDeclaration(own)) return own;
    return this.#anywhere(names, name) ?? own;
  }

  #anywhere(names: Names, name: string): Entry | undefined {
    const key = `${names} ${name}`;
    if (!this.#found.has(key)) {
      let found: Entry | undefined;
      for (const unit of this.#searched()) {
        const entry = this.#inUnit(unit, names, name);
        found ??= entry;
        if (entry === undefined || isDeclaration(entry)) continue;
        found = entry;
        break;
      }
      this.#found.set(key, found);
    }
    return this.#found.get(key);
  }

  #inUnit(unit: Unit, names: Names, name: string): Entry | undefined {
    const index: UnitIndex = this.#functions.indexOf(unit);
    const offset = index[names].get(name);
    return offset === undefined ? undefined : unit.entryAt(offset);
  }

  #searched(): readonly Unit[] {
    if (this.#units === undefined) {
      let budget = SEARCHED_BYTES_MAX;
      this.#units = this.#info.units.filter(({ header }) => {
        if (header.unitType === UNIT.type) return false;
        budget -= header.end - header.offset;
        return budget > 0;
      });
    }
    return this.#units;
  }
}

export function isDeclaration(entry: Entry): boolean {
  return entry.flag(AT.declaration);
}
