import { spawnSync } from 'node:child_process';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { DIST, medianTimes, type Run, run, type Times } from './measure.ts';

export const QEMU = 'qemu-system-riscv64';
const QEMU_BARE = '-M virt -bios none -display none -serial none -monitor none -kernel'.split(' ');

/** Which of our tiers take part: all, or the interpreter alone. */
export type Tier = 'all' | 'interpreter';

/** How our machine is started. */
export interface Ours {
  /** The Node binary. */
  readonly node: string;
  readonly tier: Tier;
}

interface OurRun extends Run {
  /** Instructions and traps that the guest took. */
  readonly instructions: number;
}

/** Runs a bare-metal ELF on Hartscope until it passes. */
export function runOurs({ node, tier }: Ours, elf: string): OurRun {
  const translator = tier === 'interpreter' ? ['--translator', 'off'] : [];
  const args = ['run', '--firmware', 'none', '--kernel', elf, '--stats', 'json', ...translator];
  const result = run(node, [join(DIST, 'vmm.cjs'), ...args]);
  const stats = result.stderr.trim().split('\n').at(-1)!;
  const { instructions } = JSON.parse(stats) as { instructions: number };
  return { ...result, instructions };
}

/** The same on QEMU. */
export function runQemu(elf: string): Run {
  return run(QEMU, [...QEMU_BARE, elf]);
}

export interface Pair {
  readonly ours: readonly Times[];
  readonly qemu: readonly Times[];
  readonly instructions: number;
}

/** Runs an ELF on both in turn, so that what else the machine does falls on both alike. */
export function inTurn(ours: Ours, elf: string, rounds: number): Pair {
  const pair = { ours: [] as Times[], qemu: [] as Times[], instructions: 0 };
  for (let round = 0; round < rounds; round++) {
    const { instructions, cpu, wall } = runOurs(ours, elf);
    pair.instructions = instructions;
    pair.ours.push({ cpu, wall });
    const { cpu: qemuCpu, wall: qemuWall } = runQemu(elf);
    pair.qemu.push({ cpu: qemuCpu, wall: qemuWall });
  }
  return pair;
}

export const medians = ({ ours, qemu }: Pair): { ours: Times; qemu: Times } => ({
  ours: medianTimes(ours),
  qemu: medianTimes(qemu),
});

/** What the figures were taken with. */
export interface Setting {
  readonly processor: string;
  readonly cores: number;
  readonly node: string;
  readonly qemu: string;
  readonly compiler: string;
  readonly rounds: number;
}

export function describeSetting(node: string, rounds: number): Setting {
  const firstLine = (command: string, ...args: string[]): string =>
    spawnSync(command, args, { encoding: 'utf8' }).stdout?.split('\n')[0] ?? '';
  const version = `process.version + ' (V8 ' + process.versions.v8 + ')'`;
  return {
    processor: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    node: firstLine(node, '-p', version),
    qemu: /version (\S+)/.exec(firstLine(QEMU, '--version'))?.[1] ?? '',
    compiler: firstLine('riscv64-unknown-elf-gcc', '-dumpfullversion'),
    rounds,
  };
}
