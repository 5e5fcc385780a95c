import { join } from 'node:path';
import { expect, it } from 'vitest';
import { describeWith } from '../../test/support/tools.ts';
import { SymbolFile } from './symbol-file.ts';
import { buildProgram, type Program, removeProgram, runTool, SOURCES } from './testing/programs.ts';

/** Where gdb would put breakpoints, by the specification they were asked with: sorted addresses. */
function gdbBreakpoints(program: Program, places: readonly string[]): Map<string, bigint[]> {
  const commands = places.flatMap((place) => [
    '-ex',
    `echo @@@${place}\\n`,
    '-ex',
    `break ${place}`,
    '-ex',
    'info breakpoints',
    '-ex',
    'delete',
  ]);
  const printed = runTool('gdb-multiarch', ['-q', '-batch', '-nx', program.path, ...commands]);
  const found = new Map<string, bigint[]>();
  for (const part of printed.split('@@@').slice(1)) {
    const place = part.slice(0, part.indexOf('\n'));
    const table = part.slice(part.indexOf('Num '));
    const addresses = [...table.matchAll(/^\d+.* y\s+(?:.* )?(0x[0-9a-f]{16}) /gm)].map(([, address]) =>
      BigInt(address!),
    );
    found.set(
      place,
      [...new Set(addresses)].sort((a, b) => (a < b ? -1 : 1)),
    );
  }
  return found;
}

const show = (addresses: readonly bigint[] | undefined): string =>
  (addresses ?? []).map((address) => address.toString(16)).join(' ');

describeWith(['riscv64-unknown-elf-gcc', 'gdb-multiarch'], 'breakpoints against gdb', () => {
  const levels = ['-gdwarf-4 -O0', '-gdwarf-5 -O0', '-gdwarf-5 -O1', '-gdwarf-5 -O2'];

  it.each(levels)('on functions stop where gdb does with %s', (flags) => {
    const program = buildProgram(SOURCES, [...flags.split(' '), '-fno-ipa-icf']);
    try {
      const symbols = SymbolFile.load(program.elf, { name: 'program.elf', path: program.path });
      const names = [
        'release_page',
        'factorial',
        'sum',
        'trapping',
        'main',
        'call_back',
        'deep',
        'memcpy',
        'trap_c',
      ];
      const present = names.filter((name) => symbols.addressOf(name) !== undefined);
      expect(present.length).toBeGreaterThan(5);
      const expected = gdbBreakpoints(program, present);
      for (const name of present) {
        const ours = symbols.functionsByName(name).map(({ breakpointAddress }) => breakpointAddress);
        // gdb stops in inlined copies of a function too; ours is among its places.
        expect(show(expected.get(name)), name).toContain(show(ours));
      }
    } finally {
      removeProgram(program);
    }
  });

  it.each(levels)('on lines stop where gdb does with %s', (flags) => {
    const program = buildProgram(SOURCES, [...flags.split(' '), '-fno-ipa-icf']);
    try {
      const symbols = SymbolFile.load(program.elf, { name: 'program.elf', path: program.path });
      let compared = 0;
      for (const name of ['main.c', 'list.h', 'lib/helper.c', 'lib/trap.c']) {
        const path = join(program.folder, name);
        const lines = symbols.breakpointLocations(path, 1, 1000).map(({ line }) => line);
        const expected = gdbBreakpoints(
          program,
          lines.map((line) => `${name}:${line}`),
        );
        for (const line of lines) {
          const ours = symbols.addressesFor(path, line).map(({ address }) => address);
          const theirs = expected.get(`${name}:${line}`)!;
          // In optimized code gdb moves on from a line at whose address an inlined function begins, and breaks in each
          // block of a line: ours must be among its places then, wherever both mean the same line.
          if (!flags.includes('-O0')) {
            if (theirs.every((address) => symbols.lineFor(address)?.line !== line)) continue;
            expect(theirs.map(String), `${name}:${line}`).toEqual(expect.arrayContaining(ours.map(String)));
          } else expect(`${name}:${line} ${show(ours)}`).toBe(`${name}:${line} ${show(theirs)}`);
          compared += 1;
        }
      }
      expect(compared).toBeGreaterThan(15);
    } finally {
      removeProgram(program);
    }
  });
});
