// Builds every program into dist/: CommonJS bundles named .cjs, because ws, @vscode/debugadapter and
// vscode-languageserver do not survive an ES module bundle ("Dynamic require of "events" is not supported").
import { chmodSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('.', import.meta.url));
process.chdir(root);

/** Bundle name to entry point. Node programs; the extension host loads `extension` the same way. */
const programs = {
  vmm: 'vmm/main.ts',
  worker: 'vmm/worker.ts',
  'debug-adapter': 'debug-adapter/main.ts',
  extension: 'extension/extension.ts',
  'language-server': 'extension/language-server/main.ts',
  start: 'samples/start/main.ts',
  bench: 'test/bench/main.ts',
};

const shared = {
  bundle: true,
  sourcemap: 'linked',
  sourcesContent: false,
  logLevel: 'warning',
  legalComments: 'none',
};

const webviews = existsSync('extension/views/webview')
  ? readdirSync('extension/views/webview')
      .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
      .map((name) => `extension/views/webview/${name}`)
  : [];

if (process.argv.includes('--clean')) rmSync('dist', { recursive: true, force: true });

await Promise.all([
  build({
    ...shared,
    entryPoints: Object.entries(programs).map(([out, path]) => ({ in: path, out })),
    outdir: 'dist',
    outExtension: { '.js': '.cjs' },
    format: 'cjs',
    platform: 'node',
    target: 'node20.19',
    // vscode comes from the extension host; bufferutil and utf-8-validate are optional accelerators of ws.
    external: ['vscode', 'bufferutil', 'utf-8-validate', 'msgpackr-extract'],
    define: { 'process.env.WS_NO_BUFFER_UTIL': '"1"', 'process.env.WS_NO_UTF_8_VALIDATE': '"1"' },
  }),
  webviews.length > 0 &&
    build({
      ...shared,
      entryPoints: webviews,
      outdir: 'dist/webview',
      format: 'iife',
      platform: 'browser',
      target: 'es2022',
    }),
]);
chmodSync('dist/vmm.cjs', 0o755);
