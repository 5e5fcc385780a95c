/**
 * Breakpoints on addresses: what the client asked for, where it landed, and whether a stop there counts. Conditions,
 * hit counts and log messages are judged here, at a stop, since the VMM knows no symbols.
 */
import { VmError } from '../vmm/base/vm-error.ts';
import type { Symbols } from './symbols/index.ts';
import {
  type EvaluationContext,
  evaluate,
  evaluateCondition,
  parseExpression,
  render,
} from './values/index.ts';

export type BreakpointKind = 'source' | 'function' | 'instruction';

/** What the client asked for. `where` tells breakpoints of one kind apart: `file:line`, a name, an address. */
export interface BreakpointSpec {
  readonly kind: BreakpointKind;
  readonly where: string;
  readonly condition?: string | undefined;
  readonly hitCondition?: string | undefined;
  readonly logMessage?: string | undefined;
}

export interface Placement {
  /** One for each inlined or duplicated copy; empty when the place has no code. */
  readonly addresses: readonly bigint[];
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
  /** Why there are none. */
  readonly message?: string;
}

export interface Breakpoint {
  readonly id: number;
  readonly spec: BreakpointSpec;
  readonly placement: Placement;
  /** Why it can never hit: no code there, or a condition that does not parse. */
  readonly problem: string | undefined;
  readonly countsHit: (hits: number) => boolean;
  readonly logParts: readonly LogPart[] | undefined;
  /** Times it was reached with its condition true. */
  hits: number;
}

export type LogPart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'expression'; readonly text: string };

/** What reaching an address came to. */
export interface HitResult {
  /** Breakpoints that stop the machine. */
  readonly stops: readonly Breakpoint[];
  /** What log points print. */
  readonly logs: readonly { readonly breakpoint: Breakpoint; readonly text: string }[];
  /** Conditions that could not be evaluated; their breakpoints are among `stops`. */
  readonly problems: readonly string[];
}

/** Finds the code for a breakpoint. Called again when the program is loaded anew. */
export type Locate = (symbols: Symbols) => Placement;

export interface WantedBreakpoint {
  readonly spec: BreakpointSpec;
  readonly locate: Locate;
}

interface Group {
  readonly wanted: readonly WantedBreakpoint[];
  readonly breakpoints: readonly Breakpoint[];
}

export class BreakpointStore {
  /** By kind, and for source breakpoints by file. */
  readonly #groups = new Map<string, Group>();
  #nextId = 1;

  /** Replaces a group. A breakpoint that was in it before, unchanged, keeps its id and hit count. */
  replace(group: string, wanted: readonly WantedBreakpoint[], symbols: Symbols): readonly Breakpoint[] {
    const before = [...(this.#groups.get(group)?.breakpoints ?? [])];
    const breakpoints = wanted.map(({ spec, locate }) => {
      const index = before.findIndex((old) => sameSpec(old.spec, spec));
      const old = index < 0 ? undefined : before.splice(index, 1)[0];
      return createBreakpoint(old?.id ?? this.#nextId++, spec, locate(symbols), old?.hits ?? 0);
    });
    this.#groups.set(group, { wanted, breakpoints });
    return breakpoints;
  }

  /** The program was loaded anew: finds every place again and starts the counts over. */
  relocate(symbols: Symbols): void {
    for (const [group, { wanted }] of [...this.#groups]) this.replace(group, wanted, symbols);
    for (const breakpoint of this) breakpoint.hits = 0;
  }

  *[Symbol.iterator](): Iterator<Breakpoint> {
    for (const { breakpoints } of this.#groups.values()) yield* breakpoints;
  }

  /** Where the VMM must stop; each address once. */
  addresses(): bigint[] {
    const addresses = new Set<bigint>();
    for (const breakpoint of this) {
      if (breakpoint.problem === undefined) {
        for (const address of breakpoint.placement.addresses) addresses.add(address);
      }
    }
    return [...addresses];
  }

  at(pc: bigint): Breakpoint[] {
    return [...this].filter(
      ({ problem, placement }) => problem === undefined && placement.addresses.includes(pc),
    );
  }

  /** Judges all breakpoints at `pc`, which a hart has just reached, and counts the hits. */
  async reach(pc: bigint, context: () => Promise<EvaluationContext>): Promise<HitResult> {
    const stops: Breakpoint[] = [];
    const logs: { breakpoint: Breakpoint; text: string }[] = [];
    const problems: string[] = [];
    for (const breakpoint of this.at(pc)) {
      const { condition } = breakpoint.spec;
      try {
        if (condition !== undefined && !(await evaluateCondition(condition, await context()))) continue;
      } catch (error) {
        problems.push(
          `The condition "${condition}" of the breakpoint at ${breakpoint.spec.where} failed: ${messageOf(error)}`,
        );
      }
      breakpoint.hits += 1;
      if (!breakpoint.countsHit(breakpoint.hits)) continue;
      if (breakpoint.logParts === undefined) stops.push(breakpoint);
      else logs.push({ breakpoint, text: await formatLog(breakpoint.logParts, await context()) });
    }
    return { stops, logs, problems };
  }
}

/**
 * The meaning of a hit condition: `5` and `>= 5` from the fifth hit on, `== 5`, `> 5`, `< 5`, `<= 5`, `% 5` every fifth.
 * @throws VmError `bad-request` for anything else.
 */
export function parseHitCondition(text: string): (hits: number) => boolean {
  const match = /^(==?|>=?|<=?|%)?\s*(\d+)$/.exec(text.trim());
  const number = Number(match?.[2]);
  if (match === null || number === 0) {
    throw new VmError(
      'bad-request',
      `"${text}" is no hit count: write a number such as 5, or >= 5, == 5, < 5, % 5.`,
    );
  }
  switch (match[1]) {
    case '=':
    case '==':
      return (hits) => hits === number;
    case '>':
      return (hits) => hits > number;
    case '<':
      return (hits) => hits < number;
    case '<=':
      return (hits) => hits <= number;
    case '%':
      return (hits) => hits % number === 0;
    default:
      return (hits) => hits >= number;
  }
}

/** Splits `n = {count} of {list->size,x}` into texts and expressions; `\{` is a brace. Braces may nest. */
export function parseLogMessage(message: string): readonly LogPart[] {
  const parts: LogPart[] = [];
  let text = '';
  for (let at = 0; at < message.length; at++) {
    const end = message[at] === '{' ? closingBrace(message, at) : -1;
    if (message[at] === '\\' && (message[at + 1] === '{' || message[at + 1] === '}')) {
      text += message[++at];
    } else if (end > 0) {
      if (text !== '') parts.push({ kind: 'text', text });
      text = '';
      parts.push({ kind: 'expression', text: message.slice(at + 1, end) });
      at = end;
    } else {
      text += message[at];
    }
  }
  if (text !== '') parts.push({ kind: 'text', text });
  return parts;
}

function closingBrace(message: string, open: number): number {
  let depth = 0;
  for (let at = open; at < message.length; at++) {
    if (message[at] === '{') depth += 1;
    if (message[at] === '}') depth -= 1;
    if (depth === 0) return at;
  }
  return -1;
}

async function formatLog(parts: readonly LogPart[], context: EvaluationContext): Promise<string> {
  const texts = parts.map(async (part) => {
    if (part.kind === 'text') return part.text;
    try {
      const { value, format } = await evaluate(part.text, context);
      return (await render(value, context, format)).text;
    } catch (error) {
      return `<${messageOf(error)}>`;
    }
  });
  return (await Promise.all(texts)).join('');
}

function createBreakpoint(id: number, spec: BreakpointSpec, placement: Placement, hits: number): Breakpoint {
  let problem =
    placement.addresses.length === 0 ? (placement.message ?? 'There is no code here.') : undefined;
  let countsHit: (hits: number) => boolean = () => true;
  let logParts: readonly LogPart[] | undefined;
  try {
    if (spec.condition !== undefined) parseExpression(spec.condition);
    if (spec.hitCondition !== undefined) countsHit = parseHitCondition(spec.hitCondition);
    if (spec.logMessage !== undefined) {
      logParts = parseLogMessage(spec.logMessage);
      for (const part of logParts) if (part.kind === 'expression') parseExpression(part.text);
    }
  } catch (error) {
    problem = describeProblem(error);
  }
  return { id, spec, placement, problem, countsHit, logParts, hits };
}

/** A message with the column it is about. */
export function describeProblem(error: unknown): string {
  const column = error instanceof VmError && error.column !== undefined ? ` (column ${error.column})` : '';
  const message = messageOf(error);
  return column === '' || /column \d/.test(message) ? message : message + column;
}

function sameSpec(a: BreakpointSpec, b: BreakpointSpec): boolean {
  return (
    a.where === b.where &&
    a.condition === b.condition &&
    a.hitCondition === b.hitCondition &&
    a.logMessage === b.logMessage
  );
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
