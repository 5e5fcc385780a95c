import { expect, test } from 'vitest';
import { surroundingsOf } from './include-files.ts';
import { parseSource } from './source.ts';

/** What the files say that `/src/a.S` with this text includes. */
async function check(text: string, files: Record<string, string>) {
  const { macros, complete } = await surroundingsOf(
    '/src/a.S',
    parseSource(text),
    async (path) => files[path],
  );
  return { macros: [...macros], complete };
}

test('macros of headers and of their headers, relative to each', async () => {
  const files = {
    '/src/inc/a.h': '#include "b.h"\n#define SAVE sd',
    '/src/inc/b.h': '#include "a.h"\n#define LOAD ld',
  };
  expect(await check('#include "inc/a.h"', files)).toEqual({ macros: ['SAVE', 'LOAD'], complete: true });
});

test('a file that cannot be read leaves things open', async () => {
  expect(await check('.include "gone.S"', {})).toEqual({ macros: [], complete: false });
  expect(await check('#include <asm.h>', {})).toEqual({ macros: [], complete: false });
});

test('a C header may include the standard library', async () => {
  const files = { '/src/a.h': '#ifndef __ASSEMBLER__\n#include <stdint.h>\n#endif\n#define SIZE 4' };
  expect(await check('#include "a.h"', files)).toEqual({ macros: ['SIZE'], complete: true });
});
