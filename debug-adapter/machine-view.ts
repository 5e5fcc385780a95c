/**
 * What the adapter knows of the stopped machine: read from the VMM when first asked, kept until the machine moves
 * or is written to. Invariant: nothing here survives `forget`; the VMM holds the truth.
 */
import { VmError } from '../vmm/base/vm-error.ts';
import { csrByName } from '../vmm/isa/csrs.ts';
import type { CsrValue, Registers } from '../vmm/protocol/messages.ts';
import { csrFieldsOf } from './registers.ts';
import type { SymbolStore } from './symbol-store.ts';
import { type Frame, type HartView, type Symbols, unwindStack } from './symbols/index.ts';
import { type EvaluationContext, frameContext } from './values/index.ts';
import type { Vm } from './vm-client.ts';

/** Reads are kept in blocks of this many bytes: a page, which is mapped whole or not at all, and most often holds the stack's top. */
const BLOCK_BYTES = 4096;
/** Longer reads are made directly: they are memory views, not unwinding. */
const CACHED_READ_BYTES_MAX = 4096;
/** What tells traps and address spaces apart, with their numbers. */
const UNWINDING_CSRS: ReadonlyMap<string, number> = new Map(
  ['mtvec', 'mepc', 'stvec', 'sepc', 'satp'].map((name) => [name, csrByName(name)!.number]),
);

export type Space = 'virtual' | 'physical';

export interface HartState {
  readonly hart: number;
  readonly registers: Registers;
  readonly view: HartView;
  /** Those whose address space the hart is in. */
  readonly symbols: Symbols;
}

export class MachineView {
  readonly #vm: Vm;
  readonly #symbols: SymbolStore;
  #caching = false;
  #harts = new Map<number, Promise<HartState>>();
  #csrs = new Map<number, Promise<ReadonlyMap<string, CsrValue>>>();
  #unwindingCsrs = new Map<number, Promise<readonly CsrValue[]>>();
  #stacks = new Map<number, Promise<LazyStack>>();
  #blocks = new Map<string, Promise<Uint8Array>>();

  constructor(vm: Vm, symbols: SymbolStore) {
    this.#vm = vm;
    this.#symbols = symbols;
  }

  /** The machine moved or was written to. While it runs (`stopped` false) nothing is kept. */
  forget(stopped: boolean): void {
    this.#caching = stopped;
    this.#harts.clear();
    this.#csrs.clear();
    this.#unwindingCsrs.clear();
    this.#stacks.clear();
    this.#blocks.clear();
  }

  /** What the VMM told with a stop is not asked for again. */
  learn(hart: number, registers: Registers): void {
    void this.#kept(this.#harts, hart, () => this.#stateOf(hart, registers));
  }

  hart(hart: number): Promise<HartState> {
    return this.#kept(this.#harts, hart, async () =>
      this.#stateOf(hart, await this.#vm.request('vm.registers', { hart })),
    );
  }

  /** All CSRs the hart has, by lower-case name, in order of number. */
  csrs(hart: number): Promise<ReadonlyMap<string, CsrValue>> {
    return this.#kept(this.#csrs, hart, async () => {
      const { csrs } = await this.#vm.request('vm.csrs', { hart });
      return new Map(csrs.map((csr) => [csr.name.toLowerCase(), csr]));
    });
  }

  /** The call stack, innermost first, inlined functions included; the first `count` frames, or all. */
  async frames(hart: number, count = Number.POSITIVE_INFINITY): Promise<readonly Frame[]> {
    const stack = await this.#kept(this.#stacks, hart, async () => {
      const { symbols, view } = await this.hart(hart);
      return new LazyStack(unwindStack(symbols, view));
    });
    return stack.take(count);
  }

  /** @throws VmError `bad-request` when the stack has no such frame (the client asks for one of an earlier stop). */
  async frame(hart: number, level: number): Promise<Frame> {
    const frame = (await this.frames(hart, level + 1))[level];
    if (frame === undefined) {
      throw new VmError('bad-request', `Hart ${hart} has no stack frame ${level} any more.`);
    }
    return frame;
  }

  /** As much as can be read from the start: shorter than `length`, or empty, where nothing is mapped. */
  async readMemory(
    hart: number,
    address: bigint,
    length: number,
    space: Space = 'virtual',
  ): Promise<Uint8Array> {
    if (length > CACHED_READ_BYTES_MAX || !this.#caching) {
      return (await this.#vm.request('vm.readMemory', { hart, address, length, space })).data;
    }
    const result: Uint8Array = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const at = BigInt.asUintN(64, address + BigInt(done));
      const offset = Number(at % BigInt(BLOCK_BYTES));
      const block = await this.#block(hart, at - BigInt(offset), space);
      const part = block.subarray(offset, offset + length - done);
      result.set(part, done);
      done += part.length;
      if (block.length < BLOCK_BYTES) break;
    }
    return result.subarray(0, done);
  }

  /** Returns how many bytes were written. */
  async writeMemory(
    hart: number,
    address: bigint,
    data: Uint8Array,
    space: Space = 'virtual',
  ): Promise<number> {
    // The schema wants bytes of an ordinary buffer, not of a shared one.
    const bytes = new Uint8Array(data);
    const { written } = await this.#vm.request('vm.writeMemory', { hart, address, data: bytes, space });
    this.forget(this.#caching);
    return written;
  }

  async writeRegister(hart: number, register: string, value: bigint): Promise<void> {
    await this.#vm.request('vm.writeRegister', { hart, register, value });
    this.forget(this.#caching);
  }

  /** @throws VmError `bad-request` when the hart has no such CSR. */
  async writeCsr(hart: number, name: string, value: bigint): Promise<void> {
    const csr = (await this.csrs(hart)).get(name.toLowerCase());
    if (csr === undefined) throw new VmError('bad-request', `Hart ${hart} has no CSR ${name}.`);
    await this.#vm.request('vm.writeCsr', { hart, number: csr.number, value });
    this.forget(this.#caching);
  }

  /** What expressions are evaluated in: a frame of a hart, or the hart alone when the stack cannot be read. */
  async evaluationContext(hart: number, frame: Frame | undefined): Promise<EvaluationContext> {
    const { symbols, view } = await this.hart(hart);
    return frameContext({ symbols, frame, hart: view, csrFields: csrFieldsOf });
  }

  async #stateOf(hart: number, registers: Registers): Promise<HartState> {
    const view: HartView = {
      registers: { pc: registers.pc, x: registers.x, f: registers.f },
      privilege: registers.privilege,
      readMemory: (address, length) => this.readMemory(hart, address, length),
      readCsr: (name) => this.#readCsr(hart, name),
    };
    return { hart, registers, view, symbols: await this.#symbolsFor(hart, registers) };
  }

  /** Files meant for one address space count only while the hart is in it. */
  async #symbolsFor(hart: number, registers: Registers): Promise<Symbols> {
    if (!this.#symbols.hasSpaces) return this.#symbols.all;
    const satp = (await this.#readCsr(hart, 'satp')) ?? 0n;
    // satp.MODE 0 is Bare (RISC-V privileged, "Supervisor Address Translation and Protection Register").
    const translated = registers.privilege !== 'M' && satp >> 60n !== 0n;
    return translated ? this.#symbols.virtual : this.#symbols.physical;
  }

  /** The few that every stack is unwound with are asked for together; a hart has hundreds. */
  async #readCsr(hart: number, name: string): Promise<bigint | undefined> {
    const number = UNWINDING_CSRS.get(name);
    if (number === undefined || this.#csrs.has(hart)) return (await this.csrs(hart)).get(name)?.value;
    const csrs = await this.#kept(this.#unwindingCsrs, hart, async () => {
      const numbers = [...UNWINDING_CSRS.values()];
      return (await this.#vm.request('vm.csrs', { hart, numbers })).csrs;
    });
    return csrs.find((csr) => csr.number === number)?.value;
  }

  #block(hart: number, address: bigint, space: Space): Promise<Uint8Array> {
    return this.#kept(this.#blocks, `${hart} ${space} ${address}`, async () => {
      return (await this.#vm.request('vm.readMemory', { hart, address, length: BLOCK_BYTES, space })).data;
    });
  }

  #kept<K, V>(cache: Map<K, Promise<V>>, key: K, read: () => Promise<V>): Promise<V> {
    const kept = cache.get(key);
    if (kept !== undefined) return kept;
    const value = read();
    if (this.#caching) {
      cache.set(key, value);
      value.catch(() => cache.delete(key));
    }
    return value;
  }
}

/** Frames as far as they were asked for: unwinding reads memory, and most stops are shown by their top frame. */
class LazyStack {
  readonly #source: AsyncGenerator<Frame, void, undefined>;
  readonly #frames: Frame[] = [];
  #turn: Promise<unknown> = Promise.resolve();

  constructor(source: AsyncGenerator<Frame, void, undefined>) {
    this.#source = source;
  }

  take(count: number): Promise<readonly Frame[]> {
    const taken = this.#turn.then(async () => {
      while (this.#frames.length < count) {
        const next = await this.#source.next();
        if (next.done) break;
        this.#frames.push(next.value);
      }
      return this.#frames.slice(0, count);
    });
    // A read that failed must not fail all later ones.
    this.#turn = taken.catch(() => {});
    return taken;
  }
}
