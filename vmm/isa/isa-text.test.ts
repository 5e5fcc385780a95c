import { describe, expect, test } from 'vitest';
import { VmError } from '../base/vm-error.ts';
import { DEFAULT_ISA, EXTENSIONS, ISA_NAMES, isaExtensions, isaString, PROPERTIES } from './extensions.ts';
import { parseIsa } from './isa-text.ts';

/** Names that one configuration has and the default has not, and the reverse. */
function changes(text: string): { added: string[]; removed: string[] } {
  const isa = parseIsa(text);
  return {
    added: ISA_NAMES.filter((name) => isa.has(name) && !DEFAULT_ISA.has(name)),
    removed: ISA_NAMES.filter((name) => !isa.has(name) && DEFAULT_ISA.has(name)),
  };
}

const extensionsOf = (text: string): string[] => {
  const isa = parseIsa(text);
  return EXTENSIONS.map(({ name }) => name).filter((name) => isa.has(name));
};

describe('changes to the default', () => {
  test.each([
    ['', [], []],
    ['-zacas,+svade', ['svade'], ['zacas']],
    ['  -ZACAS  +Svade ', ['svade'], ['zacas']],
    ['+zacas', [], []],
    // What needs an extension goes with it, and what follows from it.
    ['-f', [], ['f', 'd', 'zfa', 'zfh', 'zfhmin', 'zcd']],
    ['-d', [], ['d', 'zcd']],
    ['-zfhmin', [], ['zfh', 'zfhmin']],
    ['-a', [], ['ziccamoa', 'ziccrse', 'za64rs', 'zaamo', 'zabha', 'zacas', 'zalrsc', 'zawrs']],
    ['-c', [], ['c', 'zca', 'zcb', 'zcd', 'zcmop']],
    ['-zbb', [], ['b', 'zbb']],
    ['-b', [], ['b', 'zba', 'zbb', 'zbs']],
    ['-zbc', [], ['zbc', 'zbkc']],
    ['-ssstateen', [], ['ssstateen', 'smstateen']],
    ['-svadu,+svade', ['svade'], ['svadu']],
  ])('"%s"', (text, added, removed) => {
    const found = changes(text);
    expect([found.added, new Set(found.removed)]).toEqual([
      added,
      new Set(text === '-a' ? ['a', ...removed] : removed),
    ]);
  });
});

describe('a whole ISA', () => {
  test.each([
    ['rv64i', ['i', 'zicsr']],
    ['rv64g', ['i', 'm', 'a', 'f', 'd', 'zicsr', 'zifencei']],
    ['RV64IMAC_Zicntr', ['i', 'm', 'a', 'c', 'zicntr', 'zicsr']],
    ['rv64imafdcZicsr_Zifencei', ['i', 'm', 'a', 'f', 'd', 'c', 'zicsr', 'zifencei']],
    ['rv64id', ['i', 'f', 'd', 'zicsr']],
    ['rv64i_zfh_zcmop', ['i', 'f', 'c', 'zicsr', 'zimop', 'zfh', 'zfhmin', 'zcmop']],
    ['rv64ib', ['i', 'zicsr', 'zba', 'zbb', 'zbs']],
    ['rv64i_m_a', ['i', 'm', 'a', 'zicsr']],
  ])('%s', (text, names) => {
    expect(new Set(extensionsOf(text))).toEqual(new Set(names));
  });

  test('what a machine prints is read back as the same', () => {
    for (const text of ['', '-zacas', 'rv64i', 'rv64gc', '-d,-m', '+svade', '-zba']) {
      const printed = isaString(parseIsa(text));
      expect(isaString(parseIsa(printed))).toBe(printed);
    }
  });
});

describe('what cannot be is refused with what to write instead', () => {
  test.each([
    ['rv32i', 1, 'in "isa": a hart here has the 64-bit base ISA: begin with rv64i or rv64g'],
    ['rv64e', 1, 'in "isa": a hart here has the 64-bit base ISA: begin with rv64i or rv64g'],
    ['rv64gcv', 7, /^in "isa": there is no extension "v" here; there are: i m a f d c zicbom /],
    ['rv64gc_zvl', 8, /^in "isa": there is no extension "zvl" here/],
    ['rv64g!', 6, 'in "isa": "!" is no part of an ISA string such as rv64gc_zba_zbb'],
    ['rv64if_zcd', 8, 'in "isa": zcd is here with c and d: add c, d or leave zcd out'],
    [
      'zacas',
      1,
      'in "isa": write +zacas or -zacas to change the default, or a whole ISA such as rv64gc_zba_zbb',
    ],
    ['-zacas, +zaca', 10, /^in "isa": there is no extension "zaca" here/],
    ['+', 2, /^in "isa": there is no extension "" here/],
    ['-i', 2, 'in "isa": i is always on: a machine with privilege levels cannot be without it'],
    ['-zicsr', 2, 'in "isa": zicsr is always on: a machine with privilege levels cannot be without it'],
    ['-zmmul', 2, 'in "isa": zmmul follows from m and is not turned on or off by itself'],
    ['+ziccif', 2, 'in "isa": ziccif always holds and is not turned on or off by itself'],
    ['-zba,+zba', 7, 'in "isa": zba is turned on and off: leave one of the two out'],
    ['+d,-f', undefined, 'in "isa": +d needs f, which -f turns off: leave one of them out'],
  ])('"%s"', (text, column, message) => {
    try {
      parseIsa(text);
    } catch (error) {
      if (!(error instanceof VmError)) throw error;
      expect([error.code, error.column]).toEqual(['bad-config', column]);
      expect(error.message).toMatch(message);
      return;
    }
    expect.fail('accepted');
  });
});

describe('the canonical order', () => {
  test('single letters, Z by category and alphabet, supervisor level, machine level', () => {
    // Unprivileged, "ISA Extension Naming Conventions": the example there, and one of each rule.
    expect(isaString(parseIsa('rv64g_zba_zicntr_smstateen_zfh_sstc_svadu_zacas_c'))).toMatch(
      /^rv64imafdc_.*zicntr_.*zicsr_zifencei_.*zacas_.*zfh_zfhmin_.*zba_.*ssstateen_sstc_.*svadu_.*_smstateen$/,
    );
  });

  test('each name stands once, and requirements name extensions', () => {
    expect(new Set(ISA_NAMES).size).toBe(EXTENSIONS.length + PROPERTIES.length);
    const known = new Set(EXTENSIONS.map(({ name }) => name));
    for (const { requires } of EXTENSIONS) for (const name of requires) expect(known).toContain(name);
    for (const { follows } of PROPERTIES) for (const name of follows) expect(known).toContain(name);
    expect(isaExtensions(DEFAULT_ISA)).toHaveLength(ISA_NAMES.length - 1);
  });
});
