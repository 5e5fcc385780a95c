import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

declare const __dirname: string;
/** The repository, and the bundles beside the running one. */
export const ROOT = join(__dirname, '..');
export const DIST = __dirname;
const CACHE = join(ROOT, '.cache', 'bench');
const SOURCES = join(ROOT, 'test/bench/guests');

/** What stops a benchmark and is not our bug; `main.ts` prints it. */
export class BenchError extends Error {}

export interface Run {
  /** User and system time of the process and its threads, in seconds. */
  readonly cpuSeconds: number;
  readonly stderr: string;
}

/**
 * Runs a program to its end. CPU time, not wall time, so that other load on the machine weighs less; the shell's `time`
 * is the way to it that is on every machine.
 */
export function run(command: string, args: readonly string[]): Run {
  const script = 'TIMEFORMAT="cpu %U %S"; time "$@"';
  const result = spawnSync('bash', ['-c', script, 'bench', command, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  if (result.status !== 0) {
    const missing =
      result.status === 127
        ? '\n  apt-get install qemu-system-misc gcc-riscv64-unknown-elf gdb-multiarch'
        : '';
    throw new BenchError(`${command} ended with status ${result.status}: ${result.stderr.trim()}${missing}`);
  }
  const [, user, system] = /cpu ([\d.]+) ([\d.]+)\s*$/.exec(result.stderr)!;
  return { cpuSeconds: Number(user) + Number(system), stderr: result.stderr.replace(/cpu .*\s*$/, '') };
}

/** Compiles a guest of `test/bench/guests` for the bare machine and returns the ELF's path. */
export function compile(guest: string): string {
  mkdirSync(CACHE, { recursive: true });
  const elf = join(CACHE, `${guest}.elf`);
  const flags = '-O2 -march=rv64gc -mabi=lp64d -mcmodel=medany -ffreestanding -fno-builtin -nostdlib'.split(
    ' ',
  );
  const sources = guest === 'empty' ? ['empty.S'] : ['start.S', `${guest}.c`];
  const files = sources.map((name) => join(SOURCES, name));
  run('riscv64-unknown-elf-gcc', [...flags, '-T', join(SOURCES, 'link.ld'), ...files, '-o', elf, '-lgcc']);
  return elf;
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export const QEMU = 'qemu-system-riscv64';
export const QEMU_BARE = '-M virt -bios none -display none -serial none -monitor none -kernel'.split(' ');

/** Prints a row of right-aligned columns, the first left-aligned. */
export function row(cells: readonly string[]): void {
  console.log(cells.map((cell, column) => (column === 0 ? cell.padEnd(28) : cell.padStart(14))).join(''));
}
