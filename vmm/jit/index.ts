/** Translates hot guest code to WebAssembly: regions with structured control flow, and the cache that holds them. */
import type { TranslatorOption } from '../hart/group.ts';
import { RegionTranslator, type TranslatorOptions } from './translator.ts';

export {
  type Batch,
  type CompileJob,
  type CompilePort,
  SynchronousCompiler,
  ThreadedCompiler,
} from './compile-port.ts';
export type { TranslatorOptions } from './translator.ts';

/** What `createHartGroup` takes as its translator. `hotAfter`: jumps to an address before it is translated. */
export function createTranslator(options: TranslatorOptions & { hotAfter: number }): TranslatorOption {
  return { create: (parts) => new RegionTranslator(parts, options), hotAfter: options.hotAfter };
}
