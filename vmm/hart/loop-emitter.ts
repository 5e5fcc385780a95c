import { assert } from '../base/assert.ts';
import type {
  AtomicWidth,
  I32,
  I64,
  LeaveReason,
  LoadWidth,
  SoftFormat,
  SoftOperation,
  StoreWidth,
} from '../isa/emitter.ts';
import { asValue, LocalValue } from '../wasm/expressions.ts';
import type { FunctionBody, Label, Local } from '../wasm/function-body.ts';
import { OP } from '../wasm/opcodes.ts';
import { BLOCK_BYTES, LEAVE_REASONS, LOAD_BYTES, STORE_BYTES } from './abi.ts';
import { HART, RECORD, RECORD_SIZE, TLB_ENTRIES, TLB_ENTRY_SIZE, TLB_SIZE } from './layout.ts';
import { RecordEmitter } from './record-emitter.ts';

/** Locals of the loop function that every handler knows. */
export interface LoopLocals {
  readonly hart: Local;
  /** Host offset of the present record. */
  readonly ip: Local;
  /** i64: pc = pcDelta + ip / 8, for a record is 16 bytes and stands for 2 bytes of code. */
  readonly pcDelta: Local;
  readonly dataTlb: Local;
  /** The variant's cells; see `cellsBase`. */
  readonly cells: Local;
  /** i64: where `goto` continues. */
  readonly target: Local;
}

/** Where a handler may continue. */
export interface LoopLabels {
  /** The next dispatch, at `ip`. */
  readonly next: Label;
  /** The same, after a jump: `ip` may begin a loop or a function. */
  readonly jumped: Label;
  /** At the address in `target`, after a jump. */
  readonly goto: Label;
  readonly trap: Label;
  readonly illegal: Label;
  readonly slow: Label;
  readonly leave: Label;
}

export const LOAD_OPCODE: Readonly<Record<LoadWidth, number>> = {
  s8: OP.i64Load8S,
  u8: OP.i64Load8U,
  s16: OP.i64Load16S,
  u16: OP.i64Load16U,
  s32: OP.i64Load32S,
  u32: OP.i64Load32U,
  '64': OP.i64Load,
};
export const STORE_OPCODE: Readonly<Record<StoreWidth, number>> = {
  '8': OP.i64Store8,
  '16': OP.i64Store16,
  '32': OP.i64Store32,
  '64': OP.i64Store,
};
export const ATOMIC_LOAD: Readonly<Record<AtomicWidth, number>> = {
  '8': OP.i64Load8S,
  '16': OP.i64Load16S,
  '32': OP.i64Load32S,
  '64': OP.i64Load,
};

/**
 * Handlers inside the interpreter's loop. They call nothing, so that the loop's locals stay in machine
 * registers: whatever does not go the fast way branches out, and the instruction is done anew out of line.
 *
 * Invariant: nothing of an instruction's effect happens before its last chance to branch to `slow`.
 */
export class LoopEmitter extends RecordEmitter {
  readonly #locals: LoopLocals;
  readonly #labels: LoopLabels;
  readonly #length: 2 | 4;
  /** The record's `imm` of a near branch is a distance in records; see `branch`. */
  readonly #near: boolean;
  #effects = false;
  #goesSlow = false;
  #branches = false;
  #writesX = false;

  constructor(
    body: FunctionBody,
    locals: LoopLocals,
    labels: LoopLabels,
    form: { length: 2 | 4; near: boolean },
  ) {
    super(body, locals.hart, locals.ip);
    this.#locals = locals;
    this.#labels = labels;
    this.#length = form.length;
    this.#near = form.near;
  }

  /** The handler may leave for its out-of-line form. */
  get goesSlow(): boolean {
    return this.#goesSlow;
  }
  /** The handler uses a pc-relative target, so that a near form of it pays. */
  get branches(): boolean {
    return this.#branches;
  }
  /** rd is an integer register. */
  get writesX(): boolean {
    return this.#writesX;
  }

  /** Falls through to the next instruction where no statement ended this one. */
  finish(): void {
    if (!this.ended) this.#advance();
    this.ended = true;
  }

  override if(condition: I32, then: () => void, otherwise?: () => void): void {
    // Effects on one path do not count on the other, but do behind both.
    const before = this.#effects;
    let afterThen = before;
    super.if(
      condition,
      () => {
        then();
        afterThen = this.ended ? before : this.#effects;
        this.#effects = before;
      },
      otherwise === undefined
        ? undefined
        : () => {
            otherwise();
            if (this.ended) this.#effects = before;
          },
    );
    this.#effects ||= afterThen;
  }

  /** The out-of-line form does it: the loop's code is fetched and compiled as a whole, and V8 allocates registers worse in a larger one. */
  override rarely(_then: () => void): void {
    this.#leaveForSlow(() => this.body.br(this.#labels.slow));
    this.ended = true;
  }

  override setX(register: 'rd', value: I64): void {
    this.#writesX = true;
    this.#effects = true;
    super.setX(register, value);
  }

  override setF(register: 'rd', bits: I64): void {
    this.#effects = true;
    super.setF(register, bits);
  }

  override raiseFlags(flags: I32): void {
    this.#effects = true;
    super.raiseFlags(flags);
  }

  override pc(): I64 {
    return this.add(
      asValue<I64>(new LocalValue('i64', this.#locals.pcDelta)),
      this.extendU(this.shrU(asValue<I32>(this.ip), this.i32(3))),
    );
  }

  override nextPc(): I64 {
    return this.add(this.pc(), this.i64(this.#length));
  }

  override jump(target: I64): void {
    if (this.ended) return;
    this.emit(target);
    this.body.set(this.#locals.target);
    this.body.br(this.#labels.goto);
    this.ended = true;
  }

  override branch(condition: I32): void {
    if (this.ended) return;
    this.#branches = true;
    if (this.#near) {
      // Both outcomes stay within the page: only the record pointer moves. Branches back close loops.
      const taken = this.at<I32>('i32', OP.i32Load, asValue<I32>(this.ip), RECORD.imm);
      const distance = this.bind(this.select(condition, taken, this.i32(this.#recordDistance)));
      this.#addToIp(distance);
      this.emit(this.ltS(distance, this.i32(0)));
      this.body.brIf(this.#labels.jumped);
      this.body.br(this.#labels.next);
    } else {
      this.if(condition, () => this.jumpRelative());
      this.#advance();
    }
    this.ended = true;
  }

  override jumpRelative(): void {
    if (this.ended) return;
    this.#branches = true;
    if (this.#near) {
      this.#addToIp(this.at<I32>('i32', OP.i32Load, asValue<I32>(this.ip), RECORD.imm));
      this.body.br(this.#labels.jumped);
    } else {
      this.jump(this.add(this.pc(), this.imm()));
    }
    this.ended = true;
  }

  override load(width: LoadWidth, address: I64): I64 {
    const host = this.#translate(address, LOAD_BYTES[width], 0);
    return this.bind(this.at<I64>('i64', LOAD_OPCODE[width], host));
  }

  override store(width: StoreWidth, address: I64, value: I64): void {
    const host = this.#translate(address, STORE_BYTES[width], TLB_SIZE);
    this.storeAt(STORE_OPCODE[width], host, value);
    this.#effects = true;
  }

  override loadReserved(width: AtomicWidth, address: I64): I64 {
    const host = this.#translate(address, STORE_BYTES[width], 0, true);
    const value = this.bind(this.at<I64>('i64', ATOMIC_LOAD[width], host));
    this.storeState('i32', HART.reservation, host);
    this.storeState('i64', HART.reservedValue, value);
    this.#effects = true;
    return value;
  }

  override storeConditional(width: AtomicWidth, address: I64, value: I64): I64 {
    const host = this.#translate(address, STORE_BYTES[width], TLB_SIZE, true);
    const held = this.bind(
      this.and(
        this.eq(this.state<I32>('i32', HART.reservation), host),
        this.eq(this.at<I64>('i64', ATOMIC_LOAD[width], host), this.state<I64>('i64', HART.reservedValue)),
      ),
    );
    this.if(held, () => this.storeAt(STORE_OPCODE[width], host, value));
    this.storeState('i32', HART.reservation, this.i32(0));
    this.#effects = true;
    return this.bind(this.extendU(this.eqz(held)));
  }

  override amo(width: AtomicWidth, address: I64, update: (old: I64) => I64): I64 {
    const host = this.#translate(address, STORE_BYTES[width], TLB_SIZE, true);
    const old = this.bind(this.at<I64>('i64', ATOMIC_LOAD[width], host));
    this.storeAt(STORE_OPCODE[width], host, update(old));
    this.#effects = true;
    return old;
  }

  override zeroBlock(address: I64): void {
    const start = this.and(address, this.i64(-BLOCK_BYTES));
    const host = this.#translate(start, STORE_BYTES['64'], TLB_SIZE);
    for (let at = 0; at < BLOCK_BYTES; at += 8) this.storeAt(OP.i64Store, host, this.i64(0), at);
    this.#effects = true;
  }

  override leave(reason: LeaveReason): void {
    if (this.ended) return;
    this.storeState('i32', HART.leaveReason, this.i32(LEAVE_REASONS.indexOf(reason)));
    this.body.br(this.#labels.leave);
    this.ended = true;
  }

  override soft(
    _operation: SoftOperation,
    _format: SoftFormat,
    _roundingMode: I32,
    _a: I64,
    _b?: I64,
    _c?: I64,
  ): void {
    this.#leaveForSlow(() => this.body.br(this.#labels.slow));
    this.ended = true;
  }

  protected override finishTrap(): void {
    if (!this.ended) this.body.br(this.#labels.trap);
  }

  protected override finishIllegal(): void {
    this.body.br(this.#labels.illegal);
  }

  /** Host address of a guest access, from the translation cache; branches to `slow` on a miss. */
  #translate(address: I64, bytes: number, set: number, atomic = false): I32 {
    const bound = this.bind(address);
    // A page's entry: bits 12 and up of the address, times the entry's size of 16.
    const index = this.and(
      this.wrap(this.shrU(bound, this.i64(8))),
      this.i32((TLB_ENTRIES - 1) * TLB_ENTRY_SIZE),
    );
    const entry = this.bind(this.add(asValue<I32>(new LocalValue('i32', this.#locals.dataTlb)), index));
    const tag = this.dataTag(bound, bytes, atomic);
    this.#leaveForSlow(() => {
      this.emit(this.ne(this.at<I64>('i64', OP.i64Load, entry, set), tag));
      this.body.brIf(this.#labels.slow);
    });
    return this.bind(this.add(this.wrap(bound), this.at<I32>('i32', OP.i32Load, entry, set + 8)));
  }

  #leaveForSlow(branch: () => void): void {
    if (this.ended) return;
    assert(!this.#effects, 'no effect stands before a slow path');
    this.#goesSlow = true;
    branch();
  }

  get #recordDistance(): number {
    return (this.#length / 2) * RECORD_SIZE;
  }

  #advance(): void {
    this.#addToIp(this.i32(this.#recordDistance));
    this.body.br(this.#labels.next);
  }

  #addToIp(distance: I32): void {
    this.emit(this.add(asValue<I32>(this.ip), distance));
    this.body.set(this.#locals.ip);
  }
}
