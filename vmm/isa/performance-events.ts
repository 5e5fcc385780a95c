/** Something that a performance counter counts when mhpmeventN selects it. */
export interface PerformanceEvent {
  /** The event selector. */
  readonly code: number;
  readonly name: string;
  /** One sentence for a person. */
  readonly description: string;
}

/**
 * Event selectors (privileged, "Hardware Performance Monitor": they are the platform's to define). All are counted where
 * every run of a guest comes by in the same way; misses of a translation cache, for one, are not among them, for a
 * restored machine begins with empty caches. Cycles and instructions have the numbers of SBI's "PMU general hardware
 * events", which QEMU uses too.
 */
export const EVENT = {
  none: 0x0,
  cycles: 0x1,
  instructions: 0x2,
  exceptions: 0x100,
  interrupts: 0x101,
  trapReturns: 0x102,
  environmentCalls: 0x103,
  pageFaults: 0x104,
  waits: 0x105,
  translationFences: 0x106,
  deviceAccesses: 0x107,
} as const;
export type EventCode = (typeof EVENT)[keyof typeof EVENT];

export const PERFORMANCE_EVENTS: readonly PerformanceEvent[] = [
  event(EVENT.none, 'nothing', 'The counter stands still.'),
  event(EVENT.cycles, 'cycles', 'Clock cycles, one a step; a wait takes some too.'),
  event(EVENT.instructions, 'instructions', 'Instructions retired.'),
  event(EVENT.exceptions, 'exceptions', 'Exceptions taken, environment calls among them.'),
  event(EVENT.interrupts, 'interrupts', 'Interrupts taken.'),
  event(EVENT.trapReturns, 'trap returns', 'mret and sret executed.'),
  event(EVENT.environmentCalls, 'environment calls', 'ecall executed.'),
  event(EVENT.pageFaults, 'page faults', 'Page faults taken, of instructions, loads and stores.'),
  event(EVENT.waits, 'waits', 'wfi executed.'),
  event(EVENT.translationFences, 'translation fences', 'sfence.vma and sinval.vma executed.'),
  event(EVENT.deviceAccesses, 'device accesses', 'Loads from and stores to devices.'),
];

function event(code: EventCode, name: string, description: string): PerformanceEvent {
  return { code, name, description };
}
