/** The ways that lockstep programs are run in, beside the reference's. */
import type { Random } from '../support/random.ts';
import { type Cutting, WHOLE } from './lockstep-machine.ts';
import type { LockstepProgram } from './lockstep-programs.ts';
import type { Configuration } from './lockstep-run.ts';

/** Budgets up to a longest one for the whole program. Translated code begins only where there are steps for some of it. */
function randomBudgets(random: Random): () => number {
  const longest = random.pick([1, 3, 10, 30, 100, 300, 1000]);
  return longest === 1 ? () => 1 : () => 1 + random.below(longest);
}

/** Breakpoints at instructions of the program, which it does not stop at for good. */
function randomBreakpoints(random: Random, { harts, starts }: LockstepProgram): ReadonlySet<bigint> {
  const base = harts[0]!.x[4]!;
  return new Set(Array.from({ length: 1 + random.below(3) }, () => base + BigInt(random.pick(starts))));
}

function randomCutting(random: Random, program: LockstepProgram): Cutting {
  switch (random.below(8)) {
    case 0:
      return { ...WHOLE, breakpoints: randomBreakpoints(random, program) };
    case 1:
      return { ...WHOLE, budget: randomBudgets(random), stops: () => random.below(3) === 0 };
    case 2:
    case 3:
      return WHOLE;
    default:
      return { ...WHOLE, budget: randomBudgets(random) };
  }
}

/** Interpreted, cut in any way. */
export const CUT: Configuration = {
  name: 'interpreted, cut',
  passes: (random, program) => [
    { cutting: randomCutting(random, program) },
    { cutting: randomCutting(random, program) },
  ],
};

/** The first steps of a pass come by themselves, so that what was collected before is installed at once. */
function afterInstalling(cutting: Cutting): Cutting {
  let left = 3;
  return { ...cutting, budget: (machine) => (left-- > 0 ? 1 : cutting.budget(machine)) };
}

/** The modules that a pass may have compiled beside the one with what was collected. */
const FURTHER_MODULES = 1;

/**
 * Translated: in the first pass not, or from somewhere in the midst of it on, in the second from the beginning. The
 * code cache is verified after each change in this configuration and the others.
 */
export const translated = (hotAfter: number): Configuration => ({
  name: `translated after ${hotAfter}`,
  hotAfter,
  passes: (random, program) => {
    const opensAt = random.below(3) ? -1 : random.below(program.turns.length);
    return [
      {
        cutting: randomCutting(random, program),
        prepare: (compiler) => {
          compiler.lateness = { kind: 'held' };
        },
        beforeTurn: (compiler, turn) => {
          if (turn === opensAt) compiler.lateness = { kind: 'at once', modules: 1 };
        },
      },
      {
        cutting: afterInstalling(randomCutting(random, program)),
        prepare: (compiler) => {
          compiler.lateness = { kind: 'at once', modules: 1 + FURTHER_MODULES };
        },
      },
    ];
  },
});

/** Every region a module of its own, compiled and entered at once. */
export const atOnce = (hotAfter: number): Configuration => ({
  name: `translated at once after ${hotAfter}`,
  hotAfter,
  passes: (random, program) =>
    [0, 1].map(() => ({
      cutting: randomCutting(random, program),
      prepare: (compiler) => {
        compiler.lateness = { kind: 'at once', modules: Number.POSITIVE_INFINITY };
      },
    })),
});

/** As `atOnce`, in slices so short that many computed jumps are sampled and then followed. */
const FOLLOWING: Configuration = {
  name: 'following computed jumps',
  hotAfter: 2,
  passes: (random) =>
    [0, 1].map(() => ({
      cutting: { ...WHOLE, budget: () => 1 + random.below(60) },
      prepare: (compiler) => {
        compiler.lateness = { kind: 'at once', modules: 12 };
      },
    })),
};

/** Regions arrive after any time, and not in the order of asking. */
export const someTime = (hotAfter: number): Configuration => ({
  name: `translated some time after ${hotAfter}`,
  hotAfter,
  passes: (random, program) =>
    [0, 1].map(() => ({
      cutting: randomCutting(random, program),
      prepare: (compiler) => {
        compiler.lateness = { kind: 'some time', random };
      },
    })),
});

/** Saved and restored now and then, wherever it stands; what was translated until then is lost. */
export const saved = (hotAfter?: number): Configuration => ({
  name: hotAfter === undefined ? 'saved and restored' : `saved and restored, translated after ${hotAfter}`,
  ...(hotAfter === undefined ? {} : { hotAfter }),
  passes: (random) =>
    [0, 1].map(() => {
      const longest = random.pick([10, 100, 1000]);
      return {
        cutting: {
          ...WHOLE,
          budget: (machine) => {
            if (random.below(4) === 0) machine.saveAndRestore();
            return 1 + random.below(longest);
          },
        },
        prepare: (compiler) => {
          compiler.lateness = { kind: 'at once', modules: Number.POSITIVE_INFINITY };
        },
      };
    }),
});

const MANY = [translated(3), translated(8)] as const;
const FEW = [CUT, saved(), atOnce(1), FOLLOWING, atOnce(3), saved(2), someTime(1), someTime(4)] as const;

/** Which configuration a program is run in: mostly one that few modules are compiled for, in turn the others. */
export function configurationFor(index: number): Configuration {
  return index % 20 === 19 ? FEW[Math.floor(index / 20) % FEW.length]! : MANY[index % MANY.length]!;
}
