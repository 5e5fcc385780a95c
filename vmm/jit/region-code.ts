import { assert } from '../base/assert.ts';
import {
  CELL_SLOT,
  cellOf,
  HART,
  TLB_ENTRIES,
  TLB_ENTRY_SIZE,
  VARIANT,
  type Variant,
} from '../hart/layout.ts';
import { packService, RESULT } from '../hart/translation.ts';
import type { I64 } from '../isa/emitter.ts';
import { INSTRUCTIONS } from '../isa/table.ts';
import { asExpression, asValue, Binary, Constant, LocalValue } from '../wasm/expressions.ts';
import { FunctionBody, type Label, type Local } from '../wasm/function-body.ts';
import { NUMERIC, OP } from '../wasm/opcodes.ts';
import { analyse, type BlockInfo, type Flow, leavesAndReturns } from './flow.ts';
import {
  type Block,
  type DispatchTarget,
  type Edge,
  instructionsOf,
  isReturn,
  type Op,
  pageOf,
  type Region,
  recordOf,
} from './region.ts';
import { RegionEmitter, type Target } from './region-emitter.ts';
import { forEachRegister, NO_REGISTERS, type RegisterSet } from './registers.ts';

/** Function indices of what a region's code calls. */
export interface RegionImports {
  /** `goto(hart, remaining, depth)`: continues at the hart's pc in another region; returns at once when there is none. */
  readonly goto: number;
  /** `enter(hart, remaining, depth, cell)`: continues in the region that a cell names. */
  readonly enter: number;
  /** `TranslatorParts.serve`. */
  readonly serve: number;
}

/** Types of the locals that guest registers live in. */
const REGISTER_TYPE = { x: 'i64', f: 'f64', single: 'f32' } as const;

/** The code of a region, and the steps that the hart must have left to enter it. */
export interface RegionCode {
  readonly body: FunctionBody;
  readonly bound: number;
}

/**
 * Guest calls nest as calls of generated code so deep at most; a frame takes some hundred bytes of a stack of about 1 MiB. What
 * calls deeper unwinds, and begins at depth 0 again.
 */
const DEPTH_MAX = 200;

/** `exitCode`: the instruction's offset, biased, in halfwords; above it the steps done since `remaining` was last brought up to date. */
const EXIT_OFFSET_BITS = 16;
const EXIT_OFFSET_BIAS = 0x8000;

/**
 * The function of a region: `(hart, remaining, depth) -> remaining`. It begins and ends with all state in the
 * hart's record, pc too, and returns the steps left, with `RESULT.mustInterpret` or without.
 */
export function emitRegion(
  region: Region,
  options: { variant: Variant; target: Target; imports: RegionImports; entryPc: bigint },
): RegionCode {
  return new RegionWriter(region, analyse(region), options).write();
}

/**
 * Structured control flow from the dominator tree (N. Ramsey, "Beyond Relooper", ICFP 2022): a block's code is
 * followed by the blocks it dominates; a block reached from several places ends a wasm block, a loop head begins a loop.
 */
class RegionWriter {
  readonly #region: Region;
  readonly #flow: Flow;
  readonly #variant: Variant;
  readonly #imports: RegionImports;
  readonly #entryPc: bigint;
  readonly #body = new FunctionBody(3);
  readonly #emitter: RegionEmitter;
  readonly #hart: Local;
  readonly #remaining: Local;
  readonly #depth: Local;
  readonly #pcBase: Local;
  readonly #dataTlb: Local;
  readonly #exitCode: Local;
  readonly #target: Local;
  readonly #registers = new Map<number, Local>();
  /** Where to branch for a block: the end of its wasm block, or its loop. */
  readonly #labels = new Map<number, Label>();

  constructor(
    region: Region,
    flow: Flow,
    options: { variant: Variant; target: Target; imports: RegionImports; entryPc: bigint },
  ) {
    this.#region = region;
    this.#flow = flow;
    this.#variant = options.variant;
    this.#imports = options.imports;
    this.#entryPc = options.entryPc;
    const body = this.#body;
    this.#hart = body.parameter(0);
    this.#remaining = body.parameter(1);
    this.#depth = body.parameter(2);
    this.#pcBase = body.local('i64');
    this.#dataTlb = body.local('i32');
    this.#exitCode = body.local('i32');
    this.#target = body.local('i64');
    const locals = {
      hart: this.#hart,
      dataTlb: this.#dataTlb,
      exitCode: this.#exitCode,
      target: this.#target,
      register: (kind: 'x' | 'f' | 'single', index: number): Local => this.#register(kind, index),
    };
    this.#emitter = new RegionEmitter(body, locals, {
      variant: options.variant,
      target: options.target,
      pcOf: (offset) => this.#pcOf(offset),
    });
  }

  write(): RegionCode {
    const body = this.#body;
    const entry = this.#flow.infos.get(0)!;
    this.#leaveUnlessSteps(entry.bound);
    if (this.#variant === VARIANT.paged) {
      // All entries are in one page.
      body.get(this.#hart);
      body.memory(OP.i64Load, HART.pc);
      body.i64(~0xfffn);
      body.op(NUMERIC.and.i64);
      body.set(this.#pcBase);
      body.get(this.#hart);
      body.memory(OP.i32Load, HART.dataTlb);
      body.set(this.#dataTlb);
    }
    this.#load(entry.liveIn);
    if (entry.block.ending.kind === 'dispatch') {
      body.get(this.#hart);
      body.memory(OP.i64Load, HART.pc);
      body.set(this.#target);
    }
    this.#tree(0, 0);
    body.op(OP.unreachable);
    return { body, bound: entry.bound };
  }

  /** A block and all it dominates. `pending`: steps done on the way here that `remaining` does not know of. */
  #tree(number: number, pending: number): void {
    const info = this.#flow.infos.get(number)!;
    const merges = info.children.filter((child) => this.#flow.infos.get(child)!.isMerge);
    if (info.isLoopHead) {
      assert(pending === 0, 'steps are brought up to date before a loop');
      this.#labels.set(number, this.#body.loop());
      this.#leaveUnlessStepsIn(info);
    }
    this.#within(info, merges, pending);
    if (info.isLoopHead) this.#body.end();
  }

  /** The block's code, inside one wasm block for each merge that follows it; the last in order ends first of all. */
  #within(info: BlockInfo, merges: readonly number[], pending: number): void {
    const last = merges.at(-1);
    if (last === undefined) {
      this.#block(info, pending);
      return;
    }
    this.#labels.set(last, this.#body.block());
    this.#within(info, merges.slice(0, -1), pending);
    this.#body.end();
    this.#tree(last, 0);
  }

  #block(info: BlockInfo, pending: number): void {
    const body = this.#body;
    const { block, dirtyAtExits } = info;
    const emitter = this.#emitter;
    emitter.beginBlock(info.singlesIn);
    body.releaseScratch();
    let done: Label | undefined;
    let exit: Label | null = null;
    if (dirtyAtExits !== null) {
      done = body.block();
      exit = body.block();
    }
    for (const [index, op] of block.ops.entries()) {
      const { semantics } = INSTRUCTIONS[op.index]!;
      emitter.instruction(op, exit, exitCode(op.offset, pending + index), semantics);
    }
    if (done !== undefined) {
      body.br(done);
      body.end();
      this.#emitExitStub(dirtyAtExits!);
      body.end();
    }
    this.#ending(info, pending + block.ops.length);
  }

  #ending(info: BlockInfo, pending: number): void {
    const { ending } = info.block;
    const body = this.#body;
    switch (ending.kind) {
      case 'goto':
        this.#follow(info, ending.next, pending);
        return;
      case 'branch': {
        const condition = this.#emitter.condition;
        assert(condition !== null, 'a branch has a condition');
        asExpression(condition).emit(body);
        body.if();
        this.#follow(info, ending.taken, pending);
        body.end();
        this.#follow(info, ending.next, pending);
        return;
      }
      case 'call':
        this.#call(info, ending, pending);
        return;
      case 'service':
        this.#service(info, ending, pending);
        return;
      case 'dispatch':
        assert(pending === 0, 'nothing was done on the way here');
        this.#dispatch(info, ending.targets);
        return;
      case 'jump': {
        this.#writeBack(info.dirtyOut);
        this.#storePc(asValue<I64>(new LocalValue('i64', this.#target)));
        // A return goes to the frame that called, which knows what follows; any other jump goes on from here.
        const op = info.block.ops.at(-1)!;
        if (!isReturn(op)) {
          this.#jumpOn(op.offset, pending);
          return;
        }
        this.#pushRemaining(pending);
        body.op(OP.return);
        return;
      }
    }
  }

  /** Leaves by a computed jump, and notes by which, so that its targets are learned. */
  #jumpOn(offset: number, pending: number): void {
    this.#body.get(this.#hart);
    this.#body.i32(this.#recordOf(offset));
    this.#body.memory(OP.i32Store, HART.jumpsFrom);
    this.#goOn(pending);
  }

  /** Goes on at the address in `target`, by a table; leaves the region where it has no block there. */
  #dispatch(info: BlockInfo, targets: readonly DispatchTarget[]): void {
    const body = this.#body;
    const low = Math.min(...targets.map(({ offset }) => offset));
    const high = Math.max(...targets.map(({ offset }) => offset));
    const distance = body.scratch('i64');
    const otherwise = body.block();
    // The last to be opened is the first to end.
    const labels = targets.map(() => body.block()).reverse();
    const inOrder = [...targets].reverse();
    body.get(this.#target);
    asExpression(this.#pcOf(low)).emit(body);
    body.op(NUMERIC.sub.i64);
    body.tee(distance);
    body.i64(BigInt(high - low));
    body.op(NUMERIC.gtU.i64);
    body.brIf(otherwise);
    body.get(distance);
    body.op(OP.i32WrapI64);
    body.i32(1);
    body.op(NUMERIC.shrU.i32);
    const table: Label[] = Array((high - low + 2) >> 1).fill(otherwise);
    for (const [index, { offset }] of inOrder.entries()) table[(offset - low) >> 1] = labels[index]!;
    body.brTable(table, otherwise);
    for (const { edge } of inOrder) {
      body.end();
      this.#follow(info, edge, 0);
    }
    body.end();
    this.#writeBack(info.dirtyOut);
    this.#storePc(asValue<I64>(new LocalValue('i64', this.#target)));
    this.#jumpOn(this.#computedJump().offset, 0);
  }

  /** One of the jumps that lead to the dispatching block: what one of them is found to reach, all may reach. */
  #computedJump(): Op {
    for (const { block } of this.#flow.infos.values()) {
      const op = block.ops.at(-1);
      if (op?.facts.flow === 'jump' && op.rd === 0 && !isReturn(op)) return op;
    }
    throw new Error('a region that dispatches has a computed jump');
  }

  /** Continues on an edge. Nothing may follow. */
  #follow(from: BlockInfo, edge: Edge, pending: number): void {
    const body = this.#body;
    const dirty = leavesAndReturns(from.block.ending) ? NO_REGISTERS : from.dirtyOut;
    if (edge.kind === 'exit') {
      this.#writeBack(dirty);
      this.#storePc(this.#pcOf(edge.offset));
      if (!edge.interpret) {
        this.#goOn(pending);
        return;
      }
      this.#pushRemaining(pending);
      this.#flagAndReturn();
      return;
    }
    const to = this.#flow.infos.get(edge.to)!;
    const isDispatch = to.block.ending.kind === 'dispatch';
    if (!isDispatch && this.#needsFetchCheck(from, to.block.start)) {
      this.#checkFetch(dirty, to, pending);
    }
    const isBack = to.order <= from.order;
    if (isBack || to.isMerge || to.isLoopHead) this.#subtract(pending);
    if (isBack || to.isMerge) {
      body.br(this.#labels.get(edge.to)!);
      return;
    }
    this.#tree(edge.to, to.isLoopHead ? 0 : pending);
  }

  /**
   * A guest call: a call of the callee's region. It comes back either with pc behind the call, or with the guest
   * elsewhere, or somewhere that only the interpreter can go on; then this frame ends too.
   */
  #call(info: BlockInfo, { target, back }: { target: number | null; back: Edge }, pending: number): void {
    const body = this.#body;
    this.#writeBack(info.dirtyOut);
    this.#storePc(target === null ? asValue<I64>(new LocalValue('i64', this.#target)) : this.#pcOf(target));
    this.#subtract(pending);
    if (back.kind === 'exit') {
      // What follows the call is no part of the region.
      this.#goOn(0);
      return;
    }
    body.get(this.#depth);
    body.i32(DEPTH_MAX);
    body.op(NUMERIC.geU.i32);
    this.#endFrameIf();
    this.#callRegion(info, target);
    this.#return(info, back);
  }

  /**
   * The hart executes the instruction, as after an exit to it; where nothing but registers changed the region goes on. An
   * instruction that ends what frames rely on (translations, the privilege level) says that they all end.
   */
  #service(info: BlockInfo, { op, back }: { op: Op; back: Edge }, pending: number): void {
    const body = this.#body;
    this.#writeBack(info.dirtyOut);
    this.#storePc(this.#pcOf(op.offset));
    body.get(this.#hart);
    body.i32(this.#recordOf(op.offset));
    body.memory(OP.i32Store, HART.ip);
    body.get(this.#hart);
    this.#pushRemaining(pending);
    body.memory(OP.i32Store, HART.remaining);
    body.get(this.#hart);
    body.i32(packService({ reason: op.facts.service!, length: op.length }));
    body.i32(op.raw);
    body.call(this.#imports.serve);
    body.set(this.#remaining);
    if (back.kind === 'exit') {
      body.get(this.#remaining);
      body.i32(0);
      body.op(NUMERIC.ltS.i32);
      this.#endFrameIf();
      // Behind the instruction, as after any exit of a region.
      this.#follow(info, back, 0);
      return;
    }
    this.#return(info, back);
  }

  /** Goes on where a call or the hart came back to, with `remaining` as they left it; or ends this frame too. */
  #return(info: BlockInfo, back: Edge & { kind: 'block' }): void {
    const body = this.#body;
    const { block, liveIn, bound } = this.#flow.infos.get(back.to)!;
    // Not to where the call should return.
    body.get(this.#hart);
    body.memory(OP.i64Load, HART.pc);
    asExpression(this.#pcOf(block.start)).emit(body);
    body.op(NUMERIC.ne.i64);
    this.#endFrameIf();
    // Signed: with the flag it is negative, and the frame ends as it must.
    body.get(this.#remaining);
    body.i32(bound);
    body.op(NUMERIC.ltS.i32);
    body.if();
    body.get(this.#remaining);
    this.#flagAndReturn();
    body.end();
    this.#load(liveIn);
    this.#follow(info, back, 0);
  }

  /** Calls the region at `target`, null when computed; pc stands in the hart's record already. */
  #callRegion(from: BlockInfo, target: number | null): void {
    const body = this.#body;
    const page = target === null ? undefined : this.#region.pages.get(pageOf(target));
    let cell: Local | undefined;
    if (target !== null && page !== undefined) {
      // Where the callee's page is known, so is its cell. Not translated yet: the interpreter counts the call.
      cell = body.scratch('i32');
      body.i32(0);
      body.memory(OP.i32Load16U, cellOf(recordOf(page, target), this.#variant));
      body.tee(cell);
      body.i32(CELL_SLOT);
      body.op(NUMERIC.ltU.i32);
      if (this.#needsFetchCheck(from, target)) {
        this.#pushFetchMiss(pageOf(target));
        body.op(NUMERIC.or.i32);
      }
      this.#endFrameIf();
    }
    body.get(this.#hart);
    body.get(this.#remaining);
    body.get(this.#depth);
    body.i32(1);
    body.op(NUMERIC.add.i32);
    if (cell === undefined) {
      body.call(this.#imports.goto);
    } else {
      body.get(cell);
      body.call(this.#imports.enter);
    }
    body.set(this.#remaining);
  }

  /** A jump from page to page goes by the fetch cache, where pages may be mapped elsewhere. */
  #needsFetchCheck(from: BlockInfo, target: number): boolean {
    if (this.#variant === VARIANT.bare) return false;
    if (from.block.ending.kind === 'dispatch') return this.#jumpsCrossPages || pageOf(target) !== 0;
    return pageOf(target) !== pageOf(lastOf(from.block).offset);
  }

  /** Computed jumps lead to the dispatching block from other pages than the one in which the region is entered. */
  get #jumpsCrossPages(): boolean {
    return this.#region.blocks.some(({ ops, ending }) => {
      const isJump = ending.kind === 'goto' && ops.at(-1)?.facts.flow === 'jump';
      return isJump && pageOf(ops.at(-1)!.offset) !== 0;
    });
  }

  /** Compares the fetch cache's entry for the page of `to`, as the interpreter does on the way from page to page. */
  #checkFetch(dirty: RegisterSet, to: BlockInfo, pending: number): void {
    const body = this.#body;
    this.#pushFetchMiss(pageOf(to.block.start));
    body.if();
    this.#writeBack(dirty);
    this.#storePc(this.#pcOf(to.block.start));
    this.#pushRemaining(pending);
    this.#flagAndReturn();
    body.end();
  }

  /** Leaves on the stack whether the fetch cache names another page of code, or none, for the page at `delta`. */
  #pushFetchMiss(delta: number): void {
    const body = this.#body;
    const page = this.#region.pages.get(delta);
    assert(page !== undefined, 'the region has the page');
    const entry = body.scratch('i32');
    const address = body.scratch('i64');
    body.get(this.#pcBase);
    body.i64(BigInt(delta * 4096));
    body.op(NUMERIC.add.i64);
    body.tee(address);
    body.i64(8n);
    body.op(NUMERIC.shrU.i64);
    body.op(OP.i32WrapI64);
    body.i32((TLB_ENTRIES - 1) * TLB_ENTRY_SIZE);
    body.op(NUMERIC.and.i32);
    body.get(this.#hart);
    body.memory(OP.i32Load, HART.fetchTlb);
    body.op(NUMERIC.add.i32);
    body.tee(entry);
    body.memory(OP.i64Load, 0);
    body.get(address);
    body.op(NUMERIC.ne.i64);
    body.get(entry);
    body.memory(OP.i32Load, 8);
    body.i32(page.codePage);
    body.op(NUMERIC.ne.i32);
    body.op(NUMERIC.or.i32);
  }

  #leaveUnlessStepsIn(info: BlockInfo): void {
    const body = this.#body;
    body.get(this.#remaining);
    body.i32(info.bound);
    body.op(NUMERIC.ltS.i32);
    body.if();
    this.#writeBack(info.dirtyIn);
    const isDispatch = info.block.ending.kind === 'dispatch';
    this.#storePc(isDispatch ? asValue(new LocalValue('i64', this.#target)) : this.#pcOf(info.block.start));
    body.get(this.#remaining);
    this.#flagAndReturn();
    body.end();
  }

  /** At the region's entry, before anything is loaded. */
  #leaveUnlessSteps(bound: number): void {
    const body = this.#body;
    body.get(this.#remaining);
    body.i32(bound);
    body.op(NUMERIC.ltS.i32);
    body.if();
    body.get(this.#remaining);
    this.#flagAndReturn();
    body.end();
  }

  /** What follows a branch to a block's exit: the instruction that `exitCode` names is left to the interpreter. */
  #emitExitStub(dirty: RegisterSet): void {
    const body = this.#body;
    this.#writeBack(dirty);
    body.get(this.#hart);
    body.get(this.#exitCode);
    body.i32((1 << EXIT_OFFSET_BITS) - 1);
    body.op(NUMERIC.and.i32);
    body.i32(EXIT_OFFSET_BIAS);
    body.op(NUMERIC.sub.i32);
    body.i32(1);
    body.op(NUMERIC.shl.i32);
    body.op(OP.i64ExtendI32S);
    asExpression(this.#pcOf(0)).emit(body);
    body.op(NUMERIC.add.i64);
    body.memory(OP.i64Store, HART.pc);
    body.get(this.#remaining);
    body.get(this.#exitCode);
    body.i32(EXIT_OFFSET_BITS);
    body.op(NUMERIC.shrU.i32);
    body.op(NUMERIC.sub.i32);
    this.#flagAndReturn();
  }

  /** Ends this frame when the condition on the stack holds; all state stands in the hart's record. */
  #endFrameIf(): void {
    this.#body.if();
    this.#body.get(this.#remaining);
    this.#body.op(OP.return);
    this.#body.end();
  }

  /** Takes the steps left from the stack. */
  #flagAndReturn(): void {
    this.#body.i32(RESULT.mustInterpret | 0);
    this.#body.op(NUMERIC.or.i32);
    this.#body.op(OP.return);
  }

  /** Continues at the pc in the hart's record, in another region if there is one. */
  #goOn(pending: number): void {
    this.#body.get(this.#hart);
    this.#pushRemaining(pending);
    this.#body.get(this.#depth);
    this.#body.returnCall(this.#imports.goto);
  }

  #pushRemaining(pending: number): void {
    const body = this.#body;
    body.get(this.#remaining);
    if (pending === 0) return;
    body.i32(pending);
    body.op(NUMERIC.sub.i32);
  }

  #subtract(pending: number): void {
    if (pending === 0) return;
    this.#pushRemaining(pending);
    this.#body.set(this.#remaining);
  }

  #storePc(pc: I64): void {
    this.#body.get(this.#hart);
    asExpression(pc).emit(this.#body);
    this.#body.memory(OP.i64Store, HART.pc);
  }

  #writeBack(set: RegisterSet): void {
    forEachRegister(set, (kind, index) => {
      this.#body.get(this.#hart);
      this.#body.get(this.#register(kind, index));
      this.#body.memory(kind === 'x' ? OP.i64Store : OP.f64Store, HART[kind] + index * 8);
    });
  }

  #load(set: RegisterSet): void {
    forEachRegister(set, (kind, index) => {
      this.#body.get(this.#hart);
      this.#body.memory(kind === 'x' ? OP.i64Load : OP.f64Load, HART[kind] + index * 8);
      this.#body.set(this.#register(kind, index));
    });
  }

  /** The decoded record of an instruction of the region. */
  #recordOf(offset: number): number {
    const page = this.#region.pages.get(pageOf(offset));
    assert(page !== undefined, 'the region has the page');
    return recordOf(page, offset);
  }

  #register(kind: keyof typeof REGISTER_TYPE, index: number): Local {
    const key = Object.keys(REGISTER_TYPE).indexOf(kind) * 32 + index;
    let local = this.#registers.get(key);
    if (local === undefined) {
      local = this.#body.local(REGISTER_TYPE[kind]);
      this.#registers.set(key, local);
    }
    return local;
  }

  /** Guest-virtual address of an offset: a constant where code cannot be mapped elsewhere. */
  #pcOf(offset: number): I64 {
    if (this.#variant === VARIANT.bare) {
      const pc = this.#entryPc + BigInt(offset - this.#region.entry);
      return asValue(new Constant('i64', BigInt.asIntN(64, pc)));
    }
    const base = new LocalValue('i64', this.#pcBase);
    if (offset === 0) return asValue(base);
    return asValue(new Binary('i64', NUMERIC.add.i64, base, new Constant('i64', BigInt(offset))));
  }
}

/** What `exitCode` holds when the instruction at `offset` is left to the interpreter after `steps` others. */
function exitCode(offset: number, steps: number): number {
  const halfword = offset / 2 + EXIT_OFFSET_BIAS;
  assert(halfword >= 0 && halfword < 1 << EXIT_OFFSET_BITS, 'an offset near the region');
  assert(steps < 1 << 15, 'a bounded way through the region');
  return (steps << EXIT_OFFSET_BITS) | halfword;
}

/** The block's last instruction; a block may have none but the one that the hart executes. */
const lastOf = (block: Block): Op => instructionsOf(block).at(-1)!;
