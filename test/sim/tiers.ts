import type { TranslatorOption } from '../../vmm/hart/index.ts';
import { createTranslator, SynchronousCompiler } from '../../vmm/jit/index.ts';
import { SteeredCompiler } from '../fuzz/lockstep-compiler.ts';
import { random, SEED } from '../support/random.ts';

/** Ways to translate a guest; what it does and says must not depend on which, nor on whether it is translated at all. */
export const TIERS: Readonly<Record<string, (hotAfter: number) => TranslatorOption>> = {
  'translated at once': (hotAfter) =>
    createTranslator({ hotAfter, compiler: new SynchronousCompiler(), verify: true }),
  'translated some time later': (hotAfter) => {
    const compiler = new SteeredCompiler();
    compiler.lateness = { kind: 'some time', random: random(SEED) };
    return createTranslator({ hotAfter, compiler, verify: true });
  },
};
