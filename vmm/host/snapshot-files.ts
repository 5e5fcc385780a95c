import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  openSync,
  readSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { VmError } from '../base/vm-error.ts';
import type { SnapshotFiles, SnapshotInput, SnapshotOutput } from '../contracts/snapshot.ts';
import { explainErrno } from './images.ts';

/** Files up to this size are read at once. */
const WHOLE_BYTES_MAX = 64 << 20;
/** Small pieces are written together. */
const BUFFER_BYTES = 1 << 20;

/** The host's file system, for snapshots. */
export const snapshotFiles: SnapshotFiles = {
  absolute: (path) => resolve(path),
  absoluteFrom: (beside, path) => resolve(dirname(beside), path),
  relative: (beside, path) => relative(dirname(beside), path),
  create: (path) => new AtomicFile(path),
  open: (path) => openInput(path),
  stamp: (path) => {
    const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
    return stat && { size: Number(stat.size), modifiedNs: stat.mtimeNs };
  },
};

/** Written under a name of its own in the same folder, and given its true name when it is on stable storage. */
class AtomicFile implements SnapshotOutput {
  readonly #path: string;
  readonly #temporary: string;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #filled = 0;
  #descriptor: number | null;

  constructor(path: string) {
    this.#path = path;
    this.#temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
    // Memory may hold secrets: nobody else reads it.
    this.#descriptor = this.#try(() => openSync(this.#temporary, 'wx', 0o600));
  }

  append(bytes: Uint8Array): void {
    if (this.#filled + bytes.length > BUFFER_BYTES) this.#flush();
    if (bytes.length > BUFFER_BYTES) {
      this.#write(bytes);
      return;
    }
    this.#buffer.set(bytes, this.#filled);
    this.#filled += bytes.length;
  }

  commit(): void {
    this.#flush();
    this.#try(() => {
      fsyncSync(this.#descriptor!);
      closeSync(this.#descriptor!);
      this.#descriptor = null;
      renameSync(this.#temporary, this.#path);
      syncFolder(dirname(this.#path));
    });
  }

  abandon(): void {
    try {
      if (this.#descriptor !== null) closeSync(this.#descriptor);
      this.#descriptor = null;
      unlinkSync(this.#temporary);
    } catch {
      // It was renamed, or its folder is gone: nothing is left to be taken away.
    }
  }

  #flush(): void {
    this.#write(this.#buffer.subarray(0, this.#filled));
    this.#filled = 0;
  }

  #write(bytes: Uint8Array): void {
    this.#try(() => {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#descriptor!, bytes, done);
    });
  }

  #try<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw new VmError('io', `cannot write the snapshot ${this.#path}: ${explainErrno(error)}`);
    }
  }
}

/** A name is on stable storage when its folder is. */
function syncFolder(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function openInput(path: string): SnapshotInput {
  let descriptor: number;
  try {
    // A pipe would block until somebody opens its other end.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw new VmError('bad-file', `cannot open the snapshot ${path}: ${explainErrno(error)}`);
  }
  const stat = fstatSync(descriptor);
  if (!stat.isFile()) {
    closeSync(descriptor);
    throw new VmError('bad-file', `the snapshot ${path} is no regular file`);
  }
  const read = (offset: number, length: number): Uint8Array => {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, stat.size - offset)));
    let done = 0;
    try {
      while (done < bytes.length) {
        const count = readSync(descriptor, bytes, done, bytes.length - done, offset + done);
        if (count === 0) break;
        done += count;
      }
    } catch (error) {
      throw new VmError('io', `cannot read the snapshot ${path}: ${explainErrno(error)}`);
    }
    return bytes.subarray(0, done);
  };
  let whole: Uint8Array | undefined;
  return {
    size: stat.size,
    read: (offset, length) => {
      if (stat.size > WHOLE_BYTES_MAX) return read(offset, length);
      whole ??= read(0, stat.size);
      return whole.subarray(offset, offset + length);
    },
    close: () => closeSync(descriptor),
  };
}
