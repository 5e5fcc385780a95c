import type { Decoded } from '../../vmm/isa/decode.ts';
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
} from '../../vmm/isa/emitter.ts';
import { inRegister, softFloat, softResultFormat } from '../../vmm/wasm/soft-float.ts';

/** Integers are signed numbers (i32) or bigints (i64), floats are numbers, singles rounded to their precision. */
type Scalar = number | bigint;
type Thunk = { readonly type: ValueType; readonly get: () => Scalar };

/** How an instruction ended, when not by going on to the next. */
export type Ending =
  | { readonly kind: 'jump'; readonly target: bigint }
  | { readonly kind: 'trap'; readonly cause: number; readonly value: bigint }
  | { readonly kind: 'leave'; readonly reason: LeaveReason };

class Ended extends Error {}

/**
 * Runs semantics directly: an emitter that evaluates instead of emitting. Values are evaluated where they are
 * consumed, as the interface says, so that an instruction that reads a register after writing it shows.
 */
export class Evaluator implements Emitter {
  readonly x_ = new BigUint64Array(32);
  readonly f_ = new BigUint64Array(32);
  readonly memory = new DataView(new ArrayBuffer(4096));
  fflags = 0;
  frm = 0;
  floatOn = true;
  /** Whether the host has a fused multiply-add. */
  fuses = false;
  reservation = -1n;
  /** What menvcfg and senvcfg together allow. */
  environment = -1;
  programCounter = 0x8000_0000n;
  ending: Ending | undefined;
  /** Calls of the software path. */
  softCalls = 0;
  private decoded: Decoded | undefined;

  execute(decoded: Decoded): Ending | undefined {
    this.decoded = decoded;
    this.ending = undefined;
    try {
      decoded.instruction.semantics(this);
    } catch (error) {
      if (!(error instanceof Ended)) throw error;
    }
    return this.ending;
  }

  i32 = (value: number): I32 => constant('i32', value | 0);
  i64 = (value: bigint | number): I64 => constant('i64', BigInt.asIntN(64, BigInt(value)));
  f32 = (value: number): F32 => constant('f32', Math.fround(value));
  f64 = (value: number): F64 => constant('f64', value);

  bind<T extends Value>(value: T): T {
    return constant(thunk(value).type, thunk(value).get());
  }

  if(condition: I32, then: () => void, otherwise?: () => void): void {
    if (number(condition) !== 0) then();
    else otherwise?.();
  }

  rarely(then: () => void): void {
    then();
  }

  select<T extends Value>(condition: I32, whenTrue: T, whenFalse: T): T {
    return lazy(thunk(whenTrue).type, () => thunk(number(condition) !== 0 ? whenTrue : whenFalse).get());
  }

  add = arithmetic(
    (a, b) => a + b,
    (a, b) => (a as number) + (b as number),
  );
  sub = arithmetic(
    (a, b) => a - b,
    (a, b) => (a as number) - (b as number),
  );
  mul = arithmetic(
    (a, b) => a * b,
    (a, b) => (a as number) * (b as number),
  );
  and = arithmetic((a, b) => a & b);
  or = arithmetic((a, b) => a | b);
  xor = arithmetic((a, b) => a ^ b);
  shl = shift((a, n) => a << n);
  shrS = shift((a, n) => a >> n);
  shrU = shift((a, n, width) => BigInt.asUintN(width, a) >> n);
  rotl = shift((a, n, width) => rotate(a, n, width));
  rotr = shift((a, n, width) => rotate(a, BigInt(width) - n, width));
  divS = division((a, b) => a / b, true);
  divU = division((a, b, width) => BigInt.asUintN(width, a) / BigInt.asUintN(width, b), false);
  remS = division((a, b) => a % b, false);
  remU = division((a, b, width) => BigInt.asUintN(width, a) % BigInt.asUintN(width, b), false);
  clz = count((digits) => digits.indexOf('1'));
  ctz = count((digits) => [...digits].reverse().indexOf('1'));
  popcnt = count((digits) => digits.replaceAll('0', '').length);
  eq = compare((a, b) => a === b);
  ne = compare((a, b) => a !== b);
  ltS = compare((a, b) => a < b);
  geS = compare((a, b) => a >= b);
  ltU = compare((a, b) => unsigned(a) < unsigned(b));
  geU = compare((a, b) => unsigned(a) >= unsigned(b));
  lt = compare((a, b) => a < b);
  le = compare((a, b) => a <= b);
  eqz = (a: I32 | I64): I32 => lazy('i32', () => Number(BigInt(thunk(a).get()) === 0n));
  div = arithmetic(undefined, (a, b) => (a as number) / (b as number));
  sqrt = float((a) => Math.sqrt(a));
  abs = float((a) => Math.abs(a));
  neg = float((a) => -a);
  copysign = arithmetic(undefined, (a, b) => {
    const isNegative = (b as number) < 0 || Object.is(b, -0);
    return isNegative ? -Math.abs(a as number) : Math.abs(a as number);
  });
  nearest = float((a) => {
    const below = Math.floor(a);
    const up = a - below > 0.5 || (a - below === 0.5 && below % 2 !== 0);
    const rounded = Number.isFinite(a) && up ? below + 1 : below;
    return rounded === 0 && (a < 0 || Object.is(a, -0)) ? -0 : rounded;
  });
  floor = float((a) => Math.floor(a));
  ceil = float((a) => Math.ceil(a));
  trunc = float((a) => Math.trunc(a));
  multiplyAdd<T extends F32 | F64>(a: T, b: T, c: T): T | undefined {
    return this.fuses ? fusedByHost(a, b, c) : undefined;
  }

  wrap = (a: I64): I32 => lazy('i32', () => Number(BigInt.asIntN(32, big(a))));
  extendS = (a: I32): I64 => lazy('i64', () => BigInt(number(a)));
  extendU = (a: I32): I64 => lazy('i64', () => BigInt(number(a) >>> 0));
  extend8 = <T extends I32 | I64>(a: T): T => signExtend(a, 8);
  extend16 = <T extends I32 | I64>(a: T): T => signExtend(a, 16);
  extend32 = (a: I64): I64 => signExtend(a, 32);
  bitsToF32 = (a: I32): F32 =>
    lazy('f32', () =>
      reinterpret(
        (v) => v.setInt32(0, number(a)),
        (v) => v.getFloat32(0),
      ),
    );
  bitsToF64 = (a: I64): F64 =>
    lazy('f64', () =>
      reinterpret(
        (v) => v.setBigInt64(0, big(a)),
        (v) => v.getFloat64(0),
      ),
    );
  f32ToBits = (a: F32): I32 =>
    lazy('i32', () =>
      reinterpret(
        (v) => v.setFloat32(0, number(a)),
        (v) => v.getInt32(0),
      ),
    );
  f64ToBits = (a: F64): I64 =>
    lazy('i64', () =>
      reinterpret(
        (v) => v.setFloat64(0, number(a)),
        (v) => v.getBigInt64(0),
      ),
    );
  promote = (a: F32): F64 => lazy('f64', () => number(a));
  demote = (a: F64): F32 => lazy('f32', () => Math.fround(number(a)));

  convertS(a: I32 | I64, to: 'f32'): F32;
  convertS(a: I32 | I64, to: 'f64'): F64;
  convertS(a: I32 | I64, to: 'f32' | 'f64'): F32 | F64 {
    // A double on the way to a single would round twice.
    const convert = () => {
      const value = BigInt(thunk(a).get());
      return to === 'f64' ? Number(value) : softSingle('fromI64', value);
    };
    return lazy(to, convert);
  }

  convertU(a: I64, to: 'f32'): F32;
  convertU(a: I64, to: 'f64'): F64;
  convertU(a: I64, to: 'f32' | 'f64'): F32 | F64 {
    const value = () => BigInt.asUintN(64, big(a));
    return lazy(to, () => (to === 'f64' ? Number(value()) : softSingle('fromU64', value())));
  }
  truncateS = (a: F64): I64 => lazy('i64', () => truncated(number(a), -(2 ** 63), 2 ** 63));
  truncateU = (a: F64): I64 => lazy('i64', () => truncated(number(a), 0, 2 ** 64));

  x = (register: SourceRegister): I64 => lazy('i64', () => BigInt.asIntN(64, this.x_[this.now[register]]!));
  setX(register: 'rd', value: I64): void {
    const bits = big(value);
    if (this.now[register] !== 0) this.x_[this.now[register]] = BigInt.asUintN(64, bits);
  }
  imm = (): I64 => this.i64(this.now.imm);
  raw = (): I32 => this.i32(this.now.raw);
  pc = (): I64 => this.i64(this.programCounter);
  nextPc = (): I64 => this.i64(this.programCounter + BigInt(this.now.length));
  jump = (target: I64): void => this.end({ kind: 'jump', target: BigInt.asUintN(64, big(target)) });
  jumpRelative = (): void =>
    this.end({ kind: 'jump', target: BigInt.asUintN(64, this.programCounter + BigInt(this.now.imm)) });
  branch(condition: I32): void {
    if (number(condition) !== 0) this.jumpRelative();
    else this.end({ kind: 'jump', target: big(this.nextPc()) });
  }

  load(width: LoadWidth, address: I64): I64 {
    const bits = width === '64' ? 64 : Number(width.slice(1));
    const at = Number(big(address));
    const value = bits === 64 ? this.memory.getBigInt64(at, true) : BigInt(this.readSmall(at, bits));
    return this.i64(width.startsWith('s') ? BigInt.asIntN(bits, value) : value);
  }
  store(width: StoreWidth, address: I64, value: I64): void {
    const at = Number(big(address));
    const bits = big(value);
    for (let i = 0; i < Number(width) / 8; i++) {
      this.memory.setUint8(at + i, Number((bits >> BigInt(8 * i)) & 0xffn));
    }
  }
  loadReserved(width: AtomicWidth, address: I64): I64 {
    this.reservation = big(address);
    return this.load(width === '32' ? 's32' : '64', address);
  }
  storeConditional(width: AtomicWidth, address: I64, value: I64): I64 {
    const holds = this.reservation === big(address);
    if (holds) this.store(width, address, value);
    this.reservation = -1n;
    return this.i64(holds ? 0 : 1);
  }
  amo(width: AtomicWidth, address: I64, update: (old: I64) => I64): I64 {
    const at = this.bind(address);
    const old = this.load(width === '64' ? '64' : `s${width}`, at);
    this.store(width, at, update(old));
    return old;
  }
  zeroBlock(address: I64): void {
    const at = Number(big(address)) & -64;
    for (let i = 0; i < 64; i++) this.memory.setUint8(at + i, 0);
  }
  requireEnvironment(bits: number): void {
    if ((this.environment & bits) === 0) this.illegal();
  }

  trap = (cause: number, tval: I64): void => this.end({ kind: 'trap', cause, value: big(tval) });
  illegal = (): void => this.end({ kind: 'trap', cause: 2, value: BigInt(this.now.raw) });
  leave = (reason: LeaveReason): void => this.end({ kind: 'leave', reason });

  requireFloat(): void {
    if (!this.floatOn) this.illegal();
  }
  f = (register: FloatRegister): I64 => lazy('i64', () => BigInt.asIntN(64, this.f_[this.now[register]]!));
  fSingle = (register: FloatRegister): I32 =>
    lazy('i32', () => {
      const bits = this.f_[this.now[register]]!;
      return bits >> 32n === 0xffffffffn ? Number(BigInt.asIntN(32, bits)) : 0x7fc00000;
    });
  setF(register: 'rd', bits: I64): void {
    this.f_[this.now[register]] = BigInt.asUintN(64, big(bits));
  }
  setFSingle(register: 'rd', bits: I32): void {
    this.f_[this.now[register]] = 0xffffffff00000000n | BigInt(number(bits) >>> 0);
  }
  flags = (): I32 => lazy('i32', () => this.fflags);
  raiseFlags(flags: I32): void {
    this.fflags |= number(flags);
  }
  roundingMode(): I32 {
    const coded = (this.now.raw >> 12) & 7;
    const mode = coded === 7 ? this.frm : coded;
    if (mode > 4) this.illegal();
    return this.i32(mode);
  }
  hostRounds = (): I32 =>
    lazy('i32', () => {
      const coded = (this.now.raw >> 12) & 7;
      return Number((coded === 7 ? this.frm : coded) === 0 && (this.fflags & 1) !== 0);
    });
  soft(
    operation: SoftOperation,
    format: SoftFormat,
    roundingMode: I32,
    a: I64,
    b: I64 = this.i64(0),
    c: I64 = this.i64(0),
  ): void {
    this.softCalls++;
    const [x, y, z] = [big(a), big(b), big(c)].map((bits) => BigInt.asUintN(64, bits)) as [
      bigint,
      bigint,
      bigint,
    ];
    const { bits, flags } = softFloat(operation, format, number(roundingMode), x, y, z);
    this.fflags |= flags;
    const result = this.i64(inRegister(operation, format, bits));
    if (softResultFormat(operation, format) === 'integer') this.setX('rd', result);
    else this.setF('rd', result);
    throw new Ended();
  }

  private get now(): Decoded {
    if (this.decoded === undefined) throw new Error('no instruction is executed');
    return this.decoded;
  }

  private readSmall(at: number, bits: number): number {
    if (bits === 8) return this.memory.getUint8(at);
    return bits === 16 ? this.memory.getUint16(at, true) : this.memory.getUint32(at, true);
  }

  private end(ending: Ending): void {
    this.ending = ending;
    throw new Ended();
  }
}

const thunk = (value: Value): Thunk => value as unknown as Thunk;
const number = (value: Value): number => Number(thunk(value).get());
const big = (value: I64): bigint => thunk(value).get() as bigint;
const lazy = <T extends Value>(type: ValueType, get: () => Scalar): T =>
  ({ type, get }) as Thunk as unknown as T;
const constant = <T extends Value>(type: ValueType, value: Scalar): T => lazy(type, () => value);

const widthOf = (type: ValueType): 32 | 64 => (type.endsWith('32') ? 32 : 64);
const isInteger = (type: ValueType): boolean => type.startsWith('i');

/** A scalar of the type, from an integer of any size. */
function wrapTo(type: ValueType, value: bigint): Scalar {
  return type === 'i32' ? Number(BigInt.asIntN(32, value)) : BigInt.asIntN(64, value);
}

function unsigned(value: Scalar): bigint {
  return typeof value === 'bigint' ? BigInt.asUintN(64, value) : BigInt(value >>> 0);
}

function arithmetic(integers?: (a: bigint, b: bigint) => bigint, floats?: (a: Scalar, b: Scalar) => number) {
  return <T extends Value>(a: T, b: T): T => {
    const { type } = thunk(a);
    return lazy(type, () => {
      const [x, y] = [thunk(a).get(), thunk(b).get()];
      if (isInteger(type)) return wrapTo(type, integers!(BigInt(x), BigInt(y)));
      return type === 'f32' ? Math.fround(floats!(x, y)) : floats!(x, y);
    });
  };
}

function shift(operation: (a: bigint, n: bigint, width: number) => bigint) {
  return <T extends I32 | I64>(a: T, b: T): T => {
    const { type } = thunk(a);
    const width = widthOf(type);
    return lazy(type, () => {
      const amount = BigInt(thunk(b).get()) & BigInt(width - 1);
      return wrapTo(type, operation(BigInt(thunk(a).get()), amount, width));
    });
  };
}

function rotate(a: bigint, n: bigint, width: number): bigint {
  const bits = BigInt.asUintN(width, a);
  return (bits << n) | (bits >> (BigInt(width) - n));
}

/** As WebAssembly, throws on a zero divisor, and on overflow where `overflows` says so. */
function division(operation: (a: bigint, b: bigint, width: number) => bigint, overflows: boolean) {
  return <T extends I32 | I64>(a: T, b: T): T => {
    const { type } = thunk(a);
    const width = widthOf(type);
    return lazy(type, () => {
      const [x, y] = [BigInt(thunk(a).get()), BigInt(thunk(b).get())];
      if (overflows && y === -1n && x === -1n << BigInt(width - 1)) throw new Error('integer overflow');
      return wrapTo(type, operation(x, y, width));
    });
  };
}

function count(operation: (digits: string) => number) {
  return <T extends I32 | I64>(a: T): T => {
    const { type } = thunk(a);
    const width = widthOf(type);
    return lazy(type, () => {
      const result = operation(unsigned(thunk(a).get()).toString(2).padStart(width, '0'));
      return wrapTo(type, BigInt(result < 0 ? width : result));
    });
  };
}

function compare(operation: (a: Scalar, b: Scalar) => boolean) {
  return <T extends Value>(a: T, b: T): I32 =>
    lazy('i32', () => Number(operation(thunk(a).get(), thunk(b).get())));
}

function float(operation: (a: number) => number) {
  return <T extends F32 | F64>(a: T): T => {
    const { type } = thunk(a);
    return lazy(type, () => (type === 'f32' ? Math.fround(operation(number(a))) : operation(number(a))));
  };
}

function signExtend<T extends I32 | I64>(a: T, bits: number): T {
  const { type } = thunk(a);
  return lazy(type, () => wrapTo(type, BigInt.asIntN(bits, BigInt(thunk(a).get()))));
}

const scratch = new DataView(new ArrayBuffer(8));

function reinterpret<R>(write: (view: DataView) => void, read: (view: DataView) => R): R {
  write(scratch);
  return read(scratch);
}

/** As WebAssembly, fails on a NaN and out of range. */
function truncated(value: number, low: number, high: number): bigint {
  const whole = Math.trunc(value);
  if (!(whole >= low && whole < high)) throw new Error('integer overflow');
  return BigInt.asIntN(64, BigInt(whole));
}

function fusedByHost<T extends F32 | F64>(a: T, b: T, c: T): T {
  const { type } = thunk(a);
  const format = type === 'f32' ? 'f32' : 'f64';
  return lazy(type, () => {
    const [x, y, z] = [a, b, c].map((value) => bitsOf(format, number(value))) as [bigint, bigint, bigint];
    return valueOfBits(format, softFloat('fma', format, 0, x, y, z).bits);
  });
}

function bitsOf(format: 'f32' | 'f64', value: number): bigint {
  return format === 'f32'
    ? reinterpret(
        (v) => v.setFloat32(0, value),
        (v) => BigInt(v.getUint32(0)),
      )
    : reinterpret(
        (v) => v.setFloat64(0, value),
        (v) => v.getBigUint64(0),
      );
}

function valueOfBits(format: 'f32' | 'f64', bits: bigint): number {
  return format === 'f32'
    ? reinterpret(
        (v) => v.setUint32(0, Number(bits)),
        (v) => v.getFloat32(0),
      )
    : reinterpret(
        (v) => v.setBigUint64(0, bits),
        (v) => v.getFloat64(0),
      );
}

/** The single nearest to an integer, rounded once. */
function softSingle(operation: 'fromI64' | 'fromU64', value: bigint): number {
  return valueOfBits('f32', softFloat(operation, 'f32', 0, BigInt.asUintN(64, value), 0n, 0n).bits);
}
