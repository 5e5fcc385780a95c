import { randomBytes } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { VmError } from '../base/vm-error.ts';
import { runtimeFolder, tokenFileOf, type VmmAddress } from '../protocol/address.ts';
import { explainErrno } from './images.ts';

/** Enough that nobody guesses it (256 bits). */
const TOKEN_BYTES = 32;

/**
 * Makes the user's folder for sockets and tokens, mode 0700.
 *
 * @throws VmError `io` when it belongs to somebody else: in a shared temporary folder anyone could have made it.
 */
export function makeRuntimeFolder(): string {
  const folder = runtimeFolder();
  try {
    makeFolder(folder);
    const stat = lstatSync(folder);
    if (!stat.isDirectory() || (process.getuid !== undefined && stat.uid !== process.getuid())) {
      throw new VmError(
        'io',
        `${folder} belongs to somebody else; set XDG_RUNTIME_DIR to a folder of your own`,
      );
    }
    if ((stat.mode & 0o777) !== 0o700) chmodSync(folder, 0o700);
  } catch (error) {
    if (error instanceof VmError) throw error;
    throw new VmError(
      'io',
      `cannot make the folder ${folder}: ${explainErrno(error)}; set XDG_RUNTIME_DIR to a folder that can be written`,
    );
  }
  return folder;
}

function makeFolder(folder: string): void {
  try {
    // Not recursive: below /proc, Node's recursive version never returns.
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** A token that only this user can read, where clients of the user look for it. */
export interface TokenFile {
  readonly path: string;
  readonly token: string;
  remove(): void;
}

/** Writes a new token for the VMM at `address`, mode 0600. */
export function writeTokenFile(address: VmmAddress): TokenFile {
  makeRuntimeFolder();
  const path = tokenFileOf(address);
  const token = randomBytes(TOKEN_BYTES).toString('hex');
  try {
    // One that is there was left by a VMM that was killed: the address is ours now.
    removeFile(path);
    writeFileSync(path, token + '\n', { mode: 0o600, flag: 'wx' });
  } catch (error) {
    throw new VmError('io', `cannot write the token file ${path}: ${explainErrno(error)}`);
  }
  return {
    path,
    token,
    // The folder stays: another VMM that starts just now may be about to put its socket there.
    remove: () => removeFile(path),
  };
}

/** Removes a file that may be gone already. */
export function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
