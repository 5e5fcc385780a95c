import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { BANNED, LAYERS, type Layer } from './layers.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Folders that hold what was installed, built or downloaded, not the project's files. */
const FOREIGN = new Set(['node_modules', 'dist', '.git', '.cache', 'artifacts', 'build', 'coverage']);

function filesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return FOREIGN.has(entry.name) ? [] : filesBelow(path);
    return [path];
  });
}

const files = filesBelow('');
const sources = files.filter((path) => /\.(ts|mts)$/.test(path) && !path.endsWith('.d.ts'));
const text = new Map(sources.map((path) => [path, readFileSync(join(root, path), 'utf8')]));
/** The same without lines that are comments only: words there are prose. */
const code = new Map([...text].map(([path, body]) => [path, body.replace(/^\s*(\/\/|\/\*|\*).*$/gm, '')]));

/** Relative imports of a file as repository paths; the project writes them all as `from './x.ts'` or `import('./x.ts')`. */
function importsOf(path: string): string[] {
  const found = [...code.get(path)!.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)];
  return found.map(([, target]) => normalize(join(dirname(path), target!)));
}

function layerOf(path: string): Layer | undefined {
  return LAYERS.filter((layer) => path.startsWith(layer.path)).sort(
    (a, b) => b.path.length - a.path.length,
  )[0];
}

function mayImport(layer: Layer, from: string, target: string): boolean {
  if (layer.path.endsWith('.ts') ? target === from : target.startsWith(layer.path)) return true;
  // A unit test stands beside its code and may use the shared test helpers.
  if (from.endsWith('.test.ts') && target.startsWith('test/support/')) return true;
  return layer.may.some((allowed) => target.startsWith(`${allowed}/`));
}

describe('tidy', () => {
  test('sources are found', () => expect(sources.length).toBeGreaterThan(100));

  test('imports follow the table of ARCHITECTURE.md', () => {
    const wrong = sources.flatMap((path) => {
      const layer = layerOf(path);
      if (layer === undefined) return path.includes('/') ? [`${path}: in no layer`] : [];
      return importsOf(path)
        .filter((target) => !mayImport(layer, path, target))
        .map((target) => `${path} imports ${target}`);
    });
    expect(wrong).toEqual([]);
  });

  test('every imported file exists', () => {
    const missing = sources.flatMap((path) =>
      importsOf(path)
        .filter((target) => !files.includes(target))
        .map((target) => `${path} imports ${target}`),
    );
    expect(missing).toEqual([]);
  });

  test('every file is reached from a program or a test', () => {
    const roots = sources.filter(
      (path) =>
        path.endsWith('.test.ts') ||
        /^(vitest\.config\.ts|vmm\/program\.ts|debug-adapter\/main\.ts|extension\/extension\.ts|extension\/language-server\/main\.ts|extension\/views\/webview\/[^/]+\.ts|test\/bench\/main\.ts|test\/support\/reporter\.ts|samples\/[^/]+\.ts)$/.test(
          path,
        ),
    );
    const reached = new Set<string>();
    const visit = (path: string): void => {
      if (reached.has(path) || !text.has(path)) return;
      reached.add(path);
      importsOf(path).forEach(visit);
    };
    roots.forEach(visit);
    const mentioned = (path: string) =>
      [...text].some(([other, body]) => other !== path && body.includes(path.split('/').at(-1)!));
    expect(sources.filter((path) => !reached.has(path) && !mentioned(path))).toEqual([]);
  });

  test.each(BANNED)('no $pattern: $why', ({ pattern, allowed }) => {
    const hits = sources
      .filter((path) => !allowed.test(path) && path !== 'test/tidy/layers.ts')
      .flatMap((path) =>
        code
          .get(path)!
          .split('\n')
          .flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : [])),
      );
    expect(hits).toEqual([]);
  });

  test('a skipped test says why', () => {
    const hits = sources.filter(
      (path) =>
        path.endsWith('.test.ts') &&
        /\b(it|test|describe)\.(skip|only|todo)\b/.test(text.get(path)!) &&
        path !== 'test/tidy/tidy.test.ts',
    );
    expect(hits).toEqual([]);
  });

  test('the lock file names no registry', () => {
    expect(readFileSync(join(root, 'package-lock.json'), 'utf8')).not.toMatch(/"resolved": *"https?:/);
  });

  test('the types check', () => {
    const { status, stdout } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '--noEmit'], {
      cwd: root,
      encoding: 'utf8',
    });
    expect(stdout).toBe('');
    expect(status).toBe(0);
  });

  test('format and lint', () => {
    const { status, stderr } = spawnSync(
      process.execPath,
      ['node_modules/@biomejs/biome/bin/biome', 'ci', '--colors=off', '.'],
      { cwd: root, encoding: 'utf8' },
    );
    expect(status, stderr).toBe(0);
  });
});
