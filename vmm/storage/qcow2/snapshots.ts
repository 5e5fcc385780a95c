import type { ImageFile } from '../../contracts/storage.ts';
import { badImage } from '../errors.ts';
import { L1_BYTES_MAX } from './geometry.ts';
import type { Header } from './header.ts';

/** An internal snapshot (qcow2, "Snapshots"). */
export interface Snapshot {
  readonly id: string;
  readonly name: string;
  /** Seconds since 1970 when it was taken. */
  readonly takenSeconds: number;
  /** Bytes of a saved machine that lies behind the disk's contents. */
  readonly stateBytes: number;
  /** Bytes of the disk as it was then. */
  readonly size: number;
  readonly l1Offset: number;
  readonly l1Entries: number;
}

export interface SnapshotTable {
  readonly snapshots: readonly Snapshot[];
  /** Bytes that the table takes in the file. */
  readonly bytes: number;
}

const ENTRY_BYTES = 40;
/** QEMU's bounds. */
const EXTRA_BYTES_MAX = 1024;
const TABLE_BYTES_MAX = 64 << 20;
/** Of the L1 tables of all snapshots together; they are read when refcounts are checked. */
const L1_BYTES_ALL_MAX = 8 * L1_BYTES_MAX;

/** Reads the snapshot table. @throws VmError `bad-file` when it is damaged. */
export function readSnapshots(file: ImageFile, header: Header, name: string): SnapshotTable {
  const snapshots: Snapshot[] = [];
  let at = header.snapshotsOffset;
  let l1Bytes = 0;
  for (let i = 0; i < header.snapshotCount; i++) {
    const entry = readExactly(file, at, ENTRY_BYTES, name);
    const idBytes = entry.getUint16(12);
    const nameBytes = entry.getUint16(14);
    const extraBytes = entry.getUint32(36);
    if (extraBytes > EXTRA_BYTES_MAX) throw badImage(name, `snapshot ${i + 1} has ${extraBytes} extra bytes`);
    const rest = readExactly(file, at + ENTRY_BYTES, extraBytes + idBytes + nameBytes, name);
    const text = (from: number, length: number) =>
      new TextDecoder().decode(new Uint8Array(rest.buffer, from, length));
    const snapshot: Snapshot = {
      id: text(extraBytes, idBytes),
      name: text(extraBytes + idBytes, nameBytes),
      takenSeconds: entry.getUint32(16),
      stateBytes: extraBytes >= 8 ? Number(rest.getBigUint64(0)) : entry.getUint32(32),
      // Without the field the disk had the size that it has now.
      size: extraBytes >= 16 ? Number(rest.getBigUint64(8)) : header.size,
      l1Offset: Number(entry.getBigUint64(0)),
      l1Entries: entry.getUint32(8),
    };
    checkL1(snapshot, file, header, name);
    snapshots.push(snapshot);
    l1Bytes += snapshot.l1Entries * 8;
    if (l1Bytes > L1_BYTES_ALL_MAX) throw badImage(name, 'the L1 tables of the snapshots are too large');
    at += Math.ceil((ENTRY_BYTES + rest.byteLength) / 8) * 8;
    if (at - header.snapshotsOffset > TABLE_BYTES_MAX)
      throw badImage(name, 'the snapshot table is too large');
  }
  return { snapshots, bytes: at - header.snapshotsOffset };
}

/** Finds a snapshot by its ID, else by its name, as `qemu-img` does. @throws VmError `bad-file` when there is none. */
export function findSnapshot(snapshots: readonly Snapshot[], wanted: string, name: string): Snapshot {
  const found = snapshots.find((one) => one.id === wanted) ?? snapshots.find((one) => one.name === wanted);
  if (found !== undefined) return found;
  const there = snapshots.map((one) => `'${one.name}'`).join(', ');
  throw badImage(name, `no snapshot '${wanted}'; there ${there === '' ? 'are none' : `is ${there}`}`);
}

function readExactly(file: ImageFile, offset: number, length: number, name: string): DataView {
  const bytes = new Uint8Array(length);
  if (length > 0 && file.read(offset, bytes) < length) throw badImage(name, 'the snapshot table is cut off');
  return new DataView(bytes.buffer);
}

function checkL1(
  { name: title, l1Offset, l1Entries }: Snapshot,
  file: ImageFile,
  header: Header,
  name: string,
): void {
  const { clusterBytes } = header.geometry;
  const bytes = l1Entries * 8;
  const fits =
    bytes <= L1_BYTES_MAX && l1Offset + bytes <= Math.ceil(file.size / clusterBytes) * clusterBytes;
  if (!fits || l1Offset % clusterBytes !== 0 || (bytes > 0 && l1Offset === 0)) {
    throw badImage(name, `the L1 table of snapshot '${title}' is in no possible place`);
  }
}
