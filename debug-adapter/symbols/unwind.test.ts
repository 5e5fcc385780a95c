import { afterAll, describe, expect, it } from 'vitest';
import { describeWith } from '../../test/support/tools.ts';
import type { Frame } from './model.ts';
import { SymbolFile } from './symbol-file.ts';
import { stopAt } from './testing/gdb.ts';
import { buildProgram, type Program, removeProgram, SOURCES } from './testing/programs.ts';
import { unwindStack } from './unwind-stack.ts';

const programs = new Map<string, Program>();
afterAll(() => {
  for (const program of programs.values()) removeProgram(program);
});

function built(flags: string): Program {
  let program = programs.get(flags);
  if (program === undefined) programs.set(flags, (program = buildProgram(SOURCES, flags.split(' '))));
  return program;
}

function load(program: Program): SymbolFile {
  return SymbolFile.load(program.elf, { name: 'program.elf', path: program.path });
}

async function stack(symbols: SymbolFile, hart: Parameters<typeof unwindStack>[1]): Promise<Frame[]> {
  const frames: Frame[] = [];
  for await (const frame of unwindStack(symbols, hart)) frames.push(frame);
  return frames;
}

/** `name file:line` of each frame of gdb's `backtrace`. */
function gdbFrames(backtrace: string): string[] {
  return [...backtrace.matchAll(/^#\d+\s+(?:0x[0-9a-f]+ in )?(\S+) \(.*?\)(?: at (.*):(\d+))?$/gm)].map(
    ([, name, file, line]) => `${name} ${file?.split('/').at(-1)}:${line}`,
  );
}

function ourFrames(frames: readonly Frame[]): string[] {
  return frames.map(
    ({ functionName, location }) =>
      `${functionName?.replace(/\+0x.*/, '')} ${location?.file.split('/').at(-1)}:${location?.line}`,
  );
}

const TOOLS = ['riscv64-unknown-elf-gcc', 'gdb-multiarch', 'qemu-system-riscv64'] as const;
const LEVELS = ['-O0', '-O1', '-O2'];
const FORMATS = ['-gdwarf-4', '-gdwarf-5', '-gdwarf-5 -fasynchronous-unwind-tables'];

describeWith(TOOLS, 'call stacks against gdb on QEMU', () => {
  const variants = FORMATS.flatMap((format) => LEVELS.map((level) => `${format} ${level} -fno-ipa-icf`));
  it.each(variants)('agree by call frame information with %s', async (flags) => {
    const program = built(flags);
    const symbols = load(program);
    for (const place of ['deep', 'release_page', 'trapping']) {
      if (symbols.functionsByName(place).length === 0) continue;
      const { hart, answers } = await stopAt(program, [`break ${place}`, 'continue'], ['backtrace']);
      const ours = ourFrames(await stack(symbols, hart));
      const theirs = gdbFrames(answers[0]!);
      expect(theirs.length).toBeGreaterThan(1);
      expect(ours.slice(0, theirs.length), place).toEqual(theirs);
      // Start-up assembly has no call frame information; its zeroed ra ends the stack.
      expect(ours.at(-1)).toMatch(/^_start /);
    }
  });

  it('agrees in a recursion, and in each instruction of a function', async () => {
    const program = built('-gdwarf-5 -O1');
    const symbols = load(program);
    const setup = ['break factorial if n == 2', 'continue'];
    for (let step = 0; step < 8; step += 1) {
      const { hart, answers } = await stopAt(
        program,
        [...setup, ...Array<string>(step).fill('stepi')],
        ['backtrace'],
      );
      const theirs = gdbFrames(answers[0]!);
      expect(theirs.length).toBeGreaterThan(4);
      expect(ourFrames(await stack(symbols, hart)).slice(0, theirs.length)).toEqual(theirs);
    }
  });

  it('recovers the preserved registers of every frame', async () => {
    const program = built('-gdwarf-5 -O2 -fno-ipa-icf');
    const questions = Array.from({ length: 3 }, (_, frame) => [
      `frame ${frame + 1}`,
      'printf "%lx %lx %lx %lx %lx", $pc, $sp, $s0, $s1, $s2',
    ]).flat();
    const { hart, answers } = await stopAt(program, ['break deep', 'continue'], questions);
    const frames = await stack(load(program), hart);
    for (const frame of [1, 2]) {
      const { x, pc } = frames[frame]!.registers;
      const ours = [pc, x[2], x[8], x[9], x[18]].map((value) => value?.toString(16)).join(' ');
      expect(ours).toBe(answers[2 * frame - 1]);
    }
  });
});

describeWith(TOOLS, 'call stacks without call frame information', () => {
  it('go from assembly to its caller: untouched, at its entry, and after it saved ra', async () => {
    const program = built('-gdwarf-5 -O1 -fno-ipa-icf');
    const symbols = load(program);
    for (const setup of [
      ['break leaf_assembly', 'continue'],
      ['break *saving_assembly', 'continue'],
      ['break *saving_assembly', 'continue', 'stepi', 'stepi'],
    ]) {
      const { hart } = await stopAt(program, setup);
      const names = (await stack(symbols, hart)).map((frame) => frame.functionName?.replace(/\+0x.*/, ''));
      expect(names.filter((name) => name !== 'leaf_assembly' && name !== 'saving_assembly')).toEqual([
        'trapping',
        'main',
        '_start',
      ]);
    }
  });

  it('follow what compiled code did to the stack where its frame information was stripped', async () => {
    const program = built('-gdwarf-5 -O0');
    const { hart } = await stopAt(program, ['break deep', 'continue']);
    const { symbols, sections } = program.elf;
    const bare = sections.map((section) => (/_frame$/.test(section.name) ? sections[0]! : section));
    const stripped = SymbolFile.load(
      {
        ...emptyElf(),
        sections: bare,
        symbols,
        section: (name) => bare.find((section) => section.name === name),
      },
      { name: 'stripped.elf' },
    );
    const frames = await stack(stripped, hart);
    expect(ourFrames(frames)).toEqual(ourFrames(await stack(load(program), hart)));
    expect(frames.map((frame) => frame.origin)).not.toContain('cfi');
  });

  it('follow the chain of frame pointers where the code cannot be followed', async () => {
    const program = built('-gdwarf-5 -O0');
    const { hart } = await stopAt(program, ['break factorial if n == 3', 'continue']);
    const { symbols, sections } = program.elf;
    const bare = sections.map((section) => (/^\.(?:debug|eh)_/.test(section.name) ? sections[0]! : section));
    const stripped = SymbolFile.load(
      {
        ...emptyElf(),
        sections: bare,
        symbols,
        section: (name) => bare.find((section) => section.name === name),
      },
      { name: 'stripped.elf' },
    );
    // Code that cannot be read cannot be followed either.
    const blind = {
      ...hart,
      readMemory: async (address: bigint, length: number) =>
        stripped.isCode(address) ? new Uint8Array(0) : await hart.readMemory(address, length),
    };
    const frames = await stack(stripped, blind);
    expect(frames.map((frame) => frame.functionName?.replace(/\+0x.*/, ''))).toEqual([
      'factorial',
      'factorial',
      'factorial',
      'main',
      '_start',
    ]);
    expect(frames.slice(1).every((frame) => frame.origin === 'frame-pointer')).toBe(true);
  });
});

describeWith(TOOLS, 'call stacks through traps', () => {
  it.each([
    ['an assembly handler without frame information', '-gdwarf-5 -O1', 'trap_entry'],
    ['a handler that exchanges sp with mscratch', '-gdwarf-5 -O1 -DSWAP', 'trap_entry'],
    ['a C handler', '-gdwarf-5 -O1 -DC_HANDLER', 'c_handler'],
    ['a C handler, not optimized', '-gdwarf-5 -O0 -DC_HANDLER', 'c_handler'],
    ['an assembly handler over code with frame pointers', '-gdwarf-5 -O0', 'trap_entry'],
  ])('go on to what was interrupted: %s', async (_, flags, handler) => {
    const program = built(flags);
    const symbols = load(program);
    for (const setup of [
      ['break trap_c', 'continue'],
      [`break *${handler}`, 'continue'],
      [`break *${handler}`, 'continue', 'stepi', 'stepi', 'stepi'],
    ]) {
      const { hart } = await stopAt(program, setup);
      const frames = await stack(symbols, hart);
      const names = frames.map((frame) => frame.functionName?.replace(/\+0x.*/, ''));
      expect(names.slice(names.indexOf(handler))).toEqual([handler, 'trapping', 'main', '_start']);
      const interrupted = frames.find((frame) => frame.origin === 'trap')!;
      expect(interrupted.location?.line).toBe(lineOf('asm volatile("ecall"'));
      expect(interrupted.registers.pc).toBe(await hart.readCsr('mepc'));
    }
  });
});

function lineOf(text: string): number {
  return SOURCES['main.c']!.split('\n').findIndex((line) => line.includes(text)) + 1;
}

describe('a stack that leads nowhere', () => {
  it('ends after one frame', async () => {
    const symbols = SymbolFile.load(emptyElf(), { name: 'none' });
    const registers = { pc: 0n, x: Array<bigint>(32).fill(0n), f: Array<bigint>(32).fill(0n) };
    const frames = await stack(symbols, {
      registers,
      privilege: 'S',
      readMemory: async () => new Uint8Array(0),
      readCsr: async () => 0n,
    });
    expect(frames).toHaveLength(1);
    expect(frames[0]).toMatchObject({ pc: 0n, functionName: undefined, location: undefined, origin: 'top' });
  });
});

function emptyElf(): Program['elf'] {
  return {
    entry: 0n,
    type: 2,
    flags: 0,
    segments: [],
    sections: [],
    symbols: [],
    section: () => undefined,
    symbol: () => undefined,
    tohost: undefined,
    fromhost: undefined,
  };
}
