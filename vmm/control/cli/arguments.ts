import { parseArgs } from 'node:util';
import { VmError } from '../../base/vm-error.ts';

/** One option of a command; drives both parsing and the help text. */
export interface Option {
  readonly name: string;
  /** What its value is called in the help; absent for a switch. */
  readonly value?: string;
  readonly help: string;
}

export interface Command {
  readonly name: string;
  readonly summary: string;
  /** How it is called, after `hartscope`. */
  readonly usage: string;
  readonly options: readonly Option[];
  /** What it takes besides options, for errors: `FILE`. */
  readonly operands?: readonly string[];
  /** Paragraphs after the options. */
  readonly notes?: readonly string[];
}

export interface Arguments {
  /** Of an option that is given more than once, the last value. */
  readonly values: ReadonlyMap<string, string>;
  /** All values of each option, in order. */
  readonly lists: ReadonlyMap<string, readonly string[]>;
  readonly switches: ReadonlySet<string>;
  readonly operands: readonly string[];
}

/** Reads a command's arguments. @throws VmError `bad-config`, one line that says what to do. */
export function parseArguments(command: Command, args: readonly string[]): Arguments {
  const { tokens } = parseArgs({
    args: [...args],
    // Types matter for where a value stands; what is wrong is told below, in our own words.
    options: Object.fromEntries(
      command.options.map(({ name, value }) => [name, { type: value === undefined ? 'boolean' : 'string' }]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values = new Map<string, string>();
  const lists = new Map<string, string[]>();
  const switches = new Set<string>();
  const operands: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') operands.push(token.value);
    if (token.kind !== 'option') continue;
    const option = command.options.find(({ name }) => name === token.name && token.rawName.startsWith('--'));
    if (option === undefined) throw unknownOption(command, token.rawName);
    if (option.value === undefined) {
      if (token.value !== undefined) throw usageError(command, `--${option.name} takes no value`);
      switches.add(option.name);
    } else {
      const looksLikeOption = !token.inlineValue && token.value?.startsWith('-') && token.value !== '-';
      if (token.value === undefined || looksLikeOption) {
        throw usageError(command, `--${option.name} needs a value: --${option.name}=${option.value}`);
      }
      values.set(option.name, token.value);
      lists.set(option.name, [...(lists.get(option.name) ?? []), token.value]);
    }
  }
  checkOperands(command, operands);
  return { values, lists, switches, operands };
}

/** A wrong call of `command`: the message, and where to read on. */
export function usageError(command: { readonly name: string }, message: string): VmError {
  return new VmError('bad-config', `${message} (see 'hartscope ${command.name} --help')`);
}

/** The candidate that `text` was probably meant to be. */
export function nearest(text: string, candidates: readonly string[]): string | undefined {
  const byDistance = candidates
    .map((candidate) => ({ candidate, distance: editDistance(text, candidate) }))
    .sort((a, b) => a.distance - b.distance);
  const [best] = byDistance;
  return best !== undefined && best.distance <= Math.max(1, text.length / 3) ? best.candidate : undefined;
}

/** A command's help, its options in columns. */
export function helpText(command: Command): string {
  const rows = [...command.options, { name: 'help', help: 'this text' }].map(
    (option: Option) => [`--${option.name}${option.value ? ` ${option.value}` : ''}`, option.help] as const,
  );
  return [
    `hartscope ${command.name}: ${command.summary}`,
    '',
    `Usage: hartscope ${command.usage}`,
    '',
    ...columns(rows),
    ...(command.notes ?? []).flatMap((note) => ['', note]),
    '',
  ].join('\n');
}

/** Two columns, indented; lines of the second column follow each other below its first. */
export function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length)) + 2;
  return rows.flatMap(([left, right]) =>
    right.split('\n').map((line, index) => `  ${(index === 0 ? left : '').padEnd(width)}${line}`),
  );
}

function checkOperands(command: Command, operands: readonly string[]): void {
  const wanted = command.operands ?? [];
  if (operands.length > wanted.length) {
    throw usageError(command, `unexpected argument '${operands[wanted.length]}'`);
  }
  if (operands.length < wanted.length) throw usageError(command, `${wanted[operands.length]} is missing`);
}

function unknownOption(command: Command, written: string): VmError {
  const near = nearest(
    written.replace(/^-+/, ''),
    command.options.map(({ name }) => name),
  );
  const hint = near === undefined ? '' : `; did you mean --${near}?`;
  return usageError(command, `unknown option '${written}'${hint}`);
}

/** Levenshtein's distance between two short words. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replace, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
