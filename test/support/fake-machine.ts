import { hartId, physical, virtual } from '../../vmm/base/brands.ts';
import { VmError } from '../../vmm/base/vm-error.ts';
import type { DeviceInput } from '../../vmm/contracts/device-input.ts';
import type { Hart } from '../../vmm/contracts/hart.ts';
import type { InputLogEntry, Machine, MachinePorts, MachineReturn } from '../../vmm/contracts/machine.ts';
import type { GuestMemory } from '../../vmm/contracts/memory.ts';
import type { ExitRecord } from '../../vmm/protocol/exits.ts';
import {
  type ExitBreakpoint,
  type VmConfig,
  type VmConfigInput,
  type VmEnd,
  vmConfigSchema,
} from '../../vmm/protocol/messages.ts';

/** What a fake guest does with a slice of at most `maxSteps`. */
export type GuestScript = (machine: FakeMachine, maxSteps: number) => MachineReturn;

/** A guest that computes for ever. */
export const busyGuest: GuestScript = (machine, maxSteps) => {
  machine.steps += BigInt(maxSteps);
  machine.instructions += BigInt(maxSteps);
  return { kind: 'budget' };
};

const RAM_BASE = 0x8000_0000n;

/** A `Machine` whose guest is a function, for tests of what runs machines. */
export class FakeMachine implements Machine {
  readonly config: VmConfig;
  readonly ports: MachinePorts;
  readonly harts: readonly Hart[];
  readonly calls: string[] = [];
  readonly inputLog: InputLogEntry[] = [];
  readonly ram = new Uint8Array(1 << 16);
  readonly deviceTree = { data: new Uint8Array(0), address: physical(0) };
  readonly tiers = { interpreter: 0, translator: 0 };
  readonly records: ExitRecord[] = [];
  script: GuestScript;
  steps = 0n;
  instructions = 0n;
  end: VmEnd | null = null;
  exitBreakpoints: readonly ExitBreakpoint[] = [];
  breakpoints: ReadonlySet<bigint> = new Set();

  constructor(ports: MachinePorts, script: GuestScript = busyGuest, config: VmConfigInput = {}) {
    this.ports = ports;
    this.script = script;
    this.config = vmConfigSchema.parse(config);
    this.harts = Array.from({ length: this.config.harts }, (_, index) => fakeHart(index, this));
  }

  get traced(): number {
    return this.records.length;
  }

  run(maxSteps: number): MachineReturn {
    const result = this.script(this, maxSteps);
    if (result.kind === 'end') this.end = result.end;
    return result;
  }

  caughtInTraps(): undefined {}

  waiting(): boolean {
    return false;
  }

  beginStep(): void {
    this.calls.push('beginStep');
  }

  passStop(): void {}

  cancelStep(): void {
    this.calls.push('cancelStep');
  }

  reset(): void {
    this.steps = 0n;
    this.end = null;
  }

  /** Only what it says of its pages is asked for. */
  readonly memory = { pages: { presentCount: 3 } } as unknown as GuestMemory;

  readonly sections: readonly string[] = [];

  save(): Record<string, never> {
    return {};
  }

  restore(): void {}

  advanceIdle(steps: bigint): void {
    this.steps += steps;
    this.inputLog.push({ kind: 'time', step: this.steps, position: this.steps, advanceSteps: steps });
  }

  consoleInput(data: Uint8Array): void {
    this.inputLog.push({ kind: 'console', step: this.steps, position: this.steps, data });
  }

  deviceInput(device: number, input: DeviceInput): number {
    this.inputLog.push({ kind: 'device', step: this.steps, position: this.steps, device, input });
    return 1;
  }

  readMemory(_hart: number, address: bigint, length: number): Uint8Array {
    if (address < RAM_BASE) return new Uint8Array(0);
    return this.ram.slice(Number(address - RAM_BASE), Number(address - RAM_BASE) + length);
  }

  writeMemory(_hart: number, address: bigint, data: Uint8Array): number {
    this.ram.set(data, Number(address - RAM_BASE));
    return data.length;
  }

  writeRegister(_hart: number, register: string): boolean {
    return register === 'pc';
  }

  writeCsr(): boolean {
    return false;
  }

  devices(): [] {
    return [];
  }

  setBreakpoints(addresses: ReadonlySet<bigint>): void {
    this.breakpoints = addresses;
  }

  checkExitBreakpoint(breakpoint: ExitBreakpoint): void {
    if (breakpoint.condition === 'bad') throw new VmError('bad-condition', 'expected a field', 1);
  }

  setExitBreakpoints(breakpoints: readonly ExitBreakpoint[]): void {
    this.exitBreakpoints = breakpoints;
  }

  trace(after: number, limit: number): { records: ExitRecord[]; dropped: number; next: number } {
    const records = this.records.slice(after, after + limit);
    return { records, dropped: 0, next: after + records.length };
  }

  exitStats(): { counts: []; detail: [] } {
    return { counts: [], detail: [] };
  }
}

/** A hart that stands still: registers hold their own number. */
function fakeHart(index: number, machine: FakeMachine): Hart {
  const hart: Hart = {
    id: hartId(index),
    run: () => 'budget',
    requestYield: () => {},
    get steps() {
      return Number(machine.steps);
    },
    get retired() {
      return Number(machine.steps);
    },
    trapped: 0,
    skipSteps: () => {},
    reset: () => {},
    enterSupervisor: () => {},
    setInterrupt: () => {},
    wakes: false,
    waits: false,
    supervisorTimer: 0n,
    timerDeadline: Number.POSITIVE_INFINITY,
    getPc: () => virtual(RAM_BASE),
    setPc: () => {},
    getPrivilege: () => 3,
    setPrivilege: () => {},
    getX: (register) => BigInt(register),
    setX: () => {},
    getF: (register) => BigInt(register),
    setF: () => {},
    readCsr: (number) => (number === 0x300 ? 0x1800n : undefined),
    writeCsr: () => false,
    walk: (address) => ({ mode: 'Bare', address, levels: [], physical: address }),
    translate: (address) => physical(address),
    flushTranslations: () => {},
    save: () => ({ version: 1 }),
    restore: () => {},
  };
  return hart;
}
