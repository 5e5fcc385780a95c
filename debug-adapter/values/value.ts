import {
  type Frame,
  frameRegister,
  type HartView,
  type Member,
  REGISTER_NAMES,
  type Type,
  underlying,
  type ValueLocation,
  type ValuePiece,
  type Variable,
} from '../symbols/index.ts';
import type { EvaluationContext, LValue, Value } from './model.ts';

/** What reading a value needs; both an `EvaluationContext` and a frame of a hart can give it. */
export interface ValueSource {
  readRegister(name: string): Promise<bigint | undefined>;
  readMemory(address: bigint, length: number): Promise<Uint8Array>;
}

/** Largest object that is read whole, in bytes; larger arrays are read element by element as they are shown. */
export const OBJECT_BYTES_MAX = 1 << 20;

/** The value of a variable in a frame. What cannot be had says why in `unavailable`; nothing is thrown. */
export async function variableValue(
  variable: Variable,
  frame: Frame | undefined,
  hart: HartView,
): Promise<Value> {
  const location = await variable.locate(frame, hart);
  const source: ValueSource = {
    readRegister: async (name) => (frame === undefined ? undefined : frameRegister(frame.registers, name)),
    readMemory: (address, length) => hart.readMemory(address, length),
  };
  return await located(variable.type, location, source);
}

/** The value at a location. Scalars are read at once, structures and arrays in memory when they are shown. */
export async function located(type: Type, location: ValueLocation, source: ValueSource): Promise<Value> {
  switch (location.kind) {
    case 'memory':
      return await inMemory(type, location.address, source);
    case 'register':
      return await inRegister(type, location.register, source);
    case 'bytes':
      return { type, bytes: location.bytes.slice(0, type.size), lvalue: undefined };
    case 'unavailable':
      return unavailable(type, location.reason);
    case 'pieces':
      return await inPieces(type, location.pieces, source);
  }
}

export function unavailable(type: Type, reason: string): Value {
  return { type, bytes: undefined, lvalue: undefined, unavailable: reason };
}

/** An object in memory: read now if it is a scalar. */
export async function inMemory(type: Type, address: bigint, source: ValueSource): Promise<Value> {
  const at = BigInt.asUintN(64, address);
  const value: Value = { type, bytes: undefined, lvalue: { kind: 'memory', address: at, size: type.size } };
  return isScalar(type) ? await load(value, source) : value;
}

/** True for what fits a register and is shown as one: numbers, pointers, enumerations. */
export function isScalar(type: Type): boolean {
  const { kind } = underlying(type);
  return kind === 'base' || kind === 'pointer' || kind === 'enum';
}

/** The value with its contents read, if they were not. */
export async function load(value: Value, source: ValueSource): Promise<Value> {
  const { lvalue, type } = value;
  if (value.bytes !== undefined || value.unavailable !== undefined || lvalue?.kind !== 'memory') return value;
  const size = lvalue.bits === undefined ? type.size : lvalue.size;
  if (size > OBJECT_BYTES_MAX)
    return { ...value, unavailable: `too large to be read at once (${size} bytes)` };
  const bytes = await source.readMemory(lvalue.address, size);
  if (bytes.length < size) {
    const missing = BigInt.asUintN(64, lvalue.address + BigInt(bytes.length));
    return { ...value, unavailable: `cannot read memory at 0x${missing.toString(16)}` };
  }
  return { ...value, bytes: lvalue.bits === undefined ? bytes : extract(bytes, lvalue.bits, type) };
}

async function inRegister(type: Type, register: number, source: ValueSource): Promise<Value> {
  const name = REGISTER_NAMES[register];
  const contents = name === undefined ? undefined : await source.readRegister(name);
  if (name === undefined || contents === undefined) {
    return unavailable(type, `optimized out (register ${name ?? register} was not preserved)`);
  }
  const bytes = toBytes(contents, 8);
  if (type.size > 8) return unavailable(type, 'optimized out (only half of it is in a register)');
  return { type, bytes: bytes.slice(0, type.size), lvalue: { kind: 'register', name } };
}

async function inPieces(type: Type, pieces: readonly ValuePiece[], source: ValueSource): Promise<Value> {
  const bytes = new Uint8Array(Math.min(type.size, OBJECT_BYTES_MAX));
  let at = 0;
  for (const piece of pieces) {
    if (at >= bytes.length) break;
    const part = await readPiece(piece, source);
    if (part === undefined)
      return unavailable(type, piece.kind === 'unavailable' ? piece.reason : 'partly optimized out');
    bytes.set(part.subarray(0, Math.min(piece.size, bytes.length - at)), at);
    at += piece.size;
  }
  if (at < bytes.length) return unavailable(type, 'partly optimized out');
  return { type, bytes, lvalue: undefined };
}

async function readPiece(piece: ValuePiece, source: ValueSource): Promise<Uint8Array | undefined> {
  switch (piece.kind) {
    case 'memory': {
      if (piece.size > OBJECT_BYTES_MAX) return undefined;
      const bytes = await source.readMemory(piece.address, piece.size);
      return bytes.length < piece.size ? undefined : bytes;
    }
    case 'register': {
      const name = REGISTER_NAMES[piece.register];
      const contents = name === undefined ? undefined : await source.readRegister(name);
      return contents === undefined ? undefined : toBytes(contents, 8);
    }
    case 'bytes':
      return piece.bytes;
    case 'unavailable':
      return undefined;
  }
}

/** A member of a structure value. */
export async function memberValue(object: Value, member: Member, source: ValueSource): Promise<Value> {
  const { type, bits, offset } = member;
  if (object.unavailable !== undefined) return unavailable(type, object.unavailable);
  const size = bits === undefined ? type.size : Math.ceil((bits.offset - offset * 8 + bits.size) / 8);
  const within = bits && { offset: bits.offset - offset * 8, size: bits.size };
  if (object.lvalue?.kind === 'memory') {
    const address = BigInt.asUintN(64, object.lvalue.address + BigInt(offset));
    if (within === undefined) return await inMemory(type, address, source);
    return await load(
      { type, bytes: undefined, lvalue: { kind: 'memory', address, size, bits: within } },
      source,
    );
  }
  const part = object.bytes?.slice(offset, offset + size);
  if (part === undefined || part.length < size) return unavailable(type, 'optimized out');
  return { type, bytes: within === undefined ? part : extract(part, within, type), lvalue: undefined };
}

/** Element of an array value. The index is not checked, as C does not: memory after the array can be looked at. */
export async function elementValue(
  array: Value,
  element: Type,
  index: bigint,
  source: ValueSource,
): Promise<Value> {
  if (array.unavailable !== undefined) return unavailable(element, array.unavailable);
  if (array.lvalue?.kind === 'memory') {
    return await inMemory(element, array.lvalue.address + index * BigInt(element.size), source);
  }
  const start = Number(index) * element.size;
  const part = start >= 0 ? array.bytes?.slice(start, start + element.size) : undefined;
  if (part === undefined || part.length < element.size) return unavailable(element, 'outside of the array');
  return { type: element, bytes: part, lvalue: undefined };
}

/** The member of that name, also inside anonymous members, with its place in the whole structure. */
export function findMember(type: Type, name: string, depth = 0): Member | undefined {
  const struct = underlying(type);
  // Anonymous members nest a few levels in real code, and for ever in damaged files.
  if (struct.kind !== 'struct' || depth > 16) return undefined;
  for (const member of struct.members) {
    if (member.name === name) return member;
    const inner = member.name === '' ? findMember(member.type, name, depth + 1) : undefined;
    if (inner === undefined) continue;
    const offset = member.offset + inner.offset;
    const bits = inner.bits && { offset: inner.bits.offset + member.offset * 8, size: inner.bits.size };
    return {
      name,
      offset,
      get type() {
        return inner.type;
      },
      ...(bits === undefined ? {} : { bits }),
    };
  }
  return undefined;
}

/** The bits of a bit field, extended to the size of its type. */
function extract(bytes: Uint8Array, bits: { offset: number; size: number }, type: Type): Uint8Array {
  const raw = BigInt.asUintN(bits.size, fromBytes(bytes) >> BigInt(bits.offset));
  return toBytes(isSigned(type) ? BigInt.asIntN(bits.size, raw) : raw, Math.max(type.size, 1));
}

/** Unsigned little-endian number. */
export function fromBytes(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let index = bytes.length - 1; index >= 0; index -= 1) value = (value << 8n) | BigInt(bytes[index]!);
  return value;
}

/** The low `size` bytes of a number, little-endian. */
export function toBytes(value: bigint, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let rest = BigInt.asUintN(size * 8, value);
  for (let index = 0; index < size; index += 1) {
    bytes[index] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}

export function isSigned(type: Type): boolean {
  const plain = underlying(type);
  // Plain char is unsigned on RISC-V (psABI, "C/C++ type representations"), and DWARF's own kinds of it are told apart by name.
  if (plain.kind === 'base') return plain.encoding === 'signed' || plain.name === 'signed char';
  return plain.kind === 'enum' && plain.signed;
}

export function isFloat(type: Type): boolean {
  const plain = underlying(type);
  return plain.kind === 'base' && plain.encoding === 'float';
}

/** A float, double or, cut to a double, binary128 long double. */
export function floatOf(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length === 4) return view.getFloat32(0, true);
  if (bytes.length === 8) return view.getFloat64(0, true);
  if (bytes.length !== 16) return Number.NaN;
  const high = view.getBigUint64(8, true);
  const exponent = Number((high >> 48n) & 0x7fffn);
  const fraction =
    Number(((high & 0xffff_ffff_ffffn) << 16n) | (view.getBigUint64(0, true) >> 48n)) / 2 ** 64;
  const sign = high >> 63n === 0n ? 1 : -1;
  if (exponent === 0x7fff) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * 0;
  return sign * (1 + fraction) * 2 ** (exponent - 16383);
}

/** The integer that a scalar value stands for, extended from its size; undefined for other values. */
export function integerOf(value: Value): bigint | undefined {
  if (value.bytes === undefined) return undefined;
  const raw = fromBytes(value.bytes);
  return isSigned(value.type) ? BigInt.asIntN(value.bytes.length * 8, raw) : raw;
}

/** Where an object is, for `&` and for arrays and functions, which stand for their address. */
export function addressOfValue(value: Value): bigint | undefined {
  const lvalue: LValue | undefined = value.lvalue;
  return lvalue?.kind === 'memory' && lvalue.bits === undefined ? lvalue.address : undefined;
}

export type { EvaluationContext };
