/**
 * Guest memory and hart state live in one shared `WebAssembly.Memory`, so that generated code reaches both
 * by a constant offset and another thread may look at a running guest. `vmm/hart/layout.ts` lays it out.
 */
export interface GuestMemory {
  readonly memory: WebAssembly.Memory;
  /** Guest-physical base of RAM: 0x8000_0000 on the `virt` board. */
  readonly ramBase: number;
  /** Bytes. */
  readonly ramSize: number;
  /** RAM as host bytes; index 0 is `ramBase`. */
  readonly ram: Uint8Array<SharedArrayBuffer>;
  readonly pages: RamPages;
  readonly harts: number;
}

/**
 * What is known of RAM's pages of 4 KiB, which are numbers from its start. An absent page is one that nothing ever wrote, or
 * that the guest gave up: it reads as zeros, and needs neither to be saved nor to be looked at.
 *
 * Invariant: whoever writes RAM, but for the harts themselves, says so by `wrote`.
 */
export interface RamPages {
  readonly count: number;
  /** Pages that are not absent: the guest's real need of memory. The host may hold more, for it takes nothing back. */
  readonly presentCount: number;
  isPresent(page: number): boolean;
  /** True when the page changed since the last `mark`, and before the first one. */
  isDirty(page: number): boolean;
  /** True when a write to the page is news: it is absent, or not dirty yet. */
  isUntouched(page: number): boolean;
  /** Writes since the last `mark` are noted. */
  readonly marked: boolean;
  /** [offset, +length) of RAM is written by something else than a hart. */
  wrote(offset: number, length: number): void;
  /** RAM is all zeros and all absent, as at power-on. */
  clear(): void;
  /** RAM was written as a whole, and holds what it should: these pages are present, the others absent and zeros. */
  replace(present: Iterable<number>): void;
  /** The whole pages in [offset, +length) become zeros, and absent. */
  release(offset: number, length: number): void;
  /** Forgets which pages are dirty, and notes those that change from here on. */
  mark(): void;
  /** Notes no more; every page counts as dirty. */
  unmark(): void;
  /** Names who keeps stores from going past the guards. */
  protectBy(protector: PageProtector): void;
}

/** Makes harts take the slow way for their next stores to a page, or to any page. */
export interface PageProtector {
  protect(page: number): void;
  protectAll(): void;
}
