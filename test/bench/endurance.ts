import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Ours } from './machines.ts';
import { BenchError, buildGuests, DIST, median } from './measure.ts';
import type { Variant } from './throughput.ts';

/** What an interval of the run was like. */
export interface Sample {
  /** Since the start, in seconds. */
  readonly at: number;
  /** Resident memory of the process at the end of the interval, in MiB. */
  readonly residentMiB: number;
  /** Functions that the guest generated in it. */
  readonly functions: number;
  /** Millions of instructions a second, of wall and of CPU time. */
  readonly mips: number;
  readonly cpuMips: number;
}

export interface Endurance {
  readonly samples: readonly Sample[];
  /** Speed of the last quarter to that of the first, CPU time: 1 is no slowdown. */
  readonly speedKept: number;
  /** Highest memory of the last quarter to that of the second: 1 is no growth. */
  readonly memoryGrowth: number;
}

const SAMPLES = 60;

/**
 * Runs `guests/endless.c`, which generates new code for ever, for some minutes. The guest itself says how far it is, so
 * nothing is asked of the machine while it runs.
 */
export async function endurance(
  { node, tier }: Ours,
  minutes: number,
  variant: Variant,
  onSample: (sample: Sample) => void,
): Promise<Endurance> {
  const elf = buildGuests([`endless.${variant}.elf`])[0]!;
  const translator = tier === 'interpreter' ? ['--translator', 'off'] : [];
  const args = ['run', '--firmware', 'none', '--kernel', elf, ...translator];
  const machine = spawn(node, [join(DIST, 'vmm.cjs'), ...args]);
  const samples: Sample[] = [];
  try {
    for await (const sample of sampled(machine, (minutes * 60) / SAMPLES)) {
      samples.push(sample);
      onSample(sample);
      if (samples.length === SAMPLES) break;
    }
  } finally {
    await leave(machine);
  }
  const quarter = (index: number): Sample[] =>
    samples.slice((index * SAMPLES) / 4, ((index + 1) * SAMPLES) / 4);
  const speed = (part: readonly Sample[]): number => median(part.map(({ cpuMips }) => cpuMips));
  const memory = (part: readonly Sample[]): number => Math.max(...part.map(({ residentMiB }) => residentMiB));
  return {
    samples,
    speedKept: speed(quarter(3)) / speed(quarter(0)),
    memoryGrowth: memory(quarter(3)) / memory(quarter(1)),
  };
}

/** A sample at the first line of the guest after each interval. */
async function* sampled(machine: ChildProcessWithoutNullStreams, seconds: number): AsyncGenerator<Sample> {
  const begun = Number(process.hrtime.bigint()) / 1e9;
  let errors = '';
  machine.stderr.on('data', (data: Buffer) => (errors += data.toString()));
  let last: { at: number; cpu: number; functions: number; instructions: number } | undefined;
  for await (const line of createInterface(machine.stdout)) {
    const at = Number(process.hrtime.bigint()) / 1e9 - begun;
    if (last !== undefined && at - last.at < seconds) continue;
    const [functions, instructions] = line.split(' ').map(Number);
    const now = { at, cpu: cpuSeconds(machine.pid!), functions: functions!, instructions: instructions! };
    if (last !== undefined) {
      const millions = (now.instructions - last.instructions) / 1e6;
      yield {
        at,
        residentMiB: residentMiB(machine.pid!),
        functions: now.functions - last.functions,
        mips: millions / (now.at - last.at),
        cpuMips: millions / (now.cpu - last.cpu),
      };
    }
    last = now;
  }
  throw new BenchError(`the machine ended by itself: ${errors}`);
}

/** Leaves with Ctrl-A x, as a person would. */
async function leave(machine: ChildProcessWithoutNullStreams): Promise<void> {
  if (machine.exitCode !== null) return;
  const ended = new Promise((resolve) => machine.once('exit', resolve));
  machine.stdout.resume();
  machine.stdin.write('\x01x');
  const timer = setTimeout(() => machine.kill('SIGKILL'), 10_000);
  await ended;
  clearTimeout(timer);
}

function residentMiB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s*(\d+) kB/.exec(status)![1]) / 1024;
}

/** User and system time of the process and its threads (proc(5), /proc/PID/stat, fields 14 and 15, in 1/100 s). */
function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
