import { setFlagsFromString } from 'node:v8';
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import type { CompiledModule, ModuleCompiler } from '../contracts/compiler.ts';

/**
 * The thread's program, as text so that it needs no bundle of its own. A message is there before the count says so: who
 * sees the count finds the message.
 */
const PROGRAM = `
const { workerData: { port, shared } } = require('node:worker_threads');
const done = new Int32Array(shared);
port.on('message', ({ id, code }) => {
  let result;
  try {
    result = new WebAssembly.Module(code);
  } catch (error) {
    result = String(error && error.message);
  }
  port.postMessage({ id, result });
  Atomics.add(done, 0, 1);
});`;

/**
 * A thread that compiles modules. It holds nobody up: it ends with the thread that made it, and a process that has
 * nothing else to do ends.
 */
export function compileThread(): ModuleCompiler {
  return new CompileThread();
}

class CompileThread implements ModuleCompiler {
  readonly #port: MessagePort;
  readonly #done = new Int32Array(new SharedArrayBuffer(4));
  readonly #pending = new Set<number>();
  #seen = 0;
  #flagsAreSet = false;
  #failure: string | null = null;

  constructor() {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    const worker = new Worker(PROGRAM, {
      eval: true,
      workerData: { port: port2, shared: this.#done.buffer },
      transferList: [port2],
      name: 'compiler',
      execArgv: [],
    });
    worker.on('error', (error: unknown) => {
      this.#failure = error instanceof Error ? error.message : String(error);
    });
    worker.unref();
    this.#port.unref();
  }

  submit(id: number, code: Uint8Array<ArrayBuffer>): void {
    if (!this.#flagsAreSet) {
      // Code that gets here is worth optimising, and not by who runs it. The interpreter is compiled by now: of its functions
      // only some are needed, and at once.
      setFlagsFromString('--no-liftoff');
      setFlagsFromString('--no-wasm-lazy-compilation');
      this.#flagsAreSet = true;
    }
    this.#pending.add(id);
    this.#port.postMessage({ id, code }, [code.buffer]);
  }

  take(): CompiledModule | undefined {
    if (this.#failure !== null) return this.#takeFailure(this.#failure);
    if (Atomics.load(this.#done, 0) === this.#seen) return undefined;
    const received = receiveMessageOnPort(this.#port);
    if (received === undefined) return undefined;
    this.#seen = (this.#seen + 1) | 0;
    const compiled = received.message as CompiledModule;
    this.#pending.delete(compiled.id);
    return compiled;
  }

  /** Without the thread nothing gets compiled. */
  #takeFailure(result: string): CompiledModule | undefined {
    const [id] = this.#pending;
    if (id === undefined) return undefined;
    this.#pending.delete(id);
    return { id, result };
  }
}
