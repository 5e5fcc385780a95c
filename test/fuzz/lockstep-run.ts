/**
 * Lockstep: each random program runs as a reference (interpreted, in whole turns) and in another configuration, which
 * must come to the same states and the same log at the end of every turn.
 *
 * What costs is compiling modules, hundreds of times an instruction's interpretation. So a translating machine runs a
 * program twice: while code is collected that would be translated, which arrives late or never, and again from the
 * beginning with all of that compiled as one module, and what it finds then in few more.
 */
import { assert } from '../../vmm/base/assert.ts';
import { createTranslator } from '../../vmm/jit/index.ts';
import { random as generator, type Random } from '../support/random.ts';
import {
  firstLogDifference,
  newSnapshot,
  type Snapshot,
  sameSnapshot,
  takeSnapshot,
} from './lockstep-compare.ts';
import { SteeredCompiler } from './lockstep-compiler.ts';
import { RAM_SIZE } from './lockstep-layout.ts';
import { type Cutting, LockstepMachine, WHOLE } from './lockstep-machine.ts';
import { generateProgram, type LockstepProgram, type ProgramOptions } from './lockstep-programs.ts';

/** One run of a program on a machine that has perhaps run it before. */
export interface Pass {
  readonly cutting: Cutting;
  /** Before the pass, and before each turn of it. */
  prepare?(compiler: SteeredCompiler): void;
  beforeTurn?(compiler: SteeredCompiler, turn: number): void;
}

/** A way to run programs. */
export interface Configuration {
  readonly name: string;
  /** Jumps that make code hot; absent: no translator. */
  readonly hotAfter?: number;
  /** One for each of `PASSES`. */
  passes(random: Random, program: LockstepProgram): readonly Pass[];
}

/** A machine of a configuration. */
export interface Subject {
  readonly machine: LockstepMachine;
  readonly compiler: SteeredCompiler;
}

export interface Difference {
  readonly program: LockstepProgram;
  readonly configuration: Configuration;
  /** Which pass, and the turn at whose end the difference showed. */
  readonly pass: number;
  readonly turn: number;
}

/** Figures that tell whether a test tested anything. */
export interface Coverage {
  programs: number;
  /** Of all passes. */
  steps: number;
  traps: number;
  /** Steps that translated code did, and what was compiled for that. */
  translatedSteps: number;
  regions: number;
  /** Regions that follow computed jumps. */
  dispatching: number;
  modules: number;
}

/** The first pass loads a program, the others start it again. */
export const PASSES = 2;

export class Lockstep {
  readonly coverage: Coverage = {
    programs: 0,
    steps: 0,
    traps: 0,
    translatedSteps: 0,
    regions: 0,
    dispatching: 0,
    modules: 0,
  };
  /** The image of the present program. */
  readonly image = new Uint8Array(RAM_SIZE);
  readonly #seed: number;
  readonly #options: ProgramOptions;
  readonly #configurationFor: (index: number) => Configuration;
  readonly #references = new Map<string, Reference>();
  readonly #subjects = new Map<string, Subject>();
  readonly #snapshot: Snapshot;

  constructor(
    seed: number,
    configurationFor: (index: number) => Configuration,
    options: ProgramOptions = {},
  ) {
    this.#seed = seed;
    this.#configurationFor = configurationFor;
    this.#options = options;
    this.#snapshot = newSnapshot(options.harts ?? 1);
  }

  /** Runs a program in its configuration; null when all is as it should be. */
  check(index: number): Difference | null {
    this.image.fill(0);
    const program = generateProgram(this.#seed, index, this.image, this.#options);
    const configuration = this.#configurationFor(index);
    const passes = configuration.passes(passRandom(program, configuration), program);
    const subject = this.#subject(program, configuration);
    const reference = this.#reference(program);
    this.coverage.programs++;
    for (let pass = 0; pass < PASSES; pass++) {
      reference.run(program, this.image, pass);
      const before = compiledFor(subject);
      const turn = this.#compare(reference, program, subject, passes[pass]!, pass);
      if (turn >= 0) return { program, configuration, pass, turn };
      this.#cover(reference.machine, subject, before);
    }
    return null;
  }

  #cover(reference: LockstepMachine, subject: Subject, before: Compiled): void {
    const { coverage } = this;
    for (const hart of reference.group.harts) {
      coverage.steps += hart.steps;
      coverage.traps += hart.trapped;
    }
    coverage.translatedSteps += subject.machine.group.tiers.translator;
    const after = compiledFor(subject);
    coverage.regions += after.regions - before.regions;
    coverage.dispatching += after.dispatching - before.dispatching;
    coverage.modules += after.modules - before.modules;
  }

  /** The turn at whose end the subject differs from the reference, -1 for none. */
  #compare(
    reference: Reference,
    program: LockstepProgram,
    subject: Subject,
    pass: Pass,
    number: number,
  ): number {
    const { machine, compiler } = subject;
    startPass(subject, program, this.image, pass, number);
    let compared = 0;
    for (const [turn, what] of program.turns.entries()) {
      pass.beforeTurn?.(compiler, turn);
      machine.run(what);
      takeSnapshot(machine, this.#snapshot);
      const expected = reference.snapshots[turn]!;
      if (!sameSnapshot(this.#snapshot, expected)) return turn;
      if (firstLogDifference(reference.machine.log, machine.log, compared, expected.logged) >= 0) return turn;
      compared = expected.logged;
    }
    return machine.hasSameMemory(reference.machine) ? -1 : program.turns.length - 1;
  }

  #reference(program: LockstepProgram): Reference {
    const key = keyOf(program);
    let reference = this.#references.get(key);
    if (reference === undefined) this.#references.set(key, (reference = new Reference(program)));
    return reference;
  }

  #subject(program: LockstepProgram, configuration: Configuration): Subject {
    const key = `${configuration.name} ${keyOf(program)}`;
    let subject = this.#subjects.get(key);
    if (subject === undefined) this.#subjects.set(key, (subject = createSubject(program, configuration)));
    return subject;
  }
}

/** A machine that interprets, and what it was like after each turn. */
class Reference {
  readonly machine: LockstepMachine;
  readonly snapshots: Snapshot[] = [];

  constructor(program: LockstepProgram) {
    this.machine = new LockstepMachine(machineOptions(program));
  }

  run(program: LockstepProgram, image: Uint8Array, pass: number): void {
    if (pass === 0) this.machine.load(program, image, WHOLE);
    else this.machine.reload(program, image, WHOLE);
    for (const [turn, what] of program.turns.entries()) {
      this.machine.run(what);
      this.snapshots[turn] ??= newSnapshot(program.harts.length);
      takeSnapshot(this.machine, this.snapshots[turn]!);
    }
  }
}

/** A machine of its own for a program. */
export function createSubject(program: LockstepProgram, configuration: Configuration): Subject {
  const compiler = new SteeredCompiler();
  const { hotAfter } = configuration;
  const options = machineOptions(program);
  if (hotAfter === undefined) return { machine: new LockstepMachine(options), compiler };
  // A program is short: a slow access counts as one that always is after few, and as fast again after few.
  const patience = { left: 2, servedFast: 3 };
  const settledAfter = 1;
  const translator = createTranslator({
    hotAfter,
    compiler,
    verify: true,
    refused: failOnRefusal,
    patience,
    settledAfter,
  });
  return { machine: new LockstepMachine({ ...options, translator }), compiler };
}

type Compiled = Pick<Coverage, 'regions' | 'dispatching' | 'modules'>;

/** What was compiled for a machine so far. */
function compiledFor({ machine, compiler }: Subject): Compiled {
  const { translated = 0, dispatching = 0 } = machine.group.translation ?? {};
  return { regions: translated, dispatching, modules: compiler.compiled };
}

function failOnRefusal(message: string): void {
  assert(false, message);
}

/** Makes the machine ready for a pass. */
export function startPass(
  { machine, compiler }: Subject,
  program: LockstepProgram,
  image: Uint8Array,
  pass: Pass,
  number: number,
): void {
  pass.prepare?.(compiler);
  if (number === 0) machine.load(program, image, pass.cutting);
  else machine.reload(program, image, pass.cutting);
}

export const machineOptions = (program: LockstepProgram) => ({
  harts: program.harts.length,
  svade: program.svade,
  sbi: program.sbi,
});

const keyOf = ({ harts, svade, sbi }: LockstepProgram): string => `${harts.length} ${svade} ${sbi}`;

/** What draws the cuts of a program's runs: the same whenever it runs again. */
export const passRandom = ({ seed, index }: LockstepProgram, { name }: Configuration): Random =>
  generator(seed * 1_000_003 + index + 0x1_0000_0000 * (1 + name.length));
