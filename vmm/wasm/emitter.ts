import type {
  AtomicWidth,
  Emitter,
  F32,
  F64,
  FloatRegister,
  I32,
  I64,
  LeaveReason,
  LoadWidth,
  SoftFormat,
  SoftOperation,
  SourceRegister,
  StoreWidth,
  Value,
  ValueType,
} from '../isa/emitter.ts';
import { openIf } from './conditions.ts';
import {
  asExpression,
  asValue,
  Binary,
  Constant,
  LocalValue,
  numericOpcode,
  Select,
  Unary,
} from './expressions.ts';
import { fold, foldComparison } from './fold.ts';
import type { FunctionBody } from './function-body.ts';
import { type NumericOperation, OP } from './opcodes.ts';

/**
 * The part of the emitter interface that every user of the semantics shares: expressions become trees, and
 * statements append to a function body. Where operands live, how memory is reached and how an instruction
 * ends is the subclass's business.
 *
 * Code after a statement that ends the instruction is unreachable and not emitted.
 */
export abstract class WasmEmitter implements Emitter {
  protected readonly body: FunctionBody;
  /** True behind a statement that ended the instruction on this path. */
  protected ended = false;

  constructor(body: FunctionBody) {
    this.body = body;
  }

  i32(value: number): I32 {
    return asValue(new Constant('i32', value | 0));
  }

  i64(value: bigint | number): I64 {
    return asValue(new Constant('i64', BigInt.asIntN(64, BigInt(value))));
  }

  f32(value: number): F32 {
    return asValue(new Constant('f32', value));
  }

  f64(value: number): F64 {
    return asValue(new Constant('f64', value));
  }

  bind<T extends Value>(value: T): T {
    const expression = asExpression(value);
    if (expression instanceof Constant || expression instanceof LocalValue) return value;
    // A number's bits are bound as the number: they cost little to look at, and may not be looked at in the end.
    if (expression instanceof Unary && isBitsOfNumber(expression.opcode)) {
      const number = asExpression(this.bind(asValue(expression.operand)));
      return asValue(new Unary(expression.type, expression.opcode, number));
    }
    const local = this.body.scratch(expression.type);
    if (!this.ended) {
      expression.emit(this.body);
      this.body.set(local);
    }
    return asValue(new LocalValue(expression.type, local));
  }

  if(condition: I32, then: () => void, otherwise?: () => void): void {
    if (this.ended) return;
    const expression = asExpression(condition);
    if (expression instanceof Constant) {
      if (expression.value !== 0) then();
      else otherwise?.();
      return;
    }
    const open = openIf(this.body, expression, otherwise !== undefined);
    then();
    const thenEnded = this.ended;
    this.ended = false;
    if (otherwise !== undefined) {
      open.otherwise();
      otherwise();
    }
    open.end();
    this.ended = thenEnded && this.ended;
  }

  /** Overridden where code is kept small. */
  rarely(then: () => void): void {
    then();
  }

  select<T extends Value>(condition: I32, whenTrue: T, whenFalse: T): T {
    const known = asExpression(condition);
    if (known instanceof Constant) return known.value !== 0 ? whenTrue : whenFalse;
    return asValue(new Select(asExpression(condition), asExpression(whenTrue), asExpression(whenFalse)));
  }

  add<T extends Value>(a: T, b: T): T {
    return this.binary('add', a, b);
  }
  sub<T extends Value>(a: T, b: T): T {
    return this.binary('sub', a, b);
  }
  mul<T extends Value>(a: T, b: T): T {
    return this.binary('mul', a, b);
  }
  and<T extends I32 | I64>(a: T, b: T): T {
    return this.binary('and', a, b);
  }
  or<T extends I32 | I64>(a: T, b: T): T {
    return this.binary('or', a, b);
  }
  xor<T extends I32 | I64>(a: T, b: T): T {
    return this.binary('xor', a, b);
  }
  shl<T extends I32 | I64>(a: T, b: T): T {
    return this.binary('shl', a, b);
  }
  shrS<T extends I32 | I64>(a: T, b: T): T {
    return this.binary('shrS', a, b);
  }
  shrU<T extends I32 | I64>(a: T, b: T): T {
    return this.binary('shrU', a, b);
  }
  rotl<T extends I32 | I64>(a: T, b: T): T {
    return this.binary('rotl', a, b);
  }
  rotr<T extends I32 | I64>(a: T, b: T): T {
    return this.binary('rotr', a, b);
  }
  divS<T extends I32 | I64>(a: T, b: T): T {
    return this.binary('divS', a, b);
  }
  divU<T extends I32 | I64>(a: T, b: T): T {
    return this.binary('divU', a, b);
  }
  remS<T extends I32 | I64>(a: T, b: T): T {
    return this.binary('remS', a, b);
  }
  remU<T extends I32 | I64>(a: T, b: T): T {
    return this.binary('remU', a, b);
  }
  div<T extends F32 | F64>(a: T, b: T): T {
    return this.binary('div', a, b);
  }
  clz<T extends I32 | I64>(a: T): T {
    return this.unary('clz', a);
  }
  ctz<T extends I32 | I64>(a: T): T {
    return this.unary('ctz', a);
  }
  popcnt<T extends I32 | I64>(a: T): T {
    return this.unary('popcnt', a);
  }
  sqrt<T extends F32 | F64>(a: T): T {
    return this.unary('sqrt', a);
  }
  abs<T extends F32 | F64>(a: T): T {
    return this.unary('abs', a);
  }
  neg<T extends F32 | F64>(a: T): T {
    return this.unary('neg', a);
  }
  copysign<T extends F32 | F64>(a: T, b: T): T {
    return this.binary('copysign', a, b);
  }
  nearest<T extends F32 | F64>(a: T): T {
    return this.unary('nearest', a);
  }
  floor<T extends F32 | F64>(a: T): T {
    return this.unary('floor', a);
  }
  ceil<T extends F32 | F64>(a: T): T {
    return this.unary('ceil', a);
  }
  trunc<T extends F32 | F64>(a: T): T {
    return this.unary('trunc', a);
  }
  /** Overridden where code is made for a host that has it. */
  multiplyAdd<T extends F32 | F64>(_a: T, _b: T, _c: T): T | undefined {
    return undefined;
  }
  extend8<T extends I32 | I64>(a: T): T {
    return this.unary('extend8', a);
  }
  extend16<T extends I32 | I64>(a: T): T {
    return this.unary('extend16', a);
  }

  eqz(a: I32 | I64): I32 {
    const operand = asExpression(a);
    if (operand instanceof Constant) return this.i32(BigInt(operand.value) === 0n ? 1 : 0);
    return asValue(new Unary('i32', numericOpcode('eqz', operand.type), operand));
  }
  eq<T extends Value>(a: T, b: T): I32 {
    return this.compare('eq', a, b);
  }
  ne<T extends Value>(a: T, b: T): I32 {
    return this.compare('ne', a, b);
  }
  ltS<T extends I32 | I64>(a: T, b: T): I32 {
    return this.compare('ltS', a, b);
  }
  ltU<T extends I32 | I64>(a: T, b: T): I32 {
    return this.compare('ltU', a, b);
  }
  geS<T extends I32 | I64>(a: T, b: T): I32 {
    return this.compare('geS', a, b);
  }
  geU<T extends I32 | I64>(a: T, b: T): I32 {
    return this.compare('geU', a, b);
  }
  lt<T extends F32 | F64>(a: T, b: T): I32 {
    return this.compare('lt', a, b);
  }
  le<T extends F32 | F64>(a: T, b: T): I32 {
    return this.compare('le', a, b);
  }

  wrap(a: I64): I32 {
    return this.convert('i32', OP.i32WrapI64, a);
  }
  extendS(a: I32): I64 {
    return this.convert('i64', OP.i64ExtendI32S, a);
  }
  extendU(a: I32): I64 {
    return this.convert('i64', OP.i64ExtendI32U, a);
  }
  extend32(a: I64): I64 {
    return this.convert('i64', OP.i64Extend32S, a);
  }
  bitsToF32(a: I32): F32 {
    return this.reinterpret('f32', OP.f32ReinterpretI32, OP.i32ReinterpretF32, a);
  }
  bitsToF64(a: I64): F64 {
    return this.reinterpret('f64', OP.f64ReinterpretI64, OP.i64ReinterpretF64, a);
  }
  f32ToBits(a: F32): I32 {
    return this.reinterpret('i32', OP.i32ReinterpretF32, OP.f32ReinterpretI32, a);
  }
  f64ToBits(a: F64): I64 {
    return this.reinterpret('i64', OP.i64ReinterpretF64, OP.f64ReinterpretI64, a);
  }
  promote(a: F32): F64 {
    return this.convert('f64', OP.f64PromoteF32, a);
  }
  demote(a: F64): F32 {
    return this.convert('f32', OP.f32DemoteF64, a);
  }
  convertS(a: I32 | I64, to: 'f32'): F32;
  convertS(a: I32 | I64, to: 'f64'): F64;
  convertS(a: I32 | I64, to: 'f32' | 'f64'): F32 | F64 {
    const operand = asExpression(a);
    const opcode = numericOpcode(to === 'f32' ? 'convertToF32' : 'convertToF64', operand.type);
    return asValue(new Unary(to, opcode, operand));
  }

  convertU(a: I64, to: 'f32'): F32;
  convertU(a: I64, to: 'f64'): F64;
  convertU(a: I64, to: 'f32' | 'f64'): F32 | F64 {
    const opcode = numericOpcode(to === 'f32' ? 'convertUToF32' : 'convertUToF64', 'i64');
    return asValue(new Unary(to, opcode, asExpression(a)));
  }
  truncateS(a: F64): I64 {
    return this.convert('i64', OP.i64TruncF64S, a);
  }
  truncateU(a: F64): I64 {
    return this.convert('i64', OP.i64TruncF64U, a);
  }

  abstract x(register: SourceRegister): I64;
  abstract setX(register: 'rd', value: I64): void;
  abstract imm(): I64;
  abstract raw(): I32;
  abstract pc(): I64;
  abstract nextPc(): I64;
  abstract jump(target: I64): void;
  abstract branch(condition: I32): void;
  abstract jumpRelative(): void;
  abstract load(width: LoadWidth, address: I64): I64;
  abstract store(width: StoreWidth, address: I64, value: I64): void;
  abstract loadReserved(width: AtomicWidth, address: I64): I64;
  abstract storeConditional(width: AtomicWidth, address: I64, value: I64): I64;
  abstract amo(width: AtomicWidth, address: I64, update: (old: I64) => I64): I64;
  abstract zeroBlock(address: I64): void;
  abstract requireEnvironment(bits: number): void;
  abstract trap(cause: number, tval: I64): void;
  abstract illegal(): void;
  abstract leave(reason: LeaveReason): void;
  abstract requireFloat(): void;
  abstract f(register: FloatRegister): I64;
  abstract fSingle(register: FloatRegister): I32;
  abstract setF(register: 'rd', bits: I64): void;
  abstract setFSingle(register: 'rd', bits: I32): void;
  abstract flags(): I32;
  abstract raiseFlags(flags: I32): void;
  abstract roundingMode(): I32;
  /** As the mode that was read says; where more is known of it, an override costs less. */
  hostRounds(): I32 {
    return this.and(this.eqz(this.roundingMode()), this.ne(this.and(this.flags(), this.i32(1)), this.i32(0)));
  }
  abstract soft(
    operation: SoftOperation,
    format: SoftFormat,
    roundingMode: I32,
    a: I64,
    b?: I64,
    c?: I64,
  ): void;

  /** Appends the code of a value. */
  protected emit(value: Value): void {
    asExpression(value).emit(this.body);
  }

  /** Takes the value on top of the stack into a fresh scratch local. */
  protected bindTop<T extends Value>(type: ValueType): T {
    const local = this.body.scratch(type);
    this.body.set(local);
    return asValue(new LocalValue(type, local));
  }

  private unary<T extends Value>(operation: NumericOperation, a: T): T {
    const operand = asExpression(a);
    return asValue(new Unary(operand.type, numericOpcode(operation, operand.type), operand));
  }

  private binary<T extends Value>(operation: NumericOperation, a: T, b: T): T {
    const left = asExpression(a);
    const right = asExpression(b);
    const folded = fold(operation, left, right);
    return asValue(folded ?? new Binary(left.type, numericOpcode(operation, left.type), left, right));
  }

  private compare(operation: NumericOperation, a: Value, b: Value): I32 {
    const left = asExpression(a);
    const right = asExpression(b);
    const folded = foldComparison(operation, left, right);
    return asValue(folded ?? new Binary('i32', numericOpcode(operation, left.type), left, right));
  }

  /** Of what was reinterpreted the other way: that itself. V8 would do both, and each takes longer than an addition. */
  private reinterpret<T extends Value>(type: ValueType, opcode: number, inverse: number, a: Value): T {
    const operand = asExpression(a);
    if (operand instanceof Unary && operand.opcode === inverse) return asValue(operand.operand);
    return asValue(new Unary(type, opcode, operand));
  }

  private convert<T extends Value>(type: ValueType, opcode: number, a: Value): T {
    return asValue(new Unary(type, opcode, asExpression(a)));
  }
}

const isBitsOfNumber = (opcode: number): boolean =>
  opcode === OP.i32ReinterpretF32 || opcode === OP.i64ReinterpretF64;
