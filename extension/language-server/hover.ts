import { type Csr, csrAccess, csrByName } from '../../vmm/isa/csrs.ts';
import { DIRECTIVES } from './directives.ts';
import { encodingOf, foreignExtension, type Operation, operationOf } from './instructions.ts';
import { RELOCATIONS } from './operand-kinds.ts';
import { registerByName } from './registers.ts';
import { type AssemblySource, statementAt } from './source.ts';

export interface Hover {
  readonly markdown: string;
  readonly start: number;
  readonly end: number;
}

const WORD = /%?[.A-Za-z_$][\w.$]*/g;

/** What stands at a position, explained: an instruction, directive, CSR or register. */
export function hoverAt(source: AssemblySource, line: number, character: number): Hover | undefined {
  const statement = statementAt(source, line, character);
  if (statement?.operation === undefined) return undefined;
  const { operation, operands } = statement;
  if (character >= operation.start && character <= operation.end) {
    const markdown = describeOperation(operation.text, source);
    return markdown === undefined ? undefined : { markdown, start: operation.start, end: operation.end };
  }
  const operand = operands.find(({ start, end }) => character >= start && character <= end);
  if (operand === undefined) return undefined;
  for (const { 0: word, index } of operand.text.matchAll(WORD)) {
    const start = operand.start + index;
    const end = start + word.length;
    if (character < start || character > end) continue;
    const markdown = describeOperand(word);
    return markdown === undefined ? undefined : { markdown, start, end };
  }
  return undefined;
}

function describeOperation(text: string, source: AssemblySource): string | undefined {
  if (text.startsWith('.')) {
    const directive = DIRECTIVES.get(text);
    return directive === undefined ? undefined : `**${text}** — directive\n\n${directive}`;
  }
  if (source.macros.has(text)) return undefined;
  const operation = operationOf(text);
  if (operation !== undefined) return describeInstruction(text, operation);
  const extension = foreignExtension(text);
  return extension === undefined
    ? undefined
    : `**${text}** — ${extension}\n\nThis machine does not implement it: it traps as an illegal instruction.`;
}

/** Suffixes of atomics (unprivileged, "Specifying Ordering of Atomic Instructions"). */
const ORDERINGS: Readonly<Record<string, string>> = {
  aq: 'Acquire: later memory operations of this hart are seen after it.',
  rl: 'Release: earlier memory operations of this hart are seen before it.',
  aqrl: 'Acquire and release: sequentially consistent.',
};

/** Markdown for a mnemonic as it was written. */
export function describeInstruction(written: string, operation: Operation): string {
  const { extension, syntax, description, expansion, instruction } = operation;
  const kind = expansion === undefined ? `${extension} extension` : 'pseudo-instruction';
  const ordering = ORDERINGS[/\.(aq|rl|aqrl)$/.exec(written)?.[1] ?? ''];
  const operands = syntax.replaceAll(',', ', ');
  return [
    `\`\`\`riscv-asm\n${`${written} ${operands}`.trimEnd()}\n\`\`\``,
    `${description}${ordering === undefined ? '' : ` ${ordering}`} *(${kind})*`,
    ...(expansion === undefined ? [] : [`Assembles to \`${expansion}\``]),
    ...(instruction === undefined ? [] : [encodingTable(encodingOf(instruction))]),
  ].join('\n\n');
}

function encodingTable(fields: ReturnType<typeof encodingOf>): string {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    row(fields.map(({ high, low }) => (high === low ? String(high) : `${high}:${low}`))),
    row(fields.map(() => ':-:')),
    row(fields.map(({ text }) => `\`${text.replaceAll('|', '\\|')}\``)),
  ].join('\n');
}

function describeOperand(word: string): string | undefined {
  const register = registerByName(word);
  if (register !== undefined) {
    const { name, abiName, description } = register;
    return `**${abiName}** (${name}) — register\n\n${description}`;
  }
  const csr = csrByName(word);
  if (csr !== undefined) return describeCsr(csr);
  const relocation = RELOCATIONS.find(([name]) => name === word);
  return relocation === undefined ? undefined : `**${word}** — ${relocation[1]}`;
}

/** Markdown for a CSR: number, access and fields, highest bits first as the specification draws them. */
export function describeCsr({ name, number, description, fields }: Csr): string {
  const { privilege, writable } = csrAccess(number);
  const access = `${privilege}-mode, ${writable ? 'read and write' : 'read only'}`;
  const head = `**${name}** — CSR 0x${number.toString(16).padStart(3, '0')}, ${access}\n\n${description}`;
  if (fields.length === 0) return head;
  const rows = fields.toReversed().map((field) => {
    const bits = field.high === field.low ? String(field.high) : `${field.high}:${field.low}`;
    const values = Object.entries(field.values ?? {}).map(([value, text]) => `${value} ${text}`);
    const meaning = [field.description, ...(values.length > 0 ? [`(${values.join(', ')})`] : [])].join(' ');
    return `| ${bits} | ${field.name} | ${meaning.replaceAll('|', '\\|')} |`;
  });
  return [head, '', '| bits | field | meaning |', '| -: | :- | :- |', ...rows].join('\n');
}
