import {
  ERRNO,
  type ShareChanges,
  ShareError,
  type ShareObject,
  type ShareOpen,
} from '../contracts/share.ts';
import type { Fid, FidTable } from './fids.ts';
import { type AnswerWriter, directoryType, MESSAGE, QID_BYTES, type RequestReader } from './wire.ts';

interface Call {
  readonly root: ShareObject;
  readonly fids: FidTable;
  readonly reader: RequestReader;
  readonly writer: AnswerWriter;
}

/** Carries out one request and writes its answer behind the header. Throws `ShareError`. */
export type Answer = (call: Call) => void;

/** A fid that stands for none (attach(5)). */
const NO_FID = 0xffff_ffff;
/** Names of one walk (walk(5)). */
const NAMES_MAX = 16;
/** `offset[8] type[1] name length[2]` behind the qid (Linux, "Treaddir"). */
const ENTRY_BYTES = QID_BYTES + 11;
/** P9_GETATTR_BASIC: what stat(2) has. */
const BASIC_ATTRIBUTES = 0x7ffn;
/** AT_REMOVEDIR. */
const REMOVE_FOLDER = 0x200;

/** Flags of open(2) as Linux numbers them in this dialect on every architecture (`P9_DOTL_…`). */
const OPEN = {
  accessMode: 3,
  exclusive: 0o200,
  truncate: 0o1000,
  append: 0o2000,
  dataSync: 0o10000,
  directory: 0o200000,
  sync: 0o4000000,
} as const;
/** Bits of Tsetattr's `valid`. */
const SET = {
  mode: 1,
  uid: 2,
  gid: 4,
  size: 8,
  access: 0x10,
  modify: 0x20,
  accessGiven: 0x80,
  modifyGiven: 0x100,
};
const UNLOCKED = 2;

const DOT = Buffer.of(0x2e);
const DOT_DOT = Buffer.of(0x2e, 0x2e);

export const HANDLERS: ReadonlyMap<number, Answer> = new Map<number, Answer>([
  [MESSAGE.attach, attach],
  [MESSAGE.walk, walk],
  [MESSAGE.clunk, clunk],
  [MESSAGE.remove, remove],
  [MESSAGE.flush, flush],
  [MESSAGE.lopen, open],
  [MESSAGE.lcreate, create],
  [MESSAGE.read, read],
  [MESSAGE.write, write],
  [MESSAGE.fsync, sync],
  [MESSAGE.readdir, readNames],
  [MESSAGE.getattr, getAttributes],
  [MESSAGE.setattr, setAttributes],
  [MESSAGE.statfs, space],
  [MESSAGE.mkdir, makeFolder],
  [MESSAGE.symlink, makeLink],
  [MESSAGE.readlink, readLink],
  [MESSAGE.link, addName],
  [MESSAGE.rename, rename],
  [MESSAGE.renameat, renameAt],
  [MESSAGE.unlinkat, removeAt],
  [MESSAGE.lock, lock],
  [MESSAGE.getlock, getLock],
]);

function attach({ root, fids, reader, writer }: Call): void {
  const fid = reader.u32();
  const authentication = reader.u32();
  reader.text();
  reader.text();
  reader.u32();
  reader.end();
  // Nobody is asked who they are.
  if (authentication !== NO_FID) throw new ShareError(ERRNO.EINVAL);
  fids.add(fid, root.again());
  writer.qid(root.stat());
}

/** Goes as far as it can: only a first name that leads nowhere is an error (walk(5)). */
function walk({ fids, reader, writer }: Call): void {
  const from = reader.u32();
  const to = reader.u32();
  const count = reader.u16();
  if (count > NAMES_MAX) throw new ShareError(ERRNO.EINVAL);
  const names = Array.from({ length: count }, () => reader.text());
  reader.end();
  const start = fids.get(from);
  if (start.open !== undefined) throw new ShareError(ERRNO.EINVAL);
  let at = start.object.again();
  let walked = 0;
  writer.u16(0);
  try {
    for (const name of names) {
      const next = step(at, name);
      at.close();
      at = next;
      writer.qid(at.stat());
      walked += 1;
    }
  } catch (error) {
    at.close();
    if (!(error instanceof ShareError) || walked === 0) throw error;
    writer.patch16(0, walked);
    return;
  }
  writer.patch16(0, walked);
  if (to === from) fids.replace(to, at);
  else fids.add(to, at);
}

/** `..` leads to where the object was reached from, and from the shared folder nowhere. */
function step(from: ShareObject, name: Uint8Array): ShareObject {
  if (from.kind !== 'folder') throw new ShareError(ERRNO.ENOTDIR);
  if (DOT_DOT.equals(name)) return from.parent();
  if (DOT.equals(name)) return from.again();
  return from.child(name);
}

function clunk({ fids, reader }: Call): void {
  const fid = reader.u32();
  reader.end();
  fids.remove(fid);
}

/** Frees the fid whether or not the name could be removed (remove(5)). */
function remove({ fids, reader }: Call): void {
  const number = reader.u32();
  reader.end();
  const { object } = fids.get(number);
  try {
    object.remove();
  } finally {
    fids.remove(number);
  }
}

/** Every request was answered before the next one came. */
function flush({ reader }: Call): void {
  reader.u16();
  reader.end();
}

function open({ fids, reader, writer }: Call): void {
  const number = reader.u32();
  const flags = reader.u32();
  reader.end();
  const fid = fids.get(number);
  if (fid.open !== undefined) throw new ShareError(ERRNO.EINVAL);
  const { object } = fid;
  const how = howOf(flags);
  if (object.kind === 'folder') {
    if (how.access !== 'read') throw new ShareError(ERRNO.EISDIR);
    fids.replace(number, object, { how, file: undefined });
  } else {
    if ((flags & OPEN.directory) !== 0) throw new ShareError(ERRNO.ENOTDIR);
    fids.replace(number, object, { how, file: object.open(how) });
  }
  writer.qid(object.stat()).u32(0);
}

function create({ fids, reader, writer }: Call): void {
  const number = reader.u32();
  const name = reader.text();
  const flags = reader.u32();
  const mode = reader.u32();
  reader.u32();
  reader.end();
  const folder = fids.get(number);
  if (folder.open !== undefined) throw new ShareError(ERRNO.EINVAL);
  const how = howOf(flags);
  const { object, file } = folder.object.create(name, how, mode, (flags & OPEN.exclusive) !== 0);
  fids.replace(number, object, { how, file });
  writer.qid(object.stat()).u32(0);
}

function howOf(flags: number): ShareOpen {
  const access = (['read', 'write', 'both'] as const)[flags & OPEN.accessMode];
  if (access === undefined) throw new ShareError(ERRNO.EINVAL);
  return {
    access,
    truncate: (flags & OPEN.truncate) !== 0,
    append: (flags & OPEN.append) !== 0,
    sync: (flags & (OPEN.sync | OPEN.dataSync)) !== 0,
  };
}

function read({ fids, reader, writer }: Call): void {
  const { file } = opened(fids, reader.u32());
  const offset = reader.u64();
  const wanted = reader.u32();
  reader.end();
  writer.u32(0);
  const count = Math.min(wanted, writer.room);
  const done = file.read(offset, writer.reserve(count));
  writer.shorten(count - done);
  writer.patch32(0, done);
}

function write({ fids, reader, writer }: Call): void {
  const { file } = opened(fids, reader.u32());
  const offset = reader.u64();
  const data = reader.bytes(reader.u32());
  reader.end();
  writer.u32(file.write(offset, data));
}

function sync({ fids, reader }: Call): void {
  const fid = fids.get(reader.u32());
  const dataOnly = reader.u32() !== 0;
  reader.end();
  fid.open?.file?.sync(dataOnly);
}

function opened(fids: FidTable, number: number) {
  const file = fids.get(number).open?.file;
  if (file === undefined) throw new ShareError(ERRNO.EBADF);
  return { file };
}

/** An entry's offset is the place of the next one; names that came and went since the start are told, or not. */
function readNames({ fids, reader, writer }: Call): void {
  const fid = fids.get(reader.u32());
  const offset = reader.u64();
  const wanted = reader.u32();
  reader.end();
  if (fid.open === undefined || fid.object.kind !== 'folder') throw new ShareError(ERRNO.EBADF);
  if (offset === 0n || fid.names === undefined) fid.names = [DOT, DOT_DOT, ...fid.object.names()];
  writer.u32(0);
  const room = Math.min(wanted, writer.room);
  let used = 0;
  for (let index = placeIn(fid.names, offset); index < fid.names.length; index += 1) {
    const name = fid.names[index]!;
    if (used + ENTRY_BYTES + name.length > room) break;
    if (!writeEntry(writer, fid, name, index + 1)) continue;
    used += ENTRY_BYTES + name.length;
  }
  writer.patch32(0, used);
}

const placeIn = (names: readonly Uint8Array[], offset: bigint): number =>
  offset > BigInt(names.length) ? names.length : Number(offset);

/** False for a name that is gone. */
function writeEntry(writer: AnswerWriter, { object }: Fid, name: Uint8Array, next: number): boolean {
  let entry: ShareObject;
  try {
    entry = step(object, name);
  } catch (error) {
    if (!(error instanceof ShareError)) throw error;
    return false;
  }
  try {
    const stat = entry.stat();
    writer.qid(stat).u64(BigInt(next)).u8(directoryType(stat.mode)).text(name);
  } finally {
    entry.close();
  }
  return true;
}

function getAttributes({ fids, reader, writer }: Call): void {
  const { object } = fids.get(reader.u32());
  reader.u64();
  reader.end();
  const stat = object.stat();
  writer.u64(BASIC_ATTRIBUTES).qid(stat).u32(stat.mode).u32(stat.uid).u32(stat.gid).u64(stat.links);
  writer.u64(stat.deviceNumber).u64(stat.size).u64(stat.blockSize).u64(stat.blocks);
  for (const time of [stat.accessNs, stat.modifyNs, stat.changeNs, stat.birthNs]) {
    const nanoseconds = BigInt.asUintN(64, time) % BILLION;
    writer.u64(BigInt.asUintN(64, time / BILLION)).u64(nanoseconds);
  }
  // Generation and data version are not told.
  writer.u64(0n).u64(0n);
}

const BILLION = 1_000_000_000n;

function setAttributes({ fids, reader }: Call): void {
  const { object } = fids.get(reader.u32());
  const valid = reader.u32();
  const [mode, uid, gid] = [reader.u32(), reader.u32(), reader.u32()];
  const size = reader.u64();
  const access = timeOf(reader);
  const modify = timeOf(reader);
  reader.end();
  const has = (bit: number): boolean => (valid & bit) !== 0;
  const changes: ShareChanges = {
    ...(has(SET.mode) && { mode }),
    ...(has(SET.uid) && { uid }),
    ...(has(SET.gid) && { gid }),
    ...(has(SET.size) && { size }),
    ...(has(SET.access) && { accessNs: has(SET.accessGiven) ? access : 'now' }),
    ...(has(SET.modify) && { modifyNs: has(SET.modifyGiven) ? modify : 'now' }),
  };
  object.change(changes);
}

const timeOf = (reader: RequestReader): bigint => BigInt.asIntN(64, reader.u64()) * BILLION + reader.u64();

function space({ fids, reader, writer }: Call): void {
  const { object } = fids.get(reader.u32());
  reader.end();
  const found = object.space();
  writer.u32(V9FS_MAGIC).u32(Number(found.blockSize)).u64(found.blocks).u64(found.free).u64(found.available);
  writer.u64(found.files).u64(found.filesFree).u64(0n).u32(NAME_BYTES_MAX);
}

/** What Linux takes for the type of a 9P file system; the host's own would mean nothing to the guest. */
const V9FS_MAGIC = 0x01021997;
const NAME_BYTES_MAX = 255;

function makeFolder({ fids, reader, writer }: Call): void {
  const { object } = fids.get(reader.u32());
  const name = reader.text();
  const mode = reader.u32();
  reader.u32();
  reader.end();
  tell(writer, object.makeFolder(name, mode));
}

function makeLink({ fids, reader, writer }: Call): void {
  const { object } = fids.get(reader.u32());
  const name = reader.text();
  const target = reader.text();
  reader.u32();
  reader.end();
  tell(writer, object.makeLink(name, target));
}

function tell(writer: AnswerWriter, object: ShareObject): void {
  try {
    writer.qid(object.stat());
  } finally {
    object.close();
  }
}

function readLink({ fids, reader, writer }: Call): void {
  const { object } = fids.get(reader.u32());
  reader.end();
  writer.text(object.readLink());
}

function addName({ fids, reader }: Call): void {
  const folder = fids.get(reader.u32()).object;
  const { object } = fids.get(reader.u32());
  const name = reader.text();
  reader.end();
  folder.addName(name, object);
}

function rename({ fids, reader }: Call): void {
  const { object } = fids.get(reader.u32());
  const folder = fids.get(reader.u32()).object;
  const name = reader.text();
  reader.end();
  object.renameTo(folder, name);
}

function renameAt({ fids, reader }: Call): void {
  const folder = fids.get(reader.u32()).object;
  const name = reader.text();
  const newFolder = fids.get(reader.u32()).object;
  const newName = reader.text();
  reader.end();
  folder.rename(name, newFolder, newName);
  for (const fid of fids.all()) fid.object.moved(folder, name, newFolder, newName);
}

function removeAt({ fids, reader }: Call): void {
  const { object } = fids.get(reader.u32());
  const name = reader.text();
  const flags = reader.u32();
  reader.end();
  object.removeName(name, (flags & REMOVE_FOLDER) !== 0);
}

/** The guest's own kernel keeps its processes apart; nobody else locks through this server. */
function lock({ fids, reader, writer }: Call): void {
  fids.get(reader.u32());
  reader.u8();
  reader.u32();
  reader.u64();
  reader.u64();
  reader.u32();
  reader.text();
  reader.end();
  writer.u8(0);
}

function getLock({ fids, reader, writer }: Call): void {
  fids.get(reader.u32());
  reader.u8();
  const start = reader.u64();
  const length = reader.u64();
  const process = reader.u32();
  const client = reader.text();
  reader.end();
  writer.u8(UNLOCKED).u64(start).u64(length).u32(process).text(client);
}
