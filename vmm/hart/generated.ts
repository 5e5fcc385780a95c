import { INSTRUCTIONS } from '../isa/table.ts';
import { COMPRESSIBLE } from './compressible.ts';
import { type GeneratedInterpreter, generateInterpreter } from './interpreter.ts';

/**
 * The interpreter of the whole instruction table. To generate it takes longer than to start a machine, so in bundles a
 * module that holds the result stands in this one's place: the build calls this function (esbuild.mjs, "prebuilt").
 */
export const generatedInterpreter = (): GeneratedInterpreter =>
  generateInterpreter(
    INSTRUCTIONS.map(({ name, semantics }) => ({ name, semantics, compressible: COMPRESSIBLE.has(name) })),
  );
