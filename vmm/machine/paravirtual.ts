import { VmError } from '../base/vm-error.ts';
import type { Saved, Snapshottable } from '../contracts/device.ts';
import type { ExitSink } from '../contracts/exits.ts';
import { type Hart, type HartGroup, INTERRUPT } from '../contracts/hart.ts';
import type { GuestMemory } from '../contracts/memory.ts';
import { SavedReader } from '../devices/saved.ts';
import type { Uart16550 } from '../devices/uart16550.ts';
import { HART_STATE, type HartState, type SbiPorts } from '../sbi/extension.ts';
import { keepRegisters } from '../sbi/kept-registers.ts';
import { SupervisorBinaryInterface } from '../sbi/sbi.ts';
import type { ConsoleOutput } from './console.ts';
import { ramRange } from './loaders.ts';
import type { RunLoop } from './run-loop.ts';

export interface ParavirtualParts {
  readonly memory: GuestMemory;
  readonly group: HartGroup;
  readonly loop: RunLoop;
  readonly exits: ExitSink;
  readonly nowNs: () => number;
  readonly uart: Uart16550;
  readonly console: ConsoleOutput;
  /** Whether harts have an extension, by its lower-case name. */
  has(extension: string): boolean;
  system(what: 'shutdown' | 'reboot', failed: boolean): void;
  systemSuspended(): void;
}

const MIP = 0x344;
/** Pending interrupts that stand in the hart itself, rather than at the one that raises them. */
const OWN_PENDING = (1n << BigInt(INTERRUPT.SSIP)) | (1n << BigInt(INTERRUPT.LCOFIP));

/** Where a hart in a non-retentive suspension continues (SBI 3.0, "Hart suspend"). */
interface Resume {
  readonly pc: bigint;
  readonly opaque: bigint;
}

/** The built-in SBI and the hart states that it keeps. The console is the UART's line, as OpenSBI has it. */
export class Paravirtual implements Snapshottable {
  readonly #parts: ParavirtualParts;
  readonly #states: HartState[];
  readonly #resume: (Resume | undefined)[];
  /** By hart: instructions it had executed when time last passed for all. */
  readonly #accounted: number[];
  readonly #sbi: SupervisorBinaryInterface;

  constructor(parts: ParavirtualParts, harts: readonly Hart[]) {
    this.#parts = parts;
    this.#states = harts.map(() => HART_STATE.stopped);
    this.#resume = harts.map(() => undefined);
    this.#accounted = harts.map(() => 0);
    this.#sbi = new SupervisorBinaryInterface(this.#ports(harts));
    this.reset();
  }

  call(hart: number): 'done' | 'stop' {
    return this.#sbi.call(hart);
  }

  /** Power-on: hart 0 is started, the others wait for `hart_start`. */
  reset(): void {
    this.#states.fill(HART_STATE.stopped);
    this.#states[0] = HART_STATE.started;
    this.#resume.fill(undefined);
    this.#accounted.fill(0);
    for (const hart of this.#states.keys()) this.#sbi.resetHart(hart);
  }

  /**
   * Virtual time went where the host's clock is, while all harts wait. If they had been executing until then, the host was
   * slower than they: that time was stolen, from each by its share of what was executed. Otherwise they only waited.
   */
  timePassed(nanoseconds: number): void {
    const { harts } = this.#parts.group;
    const executed = harts.map(({ retired, trapped }) => retired + trapped);
    const own = executed.map((count, hart) => count - this.#accounted[hart]!);
    const total = own.reduce((sum, count) => sum + count, 0);
    for (const [hart, count] of own.entries()) {
      this.#accounted[hart] = executed[hart]!;
      if (count > 0) this.#sbi.stolen(hart, BigInt(Math.floor((nanoseconds * count) / total)));
    }
  }

  save(): Saved {
    return {
      version: 1,
      states: [...this.#states],
      // Where a hart continues: its pc and its argument, nothing for one that goes on where it stands.
      resume: this.#resume.map((resume) => (resume === undefined ? [] : [resume.pc, resume.opaque])),
      accounted: [...this.#accounted],
      extensions: this.#sbi.save(),
    };
  }

  restore(saved: Saved): void {
    const from = new SavedReader(saved, 'the SBI', 1);
    const states = from.numbers('states', this.#states.length);
    const resume: unknown = saved['resume'];
    const isWhole =
      states.every((state) => Object.values(HART_STATE).some((known) => known === state)) &&
      Array.isArray(resume) &&
      resume.length === states.length &&
      resume.every(isResume);
    if (!isWhole) throw new VmError('bad-file', "saved state of the SBI: a hart's state is unknown");
    this.#sbi.restore(from.section('extensions'));
    const accounted = from.numbers('accounted', this.#accounted.length);
    for (const [hart, count] of accounted.entries()) this.#accounted[hart] = count;
    for (const [hart, state] of states.entries()) {
      const [pc, opaque] = resume[hart] as readonly bigint[];
      this.#states[hart] = state as HartState;
      this.#resume[hart] = pc === undefined || opaque === undefined ? undefined : { pc, opaque };
    }
  }

  isHalted(hart: number): boolean {
    return this.#states[hart] === HART_STATE.stopped;
  }

  /** A waiting hart woke; if it was suspended, it may start anew. */
  resumed(hart: number): void {
    if (this.#states[hart] !== HART_STATE.suspended) return;
    this.#states[hart] = HART_STATE.started;
    const resume = this.#resume[hart];
    if (resume === undefined) return;
    this.#resume[hart] = undefined;
    // What woke it stays pending, as it does under OpenSBI: the supervisor looks once it has its own context back.
    const core = this.#parts.group.harts[hart]!;
    const pending = core.readCsr(MIP)! & OWN_PENDING;
    const deadline = core.supervisorTimer;
    const putBack = keepRegisters(core);
    this.#enter(hart, resume);
    putBack();
    core.writeCsr(MIP, pending);
    core.supervisorTimer = deadline;
  }

  #enter(hart: number, { pc, opaque }: Resume): void {
    this.#parts.group.harts[hart]!.enterSupervisor({ pc, a0: BigInt(hart), a1: opaque });
  }

  #ports(harts: readonly Hart[]): SbiPorts {
    const { memory, exits, nowNs, console, uart, group, loop } = this.#parts;
    return {
      harts,
      exits,
      nowNs,
      has: (extension) => this.#parts.has(extension),
      consoleWrite: (byte) => console.write(byte),
      consoleRead: () => uart.takeReceived(),
      ram: (address, length) => ramRange(memory, address, length),
      ramChanged: (address, length) => group.codeChanged(Number(address), length),
      hartState: (hart) => this.#states[hart]!,
      startHart: (hart, pc, opaque) => {
        this.#states[hart] = HART_STATE.started;
        this.#enter(hart, { pc, opaque });
        this.#sbi.resetHart(hart);
        loop.setActivity(hart, 'running');
      },
      stopHart: (hart) => {
        this.#states[hart] = HART_STATE.stopped;
        loop.setActivity(hart, 'halted');
        harts[hart]!.requestYield();
      },
      suspendHart: (hart, resume) => {
        this.#states[hart] = HART_STATE.suspended;
        this.#resume[hart] = resume;
        loop.setActivity(hart, 'waiting');
        harts[hart]!.requestYield();
      },
      system: (what, failed) => this.#parts.system(what, failed),
      systemSuspended: () => this.#parts.systemSuspended(),
    };
  }
}

const isResume = (value: unknown): boolean =>
  Array.isArray(value) &&
  (value.length === 0 || value.length === 2) &&
  value.every((item) => typeof item === 'bigint');
