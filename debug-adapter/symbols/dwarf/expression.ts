import { ByteReader } from '../../../vmm/base/bytes.ts';
import { VmError } from '../../../vmm/base/vm-error.ts';
import type { ValueLocation, ValuePiece } from '../model.ts';
import { OP } from './operations.ts';

/** What an expression reads (DWARF 5, section 2.5). A register that is not known answers undefined. */
export interface ExpressionContext {
  readonly bias: bigint;
  readonly addressSize: number;
  /** Of the section the expression is in, for messages. */
  readonly what: string;
  register(number: number): Promise<bigint | undefined>;
  readMemory(address: bigint, length: number): Promise<Uint8Array>;
  frameBase?(): Promise<bigint | undefined>;
  cfa?(): bigint | undefined;
  /** An address of `.debug_addr`. */
  address?(index: number): bigint;
}

/** Backward branches could run for ever: no real expression takes a fraction of this many steps. */
const STEPS_MAX = 10_000;
const STACK_MAX = 256;

/** The value is known to be unobtainable; `reason` is for the person who asked for it. */
class Unavailable extends Error {}

/** Evaluates a location description (DWARF 5, section 2.6). Failures come back as `unavailable`. */
export async function evaluateLocation(
  expression: Uint8Array,
  context: ExpressionContext,
): Promise<ValueLocation> {
  if (expression.length === 0) return { kind: 'unavailable', reason: 'optimized out' };
  return await attempt(async () => {
    const machine = new StackMachine(expression, context);
    await machine.run();
    return machine.location();
  });
}

/** Evaluates an expression to a number, with `initial` on the stack; undefined when something it needs is unknown. */
export async function evaluateNumber(
  expression: Uint8Array,
  context: ExpressionContext,
  initial: readonly bigint[],
): Promise<bigint | undefined> {
  let result: bigint | undefined;
  await attempt(async () => {
    const machine = new StackMachine(expression, context, initial);
    await machine.run();
    result = machine.top();
    return { kind: 'unavailable', reason: '' };
  });
  return result;
}

async function attempt(run: () => Promise<ValueLocation>): Promise<ValueLocation> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof Unavailable) && !(error instanceof VmError)) throw error;
    return { kind: 'unavailable', reason: error.message };
  }
}

type Place =
  | { readonly kind: 'register'; readonly register: number }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'value' }
  | undefined;

class StackMachine {
  readonly #reader: ByteReader;
  readonly #context: ExpressionContext;
  readonly #stack: bigint[];
  readonly #pieces: ValuePiece[] = [];
  /** Where the value is, once the expression said that it is not in memory. */
  #place: Place;

  constructor(expression: Uint8Array, context: ExpressionContext, initial: readonly bigint[] = []) {
    this.#reader = new ByteReader(expression, context.what);
    this.#context = context;
    this.#stack = [...initial];
  }

  async run(): Promise<void> {
    for (let steps = 0; !this.#reader.atEnd; steps += 1) {
      if (steps === STEPS_MAX) throw new Unavailable('its location expression does not end');
      if (this.#stack.length > STACK_MAX) throw new Unavailable('its location expression overflows');
      await this.#step(this.#reader.u8());
    }
  }

  top(): bigint {
    return this.#pop();
  }

  location(): ValueLocation {
    if (this.#pieces.length > 0) return { kind: 'pieces', pieces: this.#pieces };
    if (this.#place === undefined) return { kind: 'memory', address: this.#pop() };
    if (this.#place.kind === 'value') return { kind: 'bytes', bytes: toBytes(this.#pop()) };
    return this.#place;
  }

  async #step(op: number): Promise<void> {
    if (op >= OP.lit0 && op < OP.reg0) this.#push(BigInt(op - OP.lit0));
    else if (op >= OP.reg0 && op < OP.breg0) this.#place = { kind: 'register', register: op - OP.reg0 };
    else if (op >= OP.breg0 && op < OP.regx) await this.#based(op - OP.breg0);
    else if (op >= OP.addr && op <= OP.consts) await this.#constant(op);
    else if (op >= OP.dup && op <= OP.rot) this.#shuffle(op);
    else if (op >= OP.abs && op <= OP.skip) this.#arithmetic(op);
    else await this.#other(op);
  }

  async #other(op: number): Promise<void> {
    const reader = this.#reader;
    switch (op) {
      case OP.regx:
        this.#place = { kind: 'register', register: reader.uleb() };
        return;
      case OP.bregx:
        await this.#based(reader.uleb());
        return;
      case OP.fbreg: {
        const offset = reader.slebBig();
        const base = await this.#context.frameBase?.();
        if (base === undefined) throw new Unavailable('the frame base is not known here');
        this.#push(base + offset);
        return;
      }
      case OP.callFrameCfa: {
        const cfa = this.#context.cfa?.();
        if (cfa === undefined) throw new Unavailable('the frame address is not known here');
        this.#push(cfa);
        return;
      }
      case OP.derefSize:
        this.#push(await this.#load(reader.u8()));
        return;
      case OP.derefType: {
        const size = reader.u8();
        reader.uleb(); // the base type, which leaves the bits alone
        this.#push(await this.#load(size));
        return;
      }
      case OP.regvalType: {
        const register = reader.uleb();
        reader.uleb();
        this.#push(await this.#registerValue(register));
        return;
      }
      case OP.piece:
        this.#piece(reader.uleb());
        return;
      case OP.implicitValue:
        this.#place = { kind: 'bytes', bytes: reader.take(reader.uleb()) };
        return;
      case OP.stackValue:
        this.#place = { kind: 'value' };
        return;
      case OP.addrx:
      case OP.constx: {
        const address = this.#context.address?.(reader.uleb());
        if (address === undefined) throw new Unavailable('it uses an address table that is not here');
        this.#push(op === OP.constx ? address - this.#context.bias : address);
        return;
      }
      case OP.nop:
        return;
      case OP.entryValue:
      case OP.gnuEntryValue:
        throw new Unavailable('optimized out (only known at the entry of the function)');
      case OP.implicitPointer:
        throw new Unavailable('optimized out (points to something that has no address)');
      case OP.convert:
      case OP.reinterpret:
      case OP.constType:
      case OP.bitPiece:
        throw new Unavailable('optimized out (its location needs typed or bitwise DWARF operations)');
      default:
        throw new Unavailable(`its location uses the unknown DWARF operation 0x${op.toString(16)}`);
    }
  }

  async #constant(op: number): Promise<void> {
    const reader = this.#reader;
    const { addressSize, bias } = this.#context;
    switch (op) {
      case OP.addr:
        this.#push(reader.unsigned(addressSize) + bias);
        return;
      case OP.deref:
        this.#push(await this.#load(addressSize));
        return;
      case OP.const1u:
        this.#push(BigInt(reader.u8()));
        return;
      case OP.const1s:
        this.#push(BigInt(reader.i8()));
        return;
      case OP.const2u:
        this.#push(BigInt(reader.u16()));
        return;
      case OP.const2s:
        this.#push(BigInt(reader.i16()));
        return;
      case OP.const4u:
        this.#push(BigInt(reader.u32()));
        return;
      case OP.const4s:
        this.#push(BigInt(reader.i32()));
        return;
      case OP.const8u:
      case OP.const8s:
        this.#push(reader.u64());
        return;
      case OP.constu:
        this.#push(reader.ulebBig());
        return;
      case OP.consts:
        this.#push(reader.slebBig());
        return;
      default:
        throw new Unavailable(`its location uses the unknown DWARF operation 0x${op.toString(16)}`);
    }
  }

  #shuffle(op: number): void {
    const stack = this.#stack;
    switch (op) {
      case OP.dup:
        this.#push(this.#peek(0));
        return;
      case OP.drop:
        this.#pop();
        return;
      case OP.over:
        this.#push(this.#peek(1));
        return;
      case OP.pick:
        this.#push(this.#peek(this.#reader.u8()));
        return;
      case OP.swap:
        this.#peek(1);
        stack.push(...stack.splice(-2, 1));
        return;
      default: // rot: the top goes third, the other two move up
        this.#peek(2);
        stack.splice(-2, 0, stack.pop()!);
    }
  }

  #arithmetic(op: number): void {
    const reader = this.#reader;
    switch (op) {
      case OP.abs: {
        const value = BigInt.asIntN(64, this.#pop());
        this.#push(value < 0n ? -value : value);
        return;
      }
      case OP.neg:
        this.#push(-this.#pop());
        return;
      case OP.not:
        this.#push(~this.#pop());
        return;
      case OP.plusUconst:
        this.#push(this.#pop() + reader.ulebBig());
        return;
      case OP.skip: {
        const distance = reader.i16();
        reader.seek(reader.offset + distance);
        return;
      }
      case OP.bra: {
        const distance = reader.i16();
        if (this.#pop() !== 0n) reader.seek(reader.offset + distance);
        return;
      }
      default: {
        const right = this.#pop();
        this.#push(binary(op, this.#pop(), right));
      }
    }
  }

  async #based(register: number): Promise<void> {
    const offset = this.#reader.slebBig();
    this.#push((await this.#registerValue(register)) + offset);
  }

  async #registerValue(register: number): Promise<bigint> {
    const value = await this.#context.register(register);
    if (value === undefined) throw new Unavailable(`optimized out (register ${register} was not preserved)`);
    return value;
  }

  async #load(size: number): Promise<bigint> {
    const address = this.#pop();
    if (size < 1 || size > 8) throw new Unavailable(`its location loads ${size} bytes at once`);
    const bytes = await this.#context.readMemory(address, size);
    if (bytes.length < size) throw new Unavailable(`cannot read memory at 0x${address.toString(16)}`);
    return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
  }

  /** A part of a value that is spread over several places (DWARF 5, section 2.6.1.2). */
  #piece(size: number): void {
    if (this.#pieces.length === STACK_MAX) throw new Unavailable('its location has too many pieces');
    const place = this.#place;
    this.#place = undefined;
    if (place?.kind === 'register') this.#pieces.push({ kind: 'register', register: place.register, size });
    else if (place?.kind === 'bytes') this.#pieces.push({ kind: 'bytes', bytes: place.bytes, size });
    else if (place?.kind === 'value') this.#pieces.push({ kind: 'bytes', bytes: toBytes(this.#pop()), size });
    else if (this.#stack.length > 0) this.#pieces.push({ kind: 'memory', address: this.#pop(), size });
    else this.#pieces.push({ kind: 'unavailable', reason: 'optimized out', size });
  }

  #push(value: bigint): void {
    this.#stack.push(BigInt.asUintN(64, value));
  }

  #pop(): bigint {
    this.#peek(0);
    return this.#stack.pop()!;
  }

  #peek(depth: number): bigint {
    const value = this.#stack.at(-1 - depth);
    if (value === undefined) throw new Unavailable('its location expression is damaged');
    return value;
  }
}

/** Comparisons and division are signed, shifts and modulo unsigned (DWARF 5, section 2.5.1.4). */
function binary(op: number, left: bigint, right: bigint): bigint {
  const a = BigInt.asIntN(64, left);
  const b = BigInt.asIntN(64, right);
  const distance = right > 64n ? 64n : right;
  switch (op) {
    case OP.and:
      return left & right;
    case OP.or:
      return left | right;
    case OP.xor:
      return left ^ right;
    case OP.plus:
      return left + right;
    case OP.minus:
      return left - right;
    case OP.mul:
      return left * right;
    case OP.div:
      if (b === 0n) throw new Unavailable('its location expression divides by zero');
      return a / b;
    case OP.mod:
      if (right === 0n) throw new Unavailable('its location expression divides by zero');
      return left % right;
    case OP.shl:
      return left << distance;
    case OP.shr:
      return left >> distance;
    case OP.shra:
      return a >> distance;
    case OP.eq:
      return a === b ? 1n : 0n;
    case OP.ne:
      return a === b ? 0n : 1n;
    case OP.ge:
      return a >= b ? 1n : 0n;
    case OP.gt:
      return a > b ? 1n : 0n;
    case OP.le:
      return a <= b ? 1n : 0n;
    case OP.lt:
      return a < b ? 1n : 0n;
    default:
      throw new Unavailable(`its location uses the unknown DWARF operation 0x${op.toString(16)}`);
  }
}

function toBytes(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return bytes;
}
