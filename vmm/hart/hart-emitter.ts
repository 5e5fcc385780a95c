import { PRIVILEGE } from '../contracts/hart.ts';
import type { F32, I32, I64, Value, ValueType } from '../isa/emitter.ts';
import { WasmEmitter } from '../wasm/emitter.ts';
import { asValue, type Expression, LocalValue, MemoryValue } from '../wasm/expressions.ts';
import type { FunctionBody, Local } from '../wasm/function-body.ts';
import { OP } from '../wasm/opcodes.ts';
import { CSR, HART } from './layout.ts';

const RM_DYNAMIC = 7;
/** The largest rounding mode the specification defines (RMM). */
const RM_MAX = 4;

const PAGE_MASK = ~0xfffn;

/** Of fflags: NX. */
const INEXACT = 1;

/** What all forms of generated code share: the fields of the hart's record, and exceptions by way of it. */
export abstract class HartEmitter extends WasmEmitter {
  protected readonly hart: LocalValue;

  constructor(body: FunctionBody, hart: Local) {
    super(body);
    this.hart = new LocalValue('i32', hart);
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

  override requireEnvironment(bits: number): void {
    const privilege = this.bind(this.state<I32>('i32', HART.privilege));
    const machine = this.select(
      this.eq(privilege, this.i32(PRIVILEGE.M)),
      this.i32(-1),
      this.state<I32>('i32', CSR.menvcfg),
    );
    const supervisor = this.select(privilege, this.i32(-1), this.state<I32>('i32', CSR.senvcfg));
    const missing = (enabled: I32): I32 => this.eqz(this.and(enabled, this.i32(bits)));
    this.if(this.or(missing(machine), missing(supervisor)), () => this.illegal());
  }

  override roundingMode(): I32 {
    const coded = this.bind(this.and(this.shrU(this.raw(), this.i32(12)), this.i32(7)));
    const mode = this.bind(
      this.select(this.eq(coded, this.i32(RM_DYNAMIC)), this.state<I32>('i32', HART.frm), coded),
    );
    this.if(this.ltU(this.i32(RM_MAX), mode), () => this.illegal());
    return mode;
  }

  /** Mode and flags at one look: a mode other than to nearest even is not 0. */
  override hostRounds(): I32 {
    const coded = this.bind(this.and(this.raw(), this.i32(RM_DYNAMIC << 12)));
    const isDynamic = this.eq(coded, this.i32(RM_DYNAMIC << 12));
    const mode = this.select(isDynamic, this.state<I32>('i32', HART.frm), coded);
    const isClear = this.xor(this.and(this.flags(), this.i32(INEXACT)), this.i32(INEXACT));
    return this.eqz(this.or(mode, isClear));
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

  /**
   * The tag that a translation cache's entry has if it is good for an access: for one of any address if it lies within a page,
   * for an atomic one if it is aligned besides.
   */
  protected dataTag(address: I64, bytes: number, atomic: boolean): I64 {
    // The low bits kept in the comparison make a misaligned address miss; the next page's number does for what reaches into it.
    if (atomic) return this.and(address, this.i64(PAGE_MASK | BigInt(bytes - 1)));
    const last = bytes === 1 ? address : this.add(address, this.i64(bytes - 1));
    return this.and(last, this.i64(PAGE_MASK));
  }

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
}
