import { recoverEntry } from './assembly-frame.ts';
import type { Frame, FrameOrigin, FrameRegisters, HartView, SourceLocation, Symbols } from './model.ts';
import { isPreserved, REGISTER } from './registers.ts';
import { applyRow, frameAddress } from './unwind.ts';

export interface UnwindOptions {
  /** Frames at most, inlined ones counted; the default stops runaway recursion from being shown whole. */
  readonly framesMax?: number;
}

const FRAMES_MAX = 1000;

/** A frame as the machine has it, before inlined functions are told apart. */
interface Physical {
  readonly registers: FrameRegisters;
  readonly origin: FrameOrigin;
  /** True when pc is the next instruction to run, false when it is a return address. */
  readonly exact: boolean;
}

/**
 * Yields the call stack of a stopped hart, innermost frame first, as far as it can be followed: by call frame
 * information; in assembly without any, by what the code did to the stack; by the chain of frame pointers; and from a
 * trap handler on to what it interrupted. Ends at a frame that says so, at a pc of 0, when a frame repeats, or at
 * `framesMax`. Reads memory only for the frames that are asked for.
 */
export async function* unwindStack(
  symbols: Symbols,
  hart: HartView,
  options: UnwindOptions = {},
): AsyncGenerator<Frame, void, undefined> {
  const framesMax = options.framesMax ?? FRAMES_MAX;
  const traps = new TrapLevels(symbols, hart);
  const seen = new Set<string>();
  let level = 0;
  let current: Physical | undefined = { registers: hart.registers, origin: 'top', exact: true };
  while (current !== undefined) {
    const { registers } = current;
    const key = `${registers.pc}/${registers.x[REGISTER.sp]}/${registers.x[REGISTER.fp]}`;
    if (seen.has(key)) return;
    seen.add(key);
    for (const frame of await framesOf(symbols, hart, current, level)) {
      if (level === framesMax) return;
      yield frame;
      level += 1;
    }
    current = await callerOf(symbols, hart, current, traps);
    // Start-up code that wants the chain to end zeroes ra; no code of ours stands at 0.
    if (current?.registers.pc === 0n && current.origin !== 'trap') return;
  }
}

async function framesOf(
  symbols: Symbols,
  hart: HartView,
  physical: Physical,
  firstLevel: number,
): Promise<readonly Frame[]> {
  const { registers, origin } = physical;
  const lookupPc = lookupOf(physical);
  const row = symbols.unwindRow(lookupPc);
  const shared = {
    pc: registers.pc,
    lookupPc,
    registers,
    cfa: row === undefined ? undefined : await frameAddress(row, registers, hart),
    origin,
  };
  const chain = symbols.inlineChain(lookupPc);
  if (chain.length === 0) {
    const functionName = nameAt(symbols, lookupPc, registers.pc);
    const location: SourceLocation | undefined = symbols.lineFor(lookupPc);
    return [{ ...shared, level: firstLevel, functionName, location, inlined: false, inlineDepth: 0 }];
  }
  return chain.map((step, inlineDepth) => ({
    ...shared,
    level: firstLevel + inlineDepth,
    functionName: step.name || nameAt(symbols, lookupPc, registers.pc),
    location: step.location,
    inlined: step.inlined,
    inlineDepth,
  }));
}

/** A return address may be the first of the next line or even function: the call is before it. */
function lookupOf({ registers, exact }: Physical): bigint {
  return exact || registers.pc === 0n ? registers.pc : registers.pc - 1n;
}

function nameAt(symbols: Symbols, lookupPc: bigint, pc: bigint): string | undefined {
  const symbol = symbols.symbolize(lookupPc);
  if (symbol === undefined) return symbols.functionAt(lookupPc)?.name;
  const offset = symbol.offset + (pc - lookupPc);
  return offset === 0n ? symbol.name : `${symbol.name}+0x${offset.toString(16)}`;
}

async function callerOf(
  symbols: Symbols,
  hart: HartView,
  frame: Physical,
  traps: TrapLevels,
): Promise<Physical | undefined> {
  const lookupPc = lookupOf(frame);
  const row = symbols.unwindRow(lookupPc);
  const trapPc = row?.isSignalFrame ? undefined : await traps.interruptedPc(lookupPc);
  if (trapPc !== undefined) return await interrupted(symbols, hart, frame, trapPc);
  if (row !== undefined) {
    const unwound = await applyRow(row, frame.registers, hart);
    if (unwound !== undefined) {
      const { caller } = unwound;
      return caller && { registers: caller, origin: 'cfi', exact: row.isSignalFrame };
    }
  }
  return (await byAssembly(symbols, hart, frame)) ?? (await byFramePointer(symbols, hart, frame));
}

/**
 * The frame that a trap interrupted: at sepc or mepc, with all registers that the handler saved or left alone. Call
 * frame information of a C handler (`__attribute__((interrupt))`) is right about registers but names ra as its
 * way back, which is the interrupted function's.
 */
async function interrupted(
  symbols: Symbols,
  hart: HartView,
  frame: Physical,
  pc: bigint,
): Promise<Physical | undefined> {
  const lookupPc = lookupOf(frame);
  const row = symbols.unwindRow(lookupPc);
  const byRow = row && (await applyRow({ ...row, isSignalFrame: true }, frame.registers, hart))?.caller;
  const start = functionStart(symbols, lookupPc);
  const known =
    byRow ?? (start === undefined ? undefined : await recoverEntry(start, survivors(frame), hart));
  // Without anything better: a handler may switch stacks, but has no reason to leave other values in s0 to s11.
  const registers = known ?? { ...survivors(frame), x: survivors(frame).x.with(REGISTER.sp, undefined) };
  return { registers: { ...registers, pc }, origin: 'trap', exact: true };
}

/** What still holds for a function's own registers after it made calls: the preserved ones. At the top, all. */
function survivors(frame: Physical): FrameRegisters {
  if (frame.exact) return frame.registers;
  const { pc, x, f } = frame.registers;
  return {
    pc,
    x: x.map((value, number) => (isPreserved(number) ? value : undefined)),
    f: f.map((value, number) => (isPreserved(REGISTER.f0 + number) ? value : undefined)),
  };
}

/** Assembly without call frame information: ra as it was at the entry, still in its register or saved on the stack. */
async function byAssembly(symbols: Symbols, hart: HartView, frame: Physical): Promise<Physical | undefined> {
  const lookupPc = lookupOf(frame);
  const start = functionStart(symbols, lookupPc);
  const known = survivors(frame);
  const entry = start === undefined ? known : ((await recoverEntry(start, known, hart)) ?? known);
  const pc = entry.x[REGISTER.ra];
  if (pc === undefined || !symbols.isCode(pc)) return undefined;
  // A ra that points into the function itself was set by a call that it made: its own caller is not in ra any more.
  if (start !== undefined && functionStart(symbols, pc - 1n) === start) return undefined;
  const x = entry.x.map((value, number) => (isPreserved(number) ? value : undefined));
  return { registers: { pc, x, f: survivors({ ...frame, exact: false }).f }, origin: 'leaf', exact: false };
}

/**
 * The chain of frame records that `-fno-omit-frame-pointer` makes: s0 points above the saved ra and the caller's s0
 * (RISC-V psABI, "Frame Pointer Convention"). Followed as long as it climbs the stack and leads to code.
 */
async function byFramePointer(
  symbols: Symbols,
  hart: HartView,
  frame: Physical,
): Promise<Physical | undefined> {
  const { x } = frame.registers;
  const fp = x[REGISTER.fp];
  const sp = x[REGISTER.sp];
  if (fp === undefined || fp < 16n || (fp & 7n) !== 0n || (sp !== undefined && fp <= sp)) return undefined;
  const bytes = await hart.readMemory(fp - 16n, 16);
  if (bytes.length < 16) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
  const pc = view.getBigUint64(8, true);
  if (!symbols.isCode(pc)) return undefined;
  const callerX = x.map((value, number) =>
    number === 3 || number === 4 || number === 0 ? value : undefined,
  );
  callerX[REGISTER.sp] = fp;
  callerX[REGISTER.fp] = view.getBigUint64(0, true);
  const f = frame.registers.f.map(() => undefined);
  return { registers: { pc, x: callerX, f }, origin: 'frame-pointer', exact: false };
}

function functionStart(symbols: Symbols, pc: bigint): bigint | undefined {
  const symbol = symbols.symbolize(pc);
  return symbol === undefined ? undefined : pc - symbol.offset;
}

/** The traps that may be in progress: one for each privilege level, whose handler stvec or mtvec points at. */
class TrapLevels {
  readonly #symbols: Symbols;
  readonly #hart: HartView;
  #levels: { handler: bigint; epc: string }[] | undefined;

  constructor(symbols: Symbols, hart: HartView) {
    this.#symbols = symbols;
    this.#hart = hart;
  }

  /** Where the trap came from, if `pc` is in a handler's entry function. Each level answers once: its epc holds one trap. */
  async interruptedPc(pc: bigint): Promise<bigint | undefined> {
    this.#levels ??= await this.#read();
    const start = functionStart(this.#symbols, pc);
    const index = this.#levels.findIndex(({ handler }) => handler === start);
    if (start === undefined || index < 0) return undefined;
    const [level] = this.#levels.splice(index, 1);
    return await this.#hart.readCsr(level!.epc);
  }

  async #read(): Promise<{ handler: bigint; epc: string }[]> {
    const levels: { handler: bigint; epc: string }[] = [];
    if (this.#hart.privilege === 'U') return levels;
    for (const [vector, epc] of [
      ['mtvec', 'mepc'],
      ['stvec', 'sepc'],
    ] as const) {
      const value = await this.#hart.readCsr(vector);
      // The low bits are the mode; 0 is the reset value, before anyone set a handler.
      const base = value === undefined ? 0n : value & ~3n;
      const handler = base === 0n ? undefined : functionStart(this.#symbols, base);
      if (handler !== undefined) levels.push({ handler, epc });
    }
    return levels;
  }
}
