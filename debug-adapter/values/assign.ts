import { VmError } from '../../vmm/base/vm-error.ts';
import { underlying } from '../symbols/index.ts';
import { convert, needInteger } from './arithmetic.ts';
import { evaluate } from './evaluate.ts';
import type { EvaluationContext, LValue, Value } from './model.ts';
import { fromBytes, isScalar, isSigned, toBytes } from './value.ts';

/** A write that makes a value what it was set to, encoded in full: for parts of registers and words the rest is merged in. */
export type Assignment =
  | { readonly kind: 'register'; readonly name: string; readonly value: bigint }
  | { readonly kind: 'csr'; readonly name: string; readonly value: bigint }
  | { readonly kind: 'memory'; readonly address: bigint; readonly data: Uint8Array };

/**
 * What must be written so that `target` gets the value of the expression `text`, converted to its type as by a
 * cast. Throws `VmError('bad-request')` when the target cannot be written, or the text is wrong.
 */
export async function assign(target: Value, text: string, context: EvaluationContext): Promise<Assignment> {
  const { lvalue } = target;
  if (lvalue === undefined) {
    throw new VmError(
      'bad-request',
      `this cannot be written: ${target.unavailable ?? 'it is not stored anywhere'}`,
    );
  }
  if (!isScalar(target.type)) {
    throw new VmError('bad-request', `a value of type ${target.type.name} cannot be written as a whole`);
  }
  const { value } = await evaluate(text, context);
  if (lvalue.kind === 'csr') {
    return {
      kind: 'csr',
      name: lvalue.name,
      value: await mergeField(lvalue, needInteger(value, 1), context),
    };
  }
  const converted = convert(value, target.type, 1);
  if (converted.bytes === undefined) {
    throw new VmError('bad-request', converted.unavailable ?? 'the new value is not known');
  }
  if (lvalue.kind === 'register') {
    return { kind: 'register', name: lvalue.name, value: registerContents(lvalue.name, converted) };
  }
  if (lvalue.bits === undefined) return { kind: 'memory', address: lvalue.address, data: converted.bytes };
  return await mergeBits(lvalue, lvalue.bits, fromBytes(converted.bytes), context);
}

/**
 * A narrow value as it stands in a register: 32-bit integers are sign-extended whatever their type, narrower ones by
 * their type (RISC-V psABI, "Integer Calling Convention"), floats are NaN-boxed.
 */
function registerContents(name: string, { type, bytes }: Value): bigint {
  const raw = fromBytes(bytes!);
  const size = bytes!.length;
  const plain = underlying(type);
  if (plain.kind === 'base' && plain.encoding === 'float' && name.startsWith('f')) {
    return size === 4 ? raw | 0xffff_ffff_0000_0000n : raw;
  }
  if (size >= 8) return raw;
  const extend = size === 4 || isSigned(type);
  return BigInt.asUintN(64, extend ? BigInt.asIntN(size * 8, raw) : raw);
}

async function mergeField(
  { name, field }: LValue & { kind: 'csr' },
  value: bigint,
  context: EvaluationContext,
): Promise<bigint> {
  if (field === undefined) return BigInt.asUintN(64, value);
  const width = field.high - field.low + 1;
  if (BigInt.asUintN(64, value) >= 1n << BigInt(width)) {
    throw new VmError('bad-request', `${field.name} has ${width} bits; ${value} does not fit`);
  }
  const old = await context.readCsr(name);
  if (old === undefined) throw new VmError('bad-request', `${name} cannot be read`);
  const mask = ((1n << BigInt(width)) - 1n) << BigInt(field.low);
  return (old & ~mask) | (BigInt.asUintN(64, value) << BigInt(field.low));
}

async function mergeBits(
  { address, size }: LValue & { kind: 'memory' },
  bits: { readonly offset: number; readonly size: number },
  value: bigint,
  context: EvaluationContext,
): Promise<Assignment> {
  const old = await context.readMemory(address, size);
  if (old.length < size)
    throw new VmError('bad-address', `cannot read ${size} bytes at 0x${address.toString(16)}`);
  const mask = ((1n << BigInt(bits.size)) - 1n) << BigInt(bits.offset);
  const merged = (fromBytes(old) & ~mask) | ((value << BigInt(bits.offset)) & mask);
  return { kind: 'memory', address, data: toBytes(merged, size) };
}
