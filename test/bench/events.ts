import { inTurn, medians, type Ours } from './machines.ts';
import { buildGuests, median } from './measure.ts';
import { VARIANTS, type Variant } from './throughput.ts';

/** Events of `guests/micro.c`, and how many make enough work to be told from noise. */
const EVENTS = [
  { event: 'MMIO', count: 2_000_000, what: 'MMIO read, round trip' },
  { event: 'SYSTEM_CALL', count: 2_000_000, what: 'system call, trap and return' },
  { event: 'CSR_WRITE', count: 3_000_000, what: 'CSR write' },
  { event: 'FENCE', count: 300_000, what: '`sfence.vma` and a load' },
] as const;

export interface EventCost {
  readonly what: string;
  readonly variant: Variant;
  /** CPU time an event, in nanoseconds. */
  readonly oursNs: number;
  readonly qemuNs: number;
}

/** What an event costs: the CPU time of a loop of them less that of as long a loop around nothing, medians of both. */
export function eventCosts(ours: Ours, rounds: number, onResult: (cost: EventCost) => void): EventCost[] {
  const costs: EventCost[] = [];
  for (const variant of VARIANTS) {
    for (const { event, count, what } of EVENTS) {
      const [busy, idle] = buildGuests(
        [event, 'LOOP'].map((name) => `micro-${name}-${count}.${variant}.elf`),
      ).map((elf) => medians(inTurn(ours, elf, rounds)));
      const cost = (name: 'ours' | 'qemu'): number => ((busy![name].cpu - idle![name].cpu) / count) * 1e9;
      const result = { what, variant, oursNs: cost('ours'), qemuNs: cost('qemu') };
      onResult(result);
      costs.push(result);
    }
  }
  return costs;
}

export interface StartTimes {
  /** From the start of the process to its end, of a guest that ends the machine at once, in milliseconds. */
  readonly oursMs: number;
  readonly qemuMs: number;
}

/** Wall time until a guest's first instructions have ended the machine: the time to the first instruction is below it. */
export function startTimes(ours: Ours, rounds: number): StartTimes {
  const pair = inTurn(ours, buildGuests(['empty.elf'])[0]!, Math.max(rounds, 11));
  const wallMs = (runs: typeof pair.ours): number => median(runs.map(({ wall }) => wall)) * 1000;
  return { oursMs: wallMs(pair.ours), qemuMs: wallMs(pair.qemu) };
}
