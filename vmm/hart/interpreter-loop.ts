import type { Emitter } from '../isa/emitter.ts';
import { FunctionBody, type Label } from '../wasm/function-body.ts';
import { NUMERIC, OP } from '../wasm/opcodes.ts';
import { EXIT } from './abi.ts';
import { BOUNDS_OFFSET, CELL_HOT, CELL_SLOT, HART, RECORD, TLB_ENTRIES, TLB_ENTRY_SIZE } from './layout.ts';
import { LoopEmitter, type LoopLabels, type LoopLocals } from './loop-emitter.ts';

/** Records that stand for no instruction. */
export const SPECIAL = {
  /** Decode the halfword here first. Zero, so that fresh pages are all of it. */
  decode: 0,
  /** Continue at the address this record stands for: behind a page's last halfword, and to enter a page. */
  goto: 1,
  /** A 32-bit instruction whose second half is in the next page. */
  straddle: 2,
  breakpoint: 3,
  illegal: 4,
  /** As `goto`, but as a jump: it counts, and translated code is entered. */
  jump: 5,
} as const;
export const SPECIAL_COUNT = 6;

/** What special records do, in the order of their numbers: leave with an exit, or go on. */
const SPECIAL_ACTIONS = [
  EXIT.decode,
  'goto',
  EXIT.straddle,
  EXIT.breakpoint,
  EXIT.illegal,
  'jump',
] as const satisfies readonly (number | 'goto' | 'jump')[];

/** One form of an instruction's handler. */
export interface Handler {
  readonly instruction: number;
  readonly semantics: (emitter: Emitter) => void;
  readonly length: 2 | 4;
  readonly near: boolean;
  readonly goesSlow: boolean;
  readonly writesX: boolean;
}

/** Learns what an instruction's handler does, by emitting it into nowhere. */
export function probe(semantics: (emitter: Emitter) => void): {
  readonly branches: boolean;
  readonly goesSlow: boolean;
  readonly writesX: boolean;
} {
  const body = new FunctionBody(2);
  const label = body.block();
  const labels = {
    next: label,
    jumped: label,
    goto: label,
    trap: label,
    illegal: label,
    slow: label,
    leave: label,
  };
  const emitter = new ProbeEmitter(body, loopLocals(body), labels, { length: 4, near: false });
  semantics(emitter);
  return emitter;
}

/** Sees what is done out of line too. */
class ProbeEmitter extends LoopEmitter {
  override rarely(then: () => void): void {
    this.if(this.raw(), () => super.rarely(then), then);
  }
}

/** Exits before an instruction that the dispatch has counted; at others it counts, or none was begun. */
const GIVES_STEP_BACK: ReadonlySet<number> = new Set([
  EXIT.illegal,
  EXIT.slow,
  EXIT.decode,
  EXIT.leave,
  EXIT.straddle,
  EXIT.breakpoint,
]);

/**
 * The loop: `run(hart, ip)`. Nothing is called within it; whatever the fast way cannot do leaves it with an
 * `EXIT`, by one of the blocks around it, and the state is written back in one place.
 */
export function buildLoop(handlers: readonly Handler[]): FunctionBody {
  const body = new FunctionBody(2);
  const locals = loopLocals(body);
  const remaining = body.local('i32');
  const exit = body.local('i32');
  emitEntry(body, locals, remaining);

  const writeBack = body.block();
  const exitLabels = openBlocks(body, Object.values(EXIT).length);
  const next = body.loop();
  const jumped = body.block();
  const goto = body.block();
  const plainGoto = body.block();
  const specials = openBlocks(body, SPECIAL_COUNT);
  const blocks = openBlocks(body, handlers.length);
  emitDispatch(body, locals, remaining, [...specials, ...blocks], exitLabels);

  const labels: LoopLabels = {
    next,
    jumped,
    goto,
    trap: exitLabels[EXIT.trap]!,
    illegal: exitLabels[EXIT.illegal]!,
    slow: exitLabels[EXIT.slow]!,
    leave: exitLabels[EXIT.leave]!,
  };
  for (const { semantics, length, near } of handlers) {
    body.end();
    body.releaseScratch();
    const emitter = new LoopEmitter(body, locals, labels, { length, near });
    semantics(emitter);
    emitter.finish();
  }
  for (const action of SPECIAL_ACTIONS) {
    body.end();
    if (typeof action === 'number') {
      body.br(exitLabels[action]!);
      continue;
    }
    // Going on is no step of its own.
    addTo(body, remaining, 1);
    body.get(locals.pcDelta);
    emitIpAsCode(body, locals);
    body.op(NUMERIC.add.i64);
    body.set(locals.target);
    body.br(action === 'goto' ? plainGoto : goto);
  }
  body.end(); // plainGoto
  emitFetch(body, locals, exitLabels[EXIT.fetch]!);
  body.br(next);
  body.end(); // goto
  emitFetch(body, locals, exitLabels[EXIT.fetch]!);
  body.end(); // jumped
  emitCount(body, locals, {
    remaining,
    next,
    translated: exitLabels[EXIT.translated]!,
    hot: exitLabels[EXIT.hot]!,
  });
  body.br(next);
  body.end(); // loop

  for (const code of Object.values(EXIT)) {
    body.end();
    if (!GIVES_STEP_BACK.has(code)) addTo(body, remaining, -1);
    if (code === EXIT.fetch) emitPcDelta(body, locals, () => body.get(locals.target));
    body.i32(code);
    body.set(exit);
    body.br(writeBack);
  }
  body.end(); // writeBack
  emitWriteBack(body, locals, remaining);
  body.get(exit);
  return body;
}

function loopLocals(body: FunctionBody): LoopLocals {
  return {
    hart: body.parameter(0),
    ip: body.parameter(1),
    pcDelta: body.local('i64'),
    dataTlb: body.local('i32'),
    cells: body.local('i32'),
    target: body.local('i64'),
  };
}

/** Opens `count` blocks; the block of the first label ends first. */
function openBlocks(body: FunctionBody, count: number): Label[] {
  return Array.from({ length: count }, () => body.block()).reverse();
}

function emitEntry(body: FunctionBody, locals: LoopLocals, remaining: LoopLocals['ip']): void {
  body.get(locals.hart);
  body.memory(OP.i32Load, HART.remaining);
  body.set(remaining);
  body.get(locals.hart);
  body.memory(OP.i32Load, HART.dataTlb);
  body.set(locals.dataTlb);
  body.get(locals.hart);
  body.memory(OP.i32Load, HART.cells);
  body.set(locals.cells);
  emitPcDelta(body, locals, () => {
    body.get(locals.hart);
    body.memory(OP.i64Load, HART.pc);
  });
}

function emitDispatch(
  body: FunctionBody,
  locals: LoopLocals,
  remaining: LoopLocals['ip'],
  table: readonly Label[],
  exits: readonly Label[],
): void {
  body.get(remaining);
  body.op(OP.i32Eqz);
  body.brIf(exits[EXIT.budget]!);
  addTo(body, remaining, -1);
  body.get(locals.ip);
  body.memory(OP.i32Load16U, RECORD.op);
  body.brTable(table, exits[EXIT.decode]!);
}

/** Moves `ip` to the record of `target`, by the fetch cache. */
function emitFetch(body: FunctionBody, locals: LoopLocals, miss: Label): void {
  const entry = body.scratch('i32');
  body.get(locals.hart);
  body.memory(OP.i32Load, HART.fetchTlb);
  body.get(locals.target);
  body.i64(8n);
  body.op(NUMERIC.shrU.i64);
  body.op(OP.i32WrapI64);
  body.i32((TLB_ENTRIES - 1) * TLB_ENTRY_SIZE);
  body.op(NUMERIC.and.i32);
  body.op(NUMERIC.add.i32);
  body.tee(entry);
  body.memory(OP.i64Load, 0);
  body.get(locals.target);
  body.i64(~0xfffn);
  body.op(NUMERIC.and.i64);
  body.op(NUMERIC.ne.i64);
  body.brIf(miss);
  body.get(entry);
  body.memory(OP.i32Load, 8);
  body.get(locals.target);
  body.op(OP.i32WrapI64);
  body.i32(0xffe);
  body.op(NUMERIC.and.i32);
  body.i32(3);
  body.op(NUMERIC.shl.i32);
  body.op(NUMERIC.add.i32);
  body.set(locals.ip);
  emitPcDelta(body, locals, () => body.get(locals.target));
}

/** Counts a jump to `ip`. Leaves when that was one too many, or when there is translated code and steps enough for it. */
function emitCount(
  body: FunctionBody,
  locals: LoopLocals,
  to: { remaining: LoopLocals['ip']; next: Label; translated: Label; hot: Label },
): void {
  const cell = body.scratch('i32');
  const count = body.scratch('i32');
  body.get(locals.ip);
  body.i32(3);
  body.op(NUMERIC.shrU.i32);
  body.get(locals.cells);
  body.op(NUMERIC.add.i32);
  body.tee(cell);
  body.memory(OP.i32Load16U, 0);
  body.tee(count);
  body.i32(CELL_SLOT);
  body.op(NUMERIC.and.i32);
  body.if();
  body.get(count);
  body.i32(CELL_SLOT);
  body.op(NUMERIC.xor.i32);
  body.i32(1);
  body.op(NUMERIC.shl.i32);
  body.memory(OP.i32Load16U, BOUNDS_OFFSET);
  body.get(to.remaining);
  body.op(NUMERIC.leU.i32);
  body.brIf(to.translated);
  body.br(to.next);
  body.end();
  body.get(cell);
  addTo(body, count, 1);
  body.get(count);
  body.memory(OP.i32Store16, 0);
  body.get(count);
  body.i32(CELL_HOT);
  body.op(NUMERIC.eq.i32);
  body.brIf(to.hot);
}

/** Sets pcDelta so that the record at `ip` stands for the address that `pushPc` leaves on the stack. */
function emitPcDelta(body: FunctionBody, locals: LoopLocals, pushPc: () => void): void {
  pushPc();
  emitIpAsCode(body, locals);
  body.op(NUMERIC.sub.i64);
  body.set(locals.pcDelta);
}

/** ip / 8: distances between records as distances between instructions. */
function emitIpAsCode(body: FunctionBody, locals: LoopLocals): void {
  body.get(locals.ip);
  body.i32(3);
  body.op(NUMERIC.shrU.i32);
  body.op(OP.i64ExtendI32U);
}

/** Leaves pc, ip and the steps left in the hart's record; the step that the dispatch took off is given back. */
function emitWriteBack(body: FunctionBody, locals: LoopLocals, remaining: LoopLocals['ip']): void {
  body.get(locals.hart);
  body.get(locals.pcDelta);
  emitIpAsCode(body, locals);
  body.op(NUMERIC.add.i64);
  body.memory(OP.i64Store, HART.pc);
  body.get(locals.hart);
  body.get(locals.ip);
  body.memory(OP.i32Store, HART.ip);
  body.get(locals.hart);
  body.get(remaining);
  body.i32(1);
  body.op(NUMERIC.add.i32);
  body.memory(OP.i32Store, HART.remaining);
}

function addTo(body: FunctionBody, local: LoopLocals['ip'], value: number): void {
  body.get(local);
  body.i32(value);
  body.op(NUMERIC.add.i32);
  body.set(local);
}
