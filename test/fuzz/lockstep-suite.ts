/** The tests that run random programs in lockstep have this in common. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { buildSync } from 'esbuild';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../support/qemu.ts';
import { SEED } from '../support/random.ts';
import type { LockstepRequest, LockstepResult } from './lockstep-main.ts';
import type { ProgramOptions } from './lockstep-programs.ts';
import type { Coverage } from './lockstep-run.ts';

/** Long enough for a machine that is busy with other things too. */
const TIMEOUT_MS = 3_600_000;
const MAIN = fileURLToPath(new URL('./lockstep-main.ts', import.meta.url));

/**
 * Defines the test of `programs` random programs. With the SEED that a failure prints, and FIRST and PROGRAMS of the
 * environment, a part of them runs again; `PROGRAMS=50000` is a longer search than the suite has time for.
 */
export function lockstepTest(programs: number, options: ProgramOptions): void {
  const first = Number(process.env['FIRST'] ?? 0);
  const count = Number(process.env['PROGRAMS'] ?? programs);
  const name = `${count} random programs do the same in every configuration (SEED=${SEED})`;

  test(name, { timeout: TIMEOUT_MS }, async () => {
    const { failures, coverage } = await run({ seed: SEED, first, count, options });
    expect(failures.join('\n\n')).toBe('');
    expect(coverage.programs).toBe(count);
    if (count >= 1000) expectCoverage(coverage);
  });
}

async function run(request: LockstepRequest): Promise<LockstepResult> {
  const bundle = join(temporaryFolder(), 'lockstep.mjs');
  buildSync({
    entryPoints: [MAIN],
    outfile: bundle,
    bundle: true,
    platform: 'node',
    format: 'esm',
    sourcemap: 'inline',
    logLevel: 'warning',
  });
  // Modules run once or twice: to optimise them would take longer than they do.
  const flags = ['--enable-source-maps', '--liftoff-only'];
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, bundle, JSON.stringify(request)]);
  return JSON.parse(stdout) as LockstepResult;
}

/** Programs that do little, or of which little is translated, would test little. */
function expectCoverage(coverage: Coverage): void {
  const { programs, steps, traps, translatedSteps, regions, dispatching, modules } = coverage;
  expect(steps).toBeGreaterThan(800 * programs);
  expect(traps).toBeGreaterThan(4 * programs);
  expect(translatedSteps).toBeGreaterThan(0.08 * steps);
  expect(regions).toBeGreaterThan(1.5 * programs);
  expect(dispatching).toBeGreaterThan(0.003 * programs);
  expect(modules).toBeGreaterThan(programs);
}
