import { AT, TAG } from './dwarf/constants.ts';
import type { Entry } from './dwarf/entry.ts';
import type { AddressRange } from './model.ts';

/** A function, a block of it, or a function inlined into it, with what it declares. */
export interface ScopeNode {
  readonly kind: 'function' | 'block' | 'inline';
  readonly entry: Entry;
  readonly ranges: readonly AddressRange[];
  /** Parameters and variables, in order. */
  readonly variables: readonly Entry[];
  readonly children: readonly ScopeNode[];
}

/** Reads the scopes of a function. Deeper nesting than `DEPTH_MAX` and what follows damage is left out. */
export function readScopes(subprogram: Entry): ScopeNode {
  return readNode(subprogram, 'function', 0);
}

/** No program nests so deep; the bound keeps damaged files from exhausting the stack. */
const DEPTH_MAX = 128;

function readNode(entry: Entry, kind: ScopeNode['kind'], depth: number): ScopeNode {
  const variables: Entry[] = [];
  const children: ScopeNode[] = [];
  const unit = entry.unit;
  try {
    for (const child of entry.children()) {
      if (child.tag === TAG.formalParameter || child.tag === TAG.variable) variables.push(child);
      else if (depth >= DEPTH_MAX) continue;
      else if (child.tag === TAG.lexicalBlock) children.push(readNode(child, 'block', depth + 1));
      else if (child.tag === TAG.inlinedSubroutine) children.push(readNode(child, 'inline', depth + 1));
    }
  } catch (error) {
    unit.sections.report(error);
  }
  return { kind, entry, ranges: readRanges(entry), variables, children };
}

function readRanges(entry: Entry): readonly AddressRange[] {
  try {
    return entry.unit.rangesOf(entry);
  } catch (error) {
    entry.unit.sections.report(error);
    return [];
  }
}

/** The nodes that hold `address`, the function first. A block without ranges (all of it optimized out) holds nothing. */
export function pathTo(root: ScopeNode, address: bigint): readonly ScopeNode[] {
  const path = [root];
  for (let node: ScopeNode | undefined = root; node !== undefined; ) {
    node = node.children.find((child) => contains(child.ranges, address));
    if (node !== undefined) path.push(node);
  }
  return path;
}

/**
 * The path cut into levels of inlining, innermost first; each begins (at its end) with the function or inlined
 * function itself, and lists inner blocks first.
 */
export function levelsOf(path: readonly ScopeNode[]): readonly (readonly ScopeNode[])[] {
  const levels: ScopeNode[][] = [];
  for (const node of path) {
    if (node.kind !== 'block' || levels.length === 0) levels.unshift([node]);
    else levels[0]!.unshift(node);
  }
  return levels;
}

export function contains(ranges: readonly AddressRange[], address: bigint): boolean {
  return ranges.some(({ start, end }) => address >= start && address < end);
}

/** The line of the call that was replaced by an inlined function. */
export function callSite(node: ScopeNode): { file: number; line: number; column: number } {
  const { entry } = node;
  return {
    file: entry.number(AT.callFile) ?? 0,
    line: entry.number(AT.callLine) ?? 0,
    column: entry.number(AT.callColumn) ?? 0,
  };
}
