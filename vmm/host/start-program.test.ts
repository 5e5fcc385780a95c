import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { afterAll, beforeEach, expect, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'hartscope-start-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const bundle = join(folder, 'program.cjs');
const cache = join(folder, `program.cjs.${process.version}-${process.arch}.cache`);
const starter = join(folder, 'starter.cjs');

buildSync({
  stdin: {
    contents: `import { startProgram } from './start-program.ts'; startProgram(${JSON.stringify(bundle)});`,
    resolveDir: fileURLToPath(new URL('.', import.meta.url)),
    loader: 'ts',
  },
  ...{ bundle: true, format: 'cjs', platform: 'node', outfile: starter },
});

/** Says what it is given; a function that is never called otherwise is compiled only with `late`. */
const PROGRAM = `
  const late = () => 'late';
  const { basename } = require('node:path');
  console.log('one', basename(__filename), basename(__dirname) !== '', typeof module, exports === module.exports, 'é',
    process.argv[2] === 'late' ? late() : '');`;
const SAYS = 'one program.cjs true object true é';

beforeEach(() => {
  for (const name of readdirSync(folder)) if (name !== 'starter.cjs') rmSync(join(folder, name));
  writeFileSync(bundle, PROGRAM);
});

function start({ keep, args = [] }: { keep?: string; args?: string[] } = {}): string {
  const env = { ...process.env, ...(keep && { HARTSCOPE_KEEP_COMPILED: keep }) };
  const { stdout, stderr, status } = spawnSync(process.execPath, [starter, ...args], {
    env,
    encoding: 'utf8',
  });
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
  return stdout.trim();
}

const startAndKeep = (...args: string[]): string => start({ keep: 'program.cjs', args });

test('a program without kept code runs as any module, and keeps nothing', () => {
  expect(start()).toBe(SAYS);
  expect(start({ keep: 'another.cjs' })).toBe(SAYS);
  expect(readdirSync(folder).toSorted()).toEqual(['program.cjs', 'starter.cjs']);
});

test('what is kept is used', () => {
  expect(startAndKeep()).toBe(SAYS);
  // Of the same length and, as far as anyone is told, the same file: what runs is what was kept.
  const { atime, mtime } = statSync(bundle);
  const kept = readFileSync(cache);
  writeFileSync(bundle, PROGRAM.replace('one', 'two'));
  utimesSync(bundle, atime, mtime);
  const header = JSON.stringify({ size: statSync(bundle).size, mtimeMs: statSync(bundle).mtimeMs });
  writeFileSync(cache, Buffer.concat([Buffer.from(header), kept.subarray(kept.indexOf('\n'))]));
  expect(start()).toBe(SAYS);
});

test('a later run adds to what is kept', () => {
  startAndKeep();
  const { size } = statSync(cache);
  expect(startAndKeep('late')).toBe(`${SAYS} late`);
  expect(statSync(cache).size).toBeGreaterThan(size);
  expect(readdirSync(folder)).toHaveLength(3);
});

test.each<[string, () => void]>([
  ['of another version of the bundle', () => writeFileSync(bundle, `${PROGRAM} `)],
  ['that was cut', () => writeFileSync(cache, readFileSync(cache).subarray(0, 500))],
  ['that is empty', () => writeFileSync(cache, '')],
  ['that is something else', () => writeFileSync(cache, `${headerOf(cache)}\nnot what an engine compiled`)],
])('kept code %s is not used', (_, damage) => {
  startAndKeep();
  expect(existsSync(cache)).toBe(true);
  damage();
  expect(start()).toBe(SAYS);
});

test('a bundle that was changed runs as changed', () => {
  startAndKeep();
  writeFileSync(bundle, PROGRAM.replace('one', 'two'));
  utimesSync(bundle, new Date(0), new Date(0));
  expect(start()).toBe(SAYS.replace('one', 'two'));
});

const headerOf = (path: string): string => readFileSync(path, 'utf8').split('\n')[0]!;
