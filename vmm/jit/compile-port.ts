import { assert } from '../base/assert.ts';
import type { ModuleCompiler } from '../contracts/compiler.ts';
import type { Translation } from './code-cache.ts';

/** A module to compile; its functions are exported as "0", "1", … in the order of `translations`. */
export interface CompileJob {
  readonly translations: readonly Translation[];
  readonly code: Uint8Array<ArrayBuffer>;
}

export interface Batch {
  readonly translations: readonly Translation[];
  /** The module, or why the engine would not compile it. */
  readonly result: WebAssembly.Module | Error;
}

/** Compiles modules, here and now or elsewhere in the meantime. */
export interface CompilePort {
  /** True when `submit` begins at once. */
  readonly isIdle: boolean;
  submit(job: CompileJob): void;
  /** A finished job, if there is one. */
  take(): Batch | undefined;
}

/** Compiles within `submit`. For tests, where code must be there at once. */
export class SynchronousCompiler implements CompilePort {
  readonly isIdle = true;
  readonly #done: Batch[] = [];

  submit({ translations, code }: CompileJob): void {
    this.#done.push({ translations, result: compile(code) });
  }

  take(): Batch | undefined {
    return this.#done.shift();
  }
}

/** Jobs that are submitted before the last one is done: the compiler never waits, and what collects meanwhile is one module. */
const JOBS_AHEAD = 2;

/** Has modules compiled by another thread. */
export class ThreadedCompiler implements CompilePort {
  readonly #compiler: ModuleCompiler;
  readonly #jobs = new Map<number, readonly Translation[]>();
  #nextId = 0;

  constructor(compiler: ModuleCompiler) {
    this.#compiler = compiler;
  }

  get isIdle(): boolean {
    return this.#jobs.size < JOBS_AHEAD;
  }

  submit({ translations, code }: CompileJob): void {
    const id = this.#nextId++;
    this.#jobs.set(id, translations);
    this.#compiler.submit(id, code);
  }

  take(): Batch | undefined {
    const compiled = this.#compiler.take();
    if (compiled === undefined) return undefined;
    const { id, result } = compiled;
    const translations = this.#jobs.get(id);
    assert(translations !== undefined, 'a job comes back once');
    this.#jobs.delete(id);
    return { translations, result: typeof result === 'string' ? new Error(result) : result };
  }
}

function compile(code: Uint8Array<ArrayBuffer>): WebAssembly.Module | Error {
  try {
    return new WebAssembly.Module(code);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
