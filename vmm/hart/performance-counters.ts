import { assert } from '../base/assert.ts';
import { INTERRUPT, PRIVILEGE, type PrivilegeLevel } from '../contracts/hart.ts';
import { EVENT, type EventCode, PERFORMANCE_EVENTS } from '../isa/performance-events.ts';
import type { HartCore } from './core.ts';
import { CSR } from './layout.ts';
import { joinHalves } from './state.ts';

/** Bits of mhpmeventN's high word (Sscofpmf): the counter overflowed; it stands still at a privilege level. */
const OVERFLOWED = 0x8000_0000 | 0;
const STILL_AT: Readonly<Record<PrivilegeLevel, number>> = {
  [PRIVILEGE.M]: 1 << 30,
  [PRIVILEGE.S]: 1 << 29,
  [PRIVILEGE.U]: 1 << 28,
};
const STILL_ANYWHERE = Object.values(STILL_AT).reduce((all, bit) => all | bit, 0);

export const FIRST_COUNTER = 3;
const COUNTERS = 29;
const WRAP = 1n << 64n;
const KNOWN_EVENTS: ReadonlySet<number> = new Set(PERFORMANCE_EVENTS.map(({ code }) => code));

interface Counter {
  readonly number: number;
  event: number;
  /** High word of mhpmevent. */
  flags: number;
  value: bigint;
  /** Of cycles and instructions: the hart's own count up to which `value` counts. */
  since: number;
}

/**
 * mhpmcounter3 to mhpmcounter31 with their events (RISC-V privileged, "Hardware Performance Monitor" and Sscofpmf).
 * Cycles and instructions are not counted one by one: `value` is brought up to the hart's own count when someone looks,
 * when the privilege level changes, and at the step at which a counter overflows, for which a slice ends.
 */
export class PerformanceCounters {
  static readonly count = COUNTERS;
  readonly #core: HartCore;
  readonly #counters: readonly Counter[];
  /** Counters that are not inhibited, of cycles or instructions, and of other events. */
  #clocked: readonly Counter[] = [];
  #eventful: readonly Counter[] = [];
  /** The step at which a counter may next overflow and must be looked at; Infinity for never. */
  overflowStep = Number.POSITIVE_INFINITY;
  /** The same while the hart waits, when no instruction retires. */
  overflowStepOfWait = Number.POSITIVE_INFINITY;
  /** What the counters count depends on the privilege level. */
  dependsOnPrivilege = false;

  constructor(core: HartCore) {
    this.#core = core;
    this.#counters = Array.from({ length: COUNTERS }, (_, index) => ({
      number: FIRST_COUNTER + index,
      event: EVENT.none,
      flags: 0,
      value: 0n,
      since: 0,
    }));
  }

  reset(): void {
    for (const counter of this.#counters) {
      counter.event = EVENT.none;
      counter.flags = 0;
      counter.value = 0n;
    }
    this.#arrange();
  }

  read(number: number): bigint {
    this.settle();
    return this.#counter(number).value;
  }

  /** Written by an instruction, the next one reads `value`: the writing one does not count on top of it. */
  write(number: number, value: bigint, byInstruction: boolean): void {
    const counter = this.#counter(number);
    counter.value = value;
    this.#begin(counter, byInstruction);
    this.#plan();
  }

  /** mhpmevent's value, as halves. */
  event(number: number): { readonly lo: number; readonly hi: number } {
    this.settle();
    const { event, flags } = this.#counter(number);
    return { lo: event, hi: flags };
  }

  writeEvent(number: number, lo: number, hi: number, byInstruction: boolean): void {
    this.settle();
    const counter = this.#counter(number);
    const writable = this.#core.implemented.overflowInterrupt ? OVERFLOWED | STILL_ANYWHERE : 0;
    // The selector is WARL: what names no event selects none. Bits 63:56 are no part of it (Sscofpmf).
    const selects = (hi & 0x00ff_ffff) === 0 && KNOWN_EVENTS.has(lo);
    counter.event = selects ? lo : EVENT.none;
    counter.flags = hi & writable;
    this.#begin(counter, byInstruction);
    this.#arrange();
  }

  /** mcountinhibit changes; the counters that it stops or starts keep their values across the change. */
  inhibit(change: () => void, byInstruction: boolean): void {
    this.settle();
    const stood = this.#counters.filter((counter) => this.#isInhibited(counter));
    change();
    for (const counter of stood) this.#begin(counter, byInstruction);
    this.#arrange();
  }

  /** Bits 3 to 31: which counters overflowed. */
  get overflowed(): number {
    this.settle();
    return this.#counters.reduce(
      (bits, { number, flags }) => ((flags & OVERFLOWED) === 0 ? bits : bits | (1 << number)),
      0,
    );
  }

  /** True when counters count anything but cycles and instructions. */
  get countsEvents(): boolean {
    return this.#eventful.length > 0;
  }

  /** An event happened at the present privilege level. */
  happened(event: EventCode): void {
    for (const counter of this.#eventful) {
      if (counter.event === event && this.#counts(counter)) this.#add(counter, 1);
    }
  }

  /** Brings counters of cycles and instructions up to date, at the privilege level they counted at. */
  settle(): void {
    if (this.#clocked.length === 0) return;
    for (const counter of this.#clocked) {
      const now = this.#clock(counter);
      if (now <= counter.since) continue;
      if (this.#counts(counter)) this.#add(counter, now - counter.since);
      counter.since = now;
    }
    this.#plan();
  }

  /** Values of mhpmcounter and mhpmevent, for a saved state. */
  save(): { readonly values: readonly bigint[]; readonly events: readonly bigint[] } {
    this.settle();
    return {
      values: this.#counters.map(({ value }) => value),
      events: this.#counters.map(({ event, flags }) => joinHalves(event, flags)),
    };
  }

  /** The hart's own counts and mcountinhibit must be restored already. */
  restore(values: readonly bigint[], events: readonly bigint[]): void {
    this.reset();
    assert(values.length === COUNTERS && events.length === COUNTERS, 'a value and an event for each counter');
    for (const [index, counter] of this.#counters.entries()) {
      this.writeEvent(
        counter.number,
        Number(BigInt.asIntN(32, events[index]!)),
        Number(BigInt.asIntN(32, events[index]! >> 32n)),
        false,
      );
      this.write(counter.number, values[index]!, false);
    }
  }

  #counter(number: number): Counter {
    const counter = this.#counters[number - FIRST_COUNTER];
    assert(counter !== undefined, 'counters 3 to 31');
    return counter;
  }

  /** Counting starts now, or with the next instruction. */
  #begin(counter: Counter, byInstruction: boolean): void {
    counter.since = this.#clock(counter) + (byInstruction ? 1 : 0);
  }

  #clock({ event }: Counter): number {
    return event === EVENT.instructions ? this.#core.retired : this.#core.steps;
  }

  #isInhibited({ number }: Counter): boolean {
    return ((this.#core.state.lo(CSR.mcountinhibit) >>> number) & 1) !== 0;
  }

  #counts({ flags }: Counter): boolean {
    return (flags & STILL_AT[this.#core.state.privilege]) === 0;
  }

  #add(counter: Counter, count: number): void {
    const sum = counter.value + BigInt(count);
    counter.value = BigInt.asUintN(64, sum);
    if (sum < WRAP || !this.#core.implemented.overflowInterrupt || (counter.flags & OVERFLOWED) !== 0) return;
    // "If mhpmevent.OF is clear, overflow sets it and raises a count overflow interrupt request."
    counter.flags |= OVERFLOWED;
    const { state } = this.#core;
    state.setLo(CSR.mipSoftware, state.lo(CSR.mipSoftware) | (1 << INTERRUPT.LCOFIP));
    this.#core.attention = true;
  }

  /** Which counters count what; called when that changed. */
  #arrange(): void {
    const active = this.#counters.filter(
      (counter) => counter.event !== EVENT.none && !this.#isInhibited(counter),
    );
    const isClocked = ({ event }: Counter): boolean => event === EVENT.cycles || event === EVENT.instructions;
    this.#clocked = active.filter(isClocked);
    this.#eventful = active.filter((counter) => !isClocked(counter));
    this.dependsOnPrivilege = this.#clocked.some(({ flags }) => (flags & STILL_ANYWHERE) !== 0);
    this.#plan();
  }

  /** When to look next. A counter of instructions overflows no earlier than if every step retired one. */
  #plan(): void {
    const planned = this.overflowStep;
    this.overflowStep = Number.POSITIVE_INFINITY;
    this.overflowStepOfWait = Number.POSITIVE_INFINITY;
    if (!this.#core.implemented.overflowInterrupt) return;
    for (const counter of this.#clocked) {
      if ((counter.flags & OVERFLOWED) !== 0 || !this.#counts(counter)) continue;
      const left = Number(WRAP - counter.value);
      const step = this.#core.steps + (counter.since - this.#clock(counter)) + left;
      if (step < this.overflowStep) this.overflowStep = step;
      if (counter.event === EVENT.cycles && step < this.overflowStepOfWait) this.overflowStepOfWait = step;
    }
    // The present slice was planned for the step known until now.
    if (this.overflowStep < planned) this.#core.attention = true;
  }

  /** The privilege level changed: counters that stood still begin, others stop. */
  privilegeChanged(): void {
    this.#plan();
  }
}
