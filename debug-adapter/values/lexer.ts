import { VmError } from '../../vmm/base/vm-error.ts';

/** `column` counts from 1. `text` is the source text, for literals too. */
export type Token =
  | {
      readonly kind: 'number';
      readonly text: string;
      readonly column: number;
      readonly value: bigint;
      readonly suffix: string;
    }
  | { readonly kind: 'float'; readonly text: string; readonly column: number; readonly value: number }
  | { readonly kind: 'char'; readonly text: string; readonly column: number; readonly value: bigint }
  | { readonly kind: 'name'; readonly text: string; readonly column: number }
  /** `$name`; `text` is without the `$`. */
  | { readonly kind: 'register'; readonly text: string; readonly column: number }
  | { readonly kind: 'operator'; readonly text: string; readonly column: number }
  | { readonly kind: 'end'; readonly text: ''; readonly column: number };

/** Longest first, so that `>>` is not read as two `>`. Assignments are recognised to be refused by name. */
const OPERATORS = [
  '<<=',
  '>>=',
  '->',
  '<<',
  '>>',
  '<=',
  '>=',
  '==',
  '!=',
  '&&',
  '||',
  '++',
  '--',
  '+=',
  '-=',
  '*=',
  '/=',
  '%=',
  '&=',
  '|=',
  '^=',
  '+',
  '-',
  '*',
  '/',
  '%',
  '&',
  '|',
  '^',
  '~',
  '!',
  '<',
  '>',
  '=',
  '?',
  ':',
  '(',
  ')',
  '[',
  ']',
  '.',
  ',',
] as const;

const FLOAT = /^(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][+-]?\d+)?[fF]?/;
const INTEGER = /^(0[xX][0-9a-fA-F]+|0[bB][01]+|\d+)([uUlL]*)/;
const NAME = /^[A-Za-z_][A-Za-z0-9_]*/;
const REGISTER = /^\$([A-Za-z0-9_]+)/;
const CHARACTER = /^'(?:\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|.)|([^'\\]))'/u;
const ESCAPES: Readonly<Record<string, number>> = { n: 10, t: 9, r: 13, a: 7, b: 8, f: 12, v: 11, '0': 0 };

/** Cuts an expression into tokens. Throws `VmError('bad-request')` with the column of what it cannot read. */
export function tokenize(text: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    if (/\s/.test(text[at]!)) {
      at += 1;
      continue;
    }
    const token = readToken(text.slice(at), at + 1);
    tokens.push(token.token);
    at += token.length;
  }
  tokens.push({ kind: 'end', text: '', column: text.length + 1 });
  return tokens;
}

function readToken(rest: string, column: number): { token: Token; length: number } {
  const float = FLOAT.exec(rest);
  if (float) {
    const value = Number.parseFloat(float[0]);
    return { token: { kind: 'float', text: float[0], column, value }, length: float[0].length };
  }
  const integer = INTEGER.exec(rest);
  if (integer) return { token: readInteger(integer, rest, column), length: integer[0].length };
  const name = NAME.exec(rest);
  if (name) return { token: { kind: 'name', text: name[0], column }, length: name[0].length };
  const register = REGISTER.exec(rest);
  if (register) {
    return { token: { kind: 'register', text: register[1]!, column }, length: register[0].length };
  }
  const character = CHARACTER.exec(rest);
  if (character) {
    const value = BigInt(characterCode(character[1], character[2]));
    return { token: { kind: 'char', text: character[0], column, value }, length: character[0].length };
  }
  const operator = OPERATORS.find((candidate) => rest.startsWith(candidate));
  if (operator !== undefined)
    return { token: { kind: 'operator', text: operator, column }, length: operator.length };
  throw new VmError('bad-request', `unexpected "${[...rest][0]}" in column ${column}`, column);
}

function readInteger(match: RegExpExecArray, rest: string, column: number): Token {
  const following = rest[match[0].length];
  if (following !== undefined && /[A-Za-z0-9_]/.test(following)) {
    const word = /^\w+/.exec(rest)![0];
    throw new VmError('bad-request', `"${word}" in column ${column} is no number`, column);
  }
  const digits = match[1]!;
  // A leading zero means octal in C (C17, section 6.4.4.1); 08 and 09 are errors there and here.
  const isOctal = /^0\d/.test(digits);
  if (isOctal && /[89]/.test(digits)) {
    throw new VmError('bad-request', `"${digits}" in column ${column} is no octal number`, column);
  }
  const value = BigInt(isOctal ? `0o${digits.slice(1)}` : digits);
  if (value >= 1n << 64n) {
    throw new VmError('bad-request', `"${digits}" in column ${column} does not fit 64 bits`, column);
  }
  return { kind: 'number', text: match[0], column, value, suffix: match[2]!.toLowerCase() };
}

function characterCode(escaped: string | undefined, plain: string | undefined): number {
  if (escaped === undefined) return plain!.codePointAt(0)!;
  if (/^x./.test(escaped)) return Number.parseInt(escaped.slice(1), 16);
  if (/^[0-7]+$/.test(escaped)) return Number.parseInt(escaped, 8);
  return ESCAPES[escaped] ?? escaped.codePointAt(0)!;
}
