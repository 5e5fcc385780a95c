// `npm test`: builds, then runs every test. Tests that need a program which is not installed are listed by name
// with the command that installs it. With CI=true a test that was not run is a failure. The last line counts.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const node = (...args) =>
  spawnSync(process.execPath, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, HARTSCOPE_REPORTER: './test/support/reporter.ts' },
  }).status ?? 1;

const built = node('esbuild.mjs');
if (built !== 0) {
  console.log('The build failed; no test was run.\n\n0 passed, 1 failed');
  process.exit(1);
}
process.exit(node('node_modules/vitest/vitest.mjs', 'run', ...process.argv.slice(2)));
