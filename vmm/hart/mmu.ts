import { PRIVILEGE, type PrivilegeLevel } from '../contracts/hart.ts';
import type { Implemented } from './implemented.ts';
import { CSR } from './layout.ts';
import { ACCESS, type Access, type Pmp } from './pmp.ts';
import { ENVCFG, type HartState, MSTATUS } from './state.ts';

/** Bits of a page-table entry (RISC-V privileged, "Sv39: Page-Based 39-bit Virtual-Memory System"). */
export const PTE = { V: 1, R: 2, W: 4, X: 8, U: 16, G: 32, A: 64, D: 128 } as const;
/** Its bits 63 to 54, shifted down: N (Svnapot), PBMT (Svpbmt), and what is reserved in any case. */
export const PTE_HIGH = { N: 0x200, PBMT: 0x180, RESERVED: 0x7f } as const;
/** The value of PBMT that names no memory type. */
export const PBMT_RESERVED = 0x180;
/** The one NAPOT range: sixteen pages, said by the PPN's low bits 1000 ("Svnapot", "Page table entry encodings"). */
export const NAPOT = { pages: 16, mark: 8 } as const;
/** Levels of tables by satp.MODE. */
export const SATP_LEVELS: Readonly<Record<number, number>> = { 8: 3, 9: 4, 10: 5 };

/** Exception causes of a failed translation. */
export const PAGE_FAULT: Readonly<Record<Access, number>> = { 1: 13, 2: 15, 4: 12 };
export const ACCESS_FAULT: Readonly<Record<Access, number>> = { 1: 5, 2: 7, 4: 1 };

const PHYSICAL_LIMIT_HIGH = 1 << 24; // addresses have 56 bits

/** Address translation of one hart: walks on 32-bit halves, results as a guest-physical number. */
export class Mmu {
  readonly #state: HartState;
  readonly #pmp: Pmp;
  readonly #implemented: Implemented;
  readonly #tableWritten: (host: number) => void;
  /** Result of the last successful `translate`, and how many 4 KiB pages the leaf maps that gave it. */
  physical = 0;
  leafPages = 1;

  /** @param tableWritten told the host offset of each page-table entry whose A or D bit was set. */
  constructor(state: HartState, pmp: Pmp, implemented: Implemented, tableWritten: (host: number) => void) {
    this.#state = state;
    this.#pmp = pmp;
    this.#implemented = implemented;
    this.#tableWritten = tableWritten;
  }

  /**
   * Translates a virtual address for an access of the given kind, setting A and D bits as configured. Returns 0,
   * with the result in `physical`, or the cause of the exception. Protection of the final address is the
   * caller's to check (RISC-V privileged, "Virtual Address Translation Process").
   */
  translate(lo: number, hi: number, access: Access, privilege: PrivilegeLevel): number {
    const mode = privilege === PRIVILEGE.M ? 0 : this.#state.hi(CSR.satp) >>> 28;
    if (mode === 0) {
      if (hi >>> 0 >= PHYSICAL_LIMIT_HIGH) return ACCESS_FAULT[access];
      this.physical = hi * 0x1_0000_0000 + (lo >>> 0);
      this.leafPages = 1;
      return 0;
    }
    const levels = SATP_LEVELS[mode]!;
    if (!isCanonical(hi, levels)) return PAGE_FAULT[access];
    return this.#walk(lo, hi, levels, access, privilege);
  }

  #walk(lo: number, hi: number, levels: number, access: Access, privilege: PrivilegeLevel): number {
    const { i32 } = this.#state;
    let table = rootTable(this.#state.lo(CSR.satp), this.#state.hi(CSR.satp));
    for (let level = levels - 1; level >= 0; level--) {
      const address = table + virtualPageNumber(lo, hi, level) * 8;
      const host = this.#state.ramHost(address, 8);
      if (host === 0 || !this.#pmp.allows(address, 8, ACCESS.read, PRIVILEGE.S)) return ACCESS_FAULT[access];
      const pteLo = i32[host >>> 2]!;
      const pteHi = i32[(host >>> 2) + 1]!;
      const high = pteHi >>> 22;
      if ((pteLo & PTE.V) === 0 || (pteLo & (PTE.R | PTE.W)) === PTE.W) return PAGE_FAULT[access];
      if ((pteLo & (PTE.R | PTE.X)) === 0) {
        if ((pteLo & (PTE.A | PTE.D | PTE.U)) !== 0 || high !== 0) return PAGE_FAULT[access];
        table = pageOf(pteLo, pteHi);
        continue;
      }
      if (high !== 0 && !this.#understands(high, pteLo, level)) return PAGE_FAULT[access];
      if (!this.#permits(pteLo, access, privilege)) return PAGE_FAULT[access];
      const span = 4096 * 512 ** level;
      const page = pageOf(pteLo, pteHi);
      if (page % span !== 0) return PAGE_FAULT[access]; // misaligned superpage
      const failure = this.#markUsed(pteLo, host, address, access);
      if (failure !== 0) return failure;
      if ((high & PTE_HIGH.N) !== 0) {
        this.physical = page - NAPOT.mark * 4096 + (lo & (NAPOT.pages * 4096 - 1));
        this.leafPages = NAPOT.pages;
      } else {
        this.physical = page + offsetWithin(lo, hi, level);
        this.leafPages = span / 4096;
      }
      return 0;
    }
    return PAGE_FAULT[access];
  }

  /**
   * True when bits 63:54 of a leaf, some of them set, mean something here: a NAPOT range at level 0, a memory type
   * (Svnapot, Svpbmt). Types change nothing: memory here has no caches, and no order but the program's.
   */
  #understands(high: number, pteLo: number, level: number): boolean {
    if ((high & PTE_HIGH.RESERVED) !== 0) return false;
    if ((high & PTE_HIGH.PBMT) !== 0) {
      if ((this.#state.hi(CSR.menvcfg) & ENVCFG.PBMTE) === 0) return false;
      if ((high & PTE_HIGH.PBMT) === PBMT_RESERVED) return false;
    }
    if ((high & PTE_HIGH.N) === 0) return true;
    return this.#implemented.napot && level === 0 && ((pteLo >>> 10) & (NAPOT.pages - 1)) === NAPOT.mark;
  }

  #permits(pte: number, access: Access, privilege: PrivilegeLevel): boolean {
    const status = this.#state.lo(CSR.mstatus);
    if ((pte & PTE.U) !== 0) {
      if (privilege === PRIVILEGE.S && (access === ACCESS.execute || (status & MSTATUS.SUM) === 0))
        return false;
    } else if (privilege === PRIVILEGE.U) {
      return false;
    }
    if (access === ACCESS.execute) return (pte & PTE.X) !== 0;
    if (access === ACCESS.write) return (pte & PTE.W) !== 0;
    return (pte & PTE.R) !== 0 || ((status & MSTATUS.MXR) !== 0 && (pte & PTE.X) !== 0);
  }

  /** Sets A, and D for a store; where hardware does not, a missing bit is a page fault (Svade, Svadu). */
  #markUsed(pte: number, host: number, address: number, access: Access): number {
    const marked = pte | PTE.A | (access === ACCESS.write ? PTE.D : 0);
    if (marked === pte) return 0;
    if (!this.#implemented.setsAccessedBits(this.#state)) return PAGE_FAULT[access];
    if (!this.#pmp.allows(address, 8, ACCESS.write, PRIVILEGE.S)) return ACCESS_FAULT[access];
    this.#state.i32[host >>> 2] = marked;
    this.#tableWritten(host);
    return 0;
  }
}

/** True when the bits above the translated ones are copies of the highest one. */
export function isCanonical(hi: number, levels: number): boolean {
  const sign = hi >> (levels * 9 + 11 - 32);
  return sign === 0 || sign === -1;
}

/** VPN[level] of a virtual address. */
export function virtualPageNumber(lo: number, hi: number, level: number): number {
  switch (level) {
    case 0:
      return (lo >>> 12) & 0x1ff;
    case 1:
      return (lo >>> 21) & 0x1ff;
    case 2:
      return ((lo >>> 30) | (hi << 2)) & 0x1ff;
    case 3:
      return (hi >>> 7) & 0x1ff;
    default:
      return (hi >>> 16) & 0x1ff;
  }
}

/** Guest-physical address of the root table: satp.PPN, 44 bits, times 4096. */
function rootTable(lo: number, hi: number): number {
  return ((hi & 0xfff) * 0x1_0000_0000 + (lo >>> 0)) * 4096;
}

/** Guest-physical address of the table or page that an entry's PPN, bits 53:10, names. */
function pageOf(lo: number, hi: number): number {
  return ((hi & 0x003f_ffff) * 0x40_0000 + (lo >>> 10)) * 4096;
}

/** The part of the address that a leaf at `level` leaves untranslated. */
function offsetWithin(lo: number, hi: number, level: number): number {
  switch (level) {
    case 0:
      return lo & 0xfff;
    case 1:
      return lo & 0x1f_ffff;
    case 2:
      return lo & 0x3fff_ffff;
    case 3:
      return (hi & 0x7f) * 0x1_0000_0000 + (lo >>> 0);
    default:
      return (hi & 0xffff) * 0x1_0000_0000 + (lo >>> 0);
  }
}
