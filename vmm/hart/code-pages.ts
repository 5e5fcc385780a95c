import { assert } from '../base/assert.ts';
import type { GuestMemory } from '../contracts/memory.ts';
import { SPECIAL } from './interpreter-loop.ts';
import {
  CELL_HOT,
  CODE_PAGE_STRIDE,
  CODE_PAGES_MAX,
  CODE_POOL_OFFSET,
  cellOf,
  codePageBase,
  RAM_OFFSET,
  RECORD_SIZE,
  RECORDS_PER_PAGE,
  VARIANT,
  type Variant,
} from './layout.ts';
import type { RecordWriter } from './record-writer.ts';

/**
 * Decoding goes on past the record asked for while code runs straight, up to this many instructions: enough for
 * a basic block, little work wasted where it was not code.
 */
const DECODE_AHEAD = 32;
/**
 * Stores into a page with decoded code take the slow way. After this many the page is dropped and may be written
 * at full speed until executed again. The number doubles with each drop of the same page, so that data beside hot
 * code costs at most twice what the better choice would.
 */
const STORES_BEFORE_DROP = 64;
const STORES_BEFORE_DROP_MAX = 1 << 20;
/** Invalidating record by record pays for writes up to this many bytes; longer ones drop the page. */
const INVALIDATE_BYTES_MAX = 256;

/** What must happen when decoded pages come and go. */
export interface CodePageEvents {
  /** Code was decoded from the host page: stores to it must take the slow way. */
  guarded(hostPage: number): void;
  /** The decoded page at this host offset is no longer what fetch caches may name; it was the host page's. */
  dropped(codePage: number, hostPage: number): void;
  /** Bytes of a page with decoded code changed. */
  changed(host: number, length: number): void;
}

/** Which pages have decoded code, and what was learned of those that are written. */
export interface PoolContents {
  /** Page of RAM + 1 by place in the pool, 0 for a free one; and the stores that it saw. */
  readonly owners: Uint32Array;
  readonly stores: Uint32Array;
  /** The place that is given to the next page. */
  readonly next: number;
  /** By page of RAM: after how many stores it is dropped. Pages and numbers by turns. */
  readonly dropAfter: readonly number[];
}

/** The pool of pre-decoded pages, shared by all harts; a page of RAM has at most one. */
export class CodePages {
  readonly #u16: Uint16Array;
  readonly #u8: Uint8Array;
  readonly #writer: RecordWriter;
  readonly #events: CodePageEvents;
  /** Pool index + 1 by page of RAM; 0 for none. */
  readonly #poolIndex: Uint16Array;
  /** Page of RAM + 1 by pool index; 0 for a free page. */
  readonly #owner = new Uint32Array(CODE_PAGES_MAX);
  readonly #stores = new Uint32Array(CODE_PAGES_MAX);
  /** 1 where the place was ever given to a page. */
  readonly #used = new Uint8Array(CODE_PAGES_MAX);
  readonly #dropAfter = new Map<number, number>();
  #next = 0;
  /** Offsets within a page at which some breakpoint stands. */
  #breakOffsets: ReadonlySet<number> = new Set();
  readonly #hotAfter: number;
  /** By page of RAM: how many times translations of it were lost to stores, as powers of two of `#hotAfter`. */
  readonly #lost = new Map<number, number>();

  /** @param hotAfter how many jumps make a record hot, at most `CELL_HOT`. */
  constructor(memory: GuestMemory, writer: RecordWriter, events: CodePageEvents, hotAfter: number) {
    assert(hotAfter >= 1 && hotAfter <= CELL_HOT, 'a number of jumps that a cell can count');
    this.#hotAfter = hotAfter;
    this.#u16 = new Uint16Array(memory.memory.buffer);
    this.#u8 = new Uint8Array(memory.memory.buffer);
    this.#writer = writer;
    this.#events = events;
    this.#poolIndex = new Uint16Array(memory.ramSize / 4096);
  }

  /** True when code is decoded from the page of RAM at this host offset. */
  hasCode(host: number): boolean {
    return this.#poolIndex[ramPage(host)] !== 0;
  }

  /** Host offset of the decoded page for the page of RAM at `host`, taken from the pool when there is none. */
  pageFor(host: number): number {
    const page = ramPage(host);
    const present = this.#poolIndex[page]!;
    if (present !== 0) return codePageBase(present - 1);
    // Round robin: every page stays for CODE_PAGES_MAX - 1 more allocations at least.
    const index = this.#next;
    this.#next = (index + 1) % CODE_PAGES_MAX;
    this.#release(index);
    this.#stores[index] = 0;
    return this.#own(index, page);
  }

  /** What decides which pages come and go; their code is decoded again when it is executed. */
  get contents(): PoolContents {
    return {
      owners: this.#owner.slice(),
      stores: this.#stores.slice(),
      next: this.#next,
      dropAfter: [...this.#dropAfter].flat(),
    };
  }

  /** Takes over what `contents` gave, with nothing decoded. */
  set contents({ owners, stores, next, dropAfter }: PoolContents) {
    this.clear();
    for (const [index, owner] of owners.entries()) if (owner !== 0) this.#own(index, owner - 1);
    this.#stores.set(stores);
    this.#next = next;
    for (let at = 0; at < dropAfter.length; at += 2) this.#dropAfter.set(dropAfter[at]!, dropAfter[at + 1]!);
  }

  /** Gives a free place of the pool to a page of RAM; returns its host offset. */
  #own(index: number, page: number): number {
    this.#owner[index] = page + 1;
    this.#poolIndex[page] = index + 1;
    const base = codePageBase(index);
    // Memory that nobody used is zero, and not real yet.
    if (this.#used[index] !== 0) this.#u8.fill(0, base, base + RECORDS_PER_PAGE * RECORD_SIZE);
    this.#used[index] = 1;
    for (const variant of Object.values(VARIANT)) {
      const cells = cellOf(base, variant) >>> 1;
      this.#u16.fill(this.#firstCount(page), cells, cells + RECORDS_PER_PAGE);
    }
    this.#writer.writeSpecial(base + RECORDS_PER_PAGE * RECORD_SIZE, SPECIAL.goto);
    this.#events.guarded(RAM_OFFSET + page * 4096);
    return base;
  }

  /** Decodes the record at `ip`, and those after it while code runs straight. */
  decode(ip: number): void {
    const index = Math.floor((ip - CODE_POOL_OFFSET) / CODE_PAGE_STRIDE);
    const owner = this.#owner[index]!;
    assert(owner !== 0, 'the record is in a page that has an owner');
    const base = codePageBase(index);
    const hostPage = RAM_OFFSET + (owner - 1) * 4096;
    let slot = (ip - base) / RECORD_SIZE;
    for (let count = 0; count < DECODE_AHEAD && slot < RECORDS_PER_PAGE; count++) {
      const record = base + slot * RECORD_SIZE;
      if (this.#u16[record >>> 1] !== SPECIAL.decode) return;
      const length = this.#decodeSlot(record, hostPage, slot);
      if (length === 0) return;
      slot += length / 2;
    }
  }

  /** Host offset in RAM of the halfword that a record of the pool stands for. */
  hostOf(record: number): number {
    const index = Math.floor((record - CODE_POOL_OFFSET) / CODE_PAGE_STRIDE);
    const owner = this.#owner[index]!;
    assert(owner !== 0, 'the record is in a page that has an owner');
    return RAM_OFFSET + (owner - 1) * 4096 + ((record - codePageBase(index)) / RECORD_SIZE) * 2;
  }

  /** Counting of jumps to the record begins anew. */
  restartCount(record: number, variant: Variant): void {
    const page = this.#owner[Math.floor((record - CODE_POOL_OFFSET) / CODE_PAGE_STRIDE)]! - 1;
    this.#u16[cellOf(record, variant) >>> 1] = this.#firstCount(page);
  }

  /** Translated code of the page was lost because the page was written: its code must prove itself twice as long. */
  lostTranslation(host: number): void {
    const page = ramPage(host);
    this.#lost.set(page, (this.#lost.get(page) ?? 0) + 1);
  }

  #firstCount(page: number): number {
    return CELL_HOT - Math.min(this.#hotAfter * 2 ** (this.#lost.get(page) ?? 0), CELL_HOT);
  }

  /** Bytes of RAM changed: drops what was decoded from them. `host` and `length` may span pages. */
  written(host: number, length: number): void {
    const end = host + length;
    for (let at = host; at < end; ) {
      const pageEnd = Math.min(end, at - (at % 4096) + 4096);
      const index = this.#poolIndex[ramPage(at)]! - 1;
      if (index >= 0) this.#writtenInPage(index, at, pageEnd - at);
      at = pageEnd;
    }
  }

  /** Replaces the offsets within a page at which records are breakpoints. */
  setBreakOffsets(offsets: ReadonlySet<number>): void {
    const changed = [...new Set([...this.#breakOffsets, ...offsets])];
    this.#breakOffsets = offsets;
    for (let index = 0; index < CODE_PAGES_MAX; index++) {
      if (this.#owner[index] === 0) continue;
      for (const offset of changed) this.#forget(codePageBase(index), offset >> 1);
    }
  }

  /** Drops all decoded code. */
  clear(): void {
    for (let index = 0; index < CODE_PAGES_MAX; index++) this.#release(index);
    this.#dropAfter.clear();
    this.#lost.clear();
    this.#next = 0;
  }

  /** Returns the instruction's length, or 0 when decoding should not go on behind it. */
  #decodeSlot(record: number, hostPage: number, slot: number): number {
    if (this.#breakOffsets.has(slot * 2)) {
      this.#writer.writeSpecial(record, SPECIAL.breakpoint);
      return 0;
    }
    const first = this.#u16[(hostPage >>> 1) + slot]!;
    const isFull = (first & 3) === 3;
    if (isFull && slot === RECORDS_PER_PAGE - 1) {
      this.#writer.writeSpecial(record, SPECIAL.straddle);
      return 0;
    }
    const second = isFull ? this.#u16[(hostPage >>> 1) + slot + 1]! : 0;
    return this.#writer.write(record, first | (second << 16), slot * 2);
  }

  #writtenInPage(index: number, host: number, length: number): void {
    this.#events.changed(host, length);
    const page = ramPage(host);
    const limit = this.#dropAfter.get(page) ?? STORES_BEFORE_DROP;
    this.#stores[index] = this.#stores[index]! + 1;
    if (length > INVALIDATE_BYTES_MAX || this.#stores[index]! > limit) {
      this.#dropAfter.set(page, Math.min(limit * 2, STORES_BEFORE_DROP_MAX));
      this.#release(index);
      return;
    }
    // A 32-bit instruction may begin one halfword before the first byte.
    const offset = host & 0xfff;
    const first = Math.max(0, (offset >> 1) - 1);
    const last = (offset + length - 1) >> 1;
    const base = codePageBase(index);
    for (let slot = first; slot <= last; slot++) this.#forget(base, slot);
  }

  #forget(base: number, slot: number): void {
    this.#u16[(base + slot * RECORD_SIZE) >>> 1] = SPECIAL.decode;
  }

  #release(index: number): void {
    const owner = this.#owner[index]!;
    if (owner === 0) return;
    assert(this.#poolIndex[owner - 1] === index + 1, 'page and pool name each other');
    this.#owner[index] = 0;
    this.#poolIndex[owner - 1] = 0;
    this.#events.dropped(codePageBase(index), RAM_OFFSET + (owner - 1) * 4096);
  }
}

const ramPage = (host: number): number => (host - RAM_OFFSET) >>> 12;
