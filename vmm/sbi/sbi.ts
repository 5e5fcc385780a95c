import type { Saved, Snapshottable } from '../contracts/device.ts';
import type { Hart } from '../contracts/hart.ts';
import { SavedReader } from '../contracts/saved.ts';
import type { VmExit } from '../protocol/exits.ts';
import { baseExtension } from './base.ts';
import { dbcnExtension } from './dbcn.ts';
import { type FirmwareEvent, SBI, type SbiCall, type SbiExtension, type SbiPorts } from './extension.ts';
import { FirmwareFeatures } from './fwft.ts';
import { hsmExtension } from './hsm.ts';
import { ipiExtension } from './ipi.ts';
import { LEGACY_CALLS } from './legacy.ts';
import { Pmu } from './pmu.ts';
import { rfenceExtension } from './rfence.ts';
import { srstExtension } from './srst.ts';
import { StealTime } from './sta.ts';
import { suspExtension } from './susp.ts';
import { timeExtension } from './time.ts';

/** Registers of a call (SBI 3.0, "Binary Encoding"): a0 to a5 arguments, a6 function, a7 extension. */
const A0 = 10;
const A1 = 11;
const A6 = 16;
const A7 = 17;

type SbiExit = Extract<VmExit, { kind: 'sbi' }>;

/** A call found in the tables, or why there is none. */
interface Target {
  readonly ext: string;
  readonly fn: number;
  readonly function: string;
  /** A legacy call returns nothing in a1. */
  readonly legacy: boolean;
  run(): { readonly error: bigint; readonly value: bigint };
}

/**
 * The supervisor binary interface of a machine without firmware (RISC-V SBI 3.0): each `ecall` of the
 * supervisor comes here and is one exit.
 */
export class SupervisorBinaryInterface implements Snapshottable {
  readonly #ports: SbiPorts;
  readonly #pmu: Pmu;
  readonly #features: FirmwareFeatures;
  readonly #stealTime: StealTime;
  readonly #extensions: ReadonlyMap<bigint, SbiExtension>;

  constructor(ports: SbiPorts) {
    this.#ports = ports;
    const base = baseExtension((id) => this.#extensions.has(id) || LEGACY_CALLS.has(id));
    this.#pmu = new Pmu(ports);
    this.#features = new FirmwareFeatures(ports);
    this.#stealTime = new StealTime(ports);
    const extensions = [
      base,
      timeExtension,
      ipiExtension,
      rfenceExtension,
      hsmExtension,
      srstExtension,
      this.#pmu.extension,
      dbcnExtension,
      suspExtension,
      this.#stealTime.extension,
      this.#features.extension,
    ];
    this.#extensions = new Map(extensions.map((extension) => [extension.id, extension]));
  }

  /** A hart is at its reset state: what was set up for it is gone, as after a `hart_start` (SBI 3.0, chapters 9 and 18). */
  resetHart(hart: number): void {
    for (const part of [this.#pmu, this.#features, this.#stealTime]) part.resetHart(hart);
  }

  /** A hart could not run for so long, by the host's clock, while it wanted to. */
  stolen(hart: number, nanoseconds: bigint): void {
    this.#stealTime.stolen(hart, nanoseconds);
  }

  save(): Saved {
    return {
      version: 1,
      pmu: this.#pmu.save(),
      features: this.#features.save(),
      stealTime: this.#stealTime.save(),
    };
  }

  restore(saved: Saved): void {
    const from = new SavedReader(saved, 'the SBI', 1);
    this.#pmu.restore(from.section('pmu'));
    this.#features.restore(from.section('features'));
    this.#stealTime.restore(from.section('stealTime'));
  }

  /** Handles the call in a hart's registers. `stop`: a breakpoint in the `pre` stage; nothing happened. */
  call(hart: number): 'done' | 'stop' {
    const { exits, harts, nowNs } = this.#ports;
    const caller = harts[hart]!;
    const extId = caller.getX(A7);
    const args = Array.from({ length: 6 }, (_, index) => caller.getX(A0 + index));
    const target = this.#find(caller, hart, extId, args);
    const describe = (error: bigint, value: bigint): SbiExit => ({
      kind: 'sbi',
      ext: target.ext,
      extId,
      fn: target.fn,
      function: target.function,
      args,
      error: BigInt.asUintN(64, error),
      value: BigInt.asUintN(64, value),
    });
    if (exits.watches('sbi', 'pre') && exits.report(hart, 'pre', describe(0n, 0n), 0) === 'stop')
      return 'stop';
    exits.count(hart, 'sbi');
    const timed = exits.watches('sbi', 'post');
    const start = timed ? nowNs() : 0;
    const { error, value } = target.run();
    caller.setX(A0, BigInt.asUintN(64, target.legacy ? value : error));
    if (!target.legacy) caller.setX(A1, BigInt.asUintN(64, value));
    if (timed) exits.report(hart, 'post', describe(error, value), nowNs() - start);
    return 'done';
  }

  #find(caller: Hart, hart: number, extId: bigint, args: readonly bigint[]): Target {
    const happened = (where: number, event: FirmwareEvent): void => this.#pmu.happened(where, event);
    const call: SbiCall = { ports: this.#ports, hart, args, happened };
    const legacy = LEGACY_CALLS.get(extId);
    if (legacy !== undefined) {
      // A legacy call's one result is told as the value, and as an error too where it is negative.
      const run = () => {
        const result = legacy.call(call);
        return { error: result < 0n ? result : SBI.success, value: result };
      };
      return { ext: 'Legacy', fn: Number(extId), function: legacy.name, legacy: true, run };
    }
    const number = Number(BigInt.asUintN(32, caller.getX(A6)));
    const extension = this.#extensions.get(extId);
    const found = extension?.functions.get(number);
    const ext = extension?.name ?? 'unknown';
    if (found === undefined) {
      const run = () => ({ error: SBI.notSupported, value: 0n });
      return { ext, fn: number, function: 'unknown', legacy: false, run };
    }
    return { ext, fn: number, function: found.name, legacy: false, run: () => found.call(call) };
  }
}
