import { VmError } from '../base/vm-error.ts';

/** `text` is the token as written; `column` counts from 1. */
export type Token =
  | { readonly kind: 'integer'; readonly text: string; readonly column: number; readonly value: bigint }
  | { readonly kind: 'string'; readonly text: string; readonly column: number; readonly value: string }
  | { readonly kind: 'name' | 'operator' | 'end'; readonly text: string; readonly column: number };

/** Characters of a condition. People type them; a limit keeps every pass over the text short. */
const TEXT_MAX = 2000;

const TOKEN = new RegExp(
  [
    String.raw`(?<space>\s+)`,
    '(?<integer>0[xX][0-9a-fA-F_]+|0[bB][01_]+|[0-9][0-9_]*)(?![0-9a-zA-Z_])',
    String.raw`(?<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')`,
    '(?<name>[A-Za-z_][A-Za-z0-9_.]*)',
    String.raw`(?<operator>\|\||&&|==|!=|<=|>=|<<|>>|[-+*/%<>&|^~!()@#])`,
  ].join('|'),
  'uy',
);

/** The tokens of a condition, one after the other. Throws `VmError('bad-condition')` on text that is none. */
export class Tokens {
  readonly #tokens: readonly Token[];
  #next = 0;

  constructor(text: string) {
    if (text.length > TEXT_MAX) {
      throw new VmError('bad-condition', `a condition has at most ${TEXT_MAX} characters`, TEXT_MAX + 1);
    }
    this.#tokens = tokenize(text);
  }

  peek(ahead = 0): Token {
    return this.#tokens[Math.min(this.#next + ahead, this.#tokens.length - 1)]!;
  }

  next(): Token {
    const token = this.peek();
    this.#next += 1;
    return token;
  }

  get atEnd(): boolean {
    return this.peek().kind === 'end';
  }

  /** Column of the next token. */
  get column(): number {
    return this.peek().column;
  }

  /** Offset of the next token in the text. */
  get position(): number {
    return this.peek().column - 1;
  }

  expectOperator(text: string): void {
    const token = this.next();
    if (token.kind === 'operator' && token.text === text) return;
    const found = token.kind === 'end' ? 'the end' : `'${token.text}'`;
    throw new VmError('bad-condition', `'${text}' is expected here, not ${found}`, token.column);
  }

  expectEnd(): void {
    const token = this.peek();
    if (token.kind === 'end') return;
    throw new VmError('bad-condition', `an operator is expected here, not '${token.text}'`, token.column);
  }
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex;
    const groups = TOKEN.exec(text)?.groups;
    const column = at + 1;
    if (groups === undefined) throw badToken(text, at);
    if (groups['integer'] !== undefined) tokens.push(integer(groups['integer'], column));
    else if (groups['string'] !== undefined) {
      const written = groups['string'];
      const value = written
        .slice(1, -1)
        .replace(/\\(.)/gu, (_, character: string) => escapeMeaning(character));
      tokens.push({ kind: 'string', text: written, column, value });
    } else if (groups['name'] !== undefined) tokens.push({ kind: 'name', text: groups['name'], column });
    else if (groups['operator'] !== undefined) {
      tokens.push({ kind: 'operator', text: groups['operator'], column });
    }
  }
  tokens.push({ kind: 'end', text: '', column: text.length + 1 });
  return tokens;
}

function integer(text: string, column: number): Token {
  const digits = text.replaceAll('_', '');
  if (/^0[xXbB]$/.test(digits)) throw new VmError('bad-condition', `'${text}' is no number`, column);
  const value = BigInt(digits);
  if (value >= 1n << 64n) throw new VmError('bad-condition', `'${text}' does not fit 64 bits`, column);
  return { kind: 'integer', text, column, value };
}

const escapeMeaning = (character: string): string =>
  ({ n: '\n', t: '\t', r: '\r', '0': '\0' })[character] ?? character;

function badToken(text: string, at: number): VmError {
  const character = String.fromCodePoint(text.codePointAt(at)!);
  const column = at + 1;
  if (character === '"' || character === "'") {
    return new VmError('bad-condition', 'the string that begins here has no end', column);
  }
  if (character >= '0' && character <= '9') {
    const word = /^[0-9A-Za-z_]+/.exec(text.slice(at))![0];
    return new VmError('bad-condition', `'${word}' is no number; write 10, 0x0a or 0b1010`, column);
  }
  if (character === '=') return new VmError('bad-condition', "'=' is no operator; equality is '=='", column);
  return new VmError('bad-condition', `'${character}' has no meaning in a condition`, column);
}
