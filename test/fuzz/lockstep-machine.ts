/** Runs lockstep programs: harts, memory and a device, cut into runs in any way, with everything logged that leaves them. */
import type { ExitSink } from '../../vmm/contracts/exits.ts';
import type { BusResult, Hart, HartGroup, HartPorts, HartReturn } from '../../vmm/contracts/hart.ts';
import type { GuestMemory } from '../../vmm/contracts/memory.ts';
import { createGuestMemory, createHartGroup, type HartGroupOptions } from '../../vmm/hart/index.ts';
import { highHalf, joinHalves, lowHalf } from '../../vmm/hart/state.ts';
import { DEFAULT_ISA } from '../../vmm/isa/extensions.ts';
import { parseIsa } from '../../vmm/isa/isa-text.ts';
import { CODE, DEVICE_OFFSET, PAGE, RAM_BASE, RAM_SIZE } from './lockstep-layout.ts';
import type { LockstepProgram, OutsideEvent, Turn } from './lockstep-programs.ts';

/** One thing that left the harts, with the hart's step: an exit, an access to the device, a call. */
export interface LogEntry {
  readonly hart: number;
  readonly step: number;
  readonly what: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** How a program is run; nothing of it may be seen in what the program does. */
export interface Cutting {
  /** The steps that the next run may take at most. */
  budget(machine: LockstepMachine): number;
  /** Addresses of breakpoints. */
  readonly breakpoints: ReadonlySet<bigint>;
  /** Whether the sink says stop to the report that comes now. */
  stops(): boolean;
}

export const WHOLE: Cutting = {
  budget: () => 2 ** 30,
  breakpoints: new Set(),
  stops: () => false,
};

export interface MachineOptions {
  readonly harts: number;
  readonly svade: boolean;
  readonly sbi: boolean;
  readonly translator?: HartGroupOptions['translator'];
}

/** Interrupt bits. */
const SSIP = 1;
const MSIP = 3;
const MTIP = 7;
const SEIP = 9;
const LINES = [MSIP, MTIP, SEIP, 11] as const;

const NEVER = Number.POSITIVE_INFINITY;
/** Bytes that are put back together: few enough that harts forget single instructions, not pages. */
const CHUNK = 64;

export class LockstepMachine {
  readonly memory: GuestMemory;
  readonly group: HartGroup;
  readonly log: LogEntry[] = [];
  /** Runs of the machine's harts since it was made that ended for each reason. */
  readonly returns: Record<HartReturn, number> = {
    budget: 0,
    wfi: 0,
    breakpoint: 0,
    'exit-stop': 0,
    yield: 0,
  };
  /** RAM as bytes. */
  readonly #bytes: Buffer;
  #program: LockstepProgram | undefined;
  #hasBreakpoints = false;
  #cutting: Cutting = WHOLE;
  #watches = false;
  #waiting: boolean[] = [];
  #timers: number[] = [];
  #events: OutsideEvent[][] = [];
  #deviceReads = 0;

  constructor({ harts, svade, sbi, translator }: MachineOptions) {
    this.memory = createGuestMemory({ ramBase: RAM_BASE, ramSize: RAM_SIZE, harts });
    const { ram } = this.memory;
    this.#bytes = Buffer.from(ram.buffer as unknown as ArrayBuffer, ram.byteOffset, ram.byteLength);
    const ports: HartPorts = {
      bus: this.#bus(),
      exits: this.#sink(),
      time: (hart) => BigInt(Math.floor(this.#hart(hart).steps / this.#stepsPerTick)),
      stepsAt: (_hart, ticks) => Number(ticks) * this.#stepsPerTick,
      ...(sbi ? { sbiCall: (hart: number) => this.#sbiCall(hart) } : {}),
    };
    this.group = createHartGroup({
      memory: this.memory,
      ports,
      isa: svade ? parseIsa('+svade,-svadu') : DEFAULT_ISA,
      ...(translator === undefined ? {} : { translator }),
    });
  }

  /** Puts the program and its image in place of whatever was there, and all is new. */
  load(program: LockstepProgram, image: Uint8Array, cutting: Cutting): void {
    this.memory.ram.set(image);
    this.group.forgetCode();
    this.#begin(program, cutting);
  }

  /** Puts memory back as the image has it and starts again; code that is the same stays decoded, and translated. */
  reload(program: LockstepProgram, image: Uint8Array, cutting: Cutting): void {
    for (let page = 0; page < RAM_SIZE; page += PAGE) {
      if (this.#isSame(image, page, PAGE)) continue;
      for (let at = page; at < page + PAGE; at += CHUNK) {
        if (!this.#isSame(image, at, CHUNK)) this.#write(at, image.subarray(at, at + CHUNK));
      }
    }
    this.#begin(program, cutting);
  }

  #isSame(image: Uint8Array, offset: number, length: number): boolean {
    return (
      Buffer.compare(
        this.#bytes.subarray(offset, offset + length),
        image.subarray(offset, offset + length),
      ) === 0
    );
  }

  #begin(program: LockstepProgram, cutting: Cutting): void {
    this.#program = program;
    this.#cutting = cutting;
    this.#watches = program.index % 2 === 0;
    this.log.length = 0;
    this.#deviceReads = 0;
    this.#waiting = program.harts.map(() => false);
    this.#timers = program.harts.map(() => NEVER);
    this.#events = program.harts.map((_, hart) => program.events.filter((event) => event.hart === hart));
    if (cutting.breakpoints.size > 0 || this.#hasBreakpoints) this.group.setBreakpoints(cutting.breakpoints);
    this.#hasBreakpoints = cutting.breakpoints.size > 0;
    for (const [index, start] of program.harts.entries()) {
      const hart = this.#hart(index);
      hart.reset({ pc: start.pc, privilege: 3, a0: 0n, a1: 0n });
      for (const [number, value] of start.csrs) hart.writeCsr(number, value);
      hart.setPrivilege(start.privilege);
      for (let register = 1; register < 32; register++) hart.setX(register, start.x[register]!);
      for (let register = 0; register < 32; register++) hart.setF(register, start.f[register]!);
    }
  }

  /** Saves the state of the harts and makes them forget it, with all code, before they take it over again. */
  saveAndRestore(): void {
    const { harts } = this.group;
    const states = harts.map((hart) => hart.save());
    const caches = this.group.save();
    this.group.forgetCode();
    for (const hart of harts) hart.reset({ pc: 0n, privilege: 3, a0: 1n, a1: 2n });
    for (const [index, hart] of harts.entries()) hart.restore(states[index]!);
    this.group.restore(caches);
  }

  hasSameMemory(other: LockstepMachine): boolean {
    return this.#bytes.equals(other.#bytes);
  }

  /** Runs a turn, in as many pieces as the cutting makes of it. */
  run({ hart: index, until }: Turn): void {
    const hart = this.#hart(index);
    let skip = false;
    while (hart.steps < until) {
      this.#applyDue(index);
      const limit = Math.min(until, this.#nextEvent(index));
      if (this.#waiting[index]) {
        if (!hart.wakes) {
          const timer = hart.timerDeadline > hart.steps ? hart.timerDeadline : NEVER;
          hart.skipSteps(Math.min(limit, timer) - hart.steps);
          continue;
        }
        this.#waiting[index] = false;
      }
      const why = hart.run(Math.min(limit - hart.steps, this.#cutting.budget(this)), skip);
      this.returns[why]++;
      this.#waiting[index] = hart.waits;
      skip = why === 'breakpoint' || why === 'exit-stop';
    }
  }

  #hart(index: number): Hart {
    return this.group.harts[index]!;
  }

  get #stepsPerTick(): number {
    return this.#program?.stepsPerTick ?? 1;
  }

  #nextEvent(hart: number): number {
    return Math.min(this.#events[hart]![0]?.step ?? NEVER, this.#timers[hart]!);
  }

  /** Does what is due from outside at the hart's present step. */
  #applyDue(index: number): void {
    const hart = this.#hart(index);
    const events = this.#events[index]!;
    while (events.length > 0 && events[0]!.step <= hart.steps) this.#apply(hart, events.shift()!);
    if (this.#timers[index]! <= hart.steps) {
      this.#timers[index] = NEVER;
      hart.setInterrupt(MTIP, true);
    }
  }

  #apply(hart: Hart, { what }: OutsideEvent): void {
    switch (what.kind) {
      case 'interrupt':
        hart.setInterrupt(what.bit, what.level);
        break;
      case 'memory':
        this.#write(what.offset, what.bytes);
        break;
      case 'flush':
        hart.flushTranslations();
        break;
    }
  }

  #write(offset: number, bytes: Uint8Array): void {
    this.memory.ram.set(bytes, offset);
    this.group.codeChanged(RAM_BASE + offset, bytes.length);
  }

  #note(hart: number, what: string, details: LogEntry['details']): void {
    this.log.push({ hart, step: this.#hart(hart).steps, what, details });
  }

  #sink(): ExitSink {
    return {
      count: (hart, kind) => this.#note(hart, 'count', { kind }),
      watches: () => this.#watches,
      report: (hart, stage, exit) => {
        this.#note(hart, stage, exit);
        return this.#cutting.stops() ? 'stop' : 'continue';
      },
    };
  }

  #bus(): HartPorts['bus'] {
    const machine = this;
    return {
      low: 0,
      high: 0,
      read(hart, address, size): BusResult {
        const register = registerAt(address, size);
        // Asking where nothing answers leaves no trace: the harts report it, and may ask again when resumed.
        if (register < 0 || register === 7) return 'fault';
        // Fetches come by two bytes, and come again when an instruction is resumed: such reads change nothing.
        if (size !== 2) {
          machine.#note(hart, 'read', { address, size });
          machine.#deviceReads++;
        }
        const count = size === 2 ? 1 : machine.#deviceReads;
        const value = BigInt.asUintN(8 * size, BigInt(count * 0x9e37 + register));
        this.low = lowHalf(value);
        this.high = highHalf(value);
        return 'ok';
      },
      write(hart, address, size, low, high): BusResult {
        const register = registerAt(address, size);
        if (register < 0 || register === 7) return 'fault';
        const value = BigInt.asUintN(8 * size, joinHalves(low, high));
        machine.#note(hart, 'write', { address, size, value });
        machine.#deviceWrite(hart, register, Number(value & 0xff_ffffn));
        return 'ok';
      },
    };
  }

  #deviceWrite(index: number, register: number, value: number): void {
    const hart = this.#hart(index);
    const { harts } = this.group;
    switch (register) {
      case 0:
        for (const line of LINES) hart.setInterrupt(line, false);
        return;
      case 1:
        // An interrupt between processors, its own included.
        harts[(value >> 1) % harts.length]!.setInterrupt(MSIP, (value & 1) === 0);
        return;
      case 2:
        this.#timers[index] = hart.steps + 1 + (value & 63);
        hart.requestYield();
        return;
      case 3:
        // The device writes to memory, to code as well.
        this.#write(CODE.offset + 8 * (value & 0x7ff), Uint8Array.of(value >> 16, value >> 8, 0, 0));
        return;
      case 4:
        for (const other of harts) other.flushTranslations();
        return;
      case 5:
        hart.requestYield();
        return;
      case 6:
        hart.setInterrupt(SEIP, (value & 1) === 0);
        return;
    }
  }

  #sbiCall(index: number): 'done' {
    const hart = this.#hart(index);
    const { harts } = this.group;
    const fn = Number(hart.getX(17) & 3n);
    this.#note(index, 'call', { fn });
    switch (fn) {
      case 0:
        for (const other of harts) other.flushTranslations();
        break;
      case 1:
        harts[(index + 1) % harts.length]!.setInterrupt(SSIP, true);
        break;
      case 2:
        hart.writeCsr(0x14d, BigInt(hart.steps) + (hart.getX(10) & 0xffn));
        break;
      default:
        hart.requestYield();
    }
    hart.setX(10, 0n);
    hart.setX(11, BigInt(hart.steps));
    return 'done';
  }
}

/** Number of the device's register, -1 for no register. */
function registerAt(address: number, size: number): number {
  const offset = address - RAM_BASE - DEVICE_OFFSET;
  return offset >= 0 && offset < 64 && offset % size === 0 ? offset >> 3 : -1;
}
