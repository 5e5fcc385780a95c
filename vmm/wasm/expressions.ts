import { assert } from '../base/assert.ts';
import type { Value, ValueType } from '../isa/emitter.ts';
import type { FunctionBody, Local } from './function-body.ts';
import { NUMERIC, type NumericOperation, OP } from './opcodes.ts';

// Fields are `declare`d: a field that is defined before it is set costs more than all else that making a node does.

/** An expression tree: what stands behind the emitter interface's opaque `Value`. Emitted each time it is consumed. */
export abstract class Expression {
  declare readonly type: ValueType;

  constructor(type: ValueType) {
    this.type = type;
  }

  /** Appends code that leaves the value on the stack. */
  abstract emit(body: FunctionBody): void;
}

export class Constant extends Expression {
  declare readonly value: bigint | number;

  constructor(type: ValueType, value: bigint | number) {
    super(type);
    this.value = value;
  }

  override emit(body: FunctionBody): void {
    switch (this.type) {
      case 'i32':
        body.i32(Number(this.value));
        break;
      case 'i64':
        body.i64(BigInt(this.value));
        break;
      case 'f32':
        body.op(OP.f32Const);
        body.code.f32(Number(this.value));
        break;
      case 'f64':
        body.op(OP.f64Const);
        body.code.f64(Number(this.value));
        break;
    }
  }
}

export class LocalValue extends Expression {
  declare readonly local: Local;

  constructor(type: ValueType, local: Local) {
    super(type);
    this.local = local;
  }

  override emit(body: FunctionBody): void {
    body.get(this.local);
  }
}

export class Unary extends Expression {
  declare readonly opcode: number;
  declare readonly operand: Expression;

  constructor(type: ValueType, opcode: number, operand: Expression) {
    super(type);
    this.opcode = opcode;
    this.operand = operand;
  }

  override emit(body: FunctionBody): void {
    this.operand.emit(body);
    body.op(this.opcode);
  }
}

export class Binary extends Expression {
  declare readonly opcode: number;
  declare readonly left: Expression;
  declare readonly right: Expression;

  constructor(type: ValueType, opcode: number, left: Expression, right: Expression) {
    super(type);
    assert(left.type === right.type, 'operands of one type');
    this.opcode = opcode;
    this.left = left;
    this.right = right;
  }

  override emit(body: FunctionBody): void {
    this.left.emit(body);
    this.right.emit(body);
    body.op(this.opcode);
  }
}

export class Select extends Expression {
  declare readonly condition: Expression;
  declare readonly whenTrue: Expression;
  declare readonly whenFalse: Expression;

  constructor(condition: Expression, whenTrue: Expression, whenFalse: Expression) {
    super(whenTrue.type);
    assert(whenTrue.type === whenFalse.type, 'both sides of one type');
    this.condition = condition;
    this.whenTrue = whenTrue;
    this.whenFalse = whenFalse;
  }

  override emit(body: FunctionBody): void {
    this.whenTrue.emit(body);
    this.whenFalse.emit(body);
    this.condition.emit(body);
    body.op(OP.select);
  }
}

/** A load from linear memory: state, never guest memory, whose accesses are statements. */
export class MemoryValue extends Expression {
  declare readonly opcode: number;
  declare readonly address: Expression;
  declare readonly offset: number;

  constructor(type: ValueType, opcode: number, address: Expression, offset: number) {
    super(type);
    this.opcode = opcode;
    this.address = address;
    this.offset = offset;
  }

  override emit(body: FunctionBody): void {
    this.address.emit(body);
    body.memory(this.opcode, this.offset);
  }
}

/** The opcode of an operation on operands of `type`; fails where WebAssembly has none. */
export function numericOpcode(operation: NumericOperation, type: ValueType): number {
  const opcode = (NUMERIC[operation] as Readonly<Partial<Record<ValueType, number>>>)[type];
  assert(opcode !== undefined, `${operation} exists on ${type}`);
  return opcode;
}

/** The expression behind a `Value` of ours. */
export function asExpression(value: Value): Expression {
  assert(value instanceof Expression, 'a value made by this emitter');
  return value;
}

/** Marks an expression with its static type for the emitter interface. */
export function asValue<T extends Value>(expression: Expression): T {
  return expression as unknown as T;
}
