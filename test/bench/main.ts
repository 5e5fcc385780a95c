/**
 * `npm run bench`: the project's own guest programs on Hartscope and on QEMU, alternating, on the same ELF files.
 * Prints a table of medians and the ratio of the two; a ratio above 1 is faster than QEMU.
 * `--rounds N` (default 5) and names of guests select; `--json` prints the figures as one JSON line too.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

declare const __dirname: string;
const root = join(__dirname, '..');
const cache = join(root, '.cache', 'bench');
const GUESTS = ['integer', 'sort', 'memory', 'float'] as const;

const { values, positionals } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, json: { type: 'boolean', default: false } },
  allowPositionals: true,
});

function fail(message: string): never {
  console.error(`bench: ${message}`);
  process.exit(2);
}

function run(command: string, args: readonly string[]): { seconds: number; stderr: string } {
  const started = process.hrtime.bigint();
  const result = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] });
  if (result.error)
    fail(`${command} cannot be started: apt-get install qemu-system-misc gcc-riscv64-unknown-elf`);
  if (result.status !== 0)
    fail(`${command} ${args.join(' ')} ended with status ${result.status}\n${result.stderr}`);
  return { seconds: Number(process.hrtime.bigint() - started) / 1e9, stderr: result.stderr };
}

function compile(guest: string): string {
  const folder = join(root, 'test/bench/guests');
  const elf = join(cache, `${guest}.elf`);
  mkdirSync(cache, { recursive: true });
  run('riscv64-unknown-elf-gcc', [
    '-O2',
    '-march=rv64gc',
    '-mabi=lp64d',
    '-mcmodel=medany',
    '-ffreestanding',
    '-fno-builtin',
    '-nostdlib',
    '-T',
    join(folder, 'link.ld'),
    join(folder, 'start.S'),
    join(folder, `${guest}.c`),
    '-o',
    elf,
    '-lgcc',
  ]);
  return elf;
}

const median = (numbers: readonly number[]): number => {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
};

interface Sample {
  readonly seconds: number;
  readonly instructions: number;
}

function runHartscope(elf: string): Sample {
  const { stderr } = run(process.execPath, [
    join(__dirname, 'vmm.cjs'),
    'run',
    '--firmware',
    'none',
    '--kernel',
    elf,
    '--stats',
    'json',
  ]);
  const stats = JSON.parse(stderr.trim().split('\n').at(-1)!) as Sample;
  return { seconds: stats.seconds, instructions: stats.instructions };
}

const runQemu = (elf: string): number =>
  run('qemu-system-riscv64', [
    '-M',
    'virt',
    '-bios',
    'none',
    '-display',
    'none',
    '-serial',
    'none',
    '-monitor',
    'none',
    '-kernel',
    elf,
  ]).seconds;

const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1) fail('--rounds takes a whole number of at least 1');
const guests = positionals.length > 0 ? positionals : [...GUESTS];
for (const guest of guests) {
  if (!existsSync(join(root, 'test/bench/guests', `${guest}.c`)))
    fail(`no guest ${guest}; there are ${GUESTS.join(', ')}`);
}

// What QEMU needs to start and stop is not the guest's time: the shortest of a few runs that end at once.
const idle = join(cache, 'empty.elf');
mkdirSync(cache, { recursive: true });
run('riscv64-unknown-elf-gcc', [
  '-nostdlib',
  '-march=rv64gc',
  '-mabi=lp64d',
  '-T',
  join(root, 'test/bench/guests/link.ld'),
  join(root, 'test/bench/guests/empty.S'),
  '-o',
  idle,
]);
const qemuStart = Math.min(...Array.from({ length: 5 }, () => runQemu(idle)));

console.log(
  `${'guest'.padEnd(10)} ${'instructions'.padStart(14)} ${'MIPS'.padStart(7)} ${'QEMU MIPS'.padStart(10)} ${'ratio'.padStart(7)}`,
);
const ratios: Record<string, number> = {};
for (const guest of guests) {
  const elf = compile(guest);
  const ours: number[] = [];
  const theirs: number[] = [];
  let instructions = 0;
  for (let round = 0; round < rounds; round++) {
    const sample = runHartscope(elf);
    ours.push(sample.seconds);
    instructions = sample.instructions;
    theirs.push(runQemu(elf) - qemuStart);
  }
  const mine = median(ours);
  const qemu = median(theirs);
  ratios[guest] = qemu / mine;
  const mips = (seconds: number) => (instructions / seconds / 1e6).toFixed(0);
  console.log(
    `${guest.padEnd(10)} ${String(instructions).padStart(14)} ${mips(mine).padStart(7)} ${mips(qemu).padStart(10)} ${ratios[guest]!.toFixed(3).padStart(7)}`,
  );
}
const geometricMean = Math.exp(
  Object.values(ratios).reduce((sum, ratio) => sum + Math.log(ratio), 0) / guests.length,
);
console.log(`${'geometric mean'.padEnd(44)} ${geometricMean.toFixed(3).padStart(7)}`);
if (values.json) console.log(JSON.stringify({ ratios, geometricMean }));
