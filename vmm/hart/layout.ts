/**
 * Where things stand in the machine's one shared `WebAssembly.Memory`. Offsets are bytes; a 32-bit host
 * offset is unsigned, so that RAM may reach up to 3.5 GiB.
 *
 *     0            guard: nothing lives here, so that a zero pointer is never valid
 *     HARTS        one record per hart: registers, CSRs, scratch code, translation caches
 *     CODE_POOL    pre-decoded pages of guest code
 *     CELLS        how often each record was jumped to, or where its translation is; one set for each variant
 *     BOUNDS       steps that each translated region needs at least
 *     GUARDS       a byte for each page of RAM whose stores take the slow way
 *     RAM          guest RAM, at a constant offset whatever the number of harts
 */
export const HARTS_OFFSET = 0x1_0000;
export const HART_STRIDE = 0x40_0000;
/** The protocol's limit on harts; their records stand before RAM, whose offset is constant. */
export const HARTS_MAX = 16;

/**
 * Pre-decoded pages in the pool. Each takes 33 KiB of host memory once it is used; a Linux kernel executes code of some 2000
 * pages while it boots. A much larger pool would push 3.5 GiB of RAM beyond what 32-bit offsets reach together with what
 * else stands before RAM.
 */
export const CODE_PAGES_MAX = 3072;
/** One record for each halfword of a 4 KiB page. */
export const RECORD_SIZE = 16;
export const RECORDS_PER_PAGE = 2048;
/** The records, and one more that ends the page. */
export const CODE_PAGE_STRIDE = RECORD_SIZE * RECORDS_PER_PAGE + 0x400;
export const CODE_POOL_OFFSET = HARTS_OFFSET + HART_STRIDE * HARTS_MAX;

const CODE_POOL_SIZE = CODE_PAGE_STRIDE * CODE_PAGES_MAX;

/**
 * Translated code has a variant for addresses that are physical and all of RAM accessible (one range check a load),
 * and one that goes by the translation caches.
 */
export const VARIANT = { bare: 0, paged: 1 } as const;
export type Variant = (typeof VARIANT)[keyof typeof VARIANT];
const VARIANTS = 2;

/** A u16 cell for each record of the pool, by variant: a counter of jumps to it, or `CELL_SLOT` and a slot. */
export const CELLS_OFFSET = CODE_POOL_OFFSET + CODE_POOL_SIZE;
const CELL_SHIFT = 3; // a record of 16 bytes, a cell of 2
const CELLS_SIZE = CODE_POOL_SIZE >> CELL_SHIFT;
export const CELL_SLOT = 0x8000;
/** A counter that reaches this value is told to the translator. */
export const CELL_HOT = 0x7fff;
/** Slot 0 is none. */
export const SLOTS_MAX = 0x8000;

/** u16 by slot: the hart must have at least this many steps left to enter. */
export const BOUNDS_OFFSET = CELLS_OFFSET + VARIANTS * CELLS_SIZE;
/** u8 by page of RAM: not 0 when stores to it must take the slow way, as the write entries of the data caches say too. */
export const GUARDS_OFFSET = BOUNDS_OFFSET + SLOTS_MAX * 2;
/** Why: the page has decoded code, or HTIF's mailbox; it was not written since a mark; it was never written. */
export const GUARD = { code: 1, clean: 2, absent: 4 } as const;
export const RAM_SIZE_MAX = 3.5 * 2 ** 30;

/** Host offset of guest RAM: the first 64 KiB boundary after all these. */
export const RAM_OFFSET = Math.ceil((GUARDS_OFFSET + RAM_SIZE_MAX / 4096) / 0x1_0000) * 0x1_0000;

/** Fields of a pre-decoded record. Register fields hold 8 * index, relative to `HART.x` or `HART.f`. */
export const RECORD = {
  /** u16: index into the interpreter's `br_table`. */
  op: 0,
  rd: 2,
  rs1: 4,
  rs2: 6,
  /** i32, sign-extended; for near branches the distance in bytes of records. */
  imm: 8,
  /** u32: the 32-bit encoding; a compressed instruction's expanded form. */
  raw: 12,
} as const;

/** The register index that `rd = x0` is written to: a slot after x31 that nothing reads. */
export const SCRATCH_REGISTER = 32;

/** Fields of a hart's record. */
export const HART = {
  x: 0x000,
  f: 0x108,
  pc: 0x208,
  /** i32: steps left of the present slice; the instruction at `pc` not yet counted. */
  remaining: 0x210,
  /** i32: record of the instruction that made the interpreter return. */
  ip: 0x214,
  /** i32: host offset of the data translation cache in force, and of the fetch one. */
  dataTlb: 0x218,
  fetchTlb: 0x21c,
  /** i32 and i64: exception raised by generated code. */
  trapCause: 0x220,
  /** i32: index into `LEAVE_REASONS`. */
  leaveReason: 0x224,
  trapValue: 0x228,
  /** i64: operands and result of a slow access or a soft float operation. */
  address: 0x230,
  value: 0x238,
  operandB: 0x240,
  operandC: 0x248,
  /** i32 each. */
  fflags: 0x250,
  frm: 0x254,
  /** 1 when mstatus.FS is Off; 1 once generated code wrote floating-point state. */
  floatOff: 0x258,
  floatDirty: 0x25c,
  /** u32: host offset reserved by LR, 0 for none; i64: what stood there, sign-extended. */
  reservation: 0x260,
  /** u32: host offset an AMO in its slow path resolved to. */
  amoHost: 0x264,
  reservedValue: 0x268,
  /** i32: the privilege level, as mstatus.MPP encodes it. */
  privilege: 0x270,
  /** i32: `cellsBase` of the variant of translated code in force. */
  cells: 0x274,
  /** u32: record of the computed jump by which a region is being left, 0 when it is left otherwise; and of the last that was. */
  jumpsFrom: 0x278,
  lastJump: 0x27c,
  /** Records: an instruction run outside its page, two that end it, one that enters the page of pc, one that jumps to it. */
  scratchCode: 0x800,
  dataTlbs: 0x1000,
  fetchTlbs: 0x1000 + 5 * 0x8_0000,
} as const;

/** Of the region that the last jump led to: its record (u32), 0 when there was none, and its guest address (i64). */
export const LAST_TARGET = { record: 0x400, pc: 0x408 } as const;

const CSR_BASE = 0x280;
const CSR_NAMES = [
  'mstatus',
  'medeleg',
  'mideleg',
  'mie',
  /** Bits that software wrote, and levels of the interrupt inputs; see `pendingInterrupts`. */
  'mipSoftware',
  'mipLines',
  'mtvec',
  'mcounteren',
  'menvcfg',
  'mcountinhibit',
  'mscratch',
  'mepc',
  'mcause',
  'mtval',
  'stvec',
  'scounteren',
  'senvcfg',
  'sscratch',
  'sepc',
  'scause',
  'stval',
  'satp',
  'stimecmp',
  'pmpcfg0',
  'pmpcfg2',
  'mstateen0',
  'mstateen1',
  'mstateen2',
  'mstateen3',
] as const;
export type CsrName = (typeof CSR_NAMES)[number];

/** CSR values: 8-byte slots of a hart's record. */
export const CSR = Object.fromEntries(
  CSR_NAMES.map((name, index) => [name, CSR_BASE + index * 8]),
) as Readonly<Record<CsrName, number>>;
/** pmpaddr0 to pmpaddr15, 8 bytes each. */
export const CSR_PMPADDR = CSR_BASE + CSR_NAMES.length * 8;
export const PMP_ENTRIES = 16;
/** Offset in `HART.scratchCode` of the record that enters the page of pc. */
export const ENTRY_RECORD = HART.scratchCode + 3 * RECORD_SIZE;
/** The same, as a jump: counted, and translated code is entered. */
export const JUMP_RECORD = HART.scratchCode + 4 * RECORD_SIZE;

/**
 * Direct-mapped translation caches: 16-byte entries of an i64 tag, an i32 addend or code pointer, and a word that only
 * `tlb.ts` knows. 16,384 of them reach 64 MiB; what is not used costs nothing, for an entry of zeros is empty (but for
 * the first and the last) and its host page never touched.
 */
export const TLB_ENTRIES = 0x4000;
export const TLB_ENTRY_SIZE = 16;
export const TLB_SIZE = TLB_ENTRIES * TLB_ENTRY_SIZE;
/** In a data set the entries for writes stand behind those for reads. */
export const DATA_SET_SIZE = 2 * TLB_SIZE;
/** Sets by translation context; see `tlb.ts`. */
export const DATA_SETS = 5;
export const FETCH_SETS = 3;

export const hartBase = (hart: number): number => HARTS_OFFSET + hart * HART_STRIDE;
export const codePageBase = (page: number): number => CODE_POOL_OFFSET + page * CODE_PAGE_STRIDE;

/** What to add to a record's host offset, shifted right by `CELL_SHIFT`, for the offset of its cell. */
export const cellsBase = (variant: Variant): number =>
  CELLS_OFFSET + variant * CELLS_SIZE - (CODE_POOL_OFFSET >> CELL_SHIFT);
export const cellOf = (record: number, variant: Variant): number =>
  (record >>> CELL_SHIFT) + cellsBase(variant);
