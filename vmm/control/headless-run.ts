import type { DeviceFeed } from '../contracts/device-feed.ts';
import type { Machine } from '../contracts/machine.ts';
import { EXIT_KINDS, type ExitRecord } from '../protocol/exits.ts';
import type { VmEnd } from '../protocol/messages.ts';
import { SLICE_STEPS_MAX, Slices } from '../scheduler/slices.ts';
import { MachinePace } from './machine-pace.ts';

/** The terminal and clock of a run without an editor. */
export interface HeadlessPorts {
  /** Bytes typed since the last call. */
  takeInput(): Uint8Array | undefined;
  /** Why the run must end although the guest goes on: the user left, or the host said so. */
  readonly interrupted: boolean;
  /** No input will come any more, nor anything for a device. */
  readonly inputEnded: boolean;
  /** Resolves when there is input, of the terminal's or for a device, when the input ends, when the run is interrupted, or when the time is over (null: never). */
  inputOrInterrupt(timeoutMs: number | null): Promise<void>;
  /** Called between two runs, when a snapshot may be written. */
  between?(): void;
  /** Gives the host a turn: input arrives, output leaves. */
  turn(): Promise<void>;
  /** Called when nothing can wake the guest any more and the run would wait for ever. */
  stuck(): void;
  /** Told of a guest that is caught in traps: it goes on, but hardly to any end. */
  warn(text: string): void;
  /** What comes to the machine's devices from outside. */
  readonly feed?: DeviceFeed | undefined;
  /** Takes trace records, in order. */
  trace?: (records: readonly ExitRecord[]) => void;
  nowNs(): number;
}

/** How a run ended: by the guest, at `--max-instructions`, or interrupted. */
export type HeadlessEnd =
  | { readonly kind: 'guest'; readonly end: VmEnd }
  | { readonly kind: 'exhausted' }
  | { readonly kind: 'interrupted' };

export interface HeadlessResult {
  readonly end: HeadlessEnd;
  /** Executed in this run, after the snapshot that it started from. */
  readonly instructions: number;
  /** Host time in which the guest ran. */
  readonly seconds: number;
  /** Trace records that were overwritten before they could be handed on. */
  readonly traceLost: number;
}

/** With a trace, slices are short enough that the ring (16,384 records) does not overflow between two readings. */
const TRACED_STEPS_MAX = 4000;
const TRACE_RECORDS_MAX = 1 << 20;
/** The host gets a turn this often: typing feels immediate, and the event loop's own cost stays below one percent. */
const TURN_NS = 5_000_000;

/**
 * Runs a machine to its end in this thread.
 *
 * @param maxInstructions steps of all harts together after which the run ends. With a single hart it ends exactly there.
 */
export async function runHeadless(
  machine: Machine,
  ports: HeadlessPorts,
  maxInstructions: number,
): Promise<HeadlessResult> {
  const slices = new Slices(SLICE_STEPS_MAX);
  const pace = new MachinePace(machine, () => ports.nowNs());
  let runNs = 0;
  let traced = 0;
  let traceLost = 0;
  const readTrace = () => {
    if (ports.trace === undefined || machine.traced === traced) return;
    const { records, dropped, next } = machine.trace(traced, TRACE_RECORDS_MAX, {});
    traced = next;
    traceLost += dropped;
    ports.trace(records);
  };
  const before = machine.instructions;
  const done = (): number => Number(machine.instructions - before);
  const finish = (end: HeadlessEnd): HeadlessResult => ({
    ...{ end, instructions: done(), seconds: runNs / 1e9, traceLost },
  });

  pace.start();
  let turnNs = ports.nowNs();
  for (;;) {
    if (ports.nowNs() - turnNs >= TURN_NS) {
      await ports.turn();
      turnNs = ports.nowNs();
    }
    if (ports.interrupted) return finish({ kind: 'interrupted' });
    const input = ports.takeInput();
    if (input !== undefined) machine.consoleInput(input);
    if (ports.feed?.pending === true) ports.feed.give(machine);
    ports.between?.();
    const left = maxInstructions - done();
    if (left <= 0) return finish({ kind: 'exhausted' });

    const perHart = Math.max(1, Math.floor(left / machine.harts.length));
    const steps = Math.min(slices.steps, perHart, ports.trace === undefined ? Infinity : TRACED_STEPS_MAX);
    const startNs = ports.nowNs();
    const result = machine.run(steps);
    ports.feed?.flush();
    const elapsedNs = ports.nowNs() - startNs;
    runNs += elapsedNs;
    readTrace();
    if (result.kind === 'end') return finish({ kind: 'guest', end: result.end });
    const caught = machine.caughtInTraps();
    if (caught !== undefined) ports.warn(caught);
    if (result.kind === 'budget' && steps === slices.steps) slices.used(elapsedNs);
    const restMs = result.kind === 'idle' ? waitMs(result.untilStep, pace) : pace.restMs();
    if (restMs === null && ports.inputEnded) {
      // No step can follow.
      if (Number.isFinite(maxInstructions)) return finish({ kind: 'exhausted' });
      ports.stuck();
    }
    if (restMs !== 0) {
      await ports.inputOrInterrupt(restMs);
      turnNs = ports.nowNs();
    }
    if (result.kind === 'idle') pace.catchUp(result.untilStep);
  }
}

/** How long a machine waits all of whose harts do, until a step or (null) for input. */
const waitMs = (untilStep: bigint | null, pace: MachinePace): number | null =>
  untilStep === null ? null : pace.untilMs(untilStep);

/** The exit status of a run; see ARCHITECTURE.md, "Command line". */
export function exitStatus(end: HeadlessEnd): number {
  switch (end.kind) {
    case 'exhausted':
      return 124;
    case 'interrupted':
      return 0;
    case 'guest': {
      const { reason, code } = end.end;
      if (reason === 'pass' || reason === 'shutdown') return 0;
      return code >= 1 && code <= 123 ? code : 1;
    }
  }
}

/** The figures of `--stats json`. */
export function runStatistics(
  machine: Machine,
  { end, instructions, seconds }: Pick<HeadlessResult, 'end' | 'instructions' | 'seconds'>,
): object {
  const exits = Object.fromEntries(EXIT_KINDS.map((kind) => [kind, 0]));
  for (const { kind, count } of machine.exitStats().counts) exits[kind]! += count;
  return {
    instructions,
    seconds: Number(seconds.toFixed(6)),
    mips: seconds > 0 ? Number((instructions / seconds / 1e6).toFixed(3)) : 0,
    exits,
    tiers: machine.tiers,
    memory: { size: machine.config.memory, inUse: machine.memory.pages.presentCount * 4096 },
    end: end.kind === 'guest' ? end.end : { reason: end.kind, code: exitStatus(end) },
  };
}

/** One line of a trace file: 64-bit quantities as `0x…` strings, since JSON has no integers of that size. */
export function traceLine(record: ExitRecord): string {
  return JSON.stringify(record, (_key, value: unknown) =>
    typeof value === 'bigint' ? `0x${value.toString(16)}` : value,
  );
}
