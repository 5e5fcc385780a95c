import type { Variant } from '../hart/layout.ts';
import { codePageOf, type Translation } from './code-cache.ts';

/** Calls of `settled` after the last target that was new, before a region follows the jumps; doubled with each such region. */
const SETTLED_AFTER = 64;
/** Regions that are made for one page's jumps as more targets turn up. */
const REGIONS_MAX = 8;
/** More targets than a program's jump tables have; beyond, one region for all would be too large anyway. */
const TARGETS_MAX = 400;
/** A jump that always goes to the same place gains little. */
const TARGETS_MIN = 2;

/** Where a hot target of a computed jump was found. */
export interface JumpTarget {
  /** The target's decoded record, and its guest-virtual page. */
  readonly record: number;
  readonly page: bigint;
  readonly variant: Variant;
  /** Host offset of the fetch cache in force there. */
  readonly fetchTlb: number;
}

/** The computed jumps of a page. */
export interface Jumps {
  /** Their targets, in bytes from the start of the page. */
  readonly targets: Set<number>;
  last: JumpTarget;
  /** What follows them, if it was made. */
  translation: Translation | null;
  regions: number;
  /** Calls of `settled` that are left. */
  countdown: number;
}

/**
 * Where computed jumps of translated code left their region for: the cases of a `switch`, the handlers of an
 * interpreter. When no new ones turn up any more, one region is made of all of them. In an interpreter every handler may
 * jump to every other, so a target counts for all jumps of the page.
 */
export class JumpTargets {
  readonly #settledAfter: number;
  /** By decoded page of the jumps. */
  readonly #pages = new Map<number, Jumps>();
  readonly #unsettled = new Set<Jumps>();

  /** @param settledAfter for tests; see the constant. */
  constructor(settledAfter = SETTLED_AFTER) {
    this.#settledAfter = settledAfter;
  }

  /**
   * A jump in this decoded page left its region for a target that is worth translating, so many bytes from the start of the
   * page. Where that is known already, there was a region once.
   */
  learn(codePage: number, offset: number, target: JumpTarget): void {
    let jumps = this.#pages.get(codePage);
    if (jumps === undefined) {
      jumps = { targets: new Set(), last: target, translation: null, regions: 0, countdown: 0 };
      this.#pages.set(codePage, jumps);
    }
    if (jumps.targets.size >= TARGETS_MAX || jumps.regions >= REGIONS_MAX) return;
    const isKnown = jumps.targets.has(offset);
    jumps.targets.add(offset);
    jumps.last = target;
    if (jumps.targets.size < TARGETS_MIN) return;
    if (isKnown && (this.#unsettled.has(jumps) || jumps.translation?.alive === true)) return;
    jumps.countdown = this.#settledAfter * 2 ** jumps.regions;
    this.#unsettled.add(jumps);
  }

  /** The targets of the page's jumps, in bytes from its start. */
  of(codePage: number): ReadonlySet<number> {
    return this.#pages.get(codePage)?.targets ?? NONE;
  }

  /** The jumps that a region should be made for now. Called again and again. */
  settled(): readonly Jumps[] {
    if (this.#unsettled.size === 0) return [];
    const settled: Jumps[] = [];
    for (const jumps of this.#unsettled) {
      jumps.countdown--;
      if (jumps.countdown > 0) continue;
      this.#unsettled.delete(jumps);
      jumps.regions++;
      settled.push(jumps);
    }
    return settled;
  }

  /** The decoded page is another one's from now on. */
  forget(codePage: number): void {
    for (const jumps of this.#unsettled) {
      if (codePageOf(jumps.last.record) === codePage) this.#unsettled.delete(jumps);
    }
    const jumps = this.#pages.get(codePage);
    if (jumps === undefined) return;
    this.#unsettled.delete(jumps);
    this.#pages.delete(codePage);
  }
}

const NONE: ReadonlySet<number> = new Set();
