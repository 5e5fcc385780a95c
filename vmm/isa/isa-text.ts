import { VmError } from '../base/vm-error.ts';
import {
  ALWAYS_ON,
  DEFAULT_ISA,
  EXTENSIONS,
  extensionByName,
  type IsaConfig,
  isaOf,
  propertyByName,
  withRequired,
} from './extensions.ts';

/** A name and where it stands in the text, from 1. */
interface Named {
  readonly name: string;
  readonly column: number;
}

/**
 * Reads what a person writes to choose extensions: a whole ISA, `rv64gc_zba_zbb`, in which only what it names (and
 * what that requires) is on; or changes to the default, `-zacas,+svade`. Letter case does not matter. Throws a
 * `VmError` that says what to write instead.
 */
export function parseIsa(text: string): IsaConfig {
  const lower = text.toLowerCase();
  return lower.trimStart().startsWith('rv') ? parseWhole(lower) : parseChanges(lower);
}

function parseWhole(text: string): IsaConfig {
  const base = /^\s*rv64(?=[ig])/.exec(text)?.[0];
  if (base === undefined) {
    throw bad('a hart here has the 64-bit base ISA: begin with rv64i or rv64g', 1);
  }
  const named = splitWhole(text.trimEnd(), base.length);
  const on = new Set(ALWAYS_ON);
  for (const each of named) {
    if (each.name === 'g') for (const name of ['i', 'm', 'a', 'f', 'd', 'zifencei']) on.add(name);
    else if (propertyByName(each.name) === undefined) on.add(known(each));
  }
  // What a property bundles can be asked for by its name.
  if (named.some(({ name }) => name === 'b')) for (const name of ['zba', 'zbb', 'zbs']) on.add(name);
  const isa = isaOf(withRequired(on));
  for (const { name, column } of named) {
    const property = propertyByName(name);
    if (property === undefined || isa.has(name)) continue;
    const missing = property.follows.filter((needed) => !isa.has(needed));
    throw bad(
      `${name} is here with ${missing.join(' and ')}: add ${missing.join(', ')} or leave ${name} out`,
      column,
    );
  }
  return isa;
}

/** The names of an ISA string: letters one by one, and longer ones between underscores. */
function splitWhole(text: string, start: number): Named[] {
  const named: Named[] = [];
  for (let at = start; at < text.length; ) {
    const rest = text.slice(at);
    const name = /^(?:[zsx][^_]*|[a-z]|_)/.exec(rest)?.[0];
    if (name === undefined)
      throw bad(`"${text[at]}" is no part of an ISA string such as rv64gc_zba_zbb`, at + 1);
    if (name !== '_') named.push({ name, column: at + 1 });
    at += name.length;
  }
  return named;
}

function parseChanges(text: string): IsaConfig {
  const on = new Set<string>();
  const off = new Set<string>();
  for (const match of text.matchAll(/[^\s,]+/g)) {
    const column = match.index + 1;
    const [, sign, name] = /^([-+])(.*)$/.exec(match[0]) ?? [];
    if (sign === undefined || name === undefined) {
      throw bad(
        `write +${match[0]} or -${match[0]} to change the default, or a whole ISA such as rv64gc_zba_zbb`,
        column,
      );
    }
    change(sign === '+' ? on : off, sign === '+' ? off : on, { name, column: column + 1 });
  }
  for (const name of on) {
    const needed = [...withRequired([name])].find((each) => off.has(each));
    if (needed !== undefined)
      throw bad(`+${name} needs ${needed}, which -${needed} turns off: leave one of them out`);
  }
  const defaults = EXTENSIONS.map(({ name }) => name).filter((name) => DEFAULT_ISA.has(name));
  const wanted = withRequired([...defaults.filter((name) => !off.has(name)), ...on]);
  const remaining = [...wanted].filter((name) => ![...withRequired([name])].some((each) => off.has(each)));
  return isaOf(remaining);
}

function change(to: Set<string>, other: Set<string>, { name, column }: Named): void {
  const parts = name === 'b' ? ['zba', 'zbb', 'zbs'] : [name];
  for (const part of parts) {
    const property = propertyByName(part);
    if (property !== undefined) {
      const follows =
        property.follows.length === 0 ? 'always holds' : `follows from ${property.follows.join(' and ')}`;
      throw bad(`${part} ${follows} and is not turned on or off by itself`, column);
    }
    const extension = known({ name: part, column });
    if (ALWAYS_ON.includes(extension)) {
      throw bad(`${extension} is always on: a machine with privilege levels cannot be without it`, column);
    }
    if (other.has(extension))
      throw bad(`${extension} is turned on and off: leave one of the two out`, column);
    to.add(extension);
  }
}

function known({ name, column }: Named): string {
  if (extensionByName(name) !== undefined) return name;
  const names = EXTENSIONS.map((extension) => extension.name).join(' ');
  throw bad(`there is no extension "${name}" here; there are: ${names}`, column);
}

function bad(message: string, column?: number): VmError {
  return new VmError('bad-config', `in "isa": ${message}`, column);
}
