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
  low = 0;
  high = 0;
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
    if (this.#exits.watches('mmio', 'pre')) {
      const access = { mapping, address, size, write: false, value: 0n };
      if (this.#report(hart, 'pre', access, 0, nameOf(access)) === 'stop') return 'stop';
    }
    this.#exits.count(hart, 'mmio');
    if (this.#exits.watches('mmio', 'post')) this.#readWatched(hart, mapping, address, size);
    else this.#readDevice(mapping, address, size);
    return 'ok';
  }

  write(hart: number, address: number, size: number, low: number, high: number): BusResult {
    const mapping = this.#find(address, size);
    if (mapping === undefined) return 'fault';
    if (this.#exits.watches('mmio', 'pre')) {
      const access = { mapping, address, size, write: true, value: unsigned(size, low, high) };
      if (this.#report(hart, 'pre', access, 0, nameOf(access)) === 'stop') return 'stop';
    }
    this.#exits.count(hart, 'mmio');
    if (this.#exits.watches('mmio', 'post')) this.#writeWatched(hart, mapping, address, size, low, high);
    else writeDevice(mapping, address, size, low, high);
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

  #readWatched(hart: number, mapping: Mapping, address: number, size: number): void {
    const access = { mapping, address, size, write: false, value: 0n };
    // The name is taken before the access, which may change what answers here.
    const name = nameOf(access);
    const start = this.#nowNs();
    this.#readDevice(mapping, address, size);
    const elapsed = this.#nowNs() - start;
    this.#report(hart, 'post', { ...access, value: unsigned(size, this.low, this.high) }, elapsed, name);
  }

  #writeWatched(
    hart: number,
    mapping: Mapping,
    address: number,
    size: number,
    low: number,
    high: number,
  ): void {
    const access = { mapping, address, size, write: true, value: unsigned(size, low, high) };
    const name = nameOf(access);
    const start = this.#nowNs();
    writeDevice(mapping, address, size, low, high);
    this.#report(hart, 'post', access, this.#nowNs() - start, name);
  }

  #readDevice({ device, base }: Mapping, address: number, size: number): void {
    const offset = address - base;
    if (size === 8) {
      this.low = device.read(offset, 4);
      this.high = device.read(offset + 4, 4);
    } else {
      this.low = device.read(offset, size as AccessSize);
      this.high = 0;
    }
  }

  #report(
    hart: number,
    stage: 'pre' | 'post',
    { mapping, address, size, write, value }: Access,
    handlerNs: number,
    register: string,
  ): 'continue' | 'stop' {
    const device = mapping.region.name;
    const offset = address - mapping.base;
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
    return this.#exits.report(hart, stage, exit, handlerNs);
  }
}

/** An access that someone watches. */
interface Access {
  readonly mapping: Mapping;
  readonly address: number;
  readonly size: number;
  readonly write: boolean;
  readonly value: bigint;
}

/** The unsigned value of `size` bytes in two words. */
function unsigned(size: number, low: number, high: number): bigint {
  const value = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
  return BigInt.asUintN(8 * size, value);
}

const SIZE_MASKS: Readonly<Record<AccessSize, number>> = { 1: 0xff, 2: 0xffff, 4: 0xffff_ffff };

function writeDevice(
  { device, base }: Mapping,
  address: number,
  size: number,
  low: number,
  high: number,
): void {
  const offset = address - base;
  if (size === 8) {
    device.write(offset, 4, low >>> 0);
    device.write(offset + 4, 4, high >>> 0);
  } else {
    device.write(offset, size as AccessSize, (low & SIZE_MASKS[size as AccessSize]) >>> 0);
  }
}

const nameOf = ({ mapping, address, write }: Access): string =>
  registerNameOf(mapping, address - mapping.base, write);

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
