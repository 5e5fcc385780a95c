import type { VirtualAddress } from '../base/brands.ts';
import { PRIVILEGE, type PrivilegeLevel } from '../contracts/hart.ts';
import type { AccessType, WalkLevel, WalkResult } from '../protocol/walk.ts';
import type { HartCore } from './core.ts';
import { CSR } from './layout.ts';
import { NAPOT, PBMT_RESERVED, PTE, PTE_HIGH, SATP_LEVELS } from './mmu.ts';
import { ACCESS, type Access } from './pmp.ts';
import { ENVCFG, type HartState, MSTATUS } from './state.ts';

export interface WalkOptions {
  /** What the access is for; default a read. */
  readonly access?: AccessType;
  /** Root table instead of satp's; with satp bare, as Sv39. */
  readonly root?: bigint;
  /** Default: the hart's, of loads and stores. M-mode translates as S-mode would, for that is what a walk asks. */
  readonly privilege?: PrivilegeLevel;
  /** A debugger's view: only what keeps an address from having a translation is a fault. */
  readonly ignorePermissions?: boolean;
}

const MODE_NAMES: Readonly<Record<number, WalkResult['mode']>> = { 3: 'Sv39', 4: 'Sv48', 5: 'Sv57' };
const FLAG_LETTERS = 'VRWXUGAD';
const MEMORY_TYPES: Readonly<Record<number, 'NC' | 'IO'>> = { 128: 'NC', 256: 'IO' };
const NAPOT_BYTES = BigInt(4096 * NAPOT.pages);
const DEFAULT_LEVELS = 3;

/**
 * Walks the page tables for a person or a debugger: reads RAM only, sets nothing, and says in words why an
 * access would fault (RISC-V privileged, "Virtual Address Translation Process").
 */
export function walkPageTables(core: HartCore, address: VirtualAddress, options: WalkOptions): WalkResult {
  const { state } = core;
  const privilege = options.privilege ?? state.dataPrivilege;
  const satpLevels = SATP_LEVELS[state.hi(CSR.satp) >>> 28];
  const untranslated = options.root === undefined && (satpLevels === undefined || privilege === PRIVILEGE.M);
  if (untranslated) return walkBare(core, address, privilege, options);

  const count = satpLevels ?? DEFAULT_LEVELS;
  const mode = MODE_NAMES[count]!;
  const levels: WalkLevel[] = [];
  const result = (rest: Pick<WalkResult, 'physical' | 'pageSize' | 'fault'>): WalkResult => ({
    mode,
    address,
    levels,
    ...rest,
  });
  const bits = count * 9 + 12;
  if (BigInt.asUintN(64, BigInt.asIntN(bits, address)) !== address) {
    return result({ fault: `address is not canonical: bits 63 to ${bits} must equal bit ${bits - 1}` });
  }
  let table = options.root ?? (state.big(CSR.satp) & 0xfff_ffff_ffffn) << 12n;
  for (let level = count - 1; level >= 0; level--) {
    const entry = readLevel(state, address, table, level);
    if (entry === undefined) {
      return result({ fault: `level ${level}: the table at 0x${table.toString(16)} is not in RAM` });
    }
    levels.push(entry);
    const fault = tableFault(core, entry, options) ?? entryFault(entry) ?? highBitsFault(core, entry);
    if (fault !== undefined) return result({ fault: `level ${level}: ${fault}` });
    if (!entry.leaf) {
      table = entry.target;
      continue;
    }
    const pageSize = isNapot(entry) ? 4096 * NAPOT.pages : 4096 * 512 ** level;
    const physical = entry.target + (address & BigInt(pageSize - 1));
    const denied = options.ignorePermissions
      ? undefined
      : (permissionFault(core, entry, options.access ?? 'read', translatedAs(privilege)) ??
        protectionFault(core, physical, options.access ?? 'read', translatedAs(privilege)));
    if (denied !== undefined) return result({ fault: `level ${level}: ${denied}` });
    return result({ physical, pageSize });
  }
  return result({ fault: 'level 0: the entry points to a further table (R, W and X are clear)' });
}

const translatedAs = (privilege: PrivilegeLevel): PrivilegeLevel =>
  privilege === PRIVILEGE.M ? PRIVILEGE.S : privilege;

function walkBare(
  core: HartCore,
  address: VirtualAddress,
  privilege: PrivilegeLevel,
  options: WalkOptions,
): WalkResult {
  const fault = options.ignorePermissions
    ? undefined
    : protectionFault(core, address, options.access ?? 'read', privilege);
  return fault === undefined
    ? { mode: 'Bare', address, levels: [], physical: address }
    : { mode: 'Bare', address, levels: [], fault };
}

function readLevel(state: HartState, address: bigint, table: bigint, level: number): WalkLevel | undefined {
  const index = Number((address >> BigInt(12 + 9 * level)) & 0x1ffn);
  const pteAddress = table + BigInt(index * 8);
  const host = state.ramHost(Number(pteAddress), 8);
  if (host === 0) return undefined;
  const pte = BigInt.asUintN(64, state.i64[host / 8]!);
  const low = Number(pte & 0xffn);
  const high = Number(pte >> 54n);
  const leaf = (low & (PTE.R | PTE.X)) !== 0;
  const flags = [...FLAG_LETTERS].filter((_, bit) => (low & (1 << bit)) !== 0);
  const memoryType = leaf ? MEMORY_TYPES[high & PTE_HIGH.PBMT] : undefined;
  const target = ((pte >> 10n) & 0xfff_ffff_ffffn) << 12n;
  const napot = leaf && level === 0 && (high & PTE_HIGH.N) !== 0;
  return {
    level,
    table,
    index,
    pteAddress,
    pte,
    flags: [...flags, ...((high & PTE_HIGH.N) === 0 ? [] : ['N'])].join(''),
    ...(memoryType === undefined ? {} : { memoryType }),
    target: napot ? target - (target % NAPOT_BYTES) : target,
    leaf,
  };
}

/** A leaf at level 0 that is one of the entries of a range; anywhere else N is reserved. */
const isNapot = ({ leaf, level, pte }: WalkLevel): boolean => leaf && level === 0 && pte >> 63n === 1n;

/** Walks read tables as S-mode does ("Physical Memory Protection and Paging"). */
function tableFault(core: HartCore, { pteAddress }: WalkLevel, options: WalkOptions): string | undefined {
  if (options.ignorePermissions) return undefined;
  const allowed = core.pmp.allows(Number(pteAddress), 8, ACCESS.read, PRIVILEGE.S);
  return allowed ? undefined : 'physical memory protection (PMP) denies reading the entry';
}

/** Why an entry is no valid pointer or leaf, whoever asks. */
function entryFault({ pte, leaf, level, target }: WalkLevel): string | undefined {
  const low = Number(pte & 0xffn);
  if ((low & PTE.V) === 0) return 'the entry is not valid (V is clear)';
  if ((low & (PTE.R | PTE.W)) === PTE.W)
    return 'the entry is writable but not readable (W without R), which is reserved';
  if (!leaf) {
    if ((low & (PTE.A | PTE.D | PTE.U)) !== 0)
      return 'A, D or U is set in a pointer to a table, where they are reserved';
    return level === 0 ? 'the last entry is a pointer to a table (R, W and X are clear)' : undefined;
  }
  if (level > 0 && target % BigInt(4096 * 512 ** level) !== 0n)
    return 'the superpage is misaligned (low bits of its PPN are set)';
  return undefined;
}

/** Bits 63:54: N, PBMT, and what is reserved in any case ("Svnapot", "Svpbmt"). */
function highBitsFault(core: HartCore, { pte, leaf, level }: WalkLevel): string | undefined {
  const high = Number(pte >> 54n);
  if (high === 0) return undefined;
  if ((high & PTE_HIGH.RESERVED) !== 0) return 'reserved bits 60:54 of the entry are set';
  const type = high & PTE_HIGH.PBMT;
  const napot = (high & PTE_HIGH.N) !== 0;
  if (!leaf) return `${napot ? 'N' : 'PBMT'} is set in a pointer to a table, where it is reserved`;
  if (type !== 0 && !core.isa.has('svpbmt'))
    return 'PBMT (bits 62:61) is set, which is reserved without Svpbmt';
  if (type !== 0 && (core.state.hi(CSR.menvcfg) & ENVCFG.PBMTE) === 0) {
    return 'PBMT (bits 62:61) is set, and menvcfg.PBMTE is clear';
  }
  if (type === PBMT_RESERVED) return 'PBMT is 3, which is reserved';
  if (!napot) return undefined;
  if (!core.implemented.napot) return 'N (bit 63) is set, which is reserved without Svnapot';
  if (level > 0) return 'N (bit 63) is set in a superpage, where it is reserved';
  const mark = Number((pte >> 10n) & BigInt(NAPOT.pages - 1));
  if (mark === NAPOT.mark) return undefined;
  return `N is set, and the PPN ends in ${mark.toString(2).padStart(4, '0')}, where only 1000 (64 KiB) is defined`;
}

function permissionFault(
  core: HartCore,
  { pte }: WalkLevel,
  access: AccessType,
  privilege: PrivilegeLevel,
): string | undefined {
  const low = Number(pte & 0xffn);
  const status = core.state.mstatus;
  if (privilege === PRIVILEGE.U && (low & PTE.U) === 0) return 'U-mode may not use the page (U is clear)';
  if (privilege === PRIVILEGE.S && (low & PTE.U) !== 0) {
    if (access === 'execute') return 'S-mode may not execute a user page (U is set)';
    if ((status & MSTATUS.SUM) === 0)
      return 'S-mode may not use a user page (U is set, mstatus.SUM is clear)';
  }
  if (access === 'execute' && (low & PTE.X) === 0) return 'the page is not executable (X is clear)';
  if (access === 'write' && (low & PTE.W) === 0) return 'the page is not writable (W is clear)';
  if (access === 'read' && (low & PTE.R) === 0 && ((status & MSTATUS.MXR) === 0 || (low & PTE.X) === 0)) {
    return 'the page is not readable (R is clear)';
  }
  if (core.implemented.setsAccessedBits(core.state)) return undefined;
  if ((low & PTE.A) === 0) return 'the page was not accessed yet (A is clear), and hardware does not set it';
  if (access === 'write' && (low & PTE.D) === 0)
    return 'the page is not dirty yet (D is clear), and hardware does not set it';
  return undefined;
}

const PMP_ACCESS: Readonly<Record<AccessType, Access>> = {
  read: ACCESS.read,
  write: ACCESS.write,
  execute: ACCESS.execute,
};

function protectionFault(
  core: HartCore,
  address: bigint,
  access: AccessType,
  privilege: PrivilegeLevel,
): string | undefined {
  const allowed = core.pmp.allows(Number(address), 1, PMP_ACCESS[access], privilege);
  return allowed ? undefined : 'physical memory protection (PMP) denies the access';
}
