// Builds every program into dist/: CommonJS bundles named .cjs, because ws, @vscode/debugadapter and
// vscode-languageserver do not survive an ES module bundle ("Dynamic require of "events" is not supported").
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('.', import.meta.url));
process.chdir(root);

/** Bundle name to entry point. Node programs; the extension host loads `extension` the same way. */
const programs = {
  'vmm-program': 'vmm/program.ts',
  'debug-adapter-program': 'debug-adapter/main.ts',
  extension: 'extension/extension.ts',
  'language-server': 'extension/language-server/main.ts',
  start: 'samples/start/main.ts',
  bench: 'test/bench/main.ts',
};

/** What starts a program by way of its kept code (vmm/host/start-program.ts): bundle name to program. */
const starters = {
  vmm: 'vmm-program.cjs',
  worker: 'vmm-program.cjs',
  'debug-adapter': 'debug-adapter-program.cjs',
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

/**
 * The interpreter is generated from the instruction table. That is done here, from the same sources in the same build, and
 * not at each start: in the bundles its bytes and tables stand in place of the module that generates them.
 */
async function prebuilt() {
  const options = { bundle: true, write: false, format: 'esm', platform: 'node', logLevel: 'warning' };
  const { outputFiles } = await build({ ...options, entryPoints: ['vmm/hart/generated.ts'] });
  const program = Buffer.from(outputFiles[0].contents).toString('base64');
  const { generatedInterpreter } = await import(`data:text/javascript;base64,${program}`);
  const { code, ...tables } = generatedInterpreter();
  const contents = `
    const code = ${JSON.stringify(Buffer.from(code).toString('base64'))};
    const tables = ${JSON.stringify(JSON.stringify(tables))};
    export const generatedInterpreter = () => ({ code: Buffer.from(code, 'base64'), ...JSON.parse(tables) });`;
  return {
    name: 'prebuilt',
    setup: ({ onLoad }) => onLoad({ filter: /[\\/]vmm[\\/]hart[\\/]generated\.ts$/ }, () => ({ contents })),
  };
}

const node = { format: 'cjs', platform: 'node', target: 'node20.19' };

function starter([out, program]) {
  const contents = `
    import { join } from 'node:path';
    import { startProgram } from './vmm/host/start-program.ts';
    startProgram(join(__dirname, '${program}'));`;
  const stdin = { contents, resolveDir: root, loader: 'ts' };
  const banner = { js: '#!/usr/bin/env node' };
  return build({ ...shared, ...node, stdin, banner, outfile: `dist/${out}.cjs`, sourcemap: false });
}

/** Lets the programs keep what this Node compiles of them; where that fails, they only start more slowly. */
function keepCompiledCode() {
  const folder = mkdtempSync(join(tmpdir(), 'hartscope-build-'));
  const kernel = join(folder, 'kernel.bin');
  // lui t0, 0x100; lui t1, 0x5; addi t1, t1, 0x555; sw t1, 0(t0): powers off.
  writeFileSync(kernel, Uint32Array.of(0x001002b7, 0x00005337, 0x55530313, 0x0062a023));
  // With an input that is at its end, adapter and server end once they are ready. A later run adds to what is kept.
  for (const [program, ...args] of [
    ['debug-adapter-program', 'debug-adapter.cjs'],
    ['vmm-program', 'vmm.cjs', 'serve'],
    ['vmm-program', 'vmm.cjs', 'run', '--firmware', 'none', '--kernel', kernel],
  ]) {
    const env = { ...process.env, HARTSCOPE_KEEP_COMPILED: `${program}.cjs` };
    const options = { cwd: 'dist', env, stdio: 'ignore', timeout: 60_000 };
    const { status } = spawnSync(process.execPath, args, options);
    if (status !== 0) console.warn(`${args.slice(0, 2).join(' ')}: status ${status}, no compiled code kept`);
  }
  rmSync(folder, { recursive: true, force: true });
}

if (process.argv.includes('--clean')) rmSync('dist', { recursive: true, force: true });
if (existsSync('dist')) {
  for (const name of readdirSync('dist')) if (name.endsWith('.cache')) rmSync(join('dist', name));
}

await Promise.all([
  ...Object.entries(starters).map(starter),
  build({
    ...shared,
    ...node,
    entryPoints: Object.entries(programs).map(([out, path]) => ({ in: path, out })),
    outdir: 'dist',
    outExtension: { '.js': '.cjs' },
    plugins: [await prebuilt()],
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
keepCompiledCode();
