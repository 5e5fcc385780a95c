import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VmError } from '../base/vm-error.ts';
import type { ImageFile, OpenImageFile } from '../contracts/storage.ts';
import { explainErrno } from './images.ts';

/** Opens a file of the host that holds a disk image. @throws VmError `bad-file` when there is none that can be used. */
export const openImageFile: OpenImageFile = (path, { readOnly }) => {
  let fd: number;
  try {
    // A pipe would block until somebody opens its other end, and no disk is there.
    fd = openSync(path, (readOnly ? constants.O_RDONLY : constants.O_RDWR) | constants.O_NONBLOCK);
  } catch (error) {
    throw new VmError('bad-file', `cannot open the disk image '${path}': ${explainErrno(error)}`);
  }
  const stat = fstatSync(fd);
  if (!stat.isFile()) {
    closeSync(fd);
    throw new VmError('bad-file', `the disk image '${path}' is no regular file`);
  }
  return new HostFile(fd, path, stat.size, readOnly);
};

/** A file in the host's folder for temporary files that nobody else sees; it is gone when it is closed, or this process is. */
export function temporaryImageFile(): ImageFile {
  const path = join(tmpdir(), `hartscope-disk-${randomBytes(8).toString('hex')}`);
  try {
    const fd = openSync(path, 'wx+', 0o600);
    unlinkSync(path);
    return new HostFile(fd, path, 0, false);
  } catch (error) {
    throw new VmError('io', `cannot make a temporary file in ${tmpdir()}: ${explainErrno(error)}`);
  }
}

class HostFile implements ImageFile {
  readonly readOnly: boolean;
  readonly #fd: number;
  readonly #path: string;
  #size: number;
  /** Why nothing of this file is known to be on stable storage any more. */
  #syncFailure: VmError | null = null;

  constructor(fd: number, path: string, size: number, readOnly: boolean) {
    this.#fd = fd;
    this.#path = path;
    this.#size = size;
    this.readOnly = readOnly;
  }

  get size(): number {
    return this.#size;
  }

  read(offset: number, target: Uint8Array): number {
    let done = 0;
    while (done < target.length) {
      const count = this.#try('read', () =>
        readSync(this.#fd, target, done, target.length - done, offset + done),
      );
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  write(offset: number, data: Uint8Array): void {
    for (let done = 0; done < data.length; ) {
      done += this.#try('write', () => writeSync(this.#fd, data, done, data.length - done, offset + done));
      this.#size = Math.max(this.#size, offset + done);
    }
  }

  truncate(size: number): void {
    this.#try('resize', () => ftruncateSync(this.#fd, size));
    this.#size = size;
  }

  sync(): void {
    // After a failure the system forgets what it could not write and reports the next sync as a success (fsync(2)).
    if (this.#syncFailure !== null) throw this.#syncFailure;
    try {
      this.#try('store', () => fdatasyncSync(this.#fd));
    } catch (error) {
      if (error instanceof VmError) this.#syncFailure = error;
      throw error;
    }
  }

  close(): void {
    this.#try('close', () => closeSync(this.#fd));
  }

  #try<T>(what: string, action: () => T): T {
    for (;;) {
      try {
        return action();
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EINTR' && what === 'read') continue;
        throw new VmError('io', `cannot ${what} the disk image '${this.#path}': ${explainErrno(error)}`);
      }
    }
  }
}
