import { inTurn, medians, type Ours, type Pair } from './machines.ts';
import { buildGuests, geometricMean, type Times } from './measure.ts';

/** The guest programs of `test/bench/guests`, and what each is of. */
export const PROGRAMS = {
  integer: 'lists, matrices, state machines, CRC',
  records: 'records, short strings, small functions (Dhrystone-like)',
  sort: 'quicksort, heapsort, hash table, SHA-256',
  copy: 'string and memory copies',
  interpreter: 'bytecode by switch and by indirect jump',
  recursion: 'recursive calls',
  float: 'n-body, FFT, Mandelbrot',
  chase: 'pointer chasing over 64 MiB',
  atomics: 'locks, compare and swap, AMOs',
  traps: 'system calls, page faults, emulation, timer at 1 kHz',
  switches: 'context switches with address spaces',
  codegen: 'code that writes code',
} as const;
export type Program = keyof typeof PROGRAMS;

/** Bare: M-mode, no translation. Paged: Sv39 with 4 KiB pages, S-mode and U-mode. */
export const VARIANTS = ['bare', 'paged'] as const;
export type Variant = (typeof VARIANTS)[number];

export interface Throughput {
  readonly program: Program;
  readonly variant: Variant;
  readonly instructions: number;
  /** Medians, in seconds, without what starting and stopping costs. */
  readonly ours: Times;
  readonly qemu: Times;
  /** QEMU's time to ours: above 1 is faster than QEMU. */
  readonly cpuRatio: number;
  readonly wallRatio: number;
  /** The same of CPU time with starting and stopping. */
  readonly wholeRatio: number;
}

export interface ThroughputOptions {
  readonly ours: Ours;
  readonly programs: readonly Program[];
  readonly variants: readonly Variant[];
  readonly rounds: number;
  /** Percent of the programs' usual work. */
  readonly scale: number;
  /** Told of each result when it is there. */
  onResult(result: Throughput): void;
}

/** Below this much net CPU time, in seconds, noise of the subtraction would be the figure. */
const NET_CPU_MIN = 0.005;

/** Runs programs on Hartscope and on QEMU in turn, on the same ELF files. */
export function throughput(options: ThroughputOptions): Throughput[] {
  const { ours, programs, variants, rounds, scale } = options;
  const start = medians(inTurn(ours, buildGuests(['empty.elf'])[0]!, Math.max(rounds, 5)));
  const results: Throughput[] = [];
  for (const variant of variants) {
    const elves = buildGuests(
      programs.map((program) => `${program}.${variant}.elf`),
      scale,
    );
    for (const [index, program] of programs.entries()) {
      const pair = inTurn(ours, elves[index]!, rounds);
      const result = compare(program, variant, pair, start);
      options.onResult(result);
      results.push(result);
    }
  }
  return results;
}

function compare(
  program: Program,
  variant: Variant,
  pair: Pair,
  start: { ours: Times; qemu: Times },
): Throughput {
  const whole = medians(pair);
  const net = (times: Times, without: Times): Times => ({
    cpu: Math.max(times.cpu - without.cpu, NET_CPU_MIN),
    wall: Math.max(times.wall - without.wall, NET_CPU_MIN),
  });
  const ours = net(whole.ours, start.ours);
  const qemu = net(whole.qemu, start.qemu);
  return {
    program,
    variant,
    instructions: pair.instructions,
    ours,
    qemu,
    cpuRatio: qemu.cpu / ours.cpu,
    wallRatio: qemu.wall / ours.wall,
    wholeRatio: whole.qemu.cpu / whole.ours.cpu,
  };
}

export interface Summary {
  readonly variant: Variant;
  readonly geometricMean: number;
  readonly lowest: Throughput;
}

/** The geometric mean of CPU ratios and the lowest, of each variant that was run. */
export function summarize(results: readonly Throughput[]): Summary[] {
  return VARIANTS.flatMap((variant) => {
    const own = results.filter((result) => result.variant === variant);
    if (own.length === 0) return [];
    return {
      variant,
      geometricMean: geometricMean(own.map(({ cpuRatio }) => cpuRatio)),
      lowest: own.reduce((a, b) => (b.cpuRatio < a.cpuRatio ? b : a)),
    };
  });
}
