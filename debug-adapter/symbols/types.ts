import { AT, TAG } from './dwarf/constants.ts';
import type { DebugInfo } from './dwarf/debug-info.ts';
import type { Entry } from './dwarf/entry.ts';
import { type BaseEncoding, type Enumerator, type Member, type Type, VOID } from './type-model.ts';

/** Reads types (DWARF 5, chapter 5). Each is made once and reads what it refers to when first asked. */
export class Types {
  readonly #info: DebugInfo;
  /** Finds the complete type for a declared one (`struct page;`), perhaps in another unit. */
  readonly #complete: (spelling: string) => Entry | undefined;
  readonly #made = new Map<number, Type>();

  constructor(info: DebugInfo, complete: (spelling: string) => Entry | undefined) {
    this.#info = info;
    this.#complete = complete;
  }

  /** The type that an entry's `DW_AT_type` names; `void` when it has none, or a damaged one. */
  typeOf(entry: Entry): Type {
    return this.#guard(VOID, () => {
      const target = entry.owner(AT.type)?.reference(AT.type);
      return target === undefined ? VOID : this.at(target);
    });
  }

  at(entry: Entry): Type {
    let type = this.#made.get(entry.offset);
    if (type === undefined) {
      type = this.#guard(VOID, () => this.#make(entry));
      this.#made.set(entry.offset, type);
    }
    return type;
  }

  #make(entry: Entry): Type {
    const name = entry.string(AT.name) ?? '';
    const size = entry.number(AT.byteSize) ?? 0;
    switch (entry.tag) {
      case TAG.baseType:
        return { kind: 'base', name, size, encoding: baseEncoding(entry.number(AT.encoding)) };
      case TAG.pointerType:
      case TAG.referenceType:
      case TAG.rvalueReferenceType:
        return this.#pointer(entry, size || entry.unit.addressSize);
      case TAG.structureType:
        return this.#struct(entry, 'struct', name, size);
      case TAG.classType:
        return this.#struct(entry, 'class', name, size);
      case TAG.unionType:
        return this.#struct(entry, 'union', name, size);
      case TAG.arrayType:
        return this.#array(entry);
      case TAG.enumerationType:
        return this.#enum(entry, name, size);
      case TAG.typedef:
        return this.#alias(entry, { kind: 'typedef', name });
      case TAG.constType:
        return this.#qualified(entry, 'const');
      case TAG.volatileType:
        return this.#qualified(entry, 'volatile');
      case TAG.restrictType:
        return this.#qualified(entry, 'restrict');
      case TAG.atomicType:
        return this.#qualified(entry, 'atomic');
      case TAG.subroutineType:
      case TAG.subprogram:
        return this.#function(entry);
      default:
        return VOID;
    }
  }

  #pointer(entry: Entry, size: number): Type {
    const target = lazy(() => this.typeOf(entry));
    return {
      kind: 'pointer',
      size,
      get target() {
        return target();
      },
      get name() {
        return pointerName(target());
      },
    };
  }

  #alias(entry: Entry, fixed: { kind: 'typedef'; name: string }): Type {
    const target = lazy(() => this.typeOf(entry));
    return {
      ...fixed,
      get target() {
        return target();
      },
      get size() {
        return sizeThrough(target());
      },
    };
  }

  #qualified(entry: Entry, qualifier: 'const' | 'volatile' | 'restrict' | 'atomic'): Type {
    const target = lazy(() => this.typeOf(entry));
    return {
      kind: 'qualified',
      qualifier,
      get target() {
        return target();
      },
      get size() {
        return sizeThrough(target());
      },
      get name() {
        return qualifiedName(qualifier, target());
      },
    };
  }

  #struct(entry: Entry, keyword: 'struct' | 'union' | 'class', tag: string, size: number): Type {
    if (entry.flag(AT.declaration) && tag !== '') {
      const complete = this.#complete(`${keyword} ${tag}`);
      if (complete !== undefined && !complete.flag(AT.declaration)) return this.at(complete);
    }
    const members = lazy(() => this.#guard([], () => this.#members(entry)));
    return {
      kind: 'struct',
      keyword,
      name: tag === '' ? `${keyword} {…}` : `${keyword} ${tag}`,
      size,
      get members() {
        return members();
      },
    };
  }

  #members(entry: Entry): Member[] {
    const members: Member[] = [];
    for (const child of entry.children()) {
      // Static members of C++ are declarations without a place in the object.
      if (child.tag !== TAG.member && child.tag !== TAG.inheritance) continue;
      if (child.flag(AT.declaration) || child.flag(AT.external)) continue;
      members.push(this.#member(child));
    }
    return members;
  }

  #member(child: Entry): Member {
    const name = child.string(AT.name) ?? '';
    const type = lazy(() => this.typeOf(child));
    const start =
      child.number(AT.dataMemberLocation) ?? constantLocation(child.block(AT.dataMemberLocation)) ?? 0;
    const width = child.number(AT.bitSize);
    const lazyType = {
      get type() {
        return type();
      },
    };
    if (width === undefined) return withGetter({ name, offset: start }, lazyType);
    // Version 4 and on count from the low bit of the structure. Before, from the high bit of a storage unit,
    // which for little-endian machines has to be turned around (DWARF 5, section 5.7.6; DWARF 3, section 5.6.6).
    const direct = child.number(AT.dataBitOffset);
    const storage = child.number(AT.byteSize) ?? type().size;
    const bitOffset =
      direct === undefined
        ? start * 8 + storage * 8 - (child.number(AT.bitOffset) ?? 0) - width
        : start * 8 + direct;
    return withGetter(
      { name, offset: Math.floor(bitOffset / 8), bits: { offset: bitOffset, size: width } },
      lazyType,
    );
  }

  #array(entry: Entry): Type {
    const counts: (number | undefined)[] = [];
    for (const child of entry.children()) {
      if (child.tag === TAG.subrangeType) counts.push(elementCount(child));
      if (child.tag === TAG.enumerationType) counts.push(undefined);
      if (counts.length === DIMENSIONS_MAX) break;
    }
    const element = lazy(() => this.typeOf(entry));
    const inner = counts.slice(1);
    return makeArray(element, counts[0], inner);
  }

  #enum(entry: Entry, tag: string, size: number): Type {
    const base = entry.has(AT.type) ? this.typeOf(entry) : undefined;
    const enumerators = lazy(() =>
      this.#guard([], () => {
        const list: Enumerator[] = [];
        for (const child of entry.children()) {
          if (child.tag !== TAG.enumerator) continue;
          list.push({ name: child.string(AT.name) ?? '', value: child.integer(AT.constValue) ?? 0n });
        }
        return list;
      }),
    );
    return {
      kind: 'enum',
      name: tag === '' ? 'enum {…}' : `enum ${tag}`,
      size: size || (base?.size ?? 4),
      get signed() {
        if (base?.kind === 'base') return base.encoding === 'signed';
        return enumerators().some(({ value }) => value < 0n);
      },
      get enumerators() {
        return enumerators();
      },
    };
  }

  #function(entry: Entry): Type {
    const result = lazy(() => this.typeOf(entry));
    const parameters = lazy(() =>
      this.#guard([], () => {
        const list: Type[] = [];
        for (const child of entry.children()) {
          if (child.tag === TAG.formalParameter) list.push(this.typeOf(child));
        }
        return list;
      }),
    );
    return {
      kind: 'function',
      size: 0,
      get result() {
        return result();
      },
      get parameters() {
        return parameters();
      },
      get name() {
        return functionName(result(), '', parameters());
      },
    };
  }

  #guard<T>(otherwise: T, read: () => T): T {
    try {
      return read();
    } catch (error) {
      this.#info.sections.report(error);
      return otherwise;
    }
  }
}

/** C has no use for more; the bound is for damaged files. */
const DIMENSIONS_MAX = 16;

/** `DW_ATE_*` (DWARF 5, section 7.8). */
function baseEncoding(code: number | undefined): BaseEncoding {
  switch (code) {
    case 0x02:
      return 'boolean';
    case 0x04:
      return 'float';
    case 0x05:
      return 'signed';
    case 0x06:
    case 0x08:
    case 0x10:
    case 0x12:
      return 'char';
    default:
      return 'unsigned';
  }
}

function elementCount(subrange: Entry): number | undefined {
  const count = subrange.number(AT.count);
  if (count !== undefined) return count;
  const upper = subrange.integer(AT.upperBound);
  // GCC writes -1, in 64 bits, for arrays of no elements. A block is for sizes known at run time only.
  if (upper === undefined) return undefined;
  const last = BigInt.asIntN(64, upper);
  return last >= -1n && last < 1n << 32n ? Number(last) + 1 : undefined;
}

function makeArray(
  element: () => Type,
  count: number | undefined,
  inner: readonly (number | undefined)[],
): Type {
  const item = inner.length === 0 ? element : lazy(() => makeArray(element, inner[0], inner.slice(1)));
  return {
    kind: 'array',
    count,
    get element() {
      return item();
    },
    get size() {
      return (count ?? 0) * sizeThrough(item());
    },
    get name() {
      let base = item();
      let suffix = `[${count ?? ''}]`;
      while (base.kind === 'array') {
        suffix += `[${base.count ?? ''}]`;
        base = base.element;
      }
      return `${base.name}${base.kind === 'pointer' ? '' : ' '}${suffix}`;
    },
  };
}

/** Versions before 4 may give a member's place as an expression, in practice always `DW_OP_plus_uconst n`. */
function constantLocation(block: Uint8Array | undefined): number | undefined {
  if (block === undefined || block[0] !== 0x23) return undefined;
  let value = 0;
  for (const [index, byte] of block.subarray(1, 6).entries()) {
    value += (byte & 0x7f) * 128 ** index;
    if (byte < 0x80) return value;
  }
  return undefined;
}

/** Depth of the present nest of size and name getters: types that contain themselves exist in damaged files only. */
let nesting = 0;
const NESTING_MAX = 100;

function nested<T>(otherwise: T, read: () => T): T {
  if (nesting >= NESTING_MAX) return otherwise;
  nesting += 1;
  try {
    return read();
  } finally {
    nesting -= 1;
  }
}

function sizeThrough(type: Type): number {
  return nested(0, () => type.size);
}

function pointerName(target: Type): string {
  return nested('…', () => {
    if (target.kind === 'function') return functionName(target.result, '*', target.parameters);
    const name = target.name;
    return name.endsWith('*') ? `${name}*` : `${name} *`;
  });
}

function qualifiedName(qualifier: string, target: Type): string {
  const word = qualifier === 'atomic' ? '_Atomic' : qualifier;
  return nested('…', () =>
    target.kind === 'pointer' ? `${target.name} ${word}`.replace('* ', '*') : `${word} ${target.name}`,
  );
}

function functionName(result: Type, declarator: string, parameters: readonly Type[]): string {
  return nested('…', () => {
    const list = parameters.length === 0 ? 'void' : parameters.map((type) => type.name).join(', ');
    return declarator === '' ? `${result.name} (${list})` : `${result.name} (${declarator})(${list})`;
  });
}

function lazy<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

/** Joins without calling the getter, as a spread would. */
function withGetter<A extends object, B extends object>(plain: A, getter: B): A & B {
  return Object.defineProperties(plain, Object.getOwnPropertyDescriptors(getter)) as A & B;
}
