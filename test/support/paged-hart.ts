import { virtual } from '../../vmm/base/brands.ts';
import type { AccessType, Hart, WalkResult } from '../../vmm/contracts/hart.ts';
import { DEFAULT_ISA, type IsaConfig } from '../../vmm/isa/extensions.ts';
import { BareHarts, RAM_BASE } from './bare-hart.ts';

const V = 1n;
const R = 2n;
const X = 8n;
const A = 64n;
export const ROOT = RAM_BASE + 0x10_000;
/** Guest-physical addresses of the page of code and of one of data. */
export const CODE = RAM_BASE + 0x1000;
export const DATA = RAM_BASE + 0x5000;
export const MODES = [
  { name: 'Sv39', satp: 8n, levels: 3 },
  { name: 'Sv48', satp: 9n, levels: 4 },
  { name: 'Sv57', satp: 10n, levels: 5 },
] as const;
export type Mode = (typeof MODES)[number];

/** A hart in S-mode with translation on: `map` adds pages, code lies identity-mapped at CODE. */
export class PagedHart {
  readonly machine: BareHarts;
  readonly mode: Mode;
  #nextTable = ROOT + 4096;

  constructor(mode: Mode = MODES[0], isa: IsaConfig = DEFAULT_ISA) {
    this.machine = new BareHarts({ isa });
    this.mode = mode;
    this.machine.place('here:\n jal zero, here', RAM_BASE);
    const { hart } = this;
    hart.reset({ pc: BigInt(CODE), privilege: 1, a0: 0n, a1: 0n });
    hart.writeCsr(0x305, BigInt(RAM_BASE));
    hart.writeCsr(0x3b0, 0x3f_ffff_ffff_ffffn);
    hart.writeCsr(0x3a0, 0x1fn);
    this.map(BigInt(CODE), BigInt(CODE), V | R | X | A);
    hart.writeCsr(0x180, (mode.satp << 60n) | (BigInt(ROOT) >> 12n));
  }

  get hart(): Hart {
    return this.machine.hart;
  }

  /** Maps a page at `level` (0: 4 KiB); returns the guest-physical address of the leaf entry. */
  map(va: bigint, pa: bigint, flags: bigint, level = 0): number {
    const leaf = this.replace(va, pa, flags, level);
    this.hart.flushTranslations();
    return leaf;
  }

  /** The same without a fence. */
  replace(va: bigint, pa: bigint, flags: bigint, level = 0): number {
    let table = ROOT;
    for (let l = this.mode.levels - 1; l > level; l--) {
      const entry = table + this.#index(va, l) * 8;
      let pte = this.machine.read64(entry);
      if ((pte & V) === 0n) {
        pte = ((BigInt(this.#nextTable) >> 12n) << 10n) | V;
        this.machine.write64(entry, pte);
        this.#nextTable += 4096;
      }
      table = Number(pte >> 10n) * 4096;
    }
    const leaf = table + this.#index(va, level) * 8;
    this.machine.write64(leaf, ((pa >> 12n) << 10n) | flags);
    return leaf;
  }

  /** Walks as S-mode, though the hart may be in M-mode's handler. */
  walk(va: bigint, access: AccessType = 'read'): WalkResult {
    return this.hart.walk(virtual(va), { access, privilege: 1 });
  }

  /** Runs instructions at CODE; 0, or the cause of the exception that came. */
  execute(program: string, steps = 1): bigint {
    this.machine.place(program, CODE);
    this.hart.setPc(BigInt(CODE));
    this.hart.setPrivilege(1);
    this.hart.writeCsr(0x342, 0n);
    this.hart.run(steps);
    return this.hart.readCsr(0x342)!;
  }

  #index(va: bigint, level: number): number {
    return Number((va >> BigInt(12 + 9 * level)) & 0x1ffn);
  }
}
