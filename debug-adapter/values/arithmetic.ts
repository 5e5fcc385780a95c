import { VmError } from '../../vmm/base/vm-error.ts';
import { type Type, underlying } from '../symbols/index.ts';
import { DOUBLE, INT, LONG, pointerTo, UNSIGNED_LONG } from './builtin-types.ts';
import type { Value } from './model.ts';
import type { BinaryOperator, UnaryOperator } from './parser.ts';
import { addressOfValue, floatOf, integerOf, isFloat, isSigned, toBytes } from './value.ts';

/**
 * C's operators on values. All integers are computed in 64 bits; the result is unsigned where an operand is an unsigned
 * number of 64 bits or a pointer, else signed. `column` is for errors, all `VmError('bad-request')`.
 */
export function binaryOperation(
  operator: Exclude<BinaryOperator, '&&' | '||'>,
  left: Value,
  right: Value,
  column: number,
): Value {
  if (isFloat(left.type) || isFloat(right.type)) {
    return floatOperation(operator, needNumber(left, column), needNumber(right, column), column);
  }
  const a = needInteger(left, column);
  const b = needInteger(right, column);
  if (operator === '+' || operator === '-') {
    const moved = pointerOperation(operator, { value: left, number: a }, { value: right, number: b });
    if (moved !== undefined) return moved;
  }
  const isUnsigned = isWide(left.type) || isWide(right.type);
  const x = isUnsigned ? BigInt.asUintN(64, a) : a;
  const y = isUnsigned ? BigInt.asUintN(64, b) : b;
  const compared = comparison(operator, x, y);
  if (compared !== undefined) return integerValue(INT, compared ? 1n : 0n);
  // What is shifted decides by itself (C17, section 6.5.7).
  const isShift = operator === '<<' || operator === '>>';
  const resultUnsigned = isShift ? isWide(left.type) : isUnsigned;
  return integerValue(
    resultUnsigned ? UNSIGNED_LONG : LONG,
    integerOperation(operator, isShift ? a : x, y, column),
  );
}

export function unaryOperation(
  operator: Exclude<UnaryOperator, '*' | '&'>,
  value: Value,
  column: number,
): Value {
  if (operator === '!') return integerValue(INT, isTrue(value, column) ? 0n : 1n);
  if (isFloat(value.type)) {
    const number = needNumber(value, column);
    if (operator === '~') throw problem('"~" needs an integer', column);
    return doubleValue(operator === '-' ? -number : number);
  }
  const number = needInteger(value, column);
  const type = isWide(value.type) ? UNSIGNED_LONG : LONG;
  return integerValue(type, operator === '-' ? -number : operator === '~' ? ~number : number);
}

/** A cast (C17, section 6.5.4). A structure can only be cast to itself. */
export function convert(value: Value, target: Type, column: number): Value {
  const plain = underlying(target);
  switch (plain.kind) {
    case 'base': {
      if (plain.encoding === 'float') return floatValue(target, plain.size, needNumber(value, column));
      if (plain.encoding === 'boolean') return integerValue(target, isTrue(value, column) ? 1n : 0n);
      if (isFloat(value.type)) return integerValue(target, truncated(needNumber(value, column), column));
      return integerValue(target, needInteger(value, column));
    }
    case 'pointer':
    case 'enum':
      return integerValue(target, needInteger(value, column));
    case 'void':
      throw problem('a value cannot be cast to void', column);
    default:
      if (underlying(value.type) === plain) return { ...value, type: target };
      throw problem(
        `a value cannot be cast to ${target.name}; cast its address to a pointer instead`,
        column,
      );
  }
}

export function integerValue(type: Type, value: bigint): Value {
  return { type, bytes: toBytes(value, type.size), lvalue: undefined };
}

/** What a pointer points to, or an array consists of; undefined for other types. */
export function pointee(type: Type): Type | undefined {
  const plain = underlying(type);
  if (plain.kind === 'pointer') return plain.target;
  return plain.kind === 'array' ? plain.element : undefined;
}

/** The number a value stands for; arrays and functions stand for their address. */
export function needInteger(value: Value, column: number): bigint {
  if (value.unavailable !== undefined)
    throw problem(`a value is not available: ${value.unavailable}`, column);
  const { kind } = underlying(value.type);
  if (kind === 'array' || kind === 'function' || kind === 'void') {
    const address = addressOfValue(value);
    if (address !== undefined) return address;
  }
  const number = kind === 'struct' || isFloat(value.type) ? undefined : integerOf(value);
  if (number === undefined)
    throw problem(`a number is needed, not a value of type ${value.type.name}`, column);
  return number;
}

export function isTrue(value: Value, column: number): boolean {
  return isFloat(value.type) ? needNumber(value, column) !== 0 : needInteger(value, column) !== 0n;
}

function needNumber(value: Value, column: number): number {
  if (!isFloat(value.type)) return Number(needInteger(value, column));
  if (value.bytes === undefined) {
    throw problem(`a value is not available: ${value.unavailable ?? 'it has no contents'}`, column);
  }
  return floatOf(value.bytes);
}

/** Unsigned and of 64 bits, so that C computes with it unsigned; narrower ones are promoted to signed. */
function isWide(type: Type): boolean {
  const plain = underlying(type);
  if (plain.kind === 'base') return plain.size >= 8 && !isSigned(type);
  return plain.kind === 'pointer' || plain.kind === 'array' || plain.kind === 'function';
}

interface Operand {
  readonly value: Value;
  readonly number: bigint;
}

/** Pointers move by whole objects and subtract to a count of them (C17, section 6.5.6). */
function pointerOperation(operator: '+' | '-', left: Operand, right: Operand): Value | undefined {
  const to = pointee(left.value.type);
  const other = pointee(right.value.type);
  const size = (type: Type): bigint => BigInt(Math.max(1, type.size));
  if (to !== undefined && other !== undefined) {
    if (operator === '+') return undefined;
    return integerValue(LONG, BigInt.asIntN(64, left.number - right.number) / size(to));
  }
  const sign = operator === '-' ? -1n : 1n;
  if (to !== undefined) return integerValue(pointerTo(to), left.number + sign * right.number * size(to));
  if (other !== undefined && operator === '+') {
    return integerValue(pointerTo(other), right.number + left.number * size(other));
  }
  return undefined;
}

function comparison(operator: BinaryOperator, a: bigint | number, b: bigint | number): boolean | undefined {
  switch (operator) {
    case '==':
      return a === b;
    case '!=':
      return a !== b;
    case '<':
      return a < b;
    case '>':
      return a > b;
    case '<=':
      return a <= b;
    case '>=':
      return a >= b;
    default:
      return undefined;
  }
}

function integerOperation(operator: BinaryOperator, a: bigint, b: bigint, column: number): bigint {
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      if (b === 0n) throw problem('division by zero', column);
      return a / b;
    case '%':
      if (b === 0n) throw problem('division by zero', column);
      return a % b;
    case '&':
      return a & b;
    case '|':
      return a | b;
    case '^':
      return a ^ b;
    // As the machine's own shifts: by the low six bits.
    case '<<':
      return a << (b & 63n);
    case '>>':
      return a >> (b & 63n);
    default:
      throw problem(`"${operator}" is not understood here`, column);
  }
}

function floatOperation(operator: BinaryOperator, a: number, b: number, column: number): Value {
  const compared = comparison(operator, a, b);
  if (compared !== undefined) return integerValue(INT, compared ? 1n : 0n);
  switch (operator) {
    case '+':
      return doubleValue(a + b);
    case '-':
      return doubleValue(a - b);
    case '*':
      return doubleValue(a * b);
    case '/':
      return doubleValue(a / b);
    default:
      throw problem(`"${operator}" needs integers`, column);
  }
}

function doubleValue(value: number): Value {
  return floatValue(DOUBLE, 8, value);
}

function floatValue(type: Type, size: number, value: number): Value {
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  if (size === 4) view.setFloat32(0, value, true);
  else if (size === 8) view.setFloat64(0, value, true);
  else
    return {
      type,
      bytes: undefined,
      lvalue: undefined,
      unavailable: `floats of ${size} bytes cannot be made here`,
    };
  return { type, bytes, lvalue: undefined };
}

function truncated(value: number, column: number): bigint {
  if (!Number.isFinite(value)) throw problem(`${value} is no integer`, column);
  return BigInt(Math.trunc(value));
}

function problem(message: string, column: number): VmError {
  return new VmError('bad-request', `${message} (column ${column})`, column);
}
