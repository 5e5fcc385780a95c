import {
  type BigIntStats,
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  renameSync,
  rmdirSync,
  statfsSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { VmError } from '../base/vm-error.ts';
import {
  ERRNO,
  type ShareChanges,
  ShareError,
  type ShareFile,
  type ShareObject,
  type ShareOpen,
  type ShareSpace,
  type ShareStat,
} from '../contracts/share.ts';
import { explainErrno } from './images.ts';

/**
 * Linux's O_PATH: names an object without opening it (open(2)). What hangs on such a descriptor is found through
 * /proc/self/fd, which the kernel resolves to the object itself; a name behind it is looked up in that folder and, with
 * O_NOFOLLOW, nowhere else. That is openat(2), and leaves no moment in which a folder could be exchanged for a link.
 */
const O_PATH = 0o10000000;
const NAME_FLAGS = O_PATH | constants.O_NOFOLLOW;
const OWN_DESCRIPTORS = '/proc/self/fd';
/** A guest makes no files that run with their owner's rights on the host. */
const MODE_MASK = 0o1777;
const SLASH = 0x2f;

/** Opens a folder of the host's for a guest. @throws VmError `bad-file` when it is none, `bad-config` where the host cannot. */
export function openSharedFolder(path: string, { readOnly }: { readOnly: boolean }): ShareObject {
  try {
    lstatSync(`${OWN_DESCRIPTORS}/0`);
    readdirSync(OWN_DESCRIPTORS);
  } catch {
    throw new VmError('bad-config', `shared folders need ${OWN_DESCRIPTORS}, which this system lacks`);
  }
  try {
    const fd = openSync(path, O_PATH | constants.O_DIRECTORY);
    return new HostObject(new Descriptor(fd), null, EMPTY, { readOnly });
  } catch (error) {
    throw new VmError('bad-file', `cannot share the folder '${path}': ${explainErrno(error)}`);
  }
}

const EMPTY = new Uint8Array(0);

/** A descriptor that several objects hold. */
class Descriptor {
  readonly fd: number;
  #holders = 1;

  constructor(fd: number) {
    this.fd = fd;
  }

  hold(): this {
    this.#holders += 1;
    return this;
  }

  release(): void {
    this.#holders -= 1;
    if (this.#holders === 0) closeSync(this.fd);
  }
}

/** A folder on the way to an object, with the name by which it was reached. */
interface Place {
  readonly descriptor: Descriptor;
  readonly above: Place | null;
  readonly name: Uint8Array;
  /** Device and inode. */
  readonly identity: string;
}

interface Rules {
  readonly readOnly: boolean;
}

class HostObject implements ShareObject {
  readonly kind: ShareObject['kind'];
  readonly #descriptor: Descriptor;
  /** The folder that it was reached through; null for the shared one. */
  #above: Place | null;
  #name: Uint8Array;
  readonly #identity: string;
  readonly #rules: Rules;

  constructor(descriptor: Descriptor, above: Place | null, name: Uint8Array, rules: Rules) {
    this.#descriptor = descriptor;
    this.#above = above;
    this.#name = name;
    this.#rules = rules;
    const stats = fstatSync(descriptor.fd, { bigint: true });
    this.#identity = `${stats.dev}:${stats.ino}`;
    this.kind = stats.isFile()
      ? 'file'
      : stats.isDirectory()
        ? 'folder'
        : stats.isSymbolicLink()
          ? 'link'
          : 'other';
  }

  get depth(): number {
    let depth = 0;
    for (let place = this.#above; place !== null; place = place.above) depth += 1;
    return depth;
  }

  stat(): ShareStat {
    return host(() => statOf(fstatSync(this.#descriptor.fd, { bigint: true })));
  }

  space(): ShareSpace {
    // A link has no space of its own to tell of, and would be followed.
    const { fd } = this.kind === 'link' ? this.#above!.descriptor : this.#descriptor;
    const { type, bsize, blocks, bfree, bavail, files, ffree } = host(() =>
      statfsSync(`${OWN_DESCRIPTORS}/${fd}`, { bigint: true }),
    );
    return { type, blockSize: bsize, blocks, free: bfree, available: bavail, files, filesFree: ffree };
  }

  child(name: Uint8Array): ShareObject {
    return host(() => this.#open(name, NAME_FLAGS));
  }

  parent(): ShareObject {
    const above = this.#above;
    if (above === null) return this.again();
    holdAll(above.above);
    return new HostObject(above.descriptor.hold(), above.above, above.name, this.#rules);
  }

  again(): ShareObject {
    holdAll(this.#above);
    return new HostObject(this.#descriptor.hold(), this.#above, this.#name, this.#rules);
  }

  names(): Uint8Array[] {
    this.#requireFolder();
    return host(() => readdirSync(this.#itself, { encoding: 'buffer' }) as unknown as Buffer[]);
  }

  readLink(): Uint8Array {
    if (this.kind !== 'link') throw new ShareError(ERRNO.EINVAL);
    return host(() => readlinkSync(this.#ownName(), { encoding: 'buffer' }));
  }

  open(how: ShareOpen): ShareFile {
    if (this.kind === 'folder') throw new ShareError(ERRNO.EISDIR);
    // A pipe would block, and what a device file does is the host's own business.
    if (this.kind !== 'file') throw new ShareError(ERRNO.EACCES);
    if (how.access !== 'read' || how.truncate) this.#requireWritable();
    return host(() => new HostFile(openSync(this.#itself, flagsOf(how))));
  }

  create(name: Uint8Array, how: ShareOpen, mode: number, exclusive: boolean) {
    this.#requireWritable();
    const flags = flagsOf(how) | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    let fd: number;
    try {
      fd = host(() => openSync(this.#at(name), flags, mode & MODE_MASK));
    } catch (error) {
      if (exclusive || !(error instanceof ShareError) || error.errno !== ERRNO.EEXIST) throw error;
      // It is there: opened by way of its own object, which tells a file from other things.
      const object = this.child(name);
      try {
        return { object, file: object.open(how) };
      } catch (refusal) {
        object.close();
        throw refusal;
      }
    }
    const file = new HostFile(fd);
    try {
      return { object: this.child(name), file };
    } catch (error) {
      file.close();
      throw error;
    }
  }

  makeFolder(name: Uint8Array, mode: number): ShareObject {
    this.#requireWritable();
    host(() => mkdirSync(this.#at(name), mode & MODE_MASK));
    return this.child(name);
  }

  makeLink(name: Uint8Array, target: Uint8Array): ShareObject {
    this.#requireWritable();
    if (!staysInside(target, this.depth)) throw new ShareError(ERRNO.EPERM);
    host(() => symlinkSync(Buffer.from(target), this.#at(name)));
    return this.child(name);
  }

  addName(name: Uint8Array, file: ShareObject): void {
    this.#requireWritable();
    const source = own(file);
    if (source.kind === 'folder') throw new ShareError(ERRNO.EPERM);
    host(() => linkSync(source.#ownName(), this.#at(name)));
  }

  rename(name: Uint8Array, folder: ShareObject, newName: Uint8Array): void {
    this.#requireWritable();
    host(() => renameSync(this.#at(name), own(folder).#at(newName)));
  }

  renameTo(folder: ShareObject, newName: Uint8Array): void {
    this.#requireWritable();
    const target = own(folder);
    host(() => renameSync(this.#ownName(), target.#at(newName)));
    this.#place(target, newName);
  }

  moved(from: ShareObject, name: Uint8Array, to: ShareObject, newName: Uint8Array): void {
    if (this.#above?.identity !== own(from).#identity || Buffer.compare(this.#name, name) !== 0) return;
    this.#place(own(to), newName);
  }

  removeName(name: Uint8Array, isFolder: boolean): void {
    this.#requireWritable();
    host(() => (isFolder ? rmdirSync(this.#at(name)) : unlinkSync(this.#at(name))));
  }

  remove(): void {
    this.#requireWritable();
    if (this.#above === null) throw new ShareError(ERRNO.EPERM);
    host(() => (this.kind === 'folder' ? rmdirSync(this.#ownName()) : unlinkSync(this.#ownName())));
  }

  change({ mode, uid, gid, size, accessNs, modifyNs }: ShareChanges): void {
    this.#requireWritable();
    const isLink = this.kind === 'link';
    if (size !== undefined) {
      if (this.kind !== 'file') throw new ShareError(this.kind === 'folder' ? ERRNO.EISDIR : ERRNO.EINVAL);
      host(() => truncateSync(this.#itself, safe(size)));
    }
    if (mode !== undefined) {
      // A link has no mode of its own (chmod(2)).
      if (isLink) throw new ShareError(ERRNO.EOPNOTSUPP);
      host(() => chmodSync(this.#itself, mode & MODE_MASK));
    }
    if (uid !== undefined || gid !== undefined) {
      const now = fstatSync(this.#descriptor.fd);
      const [user, group] = [uid ?? now.uid, gid ?? now.gid];
      host(() => (isLink ? lchownSync(this.#ownName(), user, group) : chownSync(this.#itself, user, group)));
    }
    if (accessNs !== undefined || modifyNs !== undefined) {
      const now = this.stat();
      const seconds = (given: bigint | 'now' | undefined, unchanged: bigint): number =>
        given === 'now' ? Date.now() / 1000 : Number(given ?? unchanged) / 1e9;
      const [access, modify] = [seconds(accessNs, now.accessNs), seconds(modifyNs, now.modifyNs)];
      host(() =>
        isLink ? lutimesSync(this.#ownName(), access, modify) : utimesSync(this.#itself, access, modify),
      );
    }
  }

  path(): Uint8Array[] {
    const names: Uint8Array[] = [];
    if (this.#above === null) return names;
    names.push(this.#name);
    for (let place: Place | null = this.#above; place.above !== null; place = place.above)
      names.push(place.name);
    return names.reverse();
  }

  close(): void {
    this.#descriptor.release();
    releaseAll(this.#above);
  }

  /** The object, whatever its name is. Not for links: the last part of a path is followed. */
  get #itself(): string {
    return `${OWN_DESCRIPTORS}/${this.#descriptor.fd}`;
  }

  /** A name in this folder. What it leads to is not followed by the calls that it is given to. */
  #at(name: Uint8Array): Buffer {
    this.#requireFolder();
    requireName(name);
    return Buffer.concat([Buffer.from(`${this.#itself}/`), name]);
  }

  /** The name by which it was reached, if that still leads to it. */
  #ownName(): Buffer {
    const above = this.#above;
    if (above === null) throw new ShareError(ERRNO.EPERM);
    const path = Buffer.concat([Buffer.from(`${OWN_DESCRIPTORS}/${above.descriptor.fd}/`), this.#name]);
    const [named, mine] = [lstatSync(path), fstatSync(this.#descriptor.fd)];
    if (named.ino !== mine.ino || named.dev !== mine.dev) throw new ShareError(ERRNO.ESTALE);
    return path;
  }

  #open(name: Uint8Array, flags: number): HostObject {
    const fd = openSync(this.#at(name), flags);
    const above = this.#asPlace;
    holdAll(above);
    return new HostObject(new Descriptor(fd), above, name.slice(), this.#rules);
  }

  get #asPlace(): Place {
    return {
      descriptor: this.#descriptor,
      above: this.#above,
      name: this.#name,
      identity: this.#identity,
    };
  }

  #place(folder: HostObject, name: Uint8Array): void {
    const above = folder.#asPlace;
    holdAll(above);
    releaseAll(this.#above);
    this.#above = above;
    this.#name = name.slice();
  }

  #requireFolder(): void {
    if (this.kind !== 'folder') throw new ShareError(ERRNO.ENOTDIR);
  }

  #requireWritable(): void {
    if (this.#rules.readOnly) throw new ShareError(ERRNO.EROFS);
  }
}

class HostFile implements ShareFile {
  readonly #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  read(offset: bigint, target: Uint8Array): number {
    let done = 0;
    while (done < target.length) {
      const at = safe(offset) + done;
      const count = host(() => readSync(this.#fd, target, done, target.length - done, at));
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  write(offset: bigint, data: Uint8Array): number {
    let done = 0;
    while (done < data.length) {
      const at = safe(offset) + done;
      done += host(() => writeSync(this.#fd, data, done, data.length - done, at));
    }
    return done;
  }

  sync(dataOnly: boolean): void {
    host(() => (dataOnly ? fdatasyncSync(this.#fd) : fsyncSync(this.#fd)));
  }

  close(): void {
    closeSync(this.#fd);
  }
}

const own = (object: ShareObject): HostObject => {
  if (!(object instanceof HostObject)) throw new ShareError(ERRNO.EINVAL);
  return object;
};

function holdAll(place: Place | null): void {
  for (let at = place; at !== null; at = at.above) at.descriptor.hold();
}

function releaseAll(place: Place | null): void {
  for (let at = place; at !== null; at = at.above) at.descriptor.release();
}

/** One component of a path that leads down. */
function requireName(name: Uint8Array): void {
  if (name.length > 255) throw new ShareError(ERRNO.ENAMETOOLONG);
  if (name.length === 0 || name.includes(0) || name.includes(SLASH)) throw new ShareError(ERRNO.EINVAL);
  const text = Buffer.from(name).toString('latin1');
  if (text === '.' || text === '..') throw new ShareError(ERRNO.EINVAL);
}

/** Whether a link at some depth says nothing that leads above the shared folder, for programs of the host's that would follow it. */
function staysInside(target: Uint8Array, depth: number): boolean {
  if (target.length === 0 || target[0] === SLASH || target.includes(0)) return false;
  let level = depth;
  for (const part of Buffer.from(target).toString('latin1').split('/')) {
    if (part === '..') level -= 1;
    else if (part !== '' && part !== '.') level += 1;
    if (level < 0) return false;
  }
  return true;
}

function flagsOf({ access, truncate, append, sync }: ShareOpen): number {
  const mode = { read: constants.O_RDONLY, write: constants.O_WRONLY, both: constants.O_RDWR }[access];
  return (
    mode |
    constants.O_NONBLOCK |
    constants.O_NOCTTY |
    (truncate ? constants.O_TRUNC : 0) |
    (append ? constants.O_APPEND : 0) |
    (sync ? constants.O_SYNC : 0)
  );
}

const statOf = (stats: BigIntStats): ShareStat => ({
  device: stats.dev,
  inode: stats.ino,
  mode: Number(stats.mode),
  links: stats.nlink,
  uid: Number(stats.uid),
  gid: Number(stats.gid),
  deviceNumber: stats.rdev,
  size: stats.size,
  blockSize: stats.blksize,
  blocks: stats.blocks,
  accessNs: stats.atimeNs,
  modifyNs: stats.mtimeNs,
  changeNs: stats.ctimeNs,
  birthNs: stats.birthtimeNs,
});

/** Node takes offsets that a double holds exactly; no file is longer. */
function safe(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new ShareError(ERRNO.EINVAL);
  return Number(value);
}

/** The host's refusals in numbers: it is Linux, whose numbers a guest's are. */
function host<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof ShareError) throw error;
    const { errno, syscall } = error as NodeJS.ErrnoException;
    if (syscall === undefined || errno === undefined) throw error;
    throw new ShareError(-errno);
  }
}
