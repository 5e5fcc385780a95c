import type { GuestMemory } from '../contracts/memory.ts';
import {
  CELL_SLOT,
  HART,
  LAST_TARGET,
  RECORD_SIZE,
  SLOTS_MAX,
  TLB_ENTRIES,
  TLB_ENTRY_SIZE,
} from '../hart/layout.ts';
import { RESULT } from '../hart/translation.ts';
import { FunctionBody, type Local } from '../wasm/function-body.ts';
import { ModuleBuilder, type Signature } from '../wasm/module-builder.ts';
import { NUMERIC, OP } from '../wasm/opcodes.ts';

/** A region: `(hart, remaining, depth) -> remaining`; see `emitRegion`. */
export const REGION_SIGNATURE: Signature = { parameters: ['i32', 'i32', 'i32'], results: ['i32'] };

export const SERVE_SIGNATURE: Signature = { parameters: ['i32', 'i32', 'i32'], results: ['i32'] };
export const ENTER_SIGNATURE: Signature = { parameters: ['i32', 'i32', 'i32', 'i32'], results: ['i32'] };

/**
 * The one module that owns the table of regions. Modules of regions import `goto` and not the table: an
 * instance that imports a large table costs milliseconds on Node 20.
 */
export interface Dispatch {
  /** Region functions by slot. */
  readonly table: WebAssembly.Table;
  /** Imported by regions: continues at the hart's pc if a region is there, else returns `remaining`. */
  readonly goto: WebAssembly.ExportValue;
  /** Imported by regions: `(hart, remaining, depth, cell) -> remaining`: continues in the region that the cell names. */
  readonly enter: WebAssembly.ExportValue;
  /** See `Translator.run`. */
  run(hart: number, remaining: number, slot: number): number;
}

export function createDispatch(memory: GuestMemory): Dispatch {
  compiled ??= new WebAssembly.Module(dispatchModule());
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory: memory.memory } });
  return {
    table: exports['table'] as WebAssembly.Table,
    goto: exports['goto']!,
    enter: exports['enter']!,
    run: exports['run'] as Dispatch['run'],
  };
}

let compiled: WebAssembly.Module | undefined;

function dispatchModule(): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.exportTable('table', SLOTS_MAX);
  const regionType = module.type(REGION_SIGNATURE);
  module.export('goto', module.function(REGION_SIGNATURE, gotoBody(regionType)));
  module.export('enter', module.function(ENTER_SIGNATURE, enterBody(regionType)));
  module.export('run', module.function(REGION_SIGNATURE, runBody(regionType)));
  return module.encode();
}

function gotoBody(regionType: number): FunctionBody {
  const body = new FunctionBody(3);
  const hart = body.parameter(0);
  body.get(hart);
  body.get(hart);
  body.memory(OP.i32Load, HART.jumpsFrom);
  body.memory(OP.i32Store, HART.lastJump);
  body.get(hart);
  body.i32(0);
  body.memory(OP.i32Store, HART.jumpsFrom);
  const { slot, record, pc } = emitLookup(body, hart);
  body.get(hart);
  body.i32(0);
  body.memory(OP.i32Store, LAST_TARGET.record);
  body.get(slot);
  body.if();
  body.get(hart);
  body.get(record);
  body.memory(OP.i32Store, LAST_TARGET.record);
  body.get(hart);
  body.get(pc);
  body.memory(OP.i64Store, LAST_TARGET.pc);
  body.get(body.parameter(0));
  body.get(body.parameter(1));
  body.get(body.parameter(2));
  body.get(slot);
  body.returnCallIndirect(regionType);
  body.end();
  body.get(body.parameter(1));
  return body;
}

function enterBody(regionType: number): FunctionBody {
  const body = new FunctionBody(4);
  for (const parameter of [0, 1, 2, 3]) body.get(body.parameter(parameter));
  body.i32(CELL_SLOT);
  body.op(NUMERIC.xor.i32);
  body.returnCallIndirect(regionType);
  return body;
}

/** Runs regions one after another until the interpreter is needed. */
function runBody(regionType: number): FunctionBody {
  const body = new FunctionBody(3);
  const hart = body.parameter(0);
  const remaining = body.parameter(1);
  const first = body.parameter(2);
  const slot = body.local('i32');
  body.get(first);
  body.set(slot);
  const again = body.loop();
  body.get(hart);
  body.get(remaining);
  body.i32(0);
  body.get(slot);
  body.callIndirect(regionType);
  body.tee(remaining);
  body.i32(RESULT.mustInterpret | 0);
  body.op(NUMERIC.and.i32);
  body.i32(RESULT.mustInterpret | 0);
  body.op(NUMERIC.eq.i32);
  body.if();
  body.get(remaining);
  body.op(OP.return);
  body.end();
  // All frames are gone: what they had to end for is no matter here.
  body.get(remaining);
  body.i32(RESULT.steps);
  body.op(NUMERIC.and.i32);
  body.set(remaining);
  const found = emitLookup(body, hart);
  body.get(found.slot);
  body.tee(slot);
  body.brIf(again);
  body.end();
  body.get(remaining);
  return body;
}

/** What is found at the hart's pc. */
interface Found {
  /** The region's slot, 0 when there is none. */
  readonly slot: Local;
  /** Its decoded record; old, or 0, when there is none. */
  readonly record: Local;
  readonly pc: Local;
}

/** Finds the region at the hart's pc as the interpreter would: by fetch cache and cell. */
function emitLookup(body: FunctionBody, hart: Local): Found {
  const pc = body.local('i64');
  const entry = body.local('i32');
  const record = body.local('i32');
  const slot = body.local('i32');
  const done = body.block();
  body.i32(0);
  body.set(slot);
  body.get(hart);
  body.memory(OP.i64Load, HART.pc);
  body.tee(pc);
  body.i64(8n);
  body.op(NUMERIC.shrU.i64);
  body.op(OP.i32WrapI64);
  body.i32((TLB_ENTRIES - 1) * TLB_ENTRY_SIZE);
  body.op(NUMERIC.and.i32);
  body.get(hart);
  body.memory(OP.i32Load, HART.fetchTlb);
  body.op(NUMERIC.add.i32);
  body.tee(entry);
  body.memory(OP.i64Load, 0);
  body.get(pc);
  body.i64(~0xfffn);
  body.op(NUMERIC.and.i64);
  body.op(NUMERIC.ne.i64);
  body.brIf(done);
  // Record: a halfword of code has one of 16 bytes. Cell: 2 bytes for each record.
  body.get(entry);
  body.memory(OP.i32Load, 8);
  body.get(pc);
  body.op(OP.i32WrapI64);
  body.i32(0xffe);
  body.op(NUMERIC.and.i32);
  body.i32(Math.log2(RECORD_SIZE / 2));
  body.op(NUMERIC.shl.i32);
  body.op(NUMERIC.add.i32);
  body.tee(record);
  body.i32(3);
  body.op(NUMERIC.shrU.i32);
  body.get(hart);
  body.memory(OP.i32Load, HART.cells);
  body.op(NUMERIC.add.i32);
  body.memory(OP.i32Load16U, 0);
  body.tee(slot);
  body.i32(CELL_SLOT);
  body.op(NUMERIC.ltU.i32);
  body.if();
  body.i32(CELL_SLOT);
  body.set(slot);
  body.end();
  body.get(slot);
  body.i32(CELL_SLOT);
  body.op(NUMERIC.xor.i32);
  body.set(slot);
  body.end();
  return { slot, record, pc };
}
