/** Compares what machines were like that ran the same program. */
import { CSR, CSR_PMPADDR, HART, hartBase, PMP_ENTRIES } from '../../vmm/hart/layout.ts';
import type { LockstepMachine, LogEntry } from './lockstep-machine.ts';

/** Words of a hart's record that a program can tell, directly or by and by; see `HART`. */
const RANGES: readonly (readonly [from: number, to: number])[] = [
  [HART.x + 8, HART.x + 256],
  [HART.f, HART.f + 256],
  [HART.pc, HART.pc + 8],
  [HART.fflags, HART.fflags + 8],
  [HART.floatOff, HART.floatOff + 4],
  [HART.reservation, HART.reservation + 4],
  [HART.privilege, HART.privilege + 4],
  [CSR.mstatus, CSR_PMPADDR + PMP_ENTRIES * 8],
];
const MSTATUS = 0x300;
/** Counters that software may have set. */
const COUNTERS = [0xb00, 0xb02, 0xb03, 0xb04, 0xb05];
const COUNTS = 3 + COUNTERS.length;
const WORDS = RANGES.reduce((sum, [from, to]) => sum + (to - from) / 4, 0);

/** The states of all harts at one moment, as plain numbers: taken and compared often, so cheap. */
export interface Snapshot {
  readonly words: Int32Array;
  readonly counts: Float64Array;
  /** Entries in the log. */
  logged: number;
}

export const newSnapshot = (harts: number): Snapshot => ({
  words: new Int32Array(WORDS * harts),
  counts: new Float64Array(COUNTS * harts),
  logged: 0,
});

const wordViews = new WeakMap<LockstepMachine, Int32Array>();

export function takeSnapshot(machine: LockstepMachine, into: Snapshot): void {
  let memory = wordViews.get(machine);
  if (memory === undefined) wordViews.set(machine, (memory = new Int32Array(machine.memory.memory.buffer)));
  let at = 0;
  for (const [index, hart] of machine.group.harts.entries()) {
    // Reading takes in what floating-point instructions left of FS, and what counters come to, an overflow among it.
    hart.readCsr(MSTATUS);
    const counters = COUNTERS.map((number) => Number(hart.readCsr(number)));
    const base = hartBase(index);
    for (const [from, to] of RANGES) {
      for (let word = (base + from) >> 2; word < (base + to) >> 2; word++) into.words[at++] = memory[word]!;
    }
    into.counts.set([hart.steps, hart.retired, hart.trapped, ...counters], index * COUNTS);
  }
  into.logged = machine.log.length;
}

export function sameSnapshot(a: Snapshot, b: Snapshot): boolean {
  if (a.logged !== b.logged) return false;
  for (let at = 0; at < a.words.length; at++) if (a.words[at] !== b.words[at]) return false;
  for (let at = 0; at < a.counts.length; at++) if (a.counts[at] !== b.counts[at]) return false;
  return true;
}

/** Index of the first entry that differs, of those from `from` on, -1 for none. */
export function firstLogDifference(
  a: readonly LogEntry[],
  b: readonly LogEntry[],
  from = 0,
  to = Math.max(a.length, b.length),
): number {
  const common = Math.min(a.length, b.length, to);
  for (let index = from; index < common; index++) {
    if (!sameEntry(a[index]!, b[index]!)) return index;
  }
  return common === to ? -1 : common;
}

function sameEntry(a: LogEntry, b: LogEntry): boolean {
  if (a.hart !== b.hart || a.step !== b.step || a.what !== b.what) return false;
  for (const key in a.details) {
    if (a.details[key] !== b.details[key]) return false;
  }
  return true;
}

/** What differs, one line each, for a person. */
export function describeDifferences(a: LockstepMachine, b: LockstepMachine): string[] {
  const lines: string[] = [];
  for (const index of a.group.harts.keys()) {
    const [one, other] = [hartFields(a, index), hartFields(b, index)];
    for (const [name, value] of one) {
      const second = other.get(name);
      if (value !== second) lines.push(`hart ${index} ${name}: ${value} | ${second}`);
    }
  }
  for (let offset = 0, shown = 0; offset < a.memory.ramSize && shown < 8; offset++) {
    const [one, other] = [a.memory.ram[offset]!, b.memory.ram[offset]!];
    if (one === other) continue;
    shown++;
    lines.push(`RAM +0x${offset.toString(16)}: ${one.toString(16)} | ${other.toString(16)}`);
  }
  const entry = firstLogDifference(a.log, b.log);
  if (entry >= 0) lines.push(`exit ${entry}: ${showEntry(a.log[entry])} | ${showEntry(b.log[entry])}`);
  return lines;
}

function hartFields(machine: LockstepMachine, index: number): Map<string, string> {
  const hart = machine.group.harts[index]!;
  const fields = new Map<string, string>();
  const add = (name: string, value: unknown): void => {
    if (Array.isArray(value)) {
      for (const [at, item] of value.entries()) add(`${name}${at}`, item);
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, item] of Object.entries(value)) add(key, item);
    } else {
      fields.set(name, typeof value === 'bigint' ? `0x${value.toString(16)}` : String(value));
    }
  };
  add('', hart.save());
  add('retired', hart.retired);
  return fields;
}

function showEntry(entry: LogEntry | undefined): string {
  if (entry === undefined) return 'none';
  const details = Object.entries(entry.details).map(
    ([key, value]) => `${key}=${typeof value === 'bigint' ? `0x${value.toString(16)}` : value}`,
  );
  return `hart ${entry.hart} step ${entry.step} ${entry.what} ${details.join(' ')}`;
}
