import { hex, physical, virtual } from '../base/brands.ts';
import { VmError } from '../base/vm-error.ts';
import type { DeviceInput } from '../contracts/device-input.ts';
import { type Hart, PRIVILEGE } from '../contracts/hart.ts';
import type { Machine, StepRequest } from '../contracts/machine.ts';
import type { VmMethod, VmRequest } from '../contracts/worker.ts';
import type {
  CsrValue,
  DeviceConfig,
  ExitBreakpoint,
  ParsedParams,
  Registers,
  Results,
  SavedSnapshot,
  StopInfo,
  VmConfig,
  VmInfo,
} from '../protocol/messages.ts';

export type ExitBreakpointResults = Results['vm.setExitBreakpoints']['results'];

/** What requests act on: the machine, and how it runs. */
export interface VmSubject {
  readonly machine: Machine;
  readonly info: VmInfo;
  readonly stop: StopInfo | null;
  /** The name of a CSR, if it has one. */
  csrName(number: number): string | undefined;
  resume(): void;
  pause(): void;
  reset(): void;
  save(file: string, incremental: boolean): SavedSnapshot;
  restore(file: string): void;
  step(request: StepRequest): void;
  consoleInput(data: Uint8Array): void;
  deviceInput(device: number, input: DeviceInput): number;
  setExitBreakpoints(breakpoints: readonly ExitBreakpoint[]): ExitBreakpointResults;
}

/** Answers one request at a slice boundary. Throws `VmError` when it cannot be done. */
export function answer<M extends VmMethod>(
  subject: VmSubject,
  request: Extract<VmRequest, { method: M }>,
): Results[M] {
  const handler: Handler<M> = HANDLERS[request.method as M];
  return handler(subject, request.params as ParsedParams<M>);
}

type Handler<M extends VmMethod> = (subject: VmSubject, params: ParsedParams<M>) => Results[M];

const HANDLERS: { readonly [M in VmMethod]: Handler<M> } = {
  'vm.state': ({ info, stop }) => ({ info, stop }),
  'vm.resume': (subject) => {
    subject.resume();
    return {};
  },
  'vm.pause': (subject) => {
    subject.pause();
    return {};
  },
  'vm.reset': (subject) => {
    subject.reset();
    return {};
  },
  'vm.save': (subject, { file, incremental }) => subject.save(file, incremental),
  'vm.restore': (subject, { file }) => {
    subject.restore(file);
    return { info: subject.info, stop: subject.stop };
  },
  'vm.step': (subject, { hart, mode, ranges, returnTo }) => {
    findHart(subject.machine, hart);
    if (mode === 'out' && returnTo === undefined) {
      throw new VmError('bad-request', "vm.step: returnTo is needed with mode 'out'");
    }
    subject.step({ hart, mode, ranges, ...(returnTo && { returnTo }) });
    return {};
  },
  'vm.registers': ({ machine }, params) => registers(machine, params.hart),
  'vm.writeRegister': ({ machine }, { hart, register, value }) => {
    findHart(machine, hart);
    if (!machine.writeRegister(hart, register, value)) {
      throw new VmError('bad-request', `a hart has no register '${register}' that takes ${hex(value)}`);
    }
    return {};
  },
  'vm.csrs': (subject, { hart, numbers }) => ({ csrs: csrs(subject, hart, numbers) }),
  'vm.writeCsr': ({ machine }, params) => {
    const hart = findHart(machine, params.hart);
    if (!machine.writeCsr(params.hart, params.number, params.value)) throw noSuchCsr(params.number);
    return { value: hart.readCsr(params.number) ?? params.value };
  },
  'vm.readMemory': ({ machine }, { hart, address, length, space }) => {
    findHart(machine, hart);
    const data = machine.readMemory(hart, address, length, space);
    return { data, unreadable: length - data.length };
  },
  'vm.writeMemory': ({ machine }, { hart, address, data, space }) => {
    findHart(machine, hart);
    return { written: machine.writeMemory(hart, address, data, space) };
  },
  'vm.walk': ({ machine }, { hart, address, root, access }) =>
    findHart(machine, hart).walk(virtual(address), {
      ...(access && { access }),
      ...(root !== undefined && { root: physical(root) }),
    }),
  'vm.setBreakpoints': ({ machine }, { addresses }) => {
    machine.setBreakpoints(new Set(addresses));
    return {};
  },
  'vm.setExitBreakpoints': (subject, { breakpoints }) => ({
    results: subject.setExitBreakpoints(breakpoints),
  }),
  'vm.trace': ({ machine }, { after, limit, filter }) => machine.trace(after, limit, filter),
  'vm.exitStats': ({ machine }) => machine.exitStats(),
  'vm.devices': ({ machine }, { values }) => ({ devices: machine.devices(values) }),
  'vm.consoleWrite': (subject, { data }) => {
    subject.consoleInput(data);
    return {};
  },
  'vm.sendEvents': (subject, { device, events }) => {
    const place = placeOf(subject.machine.config, device);
    return { taken: subject.deviceInput(place, { kind: 'events', events }) > 0 };
  },
  'vm.setBalloon': (subject, { bytes }) => {
    const pages = Math.floor(bytes / BALLOON_PAGE_BYTES);
    subject.deviceInput(placeOf(subject.machine.config, 'balloon'), { kind: 'balloon', pages });
    return {};
  },
};

/** Whatever the guest's own pages are (virtio 1.2, section 5.5.6). */
const BALLOON_PAGE_BYTES = 4096;

/** The place of the first device of a type: disks and the network card come first. @throws VmError `bad-request` when there is none. */
function placeOf({ drives = [], net, devices = [] }: VmConfig, type: DeviceConfig['type']): number {
  const index = devices.findIndex((device) => device.type === type);
  if (index < 0) throw new VmError('bad-request', `the machine has no ${type}: its configuration names none`);
  return drives.length + (net === undefined ? 0 : 1) + index;
}

function findHart(machine: Machine, index: number): Hart {
  const hart = machine.harts[index];
  if (hart === undefined) {
    throw new VmError(
      'no-such-hart',
      `there is no hart ${index}; the machine has ${machine.harts.length}, from 0`,
    );
  }
  return hart;
}

const LETTER = { [PRIVILEGE.U]: 'U', [PRIVILEGE.S]: 'S', [PRIVILEGE.M]: 'M' } as const;

/** A hart's registers as the protocol tells them. @throws VmError `no-such-hart`. */
export function registers(machine: Machine, index: number): Registers {
  const hart = findHart(machine, index);
  const all = (read: (register: number) => bigint) =>
    Array.from({ length: 32 }, (_, register) => read(register));
  return {
    pc: hart.getPc(),
    privilege: LETTER[hart.getPrivilege()],
    x: all((register) => hart.getX(register)),
    f: all((register) => hart.getF(register)),
    steps: hart.steps,
    waiting: machine.waiting(index),
  };
}

/** CSR addresses are 12 bits (RISC-V privileged, "CSR Address Mapping Conventions"). */
const CSR_COUNT = 4096;

function csrs(
  subject: VmSubject,
  index: number,
  numbers: readonly number[] = Array.from({ length: CSR_COUNT }, (_, number) => number),
): CsrValue[] {
  const hart = findHart(subject.machine, index);
  return numbers.flatMap((number) => {
    const value = hart.readCsr(number);
    return value === undefined ? [] : [{ number, name: subject.csrName(number) ?? hex(number, 3), value }];
  });
}

function noSuchCsr(number: number): VmError {
  return new VmError('bad-request', `the hart has no CSR ${hex(number, 3)}`);
}
