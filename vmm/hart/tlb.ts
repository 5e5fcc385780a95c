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
 * `INVALID`: no translation. `GUARDED`: a translation, but accesses go the slow way (a page with decoded code).
 */
const INVALID = 0xc00;
const GUARDED = 0x800;
const PAGE_AND_INVALID = 0xffff_f400 | 0;

/** Data sets: bare M-mode, U, S, S with SUM, and one that is emptied whenever its context changes (MXR). */
const DATA_SET = { M: 0, U: 1, S: 2, SUM: 3, MXR: 4 } as const;
const FETCH_SET: Readonly<Record<PrivilegeLevel, number>> = { 0: 1, 1: 2, 3: 0 };

type Kind = 'read' | 'write';

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

  constructor(state: HartState) {
    this.#state = state;
    this.#clearAll(HART.dataTlbs, DATA_SETS * 2 * TLB_ENTRIES);
    this.#clearAll(HART.fetchTlbs, FETCH_SETS * TLB_ENTRIES);
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
    return (lo + i32[word + 2]!) >>> 0;
  }

  /** Caches that the page of the address lies at the host page of `host`, which is the address's own host offset. */
  fill(kind: Kind, lo: number, hi: number, host: number, guarded: boolean): void {
    const { i32 } = this.#state;
    const word = this.#dataWord(kind, lo);
    i32[word] = (lo & ~0xfff) | (guarded ? GUARDED : 0);
    i32[word + 1] = hi;
    i32[word + 2] = host - lo;
    this.#dataFilled.push(word);
    // More entries than there are: the list is no shortcut any more.
    if (this.#dataFilled.length > DATA_SETS * 2 * TLB_ENTRIES) this.flushData();
  }

  fillFetch(lo: number, hi: number, codePage: number): void {
    const { i32 } = this.#state;
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

  /** Forgets fetch translations to a decoded page that is about to go. */
  dropFetches(codePage: number): void {
    const { i32 } = this.#state;
    for (const word of this.#fetchFilled) {
      if (i32[word + 2] === codePage) i32[word] = INVALID;
    }
  }

  #dataWord(kind: Kind, lo: number): number {
    const set = HART.dataTlbs + this.#dataSet * DATA_SET_SIZE + (kind === 'write' ? TLB_SIZE : 0);
    return (this.#state.base + set + ((lo >>> 12) & (TLB_ENTRIES - 1)) * TLB_ENTRY_SIZE) >> 2;
  }

  #fetchWord(lo: number): number {
    const set = HART.fetchTlbs + this.#fetchSet * TLB_SIZE;
    return (this.#state.base + set + ((lo >>> 12) & (TLB_ENTRIES - 1)) * TLB_ENTRY_SIZE) >> 2;
  }

  #isWriteWord(word: number): boolean {
    return ((word * 4 - this.#state.base - HART.dataTlbs) & TLB_SIZE) !== 0;
  }

  #invalidate(filled: number[]): void {
    for (const word of filled) this.#state.i32[word] = INVALID;
    filled.length = 0;
  }

  #clearAll(offset: number, entries: number): void {
    const first = (this.#state.base + offset) >> 2;
    for (let entry = 0; entry < entries; entry++) {
      this.#state.i32[first + entry * (TLB_ENTRY_SIZE / 4)] = INVALID;
    }
  }
}

function dataSet(privilege: PrivilegeLevel, status: number): number {
  if (privilege === PRIVILEGE.M) return DATA_SET.M;
  if ((status & MSTATUS.MXR) !== 0) return DATA_SET.MXR;
  if (privilege === PRIVILEGE.U) return DATA_SET.U;
  return (status & MSTATUS.SUM) !== 0 ? DATA_SET.SUM : DATA_SET.S;
}
