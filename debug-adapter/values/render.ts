import { type Type, underlying } from '../symbols/index.ts';
import type { EvaluationContext, Format, Rendered, Value } from './model.ts';
import {
  addressOfValue,
  elementValue,
  floatOf,
  fromBytes,
  integerOf,
  isScalar,
  load,
  memberValue,
} from './value.ts';

/** Elements and members shown in the one line of an aggregate, and the length that line may have. */
const PREVIEW_ITEMS_MAX = 8;
const PREVIEW_LENGTH_MAX = 120;
/** Bytes of a string that are shown. */
const STRING_BYTES_MAX = 200;

/**
 * A value as DAP shows it (DAP, `Variable`): C-like text, its type, what memory it refers to, and how many children
 * `children` lists. Reads what it needs; what cannot be read is said in the text and nothing is thrown.
 */
export async function render(
  value: Value,
  context: EvaluationContext,
  format: Format = 'natural',
): Promise<Rendered> {
  const type = value.type.name;
  if (value.unavailable !== undefined) {
    return {
      text: `<${value.unavailable}>`,
      type,
      memoryReference: undefined,
      namedChildren: 0,
      indexedChildren: 0,
    };
  }
  const counts = childCounts(value);
  const text = await describe(value, context, format, 0);
  return { text, type, memoryReference: memoryReferenceOf(value), ...counts };
}

/** How many members and elements a value has to expand. */
export function childCounts(value: Value): { namedChildren: number; indexedChildren: number } {
  const type = underlying(value.type);
  const none = { namedChildren: 0, indexedChildren: 0 };
  if (value.unavailable !== undefined) return none;
  if (type.kind === 'struct') return { namedChildren: type.members.length, indexedChildren: 0 };
  if (type.kind === 'array') return { namedChildren: 0, indexedChildren: type.count ?? 0 };
  if (type.kind !== 'pointer' || integerOf(value) === 0n) return none;
  const target = underlying(type.target);
  if (target.kind === 'struct') return { namedChildren: target.members.length, indexedChildren: 0 };
  return target.kind === 'void' || target.kind === 'function'
    ? none
    : { namedChildren: 1, indexedChildren: 0 };
}

function memoryReferenceOf(value: Value): string | undefined {
  const type = underlying(value.type);
  const address = type.kind === 'pointer' ? integerOf(value) : addressOfValue(value);
  return address === undefined ? undefined : `0x${address.toString(16)}`;
}

async function describe(
  value: Value,
  context: EvaluationContext,
  format: Format,
  depth: number,
): Promise<string> {
  const read = isScalar(value.type) ? await load(value, context) : value;
  if (read.unavailable !== undefined) return `<${read.unavailable}>`;
  const type = underlying(read.type);
  switch (type.kind) {
    case 'base':
    case 'enum':
      return await scalarText(read, context, format);
    case 'pointer':
      return await pointerText(read, type.target, context, format);
    case 'array':
      return await arrayText(read, type, context, format, depth);
    case 'struct':
      return await structText(read, type, context, format, depth);
    case 'function':
    case 'void': {
      const address = addressOfValue(read);
      return address === undefined ? `<${type.kind}>` : addressText(address, context);
    }
  }
}

async function scalarText(value: Value, context: EvaluationContext, format: Format): Promise<string> {
  const type = underlying(value.type);
  if (value.bytes === undefined || value.bytes.length === 0) return '<no value>';
  if (format !== 'natural') return formatNumber(value, context, format);
  const number = integerOf(value)!;
  if (type.kind === 'enum') return enumText(type, number);
  if (type.kind !== 'base') return String(number);
  switch (type.encoding) {
    case 'float':
      return floatText(floatOf(value.bytes));
    case 'boolean':
      return number === 0n ? 'false' : number === 1n ? 'true' : `true (${number})`;
    case 'char':
      // `unsigned char` and `signed char` are small numbers far more often than text.
      return type.name === 'char' ? `${number} ${characterText(Number(number & 0xffn))}` : String(number);
    default:
      return String(number);
  }
}

/** A number in the format that was asked for; the width of the type counts, as for `printf`. */
function formatNumber(value: Value, context: EvaluationContext, format: Format): string {
  const bytes = value.bytes!;
  const raw = fromBytes(bytes);
  switch (format) {
    case 'x':
      return `0x${raw.toString(16)}`;
    case 'o':
      return `0${raw.toString(8)}`;
    case 'b':
      return `0b${raw.toString(2)}`;
    case 'u':
      return String(raw);
    case 'd':
      return String(BigInt.asIntN(bytes.length * 8, raw));
    case 'c':
      return `${raw & 0xffn} ${characterText(Number(raw & 0xffn))}`;
    default:
      return addressText(raw, context);
  }
}

async function pointerText(
  value: Value,
  target: Type,
  context: EvaluationContext,
  format: Format,
): Promise<string> {
  const address = integerOf(value);
  if (address === undefined) return '<no value>';
  if (format !== 'natural' && format !== 'x' && format !== 's' && format !== 'a') {
    return formatNumber(value, context, format);
  }
  const text = addressText(address, context);
  const isText = format === 's' || (format === 'natural' && isCharacter(target));
  if (address === 0n || !isText) return text;
  const bytes = await context.readMemory(address, STRING_BYTES_MAX);
  return bytes.length === 0 ? text : `${text} ${stringText(bytes, true)}`;
}

function addressText(address: bigint, context: EvaluationContext): string {
  const symbol = context.symbolize(address);
  const hex = `0x${address.toString(16)}`;
  if (symbol === undefined) return hex;
  return `${hex} <${symbol.name}${symbol.offset === 0n ? '' : `+${symbol.offset}`}>`;
}

async function arrayText(
  value: Value,
  type: Type & { kind: 'array' },
  context: EvaluationContext,
  format: Format,
  depth: number,
): Promise<string> {
  const count = type.count ?? 0;
  if (isCharacter(type.element) && (format === 'natural' || format === 's')) {
    const bytes = await textBytes(value, Math.min(count, STRING_BYTES_MAX), context);
    if (bytes !== undefined) return stringText(bytes, count > STRING_BYTES_MAX);
  }
  if (depth > 1) return '{…}';
  return await listText(count, context, async (index) => {
    const element = await elementValue(value, type.element, BigInt(index), context);
    return await describe(element, context, format, depth + 1);
  });
}

async function structText(
  value: Value,
  type: Type & { kind: 'struct' },
  context: EvaluationContext,
  format: Format,
  depth: number,
): Promise<string> {
  if (depth > 0) return '{…}';
  const { members } = type;
  return await listText(members.length, context, async (index) => {
    const member = members[index]!;
    const text = await describe(await memberValue(value, member, context), context, format, depth + 1);
    return member.name === '' ? text : `${member.name} = ${text}`;
  });
}

async function listText(
  count: number,
  _context: EvaluationContext,
  item: (index: number) => Promise<string>,
): Promise<string> {
  const items: string[] = [];
  let length = 0;
  for (let index = 0; index < count; index += 1) {
    if (index === PREVIEW_ITEMS_MAX || length > PREVIEW_LENGTH_MAX) {
      items.push('…');
      break;
    }
    const text = await item(index);
    items.push(text);
    length += text.length + 2;
  }
  return `{${items.join(', ')}}`;
}

async function textBytes(
  value: Value,
  count: number,
  context: EvaluationContext,
): Promise<Uint8Array | undefined> {
  if (value.bytes !== undefined) return value.bytes.subarray(0, count);
  const address = addressOfValue(value);
  if (address === undefined) return undefined;
  const bytes = await context.readMemory(address, count);
  return bytes.length < count ? undefined : bytes;
}

/** One-byte characters: `char` in all its kinds, but not `uint8_t`, whose numbers are meant. */
function isCharacter(type: Type): boolean {
  const plain = underlying(type);
  if (plain.kind !== 'base' || plain.size !== 1) return false;
  if (type.kind === 'typedef') return isCharacterTypedef(type);
  if (type.kind === 'qualified') return isCharacter(type.target);
  return plain.encoding === 'char' && plain.name !== 'unsigned char' && plain.name !== 'signed char';
}

function isCharacterTypedef(type: Type & { kind: 'typedef' }): boolean {
  return !/int8|u8|s8|byte/i.test(type.name) && isCharacter(type.target);
}

/** Text up to the first zero byte, escaped. `isCut`: there may be more than these bytes. */
function stringText(bytes: Uint8Array, isCut: boolean): string {
  const zero = bytes.indexOf(0);
  const text = new TextDecoder().decode(zero < 0 ? bytes : bytes.subarray(0, zero));
  const escaped = text.replace(/["\\\p{Cc}\uFFFD]/gu, escapeCharacter);
  return `"${escaped}"${zero < 0 && isCut ? '…' : ''}`;
}

function characterText(code: number): string {
  if (code >= 0x80) return `'\\x${code.toString(16)}'`;
  const character = String.fromCharCode(code);
  if (character === "'") return "'\\''";
  return `'${/[\p{Cc}\\]/u.test(character) ? escapeCharacter(character) : character}'`;
}

const ESCAPED: Readonly<Record<string, string>> = {
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\0': '\\0',
  '"': '\\"',
  '\\': '\\\\',
};

function escapeCharacter(character: string): string {
  return ESCAPED[character] ?? `\\x${character.codePointAt(0)!.toString(16).padStart(2, '0')}`;
}

/** By name; a combination of flags by the names of its bits; else the number with the enumeration it does not fit. */
function enumText(type: Type & { kind: 'enum' }, value: bigint): string {
  const exact = type.enumerators.find((enumerator) => enumerator.value === value);
  if (exact !== undefined) return exact.name;
  const isFlags = type.enumerators.every((enumerator) => isPowerOfTwoOrZero(enumerator.value));
  if (isFlags && value > 0n) {
    const set = type.enumerators.filter(
      (enumerator) => enumerator.value !== 0n && (value & enumerator.value) !== 0n,
    );
    const rest = set.reduce((bits, enumerator) => bits & ~enumerator.value, value);
    if (set.length > 0 && rest === 0n) return set.map((enumerator) => enumerator.name).join(' | ');
  }
  return `(${type.name}) ${value}`;
}

function isPowerOfTwoOrZero(value: bigint): boolean {
  return value >= 0n && (value & (value - 1n)) === 0n;
}

function floatText(value: number): string {
  if (Object.is(value, -0)) return '-0';
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  return String(value);
}
