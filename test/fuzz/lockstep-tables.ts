/**
 * Page tables of lockstep programs: two roots, each with a window for S-mode and one for U-mode onto all of RAM (see
 * `lockstep-layout.ts`), with rights that are mostly as they should be.
 */
import { assert } from '../../vmm/base/assert.ts';
import type { Random } from '../support/random.ts';
import {
  ALIAS_OFFSET,
  CODE,
  DATA,
  DEVICE_OFFSET,
  GIGAPAGE_OFFSET,
  HARTS_MAX,
  LAST_PAGE_OFFSET,
  MEGAPAGE_OFFSET,
  machineHandlers,
  PAGE,
  RAM_BASE,
  RAM_PAGES,
  supervisorHandlers,
  TABLES,
} from './lockstep-layout.ts';

const V = 1;
const R = 2;
const W = 4;
const X = 8;
const U = 16;
const G = 32;
const A = 64;
const D = 128;

/** An entry that programs may rewrite. */
export interface Entry {
  /** Where it stands in RAM. */
  readonly offset: number;
  /** Its low word; the high one is 0. */
  readonly value: number;
  /** What it maps, as an offset from the base of a window; and the window. */
  readonly page: number;
  readonly user: boolean;
  /** The first root has it; the second too where they share it. */
  readonly first: boolean;
}

export interface Paging {
  readonly levels: 3 | 4 | 5;
  readonly supervisorBase: bigint;
  readonly userBase: bigint;
  /** Page numbers of the two roots. */
  readonly roots: readonly [number, number];
  readonly entries: readonly Entry[];
}

export interface PagingOptions {
  readonly levels: 3 | 4 | 5;
  /** Code can be written through its mapping. */
  readonly writableCode: boolean;
  /** Entries that hold something else than they should, of 100. */
  readonly oddities: number;
  /** The accessed and dirty bits are set already. */
  readonly used: boolean;
  /** U-mode may write to the tables. */
  readonly openTables: boolean;
  /** Neighbours among the code pages are no neighbours in RAM. */
  readonly shuffledCode: boolean;
}

const SUPERVISOR_BASES: Readonly<Record<3 | 4 | 5, readonly bigint[]>> = {
  3: [0x8000_0000n, 0x8000_0000n, 0xffff_ffc0_0000_0000n, 0xffff_ffff_8000_0000n, 0x3f_4000_0000n],
  4: [0x8000_0000n, 0x8000_0000n, 0xffff_8000_0000_0000n, 0xffff_ffff_8000_0000n, 0x7ffe_4000_0000n],
  5: [0x8000_0000n, 0x8000_0000n, 0xff00_0000_0000_0000n, 0xffff_ffff_8000_0000n, 0xff_fffe_4000_0000n],
};
const USER_BASES = [0x0n, 0x1_0000_0000n, 0x1_4000_0000n, 0x10_0020_0000n] as const;

/** Writes the tables into the image; `odd` draws what is not as it should be. */
export function writePageTables(image: Uint8Array, random: Random, options: PagingOptions): Paging {
  const writer = new TableWriter(image, random, options);
  const supervisorBase = random.pick(SUPERVISOR_BASES[options.levels]);
  const userBase = random.pick(USER_BASES);
  const first = writer.allocate();
  writer.window(first, supervisorBase, false);
  writer.window(first, userBase, true);
  const second = writer.allocate();
  // Address spaces share the supervisor's part as often as not, and the user's where one entry of the root holds both.
  const shares = random.below(2) === 0;
  if (shares) writer.share(first, second, supervisorBase);
  else writer.window(second, supervisorBase, false);
  const sharesUser =
    shares && indexAt(supervisorBase, options.levels - 1) === indexAt(userBase, options.levels - 1);
  if (!sharesUser) writer.window(second, userBase, true);
  const page = (offset: number): number => RAM_BASE / PAGE + offset / PAGE;
  return {
    levels: options.levels,
    supervisorBase,
    userBase,
    roots: [page(first), page(second)],
    entries: writer.entries,
  };
}

/** satp.MODE: 8 is Sv39, 9 Sv48, 10 Sv57. */
export const satpOf = (levels: 3 | 4 | 5, root: number, asid = 0): bigint =>
  (BigInt(levels + 5) << 60n) | (BigInt(asid) << 44n) | BigInt(root);

class TableWriter {
  readonly entries: Entry[] = [];
  readonly #view: DataView;
  readonly #random: Random;
  readonly #options: PagingOptions;
  #next: number = TABLES.offset;
  #windows = 0;

  constructor(image: Uint8Array, random: Random, options: PagingOptions) {
    this.#view = new DataView(image.buffer, image.byteOffset, image.byteLength);
    this.#random = random;
    this.#options = options;
  }

  /** Offset of a fresh table. */
  allocate(): number {
    const table = this.#next;
    assert(table < TABLES.offset + TABLES.pages * PAGE, 'there is room for another table');
    this.#next += PAGE;
    return table;
  }

  /** Gives root `to` the entry that root `from` has for the address. */
  share(from: number, to: number, address: bigint): void {
    const at = indexAt(address, this.#options.levels - 1) * 8;
    this.#put(to + at, this.#view.getUint32(from + at, true));
  }

  /** Maps RAM and the device at `base`, its data pages once more, and all by superpages. */
  window(root: number, base: bigint, user: boolean): void {
    this.#windows++;
    const order = permutation(this.#random, CODE.pages, this.#options.shuffledCode);
    const pages = this.#table(root, base, 0);
    for (let page = 0; page < RAM_PAGES; page++) {
      const code = page - CODE.offset / PAGE;
      const isCode = code >= 0 && code < CODE.pages;
      const target = isCode ? CODE.offset / PAGE + order[code]! : page;
      this.#leaf(pages + page * 8, page * PAGE, target * PAGE, user);
    }
    this.#put(pages + (DEVICE_OFFSET / PAGE) * 8, pte(DEVICE_OFFSET, R | W | A | D | (user ? U : 0)));

    const aliases = this.#table(root, base + BigInt(ALIAS_OFFSET), 0);
    const dataOrder = permutation(this.#random, DATA.pages, true);
    for (let page = 0; page < DATA.pages; page++) {
      const at = aliases + (DATA.offset / PAGE + page) * 8;
      const target = DATA.offset + dataOrder[page]! * PAGE;
      this.#leaf(at, ALIAS_OFFSET + DATA.offset + page * PAGE, target, user);
    }
    this.#superpage(root, base, MEGAPAGE_OFFSET, 1, user);
    // Only from a base that is aligned as such a page must be, and where the table has a next entry.
    if (base % 0x4000_0000n === 0n && indexAt(base, 2) < 511) {
      this.#superpage(root, base, GIGAPAGE_OFFSET, 2, user);
    }
  }

  #superpage(root: number, base: bigint, offset: number, level: number, user: boolean): void {
    const address = base + BigInt(offset);
    const at = this.#table(root, address, level) + indexAt(address, level) * 8;
    const rights = this.#random.below(4) ? R | W | X : this.#random.pick([R, R | W, R | X]);
    this.#listed(at, pte(0, rights | A | D | (user ? U : 0)), offset, user);
  }

  /** Offset of the table at `level` that the address's entry stands in. */
  #table(root: number, address: bigint, level: number): number {
    let table = root;
    for (let at = this.#options.levels - 1; at > level; at--) {
      const slot = table + indexAt(address, at) * 8;
      const entry = this.#view.getUint32(slot, true);
      if (entry === 0) {
        table = this.allocate();
        this.#put(slot, pte(table, 0));
      } else {
        table = (entry >>> 10) * PAGE - RAM_BASE;
      }
    }
    return table;
  }

  #leaf(at: number, page: number, target: number, user: boolean): void {
    const { used } = this.#options;
    let flags = this.#rights(target, user);
    if (flags === 0) return;
    if (used || target < CODE.offset) flags |= A | D;
    if (!user && this.#random.below(4) === 0) flags |= G;
    const isOdd =
      target >= CODE.offset &&
      target < TABLES.offset + TABLES.pages * PAGE &&
      this.#random.below(100) < this.#options.oddities;
    this.#listed(at, isOdd ? oddEntry(this.#random, target, flags) : pte(target, flags), page, user);
  }

  #rights(target: number, user: boolean): number {
    const handlers = machineHandlers(HARTS_MAX);
    if (target < handlers) return 0;
    if (target < supervisorHandlers(HARTS_MAX)) return user ? 0 : R | W | X;
    const u = user ? U : 0;
    if (target < DATA.offset || target === LAST_PAGE_OFFSET) {
      return (this.#options.writableCode ? R | W | X : R | X) | u;
    }
    if (target < TABLES.offset) return R | W | u;
    if (!user) return R | W;
    return this.#options.openTables ? R | W | U : 0;
  }

  #listed(offset: number, value: number, page: number, user: boolean): void {
    this.#put(offset, value);
    // The first root's windows are made first.
    this.entries.push({ offset, value, page, user, first: this.#windows <= 2 });
  }

  #put(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }
}

/** The low word of an entry for a place in RAM; the high one is 0, for RAM begins at 2 GiB. */
export const pte = (offset: number, flags: number): number => (((RAM_BASE + offset) >>> 2) | flags | V) >>> 0;

/** An entry that is not what the page should have. */
export function oddEntry(random: Random, target: number, flags: number): number {
  switch (random.below(10)) {
    case 0:
      return 0;
    case 1:
      return pte(target, flags & ~W);
    case 2:
      return pte(target, (flags & ~(R | W)) | X);
    case 3:
      return pte(target, flags & ~X);
    case 4:
      return pte(target, flags ^ U);
    case 5:
      return pte(target, flags & ~(A | D));
    case 6:
      return pte(target, (flags | A) & ~D);
    case 7:
      // Another page of the same kind, or whatever stands beside it.
      return pte(target ^ (PAGE << random.below(3)), flags | A | D);
    case 8:
      // Reserved: writable but not readable. Or no leaf at all, where there must be one.
      return pte(target, random.below(2) ? (flags & ~R) | W : flags & U);
    default:
      // Behind RAM: nothing is there, or the device.
      return pte(random.below(2) ? DEVICE_OFFSET : RAM_PAGES * PAGE, flags | A | D);
  }
}

const indexAt = (address: bigint, level: number): number =>
  Number((address >> BigInt(12 + 9 * level)) & 0x1ffn);

function permutation(random: Random, count: number, shuffled: boolean): number[] {
  const order = Array.from({ length: count }, (_, index) => index);
  if (!shuffled) return order;
  for (let last = count - 1; last > 0; last--) {
    const other = random.below(last + 1);
    [order[last], order[other]] = [order[other]!, order[last]!];
  }
  return order;
}
