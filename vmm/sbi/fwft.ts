import { VmError } from '../base/vm-error.ts';
import type { Saved, Snapshottable } from '../contracts/device.ts';
import type { Hart } from '../contracts/hart.ts';
import { SavedReader } from '../contracts/saved.ts';
import {
  failed,
  functions,
  ok,
  SBI,
  type SbiCall,
  type SbiExtension,
  type SbiPorts,
  type SbiResult,
} from './extension.ts';

const LOCK = 1n;

/** The features that the specification names (SBI 3.0, "Firmware Features Types"); all are of a hart. */
const FEATURE = {
  misalignedDelegation: 0n,
  landingPad: 1n,
  shadowStack: 2n,
  doubleTrap: 3n,
  pteHardwareUpdating: 4n,
  pointerMasking: 5n,
} as const;

const MENVCFG = 0x30a;
const MENVCFG_ADUE = 1n << 61n;

/** The features of one hart. */
interface HartFeatures {
  readonly hart: Hart;
  delegatesMisaligned: boolean;
  /** A bit for each feature whose value can no longer be changed. */
  locked: number;
}

/** A feature that can be set here; all there are so far are on or off. */
interface Feature {
  /** Position in `HartFeatures.locked`. */
  readonly bit: number;
  isSupported(ports: SbiPorts): boolean;
  get(features: HartFeatures): boolean;
  set(features: HartFeatures, value: boolean): void;
}

const SETTABLE: ReadonlyMap<bigint, Feature> = new Map<bigint, Feature>([
  [
    FEATURE.misalignedDelegation,
    {
      bit: 0,
      isSupported: () => true,
      // Harts carry out misaligned accesses to RAM themselves, and so does an SBI implementation that has not delegated
      // them. What traps nevertheless (atomics, devices) none could carry out: it hands the trap back. Either way the
      // supervisor sees the same.
      get: (features) => features.delegatesMisaligned,
      set: (features, value) => {
        features.delegatesMisaligned = value;
      },
    },
  ],
  [
    FEATURE.pteHardwareUpdating,
    {
      bit: 1,
      isSupported: (ports) => ports.has('svadu'),
      get: ({ hart }) => ((hart.readCsr(MENVCFG) ?? 0n) & MENVCFG_ADUE) !== 0n,
      set: ({ hart }, value) => {
        const others = (hart.readCsr(MENVCFG) ?? 0n) & ~MENVCFG_ADUE;
        hart.writeCsr(MENVCFG, value ? others | MENVCFG_ADUE : others);
        // Whether a page-table entry faults is part of what translation caches keep.
        hart.flushTranslations();
      },
    },
  ],
]);

/** Known to the specification, but these harts lack the extension: Zicfilp, Zicfiss, Ssdbltrp, Smnpm. */
const LACKING: ReadonlySet<bigint> = new Set([
  FEATURE.landingPad,
  FEATURE.shadowStack,
  FEATURE.doubleTrap,
  FEATURE.pointerMasking,
]);

/** The Firmware Features extension (SBI 3.0, chapter 18). Values are the hart's own; a lock lasts until it starts anew. */
export class FirmwareFeatures implements Snapshottable {
  readonly extension: SbiExtension;
  readonly #harts: readonly HartFeatures[];

  constructor(ports: SbiPorts) {
    this.#harts = ports.harts.map((hart) => ({ hart, delegatesMisaligned: true, locked: 0 }));
    this.extension = {
      id: 0x4657_4654n,
      name: 'FWFT',
      functions: functions({
        0: ['fwft_set', (call) => this.#set(call)],
        1: ['fwft_get', (call) => this.#get(call)],
      }),
    };
  }

  /** A hart starts anew; what `menvcfg` holds is reset with it. */
  resetHart(hart: number): void {
    this.#harts[hart]!.delegatesMisaligned = true;
    this.#harts[hart]!.locked = 0;
  }

  save(): Saved {
    return {
      version: 1,
      harts: this.#harts.map(({ delegatesMisaligned, locked }) => ({
        version: 1,
        delegatesMisaligned,
        locked,
      })),
    };
  }

  restore(saved: Saved): void {
    const sections = new SavedReader(saved, 'the firmware features', 1).sections('harts', this.#harts.length);
    const states = sections.map((section) => {
      const from = new SavedReader(section, 'the firmware features', 1);
      return { delegatesMisaligned: from.boolean('delegatesMisaligned'), locked: from.number('locked') };
    });
    if (!states.every(({ locked }) => Number.isInteger(locked) && locked >= 0 && locked < LOCKS_END)) {
      throw new VmError(
        'bad-file',
        'saved state of the firmware features: locks of features that there are not',
      );
    }
    for (const [hart, state] of states.entries()) Object.assign(this.#harts[hart]!, state);
  }

  #set({ ports, hart, args }: SbiCall): SbiResult {
    const [id, value, flags] = args;
    const feature = find(ports, id!);
    if (typeof feature === 'bigint') return failed(feature);
    if ((flags! & ~LOCK) !== 0n || value! > 1n) return failed(SBI.invalidParameter);
    const features = this.#harts[hart]!;
    const bit = 1 << feature.bit;
    if ((features.locked & bit) !== 0) return failed(SBI.deniedLocked);
    feature.set(features, value === 1n);
    if ((flags! & LOCK) !== 0n) features.locked |= bit;
    return ok();
  }

  #get({ ports, hart, args }: SbiCall): SbiResult {
    const feature = find(ports, args[0]!);
    return typeof feature === 'bigint' ? failed(feature) : ok(feature.get(this.#harts[hart]!) ? 1n : 0n);
  }
}

const LOCKS_END = 1 << SETTABLE.size;

/** A feature by its number, 32 bits; or the error that there is none. */
function find(ports: SbiPorts, number: bigint): Feature | bigint {
  const id = BigInt.asUintN(32, number);
  const feature = SETTABLE.get(id);
  if (feature?.isSupported(ports)) return feature;
  return feature !== undefined || LACKING.has(id) ? SBI.notSupported : SBI.denied;
}
