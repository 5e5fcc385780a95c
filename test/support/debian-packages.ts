import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findTool } from './find-tool.ts';

/** Where guests and tools from Debian's packages are unpacked. */
export const CACHE = fileURLToPath(new URL('../../.cache/guests', import.meta.url));

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** Packages of one of Debian's suites. */
export interface DebianPackages {
  /** Folder in the cache. */
  readonly name: string;
  readonly suite: string;
  readonly packages: readonly string[];
  /** Packages that hold nothing and depend on the current one: what they depend on is unpacked. */
  readonly metapackages?: readonly string[];
  /** Default: this machine's. */
  readonly architecture?: string;
}

/**
 * Fetches packages of a suite that this machine does not use, and unpacks them into the cache, once: without root, and
 * by way of an apt state of its own, so that the machine's sources stay as they are. Gives the folder, or why not.
 */
export function unpackFrom(wanted: DebianPackages): { folder: string } | { problem: string } {
  const { name, suite, packages, metapackages = [] } = wanted;
  const folder = join(CACHE, name);
  if (existsSync(folder)) return { folder };
  for (const tool of ['apt-get', 'dpkg-deb'] as const) {
    if (findTool(tool) === undefined) return { problem: `needs Debian's ${tool}` };
  }
  mkdirSync(CACHE, { recursive: true });
  // Test files run side by side: each unpacks in a folder of its own, and the first to be done names it.
  const work = mkdtempSync(join(CACHE, 'fetch-'));
  try {
    const options = privateApt(work, wanted);
    execFileSync('apt-get', [...options, 'update'], { cwd: work, stdio: 'pipe' });
    const names = [...packages, ...metapackages.flatMap((metapackage) => dependencies(options, metapackage))];
    execFileSync('apt-get', [...options, 'download', ...names], { cwd: work, stdio: 'pipe' });
    const root = join(work, 'root');
    for (const file of readdirSync(work).filter((entry) => entry.endsWith('.deb'))) {
      execFileSync('dpkg-deb', ['-x', join(work, file), root], { stdio: 'pipe' });
    }
    if (!existsSync(folder)) renameSync(root, folder);
  } catch {
    // Another process may have been faster, or the network is missing.
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  if (existsSync(folder)) return { folder };
  return { problem: `fetches ${[...packages, ...metapackages].join(' ')} from ${mirror()} ${suite}` };
}

/** Options of apt-get for a state in `work` that knows one suite. */
function privateApt(work: string, { suite, architecture }: DebianPackages): string[] {
  for (const folder of ['lists/partial', 'cache/archives/partial']) {
    mkdirSync(join(work, folder), { recursive: true });
  }
  const sources = join(work, 'sources.list');
  const status = join(work, 'status');
  const kinds = architecture === undefined ? '' : `arch=${architecture} `;
  writeFileSync(sources, `deb [${kinds}signed-by=${KEYRING}] ${mirror()} ${suite} main\n`);
  writeFileSync(status, '');
  const settings = {
    'Dir::Etc::sourcelist': sources,
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::State::lists': join(work, 'lists'),
    'Dir::State::status': status,
    'Dir::Cache': join(work, 'cache'),
    'Acquire::Languages': 'none',
    ...(architecture && { 'APT::Architecture': architecture, 'APT::Architectures': architecture }),
  };
  return Object.entries(settings).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
}

function dependencies(options: readonly string[], metapackage: string): string[] {
  const listing = execFileSync('apt-cache', [...options, 'depends', metapackage], { encoding: 'utf8' });
  return [...listing.matchAll(/^ *Depends: (\S+)$/gm)].map(([, name]) => name!);
}

/** The mirror in use, from the machine's own sources. */
function mirror(): string {
  const format = ['--format', '$(REPO_URI) $(RELEASE)'];
  const targets = execFileSync(
    'apt-get',
    ['indextargets', ...format, 'Created-By: Packages', 'Origin: Debian'],
    {
      encoding: 'utf8',
    },
  );
  const own = targets.split('\n').find((line) => /\/debian\/? [a-z]+$/.test(line));
  return own?.split(' ')[0] ?? 'http://deb.debian.org/debian/';
}
