import { compileThread } from './host/compile-thread.ts';
import { enableRelaxedSimd } from './host/relaxed-simd.ts';
import { createTranslator, ThreadedCompiler } from './jit/index.ts';

/**
 * Jumps to an address before it is translated: what is optimised in another thread's time should come back
 * often enough to be worth it, and what comes back often should not wait.
 */
const HOT_AFTER = 200;

/** The translator of a machine whose code is compiled by a thread of its own. `warn` is told what a person should know. */
export function threadedTranslator(warn: (text: string) => void): ReturnType<typeof createTranslator> {
  enableRelaxedSimd();
  return createTranslator({
    compiler: new ThreadedCompiler(compileThread()),
    hotAfter: HOT_AFTER,
    refused: warn,
  });
}
