import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { DEFAULT_ISA, type IsaConfig } from '../../vmm/isa/extensions.ts';
import { parseIsa } from '../../vmm/isa/isa-text.ts';
import { describeWithNewer, newerQemu, type Program } from '../support/newer-tools.ts';
import { compileGuest, ramOf, runQemu, temporaryFolder } from '../support/qemu.ts';
import { SEED } from '../support/random.ts';
import { describeWith } from '../support/tools.ts';
import { runBareMetal } from './bare-machine.ts';
import { InstructionPool } from './instruction-pool.ts';
import { asSpecified } from './qemu-deviations.ts';
import { generateSequence, type Sequence } from './random-programs.ts';
import {
  codeAddress,
  decodeOutcomes,
  describeDifference,
  type Environment,
  encodeSequences,
  type Image,
  type Images,
} from './sequence-records.ts';

/** In all, and in one image: a machine that hangs should not take all the others with it. */
const SEQUENCES = Number(process.env['SEQUENCES'] ?? 10_000);
const BATCH = 1000;

/** Batches take turns. */
const ENVIRONMENTS: readonly Environment[] = [
  { privilege: 3, levels: 0, writableCode: true },
  { privilege: 1, levels: 3, writableCode: true },
  { privilege: 0, levels: 4, writableCode: false },
  { privilege: 1, levels: 5, writableCode: false },
  { privilege: 0, levels: 3, writableCode: true },
];

/** A QEMU, its `-cpu`, and what our harts are configured to: what one has and the other has not is off on both. */
interface Reference {
  readonly program: Program | string;
  readonly cpu: string;
  readonly isa: IsaConfig;
}

/** QEMU 7.2 knows little of RVA23, but is there without a network. */
const INSTALLED: Reference = {
  program: { file: 'qemu-system-riscv64', arguments: [] },
  cpu: 'rv64,zba=true,zbb=true,zbs=true,zbc=false,h=false,svinval=false',
  isa: parseIsa('rv64gc_zba_zbb_zbs_zihintpause'),
};

const ADDED_FOR_RVA23 = [
  ...['zacas', 'zabha', 'zbkb', 'zbkx', 'zcb', 'zcmop', 'zfh', 'zicond', 'zimop', 'svinval'],
];
const newer = (): Reference => ({
  program: newerQemu(),
  cpu: ['rv64,h=false', ...ADDED_FOR_RVA23.map((name) => `${name}=true`)].join(','),
  isa: DEFAULT_ISA,
});

const GUEST = readFileSync(fileURLToPath(new URL('../support/guests/sequences.S', import.meta.url)));

/** Runs the batch on QEMU; returns what is in the images' place afterwards. */
async function runOnQemu(
  { program, cpu }: Reference,
  folder: string,
  kernel: string,
  images: Images,
): Promise<Images> {
  if (typeof program === 'string') throw new Error(program);
  const ramFile = join(folder, 'ram');
  const loaders = Object.entries(images).flatMap(([name, { address, data }]: [string, Image]) => {
    writeFileSync(join(folder, name), data);
    return ['-device', `loader,file=${join(folder, name)},addr=${address},force-raw=on`];
  });
  // With one hart QEMU makes AMOs of a load and a store, and reports their faults as the load's.
  await runQemu({ program, kernel, cpu, harts: 2, ramFile, arguments: loaders });
  const after = ({ address, data }: Image): Image => ({
    address,
    data: ramOf(ramFile, address, data.length),
  });
  return {
    code: after(images.code),
    buffers: after(images.buffers),
    tables: after(images.tables),
    records: after(images.records),
  };
}

/** What a person needs to see to find out why a sequence did something else. */
function report(
  sequence: Sequence,
  index: number,
  environment: Environment & { readonly translates: boolean },
  differences: readonly string[],
): string {
  const { fcsr, fs } = sequence.start;
  const code = sequence.listing.map(
    ({ offset, raw, name }) => `  +${offset} ${(raw >>> 0).toString(16).padStart(8)} ${name}`,
  );
  const where = `privilege ${environment.privilege}, ${environment.levels} levels of page tables, ${environment.translates ? 'translated' : 'interpreted'}`;
  const heading = `SEED=${SEED}, sequence ${index}, ${where}, fcsr 0x${fcsr.toString(16)}, FS ${fs}:`;
  return [heading, ...differences.slice(0, 12), 'Code:', ...code].join('\n');
}

describeWithNewer(['qemu'], 'random instruction sequences, all extensions', () => {
  describeWith(['riscv64-unknown-elf-gcc'], 'compared with QEMU 10', () => compare(newer(), SEQUENCES));
});

describeWith(
  ['qemu-system-riscv64', 'riscv64-unknown-elf-gcc'],
  'random instruction sequences, compared with the installed QEMU',
  () => compare(INSTALLED, Math.ceil(SEQUENCES / 5)),
);

function compare(reference: Reference, count: number): void {
  test(`${count} of them leave on our harts what they leave on QEMU's`, async () => {
    const pool = new InstructionPool(reference.isa);
    const folder = temporaryFolder();
    const kernel = compileGuest({ folder, sources: { 'sequences.S': GUEST }, start: false });
    const failures: string[] = [];
    const generated = new Map<string, number>();

    for (let first = 0; first < count && failures.length < 3; first += BATCH) {
      const environment = ENVIRONMENTS[(first / BATCH) % ENVIRONMENTS.length]!;
      const sequences = Array.from({ length: Math.min(BATCH, count - first) }, (_, slot) =>
        generateSequence(SEED, first + slot, environment, slot, pool),
      );
      const images = encodeSequences(environment, sequences);
      const theirs = await runOnQemu(reference, folder, kernel, images);
      const references = decodeOutcomes(environment, theirs);
      // Translating code that runs once takes long: every third batch does, which is each environment in turn.
      for (const translates of (first / BATCH) % 3 === 0 ? [false, true] : [false]) {
        const ours = runBareMetal(readFileSync(kernel), images, reference.isa, translates);
        decodeOutcomes(environment, ours).forEach((outcome, slot) => {
          const sequence = sequences[slot]!;
          const items = new Map(sequence.listing.map((item) => [item.offset, item]));
          for (const { name } of items.values()) generated.set(name, (generated.get(name) ?? 0) + 1);
          const specified = asSpecified(references[slot]!, codeAddress(environment, slot), (offset) =>
            items.get(offset),
          );
          const differences = describeDifference(outcome, specified);
          if (differences.length > 0)
            failures.push(report(sequence, first + slot, { ...environment, translates }, differences));
        });
        // Accessed and dirty bits are set where the sequences went, and nowhere else.
        const sameTables = Buffer.compare(ours.tables.data, theirs.tables.data) === 0;
        if (!sameTables) failures.push(`SEED=${SEED}, batch from ${first}: the page tables differ`);
      }
    }
    expect(failures.slice(0, 3).join('\n\n')).toBe('');
    if (count < 1000) return;
    // An entry of the table that no sequence contains is not tested, whatever the comparison says.
    const names = [...pool.instructions, ...pool.compressed].map(({ name }) => name);
    const absent = names.filter((name) => (generated.get(name) ?? 0) < 5);
    expect(absent).toEqual([]);
  });
}
