import { ERRNO, ShareError, type ShareStat } from '../contracts/share.ts';

/** Types of requests; an answer's is one more (Linux, `include/net/9p/9p.h`). */
export const MESSAGE = {
  lerror: 6,
  statfs: 8,
  lopen: 12,
  lcreate: 14,
  symlink: 16,
  mknod: 18,
  rename: 20,
  readlink: 22,
  getattr: 24,
  setattr: 26,
  xattrwalk: 30,
  xattrcreate: 32,
  readdir: 40,
  fsync: 50,
  lock: 52,
  getlock: 54,
  link: 70,
  mkdir: 72,
  renameat: 74,
  unlinkat: 76,
  version: 100,
  auth: 102,
  attach: 104,
  flush: 108,
  walk: 110,
  read: 116,
  write: 118,
  clunk: 120,
  remove: 122,
} as const;

/** size[4] type[1] tag[2]. */
export const HEADER_BYTES = 7;
export const QID_BYTES = 13;

/** Reads a request's fields; what is cut off or left over is the guest's mistake, an EINVAL. */
export class RequestReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = HEADER_BYTES;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8), true);
  }

  /** A string is its length and as many bytes, whatever they are. */
  text(): Uint8Array {
    return this.bytes(this.u16());
  }

  /** Lies in the request. */
  bytes(count: number): Uint8Array {
    const at = this.#take(count);
    return this.#bytes.subarray(at, at + count);
  }

  /** Nothing may stand behind the last field. */
  end(): void {
    if (this.#at !== this.#bytes.length) throw new ShareError(ERRNO.EINVAL);
  }

  #take(count: number): number {
    const at = this.#at;
    if (at + count > this.#bytes.length) throw new ShareError(ERRNO.EINVAL);
    this.#at += count;
    return at;
  }
}

/** Builds an answer in a buffer of its full size. */
export class AnswerWriter {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = HEADER_BYTES;

  constructor(room: number) {
    this.#bytes = new Uint8Array(room);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Bytes that still fit. */
  get room(): number {
    return this.#bytes.length - this.#at;
  }

  u8(value: number): this {
    this.#view.setUint8(this.#take(1), value);
    return this;
  }

  u16(value: number): this {
    this.#view.setUint16(this.#take(2), value, true);
    return this;
  }

  u32(value: number): this {
    this.#view.setUint32(this.#take(4), value, true);
    return this;
  }

  u64(value: bigint): this {
    this.#view.setBigUint64(this.#take(8), value, true);
    return this;
  }

  text(value: Uint8Array): this {
    return this.u16(value.length).bytes(value);
  }

  bytes(value: Uint8Array): this {
    this.#bytes.set(value, this.#take(value.length));
    return this;
  }

  qid(stat: ShareStat): this {
    return this.u8(qidType(stat.mode)).u32(versionOf(stat)).u64(pathOf(stat));
  }

  /** The next `count` bytes, to be filled by the caller. */
  reserve(count: number): Uint8Array {
    const at = this.#take(count);
    return this.#bytes.subarray(at, at + count);
  }

  /** Gives back the last `count` bytes. */
  shorten(count: number): void {
    this.#at -= count;
  }

  /** Writes a value at a place behind the header that was written before. */
  patch32(offset: number, value: number): void {
    this.#view.setUint32(HEADER_BYTES + offset, value, true);
  }

  patch16(offset: number, value: number): void {
    this.#view.setUint16(HEADER_BYTES + offset, value, true);
  }

  finish(type: number, tag: number): Uint8Array {
    this.#view.setUint32(0, this.#at, true);
    this.#view.setUint8(4, type);
    this.#view.setUint16(5, tag, true);
    return this.#bytes.slice(0, this.#at);
  }

  #take(count: number): number {
    const at = this.#at;
    // The guest asked for less room than the answer needs.
    if (at + count > this.#bytes.length) throw new ShareError(ERRNO.EINVAL);
    this.#at += count;
    return at;
  }
}

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const S_IFLNK = 0o120000;

/** QTDIR, QTSYMLINK, QTFILE. */
function qidType(mode: number): number {
  const format = mode & S_IFMT;
  return format === S_IFDIR ? 0x80 : format === S_IFLNK ? 0x02 : 0;
}

/** Another one whenever the object changed, as far as 32 bits tell. */
const versionOf = ({ modifyNs, size }: ShareStat): number =>
  Number(BigInt.asUintN(32, modifyNs ^ (size << 8n)));

/** File systems that are mounted below the folder count their inodes anew. */
const pathOf = ({ inode, device }: ShareStat): bigint => BigInt.asUintN(64, inode ^ (device << 40n));

/** DT_DIR and so on, from a mode (readdir(3)). */
export const directoryType = (mode: number): number => (mode & S_IFMT) >> 12;
