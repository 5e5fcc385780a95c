/** GNU as source for RISC-V, taken apart as far as hovers, completion and diagnostics need. */

/** A piece of a line; columns are UTF-16 units from the line's start. */
export interface Token {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

export interface Statement {
  readonly line: number;
  readonly labels: readonly Token[];
  /** Mnemonic, macro or directive (with its dot). */
  readonly operation?: Token;
  /** Split at the commas outside parentheses; a trailing empty one where the line ends in a comma. */
  readonly operands: readonly Token[];
  /** Columns after this are the comment or the next statement. */
  readonly end: number;
}

export interface AssemblySource {
  readonly lines: readonly string[];
  readonly statements: readonly Statement[];
  /** Names that `.macro` and `#define` give a meaning. */
  readonly macros: ReadonlySet<string>;
  /** Files named by `#include "…"` and `.include "…"`. */
  readonly includes: readonly string[];
  /** `#include <…>` or a name that only the preprocessor knows: what it defines cannot be found out. */
  readonly opaqueInclude: boolean;
  /** Labels and symbols assigned to, for completion. */
  readonly symbols: ReadonlySet<string>;
}

export function parseSource(text: string): AssemblySource {
  const lines = text.split(/\r\n|\r|\n/);
  const { code, preprocessor } = blankComments(lines);
  const statements = code.flatMap((line, index) => splitStatements(line, index));
  const includes: string[] = [];
  const macros = new Set<string>();
  let opaqueInclude = false;
  for (const [, text] of preprocessor) {
    const define = /^\s*#\s*define\s+([A-Za-z_]\w*)/.exec(text);
    if (define !== null) macros.add(define[1]!);
    const include = /^\s*#\s*include\s*(?:"([^"]*)")?/.exec(text);
    if (include?.[1] !== undefined) includes.push(include[1]);
    else if (include !== null) opaqueInclude = true;
  }
  for (const { line, operation, operands } of statements) {
    if (operation?.text === '.macro') macros.add(/^[^\s,]+/.exec(operands[0]?.text ?? '')?.[0] ?? '');
    // Strings are blanked in `code`: the name comes from the line itself.
    if (operation?.text === '.include') {
      const name = /"([^"]*)"/.exec(lines[line]!.slice(operation.end))?.[1];
      if (name === undefined) opaqueInclude = true;
      else includes.push(name);
    }
  }
  return { lines, statements, macros, includes, opaqueInclude, symbols: symbolsOf(statements) };
}

/** The statement that column `character` of `line` belongs to; the later one at a separator. */
export function statementAt(source: AssemblySource, line: number, character: number): Statement | undefined {
  const here = source.statements.filter((statement) => statement.line === line);
  return here.find((statement) => character <= statement.end);
}

const PREPROCESSOR =
  /^\s*#\s*(?:include|include_next|define|undef|if|ifdef|ifndef|elif|else|endif|error|warning|pragma|line)\b/;

/**
 * The lines with comments, the inside of strings and preprocessor lines as spaces, so that columns stay; and the
 * preprocessor lines. `#` starts a comment anywhere but in front of a preprocessor directive.
 */
function blankComments(lines: readonly string[]): {
  code: readonly string[];
  preprocessor: ReadonlyMap<number, string>;
} {
  const preprocessor = new Map<number, string>();
  let inComment = false;
  let continued = false;
  const code = lines.map((line, index) => {
    if (!inComment && (continued || PREPROCESSOR.test(line))) {
      preprocessor.set(index, line);
      continued = line.endsWith('\\');
      return ' '.repeat(line.length);
    }
    continued = false;
    const result = blankLine(line, inComment);
    inComment = result.inComment;
    return result.code;
  });
  return { code, preprocessor };
}

function blankLine(line: string, startsInComment: boolean): { code: string; inComment: boolean } {
  let code = '';
  let inComment = startsInComment;
  let inString = false;
  for (let at = 0; at < line.length; ) {
    const rest = line.slice(at, at + 2);
    let taken = 1;
    if (inComment) {
      if (rest === '*/') {
        inComment = false;
        taken = 2;
      }
      code += ' '.repeat(taken);
    } else if (inString) {
      if (rest[0] === '\\') taken = rest.length;
      inString = rest[0] !== '"';
      code += inString ? '_'.repeat(taken) : '"';
    } else if (rest === '/*') {
      inComment = true;
      taken = 2;
      code += '  ';
    } else if (rest === '//' || rest[0] === '#') {
      taken = line.length - at;
      code += ' '.repeat(taken);
    } else if (rest[0] === "'" && rest.length === 2) {
      // A character constant: ';' and '#' in it are no syntax. The closing quote is optional in GNU as.
      taken = rest[1] === '\\' ? Math.min(3, line.length - at) : 2;
      if (line[at + taken] === "'") taken += 1;
      code += '0'.repeat(taken);
    } else {
      inString = rest[0] === '"';
      code += rest[0];
    }
    at += taken;
  }
  return { code, inComment };
}

function splitStatements(line: string, index: number): Statement[] {
  const statements: Statement[] = [];
  for (let start = 0; start <= line.length; ) {
    const semicolon = line.indexOf(';', start);
    const end = semicolon < 0 ? line.length : semicolon;
    statements.push(parseStatement(line.slice(start, end), index, start));
    start = end + 1;
  }
  return statements;
}

/** In macros a label may hold `\name`, `\@` and `\()`. */
const LABEL = /^\s*((?:[A-Za-z_.$]|\\[\w@()])(?:[\w.$]|\\[\w@()]+)*|\d+)\s*:/;

function parseStatement(text: string, line: number, offset: number): Statement {
  const labels: Token[] = [];
  let at = 0;
  for (let label = LABEL.exec(text); label !== null; label = LABEL.exec(text.slice(at))) {
    const start = at + label[0].indexOf(label[1]!);
    labels.push(token(text, start, start + label[1]!.length, offset));
    at += label[0].length;
  }
  const end = offset + text.length;
  const operation = /^(\s*)([^\s,]+)/.exec(text.slice(at));
  if (operation === null) return { line, labels, operands: [], end };
  const start = at + operation[1]!.length;
  const after = start + operation[2]!.length;
  // `name = value` is an assignment, with or without spaces.
  if (/^\s*=/.test(text.slice(after)) || operation[2]!.includes('=')) {
    const name = /^[^=]+/.exec(operation[2]!)?.[0] ?? '';
    return { line, labels: [...labels, token(text, start, start + name.length, offset)], operands: [], end };
  }
  return {
    line,
    labels,
    operation: token(text, start, after, offset),
    operands: splitOperands(text, after, offset),
    end,
  };
}

function splitOperands(text: string, from: number, offset: number): Token[] {
  if (text.slice(from).trim() === '') return [];
  const operands: Token[] = [];
  let start = from;
  let depth = 0;
  for (let at = from; at <= text.length; at += 1) {
    if (text[at] === '(') depth += 1;
    else if (text[at] === ')') depth -= 1;
    else if (at === text.length || (text[at] === ',' && depth <= 0)) {
      operands.push(trimmed(text, start, at, offset));
      start = at + 1;
    }
  }
  return operands;
}

function trimmed(text: string, start: number, end: number, offset: number): Token {
  const piece = text.slice(start, end);
  const lead = piece.length - piece.trimStart().length;
  return token(text, start + lead, start + lead + piece.trim().length, offset);
}

const token = (text: string, start: number, end: number, offset: number): Token => ({
  text: text.slice(start, end),
  start: start + offset,
  end: end + offset,
});

function symbolsOf(statements: readonly Statement[]): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { labels, operation, operands } of statements) {
    for (const { text } of labels) if (!/^\d|\\/.test(text)) names.add(text);
    if (/^\.(?:set|equ|equiv|globl|global|weak|comm|lcomm|extern)$/.test(operation?.text ?? '')) {
      const name = operands[0]?.text ?? '';
      if (/^[A-Za-z_.$][\w.$]*$/.test(name)) names.add(name);
    }
  }
  return names;
}
