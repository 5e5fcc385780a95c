/**
 * Random whole programs for lockstep runs: code with loops, calls and jumps of all kinds, memory under protection and
 * page tables that change, traps, interrupts, self-modification; for one hart or several. A seed and an index determine
 * a program. What it does is bounded by a number of steps, not by an end: when it has lost its way in a loop, or among
 * traps, that is a program too.
 */
import type { PrivilegeLevel } from '../../vmm/contracts/hart.ts';
import { EVENT } from '../../vmm/isa/performance-events.ts';
import { random as generator, type Random } from '../support/random.ts';
import { Code, type Label, newLabel } from './lockstep-code.ts';
import type { Context, Flavour } from './lockstep-context.ts';
import { type Flow, type JumpTable, writeFunction } from './lockstep-flow.ts';
import { FRAME, HANDLERS, RESUMES } from './lockstep-handlers.ts';
import {
  CODE,
  DATA,
  HARTS_MAX,
  JUMP_TABLES_OFFSET,
  LAST_PAGE_OFFSET,
  machineHandlers,
  PAGE,
  RAM_BASE,
  REGISTER,
  STACK_BYTES,
  STACKS_OFFSET,
  supervisorHandlers,
} from './lockstep-layout.ts';
import { type Paging, satpOf, writePageTables } from './lockstep-tables.ts';

/** What a hart starts with. */
export interface HartStart {
  readonly pc: bigint;
  readonly privilege: PrivilegeLevel;
  readonly x: readonly bigint[];
  readonly f: readonly bigint[];
  /** In the order of writing. */
  readonly csrs: readonly (readonly [number: number, value: bigint])[];
}

/** Something from outside, at a hart's own step. */
export interface OutsideEvent {
  readonly step: number;
  readonly hart: number;
  readonly what:
    | { readonly kind: 'interrupt'; readonly bit: number; readonly level: boolean }
    /** Somebody writes to memory: a debugger, or a device. */
    | { readonly kind: 'memory'; readonly offset: number; readonly bytes: Uint8Array }
    /** Another hart's fence. */
    | { readonly kind: 'flush' };
}

/** A turn of one hart, up to its own step `until`. */
export interface Turn {
  readonly hart: number;
  readonly until: number;
}

export interface LockstepProgram {
  readonly seed: number;
  readonly index: number;
  /** What sort of program it is, for a person. */
  readonly description: string;
  readonly harts: readonly HartStart[];
  readonly svade: boolean;
  /** S-mode's environment calls are answered by the machine. */
  readonly sbi: boolean;
  readonly stepsPerTick: number;
  readonly events: readonly OutsideEvent[];
  readonly turns: readonly Turn[];
  /** Offsets of the instructions in the image. */
  readonly starts: readonly number[];
}

/** What a program is to be like; the seed chooses what is not said. */
export interface ProgramOptions {
  readonly harts?: number;
  /** With page tables, or without. */
  readonly paged?: boolean;
}

/** Writes program number `index` into the image, which is zero all over, and returns the rest of it. */
export function generateProgram(
  seed: number,
  index: number,
  image: Uint8Array,
  options: ProgramOptions = {},
): LockstepProgram {
  const random = generator(seed * 1_000_003 + index);
  const harts = options.harts ?? 1;
  const paged = options.paged ?? random.below(20) < 11;
  const privilege: PrivilegeLevel = paged
    ? random.pick([1, 1, 1, 0, 0, 3] as const)
    : random.pick([3, 3, 3, 3, 1, 0] as const);
  const flavour = randomFlavour(random);
  const isCalm = flavour.faults + flavour.privileged === 0;
  const paging = paged
    ? writePageTables(image, random, {
        levels: random.pick([3, 3, 4, 5] as const),
        writableCode: flavour.selfModification > 0 && random.below(4) > 0,
        oddities: isCalm ? 0 : random.pick([0, 4, 12, 25]),
        used: random.below(2) === 0,
        openTables: random.below(2) === 0,
        shuffledCode: random.below(3) === 0,
      })
    : null;
  const code = new Code(image);
  const context: Context = {
    random,
    code,
    hot: {
      x: Array.from({ length: 5 }, () => random.pick(FREE_REGISTERS)),
      f: Array.from({ length: 4 }, () => random.below(32)),
    },
    flavour,
    paging,
    privilege,
    harts,
  };
  writeData(image, random);
  const { functions, resumes } = writeCode(context, image);
  const bases = basesOf(paging);
  const starts = Array.from({ length: harts }, (_, hart) =>
    hartStart(context, image, { hart, entry: functions[hart % functions.length]!, bases, resumes }),
  );
  const turns = randomTurns(random, harts);
  const levels = paging === null ? 'bare' : `Sv${paging.levels * 9 + 12}`;
  return {
    seed,
    index,
    description: `${levels}, ${'US?M'[privilege]}-mode, ${harts} hart(s), ${JSON.stringify(flavour)}`,
    harts: starts,
    svade: random.below(8) === 0,
    sbi: random.below(8) === 0,
    stepsPerTick: random.pick([1, 3, 10]),
    events: randomEvents(random, turns, harts),
    turns,
    starts: code.starts,
  };
}

/** Those that units work with, and more: all but x0 and what is pinned. */
const FREE_REGISTERS = [1, 5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 22, 28, 29, 30, 31] as const;

function randomFlavour(random: Random): Flavour {
  const weight = (): number => random.pick([0, 0.5, 1, 1, 2]);
  // Many programs have one of these things only, or none: what traps and changes all the time is seldom translated.
  const calm = random.below(5) < 2;
  const seldom = (): number => (calm && random.below(4) ? 0 : random.pick([0, 0, 0.5, 1, 2]));
  return {
    memory: weight(),
    float: seldom(),
    compressed: weight(),
    loops: random.pick([0.5, 1, 2]),
    calls: weight(),
    jumps: weight(),
    selfModification: seldom(),
    paging: weight(),
    privileged: seldom(),
    interrupts: seldom(),
    faults: seldom(),
  };
}

/** Random numbers in the data pages, small ones among them. */
function writeData(image: Uint8Array, random: Random): void {
  const words = new Uint32Array(image.buffer, image.byteOffset + DATA.offset, (DATA.pages * PAGE) / 4);
  // A few kinds of numbers over and over: what they are matters less than that they differ.
  const values = Uint32Array.from({ length: 61 }, () =>
    random.below(3) ? random.below(2 ** 32) : random.below(16),
  );
  const first = (JUMP_TABLES_OFFSET - DATA.offset + PAGE) / 4;
  for (let at = first; at < words.length; at++) words[at] = values[at % 61]!;
}

/** Functions one after another, some of them so placed that they lie across pages. */
function writeCode(context: Context, image: Uint8Array): { functions: Label[]; resumes: Label[] } {
  const { random, code } = context;
  const functions = Array.from({ length: 1 + random.below(5) }, newLabel);
  const tables: JumpTable[] = [];
  const resumes: Label[] = [];
  const end = CODE.offset + CODE.pages * PAGE;
  code.offset = CODE.offset;
  const room = Math.floor((80 + random.below(320)) / functions.length);
  for (const index of functions.keys()) {
    code.offset = functionOffset(random, code.offset);
    const flow: Flow = { context, functions, tables, behind: [], ahead: [], budget: room };
    if (index > 0 && code.offset + room * 16 > end) {
      functions[index]!.offset = functions[0]!.offset;
      continue;
    }
    writeFunction(flow, index, 4 + random.below(16));
    resumes.push(functions[index]!, ...flow.behind.slice(0, 3));
  }
  if (random.below(10) === 0) resumes.push(writeEndOfRam(context));
  code.resolve();
  const view = new DataView(image.buffer, image.byteOffset);
  for (const { offset, targets } of tables) {
    for (const [slot, { offset: target }] of targets.entries())
      view.setUint32(offset + slot * 8, target, true);
  }
  return { functions, resumes };
}

/** Right behind what stands already, or so that the end of a page comes soon, or anywhere on the next page. */
function functionOffset(random: Random, after: number): number {
  const next = after + PAGE - (after % PAGE);
  switch (random.below(4)) {
    case 0:
      return after;
    case 1:
      return next + 2 * random.below(PAGE / 4);
    default: {
      const offset = next - 2 * random.below(100);
      return offset >= after ? offset : next;
    }
  }
}

/** Straight code on the last bytes of RAM; its last instruction may have its second half behind the end. */
function writeEndOfRam(context: Context): Label {
  const { code, random } = context;
  code.offset = LAST_PAGE_OFFSET + PAGE - 2 * (1 + random.below(20));
  const label = code.here();
  while (code.offset < LAST_PAGE_OFFSET + PAGE - 2) code.put(random.below(2) ? 0x0001 : 0x13);
  if (code.offset < LAST_PAGE_OFFSET + PAGE) code.put(0x0001);
  return label;
}

/** Bases of the windows by privilege level. */
function basesOf(paging: Paging | null): readonly [bigint, bigint, bigint, bigint] {
  const bare = BigInt(RAM_BASE);
  if (paging === null) return [bare, bare, bare, bare];
  return [paging.userBase, paging.supervisorBase, bare, bare];
}

interface HartPlan {
  readonly hart: number;
  readonly entry: Label;
  readonly bases: readonly [bigint, bigint, bigint, bigint];
  readonly resumes: readonly Label[];
}

function hartStart(context: Context, image: Uint8Array, plan: HartPlan): HartStart {
  const { random, privilege, paging } = context;
  const { hart, entry, bases, resumes } = plan;
  const places = {
    stack: STACKS_OFFSET + STACK_BYTES * (hart + 1) - 64,
    middle: DATA.offset + PAGE * (2 + random.below(5)) + PAGE / 2,
    edge: DATA.offset + PAGE * (3 + random.below(5)) - random.below(24),
  };
  const satp = paging === null ? 0n : satpOf(paging.levels, paging.roots[0]);
  const machine = { offset: machineHandlers(hart), level: 3 } as const;
  const supervisor = { offset: supervisorHandlers(hart), level: 1 } as const;
  for (const { offset, level } of [machine, supervisor]) {
    image.set(HANDLERS[level], offset);
    writeFrame(context, new DataView(image.buffer, image.byteOffset + offset, PAGE), {
      satp,
      bases,
      places,
      resumes,
      level,
    });
  }
  const base = bases[privilege];
  const x = Array.from({ length: 32 }, () => randomInteger(random));
  x[1] = base + BigInt(entry.offset);
  x[REGISTER.stack] = base + BigInt(places.stack);
  x[REGISTER.window] = base;
  x[REGISTER.middle] = base + BigInt(places.middle);
  x[REGISTER.edge] = base + BigInt(places.edge);
  for (const counter of REGISTER.counters) x[counter] = BigInt(1 + random.below(8));
  x[REGISTER.depth] = BigInt(random.below(30));
  return {
    pc: base + BigInt(entry.offset),
    privilege,
    x,
    f: Array.from({ length: 32 }, () => randomFloat(random)),
    csrs: initialCsrs(context, satp, {
      machine: machine.offset,
      supervisor: supervisor.offset,
      base: bases[1],
    }),
  };
}

function writeFrame(
  { random, privilege, paging }: Context,
  view: DataView,
  frame: {
    satp: bigint;
    bases: readonly bigint[];
    places: { stack: number; middle: number; edge: number };
    resumes: readonly Label[];
    level: 1 | 3;
  },
): void {
  const { satp, bases, places, resumes, level } = frame;
  const set = (offset: number, value: bigint): void =>
    view.setBigUint64(offset, BigInt.asUintN(64, value), true);
  set(FRAME.hash, random.next());
  set(FRAME.timerDelta, BigInt(random.pick([7, 31, 200, 1_000_000])));
  set(FRAME.satp, satp);
  set(FRAME.stack, BigInt(places.stack));
  set(FRAME.middle, BigInt(places.middle));
  set(FRAME.edge, BigInt(places.edge));
  for (const [index, base] of bases.entries()) set(FRAME.bases + index * 8, base);
  // Mostly where it came from; a handler of S-mode cannot return to M-mode.
  const others: readonly PrivilegeLevel[] =
    level === 3 ? (paging === null ? [0, 1, 3, 3] : [0, 0, 1, 3]) : [0, 1];
  const home = level === 1 && privilege === 3 ? 1 : privilege;
  for (let slot = 0; slot < 8; slot++) {
    view.setUint8(FRAME.privileges + slot, random.below(4) ? home : random.pick(others));
  }
  for (let slot = 0; slot < RESUMES; slot++) {
    // Rarely the second half of an instruction.
    const offset = random.pick(resumes).offset + (random.below(40) === 0 ? 2 : 0);
    set(FRAME.resumes + slot * 8, BigInt(offset));
  }
}

const NAPOT_ALL = 0x1fn;

function initialCsrs(
  { random, privilege, flavour }: Context,
  satp: bigint,
  handlers: { machine: number; supervisor: number; base: bigint },
): HartStart['csrs'] {
  const chance = (of: number): boolean => random.below(of) === 0;
  const withInterrupts = flavour.interrupts > 0;
  const vectored = chance(3) ? 1n : 0n;
  const fs = chance(20) ? 0n : BigInt(1 + random.below(3)) << 13n;
  const mie = withInterrupts && !chance(3) ? 8n : 0n;
  const sie = withInterrupts && !chance(3) ? 2n : 0n;
  const sum = chance(2) ? 1n << 18n : 0n;
  const mxr = chance(4) ? 1n << 19n : 0n;
  const delegatesAll = chance(4);
  const adue = chance(8) ? 0n : 1n << 61n;
  const stce = chance(8) ? 0n : 1n << 63n;
  const csrs: [number, bigint][] = [
    [0x305, BigInt(RAM_BASE + handlers.machine) | vectored],
    [0x105, (handlers.base + BigInt(handlers.supervisor)) | vectored],
    [0x30a, adue | stce],
    [0x306, chance(10) ? BigInt(random.below(8)) : 0xffff_ffffn],
    [0x106, chance(10) ? BigInt(random.below(8)) : 0xffff_ffffn],
    [0x302, delegatesAll ? 0xb1ffn : chance(2) ? 0xa100n & BigInt(random.below(0x1_0000)) : 0n],
    [0x303, chance(2) ? 0x2222n : 0n],
    [0x304, withInterrupts ? 0x2aaan : 0n],
    [0x14d, withInterrupts ? BigInt(random.below(200)) : 0xffff_ffff_ffffn],
    [0x003, BigInt((random.below(6) ? 0 : random.below(5)) << 5) | (chance(3) ? 0n : 1n)],
    [0x180, satp],
    [0x340, random.next()],
    [0x140, random.next()],
    ...protection(random),
    ...counters(random),
    // Last: it may turn off what the others need.
    [0x300, fs | mie | sie | sum | mxr | (BigInt(privilege) << 11n)],
  ];
  return csrs;
}

/** Sometimes counters of events, filtered by privilege level and not far from their overflow. */
function counters(random: Random): [number, bigint][] {
  if (random.below(4)) return [];
  return [3, 4, 5].flatMap((counter): [number, bigint][] => {
    const event = random.pick([EVENT.cycles, EVENT.instructions, random.pick(Object.values(EVENT))]);
    const filter = random.below(2) === 0 ? 0n : BigInt(random.below(8)) << 60n;
    const value = BigInt.asUintN(64, BigInt(-random.below(random.pick([20, 2000]))));
    return [
      [0x320 + counter, filter | BigInt(event)],
      [0xb00 + counter, value],
    ];
  });
}

/** All of memory open; sometimes with a region before it that has rights of its own, smaller than a page or larger. */
function protection(random: Random): [number, bigint][] {
  if (random.below(6)) {
    return [
      [0x3b0, (1n << 54n) - 1n],
      [0x3a0, NAPOT_ALL],
    ];
  }
  const page = random.pick([CODE.offset, DATA.offset]) + PAGE * random.below(CODE.pages);
  const start = BigInt(RAM_BASE + page + 64 * random.below(PAGE / 64)) >> 2n;
  const ones = random.pick([0n, 3n, 7n, 0x1ffn, 0x3ffn]);
  const rights = BigInt(random.pick([0, 1, 3, 4, 5, 7]) | (random.below(6) ? 0 : 0x80));
  return [
    [0x3b0, (start & ~(ones + ones + 1n)) | ones],
    [0x3b2, (1n << 54n) - 1n],
    [0x3a0, (NAPOT_ALL << 16n) | 0x18n | rights],
  ];
}

/** Turns of one hart end where states are compared; with several harts they are short and many. */
function randomTurns(random: Random, harts: number): Turn[] {
  const turns: Turn[] = [];
  if (harts === 1) {
    const steps = 150 + random.below(random.below(4) ? 700 : 2500);
    const cuts = [random.below(steps), random.below(steps), steps].toSorted((a, b) => a - b);
    return cuts.map((until) => ({ hart: 0, until: until + 1 }));
  }
  const longest = random.pick([20, 100, 300]);
  const done = Array<number>(harts).fill(0);
  for (let turn = 0; turn < 8 * harts; turn++) {
    const hart = random.below(4) ? turn % harts : random.below(harts);
    done[hart]! += 1 + random.below(longest);
    turns.push({ hart, until: done[hart]! });
  }
  return turns;
}

const LINES = [3, 7, 9, 11, 1] as const;

function randomEvents(random: Random, turns: readonly Turn[], harts: number): OutsideEvent[] {
  if (random.below(2)) return [];
  const events: OutsideEvent[] = [];
  for (let count = 1 + random.below(6); count > 0; count--) {
    const hart = random.below(harts);
    const last = turns.findLast((turn) => turn.hart === hart)?.until ?? 1;
    events.push({ step: random.below(last), hart, what: randomEvent(random) });
  }
  return events.toSorted((a, b) => a.step - b.step);
}

function randomEvent(random: Random): OutsideEvent['what'] {
  switch (random.below(6)) {
    case 0: {
      const bytes = Uint8Array.from({ length: 1 + random.below(300) }, () => random.below(256));
      return { kind: 'memory', offset: DATA.offset + PAGE + random.below(PAGE * (DATA.pages - 2)), bytes };
    }
    case 1: {
      // An instruction that computes, over whatever stands there.
      const words = Uint32Array.of(0x13 | (random.below(0x1000) << 20) | (10 << 7) | (10 << 15));
      const offset = CODE.offset + 2 * random.below(PAGE);
      return { kind: 'memory', offset, bytes: new Uint8Array(words.buffer) };
    }
    case 2:
      return { kind: 'flush' };
    default:
      return { kind: 'interrupt', bit: random.pick(LINES), level: random.below(4) > 0 };
  }
}

/** Full range, small, near a power of two, or a sign-extended word. */
function randomInteger(random: Random): bigint {
  switch (random.below(4)) {
    case 0:
      return BigInt.asUintN(64, BigInt(random.below(32) - 16));
    case 1:
      return BigInt.asUintN(64, (1n << BigInt(random.below(64))) + BigInt(random.below(3) - 1));
    default:
      return random.next();
  }
}

const BOXED = 0xffff_ffff_0000_0000n;

/** A double or a boxed single of moderate size, or anything. */
function randomFloat(random: Random): bigint {
  const value = random.next();
  const sign = value & (1n << 63n);
  switch (random.below(4)) {
    case 0:
      return sign | (BigInt(0x3ff + random.below(40) - 20) << 52n) | (value & 0xf_ffff_ffff_ffffn);
    case 1:
      return BOXED | (sign >> 32n) | (BigInt(0x7f + random.below(30) - 15) << 23n) | (value & 0x7f_ffffn);
    case 2:
      return sign | (BigInt(random.pick([0, 0x7ff, 0x3ff])) << 52n);
    default:
      return value;
  }
}

/** The most harts of a program. */
export const PROGRAM_HARTS_MAX = HARTS_MAX;
