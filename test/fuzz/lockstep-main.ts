/**
 * The program that runs random programs in lockstep, in a process of its own and bundled: in the test runner, where each
 * use of an import is a call, it would take four times as long. Takes a `LockstepRequest` as its only argument, prints a
 * `LockstepResult`.
 */
import { configurationFor } from './lockstep-configurations.ts';
import type { ProgramOptions } from './lockstep-programs.ts';
import { report } from './lockstep-report.ts';
import { type Coverage, Lockstep } from './lockstep-run.ts';

export interface LockstepRequest {
  readonly seed: number;
  readonly first: number;
  readonly count: number;
  readonly options: ProgramOptions;
}

export interface LockstepResult {
  readonly failures: readonly string[];
  readonly coverage: Coverage;
}

/** The first differences tell enough, and each takes its time to describe. */
const FAILURES_MAX = 3;

process.stdout.write(JSON.stringify(run(JSON.parse(process.argv[2]!) as LockstepRequest)));

function run({ seed, first, count, options }: LockstepRequest): LockstepResult {
  const parent = process.ppid;
  const lockstep = new Lockstep(seed, configurationFor, options);
  const failures: string[] = [];
  for (let index = first; index < first + count && failures.length < FAILURES_MAX; index++) {
    const failure = outcome(lockstep, seed, index);
    if (failure !== null) failures.push(failure);
    // Nobody waits for the result any more.
    if (process.ppid !== parent) break;
  }
  return { failures, coverage: lockstep.coverage };
}

function outcome(lockstep: Lockstep, seed: number, index: number): string | null {
  try {
    const difference = lockstep.check(index);
    return difference === null ? null : report(difference, lockstep.image);
  } catch (error) {
    return `SEED=${seed}, program ${index}: ${error instanceof Error ? error.stack : String(error)}`;
  }
}
