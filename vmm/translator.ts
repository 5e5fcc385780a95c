import { compileThread } from './host/compile-thread.ts';
import { enableRelaxedSimd } from './host/relaxed-simd.ts';
import { createTranslator, ThreadedCompiler } from './jit/index.ts';
import { hostFusesMultiplyAdd } from './wasm/multiply-add.ts';

/**
 * Jumps to an address before it is translated. Translating a region costs some milliseconds, all threads taken together, in
 * which the interpreter does a million instructions: code must come back often to be worth it. A kernel that boots has
 * much that comes back some hundred times.
 */
const HOT_AFTER = 10_000;

/** The translator of a machine whose code is compiled by a thread of its own. `warn` is told what a person should know. */
export function threadedTranslator(warn: (text: string) => void): ReturnType<typeof createTranslator> {
  return createTranslator({
    compiler: new ThreadedCompiler(compileThread()),
    hotAfter: HOT_AFTER,
    refused: warn,
    // Asked for when the first code is hot. Flags set earlier would void the compiled code that the engine, and Node, start with.
    get fusesMultiplyAdd() {
      enableRelaxedSimd();
      return hostFusesMultiplyAdd();
    },
  });
}
