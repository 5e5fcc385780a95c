import type { F32, FloatRegister, I32, I64, SourceRegister, Value, ValueType } from '../isa/emitter.ts';
import { WasmEmitter } from '../wasm/emitter.ts';
import { asValue, type Expression, LocalValue, MemoryValue } from '../wasm/expressions.ts';
import type { FunctionBody, Local } from '../wasm/function-body.ts';
import { OP } from '../wasm/opcodes.ts';
import { HART, RECORD } from './layout.ts';

const CANONICAL_NAN_F32 = 0x7fc0_0000;
const RM_DYNAMIC = 7;
/** The largest rounding mode the specification defines (RMM). */
const RM_MAX = 4;

/**
 * Operands by way of a pre-decoded record: registers stand in the hart's record at the offsets that the
 * instruction's record names. Both forms of the interpreter's handlers, in the loop and out of line, do it so.
 */
export abstract class RecordEmitter extends WasmEmitter {
  protected readonly hart: LocalValue;
  protected readonly ip: LocalValue;

  constructor(body: FunctionBody, hart: Local, ip: Local) {
    super(body);
    this.hart = new LocalValue('i32', hart);
    this.ip = new LocalValue('i32', ip);
  }

  override x(register: SourceRegister): I64 {
    return asValue(new MemoryValue('i64', OP.i64Load, this.operand(RECORD[register]), HART.x));
  }

  override setX(_register: 'rd', value: I64): void {
    this.storeOperand(value, HART.x);
  }

  override imm(): I64 {
    return asValue(new MemoryValue('i64', OP.i64Load32S, this.ip, RECORD.imm));
  }

  override raw(): I32 {
    return asValue(new MemoryValue('i32', OP.i32Load, this.ip, RECORD.raw));
  }

  override f(register: FloatRegister): I64 {
    return asValue(new MemoryValue('i64', OP.i64Load, this.floatOperand(register), HART.f));
  }

  override fSingle(register: FloatRegister): I32 {
    const operand = this.floatOperand(register);
    const low = new MemoryValue('i32', OP.i32Load, operand, HART.f);
    const high = new MemoryValue('i32', OP.i32Load, operand, HART.f + 4);
    return this.select(
      this.eq(asValue<I32>(high), this.i32(-1)),
      asValue<I32>(low),
      this.i32(CANONICAL_NAN_F32),
    );
  }

  override setF(_register: 'rd', bits: I64): void {
    this.storeOperand(bits, HART.f);
    this.storeState('i32', HART.floatDirty, this.i32(1));
  }

  override setFSingle(register: 'rd', bits: I32): void {
    this.setF(register, this.or(this.extendU(bits), this.i64(0xffff_ffff_0000_0000n)));
  }

  override flags(): I32 {
    return this.state('i32', HART.fflags);
  }

  override raiseFlags(flags: I32): void {
    this.storeState('i32', HART.fflags, this.or(this.flags(), flags));
    this.storeState('i32', HART.floatDirty, this.i32(1));
  }

  override requireFloat(): void {
    this.if(this.state('i32', HART.floatOff), () => this.illegal());
  }

  override roundingMode(): I32 {
    const coded = this.bind(this.and(this.shrU(this.raw(), this.i32(12)), this.i32(7)));
    const mode = this.bind(
      this.select(this.eq(coded, this.i32(RM_DYNAMIC)), this.state<I32>('i32', HART.frm), coded),
    );
    this.if(this.ltU(this.i32(RM_MAX), mode), () => this.illegal());
    return mode;
  }

  override trap(cause: number, tval: I64): void {
    this.storeState('i32', HART.trapCause, this.i32(cause));
    this.storeState('i64', HART.trapValue, tval);
    this.finishTrap();
    this.ended = true;
  }

  override illegal(): void {
    if (this.ended) return;
    this.finishIllegal();
    this.ended = true;
  }

  /** Ends the instruction as an exception whose cause and value stand in the hart's record. */
  protected abstract finishTrap(): void;
  protected abstract finishIllegal(): void;

  /** A field of the hart's record. */
  protected state<T extends Value>(type: 'i32' | 'i64', offset: number): T {
    return asValue(new MemoryValue(type, type === 'i32' ? OP.i32Load : OP.i64Load, this.hart, offset));
  }

  protected storeState(type: 'i32' | 'i64', offset: number, value: I32 | I64): void {
    if (this.ended) return;
    this.hart.emit(this.body);
    this.emit(value);
    this.body.memory(type === 'i32' ? OP.i32Store : OP.i64Store, offset);
  }

  /** A load at a host offset. */
  protected at<T extends Value>(type: ValueType, opcode: number, host: I32, offset = 0): T {
    return asValue(new MemoryValue(type, opcode, host as unknown as Expression, offset));
  }

  /** A store at a host offset. */
  protected storeAt(opcode: number, host: I32, value: I32 | I64 | F32, offset = 0): void {
    if (this.ended) return;
    this.emit(host);
    this.emit(value);
    this.body.memory(opcode, offset);
  }

  /** Address of the register that a field of the record names, less `HART.x` or `HART.f`. */
  private operand(field: number): Expression {
    const offset = asValue<I32>(new MemoryValue('i32', OP.i32Load16U, this.ip, field));
    return this.add(asValue<I32>(this.hart), offset) as unknown as Expression;
  }

  private floatOperand(register: FloatRegister): Expression {
    if (register !== 'rs3') return this.operand(RECORD[register]);
    // rs3 has no field of its own: bits 31:27 of the encoding, times 8.
    const offset = this.and(this.shrU(this.raw(), this.i32(24)), this.i32(0xf8));
    return this.add(asValue<I32>(this.hart), offset) as unknown as Expression;
  }

  private storeOperand(value: I64, offset: number): void {
    if (this.ended) return;
    this.operand(RECORD.rd).emit(this.body);
    this.emit(value);
    this.body.memory(OP.i64Store, offset);
  }
}
