import { VmError } from '../base/vm-error.ts';
import type { Saved, Snapshottable } from '../contracts/device.ts';
import { SavedReader } from '../contracts/saved.ts';
import {
  type FirmwareEvent,
  failed,
  functions,
  ok,
  SBI,
  type SbiCall,
  type SbiExtension,
  type SbiPorts,
  type SbiResult,
} from './extension.ts';
import { FIRMWARE_COUNTERS, PmuCounters, type SavedCounters } from './pmu-counters.ts';
import { eventOf, isEventIndex, type PmuEvent } from './pmu-events.ts';
import { isDisabling, type SharedMemoryRequest, sharedMemoryError, sharedView } from './shared-memory.ts';

/** Flags of `counter_config_matching`; from `FILTERS` on five filters follow. */
const CONFIGURE = { skipMatch: 1n, clearValue: 2n, autoStart: 4n, all: 0xffn } as const;
const FILTERS_SHIFT = 3n;
const START = { setInitialValue: 1n, fromSnapshot: 2n, all: 3n } as const;
const STOP = { reset: 1n, takeSnapshot: 2n, all: 3n } as const;

/** counter_info: the CSR in bits 11 to 0, one less than the width from bit 12 on, the type on top. */
const WIDTH = 64n - 1n;
const INFO_WIDTH_SHIFT = 12n;
const INFO_FIRMWARE = 1n << 63n;

/** Snapshot memory: bits of overflown counters, then the values of 64 counters. */
const SNAPSHOT = { bytes: 4096n, overflows: 0, values: 8 } as const;
/** An entry of `event_get_info`: index, output, data. */
const ENTRY = { bytes: 16n, index: 0, output: 4, data: 8 } as const;
/** As many as there are event indices; a caller that asks for more has lost its way. */
const ENTRIES_MAX = 1n << 20n;

/** The counters of a call: a base, and a mask above it. */
interface Selected {
  readonly counter: number;
  /** Its bit in the mask: the index in snapshots. */
  readonly index: number;
}

/**
 * The Performance Monitoring Unit extension (SBI 3.0, chapter 11). Programmable counters are chosen before fixed ones,
 * because only they overflow with an interrupt and heed privilege levels.
 */
export class Pmu implements Snapshottable {
  readonly extension: SbiExtension;
  readonly #ports: SbiPorts;
  readonly #harts: readonly PmuCounters[];
  /** By hart: address of its snapshot memory. */
  readonly #snapshots: (bigint | undefined)[];

  constructor(ports: SbiPorts) {
    this.#ports = ports;
    this.#harts = ports.harts.map((hart) => new PmuCounters(hart));
    this.#snapshots = ports.harts.map(() => undefined);
    const unsigned = (value: bigint): number => Number(BigInt.asUintN(32, value));
    this.extension = {
      id: 0x50_4d55n,
      name: 'PMU',
      functions: functions({
        0: ['num_counters', ({ hart }) => ok(this.#harts[hart]!.count)],
        1: ['counter_get_info', ({ hart, args }) => this.#info(hart, args[0]!)],
        2: ['counter_config_matching', (call) => this.#configure(call)],
        3: ['counter_start', (call) => this.#start(call)],
        4: ['counter_stop', (call) => this.#stop(call)],
        5: ['counter_fw_read', ({ hart, args }) => this.#readFirmware(hart, unsigned(args[0]!), false)],
        6: ['counter_fw_read_hi', ({ hart, args }) => this.#readFirmware(hart, unsigned(args[0]!), true)],
        7: ['snapshot_set_shmem', (call) => this.#setSnapshot(call)],
        8: ['event_get_info', (call) => this.#eventInfo(call)],
      }),
    };
  }

  /** A hart starts anew: what its supervisor before had set up is gone. */
  resetHart(hart: number): void {
    this.#harts[hart]!.reset();
    this.#snapshots[hart] = undefined;
  }

  happened(hart: number, event: FirmwareEvent): void {
    this.#harts[hart]!.happened(event);
  }

  save(): Saved {
    return {
      version: 1,
      snapshots: this.#snapshots.map((address) => address ?? -1n),
      harts: this.#harts.map((counters) => ({ version: 1, ...counters.save() })),
    };
  }

  restore(saved: Saved): void {
    const from = new SavedReader(saved, 'the PMU', 1);
    const harts = from.sections('harts', this.#harts.length);
    const snapshots = from.bigints('snapshots', this.#harts.length);
    const states = harts.map((hart, index) => readCounters(hart, this.#harts[index]!.count));
    for (const [hart, address] of snapshots.entries()) {
      const usable = address >= 0n && this.#ports.ram(address, SNAPSHOT.bytes) !== undefined;
      if (address >= 0n && !usable)
        throw new VmError('bad-file', 'saved state of the PMU: memory outside RAM');
      this.#snapshots[hart] = usable ? address : undefined;
      this.#harts[hart]!.restore(states[hart]!);
    }
  }

  #info(hart: number, index: bigint): SbiResult {
    const info = this.#harts[hart]!.info(Number(BigInt.asUintN(32, index)));
    if (info === undefined) return failed(SBI.invalidParameter);
    return ok(
      (info.kind === 'firmware' ? INFO_FIRMWARE : 0n) | (WIDTH << INFO_WIDTH_SHIFT) | BigInt(info.csr),
    );
  }

  #configure({ hart, args }: SbiCall): SbiResult {
    const [base, mask, flags, index, data] = args;
    const counters = this.#harts[hart]!;
    const selected = select(counters, base!, mask!);
    if (selected === undefined || (flags! & ~CONFIGURE.all) !== 0n) return failed(SBI.invalidParameter);
    const event = eventOf(index!, data!);
    if (event === undefined) return failed(SBI.notSupported);
    const able = selected.filter(({ counter }) => counters.canCount(counter, event));
    const found =
      (flags! & CONFIGURE.skipMatch) !== 0n
        ? able.find(({ counter }) => counter === selected[0]!.counter)
        : firstFree(counters, able);
    if (found === undefined) return failed(SBI.notSupported);
    const { counter } = found;
    counters.configure(counter, event, Number((flags! >> FILTERS_SHIFT) & 0x1fn));
    if ((flags! & CONFIGURE.clearValue) !== 0n) counters.write(counter, 0n);
    if ((flags! & CONFIGURE.autoStart) !== 0n) counters.start(counter, undefined);
    return ok(counter);
  }

  /** Starts all that can be started; one that runs already is an error, told at the end. */
  #start({ hart, args }: SbiCall): SbiResult {
    const [base, mask, flags, initial] = args;
    const counters = this.#harts[hart]!;
    const selected = select(counters, base!, mask!);
    // One value for a single counter, or the snapshot's for many: both at once make no sense.
    if (selected === undefined || (flags! & ~START.all) !== 0n || flags === START.all) {
      return failed(SBI.invalidParameter);
    }
    const isFromSnapshot = (flags! & START.fromSnapshot) !== 0n;
    const snapshot = this.#snapshotView(hart);
    if (isFromSnapshot && snapshot === undefined) return failed(SBI.noSharedMemory);
    let error: bigint = SBI.success;
    for (const { counter, index } of selected) {
      const value = isFromSnapshot
        ? snapshot!.getBigUint64(SNAPSHOT.values + index * 8, true)
        : (flags! & START.setInitialValue) !== 0n
          ? initial!
          : undefined;
      if (!counters.start(counter, value)) error = SBI.alreadyStarted;
    }
    return failed(error);
  }

  #stop({ hart, args }: SbiCall): SbiResult {
    const [base, mask, flags] = args;
    const counters = this.#harts[hart]!;
    const selected = select(counters, base!, mask!);
    if (selected === undefined || (flags! & ~STOP.all) !== 0n) return failed(SBI.invalidParameter);
    const snapshot = (flags! & STOP.takeSnapshot) === 0n ? null : this.#snapshotView(hart);
    if (snapshot === undefined) return failed(SBI.noSharedMemory);
    let error: bigint = SBI.success;
    let overflows = snapshot?.getBigUint64(SNAPSHOT.overflows, true) ?? 0n;
    for (const { counter, index } of selected) {
      const bit = 1n << BigInt(index);
      // Before a reset takes the counter's event away, and with it the mark that it overflowed.
      overflows = counters.overflowed(counter) ? overflows | bit : overflows & ~bit;
      if (!counters.stop(counter, (flags! & STOP.reset) !== 0n)) error = SBI.alreadyStopped;
      snapshot?.setBigUint64(SNAPSHOT.values + index * 8, counters.read(counter), true);
    }
    if (snapshot !== null) {
      snapshot.setBigUint64(SNAPSHOT.overflows, overflows, true);
      this.#ports.ramChanged(this.#snapshots[hart]!, Number(SNAPSHOT.bytes));
    }
    return failed(error);
  }

  /** Of 64 bits all stand in the low half where registers have as many. */
  #readFirmware(hart: number, counter: number, high: boolean): SbiResult {
    const counters = this.#harts[hart]!;
    if (counters.info(counter)?.kind !== 'firmware') return failed(SBI.invalidParameter);
    return ok(high ? 0n : counters.read(counter));
  }

  #setSnapshot({ ports, hart, args }: SbiCall): SbiResult {
    const [low, high, flags] = args;
    const request: SharedMemoryRequest = {
      low: low!,
      high: high!,
      flags: flags!,
      size: SNAPSHOT.bytes,
      alignment: SNAPSHOT.bytes,
    };
    const error = sharedMemoryError(ports, request);
    if (error !== undefined) return failed(error);
    this.#snapshots[hart] = isDisabling(request) ? undefined : low!;
    return ok();
  }

  #snapshotView(hart: number): DataView | undefined {
    const address = this.#snapshots[hart];
    return address === undefined ? undefined : sharedView(this.#ports, address, SNAPSHOT.bytes);
  }

  /** Says of each event in shared memory whether some counter can count it. */
  #eventInfo({ ports, hart, args }: SbiCall): SbiResult {
    const [low, high, count, flags] = args;
    if (count === 0n) return failed(SBI.invalidParameter);
    if (count! > ENTRIES_MAX) return failed(SBI.invalidAddress);
    const size = count! * ENTRY.bytes;
    const request = { low: low!, high: high!, flags: flags!, size, alignment: ENTRY.bytes };
    // All ones are no memory here: there is nothing to take back.
    const error = isDisabling(request) ? SBI.invalidParameter : sharedMemoryError(ports, request);
    if (error !== undefined) return failed(error);
    const view = sharedView(ports, low!, size);
    const starts = Array.from({ length: Number(count) }, (_, index) => index * Number(ENTRY.bytes));
    const index = (start: number): bigint => BigInt(view.getUint32(start + ENTRY.index, true));
    if (!starts.every((start) => isEventIndex(index(start)))) return failed(SBI.invalidParameter);
    for (const start of starts) {
      const event = eventOf(index(start), view.getBigUint64(start + ENTRY.data, true));
      view.setUint32(start + ENTRY.output, event !== undefined && this.#isCounted(hart, event) ? 1 : 0, true);
    }
    ports.ramChanged(low!, Number(size));
    return ok();
  }

  #isCounted(hart: number, event: PmuEvent): boolean {
    const counters = this.#harts[hart]!;
    for (let counter = 0; counter < counters.count; counter += 1) {
      if (counters.canCount(counter, event)) return true;
    }
    return false;
  }
}

/** The counters of a set; undefined when one of them does not exist (SBI 3.0, "Counter Start" and others). */
function select(counters: PmuCounters, base: bigint, mask: bigint): Selected[] | undefined {
  const selected: Selected[] = [];
  for (let index = 0; index < 64; index += 1) {
    if (((mask >> BigInt(index)) & 1n) === 0n) continue;
    if (base >= BigInt(counters.count)) return undefined;
    const counter = Number(base) + index;
    if (counters.info(counter) === undefined) return undefined;
    selected.push({ counter, index });
  }
  return selected;
}

function firstFree(counters: PmuCounters, able: readonly Selected[]): Selected | undefined {
  const free = able.filter(({ counter }) => counters.isFree(counter));
  return free.find(({ counter }) => counters.isProgrammable(counter)) ?? free[0];
}

function readCounters(saved: Saved, count: number): SavedCounters {
  const from = new SavedReader(saved, "the PMU's counters", 1);
  const started = from.numbers('started', { maximum: count });
  const events = from.numbers('events', count);
  const isIndex = (value: number): boolean => Number.isInteger(value) && value >= 0 && value < count;
  const isCode = (value: number): boolean => Number.isInteger(value) && value >= -1 && value <= 0xffff;
  if (!started.every(isIndex) || !events.every(isCode)) {
    throw new VmError('bad-file', 'saved state of the PMU: counters or events that there are not');
  }
  return { started, events, values: from.bigints('values', FIRMWARE_COUNTERS) };
}
