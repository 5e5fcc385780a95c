/** The tests that run random programs in lockstep have this in common. */
import { expect, test } from 'vitest';
import { SEED } from '../support/random.ts';
import { configurationFor } from './lockstep-configurations.ts';
import type { ProgramOptions } from './lockstep-programs.ts';
import { report } from './lockstep-report.ts';
import { type Coverage, Lockstep } from './lockstep-run.ts';

/** Long enough for a machine that is busy with other things too. */
const TIMEOUT_MS = 3_600_000;
const FAILURES_MAX = 3;

/**
 * Defines the test of `programs` random programs. FIRST of the environment is the number of the first one; with the
 * SEED and the number that a failure prints, that program alone runs again.
 */
export function lockstepTest(programs: number, options: ProgramOptions): void {
  const first = Number(process.env['FIRST'] ?? 0);
  const count = Number(process.env['PROGRAMS'] ?? programs);

  test(`${count} random programs do the same in every configuration (SEED=${SEED})`, {
    timeout: TIMEOUT_MS,
  }, () => {
    const lockstep = new Lockstep(SEED, configurationFor, options);
    const failures: string[] = [];
    for (let index = first; index < first + count && failures.length < FAILURES_MAX; index++) {
      const failure = outcome(lockstep, index);
      if (failure !== null) failures.push(failure);
    }
    expect(failures.join('\n\n')).toBe('');
    if (count >= 1000) expectCoverage(lockstep.coverage);
  });
}

function outcome(lockstep: Lockstep, index: number): string | null {
  try {
    const difference = lockstep.check(index);
    return difference === null ? null : report(difference, lockstep.image);
  } catch (error) {
    return `SEED=${SEED}, program ${index}: ${error instanceof Error ? error.stack : String(error)}`;
  }
}

/** Programs that do little, or of which little is translated, would test little. */
function expectCoverage({ programs, steps, traps, translatedSteps, regions, modules }: Coverage): void {
  expect(steps).toBeGreaterThan(800 * programs);
  expect(traps).toBeGreaterThan(4 * programs);
  expect(translatedSteps).toBeGreaterThan(0.08 * steps);
  expect(regions).toBeGreaterThan(1.5 * programs);
  expect(modules).toBeGreaterThan(programs);
}
