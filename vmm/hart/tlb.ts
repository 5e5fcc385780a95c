import { assert } from '../base/assert.ts';
import { PRIVILEGE, type PrivilegeLevel } from '../contracts/hart.ts';
import {
  CSR,
  DATA_SET_SIZE,
  DATA_SETS,
  FETCH_SETS,
  HART,
  TLB_ENTRIES,
  TLB_ENTRY_SIZE,
  TLB_SIZE,
} from './layout.ts';
import { type HartState, MSTATUS } from './state.ts';

/**
 * Tag bits between the page number and the alignment bits, which generated code never compares equal.
 * `INVALID`: no translation. `GUARDED`: a translation, but accesses go the slow way (a page with decoded code, or not of RAM).
 */
const INVALID = 0xc00;
const GUARDED = 0x800;
const PAGE_AND_INVALID = 0xffff_f400 | 0;

/** Data sets: bare M-mode, U, S, S with SUM, and one that is emptied whenever its context changes (MXR). */
const DATA_SET = { M: 0, U: 1, S: 2, SUM: 3, MXR: 4 } as const;
const FETCH_SET: Readonly<Record<PrivilegeLevel, number>> = { 0: 1, 1: 2, 3: 0 };

type Kind = 'read' | 'write';

/** Sets that hold translated addresses; those of M-mode hold physical ones, which no fence names. */
const TRANSLATED_DATA_SETS = [DATA_SET.U, DATA_SET.S, DATA_SET.SUM, DATA_SET.MXR];
const TRANSLATED_FETCH_SETS = [FETCH_SET[PRIVILEGE.U]!, FETCH_SET[PRIVILEGE.S]!];

/** What the caches of a hart hold. Lists of words: those of one entry after those of another. */
export interface CachedTranslations {
  /** By entry: its index among the data caches, tag, high word of the address, addend, and page of a device. */
  readonly data: readonly number[];
  /** By entry: its index among the fetch caches, tag, high word of the address, and host offset of the decoded page. */
  readonly fetch: readonly number[];
  /** Entries filled since the last flush, an entry filled twice counted twice. */
  readonly dataFilled: number;
  readonly fetchFilled: number;
  readonly mxrContext: number;
  /** By leaf of more than one page: its number of pages, and its address in units of its size. */
  readonly largeLeaves: readonly number[];
}

/** Leaves of more than one page that are remembered; beyond, all is forgotten, which is always allowed. */
const LARGE_LEAVES_MAX = 4096;

/**
 * The translation caches of one hart, in linear memory, where generated code looks them up. Each set belongs to a
 * translation context, so that traps and returns only move a pointer. A list of the entries filled since the last
 * flush makes a flush as cheap as what was filled.
 */
export class TranslationCaches {
  readonly #state: HartState;
  /** Word indices (host offset / 4) of filled entries, all sets; may hold duplicates. */
  readonly #dataFilled: number[] = [];
  readonly #fetchFilled: number[] = [];
  #dataSet: number = DATA_SET.M;
  #fetchSet: number = FETCH_SET[PRIVILEGE.M];
  #mxrContext = -1;
  /**
   * Leaves of more than one page whose translations were cached since the last flush: by their number of pages, the
   * virtual addresses in units of their size. Of such a leaf any page may be cached, while a fence names one.
   */
  readonly #largeLeaves = new Map<number, Set<number>>();
  #largeLeafCount = 0;

  constructor(state: HartState) {
    this.#state = state;
    this.#clearAll(HART.dataTlbs, DATA_SETS * 2);
    this.#clearAll(HART.fetchTlbs, FETCH_SETS);
  }

  /** Puts the sets of the hart's present privilege and mstatus in force. */
  select(): void {
    const state = this.#state;
    const status = state.lo(CSR.mstatus);
    const privilege = state.dataPrivilege;
    this.#dataSet = dataSet(privilege, status);
    if (this.#dataSet === DATA_SET.MXR) {
      const context = privilege | (status & MSTATUS.SUM);
      if (context !== this.#mxrContext) {
        this.flushData();
        this.#mxrContext = context;
      }
    }
    this.#fetchSet = FETCH_SET[state.privilege];
    state.setLo(HART.dataTlb, state.base + HART.dataTlbs + this.#dataSet * DATA_SET_SIZE);
    state.setLo(HART.fetchTlb, state.base + HART.fetchTlbs + this.#fetchSet * TLB_SIZE);
  }

  /** Host offset that the cached translation gives the address, guarded or not; 0 for none. */
  lookup(kind: Kind, lo: number, hi: number): number {
    const { i32 } = this.#state;
    const word = this.#dataWord(kind, lo);
    if ((i32[word]! & PAGE_AND_INVALID) !== (lo & ~0xfff) || i32[word + 1] !== hi) return 0;
    return i32[word + 3] === 0 ? (lo + i32[word + 2]!) >>> 0 : 0;
  }

  /** Guest-physical address of a cached translation to a page outside RAM; 0 for none. */
  lookupDevice(kind: Kind, lo: number, hi: number): number {
    const { i32 } = this.#state;
    const word = this.#dataWord(kind, lo);
    if ((i32[word]! & PAGE_AND_INVALID) !== (lo & ~0xfff) || i32[word + 1] !== hi) return 0;
    const page = i32[word + 3]!;
    return page === 0 ? 0 : (page >>> 0) + (lo & 0xfff);
  }

  /**
   * Caches that the page of the address lies at the host page of `host`, which is the address's own host offset.
   * `leafPages`: how many pages the leaf maps that gave the translation.
   */
  fill(kind: Kind, lo: number, hi: number, host: number, guarded: boolean, leafPages: number): void {
    const { i32 } = this.#state;
    if (leafPages > 1) this.#noteLargeLeaf(lo, hi, leafPages);
    const word = this.#dataWord(kind, lo);
    i32[word] = (lo & ~0xfff) | (guarded ? GUARDED : 0);
    i32[word + 1] = hi;
    i32[word + 2] = host - lo;
    i32[word + 3] = 0;
    this.#noteFilled(word);
  }

  /** Caches that the page of the address is the guest-physical page `page`, which is not RAM: generated code leaves it alone. */
  fillDevice(kind: Kind, lo: number, hi: number, page: number, leafPages: number): void {
    // No device of the board stands higher, nor in page 0.
    if (page === 0 || page > 0xffff_ffff) return;
    const { i32 } = this.#state;
    if (leafPages > 1) this.#noteLargeLeaf(lo, hi, leafPages);
    const word = this.#dataWord(kind, lo);
    i32[word] = (lo & ~0xfff) | GUARDED;
    i32[word + 1] = hi;
    i32[word + 2] = 0;
    i32[word + 3] = page;
    this.#noteFilled(word);
  }

  #noteFilled(word: number): void {
    this.#dataFilled.push(word);
    // More entries than there are: the list is no shortcut any more.
    if (this.#dataFilled.length > DATA_SETS * 2 * TLB_ENTRIES) this.flushData();
  }

  fillFetch(lo: number, hi: number, codePage: number, leafPages: number): void {
    const { i32 } = this.#state;
    if (leafPages > 1) this.#noteLargeLeaf(lo, hi, leafPages);
    const word = this.#fetchWord(lo);
    i32[word] = lo & ~0xfff;
    i32[word + 1] = hi;
    i32[word + 2] = codePage;
    this.#fetchFilled.push(word);
    if (this.#fetchFilled.length > FETCH_SETS * TLB_ENTRIES) this.flushFetch();
  }

  flush(): void {
    this.flushData();
    this.flushFetch();
    if (this.#largeLeafCount === 0) return;
    this.#largeLeaves.clear();
    this.#largeLeafCount = 0;
  }

  /**
   * Forgets what the leaf that maps the address gave, in every address space (RISC-V privileged, "Supervisor
   * Memory-Management Fence Instruction", rs1 not x0). Where that was a superpage or a NAPOT page, forgets everything.
   */
  flushPage(lo: number, hi: number): void {
    const page = pageNumber(lo, hi);
    for (const [pages, leaves] of this.#largeLeaves) {
      if (leaves.has(Math.floor(page / pages))) {
        this.flush();
        return;
      }
    }
    for (const set of TRANSLATED_DATA_SETS) {
      const first = HART.dataTlbs + set * DATA_SET_SIZE;
      this.#forget(first, lo, hi);
      this.#forget(first + TLB_SIZE, lo, hi);
    }
    for (const set of TRANSLATED_FETCH_SETS) this.#forget(HART.fetchTlbs + set * TLB_SIZE, lo, hi);
  }

  flushData(): void {
    this.#invalidate(this.#dataFilled);
  }

  flushFetch(): void {
    this.#invalidate(this.#fetchFilled);
  }

  /** Forgets write translations to one host page, so that the next store goes the slow way and finds it guarded. */
  dropWrites(hostPage: number): void {
    const { i32 } = this.#state;
    for (const word of this.#dataFilled) {
      if (!this.#isWriteWord(word)) continue;
      if (((i32[word]! + i32[word + 2]!) & ~0xfff) === (hostPage | 0)) i32[word] = INVALID;
    }
  }

  /**
   * Stores go the slow way, to one host page of RAM or to all of them, the translations staying as they are: a store that
   * would have hit still does.
   */
  guardWrites(hostPage?: number): void {
    const { i32 } = this.#state;
    for (const word of this.#dataFilled) {
      if (!this.#isWriteWord(word) || (i32[word]! & INVALID) === INVALID || i32[word + 3] !== 0) continue;
      const isMeant =
        hostPage === undefined || (((i32[word]! & ~0xfff) + i32[word + 2]!) & ~0xfff) === (hostPage | 0);
      if (isMeant) i32[word] = i32[word]! | GUARDED;
    }
  }

  /** The page of the address, whose translation for writes is cached, may be written the fast way. */
  unguard(lo: number): void {
    const word = this.#dataWord('write', lo);
    this.#state.i32[word] = this.#state.i32[word]! & ~GUARDED;
  }

  /** Forgets fetch translations to a decoded page that is about to go. */
  dropFetches(codePage: number): void {
    const { i32 } = this.#state;
    for (const word of this.#fetchFilled) {
      if (i32[word + 2] === codePage) i32[word] = INVALID;
    }
  }

  /**
   * What the caches hold, so that another machine can be made to hit and miss where this one does: a guest that changes its
   * page tables without a fence, or clears the A bits of what is cached, could tell a difference.
   */
  get contents(): CachedTranslations {
    const entry = (first: number, words: number) => (word: number) => {
      const { i32 } = this.#state;
      const index = (word - first) >> 2;
      return (i32[word]! & INVALID) === INVALID ? [] : [index, ...i32.subarray(word, word + words)];
    };
    const largeLeaves: number[] = [];
    for (const [pages, leaves] of this.#largeLeaves) for (const leaf of leaves) largeLeaves.push(pages, leaf);
    return {
      data: [...new Set(this.#dataFilled)].flatMap(entry(this.#firstDataWord, 4)),
      fetch: [...new Set(this.#fetchFilled)].flatMap(entry(this.#firstFetchWord, 3)),
      dataFilled: this.#dataFilled.length,
      fetchFilled: this.#fetchFilled.length,
      mxrContext: this.#mxrContext,
      largeLeaves,
    };
  }

  /** Takes over what `contents` gave. The sets in force stay. */
  set contents(contents: CachedTranslations) {
    this.flush();
    const { data, fetch, largeLeaves } = contents;
    this.#refill(this.#dataFilled, this.#firstDataWord, data, 4, contents.dataFilled);
    this.#refill(this.#fetchFilled, this.#firstFetchWord, fetch, 3, contents.fetchFilled);
    this.#mxrContext = contents.mxrContext;
    for (let at = 0; at < largeLeaves.length; at += 2) {
      const pages = largeLeaves[at]!;
      let leaves = this.#largeLeaves.get(pages);
      if (leaves === undefined) this.#largeLeaves.set(pages, (leaves = new Set()));
      leaves.add(largeLeaves[at + 1]!);
    }
    this.#largeLeafCount = largeLeaves.length / 2;
  }

  get #firstDataWord(): number {
    return (this.#state.base + HART.dataTlbs) >> 2;
  }

  get #firstFetchWord(): number {
    return (this.#state.base + HART.fetchTlbs) >> 2;
  }

  #refill(filled: number[], first: number, entries: readonly number[], words: number, count: number): void {
    for (let at = 0; at < entries.length; at += words + 1) {
      const word = first + entries[at]! * 4;
      this.#state.i32.set(entries.slice(at + 1, at + 1 + words), word);
      filled.push(word);
    }
    assert(filled.length <= count, 'every entry was filled once at least');
    // The list is emptied when it is as long as it may be, so its length counts.
    while (filled.length < count) filled.push(filled[0] ?? first);
  }

  /** Empties the entry of the address in the set at `offset` of the hart's record, if it is this page's. */
  #forget(offset: number, lo: number, hi: number): void {
    const { i32 } = this.#state;
    const word = this.#wordOf(offset, lo);
    if ((i32[word]! & PAGE_AND_INVALID) === (lo & ~0xfff) && i32[word + 1] === hi) i32[word] = INVALID;
  }

  #noteLargeLeaf(lo: number, hi: number, pages: number): void {
    let leaves = this.#largeLeaves.get(pages);
    if (leaves === undefined) this.#largeLeaves.set(pages, (leaves = new Set()));
    const leaf = Math.floor(pageNumber(lo, hi) / pages);
    if (leaves.has(leaf)) return;
    if (this.#largeLeafCount === LARGE_LEAVES_MAX) {
      this.flush();
      this.#noteLargeLeaf(lo, hi, pages);
      return;
    }
    leaves.add(leaf);
    this.#largeLeafCount++;
  }

  #dataWord(kind: Kind, lo: number): number {
    const set = HART.dataTlbs + this.#dataSet * DATA_SET_SIZE + (kind === 'write' ? TLB_SIZE : 0);
    return this.#wordOf(set, lo);
  }

  #fetchWord(lo: number): number {
    return this.#wordOf(HART.fetchTlbs + this.#fetchSet * TLB_SIZE, lo);
  }

  /** Index of the entry that the address has in the set at `offset` of the hart's record. */
  #wordOf(offset: number, lo: number): number {
    return (this.#state.base + offset + ((lo >>> 12) & (TLB_ENTRIES - 1)) * TLB_ENTRY_SIZE) >> 2;
  }

  #isWriteWord(word: number): boolean {
    return ((word * 4 - this.#state.base - HART.dataTlbs) & TLB_SIZE) !== 0;
  }

  #invalidate(filled: number[]): void {
    for (const word of filled) this.#state.i32[word] = INVALID;
    filled.length = 0;
  }

  /**
   * Memory is zero at first. A tag of zero is that of page 0, which only the first entry of a cache can hold, and which an
   * access that reaches beyond the last page is compared with in the last entry.
   */
  #clearAll(offset: number, caches: number): void {
    for (let cache = 0; cache < caches; cache++) {
      const first = (this.#state.base + offset + cache * TLB_SIZE) >> 2;
      this.#state.i32[first] = INVALID;
      this.#state.i32[first + (TLB_SIZE - TLB_ENTRY_SIZE) / 4] = INVALID;
    }
  }
}

/** Virtual page number of all 64 bits; 52 bits, which a double holds. */
function pageNumber(lo: number, hi: number): number {
  return (hi >>> 0) * 0x10_0000 + (lo >>> 12);
}

function dataSet(privilege: PrivilegeLevel, status: number): number {
  if (privilege === PRIVILEGE.M) return DATA_SET.M;
  if ((status & MSTATUS.MXR) !== 0) return DATA_SET.MXR;
  if (privilege === PRIVILEGE.U) return DATA_SET.U;
  return (status & MSTATUS.SUM) !== 0 ? DATA_SET.SUM : DATA_SET.S;
}
