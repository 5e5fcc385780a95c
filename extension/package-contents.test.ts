import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const rules = read('.vscodeignore')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'));
const left = rules.filter((rule) => !rule.startsWith('!')).map(pattern);
const kept = rules.filter((rule) => rule.startsWith('!')).map((rule) => pattern(rule.slice(1)));

/** Globs as the packager (vsce) reads them: `*` stays within a folder, `**` does not. */
function pattern(glob: string): RegExp {
  const source = glob
    .split(/(\*\*|\*)/)
    .map((part) =>
      part === '**' ? '.*' : part === '*' ? '[^/]*' : part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'),
    );
  return new RegExp(`^${source.join('')}$`);
}

/** As vsce decides: a file that a `!` rule names is in, whatever the other rules say. */
const isPackaged = (path: string): boolean =>
  kept.some((rule) => rule.test(path)) || !left.some((rule) => rule.test(path));

const matches = (path: string, expression: RegExp): string[] =>
  [...read(path).matchAll(expression)].map(([, found]) => found!);

/** Files that the manifest, the README and the programs name. */
function namedAtRunTime(): string[] {
  const manifest = matches('package.json', /"(?:\.\/)?((?:dist|extension)\/[^"]+)"/g);
  const readme = matches('README.md', /\]\(([^):]+)\)/g);
  const programs = ['esbuild.mjs', 'extension/extension.ts', 'debug-adapter/main.ts', 'vmm/main.ts'];
  const bundles = programs.flatMap((path) => matches(path, /'([\w-]+\.cjs)'/g));
  const views = readdirSync(join(root, 'extension/views')).filter((name) => name.endsWith('-view.ts'));
  const pages = views.flatMap((name) => matches(`extension/views/${name}`, /setUpPage\([^)]*'(\w+)'\)/g));
  expect(bundles).toContain('worker.cjs');
  expect(pages.toSorted()).toEqual(['trace', 'walk']);
  return [
    ...[...manifest, ...readme],
    ...bundles.map((name) => `dist/${name}`),
    ...pages.flatMap((name) => [`dist/webview/${name}.js`, `extension/views/media/${name}.css`]),
    ...['package.json', 'README.md', 'CHANGELOG.md', 'LICENSE', 'extension/views/media/common.css'],
  ];
}

test('the package holds every file that is named at run time', () => {
  const named = namedAtRunTime();
  expect(named.filter((path) => !isPackaged(path))).toEqual([]);
  expect(named.filter((path) => !path.startsWith('dist/') && !existsSync(join(root, path)))).toEqual([]);
});

test.each([
  'node_modules/ws/index.js',
  'test/editor/editor.test.ts',
  'vmm/main.ts',
  'debug-adapter/main.ts',
  'extension/extension.ts',
  'extension/views/webview/walk.ts',
  'samples/01-first-kernel/kernel.elf',
  'dist/start.cjs',
  'dist/bench.cjs',
  'dist/vmm-program.cjs.map',
  'dist/vmm-program.cjs.v20.19.0-x64.cache',
  'dist/webview/walk.js.map',
  '.cache/editor/ready.json',
  '.git/config',
  'esbuild.mjs',
  'package-lock.json',
])('%s stays out', (path) => {
  expect(isPackaged(path)).toBe(false);
});

test('each rule that names files names some', () => {
  const files = [
    '',
    'extension/icons',
    'extension/media',
    'extension/syntaxes',
    'extension/views/media',
  ].flatMap((folder) => readdirSync(join(root, folder)).map((name) => join(folder, name)));
  // What is built is not there before the build.
  const present = kept.filter((rule) => !rule.source.startsWith('^dist'));
  expect(present.filter((rule) => !files.some((file) => rule.test(file))).map(String)).toEqual([]);
});
