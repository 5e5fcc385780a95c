/** Loads the symbol files of a configuration, and sorts them by the address space they count in. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { VmError } from '../vmm/base/vm-error.ts';
import { type Elf, isElf, parseElf } from '../vmm/formats/elf.ts';
import { kernelImageAsElf, SymbolFile, SymbolSet, type Symbols } from './symbols/index.ts';

export interface SymbolSource {
  /** Absolute. */
  readonly path: string;
  readonly offset?: bigint;
  readonly space?: 'any' | 'virtual' | 'physical';
  /** A raw image is fine: it has no symbols. Else the file must be an ELF. */
  readonly optional: boolean;
}

export interface LoadedModule {
  readonly name: string;
  readonly path: string;
  readonly offset: bigint;
  readonly hasLines: boolean;
}

export interface SymbolStore {
  /** Every file. */
  readonly all: Symbols;
  readonly virtual: Symbols;
  readonly physical: Symbols;
  /** False when every file counts everywhere, so that nobody needs to ask which space a hart is in. */
  readonly hasSpaces: boolean;
  readonly modules: readonly LoadedModule[];
}

/** @throws VmError `bad-file` for a symbol file that is missing or no ELF. */
export function loadSymbols(
  sources: readonly SymbolSource[],
  sourceMap: readonly (readonly [string, string])[],
): SymbolStore {
  const loaded = sources.flatMap((source) => {
    const elf = readSymbolFile(source);
    if (elf === undefined) return [];
    const name = basename(source.path);
    const offset = source.offset ?? 0n;
    const file = SymbolFile.load(elf, { name, path: source.path, sourceMap, offset });
    return [{ source, file, module: { name, path: source.path, offset, hasLines: file.files().length > 0 } }];
  });
  const inSpace = (space: 'virtual' | 'physical') =>
    new SymbolSet(
      loaded
        .filter(({ source }) => (source.space ?? 'any') === 'any' || source.space === space)
        .map(({ file }) => file),
    );
  return {
    all: new SymbolSet(loaded.map(({ file }) => file)),
    virtual: inSpace('virtual'),
    physical: inSpace('physical'),
    hasSpaces: loaded.some(({ source }) => (source.space ?? 'any') !== 'any'),
    modules: loaded.map(({ module }) => module),
  };
}

/** Node reads no larger file at once. */
const FILE_BYTES_MAX = 2 ** 31 - 1;

/** The ELF file at `path`; undefined when it is something else. @throws VmError `bad-file` that names it. */
export function readElf(path: string): Elf | undefined {
  const { size } = statSync(path);
  if (size > FILE_BYTES_MAX) throw new VmError('bad-file', `${path} is too large: ${size} bytes`);
  const bytes = readFileSync(path);
  if (!isElf(bytes)) return undefined;
  try {
    return parseElf(bytes);
  } catch (error) {
    if (error instanceof VmError) throw new VmError(error.code, `${path}: ${error.message}`);
    throw error;
  }
}

function readSymbolFile(source: SymbolSource): Elf | undefined {
  if (!existsSync(source.path)) {
    throw new VmError('bad-file', `Symbol file not found: ${source.path}.`);
  }
  const elf = readElf(source.path) ?? kernelImageAsElf(readFileSync(source.path));
  if (elf !== undefined || source.optional) return elf;
  throw new VmError('bad-file', `${source.path} is not an ELF file: it has no symbols to read.`);
}
