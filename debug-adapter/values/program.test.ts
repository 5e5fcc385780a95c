import { afterAll, expect, it } from 'vitest';
import { describeWith } from '../../test/support/tools.ts';
import { type Frame, SymbolFile, unwindStack } from '../symbols/index.ts';
import { stopAt } from '../symbols/testing/gdb.ts';
import { buildProgram, type Program, removeProgram, SOURCES } from '../symbols/testing/programs.ts';
import { evaluate } from './evaluate.ts';
import { frameContext } from './frame-context.ts';
import { render } from './render.ts';

const programs: Program[] = [];
afterAll(() => {
  for (const program of programs) removeProgram(program);
});

/** gdb's answer as we write it: without the type in front of pointers, and with our words for what is missing. */
function fromGdb(answer: string): string {
  return (
    answer
      .replace(/^\$\d+ = /, '')
      .replace(/^\([^{]*\) (?=0x)/, '')
      // Bytes that are no characters of text are numbers only here.
      .replace(/^(\d+) '\\\d+'$/, '$1')
      .replace(/^\{[^{}]*\} (0x[0-9a-f]+ <\w+>)$/, '$1')
  );
}

const GLOBALS = [
  'pages[0].flags',
  'pages[0].order',
  'pages[0].state',
  'pages[1].state',
  'pages[0].name',
  'pages[0].next',
  'pages[0].next->next->address + 5',
  'pages[0].word.whole',
  'pages[0].word.bytes[7]',
  'pages[0].release',
  'pages[0].x',
  'pages[0].y',
  '&pages[1].name',
  '&pages[1].address - &pages[0].address',
  'matrix[1][2]',
  'sizeof(matrix)',
  'sizeof(struct page)',
  'ratio * 2',
  'counter',
  '&counter',
  '*&counter + 1',
  'RUNNING + 1',
  'DEAD < IDLE',
  '(unsigned char)pages[0].word.whole',
  '(enum state)5',
  '(uint64_t)-1',
  '((struct page *)&pages[1])->name',
  'main',
];

function lineOf(text: string): number {
  return SOURCES['main.c']!.split('\n').findIndex((line) => line.includes(text)) + 1;
}

async function frameAt(program: Program, setup: readonly string[], questions: readonly string[]) {
  const { hart, answers } = await stopAt(program, [...setup, 'set print null-stop on'], questions);
  const symbols = SymbolFile.load(program.elf, { name: 'program.elf', path: program.path });
  const frames: Frame[] = [];
  for await (const frame of unwindStack(symbols, hart)) frames.push(frame);
  return { hart, answers, symbols, frames };
}

describeWith(
  ['riscv64-unknown-elf-gcc', 'gdb-multiarch', 'qemu-system-riscv64'],
  'expressions and variables against gdb on QEMU',
  () => {
    it.each([
      '-gdwarf-4 -O0',
      '-gdwarf-5 -O0',
      '-gdwarf-5 -O2',
      '-gdwarf-3 -O1',
      '-gdwarf-2 -gstrict-dwarf -O0',
    ])('agree on globals with %s', async (flags) => {
      const program = buildProgram(SOURCES, flags.split(' '));
      programs.push(program);
      const { answers, symbols, frames, hart } = await frameAt(
        program,
        ['break main', 'continue'],
        GLOBALS.map((text) => `print ${text}`),
      );
      const context = frameContext({ symbols, frame: frames[0], hart, csrFields: () => undefined });
      const ours: string[] = [];
      for (const text of GLOBALS) {
        const { value, format } = await evaluate(text, context);
        ours.push(`${text} = ${(await render(value, context, format)).text}`);
      }
      expect(ours).toEqual(GLOBALS.map((text, index) => `${text} = ${fromGdb(answers[index]!)}`));
    });

    it.each(['-gdwarf-4 -O0', '-gdwarf-5 -O0', '-gdwarf-4 -O1', '-gdwarf-5 -O1', '-gdwarf-5 -O2'])(
      'agree on parameters and locals of all frames with %s',
      async (flags) => {
        const program = buildProgram(SOURCES, [...flags.split(' '), '-fno-ipa-icf']);
        programs.push(program);
        let compared = 0;
        const places = ['trap_c', 'deep', 'release_page', 'main'];
        // Optimized for speed, these are folded into constants or into their callers.
        if (!flags.includes('-O2')) places.push('factorial if n == 2');
        if (flags.includes('-O0'))
          places.push('lib/helper.c:6', 'list.h:10', 'list.h:4', `main.c:${lineOf('int square')} if i == 3`);
        for (const place of places) {
          const setup = [`break ${place}`, 'continue'];
          const { symbols, frames, hart } = await frameAt(program, setup, []);
          const wanted = frames.slice(0, 4).flatMap((frame) => {
            const scopes = symbols.scopesAt(frame);
            const names = new Set(scopes.flatMap((scope) => scope.variables.map(({ name }) => name)));
            return [...names].map((name) => ({ frame, name }));
          });
          const questions = wanted.flatMap(({ frame, name }) => [`frame ${frame.level}`, `print ${name}`]);
          const { answers } = await stopAt(program, [...setup, 'set print null-stop on'], questions);
          for (const [index, { frame, name }] of wanted.entries()) {
            const theirs = fromGdb(answers[2 * index + 1]!);
            // Structures are compared member by member elsewhere; gdb's stack ends at assembly, ours goes on.
            if (theirs.startsWith('{') || theirs === '') continue;
            const context = frameContext({ symbols, frame, hart, csrFields: () => undefined });
            const { value, format } = await evaluate(name, context);
            const ours = (await render(value, context, format)).text;
            const where = `${place}: ${name} of ${frame.functionName}, frame ${frame.level}`;
            // What was passed at the entry of a function is found by gdb from its caller, and by us not.
            if (ours.includes('only known at the entry')) continue;
            // The reasons we give for what is missing are longer.
            expect(`${where} = ${ours.replace(/^<optimized out.*/, '<optimized out>')}`).toBe(
              `${where} = ${theirs}`,
            );
            compared += 1;
          }
        }
        expect(compared).toBeGreaterThan(4);
      },
    );
  },
);
