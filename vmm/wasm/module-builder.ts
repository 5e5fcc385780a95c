import { assert } from '../base/assert.ts';
import type { ValueType } from '../isa/emitter.ts';
import { ByteWriter } from './byte-writer.ts';
import type { FunctionBody } from './function-body.ts';
import { TYPE_CODE, TYPE_FUNC } from './opcodes.ts';

export interface Signature {
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
}

const SECTION = {
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  export: 7,
  element: 9,
  code: 10,
} as const;
const FUNCREF = 0x70;
/** Limits with a maximum, of a shared memory (WebAssembly threads, "Limits"). */
const LIMITS_SHARED = 0x03;
const MEMORY_PAGES_MAX = 0x1_0000;

/**
 * Builds one module that imports a shared memory and functions (WebAssembly core, "Modules", binary format).
 * Imports come before own functions, as their indices do.
 */
export class ModuleBuilder {
  readonly #types: Signature[] = [];
  readonly #typeIndex = new Map<string, number>();
  readonly #imports: { module: string; name: string; type: number }[] = [];
  readonly #functions: { type: number; body: FunctionBody }[] = [];
  readonly #exports: { name: string; index: number }[] = [];
  readonly #elements: number[] = [];
  #table: { readonly name: string; readonly size: number } | null = null;

  type(signature: Signature): number {
    const key = `${signature.parameters.join()}:${signature.results.join()}`;
    let index = this.#typeIndex.get(key);
    if (index === undefined) {
      index = this.#types.push(signature) - 1;
      this.#typeIndex.set(key, index);
    }
    return index;
  }

  /** Index of the imported function "env" `name`. */
  importFunction(name: string, signature: Signature): number {
    assert(this.#functions.length === 0, 'imports come before functions');
    return this.#imports.push({ module: 'env', name, type: this.type(signature) }) - 1;
  }

  /** Index of a new function. */
  function(signature: Signature, body: FunctionBody): number {
    return this.#imports.length + this.#functions.push({ type: this.type(signature), body }) - 1;
  }

  export(name: string, functionIndex: number): void {
    this.#exports.push({ name, index: functionIndex });
  }

  /** Slot of a function in the module's table, for `call_indirect`. */
  tableSlot(functionIndex: number): number {
    return this.#elements.push(functionIndex) - 1;
  }

  /** Gives the module a table of its own, exported, empty, of `size` functions. */
  exportTable(name: string, size: number): void {
    assert(this.#elements.length === 0, 'one table a module');
    this.#table = { name, size };
  }

  encode(): Uint8Array<ArrayBuffer> {
    const out = new ByteWriter();
    out.bytes([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]);
    const section = (id: number, count: number, write: (to: ByteWriter) => void): void => {
      const content = new ByteWriter();
      content.u32(count);
      write(content);
      out.u8(id);
      out.u32(content.length);
      out.bytes(content.view());
    };
    section(SECTION.type, this.#types.length, (to) => this.#writeTypes(to));
    section(SECTION.import, this.#imports.length + 1, (to) => this.#writeImports(to));
    section(SECTION.function, this.#functions.length, (to) => {
      for (const { type } of this.#functions) to.u32(type);
    });
    const tableSize = this.#table?.size ?? this.#elements.length;
    if (tableSize > 0) {
      section(SECTION.table, 1, (to) => {
        to.bytes([FUNCREF, 0x01]);
        to.u32(tableSize);
        to.u32(tableSize);
      });
    }
    section(SECTION.export, this.#exports.length + (this.#table === null ? 0 : 1), (to) => {
      if (this.#table !== null) {
        to.name(this.#table.name);
        to.u8(0x01);
        to.u32(0);
      }
      for (const { name, index } of this.#exports) {
        to.name(name);
        to.u8(0x00);
        to.u32(index);
      }
    });
    if (this.#elements.length > 0) {
      section(SECTION.element, 1, (to) => {
        to.bytes([0x00, 0x41, 0x00, 0x0b]); // active, table 0, offset i32.const 0
        to.u32(this.#elements.length);
        for (const index of this.#elements) to.u32(index);
      });
    }
    section(SECTION.code, this.#functions.length, (to) => {
      for (const { body } of this.#functions) to.bytes(body.encode());
    });
    return out.view();
  }

  #writeTypes(to: ByteWriter): void {
    for (const { parameters, results } of this.#types) {
      to.u8(TYPE_FUNC);
      to.u32(parameters.length);
      for (const type of parameters) to.u8(TYPE_CODE[type]);
      to.u32(results.length);
      for (const type of results) to.u8(TYPE_CODE[type]);
    }
  }

  #writeImports(to: ByteWriter): void {
    for (const { module, name, type } of this.#imports) {
      to.name(module);
      to.name(name);
      to.u8(0x00);
      to.u32(type);
    }
    to.name('env');
    to.name('memory');
    to.bytes([0x02, LIMITS_SHARED]);
    // Any size up to what 32-bit offsets reach, so that one compiled module serves memories of all sizes.
    to.u32(0);
    to.u32(MEMORY_PAGES_MAX);
  }
}
