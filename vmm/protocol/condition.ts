/**
 * The language of conditions on exits: `device == "uart0" && write && value == 0x0a`. An expression over the
 * fields of one kind of exit, and over `hart`, `pc`, `step` and `handlerNs`.
 *
 *     expression = unary { operator unary }
 *     unary      = ( "!" | "~" | "-" ) unary | primary
 *     primary    = integer | string | "true" | "false" | field | "(" expression ")"
 *
 * Integers are 64 bits and unsigned and wrap as the guest's registers do, so `error == -2` holds for an SBI
 * error of -2. Operators bind, loosest first: `||`, `&&`, comparisons, `|`, `^`, `&`, shifts, `+ -`, `* / %`.
 * Unlike in C the bit operators bind tighter than comparisons: `value & 0x80 == 0x80` means what it says.
 */
import { VmError } from '../base/vm-error.ts';
import { type FieldType, type FieldValue, fieldsOf } from './condition-fields.ts';
import { Tokens } from './condition-tokens.ts';
import type { ExitAction, ExitContext, ExitKind, ExitStage, VmExit } from './exits.ts';

/** What a condition looks at besides the exit itself. */
export type ConditionContext = Pick<ExitContext, 'hart' | 'pc' | 'step' | 'handlerNs'>;
export type Condition = (exit: VmExit, context: ConditionContext) => boolean;

/**
 * Compiles a condition on exits of one kind to a closure. Throws `VmError('bad-condition')` whose column points
 * at the first thing wrong: syntax, an unknown field, or types that do not fit.
 */
export function compileCondition(kind: ExitKind, text: string): Condition {
  const tokens = new Tokens(text);
  const condition = parseCondition(kind, tokens);
  tokens.expectEnd();
  return condition;
}

/**
 * Compiles a condition on exits of several kinds, as trace filters have them: a kind that lacks one of its
 * fields never matches. Throws when no kind has them all.
 */
export function compileConditionOnKinds(kinds: readonly ExitKind[], text: string): Condition {
  const byKind = new Map<ExitKind, Condition>();
  let failure: unknown;
  for (const kind of kinds) {
    try {
      byKind.set(kind, compileCondition(kind, text));
    } catch (error) {
      failure ??= error;
    }
  }
  if (byKind.size === 0 && failure !== undefined) throw failure;
  return (exit, context) => byKind.get(exit.kind)?.(exit, context) ?? false;
}

/** A condition with what may follow it: `value == 10 @post #3 !log "sent {value}"`. */
export interface ExitFilter {
  /** Absent when every exit of the kind matches. */
  readonly condition?: string;
  readonly stage: ExitStage;
  readonly hitCount: number;
  readonly action: ExitAction;
  readonly log?: string;
}

/**
 * Parses the text behind an exception filter: a condition, then in any order `@pre` or `@post`, `#N` for the
 * hit count and `!stop` or `!log "text"` for the action; each may be absent. Throws `VmError('bad-condition')`.
 */
export function parseExitFilter(kind: ExitKind, text: string): ExitFilter {
  const tokens = new Tokens(text);
  let condition: string | undefined;
  if (!tokens.atEnd && !startsSuffix(tokens)) {
    parseCondition(kind, tokens);
    condition = text.slice(0, tokens.position).trim();
  }
  const suffix: Suffix = {};
  while (!tokens.atEnd) parseSuffix(kind, tokens, suffix);
  return {
    ...(condition === undefined ? {} : { condition }),
    stage: suffix.stage ?? 'pre',
    hitCount: suffix.hitCount ?? 1,
    action: suffix.action ?? 'stop',
    ...(suffix.log === undefined ? {} : { log: suffix.log }),
  };
}

/**
 * Compiles the text of a log action, in which `{field}` stands for the field's value: integers in hex but for
 * counts and numbers of things, which are decimal. Throws `VmError('bad-condition')` on an unknown field.
 */
export function compileLogText(
  kind: ExitKind,
  text: string,
): (exit: VmExit, context: ConditionContext) => string {
  const parts: (string | ((exit: VmExit, context: ConditionContext) => string))[] = [];
  let last = 0;
  for (const match of text.matchAll(/\{([^{}]*)\}/g)) {
    const name = match[1]!.trim();
    const field = fieldsOf(kind).get(name);
    if (field === undefined) throw unknownField(kind, name, match.index + 2);
    parts.push(text.slice(last, match.index), (exit, context) => {
      const value = field.get(exit, context);
      if (typeof value !== 'bigint') return String(value ?? 'none');
      return field.decimal ? value.toString() : '0x' + value.toString(16);
    });
    last = match.index + match[0].length;
  }
  parts.push(text.slice(last));
  return (exit, context) =>
    parts.map((part) => (typeof part === 'string' ? part : part(exit, context))).join('');
}

/** An expression's type and, compiled, its value. Null stands for a field that does not apply; see `compare`. */
interface Compiled {
  readonly type: FieldType;
  readonly column: number;
  readonly evaluate: (exit: VmExit, context: ConditionContext) => FieldValue;
}

interface Parser {
  readonly kind: ExitKind;
  readonly tokens: Tokens;
  depth: number;
}

/** Nesting of a condition; a parser that recurses must not meet the end of its stack. */
const DEPTH_MAX = 64;

/** Infix operators by how tightly they bind. */
const BINDING: Readonly<Record<string, number>> = {
  '||': 1,
  '&&': 2,
  '==': 3,
  '!=': 3,
  '<': 3,
  '<=': 3,
  '>': 3,
  '>=': 3,
  '|': 4,
  '^': 5,
  '&': 6,
  '<<': 7,
  '>>': 7,
  '+': 8,
  '-': 8,
  '*': 9,
  '/': 9,
  '%': 9,
};

function parseCondition(kind: ExitKind, tokens: Tokens): Condition {
  const { type, column, evaluate } = parseExpression({ kind, tokens, depth: 0 }, 0);
  if (type !== 'boolean') {
    const hint = type === 'integer' ? 'compare it, for example with != 0' : 'compare it with ==';
    throw new VmError(
      'bad-condition',
      `a condition is true or false, but this is ${article(type)}: ${hint}`,
      column,
    );
  }
  return (exit, context) => evaluate(exit, context) === true;
}

function parseExpression(parser: Parser, minimum: number): Compiled {
  parser.depth += 1;
  if (parser.depth > DEPTH_MAX) {
    throw new VmError(
      'bad-condition',
      `the condition nests deeper than ${DEPTH_MAX} levels`,
      parser.tokens.column,
    );
  }
  let left = parseUnary(parser);
  for (;;) {
    const operator = parser.tokens.peek();
    const binding = operator.kind === 'operator' ? BINDING[operator.text] : undefined;
    if (binding === undefined || binding <= minimum) break;
    parser.tokens.next();
    const right = parseExpression(parser, binding);
    left = combine(operator.text, operator.column, left, right);
  }
  parser.depth -= 1;
  return left;
}

function parseUnary(parser: Parser): Compiled {
  const token = parser.tokens.peek();
  if (token.kind !== 'operator' || !['!', '~', '-'].includes(token.text)) return parsePrimary(parser);
  parser.tokens.next();
  // An operand of a prefix operator binds tighter than any infix operator does.
  const operand = parseExpression(parser, 10);
  const { column } = token;
  const { evaluate } = operand;
  if (token.text === '!') {
    expectType(operand, 'boolean', '!');
    return { type: 'boolean', column, evaluate: (exit, context) => evaluate(exit, context) !== true };
  }
  expectType(operand, 'integer', token.text);
  const apply = token.text === '~' ? (value: bigint) => ~value : (value: bigint) => -value;
  return {
    type: 'integer',
    column,
    evaluate: (exit, context) => {
      const value = evaluate(exit, context);
      return typeof value === 'bigint' ? BigInt.asUintN(64, apply(value)) : null;
    },
  };
}

function parsePrimary(parser: Parser): Compiled {
  const { tokens, kind } = parser;
  const token = tokens.next();
  const { column } = token;
  switch (token.kind) {
    case 'integer': {
      const { value } = token;
      return { type: 'integer', column, evaluate: () => value };
    }
    case 'string': {
      const { value } = token;
      return { type: 'string', column, evaluate: () => value };
    }
    case 'name': {
      if (token.text === 'true' || token.text === 'false') {
        const value = token.text === 'true';
        return { type: 'boolean', column, evaluate: () => value };
      }
      const field = fieldsOf(kind).get(token.text);
      if (field === undefined) throw unknownField(kind, token.text, column);
      return { type: field.type, column, evaluate: field.get };
    }
    case 'operator': {
      if (token.text !== '(') break;
      const inner = parseExpression(parser, 0);
      tokens.expectOperator(')');
      return { ...inner, column };
    }
    case 'end':
      throw new VmError('bad-condition', 'the condition ends where a value is expected', column);
  }
  throw new VmError('bad-condition', `a value is expected here, not '${token.text}'`, column);
}

function combine(operator: string, column: number, left: Compiled, right: Compiled): Compiled {
  const start = left.column;
  const a = left.evaluate;
  const b = right.evaluate;
  switch (operator) {
    case '&&':
    case '||': {
      expectType(left, 'boolean', operator);
      expectType(right, 'boolean', operator);
      return {
        type: 'boolean',
        column: start,
        evaluate:
          operator === '&&'
            ? (exit, context) => a(exit, context) === true && b(exit, context) === true
            : (exit, context) => a(exit, context) === true || b(exit, context) === true,
      };
    }
    case '==':
    case '!=': {
      if (left.type !== right.type) {
        throw new VmError(
          'bad-condition',
          `${article(left.type)} and ${article(right.type)} cannot be compared with ${operator}`,
          column,
        );
      }
      const equal = operator === '==';
      return {
        type: 'boolean',
        column: start,
        evaluate: (exit, context) => (a(exit, context) === b(exit, context)) === equal,
      };
    }
  }
  expectType(left, 'integer', operator);
  expectType(right, 'integer', operator);
  const order = ORDER[operator];
  if (order !== undefined) return { type: 'boolean', column: start, evaluate: whenBoth(a, b, order, false) };
  const arithmetic = ARITHMETIC[operator]!;
  const wrapped = (x: bigint, y: bigint): bigint => BigInt.asUintN(64, arithmetic(x, y));
  return { type: 'integer', column: start, evaluate: whenBoth(a, b, wrapped, null) };
}

const ORDER: Readonly<Record<string, (a: bigint, b: bigint) => boolean>> = {
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
};

/** Division by zero gives what DIVU and REMU give (RISC-V unprivileged, "Division Operations"). */
const ARITHMETIC: Readonly<Record<string, (a: bigint, b: bigint) => bigint>> = {
  '|': (a, b) => a | b,
  '^': (a, b) => a ^ b,
  '&': (a, b) => a & b,
  '<<': (a, b) => a << (b & 63n),
  '>>': (a, b) => a >> (b & 63n),
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => (b === 0n ? -1n : a / b),
  '%': (a, b) => (b === 0n ? a : a % b),
};

/** Applies `operation` when both operands exist: a field that does not apply (null) is in no order to anything. */
function whenBoth<T extends FieldValue>(
  a: Compiled['evaluate'],
  b: Compiled['evaluate'],
  operation: (a: bigint, b: bigint) => T,
  otherwise: T | null,
): Compiled['evaluate'] {
  return (exit, context) => {
    const x = a(exit, context);
    const y = b(exit, context);
    return typeof x === 'bigint' && typeof y === 'bigint' ? operation(x, y) : otherwise;
  };
}

function expectType(operand: Compiled, type: FieldType, operator: string): void {
  if (operand.type === type) return;
  throw new VmError(
    'bad-condition',
    `${operator} needs ${article(type)} here, but this is ${article(operand.type)}`,
    operand.column,
  );
}

const article = (type: FieldType): string =>
  ({ integer: 'an integer', string: 'a string', boolean: 'true or false' })[type];

function unknownField(kind: ExitKind, name: string, column: number): VmError {
  const known = [...fieldsOf(kind).keys()].join(', ');
  return new VmError(
    'bad-condition',
    `an exit of kind ${kind} has no field '${name}'; it has ${known}`,
    column,
  );
}

const ACTIONS: Readonly<Record<string, ExitAction | null>> = {
  stop: 'stop',
  log: 'log',
  // Known to the language, not to this version: refused by name rather than as a typing error.
  skip: null,
  edit: null,
  inject: null,
};

/** `!` begins an action where an action's name follows, and negates a field everywhere else; no field has such a name. */
function startsSuffix(tokens: Tokens): boolean {
  const token = tokens.peek();
  if (token.kind !== 'operator') return false;
  if (token.text === '@' || token.text === '#') return true;
  const following = tokens.peek(1);
  return token.text === '!' && following.kind === 'name' && Object.hasOwn(ACTIONS, following.text);
}

/** What has been read so far of what follows a condition. */
interface Suffix {
  stage?: ExitStage;
  hitCount?: number;
  action?: ExitAction;
  log?: string;
}

function parseSuffix(kind: ExitKind, tokens: Tokens, into: Suffix): void {
  const mark = tokens.next();
  const { column } = mark;
  const text = mark.kind === 'operator' ? mark.text : '';
  const word = text === '@' || text === '#' || text === '!' ? tokens.next() : undefined;
  if (text === '@') {
    if (into.stage !== undefined) throw new VmError('bad-condition', 'the stage is given twice', column);
    if (word?.kind !== 'name' || (word.text !== 'pre' && word.text !== 'post')) {
      throw new VmError('bad-condition', '@ is followed by pre or post', column);
    }
    into.stage = word.text;
  } else if (text === '#') {
    if (into.hitCount !== undefined)
      throw new VmError('bad-condition', 'the hit count is given twice', column);
    if (word?.kind !== 'integer' || word.value < 1n || word.value > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new VmError('bad-condition', '# is followed by a hit count of 1 or more', column);
    }
    into.hitCount = Number(word.value);
  } else if (text === '!') {
    if (into.action !== undefined) throw new VmError('bad-condition', 'the action is given twice', column);
    const action =
      word?.kind === 'name' && Object.hasOwn(ACTIONS, word.text) ? ACTIONS[word.text] : undefined;
    if (action === null) {
      throw new VmError(
        'bad-condition',
        `the action '${word?.text}' does not exist yet; use !stop or !log`,
        column,
      );
    }
    if (action === undefined) throw new VmError('bad-condition', '! is followed by stop or log', column);
    into.action = action;
    const following = tokens.peek();
    if (action === 'log' && following.kind === 'string') {
      tokens.next();
      into.log = checkLogText(kind, following.value, following.column);
    }
  } else {
    throw new VmError(
      'bad-condition',
      `an operator, @pre, @post, #count or !action is expected here, not '${mark.text}'`,
      column,
    );
  }
}

/** A log text that stands in a filter: its errors point into the filter. */
function checkLogText(kind: ExitKind, text: string, column: number): string {
  try {
    compileLogText(kind, text);
    return text;
  } catch (error) {
    if (!(error instanceof VmError)) throw error;
    throw new VmError(error.code, error.message, column + (error.column ?? 0));
  }
}
