import { posix, win32 } from 'node:path';
import { isAbsolutePath, joinDirectory } from './dwarf/line-program.ts';

/**
 * Turns the paths that compilers wrote into paths on this machine: the source map first, then relative ones
 * against the ELF file's folder, and the source map again for where that leads. A build with `-ffile-prefix-map`
 * has no absolute path in it, so its sources are found wherever the project stands.
 */
export class SourcePaths {
  readonly #folder: string | undefined;
  readonly #sourceMap: readonly (readonly [string, string])[];
  readonly #resolved = new Map<string, string>();

  constructor(elfPath: string | undefined, sourceMap: readonly (readonly [string, string])[]) {
    this.#folder = elfPath === undefined ? undefined : style(elfPath).dirname(elfPath);
    this.#sourceMap = sourceMap.map(([from, to]) => [trimSlash(from), trimSlash(to)]);
  }

  resolve(directory: string, name: string): string {
    const joined = joinDirectory(directory, name);
    let resolved = this.#resolved.get(joined);
    if (resolved === undefined) {
      resolved = this.#resolve(joined);
      this.#resolved.set(joined, resolved);
    }
    return resolved;
  }

  #resolve(joined: string): string {
    const written = style(joined).normalize(joined);
    const mapped = this.#mapped(written) ?? written;
    if (isAbsolutePath(mapped) || this.#folder === undefined) return style(mapped).normalize(mapped);
    // The editor shows where the file was looked for, so that is what a user maps as well.
    const path = style(this.#folder).join(this.#folder, mapped);
    return this.#mapped(path) ?? path;
  }

  #mapped(path: string): string | undefined {
    for (const [from, to] of this.#sourceMap) {
      if (path === from) return to;
      if (from === '.' && !isAbsolutePath(path)) return style(to).join(to, path);
      if (path.startsWith(`${from}/`) || path.startsWith(`${from}\\`)) return to + path.slice(from.length);
    }
    return undefined;
  }
}

/** Paths in a file follow the rules of the machine it was compiled on, not of this one. */
function style(path: string): typeof posix {
  return /^[A-Za-z]:[\\/]|^\\\\/.test(path) ? win32 : posix;
}

function trimSlash(path: string): string {
  return path.length > 1 ? path.replace(/[\\/]+$/, '') : path;
}
