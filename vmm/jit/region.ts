import { RECORD_SIZE } from '../hart/layout.ts';
import { createDecoded, type Decoded } from '../isa/decode.ts';
import { ACCESS_FACTS, type Facts, factsOf, mayBeServed } from './facts.ts';

/**
 * Offsets here are bytes from the start of the page in which the region begins; those of the pages before are
 * negative.
 */
export interface Op {
  readonly offset: number;
  readonly length: 2 | 4;
  /** Index in `INSTRUCTIONS`. */
  readonly index: number;
  readonly rd: number;
  readonly rs1: number;
  readonly rs2: number;
  readonly rs3: number;
  readonly imm: number;
  readonly raw: number;
  readonly facts: Facts;
}

/**
 * Where a block continues: in a block of the region, or outside. Outside, `interpret` says that the instruction
 * there can only be interpreted; otherwise there may be another region.
 */
export type Edge =
  | { readonly kind: 'block'; readonly to: number }
  | { readonly kind: 'exit'; readonly offset: number; readonly interpret: boolean };

/**
 * - `goto`: one successor. - `branch`: by the condition of the last instruction.
 * - `call`: a jump that leaves a return address, at which the region continues; `target` is null when computed.
 * - `jump`: to the address that the last instruction computes.
 * - `dispatch`: to one of these by the address that a computed jump left; see `Region`.
 * - `service`: `op`, behind the block's own instructions, is executed by the hart, and the region continues behind it if it can.
 */
export type Ending =
  | { readonly kind: 'goto'; readonly next: Edge }
  | { readonly kind: 'branch'; readonly taken: Edge; readonly next: Edge }
  | { readonly kind: 'call'; readonly target: number | null; readonly back: Edge }
  | { readonly kind: 'jump' }
  | { readonly kind: 'dispatch'; readonly targets: readonly DispatchTarget[] }
  | { readonly kind: 'service'; readonly op: Op; readonly back: Edge };

export interface DispatchTarget {
  readonly offset: number;
  readonly edge: Edge;
}

export interface Block {
  readonly start: number;
  readonly ops: readonly Op[];
  ending: Ending;
}

/** A page of guest code: its host offset in RAM, and that of its decoded records. */
export interface CodePage {
  readonly hostPage: number;
  readonly codePage: number;
}

/** Where a region's code comes from. */
export interface CodeSource {
  /** The page `delta` pages after the one in which the region begins; undefined when it is not known to be mapped. */
  page(delta: number): CodePage | undefined;
  readonly u16: Uint16Array;
  readonly decode: (target: Decoded, raw: number) => boolean;
  /** The hart does the memory access of this record. */
  isServed(record: number): boolean;
  /** Where computed jumps of this decoded page went, in bytes from its start, as far as the region is to follow them. */
  jumpTargets(codePage: number): Iterable<number>;
  /** Offsets within a page at which breakpoints stand. */
  readonly breakOffsets: ReadonlySet<number>;
}

/**
 * Code that is translated together: what can be reached from `entry` without leaving by a call, or by a computed jump whose
 * targets are not known. Where they are, a block without instructions stands before all others: the region begins there
 * and computed jumps lead there, and it goes on by the address, so that a loop around a jump table stays in one region.
 */
export interface Region {
  readonly entry: number;
  /** Where the region may be entered, all in the entry's page. */
  readonly entries: readonly number[];
  /** The first is where the region begins. */
  readonly blocks: readonly Block[];
  /** The pages that its blocks and its callees are in, as far as they are known. */
  readonly pages: ReadonlyMap<number, CodePage>;
}

/**
 * A region has at most this many instructions: V8's optimising compiler takes time that grows faster than the
 * function, and a step budget shorter than the longest path through a region is interpreted.
 */
const OPS_MAX = 400;
/** The same where jumps through tables are followed: a loop around a table of jumps pays only when all of it is there. */
const OPS_MAX_WITH_DISPATCH = 1200;
/** Targets of computed jumps lie at most so far from the entry, so that a table for them stays small. */
const DISPATCH_REACH = 4096;
/** Pages before and after the entry's that a region may reach into. */
const PAGES_BEFORE = 2;
const PAGES_AFTER = 3;

/** The region that begins at `entry` of the page with delta 0; undefined when its first instruction is not translatable. */
export function findRegion(source: CodeSource, entry: number): Region | undefined {
  const finder = new RegionFinder(source);
  finder.collect(entry);
  return finder.region(entry);
}

class RegionFinder {
  readonly #source: CodeSource;
  #entry = 0;
  readonly #ops = new Map<number, Op>();
  /** Offsets whose instruction can only be interpreted. */
  readonly #stops = new Set<number>();
  readonly #leaders = new Set<number>();
  readonly #pages = new Map<number, CodePage | null>();
  readonly #queue: number[] = [];
  /** Of computed jumps. */
  readonly #targets = new Set<number>();
  readonly #decoded = createDecoded();

  constructor(source: CodeSource) {
    this.#source = source;
  }

  /** Decodes what is reachable, nearest first. */
  collect(entry: number): void {
    this.#entry = entry;
    this.#lead(entry);
    for (let next = 0; next < this.#queue.length; next++) this.#collectStraight(this.#queue[next]!);
  }

  region(entry: number): Region | undefined {
    if (!this.#ops.has(entry)) return undefined;
    const starts = [...this.#leaders].filter((offset) => this.#ops.has(offset));
    const targets = [...this.#targets].filter((offset) => this.#ops.has(offset));
    const hasDispatch = targets.length > 0;
    const numbers = new Map(starts.map((offset, index) => [offset, hasDispatch ? index + 1 : index]));
    const blocks = starts.map((start) => this.#block(start, numbers, hasDispatch));
    if (hasDispatch) blocks.unshift(dispatchBlock(entry, [...new Set([entry, ...targets])], numbers));
    const entries = [...new Set([entry, ...targets.filter((offset) => pageOf(offset) === 0)])];
    const pages = new Map<number, CodePage>();
    for (const { ending } of blocks) {
      if (ending.kind === 'call' && ending.target !== null) this.#link(pageOf(ending.target));
    }
    const linked = new Set([...starts, ...blocks.flatMap(calledFrom)].map(pageOf));
    for (const [delta, page] of this.#pages) {
      if (page !== null && linked.has(delta)) pages.set(delta, page);
    }
    return { entry, entries, blocks, pages };
  }

  #lead(offset: number): void {
    if (this.#leaders.has(offset)) return;
    this.#leaders.add(offset);
    this.#queue.push(offset);
  }

  #collectStraight(start: number): void {
    for (let offset = start; ; ) {
      const opsMax = this.#targets.size > 0 ? OPS_MAX_WITH_DISPATCH : OPS_MAX;
      if (this.#ops.has(offset) || this.#ops.size >= opsMax) return;
      const op = this.#decodeAt(offset);
      if (op === undefined) return;
      this.#ops.set(offset, op);
      const next = offset + op.length;
      switch (op.facts.flow) {
        case 'next':
          // A page's first instruction begins a block, so that crossing into the page is an edge.
          if (pageOf(next) !== pageOf(offset)) {
            this.#lead(next);
            return;
          }
          offset = next;
          continue;
        case 'branch':
          this.#lead(next);
          this.#lead(offset + op.imm);
          return;
        case 'jumpRelative':
          this.#lead(op.rd === 0 ? offset + op.imm : next);
          return;
        case 'jump':
          if (op.rd !== 0) this.#lead(next);
          else if (!isReturn(op)) this.#leadJumps(op);
          return;
        case 'leave':
          this.#lead(next);
          return;
      }
    }
  }

  #leadJumps({ offset }: Op): void {
    const page = this.#page(pageOf(offset));
    if (page === null) return;
    for (const inPage of this.#source.jumpTargets(page.codePage)) {
      const target = pageOf(offset) * 4096 + inPage;
      if (Math.abs(target - this.#entry) >= DISPATCH_REACH) continue;
      this.#targets.add(target);
      this.#lead(target);
    }
  }

  #decodeAt(offset: number): Op | undefined {
    const page = this.#page(pageOf(offset));
    if (page === null) return undefined;
    const inPage = offset & 0xfff;
    const { u16, breakOffsets, decode } = this.#source;
    const index = (page.hostPage + inPage) >>> 1;
    const first = u16[index]!;
    const isFull = (first & 3) === 3;
    if (breakOffsets.has(inPage) || (isFull && inPage === 0xffe)) {
      this.#stops.add(offset);
      return undefined;
    }
    const decoded = this.#decoded;
    if (!decode(decoded, first | (isFull ? u16[index + 1]! << 16 : 0))) {
      this.#stops.add(offset);
      return undefined;
    }
    const isServed = this.#source.isServed(recordOf(page, offset)) && mayBeServed(decoded);
    const facts = isServed ? ACCESS_FACTS : factsOf(decoded);
    if (facts.flow === 'leave' && facts.service === null) {
      this.#stops.add(offset);
      return undefined;
    }
    const { length, rd, rs1, rs2, rs3, imm, raw } = decoded;
    return { offset, length, index: decoded.index, rd, rs1, rs2, rs3, imm, raw, facts };
  }

  /** Pages of callees may be anywhere. */
  #link(delta: number): void {
    if (!this.#pages.get(delta)) this.#pages.set(delta, this.#source.page(delta) ?? null);
  }

  #page(delta: number): CodePage | null {
    if (delta < -PAGES_BEFORE || delta > PAGES_AFTER) return null;
    let page = this.#pages.get(delta);
    if (page === undefined) {
      page = this.#source.page(delta) ?? null;
      this.#pages.set(delta, page);
    }
    return page;
  }

  #block(start: number, numbers: ReadonlyMap<number, number>, hasDispatch: boolean): Block {
    const edge = (offset: number): Edge => {
      const to = numbers.get(offset);
      if (to !== undefined) return { kind: 'block', to };
      return { kind: 'exit', offset, interpret: this.#stops.has(offset) };
    };
    const jump = (op: Op): Ending =>
      hasDispatch && !isReturn(op) ? { kind: 'goto', next: { kind: 'block', to: 0 } } : { kind: 'jump' };
    const ops: Op[] = [];
    for (let offset = start; ; ) {
      const op = this.#ops.get(offset);
      if (op === undefined || (ops.length > 0 && this.#leaders.has(offset))) {
        return { start, ops, ending: { kind: 'goto', next: edge(offset) } };
      }
      if (op.facts.flow === 'leave') {
        return { start, ops, ending: { kind: 'service', op, back: edge(offset + op.length) } };
      }
      ops.push(op);
      const next = offset + op.length;
      switch (op.facts.flow) {
        case 'branch':
          return { start, ops, ending: { kind: 'branch', taken: edge(offset + op.imm), next: edge(next) } };
        case 'jumpRelative':
          return op.rd === 0
            ? { start, ops, ending: { kind: 'goto', next: edge(offset + op.imm) } }
            : { start, ops, ending: { kind: 'call', target: offset + op.imm, back: edge(next) } };
        case 'jump':
          return op.rd === 0
            ? { start, ops, ending: jump(op) }
            : { start, ops, ending: { kind: 'call', target: null, back: edge(next) } };
        default:
          offset = next;
      }
    }
  }
}

function dispatchBlock(
  start: number,
  targets: readonly number[],
  numbers: ReadonlyMap<number, number>,
): Block {
  const edge = (offset: number): Edge => ({ kind: 'block', to: numbers.get(offset)! });
  return {
    start,
    ops: [],
    ending: { kind: 'dispatch', targets: targets.map((offset) => ({ offset, edge: edge(offset) })) },
  };
}

const calledFrom = ({ ending }: Block): readonly number[] =>
  ending.kind === 'call' && ending.target !== null ? [ending.target] : [];

/** All instructions of a block, that which the hart executes at its end included. */
export const instructionsOf = ({ ops, ending }: Block): readonly Op[] =>
  ending.kind === 'service' ? [...ops, ending.op] : ops;

export const pageOf = (offset: number): number => offset >> 12;

/** Host offset of the decoded record of the instruction at an offset, which lies in this page. */
export const recordOf = ({ codePage }: CodePage, offset: number): number =>
  codePage + ((offset & 0xffe) / 2) * RECORD_SIZE;

/** By the unprivileged specification's return-address hints: a jump to x1 or x5 without a link. */
export const isReturn = ({ rd, rs1 }: { rd: number; rs1: number }): boolean =>
  rd === 0 && (rs1 === 1 || rs1 === 5);
