import { dirname, resolve } from 'node:path';
import type { Surroundings } from './diagnostics.ts';
import { type AssemblySource, parseSource } from './source.ts';

/** Headers include headers; more than this is a loop or a kernel's worth. */
const FILES_MAX = 200;

/**
 * Macros of the files that a source includes, and of those these include. `read` gives a file's text, or undefined
 * when it cannot: then, and where a name in `<…>` is included, what is known is not complete.
 */
export async function surroundingsOf(
  path: string,
  source: AssemblySource,
  read: (path: string) => Promise<string | undefined>,
): Promise<Surroundings> {
  const macros = new Set<string>();
  const seen = new Set([path]);
  let complete = !source.opaqueInclude;
  const queue = source.includes.map((name) => resolve(dirname(path), name));
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    if (seen.has(next)) continue;
    seen.add(next);
    const text = seen.size > FILES_MAX ? undefined : await read(next);
    if (text === undefined) {
      complete = false;
      continue;
    }
    const included = parseSource(text);
    for (const name of included.macros) macros.add(name);
    // A C header takes in <stdint.h> and the like under `#ifndef __ASSEMBLER__`: those define no mnemonics.
    if (included.opaqueInclude && !next.endsWith('.h')) complete = false;
    for (const name of included.includes) queue.push(resolve(dirname(next), name));
  }
  return { macros, complete };
}
