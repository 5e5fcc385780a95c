import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { generatedInterpreter } from '../../vmm/hart/generated.ts';

const dist = fileURLToPath(new URL('../../dist', import.meta.url));
const program = readFileSync(join(dist, 'vmm-program.cjs'), 'utf8');

test('the bundle holds the interpreter that the sources generate, and nothing that generates it', () => {
  const { code, ...tables } = generatedInterpreter();
  expect(program.includes(JSON.stringify(Buffer.from(code).toString('base64')))).toBe(true);
  // esbuild chooses the quotes.
  expect(program.replaceAll('\\"', '"').includes(JSON.stringify(tables))).toBe(true);
  expect(program).not.toContain('generateInterpreter');
});

test('the build keeps compiled code of both programs', () => {
  const kept = readdirSync(dist).filter((name) => name.endsWith(`.${process.version}-${process.arch}.cache`));
  expect(kept.map((name) => name.split('.')[0]).toSorted()).toEqual(['debug-adapter-program', 'vmm-program']);
});
