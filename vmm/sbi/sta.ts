import { VmError } from '../base/vm-error.ts';
import type { Saved, Snapshottable } from '../contracts/device.ts';
import { SavedReader } from '../contracts/saved.ts';
import {
  failed,
  functions,
  ok,
  type SbiCall,
  type SbiExtension,
  type SbiPorts,
  type SbiResult,
} from './extension.ts';
import { isDisabling, sharedMemoryError, sharedView } from './shared-memory.ts';

/** What is shared (SBI 3.0, "STA Shared Memory Structure"): sequence, flags, nanoseconds stolen, whether preempted now. */
const SHARED = { bytes: 64n, sequence: 0, steal: 8 } as const;

/**
 * The Steal-time Accounting extension (SBI 3.0, chapter 16): tells a supervisor how long its hart wanted to run and could
 * not. A hart's own clock is the steps that it does, and harts all advance alike; so nothing is stolen from it but by the
 * clock of the host, where time keeps pace with that one.
 */
export class StealTime implements Snapshottable {
  readonly extension: SbiExtension;
  readonly #ports: SbiPorts;
  /** By hart: where it wants to be told. */
  readonly #shared: (bigint | undefined)[];

  constructor(ports: SbiPorts) {
    this.#ports = ports;
    this.#shared = ports.harts.map(() => undefined);
    this.extension = {
      id: 0x53_5441n,
      name: 'STA',
      functions: functions({ 0: ['steal_time_set_shmem', (call) => this.#setSharedMemory(call)] }),
    };
  }

  resetHart(hart: number): void {
    this.#shared[hart] = undefined;
  }

  /** A hart could not run for so long while it wanted to. */
  stolen(hart: number, nanoseconds: bigint): void {
    const address = this.#shared[hart];
    if (address === undefined || nanoseconds === 0n) return;
    const view = sharedView(this.#ports, address, SHARED.bytes);
    // Odd while the time is being written, even before and behind; no hart runs in between, so that it is even at once.
    view.setUint32(SHARED.sequence, (view.getUint32(SHARED.sequence, true) + 2) & ~1, true);
    const total = view.getBigUint64(SHARED.steal, true) + nanoseconds;
    view.setBigUint64(SHARED.steal, BigInt.asUintN(64, total), true);
    this.#ports.ramChanged(address, Number(SHARED.bytes));
  }

  save(): Saved {
    return { version: 1, shared: this.#shared.map((address) => address ?? -1n) };
  }

  restore(saved: Saved): void {
    const shared = new SavedReader(saved, 'the steal time', 1).bigints('shared', this.#shared.length);
    const isUsable = (address: bigint): boolean =>
      address === -1n || (address >= 0n && this.#ports.ram(address, SHARED.bytes) !== undefined);
    if (!shared.every(isUsable))
      throw new VmError('bad-file', 'saved state of the steal time: memory outside RAM');
    for (const [hart, address] of shared.entries()) this.#shared[hart] = address < 0n ? undefined : address;
  }

  #setSharedMemory({ ports, hart, args }: SbiCall): SbiResult {
    const [low, high, flags] = args;
    const request = {
      low: low!,
      high: high!,
      flags: flags!,
      size: SHARED.bytes,
      alignment: SHARED.bytes,
    };
    const error = sharedMemoryError(ports, request);
    if (error !== undefined) return failed(error);
    if (isDisabling(request)) {
      this.#shared[hart] = undefined;
      return ok();
    }
    this.#shared[hart] = low!;
    ports.ram(low!, SHARED.bytes)!.fill(0);
    ports.ramChanged(low!, Number(SHARED.bytes));
    return ok();
  }
}
