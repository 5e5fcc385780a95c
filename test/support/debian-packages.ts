import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findTool } from './find-tool.ts';

/** Where guests and tools from Debian's packages are unpacked. */
export const CACHE = fileURLToPath(new URL('../../.cache/guests', import.meta.url));

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** Packages of one of Debian's suites, for this machine's architecture. */
export interface DebianPackages {
  /** Folder in the cache. */
  readonly name: string;
  readonly suite: string;
  readonly packages: readonly string[];
}

/**
 * Fetches packages of a suite that this machine does not use, and unpacks them into the cache, once: without root, and
 * by way of an apt state of its own, so that the machine's sources stay as they are. Gives the folder, or why not.
 */
export function unpackFrom({
  name,
  suite,
  packages,
}: DebianPackages): { folder: string } | { problem: string } {
  const folder = join(CACHE, name);
  if (existsSync(folder)) return { folder };
  for (const tool of ['apt-get', 'dpkg-deb'] as const) {
    if (findTool(tool) === undefined) return { problem: `needs Debian's ${tool}` };
  }
  mkdirSync(CACHE, { recursive: true });
  // Test files run side by side: each unpacks in a folder of its own, and the first to be done names it.
  const work = mkdtempSync(join(CACHE, 'fetch-'));
  try {
    const options = privateApt(work, suite);
    execFileSync('apt-get', [...options, 'update'], { cwd: work, stdio: 'pipe' });
    execFileSync('apt-get', [...options, 'download', ...packages], { cwd: work, stdio: 'pipe' });
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
  return { problem: `fetches ${packages.join(' ')} from ${mirror()} ${suite}` };
}

/** Options of apt-get for a state in `work` that knows one suite. */
function privateApt(work: string, suite: string): string[] {
  for (const folder of ['lists/partial', 'cache/archives/partial']) {
    mkdirSync(join(work, folder), { recursive: true });
  }
  const sources = join(work, 'sources.list');
  const status = join(work, 'status');
  writeFileSync(sources, `deb [signed-by=${KEYRING}] ${mirror()} ${suite} main\n`);
  writeFileSync(status, '');
  const settings = {
    'Dir::Etc::sourcelist': sources,
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::State::lists': join(work, 'lists'),
    'Dir::State::status': status,
    'Dir::Cache': join(work, 'cache'),
    'Acquire::Languages': 'none',
  };
  return Object.entries(settings).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
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
