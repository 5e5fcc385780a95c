import { assert } from '../base/assert.ts';
import type { GuestMemory } from '../contracts/memory.ts';
import type { CodePages } from '../hart/code-pages.ts';
import {
  BOUNDS_OFFSET,
  CELL_SLOT,
  CODE_PAGE_STRIDE,
  CODE_POOL_OFFSET,
  cellOf,
  RECORD_SIZE,
  RECORDS_PER_PAGE,
  SLOTS_MAX,
  type Variant,
} from '../hart/layout.ts';
import { instructionsOf, pageOf, type Region } from './region.ts';

/** A region from when it was found to when its code is dropped. */
export interface Translation {
  readonly region: Region;
  readonly variant: Variant;
  /** The decoded records at which it is entered. */
  readonly records: readonly number[];
  readonly bound: number;
  /** Bytes of WebAssembly. */
  readonly size: number;
  /** 0 until it is installed. */
  slot: number;
  /** False once its code changed, or had to go. */
  alive: boolean;
}

/**
 * Which regions stand in which slots, and what they were translated from.
 *
 * Invariant: a cell names a slot exactly when an alive region with that entry and variant is installed there.
 */
export class CodeCache {
  readonly #u16: Uint16Array;
  readonly #code: CodePages;
  readonly #table: WebAssembly.Table;
  /** Translations, installed or being compiled, by decoded page. */
  readonly #byPage = new Map<number, Set<Translation>>();
  /** By decoded page: how many translations have the instruction that a halfword is part of. */
  readonly #covered = new Map<number, Uint16Array>();
  /** Installed, oldest first. */
  readonly #installed = new Set<Translation>();
  readonly #freeSlots: number[] = [];
  readonly #bytesMax: number;
  readonly #slotsMax: number;
  #nextSlot = 1;
  bytes = 0;
  /** Regions dropped so far. */
  losses = 0;

  constructor(
    memory: GuestMemory,
    code: CodePages,
    table: WebAssembly.Table,
    limits: { bytesMax: number; slotsMax: number },
  ) {
    assert(limits.slotsMax >= 1 && limits.slotsMax < SLOTS_MAX, 'slots that cells can name');
    this.#u16 = new Uint16Array(memory.memory.buffer);
    this.#code = code;
    this.#table = table;
    this.#bytesMax = limits.bytesMax;
    this.#slotsMax = limits.slotsMax;
  }

  get regions(): number {
    return this.#installed.size;
  }

  /** Takes note of a region whose code is to be compiled: from now on a change of its code kills it. */
  add(translation: Translation): void {
    this.#dropRivals(translation, false);
    for (const { codePage } of translation.region.pages.values()) {
      let there = this.#byPage.get(codePage);
      if (there === undefined) this.#byPage.set(codePage, (there = new Set()));
      there.add(translation);
    }
    this.#cover(translation.region, 1);
  }

  /** True when the record has a region, installed or being compiled. */
  has(record: number, variant: Variant): boolean {
    for (const translation of this.#byPage.get(codePageOf(record)) ?? []) {
      if (translation.records.includes(record) && translation.variant === variant) return true;
    }
    return false;
  }

  /** Drops what is entered, or would be, where this one is to be: of the installed, or of those being compiled. */
  #dropRivals({ records, variant }: Translation, installed: boolean): void {
    for (const rival of [...(this.#byPage.get(codePageOf(records[0]!)) ?? [])]) {
      if (rival.variant !== variant || (rival.slot !== 0) !== installed) continue;
      if (rival.records.some((record) => records.includes(record))) this.drop(rival);
    }
  }

  install(translation: Translation, code: WebAssembly.ExportValue): void {
    assert(translation.alive && translation.slot === 0, 'installed once');
    this.#dropRivals(translation, true);
    while (this.bytes + translation.size > this.#bytesMax && this.#installed.size > 0) this.#dropOldest();
    const slot = this.#takeSlot();
    translation.slot = slot;
    this.#table.set(slot, code);
    this.#u16[(BOUNDS_OFFSET >> 1) + slot] = translation.bound;
    for (const record of translation.records) {
      this.#u16[cellOf(record, translation.variant) >>> 1] = CELL_SLOT | slot;
    }
    this.#installed.add(translation);
    this.bytes += translation.size;
  }

  drop(translation: Translation): void {
    assert(translation.alive, 'dropped once');
    translation.alive = false;
    this.losses++;
    for (const { codePage } of translation.region.pages.values()) {
      // Absent the second time: neighbouring virtual pages may be one page of RAM.
      const there = this.#byPage.get(codePage);
      there?.delete(translation);
      if (there?.size === 0) this.#byPage.delete(codePage);
    }
    this.#cover(translation.region, -1);
    for (const { codePage } of translation.region.pages.values()) {
      if (!this.#byPage.has(codePage)) this.#covered.delete(codePage);
    }
    if (translation.slot === 0) return;
    this.#installed.delete(translation);
    this.bytes -= translation.size;
    this.#table.set(translation.slot, null);
    this.#freeSlots.push(translation.slot);
    for (const record of translation.records) this.#code.restartCount(record, translation.variant);
    translation.slot = 0;
  }

  /** Bytes at an offset of a page with decoded code changed. True when a translation was lost. */
  written(codePage: number, inPage: number, length: number): boolean {
    if (!this.#isCovered(codePage, inPage, length)) return false;
    let lost = false;
    for (const translation of this.#byPage.get(codePage) ?? []) {
      if (!covers(translation.region, codePage, inPage, length)) continue;
      this.drop(translation);
      lost = true;
    }
    return lost;
  }

  /** All that was translated from the decoded page. */
  dropPage(codePage: number): void {
    for (const translation of this.#byPage.get(codePage) ?? []) this.drop(translation);
  }

  /** What contains an instruction at one of these offsets within a page. */
  dropAt(offsets: ReadonlySet<number>): void {
    for (const there of [...this.#byPage.values()]) {
      for (const translation of there) {
        const { blocks } = translation.region;
        if (blocks.some((block) => instructionsOf(block).some(({ offset }) => offsets.has(offset & 0xfff))))
          this.drop(translation);
      }
    }
  }

  /** Fails where the cache contradicts itself. */
  verify(): void {
    let bytes = 0;
    const slots = new Set<number>();
    for (const translation of this.#installed) {
      const { slot, records, variant, region, bound } = translation;
      assert(translation.alive && slot > 0 && !slots.has(slot), 'an installed region has a slot of its own');
      slots.add(slot);
      bytes += translation.size;
      assert(this.#table.get(slot) !== null, 'a slot in use has code');
      const entryPage = region.pages.get(pageOf(region.entry))!.codePage;
      for (const record of records) {
        assert(this.#u16[cellOf(record, variant) >>> 1] === (CELL_SLOT | slot), 'the cell names the slot');
        assert(codePageOf(record) === entryPage, 'it is entered in one page');
      }
      assert(this.#u16[(BOUNDS_OFFSET >> 1) + slot] === bound && bound > 0, 'the bound stands beside');
      for (const [delta, { codePage, hostPage }] of region.pages) {
        assert(this.#code.hasCode(hostPage), 'the page has decoded code, so that stores to it are seen');
        assert(this.#code.pageFor(hostPage) === codePage, `page ${delta} is decoded where it was`);
        assert(this.#byPage.get(codePage)?.has(translation) === true, 'the page knows its regions');
      }
    }
    for (const there of this.#byPage.values()) {
      for (const translation of there) assert(translation.alive, 'no page knows a dead region');
    }
    for (const [codePage, halfwords] of this.#covered) {
      const there = [...(this.#byPage.get(codePage) ?? [])];
      const isCovered = (at: number): boolean =>
        there.some(({ region }) => covers(region, codePage, at * 2, 2));
      assert(there.length > 0, 'a page without translations has no covered halfwords');
      const known = halfwords.findIndex((count) => count !== 0);
      assert(known < 0 || isCovered(known), 'what is covered is part of a translation');
    }
    for (const slot of this.#freeSlots)
      assert(!slots.has(slot) && this.#table.get(slot) === null, 'a free slot is empty');
    assert(bytes === this.bytes, 'the bytes add up');
  }

  /** Whether any translation has an instruction there: a quick answer for data beside code. */
  #isCovered(codePage: number, inPage: number, length: number): boolean {
    const halfwords = this.#covered.get(codePage);
    if (halfwords === undefined) return false;
    for (let at = inPage >> 1; at <= (inPage + length - 1) >> 1; at++) if (halfwords[at] !== 0) return true;
    return false;
  }

  #cover(region: Region, by: 1 | -1): void {
    for (const block of region.blocks) {
      for (const { offset, length } of instructionsOf(block)) {
        const { codePage } = region.pages.get(pageOf(offset))!;
        let halfwords = this.#covered.get(codePage);
        if (halfwords === undefined)
          this.#covered.set(codePage, (halfwords = new Uint16Array(RECORDS_PER_PAGE)));
        const first = (offset & 0xfff) >> 1;
        halfwords[first]! += by;
        if (length === 4) halfwords[first + 1]! += by;
      }
    }
  }

  #takeSlot(): number {
    const free = this.#freeSlots.pop();
    if (free !== undefined) return free;
    if (this.#nextSlot <= this.#slotsMax) return this.#nextSlot++;
    this.#dropOldest();
    return this.#freeSlots.pop()!;
  }

  #dropOldest(): void {
    const [oldest] = this.#installed;
    assert(oldest !== undefined, 'something is installed');
    this.drop(oldest);
  }
}

/** Host offset of the decoded page that a record stands in. */
export const codePageOf = (record: number): number =>
  record - ((record - CODE_POOL_OFFSET) % CODE_PAGE_STRIDE);
/** Offset within the page of code that a record stands for. */
export const offsetOf = (record: number): number => ((record - codePageOf(record)) / RECORD_SIZE) * 2;

function covers(region: Region, codePage: number, inPage: number, length: number): boolean {
  for (const [delta, page] of region.pages) {
    if (page.codePage !== codePage) continue;
    const start = delta * 4096 + inPage;
    for (const block of region.blocks) {
      const instructions = instructionsOf(block);
      const first = instructions[0];
      const last = instructions.at(-1);
      if (first === undefined || last === undefined) continue;
      if (start < last.offset + last.length && start + length > first.offset) return true;
    }
  }
  return false;
}
