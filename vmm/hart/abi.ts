import type { LeaveReason, LoadWidth, SoftFormat, SoftOperation, StoreWidth } from '../isa/emitter.ts';

/** Numbers that generated code and TypeScript agree on. */

/** Why the interpreter's loop returned. Except for `trap`, the instruction at `pc` is not yet counted as a step. */
export const EXIT = {
  /** No step of the slice is left. */
  budget: 0,
  /** An exception; cause and value stand in the hart's record. The step is counted. */
  trap: 1,
  illegal: 2,
  /** The instruction needs its out-of-line form: a translation miss, MMIO, soft floating point, … */
  slow: 3,
  /** The record at `ip` is not decoded. */
  decode: 4,
  /** `pc` is not in the fetch cache. */
  fetch: 5,
  /** The instruction is the hart's business; `leaveReason` says which. */
  leave: 6,
  /** The instruction at `pc` reaches into the next page. */
  straddle: 7,
  /** A breakpoint's record. */
  breakpoint: 8,
  /** The record at `ip` has translated code, and there are steps enough to enter it. */
  translated: 9,
  /** The record at `ip` was jumped to so often that it should be translated. */
  hot: 10,
} as const;

/** What an out-of-line instruction, or a port of one, came to. */
export const STATUS = {
  done: 0,
  /** An exception; cause and value stand in the hart's record. */
  trap: 1,
  illegal: 2,
  /** An exit breakpoint in the `pre` stage: nothing happened. */
  stop: 3,
} as const;
export type Status = (typeof STATUS)[keyof typeof STATUS];

export const LEAVE_REASONS: readonly LeaveReason[] = [
  'csr',
  'ecall',
  'ebreak',
  'mret',
  'sret',
  'wfi',
  'fence.i',
  'sfence.vma',
  'cbo',
  'wrs.nto',
  'amocas.q',
];

/** Widths as slow accesses name them: index into this list. */
export const LOAD_WIDTHS: readonly LoadWidth[] = ['s8', 'u8', 's16', 'u16', 's32', 'u32', '64'];

export const LOAD_BYTES: Readonly<Record<LoadWidth, number>> = {
  s8: 1,
  u8: 1,
  s16: 2,
  u16: 2,
  s32: 4,
  u32: 4,
  '64': 8,
};
export const STORE_BYTES: Readonly<Record<StoreWidth, number>> = { '8': 1, '16': 2, '32': 4, '64': 8 };

/** A cache block of Zicbom, Zicbop and Zicboz; the device tree says the same. */
export const BLOCK_BYTES = 64;

/** A call of the soft port names the operation's index times the number of formats, plus the format's. */
export const SOFT_FORMATS: readonly SoftFormat[] = ['f16', 'f32', 'f64'];
export const SOFT_OPERATIONS: readonly SoftOperation[] = [
  'add',
  'sub',
  'mul',
  'div',
  'sqrt',
  'fma',
  'min',
  'max',
  'eq',
  'lt',
  'le',
  'toI32',
  'toU32',
  'toI64',
  'toU64',
  'fromI32',
  'fromU32',
  'fromI64',
  'fromU64',
  'toF16',
  'toF32',
  'toF64',
];
