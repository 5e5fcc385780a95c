import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Elf, type ElfSection, parseElf } from '../../vmm/formats/elf.ts';
import type { HartView, Variable } from './model.ts';
import { SymbolFile } from './symbol-file.ts';
import { SymbolSet } from './symbol-set.ts';
import { underlying } from './type-model.ts';
import { unwindStack } from './unwind-stack.ts';

const FOLDER = join(import.meta.dirname, '../../samples/01-first-kernel');
const PATH = join(FOLDER, 'kernel.elf');
const ELF = parseElf(readFileSync(PATH));
const MAIN = join(FOLDER, 'main.c');
const LINES = readFileSync(MAIN, 'utf8').split('\n');

const load = (options: Partial<Parameters<typeof SymbolFile.load>[1]> = {}): SymbolFile =>
  SymbolFile.load(ELF, { name: 'kernel.elf', path: PATH, ...options });

/** 1-based line of `main.c` that contains `text`. */
function lineOf(text: string): number {
  const line = LINES.findIndex((candidate) => candidate.includes(text)) + 1;
  expect(line).toBeGreaterThan(0);
  return line;
}

describe('the sample kernel', () => {
  const symbols = load();

  it('names its sources beside the ELF', () => {
    expect(symbols.files()).toContain(MAIN);
    expect(symbols.files()).toContain(join(FOLDER, 'trap.S'));
    expect(symbols.problems).toEqual([]);
  });

  it('maps source prefixes', () => {
    const mapped = load({ path: '/elsewhere/kernel.elf', sourceMap: [['main.c', '/src/renamed.c']] });
    expect(mapped.files()).toContain('/src/renamed.c');
    expect(mapped.files()).toContain('/elsewhere/trap.S');
  });

  it('finds functions by name and address', () => {
    const [main] = symbols.functionsByName('kernel_main');
    expect(main).toMatchObject({
      name: 'kernel_main',
      declaration: { file: MAIN, line: lineOf('void kernel_main(') },
    });
    expect(main!.entry).toBe(symbols.addressOf('kernel_main'));
    expect(symbols.functionAt(main!.entry + 8n)).toEqual(main);
    expect(symbols.symbolize(main!.entry + 8n)).toEqual({ name: 'kernel_main', offset: 8n });
    expect(symbols.functionsByName('no_such_function')).toEqual([]);
    expect(symbols.functionsByName('_start')[0]!.breakpointAddress).toBe(ELF.entry);
  });

  it('resolves every line with code to an address of that line', () => {
    let count = 0;
    for (const file of symbols.files()) {
      for (const { line } of symbols.breakpointLocations(file, 1, 10_000)) {
        const locations = symbols.addressesFor(file, line);
        expect(locations.length).toBeGreaterThan(0);
        for (const { address } of locations) expect(symbols.isCode(address)).toBe(true);
        count += 1;
      }
    }
    expect(count).toBeGreaterThan(200);
  });

  it('moves a breakpoint on a line without code to the next line with code', () => {
    const statement = lineOf('trap_initialise();');
    const [exact] = symbols.addressesFor(MAIN, statement);
    expect(exact).toMatchObject({ file: MAIN, line: statement });
    expect(symbols.lineFor(exact!.address)).toMatchObject({ file: MAIN, line: statement, isStatement: true });
    const blank = statement + 1;
    expect(LINES[blank - 1]).toBe('');
    expect(symbols.addressesFor(MAIN, blank)).toEqual(symbols.addressesFor(MAIN, blank + 1));
    expect(symbols.addressesFor(MAIN, LINES.length + 10)).toEqual([]);
    expect(symbols.addressesFor('/no/such/file.c', 1)).toEqual([]);
  });

  it('gives ranges that hold the address and no other line of the function', () => {
    const [location] = symbols.addressesFor(MAIN, lineOf('trap_initialise();'));
    const ranges = symbols.lineRangesFor(location!.address);
    expect(ranges.some(({ start, end }) => location!.address >= start && location!.address < end)).toBe(true);
    const next = symbols.addressesFor(MAIN, lineOf('vm_enable(hart);'))[0]!.address;
    expect(ranges.some(({ start, end }) => next >= start && next < end)).toBe(false);
    expect(symbols.lineRangesFor(0x1234n)).toEqual([]);
  });

  it('knows variables and types', () => {
    const main = symbols.functionsByName('kernel_main')[0]!;
    const scopes = symbols.scopesAt({ lookupPc: main.entry, inlineDepth: 0 });
    const variables = scopes.flatMap((scope) => scope.variables);
    expect(variables.map(({ name, kind }) => `${kind} ${name}`)).toEqual([
      'parameter hart',
      'parameter device_tree',
      'local boot_arguments',
    ]);
    expect(variables[0]!.type.name).toBe('uint64_t');
    expect(underlying(variables[0]!.type)).toMatchObject({ kind: 'base', size: 8, encoding: 'unsigned' });
    expect(variables[1]!.type.name).toBe('const void *');
    expect(variables[2]!.type).toMatchObject({ kind: 'array', name: 'char [64]', size: 64, count: 64 });
    expect(symbols.typeByName('struct trap_frame')).toMatchObject({ kind: 'struct' });
    expect(symbols.typeByName('unsigned long')).toMatchObject({ kind: 'base', size: 8 });
    expect(symbols.typeByName('struct nothing')).toBeUndefined();
  });

  it('adds an offset to everything', () => {
    const offset = 0xffff_ffc0_0000_0000n;
    const moved = load({ offset });
    const entry = symbols.addressOf('kernel_main')!;
    expect(moved.addressOf('kernel_main')).toBe(entry + offset);
    expect(moved.lineFor(entry + offset)).toEqual({ ...symbols.lineFor(entry)!, address: entry + offset });
    expect(moved.functionAt(entry + offset)!.entry).toBe(entry + offset);
    expect(moved.lineFor(entry)).toBeUndefined();
    const row = symbols.unwindRow(entry)!;
    expect(moved.unwindRow(entry + offset)).toEqual({
      ...row,
      start: row.start + offset,
      end: row.end + offset,
    });
    const [breakpoint] = moved.addressesFor(MAIN, lineOf('vm_enable(hart);'));
    expect(breakpoint!.address - offset).toBe(
      symbols.addressesFor(MAIN, lineOf('vm_enable(hart);'))[0]!.address,
    );
  });

  it('answers for several files at once', () => {
    const offset = 0xffff_ffc0_0000_0000n;
    const set = new SymbolSet([symbols, load({ offset })]);
    const entry = symbols.addressOf('kernel_main')!;
    expect(set.functionAt(entry)!.entry).toBe(entry);
    expect(set.functionAt(entry + offset)!.entry).toBe(entry + offset);
    expect(set.functionsByName('kernel_main').map((found) => found.entry)).toEqual([entry, entry + offset]);
    expect(set.files()).toEqual(symbols.files());
    expect(set.symbolize(1n)).toBeUndefined();
  });

  it('unwinds from the trap entry to what was interrupted, by its call frame information', async () => {
    const entry = symbols.addressOf('trap_entry')!;
    const interrupted = symbols.addressesFor(MAIN, lineOf('*word = 1234;'))[0]!.address;
    const stackTop = 0x8000_0000n;
    // The first instruction of the handler: nothing is saved yet.
    const hart: HartView = {
      registers: { pc: entry, x: Array<bigint>(32).fill(0n).with(2, stackTop), f: [] },
      privilege: 'S',
      readMemory: async (_, length) => new Uint8Array(length),
      readCsr: async (name) => (name === 'sepc' ? interrupted : 0n),
    };
    const frames = [];
    for await (const frame of unwindStack(symbols, hart, { framesMax: 3 })) frames.push(frame);
    expect(frames[0]).toMatchObject({ functionName: 'trap_entry', origin: 'top' });
    expect(frames[1]).toMatchObject({
      pc: interrupted,
      lookupPc: interrupted,
      location: { file: MAIN, line: lineOf('*word = 1234;') },
    });
  });
});

describe('damaged debug information', () => {
  const seed = Number(process.env['SEED'] ?? 1);
  const names = ELF.sections.map(({ name }) => name).filter((name) => name.startsWith('.debug_'));
  const hart: HartView = {
    registers: { pc: ELF.entry, x: Array<bigint>(32).fill(0x8020_1000n), f: Array<bigint>(32).fill(0n) },
    privilege: 'S',
    readMemory: async (_, length) => new Uint8Array(Math.min(length, 4096)),
    readCsr: async () => 0x8020_0100n,
  };

  /** Asks everything; answers may be incomplete, but nothing may be thrown, and all must come back. */
  async function askAll(symbols: SymbolFile): Promise<void> {
    const files = symbols.files();
    for (const file of files.slice(0, 4)) {
      symbols.addressesFor(file, 40);
      symbols.breakpointLocations(file, 1, 100);
    }
    for (const name of ['kernel_main', 'trap_handle', 'print', 'nothing']) {
      for (const { entry, ranges } of symbols.functionsByName(name)) {
        for (const address of [entry, entry + 6n, (ranges[0]?.end ?? entry) - 2n]) {
          symbols.lineFor(address);
          symbols.inlineChain(address);
          symbols.lineRangesFor(address, { over: true });
          const registers = { ...hart.registers, pc: address };
          for await (const frame of unwindStack(symbols, { ...hart, registers }, { framesMax: 5 })) {
            for (const scope of symbols.scopesAt(frame)) {
              for (const variable of scope.variables) {
                exploreType(variable);
                await variable.locate(frame, hart);
              }
            }
          }
          for (const variable of symbols.globalsAt(address)) exploreType(variable);
        }
      }
    }
    symbols.typeByName('struct trap_frame');
    symbols.globalVariable('user_run_sp');
    symbols.enumeratorByName('NOTHING');
  }

  function exploreType(variable: Variable): void {
    let budget = 200;
    const visit = (type: Variable['type'], depth: number): void => {
      if (depth > 6 || budget-- <= 0) return;
      expect(typeof type.name).toBe('string');
      expect(typeof type.size).toBe('number');
      const plain = underlying(type);
      if (plain.kind === 'struct') for (const member of plain.members) visit(member.type, depth + 1);
      if (plain.kind === 'pointer') visit(plain.target, depth + 1);
      if (plain.kind === 'array') visit(plain.element, depth + 1);
      if (plain.kind === 'function') visit(plain.result, depth + 1);
    };
    visit(variable.type, 0);
  }

  function withSection(name: string, data: Uint8Array): Elf {
    const sections: ElfSection[] = ELF.sections.map((section) =>
      section.name === name ? { ...describeSection(section), data } : section,
    );
    return {
      entry: ELF.entry,
      type: ELF.type,
      flags: ELF.flags,
      segments: ELF.segments,
      sections,
      symbols: ELF.symbols,
      section: (wanted) => sections.find((section) => section.name === wanted),
      symbol: (wanted) => ELF.symbol(wanted),
      tohost: undefined,
      fromhost: undefined,
    };
  }

  function describeSection({ name, index, type, flags, address, size, link }: ElfSection) {
    return { name, index, type, flags, address, size, link };
  }

  it.each(names)('%s with changed bytes gives partial answers', async (name) => {
    const original = ELF.section(name)!.data;
    const change = fc.tuple(
      fc.nat({ max: original.length - 1 }),
      fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat({ max: 255 })),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 12 }), async (changes) => {
        const data = Uint8Array.from(original);
        for (const [at, value] of changes) data[at] = value;
        await askAll(SymbolFile.load(withSection(name, data), { name: 'damaged.elf' }));
      }),
      { seed, numRuns: 25 },
    );
  });

  it.each(names)('%s cut short gives partial answers', async (name) => {
    const original = ELF.section(name)!.data;
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: original.length - 1 }), async (length) => {
        await askAll(
          SymbolFile.load(withSection(name, original.subarray(0, length)), { name: 'damaged.elf' }),
        );
      }),
      { seed, numRuns: 15 },
    );
  });

  it('is reported', () => {
    const line = SymbolFile.load(withSection('.debug_line', new Uint8Array(64).fill(0xee)), {
      name: 'damaged.elf',
    });
    expect(line.files()).toEqual([]);
    expect(line.problems[0]).toContain('damaged.elf: .debug_line');
    const info = SymbolFile.load(withSection('.debug_info', new Uint8Array(64).fill(0xee)), {
      name: 'damaged.elf',
    });
    // The symbol table still answers.
    expect(info.functionsByName('kernel_main')[0]).toMatchObject({
      name: 'kernel_main',
      declaration: undefined,
    });
    expect(info.problems[0]).toContain('.debug_info');
  });
});
