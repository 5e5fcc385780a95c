import { assert } from '../base/assert.ts';
import { VmError } from '../base/vm-error.ts';
import type { DeviceFeed } from '../contracts/device-feed.ts';
import type { DeviceInput } from '../contracts/device-input.ts';
import type { Machine, MachinePorts, StepRequest } from '../contracts/machine.ts';
import type { MachineSnapshots } from '../contracts/snapshot.ts';
import type { VmEventReport, VmLoopPorts, VmRequest, VmStart } from '../contracts/worker.ts';
import type { ExitBreakpoint, SavedSnapshot, StopInfo, VmInfo, VmState } from '../protocol/messages.ts';
import { INTERACTIVE_STEPS_MAX, Slices } from '../scheduler/slices.ts';
import { ConsoleBatch } from './console-batch.ts';
import { errorReport } from './errors.ts';
import { MachinePace } from './machine-pace.ts';
import { answer, type ExitBreakpointResults, registers, type VmSubject } from './vm-requests.ts';

/** At most ten `traced` events a second. */
const TRACED_INTERVAL_NS = 100_000_000;
/** How long a guest that floods the server with output is held back before looking again. */
const CONGESTION_REST_MS = 1;

/**
 * One VM in its thread: runs the machine in slices and answers requests between them.
 *
 * Invariant: nothing here awaits. A thread that runs a guest never returns to its event loop, so commands are
 * looked for between slices, and an idle thread sleeps until one comes.
 */
export class VmLoop implements VmSubject {
  readonly machine: Machine;
  readonly csrName: (number: number) => string | undefined;
  readonly #start: VmStart;
  readonly #ports: VmLoopPorts;
  readonly #console: ConsoleBatch;
  readonly #slices = new Slices(INTERACTIVE_STEPS_MAX);
  readonly #pace: MachinePace;
  readonly #snapshots: MachineSnapshots | undefined;
  readonly #feed: DeviceFeed | undefined;
  readonly #notes: readonly string[];
  #state: VmState = 'stopped';
  #stop: StopInfo | null;
  /** All harts wait: until this machine step, or (null) for input. Undefined while they do not. */
  #idleUntil: bigint | null | undefined;
  /** Events of a request in progress; they follow its response. */
  #held: VmEventReport[] | undefined;
  /** Position in the client's list of each exit breakpoint that the machine has. */
  #exitBreakpointIndices: number[] = [];
  #tracedWanted = false;
  #tracedTold = 0;
  #tracedToldNs = Number.NEGATIVE_INFINITY;

  constructor(options: {
    readonly start: VmStart;
    readonly ports: VmLoopPorts;
    readonly createMachine: (ports: MachinePorts) => Machine;
    /** Called once, with the machine; may put it into a saved state. */
    readonly snapshots?: (machine: Machine) => MachineSnapshots;
    readonly csrName: (number: number) => string | undefined;
    /** What comes to the machine's devices from outside. */
    readonly feed?: DeviceFeed | undefined;
    /** Sentences that clients are told once the machine stands. */
    readonly notes?: readonly string[];
  }) {
    const { start, ports } = options;
    this.#feed = options.feed;
    this.#notes = options.notes ?? [];
    this.#start = start;
    this.#ports = ports;
    this.#console = new ConsoleBatch((data) =>
      this.#tell({ kind: 'event', event: 'console', params: { data } }),
    );
    this.csrName = options.csrName;
    this.machine = options.createMachine({
      console: (data) => this.#console.add(data),
      nowNs: () => ports.nowNs(),
      log: (text, record) => this.#tell({ kind: 'event', event: 'log', params: { text, record } }),
    });
    this.#snapshots = options.snapshots?.(this.machine);
    this.#pace = new MachinePace(this.machine, () => ports.nowNs());
    const isRestored = this.machine.config.snapshot !== undefined;
    this.#stop = this.machine.end === null ? this.#stopAt(isRestored ? 'restored' : 'entry') : null;
    if (this.machine.end !== null) this.#state = 'ended';
  }

  /** Runs until the server says `end`. What the machine throws is our own bug and ends the thread. */
  run(): void {
    this.#ports.send({ kind: 'ready', info: this.info });
    for (const text of this.#notes) this.#tell({ kind: 'event', event: 'note', params: { text } });
    while (this.#obey()) {
      if (this.#ports.congested) this.#ports.sleep(CONGESTION_REST_MS);
      else if (this.#state === 'running') {
        this.#feedDevices();
        this.#runSlice();
      } else this.#ports.sleep(this.#tracedDueMs());
      this.#tellTraced();
    }
  }

  get info(): VmInfo {
    const { config, steps, end } = this.machine;
    return {
      vm: this.#start.vm,
      state: this.#state,
      harts: config.harts,
      memory: config.memory,
      memoryInUse: this.machine.memory.pages.presentCount * 4096,
      kernel: config.kernel ?? null,
      firmware: config.firmware ?? (config.kernel === undefined ? 'none' : 'builtin'),
      steps,
      endedWith: end,
      owned: this.#start.owned,
    };
  }

  get stop(): StopInfo | null {
    return this.#stop;
  }

  resume(): void {
    if (this.#state === 'running') return;
    this.#requireStopped('resume');
    if (this.#stop !== null) this.machine.passStop(this.#stop.hart);
    this.#go();
  }

  step(request: StepRequest): void {
    this.#requireStopped('step');
    this.machine.beginStep(request);
    this.#go();
  }

  pause(): void {
    if (this.#state !== 'running') return;
    this.machine.cancelStep();
    this.#stopWith(this.#stopAt('pause'));
  }

  reset(): void {
    this.machine.cancelStep();
    this.machine.reset();
    this.#idleUntil = undefined;
    if (this.#state === 'running') this.#pace.start();
    else this.#stopWith(this.#stopAt('entry'));
  }

  save(file: string, incremental: boolean): SavedSnapshot {
    assert(this.#snapshots !== undefined, 'a machine whose requests come from clients can be saved');
    return this.#snapshots.save(file, { incremental });
  }

  restore(file: string): void {
    assert(this.#snapshots !== undefined, 'a machine whose requests come from clients can be restored');
    this.#snapshots.restore(file);
    this.#feed?.restored();
    const { end } = this.machine;
    if (end === null) {
      this.#stopWith(this.#stopAt('restored'));
      return;
    }
    this.#state = 'ended';
    this.#stop = null;
    this.#idleUntil = undefined;
    this.#tell({ kind: 'event', event: 'ended', params: { end, error: null } });
  }

  consoleInput(data: Uint8Array): void {
    this.#endIdle();
    this.machine.consoleInput(data);
  }

  deviceInput(device: number, input: DeviceInput): number {
    this.#endIdle();
    return this.machine.deviceInput(device, input);
  }

  setExitBreakpoints(breakpoints: readonly ExitBreakpoint[]): ExitBreakpointResults {
    const results = breakpoints.map((breakpoint) => {
      try {
        this.machine.checkExitBreakpoint(breakpoint);
        return { ok: true } as const;
      } catch (error) {
        if (!(error instanceof VmError)) throw error;
        return { ok: false, message: error.message, column: error.column ?? null } as const;
      }
    });
    this.#exitBreakpointIndices = [...results.keys()].filter((index) => results[index]!.ok);
    this.machine.setExitBreakpoints(this.#exitBreakpointIndices.map((index) => breakpoints[index]!));
    return results;
  }

  /** Carries out the commands that have arrived. False when the thread is to end. */
  #obey(): boolean {
    for (let command = this.#ports.receive(); command !== undefined; command = this.#ports.receive()) {
      switch (command.kind) {
        case 'end':
          return false;
        case 'watch':
          this.#tracedWanted = command.traced;
          // What lies in the ring already is read by asking; events tell of what comes.
          this.#tracedTold = this.machine.traced;
          break;
        case 'request':
          this.#answer(command.request);
      }
    }
    return true;
  }

  #answer(request: VmRequest): void {
    const { id } = request;
    this.#held = [];
    try {
      this.#ports.send({ kind: 'response', id, result: answer(this, request) });
    } catch (error) {
      this.#ports.send({ kind: 'response', id, error: errorReport(error) });
    }
    const held = this.#held;
    this.#held = undefined;
    for (const event of held) this.#ports.send(event);
  }

  /** An input takes effect now, not at the step at which the guest began to wait. */
  #endIdle(): void {
    if (this.#idleUntil !== undefined) this.#pace.catchUp(this.#idleUntil);
    this.#idleUntil = undefined;
  }

  #feedDevices(): void {
    if (this.#feed === undefined) return;
    if (this.#feed.pending) {
      this.#endIdle();
      this.#feed.give(this.machine);
    }
    const text = this.#feed.takeWarning();
    if (text !== undefined) this.#tell({ kind: 'event', event: 'note', params: { text } });
  }

  #runSlice(): void {
    const steps = this.#slices.steps;
    const startNs = this.#ports.nowNs();
    const result = this.machine.run(steps);
    this.#feed?.flush();
    this.#console.flush();
    switch (result.kind) {
      case 'budget':
        this.#idleUntil = undefined;
        this.#slices.used(this.#ports.nowNs() - startNs);
        this.#warn();
        this.#restAhead();
        break;
      case 'idle':
        this.#idleUntil = result.untilStep;
        this.#wait(result.untilStep);
        break;
      case 'stop':
        this.#stopWith(this.#withClientIndex(result.stop));
        break;
      case 'end':
        this.#state = 'ended';
        this.#idleUntil = undefined;
        this.#tell({ kind: 'event', event: 'ended', params: { end: result.end, error: null } });
    }
  }

  /** All harts wait: the thread sleeps until something is due, and in wall-clock mode virtual time then catches up. */
  #wait(untilStep: bigint | null): void {
    const dueMs = this.#tracedDueMs();
    const waitMs = untilStep === null ? null : this.#pace.untilMs(untilStep);
    if (waitMs === null) this.#ports.sleep(dueMs);
    else if (waitMs > 0) this.#ports.sleep(dueMs === null ? waitMs : Math.min(dueMs, waitMs));
    this.#pace.catchUp(untilStep);
  }

  /** In wall-clock mode a guest that is faster than its own clock rests. */
  #restAhead(): void {
    const restMs = this.#pace.restMs();
    if (restMs > 0) this.#ports.sleep(restMs);
  }

  #go(): void {
    this.#state = 'running';
    this.#stop = null;
    this.#pace.start();
    this.#tell({ kind: 'event', event: 'resumed', params: {} });
  }

  #stopWith(stop: StopInfo): void {
    this.#console.flush();
    this.#state = 'stopped';
    this.#stop = stop;
    this.#idleUntil = undefined;
    const params = { stop, registers: registers(this.machine, stop.hart) };
    this.#tell({ kind: 'event', event: 'stopped', params });
  }

  /** Where the machine stands, seen from the first hart that does not wait. */
  #stopAt(reason: 'entry' | 'restored' | 'pause'): StopInfo {
    const { harts, steps } = this.machine;
    const busy = harts.findIndex((_, hart) => !this.machine.waiting(hart));
    const hart = Math.max(0, busy);
    return { reason, hart, pc: harts[hart]!.getPc(), step: steps };
  }

  #withClientIndex(stop: StopInfo): StopInfo {
    const index = stop.exitBreakpoint;
    return index === undefined ? stop : { ...stop, exitBreakpoint: this.#exitBreakpointIndices[index]! };
  }

  #requireStopped(verb: string): void {
    if (this.#state === 'ended') {
      throw new VmError('wrong-state', `the guest has ended and cannot ${verb}; reset it or launch it again`);
    }
    if (this.#state === 'running') {
      throw new VmError('wrong-state', `the machine runs and cannot ${verb}; pause it first`);
    }
  }

  #tell(event: VmEventReport): void {
    if (this.#held === undefined) this.#ports.send(event);
    else this.#held.push(event);
  }

  #warn(): void {
    const text = this.machine.caughtInTraps();
    if (text !== undefined) this.#tell({ kind: 'event', event: 'warning', params: { text } });
  }

  #tellTraced(): void {
    if (!this.#tracedWanted || this.machine.traced === this.#tracedTold) return;
    const nowNs = this.#ports.nowNs();
    if (nowNs - this.#tracedToldNs < TRACED_INTERVAL_NS) return;
    this.#tracedToldNs = nowNs;
    this.#tracedTold = this.machine.traced;
    this.#tell({ kind: 'event', event: 'traced', params: { next: this.#tracedTold } });
  }

  /** Milliseconds until a `traced` event may be sent that waits for its turn; null when none does. */
  #tracedDueMs(): number | null {
    if (!this.#tracedWanted || this.machine.traced === this.#tracedTold) return null;
    return Math.max(0, this.#tracedToldNs + TRACED_INTERVAL_NS - this.#ports.nowNs()) / 1e6;
  }
}
