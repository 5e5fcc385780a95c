import { VmError } from '../../vmm/base/vm-error.ts';
import { isTypeWord, QUALIFIERS, TAG_WORDS } from './builtin-types.ts';
import { type Token, tokenize } from './lexer.ts';
import type { Format } from './model.ts';

/** A type as written: a name and how many `*` follow. */
export interface TypeName {
  readonly name: string;
  readonly pointers: number;
  readonly column: number;
}

export type UnaryOperator = '-' | '+' | '~' | '!' | '*' | '&';
export type BinaryOperator =
  | '*'
  | '/'
  | '%'
  | '+'
  | '-'
  | '<<'
  | '>>'
  | '<'
  | '>'
  | '<='
  | '>='
  | '=='
  | '!='
  | '&'
  | '^'
  | '|'
  | '&&'
  | '||';

/** An expression as parsed. `column` is that of its operator or name, counted from 1. */
export type Node =
  | { readonly kind: 'number'; readonly column: number; readonly value: bigint; readonly suffix: string }
  | { readonly kind: 'float'; readonly column: number; readonly value: number }
  | { readonly kind: 'char'; readonly column: number; readonly value: bigint }
  | { readonly kind: 'name'; readonly column: number; readonly name: string }
  | { readonly kind: 'register'; readonly column: number; readonly name: string }
  | {
      readonly kind: 'member';
      readonly column: number;
      readonly object: Node;
      readonly name: string;
      readonly arrow: boolean;
    }
  | { readonly kind: 'index'; readonly column: number; readonly object: Node; readonly index: Node }
  | {
      readonly kind: 'unary';
      readonly column: number;
      readonly operator: UnaryOperator;
      readonly operand: Node;
    }
  | {
      readonly kind: 'binary';
      readonly column: number;
      readonly operator: BinaryOperator;
      readonly left: Node;
      readonly right: Node;
    }
  | {
      readonly kind: 'conditional';
      readonly column: number;
      readonly test: Node;
      readonly yes: Node;
      readonly no: Node;
    }
  | { readonly kind: 'cast'; readonly column: number; readonly type: TypeName; readonly operand: Node }
  | {
      readonly kind: 'sizeof';
      readonly column: number;
      readonly type: TypeName | undefined;
      readonly operand: Node | undefined;
    };

export interface Parsed {
  readonly node: Node;
  /** Of a trailing `,x`; `natural` without one. */
  readonly format: Format;
}

/** Binding powers of C's binary operators (C17, section 6.5); all of these are left-associative. */
const POWER: Readonly<Record<string, number>> = {
  '||': 1,
  '&&': 2,
  '|': 3,
  '^': 4,
  '&': 5,
  '==': 6,
  '!=': 6,
  '<': 7,
  '>': 7,
  '<=': 7,
  '>=': 7,
  '<<': 8,
  '>>': 8,
  '+': 9,
  '-': 9,
  '*': 10,
  '/': 10,
  '%': 10,
};
const UNARY: ReadonlySet<string> = new Set(['-', '+', '~', '!', '*', '&']);
const ASSIGNMENTS: ReadonlySet<string> = new Set([
  '=',
  '+=',
  '-=',
  '*=',
  '/=',
  '%=',
  '&=',
  '|=',
  '^=',
  '<<=',
  '>>=',
  '++',
  '--',
]);
const FORMATS: ReadonlySet<string> = new Set(['x', 'd', 'u', 'b', 'o', 'c', 's', 'a']);

/** Deeper nesting is nobody's debugging session; the bound keeps a hostile text from exhausting the stack. */
const DEPTH_MAX = 200;
/** The same for chains such as `1+1+…`, which nest to the left: one level for two characters at most. */
const LENGTH_MAX = 2000;

/**
 * Parses an expression. `isType` tells whether a name stands for a type, which C needs to know to read `(name)-1`.
 * Throws `VmError('bad-request')` with the column.
 */
export function parse(text: string, isType: (name: string) => boolean): Parsed {
  if (text.length > LENGTH_MAX) {
    throw new VmError('bad-request', `an expression has at most ${LENGTH_MAX} characters`);
  }
  return new Parser(tokenize(text), isType).parse();
}

class Parser {
  readonly #tokens: readonly Token[];
  readonly #isType: (name: string) => boolean;
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[], isType: (name: string) => boolean) {
    this.#tokens = tokens;
    this.#isType = isType;
  }

  parse(): Parsed {
    if (this.#peek().kind === 'end') throw this.#error('an expression is missing');
    const node = this.#conditional();
    const format = this.#format();
    const rest = this.#peek();
    if (rest.kind === 'end') return { node, format };
    if (ASSIGNMENTS.has(rest.text)) throw this.#error(`"${rest.text}" cannot stand in an expression`);
    if (rest.text === '(') throw this.#error('functions of the guest cannot be called: "("');
    throw this.#error(`unexpected "${rest.text}"`);
  }

  #format(): Format {
    if (!this.#accept(',')) return 'natural';
    const token = this.#next();
    if (token.kind === 'name' && FORMATS.has(token.text)) return token.text as Format;
    throw this.#error(`"${token.text}" is no format: one of x, d, u, b, o, c, s, a`, token);
  }

  #conditional(): Node {
    const test = this.#binary(0);
    const { column } = this.#peek();
    if (!this.#accept('?')) return test;
    const yes = this.#nested(() => this.#conditional());
    this.#expect(':');
    const no = this.#nested(() => this.#conditional());
    return { kind: 'conditional', column, test, yes, no };
  }

  #binary(minimum: number): Node {
    let left = this.#unary();
    for (;;) {
      const { kind, text, column } = this.#peek();
      const power = kind === 'operator' ? POWER[text] : undefined;
      if (power === undefined || power <= minimum) return left;
      this.#next();
      const right = this.#nested(() => this.#binary(power));
      left = { kind: 'binary', column, operator: text as BinaryOperator, left, right };
    }
  }

  #unary(): Node {
    const token = this.#peek();
    if (token.kind === 'operator' && UNARY.has(token.text)) {
      this.#next();
      const operand = this.#nested(() => this.#unary());
      return { kind: 'unary', column: token.column, operator: token.text as UnaryOperator, operand };
    }
    if (token.kind === 'name' && token.text === 'sizeof') return this.#sizeof();
    if (token.text === '(' && this.#startsType(this.#at + 1)) {
      this.#next();
      const type = this.#typeName();
      this.#expect(')');
      return { kind: 'cast', column: token.column, type, operand: this.#nested(() => this.#unary()) };
    }
    return this.#postfix();
  }

  #sizeof(): Node {
    const { column } = this.#next();
    if (this.#peek().text === '(' && this.#startsType(this.#at + 1)) {
      this.#next();
      const type = this.#typeName();
      this.#expect(')');
      return { kind: 'sizeof', column, type, operand: undefined };
    }
    return { kind: 'sizeof', column, type: undefined, operand: this.#nested(() => this.#unary()) };
  }

  #postfix(): Node {
    let object = this.#primary();
    for (;;) {
      const { column } = this.#peek();
      if (this.#accept('[')) {
        const index = this.#nested(() => this.#conditional());
        this.#expect(']');
        object = { kind: 'index', column, object, index };
      } else if (this.#peek().text === '.' || this.#peek().text === '->') {
        const arrow = this.#next().text === '->';
        const member = this.#next();
        if (member.kind !== 'name') throw this.#error('the name of a member is missing', member);
        object = { kind: 'member', column, object, name: member.text, arrow };
      } else return object;
    }
  }

  #primary(): Node {
    const token = this.#next();
    const { column } = token;
    switch (token.kind) {
      case 'number':
        return { kind: 'number', column, value: token.value, suffix: token.suffix };
      case 'float':
        return { kind: 'float', column, value: token.value };
      case 'char':
        return { kind: 'char', column, value: token.value };
      case 'name':
        return { kind: 'name', column, name: token.text };
      case 'register':
        return { kind: 'register', column, name: token.text };
      case 'end':
        throw this.#error('the expression ends too early', token);
      case 'operator': {
        if (token.text !== '(') throw this.#error(`unexpected "${token.text}"`, token);
        const inner = this.#nested(() => this.#conditional());
        this.#expect(')');
        return inner;
      }
    }
  }

  #startsType(at: number): boolean {
    const token = this.#tokens[at];
    return token?.kind === 'name' && (isTypeWord(token.text) || this.#isType(token.text));
  }

  /** `const struct page *`, `unsigned long`, `uint64_t **`. */
  #typeName(): TypeName {
    const { column } = this.#peek();
    const words: string[] = [];
    for (let token = this.#peek(); token.kind === 'name'; token = this.#peek()) {
      this.#next();
      if (!QUALIFIERS.has(token.text)) words.push(token.text);
    }
    let pointers = 0;
    while (this.#accept('*')) {
      pointers += 1;
      while (QUALIFIERS.has(this.#peek().text)) this.#next();
    }
    const tagged = TAG_WORDS.has(words[0] ?? '');
    if (words.length === 0 || (tagged && words.length !== 2)) throw this.#error('a type name is missing');
    return { name: words.join(' '), pointers, column };
  }

  #nested<T>(read: () => T): T {
    if (this.#depth === DEPTH_MAX) throw this.#error('the expression is nested too deeply');
    this.#depth += 1;
    const result = read();
    this.#depth -= 1;
    return result;
  }

  #peek(): Token {
    return this.#tokens[this.#at]!;
  }

  #next(): Token {
    const token = this.#peek();
    if (token.kind !== 'end') this.#at += 1;
    return token;
  }

  #accept(operator: string): boolean {
    const token = this.#peek();
    if (token.kind !== 'operator' || token.text !== operator) return false;
    this.#at += 1;
    return true;
  }

  #expect(operator: string): void {
    if (this.#accept(operator)) return;
    const { kind, text } = this.#peek();
    throw this.#error(`"${operator}" expected ${kind === 'end' ? 'at the end' : `before "${text}"`}`);
  }

  #error(message: string, { column }: Token = this.#peek()): VmError {
    return new VmError('bad-request', `${message} (column ${column})`, column);
  }
}
