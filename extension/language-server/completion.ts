import { CSRS } from '../../vmm/isa/csrs.ts';
import { DIRECTIVES } from './directives.ts';
import { describeCsr, describeInstruction } from './hover.ts';
import { OPERATIONS, operationOf } from './instructions.ts';
import { type OperandKind, operandKind, RELOCATIONS, ROUNDING_MODES } from './operand-kinds.ts';
import { type RegisterFile, registersOf } from './registers.ts';
import { type AssemblySource, type Statement, statementAt } from './source.ts';

export interface Suggestion {
  readonly label: string;
  readonly kind: 'instruction' | 'directive' | 'macro' | 'register' | 'csr' | 'symbol' | 'keyword';
  /** Beside the label. */
  readonly detail: string;
  /** Markdown. */
  readonly documentation?: string;
  /** Columns that the label replaces: the word begun at the cursor. */
  readonly start: number;
  readonly end: number;
}

type Item = Omit<Suggestion, 'start' | 'end'>;

/** What can stand at the cursor: mnemonics and directives where a statement begins, else what the operand may be. */
export function completionsAt(
  source: AssemblySource,
  line: number,
  character: number,
): readonly Suggestion[] {
  const text = source.lines[line] ?? '';
  const statement = statementAt(source, line, character);
  if (statement === undefined || isComment(text, statement, character)) return [];
  const word = /[%.\w$]*$/.exec(text.slice(0, character))?.[0] ?? '';
  const items = itemsFor(source, statement, character, word);
  return items.map((item) => ({ ...item, start: character - word.length, end: character }));
}

/** Behind what the parser saw of a statement there may be a comment, where nothing is suggested. */
function isComment(text: string, { operands, operation, labels }: Statement, character: number): boolean {
  const seen = [operation, ...operands, ...labels].reduce((end, token) => Math.max(end, token?.end ?? 0), 0);
  return /#|\/\/|\/\*/.test(text.slice(seen, character));
}

function itemsFor(
  source: AssemblySource,
  statement: Statement,
  character: number,
  word: string,
): readonly Item[] {
  const { operation } = statement;
  if (operation === undefined || character <= operation.end) return operationItems(source);
  const known = operationOf(operation.text);
  if (known === undefined || operation.text.startsWith('.')) return [];
  if (word.startsWith('%')) return RELOCATIONS.map(([label, detail]) => ({ label, kind: 'keyword', detail }));
  const before = (source.lines[statement.line] ?? '').slice(operation.end, character);
  const kind = operandKind(
    known,
    before.split(',').length - 1,
    before.lastIndexOf('(') > before.lastIndexOf(')'),
  );
  return kind === undefined ? [] : operandItems(kind, source);
}

const instructionItems: readonly Item[] = OPERATIONS.map((operation) => ({
  label: operation.name,
  kind: 'instruction',
  detail: operation.syntax.replaceAll(',', ', '),
  documentation: describeInstruction(operation.name, operation),
}));
const directiveItems: readonly Item[] = [...DIRECTIVES].map(([label, detail]) => ({
  label,
  kind: 'directive',
  detail,
}));

function operationItems({ macros }: AssemblySource): readonly Item[] {
  const own = [...macros].map((label): Item => ({ label, kind: 'macro', detail: 'macro' }));
  return [...instructionItems, ...directiveItems, ...own];
}

function operandItems(kind: OperandKind, { symbols }: AssemblySource): readonly Item[] {
  switch (kind) {
    case 'integer-register':
      return registerItems('integer');
    case 'float-register':
      return registerItems('float');
    case 'csr':
      return CSRS.map((csr) => ({
        label: csr.name,
        kind: 'csr',
        detail: csr.description,
        documentation: describeCsr(csr),
      }));
    case 'target':
      return [...symbols].map((label) => ({ label, kind: 'symbol', detail: 'symbol of this file' }));
    case 'rounding-mode':
      return ROUNDING_MODES.map(([label, detail]) => ({ label, kind: 'keyword', detail }));
    case 'fence-set':
      return ['rw', 'r', 'w', 'iorw', 'i', 'o', 'ir', 'ow'].map((label) => ({
        label,
        kind: 'keyword',
        detail: 'i device input, o device output, r memory reads, w memory writes',
      }));
    case 'number':
      return RELOCATIONS.map(([label, detail]) => ({ label, kind: 'keyword', detail }));
  }
}

const registerItems = (file: RegisterFile): readonly Item[] =>
  registersOf(file).map(({ abiName, name, description }) => ({
    label: abiName,
    kind: 'register',
    detail: `${name}: ${description}`,
  }));
