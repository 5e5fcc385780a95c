import type { AccessSize, Device, RegisterDescription } from '../contracts/device.ts';
import type { ExitSink } from '../contracts/exits.ts';
import type { BusResult, MmioBus } from '../contracts/hart.ts';
import type { Region } from './memory-map.ts';

export interface BusOptions {
  readonly devices: readonly { readonly region: Region; readonly device: Device }[];
  readonly exits: ExitSink;
  /** A monotonic clock for handler times. */
  readonly nowNs: () => number;
}

/** Names of registers remembered by offset, so that a trace costs one look-up; PLIC and ECAM have more than a trace needs. */
const NAMES_MAX = 1024;

/** A device on the bus, with what the bus needs at hand as numbers. */
interface Mapping {
  readonly region: Region;
  readonly device: Device;
  readonly base: number;
  readonly end: number;
  readonly readNames: Map<number, string>;
  readonly writeNames: Map<number, string>;
}

/**
 * Guest-physical accesses outside RAM: finds the device and tells the exits of each access. 8-byte accesses
 * become two of 4, low half first, and are one exit.
 */
export class Bus implements MmioBus {
  value = 0n;
  readonly #mappings: readonly Mapping[];
  readonly #exits: ExitSink;
  readonly #nowNs: () => number;
  /** Accesses come in runs to one device. */
  #last: Mapping | undefined;

  constructor(options: BusOptions) {
    this.#exits = options.exits;
    this.#nowNs = options.nowNs;
    this.#mappings = options.devices.map(({ region, device }) => ({
      region,
      device,
      base: Number(region.base),
      end: Number(region.base) + region.size,
      readNames: new Map(),
      writeNames: new Map(),
    }));
  }

  read(hart: number, address: number, size: number): BusResult {
    const mapping = this.#find(address, size);
    if (mapping === undefined) return 'fault';
    if (
      this.#exits.watches('mmio', 'pre') &&
      this.#report(hart, 'pre', mapping, address, size, false, 0n, 0)
    ) {
      return 'stop';
    }
    this.#exits.count(hart, 'mmio');
    const timed = this.#exits.watches('mmio', 'post');
    // The name is taken before the access, which may change what answers here.
    const name = timed ? registerNameOf(mapping, address - mapping.base, false) : '';
    const start = timed ? this.#nowNs() : 0;
    this.value = readDevice(mapping.device, address - mapping.base, size);
    if (timed) {
      this.#report(hart, 'post', mapping, address, size, false, this.value, this.#nowNs() - start, name);
    }
    return 'ok';
  }

  write(hart: number, address: number, size: number, value: bigint): BusResult {
    const mapping = this.#find(address, size);
    if (mapping === undefined) return 'fault';
    if (
      this.#exits.watches('mmio', 'pre') &&
      this.#report(hart, 'pre', mapping, address, size, true, value, 0)
    ) {
      return 'stop';
    }
    this.#exits.count(hart, 'mmio');
    const timed = this.#exits.watches('mmio', 'post');
    const name = timed ? registerNameOf(mapping, address - mapping.base, true) : '';
    const start = timed ? this.#nowNs() : 0;
    writeDevice(mapping.device, address - mapping.base, size, value);
    if (timed) this.#report(hart, 'post', mapping, address, size, true, value, this.#nowNs() - start, name);
    return 'ok';
  }

  /** Bytes as a debugger sees them, without side effects; undefined at an address that nothing answers. */
  peek(address: number): number | undefined {
    const mapping = this.#find(address, 1);
    if (mapping === undefined) return undefined;
    const offset = address - mapping.base;
    // Registers wider than a byte answer whole accesses only.
    const width = accessWidth(findRegister(mapping.device, offset, false));
    const start = offset - (offset % width);
    return (mapping.device.peek(start, width) >>> (8 * (offset - start))) & 0xff;
  }

  #find(address: number, size: number): Mapping | undefined {
    const last = this.#last;
    if (last !== undefined && address >= last.base && address + size <= last.end) return last;
    const found = this.#mappings.find(({ base, end }) => address >= base && address + size <= end);
    if (found !== undefined) this.#last = found;
    return found;
  }

  /** True when a breakpoint said stop. */
  #report(
    hart: number,
    stage: 'pre' | 'post',
    mapping: Mapping,
    address: number,
    size: number,
    write: boolean,
    value: bigint,
    handlerNs: number,
    register = registerNameOf(mapping, address - mapping.base, write),
  ): boolean {
    const offset = address - mapping.base;
    const device = mapping.region.name;
    const exit = {
      kind: 'mmio',
      device,
      register,
      offset,
      address: BigInt(address),
      size,
      write,
      value,
    } as const;
    return this.#exits.report(hart, stage, exit, handlerNs) === 'stop';
  }
}

function readDevice(device: Device, offset: number, size: number): bigint {
  if (size !== 8) return BigInt(device.read(offset, size as AccessSize) >>> 0);
  const low = BigInt(device.read(offset, 4) >>> 0);
  return low | (BigInt(device.read(offset + 4, 4) >>> 0) << 32n);
}

function writeDevice(device: Device, offset: number, size: number, value: bigint): void {
  if (size !== 8) {
    device.write(offset, size as AccessSize, Number(BigInt.asUintN(8 * size, value)));
    return;
  }
  device.write(offset, 4, Number(value & 0xffff_ffffn));
  device.write(offset + 4, 4, Number((value >> 32n) & 0xffff_ffffn));
}

/** What stands at an offset, for names in traces: `claim1`, `priority[10]`, `+0x14` where nothing is described. */
function registerNameOf(mapping: Mapping, offset: number, write: boolean): string {
  const dynamic = mapping.device.registerName?.(offset, write);
  if (dynamic !== undefined) return dynamic;
  const names = write ? mapping.writeNames : mapping.readNames;
  let name = names.get(offset);
  if (name === undefined) {
    name = registerName(mapping.device, offset, write);
    if (names.size < NAMES_MAX) names.set(offset, name);
  }
  return name;
}

function registerName(device: Device, offset: number, write: boolean): string {
  const register = findRegister(device, offset, write);
  // One name for all such offsets: a guest that scans a region must not invent thousands.
  if (register === undefined) return 'reserved';
  if (register.count === undefined) return register.name;
  const stride = register.stride ?? register.size;
  return `${register.name}[${Math.floor((offset - register.offset) / stride)}]`;
}

/** The register description that covers an offset for reads or for writes. */
export function findRegister(
  device: Device,
  offset: number,
  write: boolean,
): RegisterDescription | undefined {
  const blocked = write ? 'read' : 'write';
  return device.registers.find((register) => {
    const stride = register.stride ?? register.size;
    const inside = offset - register.offset;
    if (register.access === blocked || inside < 0 || inside >= stride * (register.count ?? 1)) return false;
    return inside % stride < register.size;
  });
}

const accessWidth = (register: RegisterDescription | undefined): AccessSize =>
  register === undefined ? 1 : register.size === 8 ? 4 : register.size;
