import { resolve } from 'node:path';
import { VmError } from '../../vmm/base/vm-error.ts';
import type { FileStamp, SnapshotFiles } from '../../vmm/contracts/snapshot.ts';

/** Snapshots in memory instead of files; a path is a name in a folder of its own. */
export class MemorySnapshots implements SnapshotFiles {
  readonly files = new Map<string, Uint8Array>();
  readonly stamps = new Map<string, FileStamp>();
  #time = 0n;

  absolute(path: string): string {
    return resolve('/', path);
  }

  absoluteFrom(_beside: string, path: string): string {
    return this.absolute(path);
  }

  relative(_beside: string, path: string): string {
    return path;
  }

  create(path: string): ReturnType<SnapshotFiles['create']> {
    const pieces: Uint8Array[] = [];
    return {
      append: (bytes) => void pieces.push(bytes.slice()),
      commit: () => this.put(path, Buffer.concat(pieces)),
      abandon: () => {},
    };
  }

  open(path: string): ReturnType<SnapshotFiles['open']> {
    const bytes = this.files.get(this.absolute(path));
    if (bytes === undefined) throw new VmError('bad-file', `cannot open the snapshot ${path}: no such file`);
    return {
      size: bytes.length,
      read: (offset, length) => bytes.slice(offset, offset + length),
      close: () => {},
    };
  }

  stamp(path: string): FileStamp | undefined {
    return this.stamps.get(this.absolute(path));
  }

  /** Puts bytes in place of a file. */
  put(path: string, bytes: Uint8Array): void {
    this.files.set(this.absolute(path), Uint8Array.from(bytes));
    this.touch(path, bytes.length);
  }

  /** A file was written by somebody. */
  touch(path: string, size: number): void {
    this.stamps.set(this.absolute(path), { size, modifiedNs: ++this.#time });
  }
}
