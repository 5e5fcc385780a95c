import { assert } from '../base/assert.ts';
import { BLOCK_BYTES, LOAD_BYTES, STORE_BYTES } from '../hart/abi.ts';
import {
  type BitOperations,
  type CsrFields,
  csrFields,
  csrResult,
  lowestPrivilege,
} from '../hart/csr-instructions.ts';
import { HartEmitter } from '../hart/hart-emitter.ts';
import {
  GUARDS_OFFSET,
  HART,
  RAM_OFFSET,
  TLB_ENTRIES,
  TLB_ENTRY_SIZE,
  TLB_SIZE,
  VARIANT,
  type Variant,
} from '../hart/layout.ts';
import { ATOMIC_LOAD, LOAD_OPCODE, STORE_OPCODE } from '../hart/loop-emitter.ts';
import { type StoredCsr, storedCsr } from '../hart/stored-csrs.ts';
import type {
  AtomicWidth,
  F32,
  F64,
  FloatRegister,
  I32,
  I64,
  LeaveReason,
  LoadWidth,
  ReservationWidth,
  SoftOperation,
  SourceRegister,
  StoreWidth,
  Value,
} from '../isa/emitter.ts';
import { asExpression, asValue, LocalValue } from '../wasm/expressions.ts';
import type { FunctionBody, Label, Local } from '../wasm/function-body.ts';
import { MultiplyAdd } from '../wasm/multiply-add.ts';
import { OP } from '../wasm/opcodes.ts';
import type { Op } from './region.ts';

const CANONICAL_NAN_F32 = 0x7fc0_0000;
const BOX_F32 = 0xffff_ffffn;
const RM_DYNAMIC = 7;
const FRM_AND_INEXACT = 0xffff_ffff_0000_0001n;
const RM_MAX = 4;
const PAGE_SIZE = 4096;

type Access = 'load' | 'store' | 'atomic-load' | 'atomic-store';

const isWrite = (access: Access): boolean => access === 'store' || access === 'atomic-store';
const isAtomic = (access: Access): boolean => access === 'atomic-load' || access === 'atomic-store';

/** The machine that code is made for. */
export interface Target {
  readonly ramBase: number;
  readonly ramSize: number;
  /** The engine has a multiply-add that rounds once. */
  readonly fusesMultiplyAdd: boolean;
}

/** Locals of a region's function. */
export interface RegionLocals {
  readonly hart: Local;
  /**
   * Local of a guest register, made on first use. Floating-point registers are f64: their bits in an i64 would have to go
   * to and fro between the processor's registers, which takes longer than an addition. `single`, an f32, is a copy of
   * one that is known to hold a single.
   */
  register(kind: 'x' | 'f' | 'single', index: number): Local;
  /** Host offset of the data translation cache, of paged code. */
  readonly dataTlb: Local;
  /** Which instruction is left to the interpreter; see `exitCode`. */
  readonly exitCode: Local;
  /** Where a computed jump goes. */
  readonly target: Local;
}

/** A guest register in its local: unlike other locals it may change between two uses. */
class RegisterValue extends LocalValue {}

/** What stands for one guest access: a host offset, and a constant to add to it. */
interface HostAddress {
  readonly base: I32;
  readonly offset: number;
}

/**
 * Instructions of a translated region. Guest registers live in locals. What cannot be done here leaves the block before the
 * instruction, by `exit`, for the interpreter to do; no effect of the instruction comes before that.
 */
export class RegionEmitter extends HartEmitter {
  readonly #locals: RegionLocals;
  readonly #variant: Variant;
  readonly #target: Target;
  readonly #pcOf: (offset: number) => I64;
  readonly #bits: BitOperations<I64> = {
    or: (a, b) => this.or(a, b),
    andNot: (a, b) => this.and(a, this.xor(b, this.i64(-1))),
  };
  #op!: Op;
  #exit: Label | null = null;
  #exitCode = 0;
  #depth = 0;
  /** Known in the present block: mstatus.FS is not Off; it is marked dirty. */
  #floatIsOn = false;
  #floatIsDirty = false;
  /** Registers that hold singles, bit n for register n: their `single` locals have them too. */
  #singles = 0;
  /** The condition of the block's last instruction. */
  condition: I32 | null = null;

  constructor(
    body: FunctionBody,
    locals: RegionLocals,
    options: { variant: Variant; target: Target; pcOf: (offset: number) => I64 },
  ) {
    super(body, locals.hart);
    this.#locals = locals;
    this.#variant = options.variant;
    this.#target = options.target;
    this.#pcOf = options.pcOf;
  }

  /** `singles`: registers that hold singles wherever the block is entered from. */
  beginBlock(singles: number): void {
    this.#floatIsOn = false;
    this.#floatIsDirty = false;
    this.#singles = singles;
    this.condition = null;
  }

  /** Emits one instruction. `exit` and `code`: how it leaves the block, and what it leaves in `exitCode`. */
  instruction(op: Op, exit: Label | null, code: number, semantics: (emitter: RegionEmitter) => void): void {
    this.#op = op;
    this.#exit = exit;
    this.#exitCode = code;
    this.ended = false;
    semantics(this);
  }

  override bind<T extends Value>(value: T): T {
    const expression = asExpression(value);
    // Only rd can change while the instruction runs.
    if (expression instanceof RegisterValue) {
      const { facts, rd } = this.#op;
      const isDestination =
        (facts.writesX && expression.local === this.#locals.register('x', rd)) ||
        (facts.writesF &&
          (expression.local === this.#locals.register('f', rd) ||
            expression.local === this.#locals.register('single', rd)));
      if (!isDestination) return value;
      const copy = this.body.scratch(expression.type);
      expression.emit(this.body);
      this.body.set(copy);
      return asValue(new LocalValue(expression.type, copy));
    }
    return super.bind(value);
  }

  override if(condition: I32, then: () => void, otherwise?: () => void): void {
    this.#depth++;
    super.if(condition, then, otherwise);
    this.#depth--;
  }

  override x(register: SourceRegister): I64 {
    const index = this.#op[register];
    return index === 0 ? this.i64(0) : asValue(new RegisterValue('i64', this.#locals.register('x', index)));
  }

  override setX(_register: 'rd', value: I64): void {
    if (this.ended || this.#op.rd === 0) return;
    this.emit(value);
    this.body.set(this.#locals.register('x', this.#op.rd));
  }

  override imm(): I64 {
    return this.i64(this.#op.imm);
  }

  override raw(): I32 {
    return this.i32(this.#op.raw);
  }

  override pc(): I64 {
    return this.#pcOf(this.#op.offset);
  }

  override nextPc(): I64 {
    return this.#pcOf(this.#op.offset + this.#op.length);
  }

  override jump(target: I64): void {
    if (this.ended) return;
    this.emit(target);
    this.body.set(this.#locals.target);
    this.ended = true;
  }

  override branch(condition: I32): void {
    if (this.ended) return;
    this.condition = condition;
    this.ended = true;
  }

  override jumpRelative(): void {
    this.ended = true;
  }

  override load(width: LoadWidth, address: I64): I64 {
    const { base, offset } = this.#translate(address, LOAD_BYTES[width], 'load');
    return this.bind(this.at<I64>('i64', LOAD_OPCODE[width], base, offset));
  }

  override store(width: StoreWidth, address: I64, value: I64): void {
    const { base, offset } = this.#translate(address, STORE_BYTES[width], 'store');
    this.storeAt(STORE_OPCODE[width], base, value, offset);
  }

  override loadReserved(width: ReservationWidth, address: I64): I64 {
    const host = this.#translate(address, STORE_BYTES[width], 'atomic-load');
    const value = this.bind(this.at<I64>('i64', ATOMIC_LOAD[width], host.base, host.offset));
    this.storeState('i32', HART.reservation, this.#absolute(host));
    this.storeState('i64', HART.reservedValue, value);
    return value;
  }

  override storeConditional(width: ReservationWidth, address: I64, value: I64): I64 {
    const host = this.#translate(address, STORE_BYTES[width], 'atomic-store');
    const held = this.bind(
      this.and(
        this.eq(this.state<I32>('i32', HART.reservation), this.#absolute(host)),
        this.eq(
          this.at<I64>('i64', ATOMIC_LOAD[width], host.base, host.offset),
          this.state<I64>('i64', HART.reservedValue),
        ),
      ),
    );
    this.if(held, () => this.storeAt(STORE_OPCODE[width], host.base, value, host.offset));
    this.storeState('i32', HART.reservation, this.i32(0));
    return this.bind(this.extendU(this.eqz(held)));
  }

  override amo(width: AtomicWidth, address: I64, update: (old: I64) => I64): I64 {
    const host = this.#translate(address, STORE_BYTES[width], 'atomic-store');
    const old = this.bind(this.at<I64>('i64', ATOMIC_LOAD[width], host.base, host.offset));
    this.storeAt(STORE_OPCODE[width], host.base, update(old), host.offset);
    return old;
  }

  override zeroBlock(address: I64): void {
    const start = this.and(address, this.i64(-BLOCK_BYTES));
    const { base, offset } = this.#translate(start, STORE_BYTES['64'], 'store');
    for (let at = 0; at < BLOCK_BYTES; at += 8) this.storeAt(OP.i64Store, base, this.i64(0), offset + at);
  }

  override leave(reason: LeaveReason): void {
    const { raw } = this.#op;
    const stored = reason === 'csr' ? storedCsr(raw) : undefined;
    if (stored === undefined) this.#leaveBlock();
    else this.#accessCsr(stored, csrFields(raw));
  }

  override f(register: FloatRegister): I64 {
    const local = this.#locals.register('f', this.#op[register]);
    return this.f64ToBits(asValue(new RegisterValue('f64', local)));
  }

  override fSingle(register: FloatRegister): I32 {
    const index = this.#op[register];
    if ((this.#singles & (1 << index)) !== 0) {
      const single = this.#locals.register('single', index);
      return this.f32ToBits(asValue(new RegisterValue('f32', single)));
    }
    const bits = this.f(register);
    const isBoxed = this.eq(this.shrU(bits, this.i64(32)), this.i64(BOX_F32));
    return this.select(isBoxed, this.wrap(bits), this.i32(CANONICAL_NAN_F32));
  }

  override setF(_register: 'rd', bits: I64): void {
    if (this.ended) return;
    this.#setFloat(bits);
    this.#singles &= ~(1 << this.#op.rd);
  }

  override setFSingle(_register: 'rd', bits: I32): void {
    if (this.ended) return;
    const single = this.bind(this.bitsToF32(bits));
    this.#setFloat(this.or(this.extendU(this.f32ToBits(single)), this.i64(BOX_F32 << 32n)));
    this.emit(single);
    this.body.set(this.#locals.register('single', this.#op.rd));
    this.#singles |= 1 << this.#op.rd;
  }

  override requireFloat(): void {
    if (this.#floatIsOn) return;
    super.requireFloat();
    if (this.#depth === 0) this.#floatIsOn = true;
  }

  override roundingMode(): I32 {
    const coded = (this.#op.raw >>> 12) & 7;
    if (coded === RM_DYNAMIC) return super.roundingMode();
    if (coded > RM_MAX) this.illegal();
    return this.i32(coded);
  }

  override hostRounds(): I32 {
    const coded = (this.#op.raw >>> 12) & 7;
    if (coded === RM_DYNAMIC) {
      // frm stands behind fflags: one load for both.
      const both = this.state<I64>('i64', HART.fflags);
      return this.eq(this.and(both, this.i64(FRM_AND_INEXACT)), this.i64(1));
    }
    return coded === 0 ? this.ne(this.and(this.flags(), this.i32(1)), this.i32(0)) : this.i32(0);
  }

  override multiplyAdd<T extends F32 | F64>(a: T, b: T, c: T): T | undefined {
    if (!this.#target.fusesMultiplyAdd) return undefined;
    const operands = [asExpression(a), asExpression(b), asExpression(c)] as const;
    return asValue(new MultiplyAdd(operands[0].type === 'f32' ? 'f32' : 'f64', operands));
  }

  override soft(
    _operation: SoftOperation,
    _format: 'f32' | 'f64',
    _roundingMode: I32,
    _a: I64,
    _b?: I64,
    _c?: I64,
  ): I64 {
    this.#leaveBlock();
    return this.i64(0);
  }

  protected override finishTrap(): void {
    this.#leaveBlock();
  }

  protected override finishIllegal(): void {
    this.#leaveBlock();
  }

  override trap(_cause: number, _tval: I64): void {
    this.#leaveBlock();
  }

  #accessCsr({ number, offset, writable }: StoredCsr, fields: CsrFields): void {
    const privilege = this.state<I32>('i32', HART.privilege);
    this.#leaveIf(this.ltU(privilege, this.i32(lowestPrivilege(number))));
    const old = this.bind(this.state<I64>('i64', offset));
    if (fields.writes) {
      const operand = fields.immediate ? this.i64(fields.source) : this.x('rs1');
      const written = csrResult(this.#bits, fields.operation, old, operand);
      this.storeState('i64', offset, this.and(written, this.i64(writable)));
    }
    this.setX('rd', old);
  }

  #setFloat(bits: I64): void {
    this.emit(this.bitsToF64(bits));
    this.body.set(this.#locals.register('f', this.#op.rd));
    if (this.#floatIsDirty) return;
    this.storeState('i32', HART.floatDirty, this.i32(1));
    if (this.#depth === 0) this.#floatIsDirty = true;
  }

  #absolute({ base, offset }: HostAddress): I32 {
    return this.add(base, this.i32(offset));
  }

  /** Where an access goes; leaves the block when that is not known, or not RAM, or not to be written right now. */
  #translate(address: I64, bytes: number, access: Access): HostAddress {
    const bound = this.bind(address);
    return this.#variant === VARIANT.bare
      ? this.#translateBare(bound, bytes, access)
      : this.#translatePaged(bound, bytes, access);
  }

  #translateBare(address: I64, bytes: number, access: Access): HostAddress {
    const { ramBase, ramSize } = this.#target;
    const inRam = this.bind(this.sub(address, this.i64(ramBase)));
    this.#leaveIf(this.gtU(inRam, this.i64(ramSize - bytes)));
    const base = this.bind(this.wrap(inRam));
    if (isWrite(access)) {
      const guard = this.at<I32>('i32', OP.i32Load8U, this.shrU(base, this.i32(12)), GUARDS_OFFSET);
      this.#leaveIf(bytes > 1 ? this.or(guard, this.#isUnfit(base, bytes, access)) : guard);
    } else if (isAtomic(access) && bytes > 1) {
      this.#leaveIf(this.#isUnfit(base, bytes, access));
    }
    return { base, offset: RAM_OFFSET };
  }

  /** Not 0 where an atomic access is misaligned, or another store reaches into the next page, whose guard nobody looked at. */
  #isUnfit(base: I32, bytes: number, access: Access): I32 {
    if (isAtomic(access)) return this.and(base, this.i32(bytes - 1));
    return this.ltU(this.i32(PAGE_SIZE - bytes), this.and(base, this.i32(PAGE_SIZE - 1)));
  }

  /** As the interpreter's loop does it. */
  #translatePaged(address: I64, bytes: number, access: Access): HostAddress {
    const set = isWrite(access) ? TLB_SIZE : 0;
    const index = this.and(
      this.wrap(this.shrU(address, this.i64(8))),
      this.i32((TLB_ENTRIES - 1) * TLB_ENTRY_SIZE),
    );
    const entry = this.bind(this.add(asValue<I32>(new LocalValue('i32', this.#locals.dataTlb)), index));
    const tag = this.dataTag(address, bytes, isAtomic(access));
    this.#leaveIf(this.ne(this.at<I64>('i64', OP.i64Load, entry, set), tag));
    const base = this.bind(this.add(this.wrap(address), this.at<I32>('i32', OP.i32Load, entry, set + 8)));
    return { base, offset: 0 };
  }

  #leaveIf(condition: I32): void {
    if (this.ended) return;
    this.emit(condition);
    this.body.if();
    this.#branchToExit();
    this.body.end();
  }

  #leaveBlock(): void {
    if (this.ended) return;
    this.#branchToExit();
    this.ended = true;
  }

  #branchToExit(): void {
    assert(this.#exit !== null, 'the facts of the instruction say that it may leave');
    this.body.i32(this.#exitCode);
    this.body.set(this.#locals.exitCode);
    this.body.br(this.#exit);
  }

  private gtU(a: I64, b: I64): I32 {
    return this.ltU(b, a);
  }
}
