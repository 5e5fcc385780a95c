import { assert } from '../base/assert.ts';
import type { Block, Edge, Ending, Op, Region } from './region.ts';
import { isSame, minus, NO_REGISTERS, type RegisterSet, union } from './registers.ts';

/** What emission must know of a block. All registers are "may" sets. */
export interface BlockInfo {
  readonly block: Block;
  /** Position in reverse postorder. */
  readonly order: number;
  /** Blocks that this one immediately dominates, in reverse postorder. */
  readonly children: number[];
  /** The target of a back edge. */
  isLoopHead: boolean;
  /** Reached by several forward edges, so that a wasm block ends before it. */
  isMerge: boolean;
  /** Registers whose value in the hart's record may be old where the block begins, and where it ends. */
  dirtyIn: RegisterSet;
  dirtyOut: RegisterSet;
  /** Floating-point registers that certainly hold singles where the block begins, and where it ends; bit n for register n. */
  singlesIn: number;
  singlesOut: number;
  /** Registers whose locals must hold their values where the block begins. */
  liveIn: RegisterSet;
  /** Dirty registers at the last instruction of the block that may be left to the interpreter; null when none may. */
  dirtyAtExits: RegisterSet | null;
  /** Steps that the longest way takes from here to the next place where steps are compared, or out of the region. */
  bound: number;
}

/**
 * The region's control flow, made reducible: an edge into a loop that does not pass its head leaves the region instead.
 * Blocks that become unreachable have no info.
 */
export interface Flow {
  readonly infos: ReadonlyMap<number, BlockInfo>;
  /** Blocks in reverse postorder. */
  readonly order: readonly number[];
}

export function analyse(region: Region): Flow {
  const blocks = region.blocks.map((block) => ({ ...block }));
  for (;;) {
    const flow = new FlowAnalysis(blocks);
    if (flow.cutIrreducible()) continue;
    flow.finish();
    return flow;
  }
}

/** The blocks that an ending may go to. */
export function successors(ending: Ending): readonly Edge[] {
  switch (ending.kind) {
    case 'goto':
      return [ending.next];
    case 'branch':
      return [ending.taken, ending.next];
    case 'call':
    case 'service':
      return [ending.back];
    case 'jump':
      return [];
    case 'dispatch':
      return ending.targets.map(({ edge }) => edge);
  }
}

/** The region is left with all state in the hart's record, and continues when that comes back. */
export const leavesAndReturns = ({ kind }: Ending): boolean => kind === 'call' || kind === 'service';

export function registersRead({ facts, rd, rs1, rs2, rs3 }: Op): RegisterSet {
  const numbers: Readonly<Record<string, number>> = { rd, rs1, rs2, rs3 };
  const bits = (names: ReadonlySet<string>): number => {
    let set = 0;
    for (const name of names) set |= 1 << numbers[name]!;
    return set;
  };
  return { x: bits(facts.readsX) & ~1, f: bits(facts.readsF) };
}

export function registersWritten({ facts, rd }: Op): RegisterSet {
  return { x: facts.writesX ? (1 << rd) & ~1 : 0, f: facts.writesF ? 1 << rd : 0 };
}

/** Of a set of registers of one kind. */
const ALL = -1;

class FlowAnalysis implements Flow {
  readonly infos = new Map<number, BlockInfo>();
  readonly order: number[] = [];
  readonly #blocks: Block[];
  readonly #predecessors = new Map<number, number[]>();
  readonly #idom = new Map<number, number>();

  constructor(blocks: Block[]) {
    this.#blocks = blocks;
    this.#number();
    this.#dominate();
  }

  /** Turns edges that make the graph irreducible into exits. True when there were any. */
  cutIrreducible(): boolean {
    let cut = false;
    const keep = (from: number, edge: Edge): Edge => {
      if (edge.kind === 'exit' || !this.#goesBack(from, edge.to) || this.#dominates(edge.to, from))
        return edge;
      cut = true;
      return { kind: 'exit', offset: this.#blocks[edge.to]!.start, interpret: false };
    };
    for (const from of this.order) {
      const block = this.#blocks[from]!;
      block.ending = mapEdges(block.ending, (edge) => keep(from, edge));
    }
    return cut;
  }

  finish(): void {
    for (const from of this.order) {
      for (const to of this.#successors(from)) {
        if (this.#goesBack(from, to)) this.infos.get(to)!.isLoopHead = true;
      }
    }
    for (const [block, info] of this.infos) {
      info.isMerge = this.#predecessors.get(block)!.filter((from) => !this.#goesBack(from, block)).length > 1;
    }
    this.#spreadDirty();
    this.#spreadSingles();
    this.#spreadLive();
    this.#measure();
  }

  #number(): void {
    const postorder: number[] = [];
    const seen = new Set<number>();
    // Depth first without recursion: a region may be one long chain.
    const stack: { block: number; edges: number[] }[] = [];
    const visit = (block: number): void => {
      seen.add(block);
      // The last edge is followed first: what a branch falls through to comes next in the order.
      stack.push({ block, edges: [...this.#successors(block)] });
    };
    visit(0);
    while (stack.length > 0) {
      const top = stack.at(-1)!;
      const next = top.edges.shift();
      if (next === undefined) {
        postorder.push(top.block);
        stack.pop();
      } else if (!seen.has(next)) visit(next);
    }
    for (const block of postorder.reverse()) {
      this.infos.set(block, {
        block: this.#blocks[block]!,
        order: this.order.push(block) - 1,
        children: [],
        isLoopHead: false,
        isMerge: false,
        dirtyIn: NO_REGISTERS,
        singlesIn: 0,
        singlesOut: ALL,
        dirtyOut: NO_REGISTERS,
        liveIn: NO_REGISTERS,
        dirtyAtExits: null,
        bound: 0,
      });
      this.#predecessors.set(block, []);
    }
    for (const from of this.order) {
      for (const to of this.#successors(from)) this.#predecessors.get(to)!.push(from);
    }
  }

  /** Cooper, Harvey, Kennedy, "A Simple, Fast Dominance Algorithm". */
  #dominate(): void {
    this.#idom.set(0, 0);
    for (let changed = true; changed; ) {
      changed = false;
      for (const block of this.order) {
        if (block === 0) continue;
        let dominator: number | undefined;
        for (const from of this.#predecessors.get(block)!) {
          if (!this.#idom.has(from)) continue;
          dominator = dominator === undefined ? from : this.#meet(from, dominator);
        }
        assert(dominator !== undefined, 'a reachable block has a predecessor before it');
        if (this.#idom.get(block) === dominator) continue;
        this.#idom.set(block, dominator);
        changed = true;
      }
    }
    for (const block of this.order) {
      if (block !== 0) this.infos.get(this.#idom.get(block)!)!.children.push(block);
    }
  }

  #meet(a: number, b: number): number {
    let one = a;
    let other = b;
    while (one !== other) {
      while (this.#order(one) > this.#order(other)) one = this.#idom.get(one)!;
      while (this.#order(other) > this.#order(one)) other = this.#idom.get(other)!;
    }
    return one;
  }

  #dominates(dominator: number, block: number): boolean {
    let at = block;
    while (this.#order(at) > this.#order(dominator)) at = this.#idom.get(at)!;
    return at === dominator;
  }

  #spreadDirty(): void {
    for (let changed = true; changed; ) {
      changed = false;
      for (const number of this.order) {
        const info = this.infos.get(number)!;
        let dirty = NO_REGISTERS;
        for (const from of this.#predecessors.get(number)!) {
          // A call writes everything back first.
          if (!leavesAndReturns(this.#blocks[from]!.ending))
            dirty = union(dirty, this.infos.get(from)!.dirtyOut);
        }
        info.dirtyIn = dirty;
        info.dirtyAtExits = null;
        for (const op of info.block.ops) {
          if (op.facts.mayExit) info.dirtyAtExits = dirty;
          dirty = union(dirty, registersWritten(op));
        }
        if (isSame(dirty, info.dirtyOut)) continue;
        info.dirtyOut = dirty;
        changed = true;
      }
    }
  }

  /** From all registers everywhere down to those that every way leaves a single in. */
  #spreadSingles(): void {
    for (let changed = true; changed; ) {
      changed = false;
      for (const number of this.order) {
        const info = this.infos.get(number)!;
        let singles = number === 0 ? 0 : ALL;
        for (const from of this.#predecessors.get(number)!) {
          singles &= leavesAndReturns(this.#blocks[from]!.ending) ? 0 : this.infos.get(from)!.singlesOut;
        }
        info.singlesIn = singles;
        for (const { facts, rd } of info.block.ops) {
          if (facts.writesF) singles = facts.writesSingle ? singles | (1 << rd) : singles & ~(1 << rd);
        }
        if (singles === info.singlesOut) continue;
        info.singlesOut = singles;
        changed = true;
      }
    }
  }

  #spreadLive(): void {
    for (let changed = true; changed; ) {
      changed = false;
      for (const number of [...this.order].reverse()) {
        const info = this.infos.get(number)!;
        const live = this.#liveIn(info);
        if (isSame(live, info.liveIn)) continue;
        info.liveIn = live;
        changed = true;
      }
    }
  }

  #liveIn(info: BlockInfo): RegisterSet {
    const { block, dirtyIn, dirtyOut, dirtyAtExits } = info;
    let live = NO_REGISTERS;
    const edges = successors(block.ending);
    // Where the region is left, dirty registers are written back.
    const returns = leavesAndReturns(block.ending);
    const mayLeave = block.ending.kind === 'dispatch' || edges.some(({ kind }) => kind === 'exit');
    if (returns || edges.length === 0 || mayLeave) {
      live = dirtyOut;
    }
    if (!returns) {
      for (const edge of edges) {
        if (edge.kind === 'block') live = union(live, this.infos.get(edge.to)!.liveIn);
      }
    }
    for (let index = block.ops.length - 1; index >= 0; index--) {
      const op = block.ops[index]!;
      live = union(minus(live, registersWritten(op)), registersRead(op));
    }
    if (dirtyAtExits !== null) live = union(live, dirtyAtExits);
    return info.isLoopHead ? union(live, dirtyIn) : live;
  }

  #measure(): void {
    for (const number of [...this.order].reverse()) {
      const info = this.infos.get(number)!;
      let behind = 0;
      if (!leavesAndReturns(info.block.ending)) {
        for (const to of this.#successors(number)) {
          const { isLoopHead, bound } = this.infos.get(to)!;
          if (!isLoopHead) behind = Math.max(behind, bound);
        }
      }
      info.bound = info.block.ops.length + (info.block.ending.kind === 'service' ? 1 : behind);
    }
  }

  #successors(block: number): readonly number[] {
    const to: number[] = [];
    for (const edge of successors(this.#blocks[block]!.ending)) if (edge.kind === 'block') to.push(edge.to);
    return to;
  }

  #order(block: number): number {
    return this.infos.get(block)!.order;
  }

  #goesBack(from: number, to: number): boolean {
    return this.#order(to) <= this.#order(from);
  }
}

function mapEdges(ending: Ending, map: (edge: Edge) => Edge): Ending {
  switch (ending.kind) {
    case 'goto':
      return { kind: 'goto', next: map(ending.next) };
    case 'branch':
      return { kind: 'branch', taken: map(ending.taken), next: map(ending.next) };
    case 'call':
    case 'service':
      return { ...ending, back: map(ending.back) };
    case 'jump':
      return ending;
    case 'dispatch':
      return {
        kind: 'dispatch',
        targets: ending.targets.map(({ offset, edge }) => ({ offset, edge: map(edge) })),
      };
  }
}
