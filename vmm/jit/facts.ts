import { LEAVE_REASONS } from '../hart/abi.ts';
import { csrFields } from '../hart/csr-instructions.ts';
import { HartEmitter } from '../hart/hart-emitter.ts';
import { storedCsr } from '../hart/stored-csrs.ts';
import { OUT_OF_LINE } from '../hart/translation.ts';
import type { Decoded } from '../isa/decode.ts';
import type {
  AtomicWidth,
  FloatRegister,
  I32,
  I64,
  LeaveReason,
  LoadWidth,
  SoftOperation,
  SourceRegister,
  StoreWidth,
} from '../isa/emitter.ts';
import { INSTRUCTIONS } from '../isa/table.ts';
import { asValue, LocalValue } from '../wasm/expressions.ts';
import { FunctionBody, type Local } from '../wasm/function-body.ts';

/**
 * How an instruction goes on: at the next one; there or at pc + imm; at pc + imm; at a computed address; or not at all in
 * translated code, because its whole effect is the hart's business.
 */
export type Flow = 'next' | 'branch' | 'jumpRelative' | 'jump' | 'leave';

/** What the translator must know of an instruction before it emits it. */
export interface Facts {
  readonly flow: Flow;
  readonly readsX: ReadonlySet<string>;
  readonly readsF: ReadonlySet<string>;
  readonly writesX: boolean;
  readonly writesF: boolean;
  /** What it writes there is a single, on every path. */
  readonly writesSingle: boolean;
  /** May be left to the interpreter: a translation miss, a device, soft floating point, an exception. */
  readonly mayExit: boolean;
  /** With flow `leave`: the hart does all of it for this reason, index into `LEAVE_REASONS`; null when something is checked before. */
  readonly service: number | null;
}

/** Facts of an instruction, learned from its semantics. */
export function factsOf({ index, raw }: Decoded): Facts {
  const facts = (known[index] ??= learn(index));
  return facts.service === CSR_SERVICE && storedCsr(raw) !== undefined ? storedCsrFacts(raw) : facts;
}

/** Whether the instruction has an out-of-line form that the hart can do it by: what served an access may be another one by now. */
export function mayBeServed({ index }: Decoded): boolean {
  const { flow, mayExit, service } = (known[index] ??= learn(index));
  return flow === 'next' && mayExit && service === null;
}

const known: (Facts | undefined)[] = [];

const CSR_SERVICE = LEAVE_REASONS.indexOf('csr');

/** A CSR instruction that generated code does itself; the privilege level may forbid it. */
function storedCsrFacts(raw: number): Facts {
  const { immediate } = csrFields(raw);
  return {
    flow: 'next',
    readsX: new Set(immediate ? [] : ['rs1']),
    readsF: new Set(),
    writesX: true,
    writesF: false,
    writesSingle: false,
    mayExit: true,
    service: null,
  };
}

/** An access that is always slow: the hart does it as it would out of line; see `SlowAccesses`. */
export const ACCESS_FACTS: Facts = {
  flow: 'leave',
  readsX: new Set(),
  readsF: new Set(),
  writesX: false,
  writesF: false,
  writesSingle: false,
  mayExit: true,
  service: OUT_OF_LINE,
};

function learn(index: number): Facts {
  const emitter = new FactsEmitter();
  INSTRUCTIONS[index]!.semantics(emitter);
  return emitter.facts();
}

/** Runs an instruction's semantics and takes note of what it asks for. */
class FactsEmitter extends HartEmitter {
  #flow: Flow = 'next';
  readonly #any: Local;
  readonly #readsX = new Set<string>();
  readonly #readsF = new Set<string>();
  #writesX = false;
  #writesF = false;
  #writesSingle = false;
  #mayExit = false;
  #service: number | null = null;

  constructor() {
    const body = new FunctionBody(2);
    super(body, body.parameter(0));
    this.#any = body.parameter(1);
  }

  facts(): Facts {
    return {
      flow: this.ended && this.#flow === 'next' ? 'leave' : this.#flow,
      readsX: this.#readsX,
      readsF: this.#readsF,
      writesX: this.#writesX,
      writesF: this.#writesF,
      writesSingle: this.#writesSingle,
      mayExit: this.#mayExit,
      service: this.#service,
    };
  }

  override x(register: SourceRegister): I64 {
    this.#readsX.add(register);
    return this.#unknown();
  }
  override setX(_register: 'rd', _value: I64): void {
    this.#writesX = true;
  }
  override imm(): I64 {
    return this.#unknown();
  }
  override raw(): I32 {
    return asValue(this.hart);
  }
  override pc(): I64 {
    return this.#unknown();
  }
  override nextPc(): I64 {
    return this.#unknown();
  }
  override jump(_target: I64): void {
    this.#flow = 'jump';
  }
  override branch(_condition: I32): void {
    this.#flow = 'branch';
  }
  override jumpRelative(): void {
    this.#flow = 'jumpRelative';
  }
  override load(_width: LoadWidth, _address: I64): I64 {
    return this.#access();
  }
  override store(_width: StoreWidth, _address: I64, _value: I64): void {
    this.#access();
  }
  override loadReserved(_width: AtomicWidth, _address: I64): I64 {
    return this.#access();
  }
  override storeConditional(_width: AtomicWidth, _address: I64, _value: I64): I64 {
    return this.#access();
  }
  override amo(_width: AtomicWidth, _address: I64, update: (old: I64) => I64): I64 {
    update(this.#access());
    return this.#unknown();
  }
  override zeroBlock(_address: I64): void {
    this.#access();
  }
  override leave(reason: LeaveReason): void {
    if (!this.#mayExit) this.#service = LEAVE_REASONS.indexOf(reason);
    this.#mayExit = true;
    this.ended = true;
  }
  override f(register: FloatRegister): I64 {
    this.#readsF.add(register);
    return this.#unknown();
  }
  override fSingle(register: FloatRegister): I32 {
    this.#readsF.add(register);
    return asValue(this.hart);
  }
  override setF(_register: 'rd', _bits: I64): void {
    this.#writesF = true;
  }
  override setFSingle(_register: 'rd', _bits: I32): void {
    this.#writesSingle = true;
    this.#writesF = true;
  }
  override soft(
    _operation: SoftOperation,
    _format: 'f32' | 'f64',
    _roundingMode: I32,
    _a: I64,
    _b?: I64,
    _c?: I64,
  ): I64 {
    this.#mayExit = true;
    return this.#unknown();
  }
  protected override finishTrap(): void {
    this.#mayExit = true;
  }
  protected override finishIllegal(): void {
    this.#mayExit = true;
  }

  #access(): I64 {
    this.#mayExit = true;
    return this.#unknown();
  }

  /** No constant: what depends on it is not decided here. */
  #unknown(): I64 {
    return asValue(new LocalValue('i64', this.#any));
  }
}
