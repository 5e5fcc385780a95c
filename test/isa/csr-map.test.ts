import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { csrByNumber } from '../../vmm/isa/csrs.ts';
import { parseIsa } from '../../vmm/isa/isa-text.ts';
import { runOnHart, runOnNewerQemu } from '../support/memory-guests.ts';
import { describeWithNewer } from '../support/newer-tools.ts';
import { compileGuest, temporaryFolder } from '../support/qemu.ts';
import { describeWith } from '../support/tools.ts';

const RESULTS = 0x8010_0000;
const NUMBERS = 4096;
/** With everything closed to lower levels, then with everything open. */
const PASSES = ['M, closed', 'S, closed', 'U, closed', 'M, open', 'S, open', 'U, open'];
const STEPS_MAX = 1_000_000;

/** Configurations, ours and QEMU's. */
const CONFIGURATIONS = [
  ['', 'smstateen=on,sscofpmf=on'],
  ['-sscofpmf,-smstateen,-sstc', 'sstc=off'],
  ['-smstateen,-ssstateen,-zicntr,-zihpm', 'zicntr=off,zihpm=off'],
  ['-f', 'smstateen=on,sscofpmf=on,f=off,d=off,zfa=off,zfh=off,zfhmin=off,zcd=off'],
] as const;
/** What QEMU's `rv64` has and harts here have not is off; and it has every programmable counter. */
const CPU = 'rv64,h=off,pmu-mask=0xfffffff8';

/** Numbers that are not compared. */
const EXCEPTED = {
  /** QEMU has mstateen0h to mstateen3h, which only RV32 has ("Smstateen", "State Enable Extensions"). */
  rv32: [0x31c, 0x31d, 0x31e, 0x31f],
  /** tinfo and mcontext of Sdtrig: harts here have no triggers. */
  triggers: [0x7a4, 0x7a8],
  /** Without Zihpm QEMU has no mhpmcounter; M-mode has them, read-only zero ("Hardware Performance Monitor"). */
  counters: Array.from({ length: 29 }, (_, index) => 0xb03 + index),
  /** QEMU has sstateen only together with mstateen. */
  stateEnables: [0x10c, 0x10d, 0x10e, 0x10f],
} as const;

const GUEST = readFileSync(fileURLToPath(new URL('../support/guests/csr-map.S', import.meta.url)));

describeWith(['riscv64-unknown-elf-gcc'], 'all CSR numbers', () => {
  describeWithNewer(['qemu'], 'against QEMU', () => {
    test.each(CONFIGURATIONS)('of "%s" may be read where they may with %s', (text, cpu) => {
      const isa = parseIsa(text);
      const folder = temporaryFolder();
      const flags = isa.has('smstateen') ? ['-DSTATE_ENABLES'] : [];
      const elf = compileGuest({ folder, sources: { 'csr-map.S': GUEST }, start: false, flags });
      const length = PASSES.length * NUMBERS;
      const ours = runOnHart(readFileSync(elf), isa, [], STEPS_MAX)(RESULTS, length);
      const theirs = runOnNewerQemu(folder, elf, `${CPU},${cpu}`, [])(RESULTS, length);

      const excepted = new Set<number>([
        ...EXCEPTED.rv32,
        ...EXCEPTED.triggers,
        ...(isa.has('zihpm') ? [] : EXCEPTED.counters),
        ...(isa.has('smstateen') ? [] : EXCEPTED.stateEnables),
      ]);
      const illegal = (results: Uint8Array, number: number): string[] =>
        PASSES.filter((_, pass) => results[pass * NUMBERS + number] === 1);
      const differences = Array.from({ length: NUMBERS }, (_, number) => number)
        .filter((number) => !excepted.has(number))
        .map((number) => ({
          csr: `0x${number.toString(16)} ${csrByNumber(number)?.name ?? ''}`,
          here: illegal(ours, number),
          there: illegal(theirs, number),
        }))
        .filter(({ here, there }) => here.join() !== there.join());
      expect(differences).toEqual([]);
    });
  });
});
