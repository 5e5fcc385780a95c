/** How lockstep programs hang together: loops, branches into and out of them, calls that return and calls that do not. */
import {
  add,
  addi,
  andi,
  BRANCH,
  branch,
  jal,
  jalr,
  type Label,
  ld,
  newLabel,
  sd,
  slli,
} from './lockstep-code.ts';
import { type Context, scratch, windowAddress } from './lockstep-context.ts';
import { source } from './lockstep-instructions.ts';
import { JUMP_TABLES_BYTES, JUMP_TABLES_OFFSET, REGISTER } from './lockstep-layout.ts';
import { UNITS } from './lockstep-units.ts';

/** A table of code addresses, as offsets in a window. */
export interface JumpTable {
  readonly offset: number;
  readonly targets: readonly Label[];
}
const JUMP_TABLE_ENTRIES = 4;

/** A program under construction. */
export interface Flow {
  readonly context: Context;
  /** Entries of the functions; those behind the present one are called. */
  readonly functions: readonly Label[];
  readonly tables: JumpTable[];
  /** Labels of the function that stand already, and those that will stand before its end. */
  readonly behind: Label[];
  readonly ahead: Label[];
  /** Instructions left to write. */
  budget: number;
}

const RA = 1;
/** The alternate link register. */
const T0 = 5;

/** Writes a function: its frame, statements, and a return. */
export function writeFunction(flow: Flow, index: number, statements: number): void {
  const { context, functions } = flow;
  const { code, random } = context;
  flow.behind.length = 0;
  flow.ahead.length = 0;
  code.place(functions[index]!);
  const frame = 16 * (1 + random.below(3));
  code.put(addi(REGISTER.stack, REGISTER.stack, -frame));
  code.put(sd(RA, REGISTER.stack, frame - 8));
  writeStatements(flow, index, statements, 0);
  for (const label of flow.ahead) code.place(label);
  if (random.below(30)) code.put(ld(RA, REGISTER.stack, frame - 8));
  if (random.below(30)) code.put(addi(REGISTER.stack, REGISTER.stack, frame));
  // Rarely it returns to somewhere else near its caller.
  if (random.below(25) === 0) code.put(addi(RA, RA, 2 * (random.below(8) - 2)));
  code.put(random.below(2) ? jalr(0, RA, 0) : 0x8082);
}

type Statement = (flow: Flow, index: number, depth: number) => void;

const STATEMENTS: readonly {
  readonly statement: Statement;
  readonly weight: (flow: Flow, depth: number) => number;
}[] = [
  { statement: unit, weight: () => 24 },
  { statement: loop, weight: ({ context }, depth) => (depth < 3 ? 5 * context.flavour.loops : 0) },
  { statement: condition, weight: (_, depth) => (depth < 4 ? 6 : 0) },
  { statement: leap, weight: ({ context }) => 3 * context.flavour.jumps },
  { statement: call, weight: ({ context }) => 4 * context.flavour.calls },
  { statement: recursion, weight: ({ context }) => context.flavour.calls },
  { statement: dispatch, weight: ({ context }) => 2 * context.flavour.jumps },
  { statement: unwind, weight: ({ context }) => context.flavour.calls / 3 },
];

export function writeStatements(flow: Flow, index: number, count: number, depth: number): void {
  const { code, random } = flow.context;
  for (let written = 0; written < count && flow.budget > 0; written++) {
    const before = code.starts.length;
    if (random.below(4) === 0) flow.behind.push(code.here());
    pickWeighted(flow, STATEMENTS, depth).statement(flow, index, depth);
    flow.budget -= code.starts.length - before;
    if (flow.ahead.length > 0 && random.below(4) === 0) {
      const label = flow.ahead.pop()!;
      code.place(label);
      flow.behind.push(label);
    }
  }
}

function pickWeighted<T extends { readonly weight: (flow: Flow, depth: number) => number }>(
  flow: Flow,
  choices: readonly T[],
  depth: number,
): T {
  const weights = choices.map((choice) => choice.weight(flow, depth));
  return choices[drawn(flow.context, weights)]!;
}

function drawn({ random }: Context, weights: readonly number[]): number {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  let at = (random.below(2 ** 24) / 2 ** 24) * sum;
  for (const [index, weight] of weights.entries()) {
    at -= weight;
    if (at < 0) return index;
  }
  return 0;
}

function unit({ context }: Flow): void {
  const weights = UNITS.map(({ weight }) => weight(context));
  UNITS[drawn(context, weights)]!.unit(context);
}

/** A loop that counts down one of the counters. */
function loop(flow: Flow, index: number, depth: number): void {
  const { context } = flow;
  const { code, random } = context;
  const counter = REGISTER.counters[depth]!;
  code.put(addi(counter, 0, 1 + random.below(depth === 0 ? 12 : 5)));
  const head = code.here();
  writeStatements(flow, index, 1 + random.below(4), depth + 1);
  code.put(addi(counter, counter, -1));
  // Either the branch goes back, or it leaves and a jump goes back.
  if (random.below(3)) {
    code.branch(branch(BRANCH.ne, counter, 0), head);
  } else {
    const out = newLabel();
    code.branch(branch(random.below(2) ? BRANCH.eq : BRANCH.ge, 0, counter), out);
    if (random.below(2)) code.compressedJump(head);
    else code.jump(jal(0), head);
    code.place(out);
  }
}

/** A branch by whatever registers hold. */
function randomBranch({ context }: Flow, label: Label): void {
  const { code, random, hot } = context;
  if (random.below(4) === 0) {
    code.compressedBranch(random.below(2) === 0, 8 + random.below(8), label);
    return;
  }
  const condition = random.pick(Object.values(BRANCH));
  code.branch(branch(condition, source(random, hot), source(random, hot)), label);
}

/** One way or the other, or one way or none. */
function condition(flow: Flow, index: number, depth: number): void {
  const { context } = flow;
  const { code, random } = context;
  const [other, end] = [newLabel(), newLabel()];
  if (random.below(2)) {
    // By a bit that changes from one round of a loop to the next.
    const bit = scratch(context);
    code.put(andi(bit, random.pick(REGISTER.counters), 1 << random.below(2)));
    code.branch(branch(random.below(2) ? BRANCH.eq : BRANCH.ne, bit, 0), other);
  } else {
    randomBranch(flow, other);
  }
  writeStatements(flow, index, 1 + random.below(2), depth);
  if (random.below(2)) {
    code.jump(jal(0), end);
    code.place(other);
    writeStatements(flow, index, 1 + random.below(2), depth);
    code.place(end);
  } else {
    code.place(other);
  }
}

/** A branch to anywhere in the function: into loops and out of them, so that the graph need not be reducible. */
function leap(flow: Flow): void {
  const { context, ahead, behind } = flow;
  const { random, code } = context;
  if (behind.length > 0 && random.below(3) === 0) {
    // Backward only a few times: the recursion counter counts these too.
    const skip = newLabel();
    code.put(addi(REGISTER.depth, REGISTER.depth, -1));
    code.branch(branch(BRANCH.lt, REGISTER.depth, 0), skip);
    randomBranch(flow, random.pick(behind));
    code.place(skip);
    return;
  }
  if (ahead.length === 0 || random.below(2)) ahead.push(newLabel());
  randomBranch(flow, random.pick(ahead));
}

/** A call of a function further on, in one of the ways that there are. */
function call(flow: Flow, index: number): void {
  const { context, functions } = flow;
  const { code, random } = context;
  if (index + 1 >= functions.length) return;
  const target = functions[index + 1 + random.below(functions.length - index - 1)]!;
  const link = random.below(8) ? RA : T0;
  switch (random.below(4)) {
    case 0: {
      const address = scratch(context, RA);
      code.address(address, target);
      if (random.below(2)) code.put(jalr(link, address, 0));
      else code.put(0x9002 | (address << 7));
      break;
    }
    default:
      code.jump(jal(link), target);
  }
  // A function called by the alternate link register returns by ra: to an older caller.
}

/** The function calls itself, a bounded number of times in all. */
function recursion(flow: Flow, index: number): void {
  const { context, functions } = flow;
  const { code, random } = context;
  const skip = newLabel();
  if (random.below(4) === 0) code.put(addi(REGISTER.depth, 0, random.below(40)));
  code.put(addi(REGISTER.depth, REGISTER.depth, -1));
  code.branch(branch(BRANCH.lt, REGISTER.depth, 0), skip);
  code.jump(jal(RA), functions[index]!);
  code.place(skip);
}

/** Jumps, or calls, by a table. */
function dispatch(flow: Flow, index: number): void {
  const { context, tables, functions } = flow;
  const { code, random, hot } = context;
  if (tables.length * JUMP_TABLE_ENTRIES * 8 >= JUMP_TABLES_BYTES) return;
  const isCall = index + 1 < functions.length && random.below(3) === 0;
  const targets = Array.from({ length: JUMP_TABLE_ENTRIES }, () => {
    if (isCall) return functions[index + 1 + random.below(functions.length - index - 1)]!;
    const label = newLabel();
    flow.ahead.push(label);
    return label;
  });
  const table = { offset: JUMP_TABLES_OFFSET + tables.length * JUMP_TABLE_ENTRIES * 8, targets };
  tables.push(table);
  const address = scratch(context, RA);
  const which = scratch(context, address, RA);
  const low = windowAddress(context, address, table.offset);
  code.put(
    andi(
      which,
      random.below(2) ? source(random, hot) : random.pick(REGISTER.counters),
      JUMP_TABLE_ENTRIES - 1,
    ),
  );
  code.put(slli(which, which, 3));
  code.put(add(address, address, which));
  code.put(ld(address, address, low));
  code.put(add(address, address, REGISTER.window));
  code.put(jalr(isCall ? RA : 0, address, 0));
}

/** Leaves this function and its caller at once, or keeps where it is and comes back here later. */
function unwind({ context }: Flow): void {
  const { code, random } = context;
  const keeper = JUMP_TABLES_OFFSET + JUMP_TABLES_BYTES + 16 * random.below(4);
  const address = scratch(context);
  const target = scratch(context, address);
  switch (random.below(3)) {
    case 0: {
      // As setjmp does.
      const low = windowAddress(context, address, keeper);
      code.address(target, code.here());
      code.put(sd(target, address, low));
      code.put(sd(REGISTER.stack, address, low + 8));
      return;
    }
    case 1: {
      // As longjmp does; nowhere, when nothing was kept.
      const skip = newLabel();
      const low = windowAddress(context, address, keeper);
      code.put(ld(target, address, low));
      code.branch(branch(BRANCH.eq, target, 0), skip);
      code.put(ld(REGISTER.stack, address, low + 8));
      code.put(sd(0, address, low));
      code.put(jalr(0, target, 0));
      code.place(skip);
      return;
    }
    default:
      code.put(ld(RA, REGISTER.stack, 8));
      code.put(addi(REGISTER.stack, REGISTER.stack, 32));
      code.put(jalr(0, RA, 0));
  }
}
