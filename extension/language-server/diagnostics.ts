import { nearest } from '../../debug-adapter/contract/nearest.ts';
import { foreignExtension, OPERATIONS, operationOf } from './instructions.ts';
import type { AssemblySource, Statement, Token } from './source.ts';

export interface Finding {
  readonly line: number;
  readonly start: number;
  readonly end: number;
  readonly severity: 'error' | 'information';
  readonly code: 'unknown-mnemonic' | 'other-extension';
  readonly message: string;
}

/** What the files that a source includes add to what it says itself. */
export interface Surroundings {
  readonly macros: ReadonlySet<string>;
  /** Every included file was read: a name that none of them defines is a macro nowhere. */
  readonly complete: boolean;
}

/** Mnemonics that RISC-V does not have. Says nothing where it cannot know: foreign sources, unknown macros. */
export function findProblems(source: AssemblySource, surroundings: Surroundings): readonly Finding[] {
  if (isOtherArchitecture(source)) return [];
  return mnemonics(source).flatMap((operation) => problemOf(operation, source, surroundings) ?? []);
}

const names = OPERATIONS.map(({ name }) => name);

function problemOf(
  { line, operation }: Mnemonic,
  source: AssemblySource,
  { macros, complete }: Surroundings,
): Finding | undefined {
  const { text, start, end } = operation;
  if (operationOf(text) !== undefined || source.macros.has(text) || macros.has(text)) return undefined;
  const at = { line, start, end };
  const extension = foreignExtension(text);
  if (extension !== undefined) {
    const message = `"${text}" belongs to ${extension}, which this machine does not implement: it traps as an illegal instruction.`;
    return { ...at, severity: 'information', code: 'other-extension', message };
  }
  // A macro may come from a header that was not found, or be written by a tool.
  if (!complete) return undefined;
  const near = operationOf(text.toLowerCase())?.name ?? nearest(text, names);
  const hint = near === undefined ? '' : `: did you mean "${near}"?`;
  return {
    ...at,
    severity: 'error',
    code: 'unknown-mnemonic',
    message: `Unknown mnemonic "${text}"${hint === '' ? '.' : hint}`,
  };
}

type Mnemonic = Statement & { readonly operation: Token };

/** Statements whose operation is written out: no directive, no argument of a macro, no macro in function form. */
function mnemonics({ statements }: AssemblySource): readonly Mnemonic[] {
  return statements.filter(
    (statement): statement is Mnemonic =>
      statement.operation !== undefined && /^[A-Za-z_][\w.$]*$/.test(statement.operation.text),
  );
}

/** Directives that only other targets of GNU as have. */
const OTHER_DIRECTIVES =
  /^\.(?:code16|code16gcc|code32|code64|intel_syntax|att_syntax|arm|thumb|thumb_func|syntax|cpu|fpu|arch|arch_extension|inst|ent|frame|abicalls|machine|abiversion|cpload|nan|module)$/;
const X86_REGISTER = /%(?:[re]?[a-d]x|[re]?[sd]i|[re]?[sb]p|r\d+[dwb]?|[xyz]mm\d+|[c-g]s|cr\d|st)\b(?!\()/;

/** Below this many mnemonics, a few unknown ones say nothing about the architecture. */
const MNEMONICS_TO_JUDGE = 6;

/** Whether the source is for another instruction set: by its directives, its registers, or since hardly a mnemonic is known. */
export function isOtherArchitecture(source: AssemblySource): boolean {
  for (const { operation, operands } of source.statements) {
    if (OTHER_DIRECTIVES.test(operation?.text ?? '')) return true;
    if (operands.some(({ text }) => X86_REGISTER.test(text))) return true;
  }
  const all = mnemonics(source).map(({ operation }) => operation.text);
  const unknown = all.filter(
    (text) =>
      operationOf(text) === undefined && foreignExtension(text) === undefined && !source.macros.has(text),
  );
  return all.length >= MNEMONICS_TO_JUDGE && unknown.length > all.length / 2;
}
