import type { GuestMemory } from '../contracts/memory.ts';
import type { Emitter } from '../isa/emitter.ts';
import { FunctionBody } from '../wasm/function-body.ts';
import { ModuleBuilder, type Signature } from '../wasm/module-builder.ts';
import { buildLoop, type Handler, probe, SPECIAL_COUNT } from './interpreter-loop.ts';
import { OutlineEmitter, type OutlineImports } from './outline-emitter.ts';

/** What the interpreter needs to know of an instruction. */
export interface Semantics {
  readonly name: string;
  readonly semantics: (emitter: Emitter) => void;
  /** Has a 16-bit form, whose next instruction is 2 bytes on. */
  readonly compressible: boolean;
}

/** The `br_table` index of each form of an instruction, and what decoding must know of it. */
export interface HandlerForms {
  /** By length: 32-bit and 16-bit encodings; `near` has targets within the page. */
  readonly far: { readonly 4: number; readonly 2: number };
  readonly near: { readonly 4: number; readonly 2: number } | null;
  readonly writesX: boolean;
}

export interface OpInfo {
  readonly length: 2 | 4;
  /** Slot of the out-of-line form, -1 for none. */
  readonly outline: number;
}

/** Imports of the out-of-line handlers. `hart` is the host offset of its record; results are a `STATUS`. */
export interface SlowPorts {
  load(hart: number, width: number): number;
  store(hart: number, bytes: number): number;
  loadReserved(hart: number, bytes: number): number;
  storeConditional(hart: number, bytes: number): number;
  amoLoad(hart: number, bytes: number): number;
  amoStore(hart: number, bytes: number): number;
  /** Result in the hart's record; `operation` is an index into `SOFT_OPERATIONS` times 2, plus 1 for f64. */
  soft(hart: number, operation: number, roundingMode: number): void;
}

export interface Interpreter {
  readonly forms: readonly HandlerForms[];
  /** Indexed by `br_table` index. */
  readonly ops: readonly OpInfo[];
  /** Runs from the record at `ip`, which stands for the hart's pc, until an `EXIT`. */
  run(hart: number, ip: number): number;
  /** Executes the instruction of the record at `ip` out of line; returns a `STATUS`. */
  outline(slot: number, hart: number, ip: number): number;
}

/** The interpreter of a set of instructions as bytes. All but `code` is plain data that JSON keeps. */
export interface GeneratedInterpreter {
  /** A WebAssembly module. */
  readonly code: Uint8Array;
  /** Index is the instruction's index in the list it was generated from. */
  readonly forms: readonly HandlerForms[];
  readonly ops: readonly OpInfo[];
}

/** The interpreter of a set of instructions, compiled once for any number of machines. */
export interface InterpreterProgram extends Omit<GeneratedInterpreter, 'code'> {
  readonly module: WebAssembly.Module;
}

/** Gives a program the machine's memory and its slow paths. */
export function instantiateInterpreter(
  program: InterpreterProgram,
  memory: GuestMemory,
  ports: SlowPorts,
): Interpreter {
  const env: WebAssembly.ModuleImports = { memory: memory.memory, ...ports };
  const { exports } = new WebAssembly.Instance(program.module, { env });
  return {
    forms: program.forms,
    ops: program.ops,
    run: exports['run'] as Interpreter['run'],
    outline: exports['outline'] as Interpreter['outline'],
  };
}

/** Generates the interpreter of `instructions`. The same instructions give the same bytes. */
export function generateInterpreter(instructions: readonly Semantics[]): GeneratedInterpreter {
  const module = new ModuleBuilder();
  const imports = importSlowPorts(module);
  const handlers = planHandlers(instructions);
  const run = buildLoop(handlers);
  module.export('run', module.function(binary('i32'), run));

  const outlines = new Map<number, number>();
  const forms = planForms(instructions, handlers);
  for (const handler of handlers) {
    if (!handler.goesSlow || outlines.has(handler.instruction)) continue;
    const body = new FunctionBody(2);
    const emitter = new OutlineEmitter(body, body.parameter(0), body.parameter(1), imports);
    instructions[handler.instruction]!.semantics(emitter);
    emitter.finish();
    outlines.set(handler.instruction, module.tableSlot(module.function(binary('i32'), body)));
  }
  module.export('outline', module.function(OUTLINE_SIGNATURE, buildOutlineCall(module)));

  const special: OpInfo[] = Array.from({ length: SPECIAL_COUNT }, () => ({ length: 4, outline: -1 }));
  const ops = handlers.map(
    ({ instruction, length, goesSlow }): OpInfo => ({
      length,
      outline: goesSlow ? outlines.get(instruction)! : -1,
    }),
  );
  return { code: module.encode(), forms, ops: [...special, ...ops] };
}

const binary = (result: 'i32'): Signature => ({ parameters: ['i32', 'i32'], results: [result] });
const OUTLINE_SIGNATURE: Signature = { parameters: ['i32', 'i32', 'i32'], results: ['i32'] };

/** One handler for each form of each instruction, in `br_table` order behind the special records. */
function planHandlers(instructions: readonly Semantics[]): Handler[] {
  const handlers: Handler[] = [];
  for (const [instruction, { semantics, compressible }] of instructions.entries()) {
    const { branches, goesSlow, writesX } = probe(semantics);
    for (const length of compressible ? ([4, 2] as const) : ([4] as const)) {
      for (const near of branches ? [false, true] : [false]) {
        handlers.push({ instruction, semantics, length, near, goesSlow, writesX });
      }
    }
  }
  return handlers;
}

function planForms(instructions: readonly Semantics[], handlers: readonly Handler[]): HandlerForms[] {
  return instructions.map((_, index) => {
    const find = (length: 2 | 4, near: boolean): number => {
      const position = handlers.findIndex(
        (handler) => handler.instruction === index && handler.length === length && handler.near === near,
      );
      return position < 0 ? -1 : position + SPECIAL_COUNT;
    };
    const near4 = find(4, true);
    return {
      far: { 4: find(4, false), 2: find(2, false) },
      near: near4 < 0 ? null : { 4: near4, 2: find(2, true) },
      writesX: handlers.some((handler) => handler.instruction === index && handler.writesX),
    };
  });
}

function importSlowPorts(module: ModuleBuilder): OutlineImports {
  const access = (name: string): number => module.importFunction(name, binary('i32'));
  return {
    load: access('load'),
    store: access('store'),
    loadReserved: access('loadReserved'),
    storeConditional: access('storeConditional'),
    amoLoad: access('amoLoad'),
    amoStore: access('amoStore'),
    soft: module.importFunction('soft', { parameters: ['i32', 'i32', 'i32'], results: [] }),
  };
}

function buildOutlineCall(module: ModuleBuilder): FunctionBody {
  const body = new FunctionBody(3);
  body.get(body.parameter(1));
  body.get(body.parameter(2));
  body.get(body.parameter(0));
  body.callIndirect(module.type(binary('i32')));
  return body;
}
