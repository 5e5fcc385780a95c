import { assert } from '../base/assert.ts';
import type { ValueType } from '../isa/emitter.ts';
import { ByteWriter } from './byte-writer.ts';
import { BLOCK_EMPTY, OP, SIMD_PREFIX, TYPE_CODE } from './opcodes.ts';

/** A place to branch to: the nesting depth of the block or loop that was opened for it. */
export type Label = number & { readonly label: unique symbol };
/** Index of a local variable. */
export type Local = number & { readonly local: unique symbol };

/**
 * The code of one function: instructions, structured control flow with labels, and locals. Scratch locals are
 * pooled by type: `releaseScratch` makes all of them free for the next piece of code.
 */
export class FunctionBody {
  readonly code = new ByteWriter();
  readonly #parameters: number;
  readonly #locals: ValueType[] = [];
  readonly #pools: Record<ValueType, { locals: Local[]; used: number }> = {
    i32: { locals: [], used: 0 },
    i64: { locals: [], used: 0 },
    f32: { locals: [], used: 0 },
    f64: { locals: [], used: 0 },
  };
  #depth = 0;

  constructor(parameters: number) {
    this.#parameters = parameters;
  }

  parameter(index: number): Local {
    assert(index < this.#parameters, 'a parameter of this function');
    return index as Local;
  }

  /** A local that lives through the whole function, zero at first. */
  local(type: ValueType): Local {
    return (this.#parameters + this.#locals.push(type) - 1) as Local;
  }

  /** A local for a value within the present piece of code. */
  scratch(type: ValueType): Local {
    const pool = this.#pools[type];
    if (pool.used === pool.locals.length) pool.locals.push(this.local(type));
    return pool.locals[pool.used++]!;
  }

  releaseScratch(): void {
    for (const pool of Object.values(this.#pools)) pool.used = 0;
  }

  get(local: Local): void {
    this.code.u8(OP.localGet);
    this.code.u32(local);
  }

  set(local: Local): void {
    this.code.u8(OP.localSet);
    this.code.u32(local);
  }

  tee(local: Local): void {
    this.code.u8(OP.localTee);
    this.code.u32(local);
  }

  i32(value: number): void {
    this.code.u8(OP.i32Const);
    this.code.s32(value);
  }

  i64(value: bigint): void {
    this.code.u8(OP.i64Const);
    this.code.s64(value);
  }

  op(opcode: number): void {
    this.code.u8(opcode);
  }

  simd(opcode: number): void {
    this.code.u8(SIMD_PREFIX);
    this.code.u32(opcode);
  }

  /** A load or store with its static offset; alignment is a hint, and none is promised. */
  memory(opcode: number, offset: number): void {
    this.code.u8(opcode);
    this.code.u8(0);
    this.code.u32(offset);
  }

  call(functionIndex: number): void {
    this.code.u8(OP.call);
    this.code.u32(functionIndex);
  }

  /** A call that leaves no frame of the caller (WebAssembly tail calls). */
  returnCall(functionIndex: number): void {
    this.code.u8(OP.returnCall);
    this.code.u32(functionIndex);
  }

  returnCallIndirect(typeIndex: number): void {
    this.code.u8(OP.returnCallIndirect);
    this.code.u32(typeIndex);
    this.code.u8(0);
  }

  callIndirect(typeIndex: number): void {
    this.code.u8(OP.callIndirect);
    this.code.u32(typeIndex);
    this.code.u8(0);
  }

  block(): Label {
    return this.#open(OP.block);
  }

  loop(): Label {
    return this.#open(OP.loop);
  }

  /** Consumes an i32 condition. */
  if(): Label {
    return this.#open(OP.if);
  }

  else(): void {
    this.code.u8(OP.else);
  }

  end(): void {
    assert(this.#depth > 0, 'a block is open');
    this.#depth--;
    this.code.u8(OP.end);
  }

  br(label: Label): void {
    this.code.u8(OP.br);
    this.code.u32(this.#depth - label);
  }

  brIf(label: Label): void {
    this.code.u8(OP.brIf);
    this.code.u32(this.#depth - label);
  }

  brTable(labels: readonly Label[], otherwise: Label): void {
    this.code.u8(OP.brTable);
    this.code.u32(labels.length);
    for (const label of labels) this.code.u32(this.#depth - label);
    this.code.u32(this.#depth - otherwise);
  }

  /** The function as the code section holds it: size, locals, instructions, end. */
  encode(): Uint8Array {
    assert(this.#depth === 0, 'all blocks are closed');
    const locals = new ByteWriter();
    locals.u32(this.#locals.length);
    for (const type of this.#locals) {
      locals.u32(1);
      locals.u8(TYPE_CODE[type]);
    }
    const whole = new ByteWriter();
    whole.u32(locals.length + this.code.length + 1);
    whole.bytes(locals.view());
    whole.bytes(this.code.view());
    whole.u8(OP.end);
    return whole.view();
  }

  #open(opcode: number): Label {
    this.code.u8(opcode);
    this.code.u8(BLOCK_EMPTY);
    return ++this.#depth as Label;
  }
}
