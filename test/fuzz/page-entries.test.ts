import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { parseIsa } from '../../vmm/isa/isa-text.ts';
import { runOnHart, runOnNewerQemu } from '../support/memory-guests.ts';
import { describeWithNewer } from '../support/newer-tools.ts';
import { compileGuest, temporaryFolder } from '../support/qemu.ts';
import { random, SEED } from '../support/random.ts';
import { describeWith } from '../support/tools.ts';
import { AREA, describeCase, type EntryCase, imagesOf, randomCase, resultsOf } from './page-entries.ts';

const CASES = Number(process.env['CASES'] ?? 10_000);
const STEPS_PER_CASE_MAX = 100;

/** Configurations take turns: ours, and the same of QEMU's CPU. */
const CONFIGURATIONS = [
  ['', 'svade=off,svadu=on,svnapot=on,svpbmt=on'],
  ['-svnapot', 'svade=off,svadu=on,svnapot=off,svpbmt=on'],
  ['-svpbmt', 'svade=off,svadu=on,svnapot=on,svpbmt=off'],
  ['+svade', 'svade=on,svadu=on,svnapot=on,svpbmt=on'],
  ['+svade,-svadu', 'svade=on,svadu=off,svnapot=on,svpbmt=on'],
] as const;

const GUEST = readFileSync(fileURLToPath(new URL('../support/guests/page-entries.S', import.meta.url)));

describeWith(['riscv64-unknown-elf-gcc'], 'random page-table entries', () => {
  describeWithNewer(['qemu'], 'against QEMU', () => {
    test.each(CONFIGURATIONS)('with "%s" translate, fault and change as with %s', (isa, cpu) => {
      const source = random(SEED);
      const count = Math.ceil(CASES / CONFIGURATIONS.length);
      const cases: EntryCase[] = Array.from({ length: count }, () => randomCase(source));
      const folder = temporaryFolder();
      const elf = compileGuest({ folder, sources: { 'page-entries.S': GUEST }, start: false });
      const images = imagesOf(cases);
      const ours = runOnHart(readFileSync(elf), parseIsa(isa), images, (count + 10) * STEPS_PER_CASE_MAX);
      const theirs = runOnNewerQemu(folder, elf, `rv64,${cpu}`, images);

      const [here, there] = [resultsOf(ours, count), resultsOf(theirs, count)];
      const differences = cases.flatMap((entry, index) => {
        const [a, b] = [here[index]!, there[index]!];
        const same =
          a.cause === b.cause && a.tval === b.tval && a.outcome === b.outcome && a.after === b.after;
        return same ? [] : [{ what: `SEED=${SEED}, ${index}: ${describeCase(entry)}`, here: a, there: b }];
      });
      expect(differences.slice(0, 3)).toEqual([]);
      // Where stores went.
      expect(Buffer.compare(ours(AREA.address, AREA.length), theirs(AREA.address, AREA.length))).toBe(0);
      // Many accesses get somewhere and many fault, or little is compared.
      const succeeded = here.filter(({ cause }) => cause === -1n || cause === 8n || cause === 9n);
      expect(succeeded.length).toBeGreaterThan(count / 8);
      expect(here.filter(({ cause }) => cause >= 12n).length).toBeGreaterThan(count / 8);
    });
  });
});
