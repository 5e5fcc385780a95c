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
import type { FunctionBody, Local } from '../wasm/function-body.ts';
import { OP } from '../wasm/opcodes.ts';
import { softResultFormat } from '../wasm/soft-float.ts';
import { BLOCK_BYTES, LOAD_WIDTHS, SOFT_FORMATS, SOFT_OPERATIONS, STATUS, STORE_BYTES } from './abi.ts';
import { HART } from './layout.ts';
import { RecordEmitter } from './record-emitter.ts';

/** Function indices of the imports that out-of-line handlers call; see `SlowPorts` in `interpreter.ts`. */
export interface OutlineImports {
  readonly load: number;
  readonly store: number;
  readonly loadReserved: number;
  readonly storeConditional: number;
  readonly amoLoad: number;
  readonly amoStore: number;
  readonly soft: number;
}

/**
 * The out-of-line form of a handler: a function of its own whose memory accesses and soft floating point call
 * TypeScript. It returns a `STATUS`. Instructions that change pc have no such form.
 */
export class OutlineEmitter extends RecordEmitter {
  readonly #imports: OutlineImports;

  constructor(body: FunctionBody, hart: Local, ip: Local, imports: OutlineImports) {
    super(body, hart, ip);
    this.#imports = imports;
  }

  finish(): void {
    if (!this.ended) this.#return(STATUS.done);
    // A path that ended left no value; the function's end is unreachable then.
    this.body.op(OP.unreachable);
  }

  override pc(): I64 {
    return this.state('i64', HART.pc);
  }

  override nextPc(): I64 {
    return this.#notHere('nextPc');
  }
  override jump(_target: I64): void {
    this.#notHere('jump');
  }
  override branch(_condition: I32): void {
    this.#notHere('branch');
  }
  override jumpRelative(): void {
    this.#notHere('jumpRelative');
  }
  override leave(_reason: LeaveReason): void {
    this.#notHere('leave');
  }

  override load(width: LoadWidth, address: I64): I64 {
    this.storeState('i64', HART.address, address);
    this.#call(this.#imports.load, LOAD_WIDTHS.indexOf(width));
    return this.#result();
  }

  override store(width: StoreWidth, address: I64, value: I64): void {
    this.#access(this.#imports.store, width, address, value);
  }

  override loadReserved(width: AtomicWidth, address: I64): I64 {
    this.#access(this.#imports.loadReserved, width, address);
    return this.#result();
  }

  override storeConditional(width: AtomicWidth, address: I64, value: I64): I64 {
    this.#access(this.#imports.storeConditional, width, address, value);
    return this.#result();
  }

  override amo(width: AtomicWidth, address: I64, update: (old: I64) => I64): I64 {
    this.#access(this.#imports.amoLoad, width, address);
    const old = this.#result();
    this.storeState('i64', HART.value, update(old));
    this.#call(this.#imports.amoStore, STORE_BYTES[width]);
    return old;
  }

  override zeroBlock(address: I64): void {
    this.storeState('i64', HART.address, address);
    this.#call(this.#imports.store, BLOCK_BYTES);
  }

  override soft(
    operation: SoftOperation,
    format: SoftFormat,
    roundingMode: I32,
    a: I64,
    b: I64 = this.i64(0),
    c: I64 = this.i64(0),
  ): void {
    if (this.ended) return;
    this.storeState('i64', HART.value, a);
    this.storeState('i64', HART.operandB, b);
    this.storeState('i64', HART.operandC, c);
    this.hart.emit(this.body);
    this.body.i32(SOFT_OPERATIONS.indexOf(operation) * SOFT_FORMATS.length + SOFT_FORMATS.indexOf(format));
    this.emit(roundingMode);
    this.body.call(this.#imports.soft);
    const result = this.#result();
    if (softResultFormat(operation, format) === 'integer') this.setX('rd', result);
    else this.setF('rd', result);
    this.#return(STATUS.done);
    this.ended = true;
  }

  protected override finishTrap(): void {
    if (!this.ended) this.#return(STATUS.trap);
  }

  protected override finishIllegal(): void {
    this.#return(STATUS.illegal);
  }

  #access(port: number, width: StoreWidth, address: I64, value?: I64): void {
    // Both may read registers only, so their order does not matter.
    this.storeState('i64', HART.address, address);
    if (value !== undefined) this.storeState('i64', HART.value, value);
    this.#call(port, STORE_BYTES[width]);
  }

  /** Calls a port with (hart, argument) and passes on any status but `done`. */
  #call(port: number, argument: number): void {
    if (this.ended) return;
    const status = this.body.scratch('i32');
    this.hart.emit(this.body);
    this.body.i32(argument);
    this.body.call(port);
    this.body.tee(status);
    this.body.if();
    this.body.get(status);
    this.body.op(OP.return);
    this.body.end();
  }

  #result(): I64 {
    return this.bind(this.state<I64>('i64', HART.value));
  }

  #return(status: number): void {
    this.body.i32(status);
    this.body.op(OP.return);
  }

  #notHere(what: string): never {
    assert(false, `an instruction with an out-of-line form does not use ${what}`);
  }
}
