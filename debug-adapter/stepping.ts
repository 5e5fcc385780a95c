/**
 * Stepping by lines, made of the VMM's steps over address ranges. A plan says what the user asked for; after each
 * of the VMM's steps `continueStep` decides whether that is reached or what runs next.
 *
 * A step by line ends at the first instruction of a statement. What lies between is run through: the rest of a line that a
 * call returned into, a function's prologue, inlined functions when stepping over, functions without lines.
 */
import { VmError } from '../vmm/base/vm-error.ts';
import { isInterrupted } from './frames.ts';
import type { MachineView } from './machine-view.ts';
import type { AddressRange, Frame, Symbols } from './symbols/index.ts';

/** What stepping asks of the stopped machine. */
export type SteppedMachine = Pick<MachineView, 'frames' | 'hart'>;

export type StepKind = 'next' | 'stepIn' | 'stepOut';
export type Granularity = 'line' | 'instruction';

/** Parameters of `vm.step`. */
export interface StepAction {
  readonly mode: 'into' | 'over' | 'out';
  readonly ranges: readonly AddressRange[];
  readonly returnTo?: { readonly pc: bigint; readonly sp: bigint };
}

export interface StepPlan {
  readonly kind: StepKind;
  readonly hart: number;
  readonly granularity: Granularity;
  /** The frame the step began in; see `identityOf`. */
  readonly frame: bigint | undefined;
  /** How many functions were inlined into one another where the step began, and the code of the innermost. */
  readonly inlineDepth: number;
  /** What the VMM was last told to do on behalf of the plan. */
  action: StepAction;
  /** The next end of the VMM's step ends the plan. */
  isFinal: boolean;
  rounds: number;
}

/** A step that needs more of the VMM's steps than this wanders in code without lines: it ends where it is. */
const ROUNDS_MAX = 1000;
/** The frame a step began in is among the innermost; the whole stack is not unwound for each step. */
const FRAMES_MAX = 32;

/** @throws VmError `wrong-state` when there is no frame to step out to. */
export async function beginStep(
  view: SteppedMachine,
  hart: number,
  kind: StepKind,
  granularity: Granularity,
): Promise<StepPlan> {
  const { registers, symbols } = await view.hart(hart);
  const inlineDepth = symbols.inlineChain(registers.pc).length;
  // The functions inlined at pc and the one they are in; its caller, which takes reading the stack, only to step out.
  const frames = await view.frames(hart, Math.max(1, inlineDepth) + (kind === 'stepOut' ? 1 : 0));
  const physical = frames.find((frame) => !frame.inlined);
  const plan = {
    ...{ kind, hart, granularity, frame: physical && identityOf(physical), rounds: 0 },
    inlineDepth,
  };
  if (kind === 'stepOut') return { ...plan, ...stepOut(frames, symbols, registers.pc) };
  const mode = kind === 'next' ? 'over' : 'into';
  const ranges = granularity === 'instruction' ? [] : symbols.lineRangesFor(registers.pc);
  // In code without lines a line is an instruction.
  return { ...plan, action: { mode, ranges }, isFinal: ranges.length === 0 };
}

/** The VMM's step ended: what to run next, or undefined when the plan is done. */
export async function continueStep(plan: StepPlan, view: SteppedMachine): Promise<StepAction | undefined> {
  plan.rounds += 1;
  if (plan.isFinal || plan.rounds > ROUNDS_MAX) return undefined;
  const { registers, symbols } = await view.hart(plan.hart);
  const { pc } = registers;
  if (plan.kind === 'stepOut') return contains(plan.action.ranges, pc) ? plan.action : undefined;

  const mode = plan.kind === 'next' ? 'over' : 'into';
  const row = symbols.lineFor(pc);
  if (row === undefined || row.line === 0) return stepOutOfLineless(plan, view, symbols, pc);

  const inlined = plan.kind === 'next' ? inlinedCode(plan, symbols, pc) : undefined;
  if (inlined !== undefined) return (plan.action = { mode, ranges: inlined });

  const prologue = plan.kind === 'stepIn' ? prologueAt(symbols, pc) : undefined;
  if (prologue !== undefined) {
    plan.isFinal = true;
    return { mode: 'over', ranges: [prologue] };
  }
  if (contains(plan.action.ranges, pc)) return plan.action;
  if (row.isStatement && row.address === pc) return undefined;
  const rest = symbols.lineRangesFor(pc);
  return rest.length === 0 ? undefined : (plan.action = { mode, ranges: rest });
}

/** A stop in the middle of a step turned out not to count (a breakpoint whose condition is false): how the step goes on. */
export async function resumeStep(plan: StepPlan, view: SteppedMachine): Promise<StepAction> {
  if (plan.action.mode === 'out' || plan.frame === undefined) return plan.action;
  // However deep the call went: to take the wrong frame for the one the step began in would end it too early.
  const frames = await view.frames(plan.hart);
  const began = findFrame(frames, plan);
  const callee = frames.slice(0, Math.max(0, began)).some((frame) => !frame.inlined);
  // Within a call that the step runs over: back to where the step began first, then on as before.
  return (callee ? returnTo(frames[began]!) : undefined) ?? plan.action;
}

function stepOut(
  frames: readonly Frame[],
  symbols: Symbols,
  pc: bigint,
): { action: StepAction; isFinal: boolean } {
  if (frames[0]?.inlined) {
    const ranges = symbols.inlineChain(pc)[0]?.ranges ?? [];
    return { action: { mode: 'over', ranges }, isFinal: false };
  }
  const caller = frames[1];
  const action = caller === undefined ? undefined : returnTo(caller);
  if (action === undefined) {
    throw new VmError('wrong-state', 'This is the outermost frame: there is nothing to step out to.');
  }
  return { action, isFinal: true };
}

function returnTo(frame: Frame): StepAction | undefined {
  const sp = frame.registers.x[2];
  return sp === undefined ? undefined : { mode: 'out', ranges: [], returnTo: { pc: frame.pc, sp } };
}

/**
 * The step came to code without lines. When that was entered by a call or a trap, it runs to the nearest frame that
 * has lines; when the program returned or jumped there, the step ends.
 */
async function stepOutOfLineless(
  plan: StepPlan,
  view: SteppedMachine,
  symbols: Symbols,
  pc: bigint,
): Promise<StepAction | undefined> {
  const own = symbols.lineRangesFor(pc);
  const mode = plan.kind === 'next' ? 'over' : 'into';
  // Line 0: the compiler made these instructions for no line, within a function that has lines.
  if (own.length > 0 && !contains(plan.action.ranges, pc)) return (plan.action = { mode, ranges: own });

  const frames = await view.frames(plan.hart, FRAMES_MAX);
  const entered =
    symbols.symbolize(pc)?.offset === 0n ||
    (frames[1] !== undefined && isInterrupted(symbols, frames[0], frames[1])) ||
    isCallee(frames, plan);
  if (!entered) return undefined;
  const outer = frames.slice(1).find((frame) => !frame.inlined && (frame.location?.line ?? 0) > 0);
  return outer === undefined ? undefined : returnTo(outer);
}

const isCallee = (frames: readonly Frame[], plan: StepPlan): boolean => findFrame(frames, plan) > 0;

/**
 * Where the frame that the step began in is in the stack now; -1 when it is gone. A frame is known by its canonical frame
 * address, or without call frame information by its stack pointer, which stays the same but for prologue and epilogue.
 */
const findFrame = (frames: readonly Frame[], plan: StepPlan): number =>
  plan.frame === undefined
    ? -1
    : frames.findIndex((frame) => !frame.inlined && identityOf(frame) === plan.frame);

const identityOf = (frame: Frame): bigint | undefined => frame.cfa ?? frame.registers.x[2];

/** The code of the function inlined into the one the step began in, when `pc` is there. */
function inlinedCode(plan: StepPlan, symbols: Symbols, pc: bigint): readonly AddressRange[] | undefined {
  const chain = symbols.inlineChain(pc);
  const deeper = chain.length - plan.inlineDepth;
  const level = deeper > 0 ? chain[deeper - 1] : undefined;
  return level?.inlined ? level.ranges : undefined;
}

/** From a function's first instruction to where its parameters can be read. */
function prologueAt(symbols: Symbols, pc: bigint): AddressRange | undefined {
  const entered = symbols.functionAt(pc);
  if (entered?.entry !== pc || entered.declaration === undefined) return undefined;
  return entered.breakpointAddress > pc ? { start: pc, end: entered.breakpointAddress } : undefined;
}

const contains = (ranges: readonly AddressRange[], pc: bigint): boolean =>
  ranges.some(({ start, end }) => start <= pc && pc < end);
