import { PRIVILEGE, type PrivilegeLevel } from '../contracts/hart.ts';
import { CSR, CSR_PMPADDR, PMP_ENTRIES } from './layout.ts';
import type { HartState } from './state.ts';

/** Bits of one pmpcfg byte (RISC-V privileged, "Physical Memory Protection CSRs"). */
const CFG = { R: 1, W: 2, X: 4, A: 0x18, L: 0x80 } as const;
const MODE = { OFF: 0, TOR: 1, NA4: 2, NAPOT: 3 } as const;
/** Access kinds as permission bits. */
export const ACCESS = { read: CFG.R, write: CFG.W, execute: CFG.X } as const;
export type Access = (typeof ACCESS)[keyof typeof ACCESS];

interface Range {
  /** Guest-physical, half-open. Beyond 2^53, where no memory is, doubles round; nothing depends on it. */
  readonly start: number;
  readonly end: number;
  readonly config: number;
}

/** Physical memory protection of one hart: entries as ranges, rebuilt when a register is written. */
export class Pmp {
  readonly #state: HartState;
  /** Entries that are not OFF, in order of priority. */
  #ranges: readonly Range[] = [];
  /** What `opensRam` found, by privilege level, since the ranges changed. */
  readonly #opensRam: (boolean | undefined)[] = [];

  constructor(state: HartState) {
    this.#state = state;
  }

  /**
   * True when the access is allowed. The lowest-numbered entry that matches any byte decides, and must match
   * all of them ("Priority and Matching Logic").
   */
  allows(address: number, size: number, access: Access, privilege: PrivilegeLevel): boolean {
    const end = address + size;
    for (const range of this.#ranges) {
      if (range.end <= address || range.start >= end) continue;
      if (address < range.start || end > range.end) return false;
      if (privilege === PRIVILEGE.M && (range.config & CFG.L) === 0) return true;
      return (range.config & access) !== 0;
    }
    // Entries are implemented, so that S and U have no access without a match.
    return privilege === PRIVILEGE.M;
  }

  /** True when every byte of the 4 KiB page is decided by the same entry, so that the page may be cached whole. */
  isUniform(page: number): boolean {
    const end = page + 4096;
    for (const range of this.#ranges) {
      if (range.end <= page || range.start >= end) continue;
      return page >= range.start && end <= range.end;
    }
    return true;
  }

  /** True when the privilege level may do anything with any byte of RAM. */
  opensRam(privilege: PrivilegeLevel): boolean {
    const open = this.#opensRam[privilege];
    if (open !== undefined) return open;
    const { ramBase, ramSize } = this.#state.memory;
    return (this.#opensRam[privilege] = Object.values(ACCESS).every((access) =>
      this.allows(ramBase, ramSize, access, privilege),
    ));
  }

  config(entry: number): number {
    const offset = entry < 8 ? CSR.pmpcfg0 : CSR.pmpcfg2;
    return this.#state.u8[this.#state.base + offset + (entry & 7)]!;
  }

  /** Writes one of the pmpcfg registers (`first` entry 0 or 8); locked entries keep their value. */
  writeConfig(first: number, lo: number, hi: number): void {
    for (let entry = first; entry < first + 8; entry++) {
      if ((this.config(entry) & CFG.L) !== 0) continue;
      const word = (entry & 4) === 0 ? lo : hi;
      let value = (word >>> ((entry & 3) * 8)) & (CFG.R | CFG.W | CFG.X | CFG.A | CFG.L);
      // R=0 with W=1 is reserved; the field is WARL: no write permission then.
      if ((value & (CFG.R | CFG.W)) === CFG.W) value &= ~CFG.W;
      const offset = entry < 8 ? CSR.pmpcfg0 : CSR.pmpcfg2;
      this.#state.u8[this.#state.base + offset + (entry & 7)] = value;
    }
    this.refresh();
  }

  writeAddress(entry: number, lo: number, hi: number): void {
    if ((this.config(entry) & CFG.L) !== 0) return;
    // A locked TOR entry locks the address below it too ("Locking and Privilege Mode").
    const above = entry + 1 < PMP_ENTRIES ? this.config(entry + 1) : 0;
    if ((above & CFG.L) !== 0 && (above & CFG.A) >> 3 === MODE.TOR) return;
    this.#state.set(CSR_PMPADDR + entry * 8, lo, hi & 0x003f_ffff); // 54 bits: address bits 55:2
    this.refresh();
  }

  /** Rebuilds the ranges from the registers. */
  refresh(): void {
    const ranges: Range[] = [];
    let below = 0;
    for (let entry = 0; entry < PMP_ENTRIES; entry++) {
      const config = this.config(entry);
      const register = this.#state.big(CSR_PMPADDR + entry * 8);
      const address = Number(register) * 4;
      switch ((config & CFG.A) >> 3) {
        case MODE.TOR:
          if (below < address) ranges.push({ start: below, end: address, config });
          break;
        case MODE.NA4:
          ranges.push({ start: address, end: address + 4, config });
          break;
        case MODE.NAPOT: {
          // yyy...y01..1 with n ones: 2^(n+3) bytes.
          const ones = register ^ (register + 1n);
          const start = Number(register & ~ones) * 4;
          ranges.push({ start, end: start + (Number(ones) + 1) * 4, config });
          break;
        }
      }
      below = address;
    }
    this.#ranges = ranges;
    this.#opensRam.length = 0;
  }
}
