import { assert, unreachable } from '../base/assert.ts';
import { VmError } from '../base/vm-error.ts';
import type { DeviceInput } from '../contracts/device-input.ts';
import type { Hart, HartGroup } from '../contracts/hart.ts';
import type {
  InputLogEntry,
  Machine,
  MachineImages,
  MachineInput,
  MachinePorts,
  MachineReturn,
  MachineState,
  StepRequest,
} from '../contracts/machine.ts';
import type { GuestMemory } from '../contracts/memory.ts';
import type { FlashStore } from '../devices/flash.ts';
import type { Htif } from '../devices/htif.ts';
import { SavedReader } from '../devices/saved.ts';
import type { VirtioDevice } from '../devices/virtio/device.ts';
import { Exits, TRACED_BY_DEFAULT } from '../exits/exits.ts';
import { createGuestMemory, createHartGroup, type TranslatorOption } from '../hart/index.ts';
import type { IsaConfig } from '../isa/extensions.ts';
import { parseIsa } from '../isa/isa-text.ts';
import type { ExitRecord, VmExit } from '../protocol/exits.ts';
import type {
  DeviceInfo,
  ExitBreakpoint,
  ExitStats,
  StopInfo,
  TraceFilter,
  VmConfig,
  VmEnd,
} from '../protocol/messages.ts';
import { Board } from './board.ts';
import { type BootPlan, firmwareKind, loadGuest, startHart } from './boot.ts';
import { Bus } from './bus.ts';
import { Clock } from './clock.ts';
import { ConsoleOutput } from './console.ts';
import { Deadlines } from './deadlines.ts';
import { DebugAccess } from './debug-access.ts';
import { describeDevices } from './devices-view.ts';
import { guestDma } from './guest-dma.ts';
import { InputLog } from './input-log.ts';
import {
  restoreEnd,
  restoreParts,
  type StatefulParts,
  saveEnd,
  saveParts,
  section,
  sectionsOf,
} from './machine-state.ts';
import { createHtif } from './mailboxes.ts';
import { RAM_BASE } from './memory-map.ts';
import { Paravirtual } from './paravirtual.ts';
import { type LoopReturn, RunLoop } from './run-loop.ts';
import { Stepper } from './stepper.ts';
import { TrapLoops } from './trap-loops.ts';

export interface MachineOptions {
  readonly config: VmConfig;
  /** The files that `config` names. */
  readonly images: MachineImages;
  readonly ports: MachinePorts;
  /** What is plugged into the board's virtio slots, in the order in which a guest finds it. */
  readonly virtio?: readonly VirtioDevice[];
  /** The slots have version 1 of virtio's registers, as QEMU's have unless told otherwise (`force-legacy`). Default: true. */
  readonly virtioLegacy?: boolean;
  /** The answers of another run's log, in order: devices are told these first, and the host is not asked. */
  readonly answers?: readonly Uint8Array[];
  /** The input log is given up when it would grow beyond this. Default: without bound. */
  readonly inputLogBytesMax?: number;
  /** What the board's banks of flash keep, in their order. */
  readonly flash?: readonly FlashStore[];
  /** Translates hot guest code; absent: everything is interpreted. */
  readonly translator?: TranslatorOption;
}

/**
 * Builds a machine of QEMU's `virt` shape and loads its images. Throws `VmError('bad-config')` or
 * `VmError('bad-file')` for what cannot be built or loaded.
 */
export function createMachine(options: MachineOptions): Machine {
  return new VirtMachine(options);
}

/** The section of the machine's own state. */
const MACHINE = 'machine';

/** What the guest asked for; carried out between instructions. */
type Pending = { readonly kind: 'end'; readonly end: VmEnd } | { readonly kind: 'reset' };
type SystemExit = Extract<VmExit, { kind: 'system' }>;

class VirtMachine implements Machine {
  readonly config: VmConfig;
  end: VmEnd | null = null;
  readonly #inputs: InputLog;
  /** What devices are told instead of asking the host, next first. */
  readonly #answers: Uint8Array[];
  readonly #virtio: readonly VirtioDevice[];
  readonly #images: MachineImages;
  readonly #ports: MachinePorts;
  readonly #isa: IsaConfig;
  readonly #memory: GuestMemory;
  readonly #exits: Exits;
  readonly #group: HartGroup;
  readonly #board: Board;
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #console: ConsoleOutput;
  readonly #loop: RunLoop;
  readonly #trapLoops: TrapLoops;
  readonly #deadlines: Deadlines;
  readonly #access: DebugAccess;
  readonly #paravirtual: Paravirtual | undefined;
  readonly #htif: Htif | undefined;
  #plan: BootPlan;
  /** Machine steps before the last reset; the harts count from it. */
  #stepsBefore = 0n;
  /** Steps that translated code did before the last reset. */
  #translatedBefore = 0;
  /** Instructions that were executed before this machine took over a saved state: in no tier of its own. */
  #executedElsewhere = 0;
  #pending: Pending | null = null;
  #breakpoints: ReadonlySet<bigint> = new Set();
  #temporary: readonly bigint[] | null = null;
  #stepper: Stepper | null = null;

  constructor(options: MachineOptions) {
    const { config, images, ports, virtio = [], virtioLegacy = true, translator } = options;
    this.config = config;
    this.#inputs = new InputLog(options.inputLogBytesMax ?? Number.POSITIVE_INFINITY);
    this.#answers = [...(options.answers ?? [])];
    this.#virtio = virtio;
    this.#images = images;
    this.#ports = ports;
    this.#memory = createGuestMemory({ ramBase: RAM_BASE, ramSize: config.memory, harts: config.harts });
    this.#isa = parseIsa(config.isa ?? '');
    this.#plan = loadGuest(this.#memory, config, images, this.#isa);
    const nowNs = (): number => ports.nowNs();
    const harts = (): readonly Hart[] => this.harts;
    this.#exits = new Exits({
      harts: config.harts,
      where: (hart) => ({ pc: this.harts[hart]!.getPc(), step: this.#stepOf(hart) }),
      log: (text, record) => this.#log(text, record),
      stopped: () => this.harts[this.#loop.current]!.requestYield(),
    });
    const traced = config.trace === true ? TRACED_BY_DEFAULT : config.trace === false ? [] : config.trace;
    this.#exits.setTraced(traced);
    this.#console = new ConsoleOutput((data) => ports.console(data));
    this.#clock = new Clock(harts, () => this.#board.aclint.mtimeOffset);
    this.#board = new Board(config.harts, {
      harts,
      exits: this.#exits,
      currentHart: () => this.#loop.current,
      ticks: () => this.#clock.ticks,
      clockNs: () => this.#rtcStartNs + this.#stepsBefore + BigInt(this.#clock.steps),
      rom: this.#plan.rom,
      flash: options.flash ?? [],
      firmwareConfig: {
        harts: config.harts,
        memory: config.memory,
        kernel: images.kernel?.data,
        initrd: images.initrd,
        commandLine: config.append,
      },
      dma: guestDma(this.#memory, (address, length) => this.#group.codeChanged(address, length)),
      virtio,
      fromHost: (device, ask) => this.#fromHost(device, ask),
      legacy: virtioLegacy,
      nowNs,
      consoleOutput: (byte) => this.#console.write(byte),
      finish: (how, code) => this.#finish(how, code),
      deadlinesChanged: () => this.#deadlinesChanged(),
    });
    this.#bus = new Bus({ devices: this.#board.placed, exits: this.#exits, nowNs });
    const builtin = firmwareKind(config) === 'builtin';
    this.#group = createHartGroup({
      memory: this.#memory,
      ports: {
        bus: this.#bus,
        exits: this.#exits,
        nowNs,
        time: () => this.#clock.time,
        stepsAt: (_, ticks) => this.#clock.stepsAt(ticks),
        tellsNewPages: true,
        ...(builtin ? { sbiCall: (hart: number) => this.#paravirtual!.call(hart) } : {}),
        tohost: () => this.#htif?.poll(),
      },
      isa: this.#isa,
      ...(translator === undefined ? {} : { translator }),
    });
    const { harts: made } = this.#group;
    this.#deadlines = new Deadlines({
      harts: made,
      board: this.#board,
      clock: this.#clock,
      clockStartNs: () => this.#rtcStartNs + this.#stepsBefore,
    });
    this.#loop = new RunLoop({
      harts: made,
      raiseDue: (hart) => this.#deadlines.raise(hart),
      nextDeadline: (hart) => this.#deadlines.next(hart),
      interrupted: () => this.#pending !== null || this.#exits.stopPending,
      resumed: (hart) => this.#paravirtual?.resumed(hart),
    });
    this.#trapLoops = new TrapLoops(made);
    this.#access = new DebugAccess(this.#memory, this.#group, this.#bus);
    this.#paravirtual = builtin ? this.#createParavirtual() : undefined;
    this.#htif = this.#createHtif();
    this.#powerOn();
  }

  get inputLog(): readonly InputLogEntry[] {
    return this.#inputs.entries;
  }

  get harts(): readonly Hart[] {
    return this.#group.harts;
  }

  get steps(): bigint {
    return this.#stepsBefore + BigInt(this.#loop.steps);
  }

  get instructions(): bigint {
    return BigInt(this.#loop.executed);
  }

  get tiers(): { readonly interpreter: number; readonly translator: number } {
    const translator = this.#translatedBefore + this.#group.tiers.translator;
    return { interpreter: this.#loop.executed - this.#executedElsewhere - translator, translator };
  }

  get memory(): GuestMemory {
    return this.#memory;
  }

  get traced(): number {
    return this.#exits.traced;
  }

  caughtInTraps(): string | undefined {
    return this.#trapLoops.look();
  }

  waiting(hart: number): boolean {
    return this.#loop.activity(hart) !== 'running';
  }

  get deviceTree(): Machine['deviceTree'] {
    return this.#plan.deviceTree;
  }

  run(maxSteps: number): MachineReturn {
    assert(maxSteps >= 0, 'a run goes forward');
    if (this.end !== null) return { kind: 'end', end: this.end };
    let target = this.#loop.steps + maxSteps;
    try {
      for (;;) {
        const stepsBefore = this.#stepsBefore;
        const result = this.#react(this.#loop.run(target, this.config.time === 'free', this.#stepper));
        if (result !== null) return result;
        // After a reset the harts count from zero.
        target -= Number(this.#stepsBefore - stepsBefore);
      }
    } finally {
      this.#console.flush();
    }
  }

  beginStep(request: StepRequest): void {
    if (request.hart >= this.harts.length)
      throw new VmError('no-such-hart', `there is no hart ${request.hart}`);
    if (request.mode === 'out' && request.returnTo === undefined) {
      throw new VmError('bad-request', 'stepping out needs to know where the caller continues (returnTo)');
    }
    this.cancelStep();
    this.#loop.passStop(request.hart);
    this.#stepper = new Stepper(request, {
      hart: this.harts[request.hart]!,
      isUserBreakpoint: (pc) => this.#breakpoints.has(pc),
      armTemporary: (addresses) => {
        this.#temporary = addresses;
        this.#armBreakpoints();
      },
      instructionAt: (pc) => this.#access.instructionAt(request.hart, pc),
    });
    this.#exits.listenToTraps((hart, interrupt) => this.#stepper?.tookTrap(hart, interrupt));
  }

  passStop(hart: number): void {
    this.#loop.passStop(hart);
  }

  cancelStep(): void {
    this.#stepper?.dispose();
    this.#stepper = null;
    this.#exits.listenToTraps(null);
  }

  reset(): void {
    this.#logInput({ kind: 'reset' });
    this.#restart();
    this.end = null;
  }

  get sections(): readonly string[] {
    return [MACHINE, ...sectionsOf(this.#parts)];
  }

  save(): MachineState {
    const pending = this.#pending;
    const machine = {
      version: 1,
      stepsBefore: this.#stepsBefore,
      resets: pending?.kind === 'reset',
      ends: saveEnd(pending?.kind === 'end' ? pending.end : null),
      ended: saveEnd(this.end),
    };
    return { [MACHINE]: machine, ...saveParts(this.#parts) };
  }

  restore(state: MachineState): void {
    const from = new SavedReader(section(state, MACHINE), 'the machine', 1);
    const ends = restoreEnd(from.section('ends'));
    this.cancelStep();
    this.end = restoreEnd(from.section('ended'));
    this.#stepsBefore = from.bigint('stepsBefore');
    this.#pending = from.boolean('resets') ? { kind: 'reset' } : ends && { kind: 'end', end: ends };
    this.#group.forgetCode();
    restoreParts(this.#parts, state);
    this.#deadlines.update();
    this.#exits.forgetStop();
    this.#inputs.startOver();
    this.#executedElsewhere = this.#loop.executed;
    this.#translatedBefore = 0;
  }

  advanceIdle(steps: bigint): void {
    const passed = this.#loop.advanceIdle(Number(steps));
    if (passed <= 0) return;
    this.#logInput({ kind: 'time', advanceSteps: BigInt(passed) });
    this.#paravirtual?.timePassed(passed);
  }

  consoleInput(data: Uint8Array): void {
    const taken = this.#board.uart.receive(data);
    if (taken > 0) this.#logInput({ kind: 'console', data: data.slice(0, taken) });
    this.#htif?.inputArrived();
  }

  deviceInput(device: number, input: DeviceInput): number {
    const plugged = this.#virtio[device];
    assert(plugged !== undefined, 'an input is for a device that is plugged in');
    this.#logInput({ kind: 'device', device, input });
    return plugged.input?.(input) ?? 0;
  }

  readMemory(hart: number, address: bigint, length: number, space: 'virtual' | 'physical'): Uint8Array {
    return this.#access.read(hart, address, length, space);
  }

  writeMemory(hart: number, address: bigint, data: Uint8Array, space: 'virtual' | 'physical'): number {
    return this.#access.write(hart, address, data, space, (start, piece) =>
      this.#logInput({ kind: 'memory', address: start, data: piece }),
    );
  }

  writeRegister(hart: number, register: string, value: bigint): boolean {
    if (!this.#access.writeRegister(this.harts[hart]!, register, value)) return false;
    this.#logInput({ kind: 'register', hart, register, value });
    return true;
  }

  writeCsr(hart: number, number: number, value: bigint): boolean {
    if (!this.harts[hart]!.writeCsr(number, value)) return false;
    this.#logInput({ kind: 'csr', hart, number, value });
    return true;
  }

  devices(values: boolean): DeviceInfo[] {
    return describeDevices(this.#board.placed, values);
  }

  setBreakpoints(addresses: ReadonlySet<bigint>): void {
    this.#breakpoints = new Set(addresses);
    this.#armBreakpoints();
  }

  checkExitBreakpoint(breakpoint: ExitBreakpoint): void {
    this.#exits.check(breakpoint);
  }

  setExitBreakpoints(breakpoints: readonly ExitBreakpoint[]): void {
    this.#exits.setBreakpoints(breakpoints);
  }

  trace(after: number, limit: number, filter: TraceFilter): ReturnType<Machine['trace']> {
    return this.#exits.trace(after, limit, filter);
  }

  exitStats(): ExitStats {
    return this.#exits.stats();
  }

  get #parts(): StatefulParts {
    return {
      group: this.#group,
      loop: this.#loop,
      board: this.#board,
      paravirtual: this.#paravirtual,
      htif: this.#htif,
    };
  }

  get #rtcStartNs(): bigint {
    return BigInt(this.config.rtcStart) * 1_000_000_000n;
  }

  #stepOf(hart: number): bigint {
    return this.#stepsBefore + BigInt(this.harts[hart]!.steps);
  }

  /** What a return of the loop means; null to go on. */
  #react(outcome: LoopReturn): MachineReturn | null {
    switch (outcome.kind) {
      case 'target':
        return { kind: 'budget' };
      case 'idle': {
        const never = outcome.until === Number.POSITIVE_INFINITY;
        return { kind: 'idle', untilStep: never ? null : this.#stepsBefore + BigInt(outcome.until) };
      }
      case 'step':
        return this.#stop(outcome.hart, { reason: 'step' });
      case 'hart':
        if (outcome.why !== 'exit-stop') return this.#stop(outcome.hart, { reason: outcome.why });
        return this.#stopAtExit() ?? this.#carryOutPending();
      case 'interrupted':
        return this.#stopAtExit() ?? this.#carryOutPending();
      default:
        return unreachable(outcome);
    }
  }

  #stopAtExit(): MachineReturn | null {
    const stop = this.#exits.takeStop();
    if (stop === null) return null;
    const { record, breakpoint } = stop;
    const { hart, stage, exit } = record;
    // The hart ended its run before it could say that it waits now.
    if (exit.kind === 'wfi' && stage === 'post') this.#loop.setActivity(hart, 'waiting');
    return this.#stop(hart, { reason: 'exit', record, exitBreakpoint: breakpoint });
  }

  #stop(hart: number, why: Pick<StopInfo, 'reason' | 'record' | 'exitBreakpoint'>): MachineReturn {
    this.cancelStep();
    this.#loop.passStop(hart);
    const pc = this.harts[hart]!.getPc();
    return { kind: 'stop', stop: { ...why, hart, pc, step: this.#stepOf(hart) } };
  }

  #carryOutPending(): MachineReturn | null {
    const pending = this.#pending;
    this.#pending = null;
    if (pending === null) return null;
    if (pending.kind === 'reset') {
      this.#restart();
      return null;
    }
    this.end = pending.end;
    return { kind: 'end', end: pending.end };
  }

  /** Power-on state with the images as at first. Guest memory is zeroed, so that every start is alike. */
  #restart(): void {
    this.cancelStep();
    this.#stepsBefore = this.steps;
    this.#translatedBefore += this.#group.tiers.translator;
    this.#pending = null;
    this.#memory.pages.clear();
    this.#group.forgetCode();
    this.#plan = loadGuest(this.#memory, this.config, this.#images, this.#isa);
    this.#powerOn();
  }

  #powerOn(): void {
    this.#paravirtual?.reset();
    this.#htif?.reset();
    for (const hart of this.harts) startHart(hart, this.#plan);
    this.#loop.reset((hart) => this.#paravirtual?.isHalted(hart) ?? false);
    this.#board.reset();
    this.#exits.forgetStop();
    this.#deadlines.update();
  }

  #deadlinesChanged(): void {
    const { current, runEnd } = this.#loop;
    if (this.#deadlines.changedBy(current, runEnd)) this.harts[current]!.requestYield();
  }

  #finish(how: 'pass' | 'fail' | 'reset', code: number): void {
    if (how === 'reset') this.#system('reboot', 0, { kind: 'reset' });
    else this.#system(how, code, { kind: 'end', end: { reason: how, code } });
  }

  /** Announces what is about to happen to the whole machine; what is `pending` then happens behind the present instruction. */
  #system(event: SystemExit['event'], code: number, pending: Pending | null): void {
    const hart = this.#loop.current;
    const exit: SystemExit = { kind: 'system', event, code };
    if (this.#exits.watches('system', 'pre')) this.#exits.report(hart, 'pre', exit, 0);
    this.#exits.count(hart, 'system');
    this.#pending ??= pending;
    if (this.#exits.watches('system', 'post')) this.#exits.report(hart, 'post', exit, 0);
    this.harts[hart]!.requestYield();
  }

  #createParavirtual(): Paravirtual {
    return new Paravirtual(
      {
        memory: this.#memory,
        group: this.#group,
        loop: this.#loop,
        exits: this.#exits,
        nowNs: () => this.#ports.nowNs(),
        uart: this.#board.uart,
        console: this.#console,
        has: (extension) => this.#isa.has(extension),
        system: (what, failed) => this.#sbiSystem(what, failed),
        systemSuspended: () => this.#system('suspend', 0, null),
      },
      this.harts,
    );
  }

  #sbiSystem(what: 'shutdown' | 'reboot', failed: boolean): void {
    if (what === 'reboot') this.#system('reboot', 0, { kind: 'reset' });
    else if (failed) this.#system('crash', 1, { kind: 'end', end: { reason: 'crash', code: 1 } });
    else this.#system('shutdown', 0, { kind: 'end', end: { reason: 'shutdown', code: 0 } });
  }

  #createHtif(): Htif | undefined {
    return createHtif(this.#plan, {
      memory: this.#memory,
      group: this.#group,
      output: (byte) => this.#console.write(byte),
      input: () => this.#board.uart.takeReceived(),
      finish: (code) => this.#finish(code === 0 ? 'pass' : 'fail', code),
    });
  }

  #logInput(input: MachineInput): void {
    const before = this.#stepsBefore * BigInt(this.harts.length);
    const position = before + BigInt(this.harts.reduce((sum, hart) => sum + hart.steps, 0));
    this.#inputs.add({ step: this.steps, position, ...input });
  }

  #fromHost(device: number, ask: () => Uint8Array): Uint8Array {
    const data = this.#answers.shift() ?? ask();
    // The device may lay it down where the guest changes it.
    this.#logInput({ kind: 'answer', device, data: data.slice() });
    return data;
  }

  #armBreakpoints(): void {
    this.#group.setBreakpoints(new Set([...this.#breakpoints, ...(this.#temporary ?? [])]));
  }

  #log(text: string, record: ExitRecord): void {
    // What the guest printed before stands before it.
    this.#console.flush();
    this.#ports.log(text, record);
  }
}
