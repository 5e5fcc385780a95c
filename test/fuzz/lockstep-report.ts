/** What a person needs to see of a program that ran differently in two configurations: where, and why so little of it. */
import { disassemble } from '../../vmm/isa/disassemble.ts';
import { C_NOP, NOP } from './lockstep-code.ts';
import {
  describeDifferences,
  firstLogDifference,
  newSnapshot,
  sameSnapshot,
  takeSnapshot,
} from './lockstep-compare.ts';
import { RAM_BASE, RAM_SIZE } from './lockstep-layout.ts';
import { LockstepMachine, WHOLE } from './lockstep-machine.ts';
import type { LockstepProgram, Turn } from './lockstep-programs.ts';
import {
  type Configuration,
  createSubject,
  type Difference,
  machineOptions,
  passRandom,
  type Subject,
  startPass,
} from './lockstep-run.ts';

/** Two machines, fresh ones, that ran a program up to somewhere in a pass. */
interface Pair {
  readonly reference: LockstepMachine;
  readonly subject: Subject;
}

/** The report of a difference; the image is the program's. */
export function report(difference: Difference, image: Uint8Array): string {
  const { program, configuration, pass, turn } = difference;
  const lines = [
    `SEED=${program.seed}, program ${program.index}: ${configuration.name}, pass ${pass}, turn ${turn}`,
    program.description,
  ];
  if (!differs(program, image, configuration, pass)) {
    return [...lines, 'Fresh machines agree: what ran before on these machines matters.'].join('\n');
  }
  const smaller = shrink(program, image, configuration, pass);
  const position = firstDifference(program, smaller.image, configuration, pass);
  const { reference, subject } = runTo(program, smaller.image, configuration, pass, position);
  const before = runTo(program, smaller.image, configuration, pass, position - 1);
  return [
    ...lines,
    `first differs after ${position} steps; reference | ${configuration.name}:`,
    ...describeDifferences(reference, subject.machine)
      .slice(0, 16)
      .map((line) => `  ${line}`),
    'before that step:',
    ...before.reference.group.harts.map(
      (hart, index) =>
        `  hart ${index}: step ${hart.steps} pc 0x${hart.getPc().toString(16)} privilege ${hart.getPrivilege()} ${instructionAt(before.reference, index)}`,
    ),
    'what is needed of the program:',
    ...listing(program, smaller.image, smaller.kept),
  ].join('\n');
}

function instructionAt(machine: LockstepMachine, index: number): string {
  const hart = machine.group.harts[index]!;
  const physical = hart.translate(hart.getPc());
  const offset = physical === undefined ? -1 : Number(physical) - RAM_BASE;
  return offset >= 0 && offset < RAM_SIZE - 4 ? textAt(machine.memory.ram, offset, hart.getPc()) : '?';
}

function textAt(image: Uint8Array, offset: number, pc: bigint): string {
  const raw = new DataView(image.buffer, image.byteOffset, RAM_SIZE).getUint32(offset, true);
  return disassemble(raw, pc).text;
}

function listing(program: LockstepProgram, image: Uint8Array, kept: readonly number[]): string[] {
  const { x, pc, privilege } = program.harts[0]!;
  const base = x[4]!;
  const lines = [`  begins at 0x${pc.toString(16)}, privilege ${privilege}`];
  for (const offset of kept) {
    const address = base + BigInt(offset);
    lines.push(`  0x${address.toString(16)} +0x${offset.toString(16)} ${textAt(image, offset, address)}`);
  }
  return lines;
}

/** Runs the passes before, and the first `position` steps of the pass, counted over all turns. */
function runTo(
  program: LockstepProgram,
  image: Uint8Array,
  configuration: Configuration,
  pass: number,
  position: number,
): Pair {
  const reference = new LockstepMachine(machineOptions(program));
  const subject = createSubject(program, configuration);
  const passes = configuration.passes(passRandom(program, configuration), program);
  for (let number = 0; number <= pass; number++) {
    if (number === 0) reference.load(program, image, WHOLE);
    else reference.reload(program, image, WHOLE);
    startPass(subject, program, image, passes[number]!, number);
    const turns = number < pass ? program.turns : cutTurns(program.turns, position);
    for (const [turn, what] of turns.entries()) {
      reference.run(what);
      passes[number]!.beforeTurn?.(subject.compiler, turn);
      subject.machine.run(what);
    }
  }
  return { reference, subject };
}

const stepsIn = (turns: readonly Turn[]): number => {
  const done = new Map<number, number>();
  for (const { hart, until } of turns) done.set(hart, until);
  return [...done.values()].reduce((sum, until) => sum + until, 0);
};

/** The turns up to a number of steps of all harts together. */
function cutTurns(turns: readonly Turn[], position: number): Turn[] {
  const done = new Map<number, number>();
  const cut: Turn[] = [];
  let left = position;
  for (const { hart, until } of turns) {
    const from = done.get(hart) ?? 0;
    const steps = Math.min(left, until - from);
    if (steps <= 0) break;
    cut.push({ hart, until: from + steps });
    done.set(hart, from + steps);
    left -= steps;
  }
  return cut;
}

function pairDiffers({ reference, subject: { machine } }: Pair): boolean {
  const [one, other] = [reference, machine].map((each) => {
    const snapshot = newSnapshot(each.group.harts.length);
    takeSnapshot(each, snapshot);
    return snapshot;
  });
  return (
    !sameSnapshot(one!, other!) ||
    firstLogDifference(reference.log, machine.log) >= 0 ||
    !machine.hasSameMemory(reference)
  );
}

/** Whether fresh machines differ at the end of the pass; a failed assertion is a difference too. */
function differs(
  program: LockstepProgram,
  image: Uint8Array,
  configuration: Configuration,
  pass: number,
): boolean {
  return differsAt(program, image, configuration, pass, stepsIn(program.turns));
}

function differsAt(
  program: LockstepProgram,
  image: Uint8Array,
  configuration: Configuration,
  pass: number,
  position: number,
): boolean {
  try {
    return pairDiffers(runTo(program, image, configuration, pass, position));
  } catch {
    return true;
  }
}

/** The first number of steps after which they differ, given that they do in the end and stay different. */
function firstDifference(
  program: LockstepProgram,
  image: Uint8Array,
  configuration: Configuration,
  pass: number,
): number {
  let [same, different] = [0, stepsIn(program.turns)];
  while (different - same > 1) {
    const middle = (same + different) >> 1;
    if (differsAt(program, image, configuration, pass, middle)) different = middle;
    else same = middle;
  }
  return different;
}

/** Replaces instructions by ones without effect as long as the machines differ: many at once, then fewer. */
function shrink(
  program: LockstepProgram,
  image: Uint8Array,
  configuration: Configuration,
  pass: number,
): { image: Uint8Array; kept: number[] } {
  const smaller = image.slice();
  let kept = program.starts.toSorted((a, b) => a - b);
  for (let size = 1 << Math.floor(Math.log2(kept.length)); size >= 1; size >>= 1) {
    for (let first = 0; first < kept.length; first += size) {
      const tried = kept.slice(first, first + size);
      const saved = tried.map((offset) => smaller.slice(offset, offset + 4));
      for (const offset of tried) blank(smaller, offset);
      if (differs(program, smaller, configuration, pass)) {
        kept = kept.filter((offset) => !tried.includes(offset));
        first -= size;
      } else {
        for (const [index, offset] of tried.entries()) smaller.set(saved[index]!, offset);
      }
    }
  }
  return { image: smaller, kept };
}

function blank(image: Uint8Array, offset: number): void {
  const view = new DataView(image.buffer, image.byteOffset);
  if ((view.getUint8(offset) & 3) === 3) view.setUint32(offset, NOP, true);
  else view.setUint16(offset, C_NOP, true);
}
