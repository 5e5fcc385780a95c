import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

declare const __dirname: string;
/** The repository, and the bundles beside the running one. */
export const ROOT = join(__dirname, '..');
export const DIST = __dirname;
const GUESTS = join(ROOT, 'test/bench/guests');

/** What stops a benchmark and is not our bug; `main.ts` prints it. */
export class BenchError extends Error {}

export interface Times {
  /** User and system time of the process, its threads and its children, in seconds. */
  readonly cpu: number;
  /** From start to end, in seconds. */
  readonly wall: number;
}

export interface Run extends Times {
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program to its end and times it. The shell's `time` is the way to a child's CPU time that is on every machine; it
 * counts milliseconds.
 */
export function run(command: string, args: readonly string[]): Run {
  const script = 'TIMEFORMAT="times %U %S %R"; time "$@"';
  const result = spawnSync('bash', ['-c', script, 'bench', command, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, LC_ALL: 'C' },
    maxBuffer: 1 << 26,
  });
  if (result.status !== 0) {
    const missing =
      result.status === 127
        ? '\n  apt-get install qemu-system-misc gcc-riscv64-unknown-elf make gdb-multiarch'
        : '';
    throw new BenchError(
      `${[command, ...args].join(' ')} ended with status ${result.status}: ${result.stderr.trim()}${missing}`,
    );
  }
  const times = /times ([\d.]+) ([\d.]+) ([\d.]+)\s*$/.exec(result.stderr);
  if (times === null) throw new BenchError(`no times after ${command}: ${result.stderr}`);
  const [user, system, wall] = times.slice(1).map(Number);
  return {
    cpu: user! + system!,
    wall: wall!,
    stdout: result.stdout,
    stderr: result.stderr.slice(0, times.index),
  };
}

/** Builds guests (`sort.paged.elf`) by their Makefile and returns their paths. `scale`: percent of the usual work. */
export function buildGuests(names: readonly string[], scale = 100): string[] {
  const out = join(ROOT, '.cache/bench', `scale-${scale}`);
  mkdirSync(out, { recursive: true });
  const targets = names.map((name) => join(out, name));
  run('make', ['-s', '-C', GUESTS, `OUT=${out}`, `SCALE=${scale}`, ...targets]);
  return targets;
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function geometricMean(numbers: readonly number[]): number {
  return Math.exp(numbers.reduce((sum, number) => sum + Math.log(number), 0) / numbers.length);
}

/** The medians of CPU and of wall time. */
export function medianTimes(runs: readonly Times[]): Times {
  return { cpu: median(runs.map(({ cpu }) => cpu)), wall: median(runs.map(({ wall }) => wall)) };
}
