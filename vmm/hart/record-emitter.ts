import type { FloatRegister, I32, I64, SourceRegister } from '../isa/emitter.ts';
import { asValue, type Expression, LocalValue, MemoryValue } from '../wasm/expressions.ts';
import type { FunctionBody, Local } from '../wasm/function-body.ts';
import { OP } from '../wasm/opcodes.ts';
import { HartEmitter } from './hart-emitter.ts';
import { HART, RECORD } from './layout.ts';

const CANONICAL_NAN_F32 = 0x7fc0_0000;
/** Lowest bits of register fields in an encoding. */
const RD_SHIFT = 7;
const RS3_SHIFT = 27;

/**
 * Operands by way of a pre-decoded record: registers stand in the hart's record at the offsets that the
 * instruction's record names. Both forms of the interpreter's handlers, in the loop and out of line, do it so.
 */
export abstract class RecordEmitter extends HartEmitter {
  protected readonly ip: LocalValue;

  constructor(body: FunctionBody, hart: Local, ip: Local) {
    super(body, hart);
    this.ip = new LocalValue('i32', ip);
  }

  override x(register: SourceRegister): I64 {
    // A record names a slot of its own where x0 is written: as a source rd is that of the encoding.
    const operand = register === 'rd' ? this.encodedOperand(RD_SHIFT) : this.operand(RECORD[register]);
    return asValue(new MemoryValue('i64', OP.i64Load, operand, HART.x));
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

  /** Address of the register that a field of the record names, less `HART.x` or `HART.f`. */
  private operand(field: number): Expression {
    const offset = asValue<I32>(new MemoryValue('i32', OP.i32Load16U, this.ip, field));
    return this.add(asValue<I32>(this.hart), offset) as unknown as Expression;
  }

  private floatOperand(register: FloatRegister): Expression {
    if (register !== 'rs3') return this.operand(RECORD[register]);
    return this.encodedOperand(RS3_SHIFT);
  }

  /** As `operand`, of a register without a field in the record: from its number in the encoding, times 8. */
  private encodedOperand(shift: number): Expression {
    const offset = this.and(this.shrU(this.raw(), this.i32(shift - 3)), this.i32(0xf8));
    return this.add(asValue<I32>(this.hart), offset) as unknown as Expression;
  }

  private storeOperand(value: I64, offset: number): void {
    if (this.ended) return;
    this.operand(RECORD.rd).emit(this.body);
    this.emit(value);
    this.body.memory(OP.i64Store, offset);
  }
}
