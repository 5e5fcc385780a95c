import { VmError } from '../../vmm/base/vm-error.ts';
import { type Type, underlying } from '../symbols/index.ts';
import {
  binaryOperation,
  convert,
  integerValue,
  isTrue,
  needInteger,
  pointee,
  unaryOperation,
} from './arithmetic.ts';
import { builtinType, CHAR, DOUBLE, FLOAT, INT, LONG, pointerTo, UNSIGNED_LONG } from './builtin-types.ts';
import type { CsrField, EvaluationContext, Format, Value } from './model.ts';
import { type Node, parse, type TypeName } from './parser.ts';
import {
  addressOfValue,
  elementValue,
  findMember,
  inMemory,
  isScalar,
  located,
  memberValue,
  toBytes,
} from './value.ts';

/** An expression that was parsed once, to report its errors before it is needed. */
export interface Expression {
  readonly text: string;
}

export interface Evaluation {
  readonly value: Value;
  /** From a trailing `,x`; else `x` for registers and CSRs, which are bits first, and `natural` for the rest. */
  readonly format: Format;
}

/**
 * Checks the syntax of an expression. Names are not looked up. Throws `VmError('bad-request')` with the column.
 */
export function parseExpression(text: string): Expression {
  // What names mean is not known yet: `_t` is how types are told by their name.
  parse(text, (name) => name.endsWith('_t'));
  return { text };
}

/**
 * Evaluates an expression: C's operators over variables, symbols, registers (`$a0`, or `a0` where no variable has
 * that name), CSRs and their fields (`$mstatus.MIE`), with casts to the program's types. Integers wrap at 64 bits.
 * Throws `VmError('bad-request')` with the column of what is wrong.
 */
export async function evaluate(
  expression: string | Expression,
  context: EvaluationContext,
): Promise<Evaluation> {
  const text = typeof expression === 'string' ? expression : expression.text;
  const { node, format } = parse(text, (name) => context.type(name) !== undefined);
  const value = await new Evaluator(context).value(node);
  const isBits =
    value.lvalue?.kind === 'csr' || (value.lvalue?.kind === 'register' && value.type === UNSIGNED_LONG);
  return { value, format: format === 'natural' && isBits ? 'x' : format };
}

/** True when the expression is not zero: for conditions of breakpoints. */
export async function evaluateCondition(
  expression: string | Expression,
  context: EvaluationContext,
): Promise<boolean> {
  const { value } = await evaluate(expression, context);
  return isTrue(value, 1);
}

class Evaluator {
  readonly #context: EvaluationContext;

  constructor(context: EvaluationContext) {
    this.#context = context;
  }

  async value(node: Node): Promise<Value> {
    switch (node.kind) {
      case 'number':
        return integerValue(literalType(node.value, node.suffix), node.value);
      case 'float':
        return { type: DOUBLE, bytes: doubleBytes(node.value), lvalue: undefined };
      case 'char':
        return integerValue(CHAR, node.value);
      case 'name':
        return await this.#name(node);
      case 'register':
        return await this.#register(node);
      case 'member':
        return await this.#member(node);
      case 'index':
        return await this.#index(node);
      case 'unary':
        return await this.#unary(node);
      case 'binary':
        return await this.#binary(node);
      case 'conditional':
        return await this.value(isTrue(await this.value(node.test), node.column) ? node.yes : node.no);
      case 'cast':
        return convert(await this.value(node.operand), this.#typeNamed(node.type), node.column);
      case 'sizeof':
        return await this.#sizeof(node);
    }
  }

  async #name({ name, column }: Node & { kind: 'name' }): Promise<Value> {
    const context = this.#context;
    const variable = await context.variable(name);
    if (variable !== undefined) return await located(variable.type, variable.location, context);
    const enumerator = context.enumerator?.(name);
    if (enumerator !== undefined) return integerValue(enumerator.type, enumerator.value);
    const symbol = context.symbol(name);
    if (symbol !== undefined) return symbolValue(symbol);
    const register = await this.#registerNamed(name);
    if (register !== undefined) return register;
    throw problem(`nothing here is named "${name}"`, column);
  }

  async #register({ name, column }: Node & { kind: 'register' }): Promise<Value> {
    const value = await this.#registerNamed(name);
    if (value === undefined) throw problem(`there is no register or CSR named "$${name}"`, column);
    return value;
  }

  async #registerNamed(name: string): Promise<Value | undefined> {
    const lower = name.toLowerCase();
    const contents = await this.#context.readRegister(lower);
    if (contents !== undefined) {
      const lvalue = { kind: 'register', name: lower } as const;
      return FLOAT_REGISTER.test(lower)
        ? { ...floatContents(contents), lvalue }
        : { type: UNSIGNED_LONG, bytes: toBytes(contents, 8), lvalue };
    }
    if (KNOWN_REGISTER.test(lower)) {
      const reason = `not preserved (${lower} of this frame was overwritten by its callee)`;
      return { type: UNSIGNED_LONG, bytes: undefined, lvalue: undefined, unavailable: reason };
    }
    const csr = await this.#context.readCsr(lower);
    if (csr === undefined) return undefined;
    return { type: UNSIGNED_LONG, bytes: toBytes(csr, 8), lvalue: { kind: 'csr', name: lower } };
  }

  async #member(node: Node & { kind: 'member' }): Promise<Value> {
    const { name, column } = node;
    const object = await this.value(node.object);
    if (object.lvalue?.kind === 'csr' && object.lvalue.field === undefined) {
      return this.#csrField(object, object.lvalue.name, name, column);
    }
    const holder =
      underlying(object.type).kind === 'pointer' ? await this.#dereference(object, column) : object;
    const type = underlying(holder.type);
    if (type.kind !== 'struct') {
      throw problem(`"${name}" asks for a member, but the type is ${object.type.name}`, column);
    }
    const member = findMember(type, name);
    if (member === undefined) throw problem(`${type.name} has no member "${name}"`, column);
    return await memberValue(holder, member, this.#context);
  }

  #csrField(csr: Value, register: string, name: string, column: number): Value {
    const fields = this.#context.csrFields(register) ?? [];
    const field = fields.find((candidate) => candidate.name.toLowerCase() === name.toLowerCase());
    if (field === undefined) {
      const known = fields.map((candidate) => candidate.name).join(', ');
      throw problem(`${register} has no field "${name}"${known === '' ? '' : `: it has ${known}`}`, column);
    }
    const { low, high } = field satisfies CsrField;
    const bits = (needInteger(csr, column) >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);
    return { type: UNSIGNED_LONG, bytes: toBytes(bits, 8), lvalue: { kind: 'csr', name: register, field } };
  }

  async #index(node: Node & { kind: 'index' }): Promise<Value> {
    const object = await this.value(node.object);
    const index = needInteger(await this.value(node.index), node.column);
    const type = underlying(object.type);
    if (type.kind === 'array') {
      return await elementValue(object, type.element, BigInt.asIntN(64, index), this.#context);
    }
    if (type.kind === 'pointer') {
      const size = BigInt(Math.max(1, type.target.size));
      return await inMemory(type.target, needInteger(object, node.column) + index * size, this.#context);
    }
    throw problem(`only arrays and pointers have elements, not ${object.type.name}`, node.column);
  }

  async #unary({ operator, operand, column }: Node & { kind: 'unary' }): Promise<Value> {
    const value = await this.value(operand);
    if (operator === '*') return await this.#dereference(value, column);
    if (operator !== '&') return unaryOperation(operator, value, column);
    const address = addressOfValue(value);
    if (address === undefined) throw problem('this has no address', column);
    return integerValue(pointerTo(value.type), address);
  }

  /** A plain number may be followed too, as in `*0x80000000` or `*$sp`: it counts as a pointer to 64 bits. */
  async #dereference(value: Value, column: number): Promise<Value> {
    const target = pointee(value.type) ?? UNSIGNED_LONG;
    if (!isScalar(value.type) && pointee(value.type) === undefined) {
      throw problem(`a value of type ${value.type.name} points to nothing`, column);
    }
    const address = needInteger(value, column);
    if (underlying(target).kind === 'void')
      throw problem('a void pointer must be cast before it is followed', column);
    return await inMemory(target, address, this.#context);
  }

  async #binary({ operator, left, right, column }: Node & { kind: 'binary' }): Promise<Value> {
    const first = await this.value(left);
    if (operator === '&&' || operator === '||') {
      // The second operand is not evaluated when the first decides, so that `p && p->next` is safe.
      const decided = isTrue(first, column) === (operator === '||');
      const result = decided ? operator === '||' : isTrue(await this.value(right), column);
      return integerValue(INT, result ? 1n : 0n);
    }
    return binaryOperation(operator, first, await this.value(right), column);
  }

  async #sizeof(node: Node & { kind: 'sizeof' }): Promise<Value> {
    const type = node.type ? this.#typeNamed(node.type) : (await this.value(node.operand!)).type;
    return integerValue(UNSIGNED_LONG, BigInt(type.size));
  }

  #typeNamed({ name, pointers, column }: TypeName): Type {
    let type = this.#context.type(name) ?? builtinType(name);
    if (type === undefined) throw problem(`there is no type "${name}"`, column);
    for (let count = 0; count < pointers; count += 1) type = pointerTo(type);
    return type;
  }
}

const FLOAT_REGISTER = /^(?:f\d+|f[tas]\d+)$/;
/** Names that are registers in every frame, whether their value is known there or not. */
const KNOWN_REGISTER =
  /^(?:x\d|x[12]\d|x3[01]|f\d|f[12]\d|f3[01]|ra|sp|gp|tp|t[0-6]|s\d|s1[01]|a[0-7]|fp|fa[0-7]|ft\d|ft1[01]|fs\d|fs1[01])$/;

/** A float in a 64-bit register has all ones above it (RISC-V unprivileged, "NaN Boxing of Narrower Values"). */
function floatContents(contents: bigint): { type: Type; bytes: Uint8Array } {
  const boxed = contents >> 32n === 0xffff_ffffn;
  return boxed ? { type: FLOAT, bytes: toBytes(contents, 4) } : { type: DOUBLE, bytes: toBytes(contents, 8) };
}

/** A symbol without debug information has an address and nothing else: like a function, it stands for that. */
function symbolValue({ address, type }: { address: bigint; type?: Type }): Value {
  const label: Type = type ?? {
    kind: 'function',
    name: 'symbol',
    size: 0,
    result: builtinType('void')!,
    parameters: [],
  };
  return { type: label, bytes: undefined, lvalue: { kind: 'memory', address, size: label.size } };
}

/** Type of an integer literal (C17, section 6.4.4.1), where hexadecimal and decimal differ only beyond 63 bits. */
function literalType(value: bigint, suffix: string): Type {
  if (suffix.includes('u') || value >= 1n << 63n) return UNSIGNED_LONG;
  return value < 1n << 31n && !suffix.includes('l') ? INT : LONG;
}

function doubleBytes(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value, true);
  return bytes;
}

function problem(message: string, column: number): VmError {
  return new VmError('bad-request', `${message} (column ${column})`, column);
}
