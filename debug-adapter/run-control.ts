/**
 * Running, stopping and stepping: turns the VMM's stops into those a user sees. Called from the session's queue
 * only, so nothing here runs concurrently with itself.
 */
import { VmError } from '../vmm/base/vm-error.ts';
import type { Registers, StopInfo } from '../vmm/protocol/messages.ts';
import type { Breakpoint, BreakpointStore } from './breakpoints.ts';
import { describeExit } from './describe.ts';
import type { MachineView } from './machine-view.ts';
import {
  beginStep,
  continueStep,
  type Granularity,
  resumeStep,
  type StepKind,
  type StepPlan,
} from './stepping.ts';
import type { Vm } from './vm-client.ts';

/** A stop as it is reported to the client. */
export interface StopReport {
  readonly info: StopInfo;
  readonly hart: number;
  readonly reason: string;
  readonly description: string;
  readonly text: string | undefined;
  readonly hitBreakpointIds: readonly number[];
}

export interface RunControlPorts {
  stopped(report: StopReport): void;
  /** Somebody else let the machine run. */
  continued(hart: number): void;
  logPoint(breakpoint: Breakpoint, text: string): void;
  warn(text: string): void;
}

/** What is needed of the virtual machine, and of what is known about it. */
export type VmRequests = Pick<Vm, 'request'>;
export type StoppedMachine = Pick<
  MachineView,
  'evaluationContext' | 'forget' | 'frame' | 'frames' | 'hart' | 'learn'
>;

export type RunState = 'starting' | 'stopped' | 'running' | 'ended';

/** As many as one `vm.setBreakpoints` takes. */
const ADDRESSES_MAX = 10_000;

export class RunControl {
  readonly #vm: VmRequests;
  readonly #view: StoppedMachine;
  readonly #breakpoints: BreakpointStore;
  readonly #ports: RunControlPorts;
  #state: RunState = 'starting';
  #plan: StepPlan | undefined;
  #pauseWanted = false;
  #armed = true;
  /** Where a run to the kernel's first instruction ends. */
  #entry: bigint | undefined;
  #report: StopReport | undefined;
  /** Where this session ever had a breakpoint. A stop elsewhere is that of another client of the machine. */
  readonly #ownAddresses = new Set<bigint>();

  constructor(vm: VmRequests, view: StoppedMachine, breakpoints: BreakpointStore, ports: RunControlPorts) {
    this.#vm = vm;
    this.#view = view;
    this.#breakpoints = breakpoints;
    this.#ports = ports;
  }

  get state(): RunState {
    return this.#state;
  }

  /** The last stop; undefined while the machine runs. */
  get report(): StopReport | undefined {
    return this.#report;
  }

  /** Tells the VMM where to stop. Breakpoints are armed from `arm` on. */
  async arm(): Promise<void> {
    if (!this.#armed) return;
    const entry = this.#entry === undefined ? [] : [this.#entry];
    const addresses = [...this.#breakpoints.addresses(), ...entry];
    if (addresses.length > ADDRESSES_MAX) {
      throw new VmError(
        'bad-config',
        `There are breakpoints on ${addresses.length} addresses, and the machine takes ${ADDRESSES_MAX}: remove some.`,
      );
    }
    for (const address of addresses) this.#ownAddresses.add(address);
    await this.#vm.request('vm.setBreakpoints', { addresses });
  }

  /** The client is ready and the machine stands at `stop`: report it, or judge breakpoints there, and go on. */
  async start(stop: StopInfo, options: { report: boolean; entry: bigint | undefined }): Promise<void> {
    this.#state = 'stopped';
    this.#view.forget(true);
    if (options.report && options.entry !== undefined && options.entry !== stop.pc) {
      this.#entry = options.entry;
      await this.arm();
      await this.#go();
    } else if (options.report && stop.reason === 'restored') {
      this.#publishAsIs(stop);
    } else if (options.report) {
      this.#publish(stop, 'entry', 'Stopped at the first instruction');
    } else if (!this.#armed) {
      await this.#go();
    } else {
      // A resume does not stop at the present pc again, so a breakpoint on the first instruction is judged here.
      this.#ownAddresses.add(stop.pc);
      await this.#settle({ ...stop, reason: 'breakpoint' });
    }
  }

  /** Run without debugging: breakpoints are neither set nor judged. */
  disarm(): void {
    this.#armed = false;
  }

  /** The machine stood still when we attached. */
  adopt(stop: StopInfo): void {
    this.#state = 'stopped';
    this.#view.forget(true);
    this.#publishAsIs(stop);
  }

  /** The machine takes over another state by what `request` asks for, which the VMM tells as a stop. */
  async takeOver(request: () => Promise<unknown>): Promise<void> {
    const [state, report] = [this.#state, this.#report];
    this.#plan = undefined;
    this.#pauseWanted = false;
    this.#moving();
    try {
      await request();
    } catch (error) {
      // It is where it was.
      [this.#state, this.#report] = [state, report];
      this.#view.forget(state === 'stopped');
      throw error;
    }
  }

  /** The machine was running when we attached. */
  startRunning(): void {
    this.#state = 'running';
    this.#view.forget(false);
  }

  async resume(): Promise<void> {
    this.#requireStopped();
    this.#plan = undefined;
    await this.#go();
  }

  async pause(): Promise<void> {
    if (this.#state !== 'running') return;
    this.#pauseWanted = true;
    await this.#vm.request('vm.pause', {});
  }

  /** The guest goes nowhere: it stands still for whoever debugs it. */
  async halt(): Promise<void> {
    if (this.#armed) await this.pause();
  }

  async step(hart: number, kind: StepKind, granularity: Granularity): Promise<void> {
    this.#requireStopped();
    this.#plan = await beginStep(this.#view, hart, kind, granularity);
    await this.#go();
  }

  /** The VMM reports a stop, and the registers of the hart that caused it. */
  async onStopped(stop: StopInfo, registers: Registers): Promise<void> {
    if (this.#state !== 'running') return;
    this.#view.forget(true);
    this.#view.learn(stop.hart, registers);
    this.#state = 'stopped';
    await this.#settle(stop);
  }

  /** The VMM reports that the machine runs. */
  onResumed(): void {
    if (this.#state !== 'stopped' || this.#report === undefined) return;
    const { hart } = this.#report;
    this.#moving();
    this.#ports.continued(hart);
  }

  /** Stops up to the next `start` are those of a machine that is being reset. */
  prepareRestart(): void {
    this.#state = 'starting';
    this.#plan = undefined;
    this.#report = undefined;
    this.#pauseWanted = false;
  }

  onEnded(): void {
    this.#state = 'ended';
    this.#plan = undefined;
    this.#report = undefined;
    this.#view.forget(false);
  }

  async #settle(stop: StopInfo): Promise<void> {
    const hit = await this.#breakpoints.reach(stop.pc, () => this.#contextAt(stop.hart));
    for (const { breakpoint, text } of hit.logs) this.#ports.logPoint(breakpoint, text);
    for (const problem of hit.problems) this.#ports.warn(problem);

    const isAddressStop = stop.reason === 'breakpoint' || stop.reason === 'step';
    if (hit.stops.length > 0 && (isAddressStop || stop.reason === 'pause')) {
      const kinds = new Set(hit.stops.map(({ spec }) => spec.kind));
      const reason = kinds.has('source') ? 'breakpoint' : `${hit.stops[0]!.spec.kind} breakpoint`;
      this.#publish(stop, reason, 'Paused on breakpoint', undefined, hit.stops);
    } else if (stop.reason === 'breakpoint' && stop.pc === this.#entry) {
      this.#publish(stop, 'entry', 'Stopped at the first instruction of the kernel');
    } else if (isAddressStop && !this.#pauseWanted && !this.#isOfAnother(stop)) {
      await this.#goOn(stop);
    } else {
      this.#publishAsIs(this.#pauseWanted && isAddressStop ? { ...stop, reason: 'pause' } : stop);
    }
  }

  /** A breakpoint of another client, for whom the machine is to stand still. */
  #isOfAnother({ reason, pc }: StopInfo): boolean {
    const isOwn = this.#ownAddresses.has(pc) || this.#breakpoints.at(pc).length > 0;
    return reason === 'breakpoint' && !isOwn;
  }

  /** A breakpoint that does not count, or the end of one of the VMM's steps: the run or the step goes on. */
  async #goOn(stop: StopInfo): Promise<void> {
    const plan = this.#plan;
    if (plan === undefined) {
      if (stop.reason === 'step') this.#publishAsIs(stop);
      else await this.#go();
      return;
    }
    const isOwnEnd = stop.reason === 'step' && stop.hart === plan.hart;
    const action = isOwnEnd ? await continueStep(plan, this.#view) : await resumeStep(plan, this.#view);
    if (action === undefined) this.#publishAsIs(stop);
    else await this.#go(action);
  }

  async #go(action = this.#plan?.action): Promise<void> {
    const plan = this.#plan;
    // Set before the request: the stop may arrive before its response.
    this.#moving();
    try {
      if (plan === undefined || action === undefined) await this.#vm.request('vm.resume', {});
      else await this.#vm.request('vm.step', { hart: plan.hart, ...action, ranges: [...action.ranges] });
    } catch (error) {
      this.#state = this.#state === 'running' ? 'stopped' : this.#state;
      throw error;
    }
  }

  #moving(): void {
    this.#state = 'running';
    this.#report = undefined;
    this.#view.forget(false);
  }

  #publishAsIs(stop: StopInfo): void {
    const { reason, description, text } = STOPS[stop.reason](stop);
    this.#publish(stop, reason, description, text);
  }

  #publish(
    info: StopInfo,
    reason: string,
    description: string,
    text?: string,
    hits: readonly Breakpoint[] = [],
  ): void {
    this.#plan = undefined;
    this.#pauseWanted = false;
    if (this.#entry !== undefined) {
      this.#entry = undefined;
      this.arm().catch(() => {}); // The connection failed, which is reported by itself.
    }
    const hitBreakpointIds = hits.map(({ id }) => id);
    this.#report = { info, hart: info.hart, reason, description, text, hitBreakpointIds };
    this.#ports.stopped(this.#report);
  }

  async #contextAt(hart: number) {
    return this.#view.evaluationContext(hart, await this.#view.frame(hart, 0));
  }

  #requireStopped(): void {
    if (this.#state === 'ended')
      throw new VmError('wrong-state', 'The guest has ended: restart to run it again.');
    if (this.#state !== 'stopped') throw new VmError('wrong-state', 'The machine runs: pause it first.');
  }
}

interface StopWords {
  readonly reason: string;
  readonly description: string;
  readonly text?: string;
}

const STOPS: Record<StopInfo['reason'], (stop: StopInfo) => StopWords> = {
  entry: () => ({ reason: 'entry', description: 'Stopped at the first instruction' }),
  restored: () => ({ reason: 'entry', description: 'Restored from a snapshot' }),
  pause: () => ({ reason: 'pause', description: 'Paused' }),
  step: () => ({ reason: 'step', description: 'Paused after a step' }),
  breakpoint: () => ({ reason: 'breakpoint', description: 'Paused on breakpoint' }),
  exit: ({ record }) =>
    record === undefined
      ? { reason: 'exception', description: 'Paused on an exit' }
      : {
          reason: 'exception',
          description: `Paused on ${record.exit.kind} exit (${record.stage})`,
          text: describeExit(record.exit, record.stage),
        },
};
