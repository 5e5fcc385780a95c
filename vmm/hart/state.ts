import { PRIVILEGE, type PrivilegeLevel } from '../contracts/hart.ts';
import type { GuestMemory } from '../contracts/memory.ts';
import { CSR, HART, hartBase, RAM_OFFSET } from './layout.ts';

/** Bits of mstatus, all in its low word (RISC-V privileged, "Machine Status Registers"). */
export const MSTATUS = {
  SIE: 1 << 1,
  MIE: 1 << 3,
  SPIE: 1 << 5,
  MPIE: 1 << 7,
  SPP: 1 << 8,
  MPP: 3 << 11,
  FS: 3 << 13,
  MPRV: 1 << 17,
  SUM: 1 << 18,
  MXR: 1 << 19,
  TVM: 1 << 20,
  TW: 1 << 21,
  TSR: 1 << 22,
} as const;
export const MPP_SHIFT = 11;
export const FS_INITIAL = 1 << 13;
/** High word of mstatus: SXL and UXL say 64 bits. */
export const MSTATUS_HIGH = 0xa;
/**
 * menvcfg, high word: STCE (Sstc), PBMTE (Svpbmt), ADUE (Svadu). Low word, as senvcfg: FIOM, CBIE and CBCFE (Zicbom),
 * CBZE (Zicboz).
 */
export const ENVCFG = {
  STCE: 0x8000_0000 | 0,
  PBMTE: 0x4000_0000,
  ADUE: 0x2000_0000,
  FIOM: 1,
  CBIE: 3 << 4,
  CBCFE: 1 << 6,
  CBZE: 1 << 7,
} as const;
/** mstateen0 and sstateen0, high word: access to the next level's state enables, and to senvcfg (Smstateen). */
export const STATEEN = { SE: 0x8000_0000 | 0, ENVCFG: 0x4000_0000 } as const;

/**
 * A hart's state in linear memory, as 32-bit halves: no bigint on the way of traps and CSR instructions.
 * Views span the whole memory, so that host offsets index them directly.
 */
export class HartState {
  readonly id: number;
  /** Host offset of the hart's record. */
  readonly base: number;
  readonly memory: GuestMemory;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly i32: Int32Array;
  readonly i64: BigInt64Array;
  readonly #word: number;

  constructor(memory: GuestMemory, id: number) {
    this.id = id;
    this.memory = memory;
    this.base = hartBase(id);
    this.#word = this.base >> 2;
    const { buffer } = memory.memory;
    this.u8 = new Uint8Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.i64 = new BigInt64Array(buffer);
  }

  /** Low 32 bits, signed, of the field at `offset` of the hart's record. */
  lo(offset: number): number {
    return this.i32[this.#word + (offset >> 2)]!;
  }

  hi(offset: number): number {
    return this.i32[this.#word + (offset >> 2) + 1]!;
  }

  set(offset: number, lo: number, hi: number): void {
    const index = this.#word + (offset >> 2);
    this.i32[index] = lo;
    this.i32[index + 1] = hi;
  }

  setLo(offset: number, lo: number): void {
    this.i32[this.#word + (offset >> 2)] = lo;
  }

  /** The field as an unsigned 64-bit value; not for hot paths. */
  big(offset: number): bigint {
    return BigInt.asUintN(64, this.i64[(this.base + offset) >> 3]!);
  }

  setBig(offset: number, value: bigint): void {
    this.i64[(this.base + offset) >> 3] = value;
  }

  get privilege(): PrivilegeLevel {
    return this.lo(HART.privilege) as PrivilegeLevel;
  }

  set privilege(level: PrivilegeLevel) {
    this.setLo(HART.privilege, level);
  }

  /** mstatus's low word, with FS as generated code left it. */
  get mstatus(): number {
    let value = this.lo(CSR.mstatus);
    if (this.lo(HART.floatDirty) !== 0) {
      value |= MSTATUS.FS;
      this.setLo(CSR.mstatus, value);
      this.setLo(HART.floatDirty, 0);
    }
    return value;
  }

  set mstatus(value: number) {
    this.setLo(HART.floatDirty, 0);
    this.setLo(CSR.mstatus, value);
    this.setLo(HART.floatOff, (value & MSTATUS.FS) === 0 ? 1 : 0);
  }

  /** The privilege that loads and stores have (RISC-V privileged, "Memory Privilege in mstatus Register"). */
  get dataPrivilege(): PrivilegeLevel {
    const { privilege } = this;
    const status = this.lo(CSR.mstatus);
    if (privilege === PRIVILEGE.M && (status & MSTATUS.MPRV) !== 0) {
      return ((status >> MPP_SHIFT) & 3) as PrivilegeLevel;
    }
    return privilege;
  }

  /** Advances pc by an instruction's length. */
  advancePc(length: number): void {
    const lo = this.lo(HART.pc);
    const next = (lo + length) | 0;
    this.set(HART.pc, next, this.hi(HART.pc) + (next >>> 0 < lo >>> 0 ? 1 : 0));
  }

  /** Host offset of [address, +size) in RAM, or 0 when it is not all RAM. `address` is guest-physical. */
  ramHost(address: number, size: number): number {
    const offset = address - this.memory.ramBase;
    return offset >= 0 && offset + size <= this.memory.ramSize ? RAM_OFFSET + offset : 0;
  }
}

/** An unsigned 64-bit value from signed halves. */
export const joinHalves = (lo: number, hi: number): bigint => (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
export const lowHalf = (value: bigint): number => Number(BigInt.asIntN(32, value));
export const highHalf = (value: bigint): number => Number(BigInt.asIntN(32, value >> 32n));
