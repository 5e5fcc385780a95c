/** Numbers of Linux's errors, as 9P2000.L carries them (`include/uapi/asm-generic/errno*.h`). */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EIO: 5,
  EBADF: 9,
  EACCES: 13,
  EEXIST: 17,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EROFS: 30,
  ENAMETOOLONG: 36,
  EOPNOTSUPP: 95,
  ESTALE: 116,
} as const;

/** Why the host, or the folder's rules, refused. */
export class ShareError extends Error {
  /** See `ERRNO`. */
  readonly errno: number;

  constructor(errno: number) {
    super(`error ${errno} of Linux's`);
    this.name = 'ShareError';
    this.errno = errno;
  }
}

/** What stat(2) tells. Times are nanoseconds since 1970. */
export interface ShareStat {
  readonly device: bigint;
  readonly inode: bigint;
  readonly mode: number;
  readonly links: bigint;
  readonly uid: number;
  readonly gid: number;
  readonly deviceNumber: bigint;
  readonly size: bigint;
  readonly blockSize: bigint;
  readonly blocks: bigint;
  readonly accessNs: bigint;
  readonly modifyNs: bigint;
  readonly changeNs: bigint;
  readonly birthNs: bigint;
}

/** What statfs(2) tells. */
export interface ShareSpace {
  readonly type: bigint;
  readonly blockSize: bigint;
  readonly blocks: bigint;
  readonly free: bigint;
  readonly available: bigint;
  readonly files: bigint;
  readonly filesFree: bigint;
}

export interface ShareChanges {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly size?: bigint;
  /** `now`: the host's clock. */
  readonly accessNs?: bigint | 'now';
  readonly modifyNs?: bigint | 'now';
}

export interface ShareOpen {
  readonly access: 'read' | 'write' | 'both';
  readonly truncate: boolean;
  readonly append: boolean;
  /** Each write is on stable storage when it returns. */
  readonly sync: boolean;
}

/**
 * A file, folder or link in a folder of the host's that a guest shares, or that folder itself. It stays the same object whatever
 * its name becomes. Names are single components, as bytes; nothing is ever reached by following a link. Everything throws
 * `ShareError`.
 *
 * Invariant: who has only these objects reaches nothing outside the shared folder.
 */
export interface ShareObject {
  readonly kind: 'file' | 'folder' | 'link' | 'other';
  /** Folders between this object and the shared one, which has 0. */
  readonly depth: number;
  stat(): ShareStat;
  space(): ShareSpace;
  /** The object that a name leads to. */
  child(name: Uint8Array): ShareObject;
  /** The folder that it was reached through; the shared folder is its own. */
  parent(): ShareObject;
  /** Another reference to the same object. */
  again(): ShareObject;
  names(): Uint8Array[];
  readLink(): Uint8Array;
  open(how: ShareOpen): ShareFile;
  /** Makes a file; with `exclusive` it must not be there. */
  create(
    name: Uint8Array,
    how: ShareOpen,
    mode: number,
    exclusive: boolean,
  ): { object: ShareObject; file: ShareFile };
  makeFolder(name: Uint8Array, mode: number): ShareObject;
  /** Makes a symbolic link. */
  makeLink(name: Uint8Array, target: Uint8Array): ShareObject;
  /** One more name, in this folder, for a file. */
  addName(name: Uint8Array, file: ShareObject): void;
  rename(name: Uint8Array, folder: ShareObject, newName: Uint8Array): void;
  /** The name of this object itself. */
  renameTo(folder: ShareObject, newName: Uint8Array): void;
  /** A name was given to another folder, or changed: who was reached by it is reached by the new one. */
  moved(from: ShareObject, name: Uint8Array, to: ShareObject, newName: Uint8Array): void;
  removeName(name: Uint8Array, isFolder: boolean): void;
  /** Removes the name that this object was reached by. */
  remove(): void;
  change(changes: ShareChanges): void;
  /** Names from the shared folder on. */
  path(): Uint8Array[];
  close(): void;
}

export interface ShareFile {
  /** Returns how many bytes there were. */
  read(offset: bigint, target: Uint8Array): number;
  write(offset: bigint, data: Uint8Array): number;
  sync(dataOnly: boolean): void;
  close(): void;
}
