import { type Hart, INTERRUPT } from '../contracts/hart.ts';
import type { FirmwareEvent } from './extension.ts';
import { GENERAL_EVENT, type PmuEvent } from './pmu-events.ts';

/** Counters that the SBI implementation keeps for each hart, as many as OpenSBI. */
export const FIRMWARE_COUNTERS = 16;
/** Logical counter n is the CSR `cycle` + n; 1 is `time`, which counts no event. */
const [CYCLE, TIME, INSTRET, FIRST_PROGRAMMABLE, HARDWARE_COUNTERS] = [0, 1, 2, 3, 32];

const CSR = { cycle: 0xc00, mcycle: 0xb00, mcountinhibit: 0x320, mip: 0x344, hpmcounter3: 0xc03 } as const;
/** mhpmevent of counter n is mcountinhibit's number + n (privileged, "CSR Listing"). */
const eventCsr = (counter: number): number => CSR.mcountinhibit + counter;

/** Bits of `mhpmevent` (Sscofpmf). The filter flags of the SBI stand in the same order, from bit 3 on, below them. */
const OVERFLOWED = 1n << 63n;
const FILTERS_LOW_BIT = 58n;

export interface CounterInfo {
  readonly kind: 'hardware' | 'firmware';
  /** Of a hardware counter: where a supervisor reads it. */
  readonly csr: number;
}

/** A counter's state, as a saved machine keeps it. */
export interface SavedCounters {
  readonly started: readonly number[];
  /** A selector or firmware event for each counter that has one, else -1. */
  readonly events: readonly number[];
  readonly values: readonly bigint[];
}

/**
 * The logical counters of one hart: those of the hart, which do their counting themselves, and the firmware's. A counter
 * is free until it is configured for an event, and again after a stop that resets it.
 */
export class PmuCounters {
  readonly #hart: Hart;
  readonly #hardware: number;
  /** By counter: what it is configured for; null when it is free. */
  readonly #events: (PmuEvent | null)[];
  readonly #started = new Set<number>();
  /** Values of the firmware's counters. */
  readonly #values: bigint[];
  /** Firmware counters that are started: most of the time none, and then events cost nothing. */
  #listening = 0;

  constructor(hart: Hart) {
    this.#hart = hart;
    // Without Zihpm there are the three that are fixed.
    this.#hardware = hart.readCsr(CSR.hpmcounter3) === undefined ? FIRST_PROGRAMMABLE : HARDWARE_COUNTERS;
    this.#events = Array.from({ length: this.count }, () => null);
    this.#values = Array.from({ length: FIRMWARE_COUNTERS }, () => 0n);
    this.reset();
  }

  get count(): number {
    return this.#hardware + FIRMWARE_COUNTERS;
  }

  /** The hart is at its reset state: only `cycle` and `instret` count, for whoever reads them. */
  reset(): void {
    this.#events.fill(null);
    this.#values.fill(0n);
    this.#started.clear();
    this.#started.add(CYCLE).add(INSTRET);
    this.#listening = 0;
  }

  info(counter: number): CounterInfo | undefined {
    if (counter >= this.count) return undefined;
    if (counter >= this.#hardware) return { kind: 'firmware', csr: 0 };
    const csr = CSR.cycle + counter;
    // Without Zicntr a supervisor has no CSR to read the fixed ones by.
    return this.#hart.readCsr(csr) === undefined ? undefined : { kind: 'hardware', csr };
  }

  event(counter: number): PmuEvent | null {
    return this.#events[counter] ?? null;
  }

  isStarted(counter: number): boolean {
    return this.#started.has(counter);
  }

  isFree(counter: number): boolean {
    return this.#events[counter] === null && !this.#started.has(counter);
  }

  /** The counter is able to count the event: fixed ones count but one, and neither overflow nor heed privilege levels. */
  canCount(counter: number, event: PmuEvent): boolean {
    const info = this.info(counter);
    if (info === undefined || info.kind !== event.kind) return false;
    if (event.kind === 'firmware' || counter >= FIRST_PROGRAMMABLE) return true;
    if (counter === CYCLE) return event.selector === GENERAL_EVENT.cycles;
    return counter === INSTRET && event.selector === GENERAL_EVENT.instructions;
  }

  isProgrammable(counter: number): boolean {
    return counter >= FIRST_PROGRAMMABLE && counter < this.#hardware;
  }

  /** `filters`: five bits, VUINH lowest, MINH highest. What the hart cannot filter by, it counts. */
  configure(counter: number, event: PmuEvent, filters: number): void {
    this.#events[counter] = event;
    if (event.kind !== 'hardware' || !this.isProgrammable(counter)) return;
    if (!this.isStarted(counter)) this.#inhibit(counter, true);
    this.#hart.writeCsr(
      eventCsr(counter),
      BigInt(event.selector) | (BigInt(filters & 0x1f) << FILTERS_LOW_BIT),
    );
  }

  /** A counter without an event has nothing to count: it stays as it is. False: it counts already. */
  start(counter: number, value: bigint | undefined): boolean {
    if (this.#started.has(counter)) return false;
    if (!this.#countsSomething(counter)) return true;
    this.#started.add(counter);
    if (value !== undefined) this.write(counter, value);
    if (counter >= this.#hardware) {
      this.#listening += 1;
      return true;
    }
    if (this.isProgrammable(counter)) this.#armOverflow(counter);
    this.#inhibit(counter, false);
    return true;
  }

  /** `reset` frees it besides. False: it did not count. */
  stop(counter: number, reset: boolean): boolean {
    const was = this.#started.delete(counter);
    if (was && counter >= this.#hardware) this.#listening -= 1;
    if (was && counter < this.#hardware) this.#inhibit(counter, true);
    if (reset) {
      this.#events[counter] = null;
      if (this.isProgrammable(counter)) this.#hart.writeCsr(eventCsr(counter), 0n);
    }
    return was;
  }

  read(counter: number): bigint {
    if (counter >= this.#hardware) return this.#values[counter - this.#hardware]!;
    return this.#hart.readCsr(CSR.cycle + counter) ?? 0n;
  }

  write(counter: number, value: bigint): void {
    if (counter >= this.#hardware) this.#values[counter - this.#hardware] = value;
    else if (counter !== TIME) this.#hart.writeCsr(CSR.mcycle + counter, value);
  }

  overflowed(counter: number): boolean {
    if (!this.isProgrammable(counter)) return false;
    return ((this.#hart.readCsr(eventCsr(counter)) ?? 0n) & OVERFLOWED) !== 0n;
  }

  happened(event: FirmwareEvent): void {
    if (this.#listening === 0) return;
    for (let index = 0; index < FIRMWARE_COUNTERS; index += 1) {
      const counter = this.#hardware + index;
      const own = this.#events[counter];
      if (own?.kind !== 'firmware' || own.event !== event || !this.#started.has(counter)) continue;
      this.#values[index] = BigInt.asUintN(64, this.#values[index]! + 1n);
    }
  }

  save(): SavedCounters {
    return {
      started: [...this.#started].sort((a, b) => a - b),
      events: this.#events.map((event) =>
        event === null ? -1 : event.kind === 'hardware' ? event.selector : event.event,
      ),
      values: [...this.#values],
    };
  }

  /** The hart, whose own counters have been restored with it, is not touched. */
  restore({ started, events, values }: SavedCounters): void {
    this.reset();
    this.#started.clear();
    for (const counter of started) if (counter >= 0 && counter < this.count) this.#started.add(counter);
    for (const [counter, code] of events.entries()) {
      const event: PmuEvent =
        counter < this.#hardware
          ? { kind: 'hardware', selector: code }
          : { kind: 'firmware', event: code as FirmwareEvent };
      this.#events[counter] = code < 0 ? null : event;
    }
    for (const [index, value] of values.entries()) this.#values[index] = BigInt.asUintN(64, value);
    this.#listening = [...this.#started].filter((counter) => counter >= this.#hardware).length;
  }

  /** Fixed ones count what they always do, configured or not. */
  #countsSomething(counter: number): boolean {
    return counter === CYCLE || counter === INSTRET || this.#events[counter] !== null;
  }

  #inhibit(counter: number, still: boolean): void {
    const bit = 1n << BigInt(counter);
    const old = this.#hart.readCsr(CSR.mcountinhibit)!;
    this.#hart.writeCsr(CSR.mcountinhibit, still ? old | bit : old & ~bit);
  }

  /** The next overflow interrupts, unless one still pends that the supervisor has yet to find in `scountovf`. */
  #armOverflow(counter: number): void {
    if (((this.#hart.readCsr(CSR.mip)! >> BigInt(INTERRUPT.LCOFIP)) & 1n) !== 0n) return;
    const event = this.#hart.readCsr(eventCsr(counter))!;
    if ((event & OVERFLOWED) !== 0n) this.#hart.writeCsr(eventCsr(counter), event & ~OVERFLOWED);
  }
}
