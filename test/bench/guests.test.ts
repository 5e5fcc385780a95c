import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TranslatorOption } from '../../vmm/hart/group.ts';
import { createTranslator, SynchronousCompiler } from '../../vmm/jit/index.ts';
import { createMachine } from '../../vmm/machine/index.ts';
import { vmConfigSchema } from '../../vmm/protocol/messages.ts';
import { runQemu } from '../support/qemu.ts';
import { describeWith } from '../support/tools.ts';
import { PROGRAMS, VARIANTS } from './throughput.ts';

/** The benchmark's guests with one round of work each: they check themselves and end through the test device. */

const GUESTS = fileURLToPath(new URL('guests/', import.meta.url));
const COMPILER = ['riscv64-unknown-elf-gcc', 'make'] as const;
const EVENTS = ['LOOP', 'MMIO', 'SYSTEM_CALL', 'CSR_WRITE', 'FENCE'].map((event) => `micro-${event}-1000`);
const NAMES = VARIANTS.flatMap((variant) =>
  [...Object.keys(PROGRAMS), ...EVENTS].map((name) => `${name}.${variant}.elf`),
);
/** More than the longest of them takes. */
const STEPS_MAX = 100_000_000;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hartscope-guests-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function make(settings: readonly string[], names: readonly string[], out = folder): string[] {
  const targets = names.map((name) => join(out, name));
  execFileSync('make', ['-s', '-j2', '-C', GUESTS, `OUT=${out}`, ...settings, ...targets], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return targets;
}

interface RunOptions {
  readonly stepsMax?: number;
  readonly translator?: TranslatorOption;
}

function runHere(elf: string, { stepsMax = STEPS_MAX, translator }: RunOptions = {}) {
  let output = '';
  const machine = createMachine({
    config: vmConfigSchema.parse({ kernel: elf, firmware: 'none', trace: false }),
    images: { kernel: { name: elf, data: readFileSync(elf) } },
    ports: {
      console: (data) => (output += Buffer.from(data).toString('latin1')),
      nowNs: () => 0,
      log() {},
    },
    ...(translator && { translator }),
  });
  while (machine.end === null && machine.instructions < stepsMax) machine.run(100_000);
  const { end, instructions, tiers } = machine;
  const exits = machine.exitStats().counts.map(({ kind, count }) => ({ kind, count }));
  return { end, instructions, exits, output, tiers };
}

const translated = (): TranslatorOption =>
  createTranslator({ compiler: new SynchronousCompiler(), hotAfter: 20 });

describeWith(COMPILER, 'a benchmark guest passes on this machine, translated as interpreted:', () => {
  beforeAll(() => void make(['ROUNDS=1'], NAMES));

  test.each(NAMES)('%s', (name) => {
    const { tiers: interpretedTiers, ...interpreted } = runHere(join(folder, name));
    const { tiers, ...other } = runHere(join(folder, name), { translator: translated() });
    expect(interpreted.end).toEqual({ reason: 'pass', code: 0 });
    expect(other).toEqual(interpreted);
    expect(interpretedTiers.translator).toBe(0);
    // A loop of nothing but events may have nothing worth translating.
    if (!name.startsWith('micro')) expect(tiers.translator).toBeGreaterThan(0);
  });
});

describeWith([...COMPILER, 'qemu-system-riscv64'], 'a benchmark guest passes on QEMU:', () => {
  beforeAll(() => void make(['ROUNDS=1'], NAMES));

  test.each(NAMES)('%s', async (name) => {
    expect((await runQemu({ kernel: join(folder, name) })).status).toBe(0);
  });
});

describeWith([...COMPILER, 'qemu-system-riscv64'], 'a benchmark guest with a wrong checksum', () => {
  test.each(VARIANTS)('fails, %s', async (variant) => {
    const [elf] = make(['ROUNDS=1', 'EXPECTED=1'], [`records.${variant}.elf`], join(folder, 'wrong'));
    expect(runHere(elf!).end).toEqual({ reason: 'fail', code: 1 });
    expect((await runQemu({ kernel: elf! })).status).toBe(1);
  });
});

describeWith(COMPILER, 'the guest that generates code for ever', () => {
  test.each(VARIANTS)('says how far it is, %s', (variant) => {
    const [elf] = make(['CALLS=100'], [`endless.${variant}.elf`], join(folder, 'brief'));
    const { end, output } = runHere(elf!, { stepsMax: 30_000_000 });
    expect(end).toBeNull();
    const lines = output.split('\n').slice(0, -1);
    const counts = lines.map((line) => line.split(' ').map(Number));
    expect(counts.length).toBeGreaterThan(1);
    for (const [index, [functions, instructions]] of counts.entries()) {
      expect(functions).toBe((index + 1) * 64);
      expect(instructions).toBeGreaterThan(counts[index - 1]?.[1] ?? 0);
    }
  });
});

describeWith(['cc', 'make'], 'the benchmark guests’ checksums', () => {
  test('are what this host computes from the same sources', () => {
    const output = execFileSync('make', ['-s', '-j2', '-C', GUESTS, `OUT=${folder}`, 'native'], {
      encoding: 'utf8',
    });
    const programs = output
      .trim()
      .split('\n')
      .map((line) => line.split(' ')[0]!);
    expect(programs.sort()).toEqual(Object.keys(PROGRAMS).sort());
    expect(output).not.toContain('expected');
  });
});
