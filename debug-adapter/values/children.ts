import { underlying } from '../symbols/index.ts';
import type { ChildValue, EvaluationContext, Format, Value } from './model.ts';
import { elementValue, inMemory, integerOf, memberValue } from './value.ts';

export interface ChildrenOptions {
  /** First element of an array to list; 0 by default. */
  readonly start?: number;
  /** Elements at most; all by default, bounded by `CHILDREN_MAX`. */
  readonly count?: number;
  /** Accepted for symmetry with `render`; the children are the same in all formats. */
  readonly format?: Format;
}

/** Clients page longer arrays (DAP, `VariablesArguments.start`); one that does not is not sent a million elements. */
const CHILDREN_MAX = 10_000;

/**
 * What is inside a value: members of a structure, elements of an array, and for a pointer the members of the
 * structure it points to, or the one thing. `evaluateName` is the expression that yields the value.
 */
export async function children(
  value: Value,
  evaluateName: string,
  context: EvaluationContext,
  options: ChildrenOptions = {},
): Promise<readonly ChildValue[]> {
  if (value.unavailable !== undefined) return [];
  const type = underlying(value.type);
  switch (type.kind) {
    case 'struct':
      return await memberChildren(value, `${parenthesized(evaluateName)}.`, evaluateName, context);
    case 'array':
      return await elementChildren(value, type, parenthesized(evaluateName), context, options);
    case 'pointer': {
      const address = integerOf(value);
      const target = underlying(type.target);
      if (address === undefined || address === 0n || target.kind === 'void' || target.kind === 'function')
        return [];
      const object = await inMemory(type.target, address, context);
      const name = parenthesized(evaluateName);
      if (target.kind === 'struct') return await memberChildren(object, `${name}->`, `*${name}`, context);
      return [{ name: `*${shortName(evaluateName)}`, evaluateName: `*${name}`, value: object }];
    }
    default:
      return [];
  }
}

async function memberChildren(
  object: Value,
  prefix: string,
  whole: string,
  context: EvaluationContext,
): Promise<readonly ChildValue[]> {
  const type = underlying(object.type);
  if (type.kind !== 'struct') return [];
  return await Promise.all(
    type.members.map(async (member) => ({
      name: member.name === '' ? `<${underlying(member.type).name}>` : member.name,
      // The members of an anonymous member are members of the whole.
      evaluateName: member.name === '' ? whole : prefix + member.name,
      value: await memberValue(object, member, context),
    })),
  );
}

async function elementChildren(
  array: Value,
  type: { readonly element: Value['type']; readonly count: number | undefined },
  name: string,
  context: EvaluationContext,
  { start = 0, count }: ChildrenOptions,
): Promise<readonly ChildValue[]> {
  const total = type.count ?? 0;
  const first = Math.min(Math.max(0, start), total);
  const last = Math.min(total, first + Math.min(count || CHILDREN_MAX, CHILDREN_MAX));
  const listed: ChildValue[] = [];
  for (let index = first; index < last; index += 1) {
    const value = await elementValue(array, type.element, BigInt(index), context);
    listed.push({ name: `[${index}]`, evaluateName: `${name}[${index}]`, value });
  }
  return listed;
}

/** Postfix operators bind tighter than all else, so only names and chains of them stay bare. */
function parenthesized(expression: string): string {
  return /^\$?[\w.[\]]+(?:->[\w.[\]]+)*$/.test(expression) ? expression : `(${expression})`;
}

/** The last name of a chain of members: what the pointer itself is listed under. */
function shortName(expression: string): string {
  const whole = parenthesized(expression);
  return whole === expression ? expression.split(/\.|->/).at(-1)! : whole;
}
