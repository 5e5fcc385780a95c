import type { ExitSink } from '../contracts/exits.ts';
import { type Hart, type HartGroup, INTERRUPT } from '../contracts/hart.ts';
import type { GuestMemory } from '../contracts/memory.ts';
import type { Uart16550 } from '../devices/uart16550.ts';
import { HART_STATE, type HartState, type SbiPorts } from '../sbi/extension.ts';
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
  system(what: 'shutdown' | 'reboot', failed: boolean): void;
}

const MIP = 0x344;

/** Where a hart in a non-retentive suspension continues (SBI 2.0, "Hart suspend"). */
interface Resume {
  readonly pc: bigint;
  readonly opaque: bigint;
}

/** The built-in SBI and the hart states that it keeps. The console is the UART's line, as OpenSBI has it. */
export class Paravirtual {
  readonly #parts: ParavirtualParts;
  readonly #states: HartState[];
  readonly #resume: (Resume | undefined)[];
  readonly #sbi: SupervisorBinaryInterface;

  constructor(parts: ParavirtualParts, harts: readonly Hart[]) {
    this.#parts = parts;
    this.#states = harts.map(() => HART_STATE.stopped);
    this.#resume = harts.map(() => undefined);
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
    const interrupted = (core.readCsr(MIP)! & (1n << BigInt(INTERRUPT.SSIP))) !== 0n;
    const deadline = core.supervisorTimer;
    this.#enter(hart, resume);
    core.setInterrupt(INTERRUPT.SSIP, interrupted);
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
      consoleWrite: (byte) => console.write(byte),
      consoleRead: () => uart.takeReceived(),
      ram: (address, length) => ramRange(memory, address, length),
      ramChanged: (address, length) => group.codeChanged(Number(address), length),
      hartState: (hart) => this.#states[hart]!,
      startHart: (hart, pc, opaque) => {
        this.#states[hart] = HART_STATE.started;
        this.#enter(hart, { pc, opaque });
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
    };
  }
}
