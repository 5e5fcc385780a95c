/**
 * The memory of lockstep programs, small so that many of them run in a second. Places are offsets from the beginning of
 * RAM. A program sees RAM through a window: where translation is off its base is that of RAM, else page tables put one
 * window for S-mode and one for U-mode somewhere. Every address of a program is the base of a window and such an offset.
 */
export const PAGE = 4096;
export const RAM_BASE = 0x8000_0000;
export const RAM_PAGES = 48;
export const RAM_SIZE = RAM_PAGES * PAGE;

/** Most harts of a program. Each has its own page of trap handlers for M-mode and for S-mode. */
export const HARTS_MAX = 4;
export const machineHandlers = (hart: number): number => hart * PAGE;
export const supervisorHandlers = (hart: number): number => (HARTS_MAX + hart) * PAGE;

export const CODE = { offset: 8 * PAGE, pages: 6 } as const;
/** Stacks stand in the first of these pages, jump tables in the second. */
export const DATA = { offset: 14 * PAGE, pages: 8 } as const;
export const STACKS_OFFSET = DATA.offset;
export const STACK_BYTES = PAGE / HARTS_MAX;
export const JUMP_TABLES_OFFSET = DATA.offset + PAGE;
export const JUMP_TABLES_BYTES = 1024;
export const TABLES = { offset: 22 * PAGE, pages: 24 } as const;
/** Code may stand at its end, where RAM ends. */
export const LAST_PAGE_OFFSET = (RAM_PAGES - 1) * PAGE;

/** A device, as far behind the beginning of RAM as in the windows onto it. */
export const DEVICE_OFFSET = 0x10_0000;

/**
 * Other windows, as offsets from the first: the same data pages in another order, 4 MiB on, so that they meet the
 * first window's in the direct-mapped translation caches; and all of RAM by superpages of 2 MiB and of 1 GiB.
 */
export const ALIAS_OFFSET = 0x40_0000;
export const MEGAPAGE_OFFSET = 0x80_0000;
export const GIGAPAGE_OFFSET = 0x4000_0000;

/** Integer registers that keep their meaning through a program; random instructions do not write them. */
export const REGISTER = {
  stack: 2,
  /** Base of the window of the present privilege level. */
  window: 4,
  /** An address in the middle of a data page, 16-byte aligned. Compressed instructions can use it, and the next. */
  middle: 8,
  /** An address near the end of a data page, of any alignment. */
  edge: 9,
  /** Counters of nested loops, and of recursion. */
  counters: [24, 25, 26],
  depth: 27,
} as const;
export const PINNED: ReadonlySet<number> = new Set([
  REGISTER.stack,
  REGISTER.window,
  REGISTER.middle,
  REGISTER.edge,
  ...REGISTER.counters,
  REGISTER.depth,
]);
