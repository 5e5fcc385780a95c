import { type Type, VOID } from '../symbols/index.ts';

/** Types that expressions know without debug information: C's own, and the names kernels give to fixed widths. */
const base = (
  name: string,
  size: number,
  encoding: 'signed' | 'unsigned' | 'char' | 'float' | 'boolean',
): Type => ({
  kind: 'base',
  name,
  size,
  encoding,
});

export const INT = base('int', 4, 'signed');
export const LONG = base('long', 8, 'signed');
export const UNSIGNED_LONG = base('unsigned long', 8, 'unsigned');
export const CHAR = base('char', 1, 'char');
export const DOUBLE = base('double', 8, 'float');
export const FLOAT = base('float', 4, 'float');

export function pointerTo(target: Type): Type {
  const name = target.name.endsWith('*') ? `${target.name}*` : `${target.name} *`;
  return { kind: 'pointer', name, size: 8, target };
}

const FIXED: readonly Type[] = [8, 16, 32, 64].flatMap((bits) => [
  base(`uint${bits}_t`, bits / 8, 'unsigned'),
  base(`int${bits}_t`, bits / 8, 'signed'),
  base(`u${bits}`, bits / 8, 'unsigned'),
  base(`s${bits}`, bits / 8, 'signed'),
]);

const NAMED: ReadonlyMap<string, Type> = new Map(
  [
    ...FIXED,
    base('size_t', 8, 'unsigned'),
    base('uintptr_t', 8, 'unsigned'),
    base('ssize_t', 8, 'signed'),
    base('intptr_t', 8, 'signed'),
    base('ptrdiff_t', 8, 'signed'),
    base('bool', 1, 'boolean'),
    base('_Bool', 1, 'boolean'),
    DOUBLE,
    FLOAT,
    VOID,
  ].map((type) => [type.name, type]),
);

const INTEGER_WORDS: ReadonlySet<string> = new Set(['unsigned', 'signed', 'char', 'short', 'int', 'long']);

/** By spelling; C's integer types in any order of words (C17, section 6.7.2). */
export function builtinType(name: string): Type | undefined {
  const words = name.split(' ');
  if (words.some((word) => !INTEGER_WORDS.has(word))) return NAMED.get(name);
  const unsigned = words.includes('unsigned');
  const encoding = unsigned ? 'unsigned' : 'signed';
  const prefix = unsigned ? 'unsigned ' : '';
  if (words.includes('char')) {
    return unsigned || words.includes('signed') ? base(`${encoding} char`, 1, encoding) : CHAR;
  }
  if (words.includes('short')) return base(`${prefix}short`, 2, encoding);
  if (words.includes('long')) return base(`${prefix}long`, 8, encoding);
  return base(`${prefix}int`, 4, encoding);
}

/** Words that begin a type name whatever else is declared. */
export function isTypeWord(word: string): boolean {
  return INTEGER_WORDS.has(word) || TAG_WORDS.has(word) || QUALIFIERS.has(word) || NAMED.has(word);
}

export const TAG_WORDS: ReadonlySet<string> = new Set(['struct', 'union', 'enum', 'class']);
export const QUALIFIERS: ReadonlySet<string> = new Set(['const', 'volatile', 'restrict', '_Atomic']);
