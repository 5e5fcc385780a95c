import { AT, TAG } from './dwarf/constants.ts';
import type { Entry } from './dwarf/entry.ts';
import type { Unit } from './dwarf/unit.ts';
import type { AddressRange } from './model.ts';
import { type Interval, RangeMap } from './range-map.ts';

/** A function with code of its own; the entry is read again when more than this is asked. */
export interface UnitFunction {
  readonly unit: Unit;
  /** Of its entry in `.debug_info`. */
  readonly offset: number;
  readonly name: string;
  readonly ranges: readonly AddressRange[];
}

/** What the top level of a unit defines. Function bodies are skipped, so this costs a pass over the declarations. */
export interface UnitIndex {
  readonly functions: RangeMap<UnitFunction>;
  /** Global and file-static variables by name: offsets of entries. */
  readonly variables: ReadonlyMap<string, number>;
  /** By C spelling, `struct page` for tagged types. A complete type wins over its declaration. */
  readonly types: ReadonlyMap<string, number>;
  /** Enumerators: offsets of their enumeration types. */
  readonly enumerators: ReadonlyMap<string, number>;
}

export function indexUnit(unit: Unit): UnitIndex {
  const functions: Interval<UnitFunction>[] = [];
  const variables = new Map<string, number>();
  const types = new Map<string, number>();
  const enumerators = new Map<string, number>();
  const complete = new Set<string>();

  const visit = (parent: Entry, depth: number): void => {
    for (const entry of parent.children()) {
      if (entry.tag === TAG.subprogram) addFunction(entry);
      else if (entry.tag === TAG.variable) addVariable(entry);
      else if (entry.tag === TAG.namespace && depth < NAMESPACE_DEPTH_MAX) visit(entry, depth + 1);
      else addType(entry);
    }
  };
  const addFunction = (entry: Entry): void => {
    const ranges = unit.rangesOf(entry);
    if (ranges.length === 0) return;
    const value = { unit, offset: entry.offset, name: entry.name ?? '', ranges };
    for (const { start, end } of ranges) functions.push({ start, end, value });
  };
  const addVariable = (entry: Entry): void => {
    const name = entry.name;
    // A definition may follow its declaration (`extern int x; int x;`) and refers to it.
    if (name === undefined || (variables.has(name) && !entry.has(AT.location))) return;
    variables.set(name, entry.offset);
  };
  const addType = (entry: Entry): void => {
    if (entry.tag === TAG.enumerationType) {
      for (const child of entry.children()) {
        const name = child.string(AT.name);
        if (child.tag === TAG.enumerator && name !== undefined) enumerators.set(name, entry.offset);
      }
    }
    const prefix = TYPE_PREFIXES.get(entry.tag);
    const name = prefix === undefined ? undefined : entry.string(AT.name);
    if (name === undefined || name === '') return;
    const spelled = prefix + name;
    if (complete.has(spelled)) return;
    types.set(spelled, entry.offset);
    if (!entry.has(AT.declaration)) complete.add(spelled);
  };

  try {
    visit(unit.root, 0);
  } catch (error) {
    // What stands before the damage is kept.
    unit.sections.report(error);
  }
  return { functions: new RangeMap(functions), variables, types, enumerators };
}

const NAMESPACE_DEPTH_MAX = 32;

const TYPE_PREFIXES: ReadonlyMap<number, string> = new Map([
  [TAG.baseType, ''],
  [TAG.typedef, ''],
  [TAG.structureType, 'struct '],
  [TAG.classType, 'class '],
  [TAG.unionType, 'union '],
  [TAG.enumerationType, 'enum '],
]);
