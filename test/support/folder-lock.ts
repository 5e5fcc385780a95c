import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const POLL_MS = 200;
let made = 0;

/**
 * Runs `body` while holding a lock that other processes of this machine respect: the folder `path`, with the holder's
 * process id in it. Waits while its holder lives, after telling `onWait` who that is; takes it over from a dead one.
 */
export async function withFolderLock<T>(
  path: string,
  onWait: (holder: number) => void,
  body: () => Promise<T>,
): Promise<T> {
  let told: number | undefined;
  while (!take(path)) {
    const holder = holderOf(path);
    if (holder !== undefined && !isAlive(holder) && inherit(path, holder)) break;
    if (holder !== undefined && holder !== told && isAlive(holder)) {
      told = holder;
      onWait(holder);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  try {
    return await body();
  } finally {
    // Away in one step: a folder that is half removed would be a lock without a holder.
    const old = ownName(path);
    renameSync(path, old);
    rmSync(old, { recursive: true, force: true });
  }
}

const ownName = (path: string): string => `${path}.${process.pid}.${made++}`;

/** The folder appears with the process id in it: a rename to a folder that is not empty fails (rename(2)). */
function take(path: string): boolean {
  const prepared = ownName(path);
  mkdirSync(prepared);
  writeHolder(prepared);
  try {
    renameSync(prepared, path);
    return true;
  } catch (error) {
    rmSync(prepared, { recursive: true });
    if (isOneOf(error, 'ENOTEMPTY', 'EEXIST')) return false;
    throw error;
  }
}

/**
 * Of several who find the holder dead, the one that makes the folder with the dead one's name is the heir. It looks
 * again: the lock that it found may have been inherited, released and taken anew since.
 */
function inherit(path: string, dead: number): boolean {
  try {
    mkdirSync(join(path, `after-${dead}`));
  } catch (error) {
    if (isOneOf(error, 'EEXIST', 'ENOENT')) return false;
    throw error;
  }
  if (holderOf(path) !== dead) return false;
  writeHolder(path);
  return true;
}

function writeHolder(folder: string): void {
  writeFileSync(join(folder, 'pid'), String(process.pid));
}

function holderOf(path: string): number | undefined {
  try {
    const text = readFileSync(join(path, 'pid'), 'utf8');
    return text === '' ? undefined : Number(text);
  } catch (error) {
    if (isOneOf(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Another user's process is one.
    return isOneOf(error, 'EPERM');
  }
}

const isOneOf = (error: unknown, ...codes: readonly string[]): boolean =>
  codes.includes((error as NodeJS.ErrnoException).code ?? '');
