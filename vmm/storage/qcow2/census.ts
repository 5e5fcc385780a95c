import type { ImageFile } from '../../contracts/storage.ts';
import { badImage } from '../errors.ts';
import { readBitmaps } from './bitmaps.ts';
import { ClusterCounts } from './cluster-counts.ts';
import { emptyEntry, readEntry } from './cluster-entry.ts';
import type { Geometry } from './geometry.ts';
import { AUTOCLEAR, type Header } from './header.ts';
import { readSnapshots } from './snapshots.ts';
import { readTable } from './store-open.ts';
import type { Table } from './table.ts';

/** Most bytes of L2 tables that are read: those of 8 TiB of disk, with clusters of 64 KiB. */
const L2_BYTES_MAX = 2 ** 30;
const LOW_RESERVED = 0x1fe;
const HIGH_RESERVED = 0x3f00_0000;
const COMPRESSED = 0x4000_0000;

/** What the tables of an image refer to. */
export interface Census {
  readonly counts: ClusterCounts;
  /** References that cannot be right. */
  readonly problems: readonly string[];
}

/** Whether refcount table and blocks are counted: not when they are about to be replaced. */
export type CountRefcounts = 'with-refcounts' | 'without-refcounts';

/** Follows every reference in an image. @throws VmError `bad-file` when that is hopeless. */
export function takeCensus(file: ImageFile, header: Header, which: CountRefcounts, name: string): Census {
  return new Counting(file, header, name).run(which);
}

class Counting {
  readonly #file: ImageFile;
  readonly #header: Header;
  readonly #geometry: Geometry;
  readonly #name: string;
  readonly #counts: ClusterCounts;
  readonly #problems: string[] = [];
  /** How often each L2 table is referred to. */
  readonly #tables = new Map<number, number>();

  constructor(file: ImageFile, header: Header, name: string) {
    this.#file = file;
    this.#header = header;
    this.#geometry = header.geometry;
    this.#name = name;
    this.#counts = new ClusterCounts(name);
  }

  run(which: CountRefcounts): Census {
    const { clusterBytes } = this.#geometry;
    const header = this.#header;
    this.#count(0, clusterBytes, 1, 'the header');
    if (which === 'with-refcounts') this.#countRefcounts();
    this.#countL1(header.l1Offset, header.l1Entries);
    const { snapshots, bytes } = readSnapshots(this.#file, header, this.#name);
    this.#count(header.snapshotsOffset, bytes, 1, 'the snapshot table');
    for (const { l1Offset, l1Entries } of snapshots) this.#countL1(l1Offset, l1Entries);
    this.#countBitmaps();
    if (this.#tables.size * clusterBytes > L2_BYTES_MAX) {
      throw badImage(this.#name, "is too large to be checked here; use 'qemu-img check'");
    }
    for (const [offset, times] of this.#tables) this.#countL2(offset, times);
    return { counts: this.#counts, problems: this.#problems };
  }

  #countL1(offset: number, entries: number): void {
    this.#count(offset, entries * 8, 1, 'an L1 table');
    const l1 = readTable(this.#file, offset, entries * 8);
    for (let at = 0; at < l1.bytes.length; at += 8) {
      if ((l1.view.getUint32(at) & 0x7f00_0000) !== 0 || (l1.view.getUint32(at + 4) & 0x1ff) !== 0) {
        this.#problem(`reserved bits are set in entry ${at / 8} of the L1 table at ${hex(offset)}`);
      }
      const table = l1.offsetAt(at);
      if (table === 0 || !this.#count(table, this.#geometry.clusterBytes, 1, 'an L2 table')) continue;
      this.#tables.set(table, (this.#tables.get(table) ?? 0) + 1);
    }
  }

  #countL2(offset: number, times: number): void {
    const { entryBytes, l2Entries, clusterBytes } = this.#geometry;
    const table = readTable(this.#file, offset, clusterBytes);
    const entry = emptyEntry();
    for (let index = 0; index < l2Entries; index++) {
      const high = table.view.getUint32(index * entryBytes);
      const low = table.view.getUint32(index * entryBytes + 4);
      if (high === 0 && low === 0) continue;
      readEntry(table, index, this.#geometry, entry);
      const what = `cluster ${index} of the L2 table at ${hex(offset)}`;
      const reserved = this.#reserved(table, index, high, low);
      if (reserved !== null) this.#problem(`${what}: ${reserved}`);
      if (entry.compressedBytes > 0) this.#countCompressed(entry.host, entry.compressedBytes, times, what);
      else if (entry.host !== 0) this.#count(entry.host, clusterBytes, times, what);
    }
  }

  /** What an entry says that nothing may say. */
  #reserved(table: Table, index: number, high: number, low: number): string | null {
    const { units, entryBytes } = this.#geometry;
    if ((high & COMPRESSED) !== 0) return high >>> 31 === 1 ? 'it is compressed and marked as owned' : null;
    const zeroMark = units === 1 && this.#header.version === 3 ? 0 : 1;
    if ((high & HIGH_RESERVED) !== 0 || (low & (LOW_RESERVED | zeroMark)) !== 0)
      return 'reserved bits are set';
    if (units === 1) return null;
    const zero = table.view.getUint32(index * entryBytes + 8);
    const data = table.view.getUint32(index * entryBytes + 12);
    return (zero & data) === 0 ? null : 'a part is data and zero at once';
  }

  #countCompressed(host: number, bytes: number, times: number, what: string): void {
    const { clusterBytes } = this.#geometry;
    if (host >= this.#file.size) {
      this.#problem(`${what} is beyond the end of the file`);
      return;
    }
    // The last sector may end behind the end of the file.
    const end = Math.ceil((host + bytes) / clusterBytes);
    for (let cluster = Math.floor(host / clusterBytes); cluster < end; cluster++)
      this.#counts.add(cluster, times);
  }

  #countRefcounts(): void {
    const { refcountTableOffset, refcountTableClusters } = this.#header;
    const { clusterBytes } = this.#geometry;
    const table = readTable(this.#file, refcountTableOffset, refcountTableClusters * clusterBytes);
    this.#count(refcountTableOffset, table.bytes.length, 1, 'the refcount table');
    for (let at = 0; at < table.bytes.length; at += 8) {
      const high = table.view.getUint32(at);
      if (high >= 2 ** 24 || (table.view.getUint32(at + 4) & 0x1ff) !== 0) {
        this.#problem(`reserved bits are set in entry ${at / 8} of the refcount table`);
      }
      if (table.offsetAt(at) !== 0) this.#count(table.offsetAt(at), clusterBytes, 1, 'a refcount block');
    }
  }

  #countBitmaps(): void {
    const { extensions, autoclear } = this.#header;
    // Without the mark they are forgotten, and what they refer to is lost space.
    if (extensions.bitmaps === null || (autoclear & AUTOCLEAR.bitmaps) === 0n) return;
    const { clusterBytes } = this.#geometry;
    const bitmaps = readBitmaps(this.#file, extensions.bitmaps, this.#geometry, this.#name);
    const { directoryOffset, directoryBytes } = extensions.bitmaps;
    this.#count(directoryOffset, directoryBytes, 1, 'the directory of bitmaps');
    for (const { tableOffset, tableEntries } of bitmaps) {
      this.#count(tableOffset, tableEntries * 8, 1, 'the table of a bitmap');
      const table = readTable(this.#file, tableOffset, tableEntries * 8);
      for (let at = 0; at < table.bytes.length; at += 8) {
        if (table.offsetAt(at) !== 0) this.#count(table.offsetAt(at), clusterBytes, 1, 'a part of a bitmap');
      }
    }
  }

  /** Counts the clusters of [offset, +bytes); false when there can be none. */
  #count(offset: number, bytes: number, times: number, what: string): boolean {
    if (bytes === 0) return true;
    const { clusterBytes } = this.#geometry;
    const clusters = Math.ceil(bytes / clusterBytes);
    // The last cluster of a file may be cut off by its end.
    if (offset % clusterBytes !== 0 || offset + (clusters - 1) * clusterBytes >= this.#file.size) {
      this.#problem(`${what} is at ${hex(offset)}, where nothing can be`);
      return false;
    }
    for (let i = 0; i < clusters; i++) this.#counts.add(offset / clusterBytes + i, times);
    return true;
  }

  #problem(text: string): void {
    // A list of thousands helps nobody.
    if (this.#problems.length < 100) this.#problems.push(text);
  }
}

const hex = (offset: number): string => `0x${offset.toString(16)}`;
