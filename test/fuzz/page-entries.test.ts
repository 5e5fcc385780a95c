import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { assert } from '../../vmm/base/assert.ts';
import type { HartPorts } from '../../vmm/contracts/hart.ts';
import { parseElf, SEGMENT_TYPE } from '../../vmm/formats/elf.ts';
import { createGuestMemory, createHartGroup } from '../../vmm/hart/index.ts';
import { parseIsa } from '../../vmm/isa/isa-text.ts';
import { describeWithNewer, newerQemu, output } from '../support/newer-tools.ts';
import { compileGuest, ramOf, temporaryFolder } from '../support/qemu.ts';
import { random, SEED } from '../support/random.ts';
import { describeWith } from '../support/tools.ts';
import {
  decodeResults,
  describeCase,
  type EntryCase,
  type EntryResult,
  type Image,
  imagesOf,
  randomCase,
  resultsRange,
} from './page-entries.ts';

const CASES = Number(process.env['CASES'] ?? 10_000);
const RAM_BASE = 0x8000_0000;
const RAM_SIZE = 32 << 20;
const TEST_DEVICE = 0x10_0000;
const AREA = { address: 0x8040_0000, length: 64 * 4096 };

/** Configurations take turns: ours, and the same of QEMU's CPU. */
const CONFIGURATIONS = [
  ['', 'svade=off,svadu=on,svnapot=on,svpbmt=on'],
  ['-svnapot', 'svade=off,svadu=on,svnapot=off,svpbmt=on'],
  ['-svpbmt', 'svade=off,svadu=on,svnapot=on,svpbmt=off'],
  ['+svade', 'svade=on,svadu=on,svnapot=on,svpbmt=on'],
  ['+svade,-svadu', 'svade=on,svadu=off,svnapot=on,svpbmt=on'],
] as const;

const GUEST = readFileSync(fileURLToPath(new URL('../support/guests/page-entries.S', import.meta.url)));

/** What a run leaves: the results, and the memory that stores went to. */
interface Outcome {
  readonly results: readonly EntryResult[];
  readonly area: Uint8Array;
}

function runOnQemu(
  folder: string,
  kernel: string,
  cpu: string,
  images: readonly Image[],
  cases: number,
): Outcome {
  const ramFile = join(folder, 'ram');
  const loaders = images.flatMap(({ address, data }, index) => {
    const file = join(folder, `image${index}`);
    writeFileSync(file, data);
    return ['-device', `loader,file=${file},addr=${address},force-raw=on`];
  });
  const ram = ['-object', `memory-backend-file,id=ram,size=32M,mem-path=${ramFile},share=on`];
  output(newerQemu(), [
    ...['-M', 'virt,memory-backend=ram', ...ram, '-cpu', `rv64,${cpu}`, '-m', '32M'],
    ...['-display', 'none', '-monitor', 'none', '-serial', 'none', '-nodefaults', '-bios', 'none'],
    ...['-kernel', kernel, ...loaders],
  ]);
  const { address, length } = resultsRange(cases);
  return {
    results: decodeResults(ramOf(ramFile, address, length)),
    area: ramOf(ramFile, AREA.address, AREA.length),
  };
}

function runOnOurs(kernel: Uint8Array, isa: string, images: readonly Image[], cases: number): Outcome {
  const memory = createGuestMemory({ ramBase: RAM_BASE, ramSize: RAM_SIZE, harts: 1 });
  let ended = false;
  const ports: HartPorts = {
    bus: {
      value: 0n,
      read: () => 'fault',
      write(_hart, address) {
        if (address !== TEST_DEVICE) return 'fault';
        ended = true;
        group.harts[0]!.requestYield();
        return 'ok';
      },
    },
    exits: { count() {}, watches: () => false, report: () => 'continue' },
    time: () => 0n,
    stepsAt: () => Number.POSITIVE_INFINITY,
  };
  const group = createHartGroup({ memory, ports, isa: parseIsa(isa) });
  const hart = group.harts[0]!;
  const elf = parseElf(kernel);
  for (const { type, paddr, data } of elf.segments) {
    if (type === SEGMENT_TYPE.load) memory.ram.set(data, Number(paddr) - RAM_BASE);
  }
  for (const { address, data } of images) memory.ram.set(data, address - RAM_BASE);
  hart.reset({ pc: elf.entry, privilege: 3, a0: 0n, a1: 0n });
  hart.run(cases * 100 + 1000);
  assert(ended, `the guest ended; pc is 0x${hart.getPc().toString(16)}`);
  const slice = (address: number, length: number): Uint8Array =>
    memory.ram.slice(address - RAM_BASE, address - RAM_BASE + length);
  const { address, length } = resultsRange(cases);
  return { results: decodeResults(slice(address, length)), area: slice(AREA.address, AREA.length) };
}

describeWith(['riscv64-unknown-elf-gcc'], 'random page-table entries', () => {
  describeWithNewer(['qemu'], 'against QEMU', () => {
    test.each(CONFIGURATIONS)('with "%s" translate, fault and are updated as on QEMU with %s', (isa, cpu) => {
      const source = random(SEED);
      const count = Math.ceil(CASES / CONFIGURATIONS.length);
      const cases: EntryCase[] = Array.from({ length: count }, () => randomCase(source));
      const folder = temporaryFolder();
      const kernel = compileGuest({ folder, sources: { 'page-entries.S': GUEST }, start: false });
      const images = Object.values(imagesOf(cases));
      const ours = runOnOurs(readFileSync(kernel), isa, images, count);
      const theirs = runOnQemu(folder, kernel, cpu, images, count);
      const differences = cases.flatMap((entry, index) => {
        const [a, b] = [ours.results[index]!, theirs.results[index]!];
        const same = Object.keys(a).every(
          (key) => a[key as keyof EntryResult] === b[key as keyof EntryResult],
        );
        return same ? [] : [{ case: `SEED=${SEED}, ${index}: ${describeCase(entry)}`, ours: a, theirs: b }];
      });
      expect(differences.slice(0, 3)).toEqual([]);
      expect(Buffer.compare(ours.area, theirs.area)).toBe(0);
      // Half of the accesses at least get somewhere, or little is compared.
      const causes = ours.results.map(({ cause }) => cause);
      const succeeded = causes.filter((cause) => cause === -1n || cause === 8n || cause === 9n).length;
      expect(succeeded).toBeGreaterThan(count / 8);
      expect(causes.filter((cause) => cause >= 12n).length).toBeGreaterThan(count / 8);
    });
  });
});
