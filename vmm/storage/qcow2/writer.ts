import { damaged } from '../errors.ts';
import { inPieces, zeros } from '../ranges.ts';
import { allUnits, type ClusterEntry, emptyEntry, unitMask, writeEntry } from './cluster-entry.ts';
import { emptyRun } from './mapping.ts';
import type { Reader } from './reader.ts';
import type { Clusters } from './refcounts.ts';
import type { Store } from './store.ts';
import type { Table } from './table.ts';

/** Most clusters that are allocated for one piece of a request. */
const CLUSTERS_AT_ONCE = 1024;

/** Writes the disk of an image: in place where it may, else to clusters that it allocates. */
export class Writer {
  readonly #store: Store;
  readonly #reader: Reader;
  readonly #run = emptyRun();
  readonly #entry = emptyEntry();

  constructor(store: Store, reader: Reader) {
    this.#store = store;
    this.#reader = reader;
  }

  /** Writes `data` at `offset` of the disk; the range is checked by the caller. */
  write(offset: number, data: Uint8Array): void {
    for (let done = 0; done < data.length; ) {
      this.#store.relieve();
      const rest = data.subarray(done);
      done += this.#writeInPlace(offset + done, rest) || this.#writeElsewhere(offset + done, rest);
    }
  }

  /** Makes [offset, +length) read as zeros. Space that the disk has stays its own. */
  writeZeroes(offset: number, length: number): void {
    const end = offset + length;
    for (let at = offset; at < end; ) {
      this.#store.relieve();
      at += this.#reader.zeroLength(at, end - at) || this.#zeroSome(at, end);
    }
  }

  /**
   * Gives up whole clusters in [offset, +length). They read as zeros then, except where only a cluster of version 2 could
   * hide what a backing file holds: there nothing changes.
   */
  discard(offset: number, length: number): void {
    const { geometry, mapping, diskBytes } = this.#store;
    const { clusterBytes, l2SpanBytes } = geometry;
    const end = offset + length;
    const whole = end === diskBytes ? end : end - (end % clusterBytes);
    for (let at = Math.ceil(offset / clusterBytes) * clusterBytes; at < whole; ) {
      this.#store.relieve();
      if (mapping.table(at) === undefined) {
        at += l2SpanBytes - (at % l2SpanBytes);
      } else {
        this.#discardCluster(at);
        at += clusterBytes;
      }
    }
  }

  /** Writes as much of `data` as the disk owns in a row; returns how much that was. */
  #writeInPlace(offset: number, data: Uint8Array): number {
    const { store, run } = { store: this.#store, run: this.#run };
    const inCluster = offset % store.geometry.clusterBytes;
    store.mapping.run(offset, Math.min(data.length, store.geometry.clusterBytes - inCluster), run);
    if (run.kind !== 'data' || !run.owned) return 0;
    store.mapping.run(offset, data.length, run);
    this.#checkNoMetadata(run.host, run.length);
    store.file.write(run.host, data.subarray(0, run.length));
    return run.length;
  }

  /** Writes the start of `data` to clusters that become the disk's; returns how much that was. */
  #writeElsewhere(offset: number, data: Uint8Array): number {
    const { clusterBytes } = this.#store.geometry;
    const table = this.#ownTable(offset);
    const inCluster = offset % clusterBytes;
    this.#reader.mapping.entry(table, this.#reader.mapping.l2Index(offset), this.#entry);
    if (this.#entry.owned) {
      const length = Math.min(data.length, clusterBytes - inCluster);
      this.#writeUnits(table, offset, data.subarray(0, length));
      return length;
    }
    const wanted = this.#countForeign(table, offset, Math.ceil((inCluster + data.length) / clusterBytes));
    const clusters = this.#store.allocate(wanted);
    const piece = data.subarray(0, Math.min(data.length, clusters.count * clusterBytes - inCluster));
    try {
      this.#fillNew(table, offset, piece, clusters);
    } catch (error) {
      this.#store.refcounts.cancel(clusters);
      throw error;
    }
    this.#enter(table, offset, piece.length, clusters);
    return piece.length;
  }

  /** How many clusters from `offset` on, at most `limit`, have no place of their own to be written to. */
  #countForeign(table: Table, offset: number, limit: number): number {
    const { mapping } = this.#reader;
    const first = mapping.l2Index(offset);
    const most = Math.min(limit, CLUSTERS_AT_ONCE, this.#store.geometry.l2Entries - first);
    for (let i = 1; i < most; i++) {
      mapping.entry(table, first + i, this.#entry);
      if (this.#entry.owned) return i;
    }
    return most;
  }

  /** Writes `data` to new clusters, and around it what else they have to hold. */
  #fillNew(table: Table, offset: number, data: Uint8Array, clusters: Clusters): void {
    const { file, geometry } = this.#store;
    const { clusterBytes } = geometry;
    const host = clusters.first * clusterBytes;
    const start = offset - (offset % clusterBytes);
    const end = offset + data.length;
    const last = start + (clusters.count - 1) * clusterBytes;
    // Behind the end of the file, what is not written becomes zero by itself.
    const zeroFrom = file.size;
    this.#fillAround(table, start, host, offset, end, zeroFrom);
    if (last !== start) this.#fillAround(table, last, host + last - start, offset, end, zeroFrom);
    file.write(host + (offset - start), data);
    file.extend(host + clusters.count * clusterBytes);
  }

  /**
   * Copies to a new host cluster what [from, to) leaves out of the guest cluster at `start`: the rest of the units that it
   * touches, and units whose bytes were in the cluster's old place.
   */
  #fillAround(table: Table, start: number, host: number, from: number, to: number, zeroFrom: number): void {
    const { geometry } = this.#store;
    const { unitBytes, units } = geometry;
    this.#reader.mapping.entry(table, this.#reader.mapping.l2Index(start), this.#entry);
    const kept = this.#entry.compressedBytes > 0 ? allUnits(geometry) : this.#entry.data;
    for (let unit = 0; unit < units; unit++) {
      const unitStart = start + unit * unitBytes;
      const unitEnd = unitStart + unitBytes;
      const touched = from < unitEnd && to > unitStart;
      if (!touched && (kept & (1 << unit)) === 0) continue;
      const headEnd = touched ? Math.max(from, unitStart) : unitEnd;
      this.#copyOld(unitStart, headEnd, host + (unitStart - start), zeroFrom);
      if (touched)
        this.#copyOld(Math.max(to, unitStart), unitEnd, host + (Math.max(to, unitStart) - start), zeroFrom);
    }
  }

  /** Copies what [from, to) of the disk reads as to `host`. What lies behind the disk's end is zero. */
  #copyOld(from: number, to: number, host: number, zeroFrom: number): void {
    const { file } = this.#store;
    const diskEnd = Math.max(from, Math.min(to, this.#store.diskBytes));
    let at = from;
    while (at < diskEnd) {
      const zero = host + (at - from) >= zeroFrom ? this.#reader.zeroLength(at, diskEnd - at) : 0;
      if (zero > 0) {
        at += zero;
        continue;
      }
      const piece = new Uint8Array(Math.min(diskEnd - at, zeros.length));
      this.#reader.read(at, piece);
      file.write(host + (at - from), piece);
      at += piece.length;
    }
    if (at < to && host + (at - from) < zeroFrom) {
      inPieces(host + (at - from), to - at, (place, length) => file.write(place, zeros.subarray(0, length)));
    }
  }

  /** Makes the L2 entries of [offset, +length) refer to new clusters, and releases the old ones. */
  #enter(table: Table, offset: number, length: number, clusters: Clusters): void {
    const { geometry, mapping } = this.#store;
    const { clusterBytes } = geometry;
    const index = mapping.l2Index(offset);
    const start = offset - (offset % clusterBytes);
    for (let i = 0; i < clusters.count; i++) {
      const entry = this.#entry;
      mapping.entry(table, index + i, entry);
      this.#release(entry);
      const at = start + i * clusterBytes;
      const touched = this.#touched(Math.max(offset, at) - at, Math.min(offset + length - at, clusterBytes));
      const kept = entry.compressedBytes > 0 ? allUnits(geometry) : entry.data;
      entry.compressedBytes = 0;
      entry.host = (clusters.first + i) * clusterBytes;
      entry.owned = true;
      this.#setData(table, index + i, entry, touched | kept);
    }
  }

  /** Writes to a cluster that the disk owns, of which some units are not in use yet. */
  #writeUnits(table: Table, offset: number, data: Uint8Array): void {
    const { store, entry } = { store: this.#store, entry: this.#entry };
    const { clusterBytes, unitBytes } = store.geometry;
    const inCluster = offset % clusterBytes;
    const start = offset - inCluster;
    const end = inCluster + data.length;
    this.#checkNoMetadata(entry.host, clusterBytes);
    const { host, data: held } = entry;
    const firstUnit = Math.floor(inCluster / unitBytes);
    const lastUnit = Math.floor((end - 1) / unitBytes);
    if ((held & (1 << firstUnit)) === 0) {
      this.#copyOld(
        start + firstUnit * unitBytes,
        offset,
        host + firstUnit * unitBytes,
        Number.POSITIVE_INFINITY,
      );
    }
    if ((held & (1 << lastUnit)) === 0) {
      const to = (lastUnit + 1) * unitBytes;
      this.#copyOld(start + end, start + to, host + end, Number.POSITIVE_INFINITY);
    }
    store.file.write(host + inCluster, data);
    store.file.extend(host + clusterBytes);
    this.#setData(table, store.mapping.l2Index(offset), entry, held | this.#touched(inCluster, end));
  }

  #touched(from: number, to: number): number {
    const { unitBytes } = this.#store.geometry;
    return unitMask(Math.floor(from / unitBytes), Math.floor((to - 1) / unitBytes));
  }

  #setData(table: Table, index: number, entry: ClusterEntry, data: number): void {
    entry.data = data >>> 0;
    entry.zero = (entry.zero & ~data) >>> 0;
    this.#setEntry(table, index, entry);
  }

  #setEntry(table: Table, index: number, entry: ClusterEntry): void {
    writeEntry(table, index, this.#store.geometry, entry);
    this.#store.mapping.tables.markDirty(table);
  }

  /** Makes some bytes from `at` on zero, none behind `end`; returns how many. */
  #zeroSome(at: number, end: number): number {
    const { geometry, header, diskBytes } = this.#store;
    const { clusterBytes, unitBytes } = geometry;
    const unitEnd = at - (at % unitBytes) + unitBytes;
    const clusterEnd = at - (at % clusterBytes) + clusterBytes;
    // What lies behind the end of the disk may become zero with the rest of its unit.
    const wholeEnd = end >= diskBytes ? clusterEnd : Math.min(clusterEnd, end - (end % unitBytes));
    const whole = header.version === 3 && at % unitBytes === 0 && wholeEnd > at;
    const to = Math.min(end, whole ? wholeEnd : header.version === 3 ? unitEnd : clusterEnd);
    if (!whole || !this.#zeroUnits(at, wholeEnd)) {
      inPieces(at, to - at, (place, count) => this.write(place, zeros.subarray(0, count)));
    }
    return to - at;
  }

  /** Marks the units in [from, to), which lie in one cluster, as zero; false where that cannot be said of a part. */
  #zeroUnits(from: number, to: number): boolean {
    const { geometry, mapping } = this.#store;
    const table = this.#ownTable(from);
    const index = mapping.l2Index(from);
    const entry = this.#entry;
    mapping.entry(table, index, entry);
    const start = from - (from % geometry.clusterBytes);
    const units = this.#touched(from - start, to - start);
    if (units !== allUnits(geometry) && entry.compressedBytes > 0) return false;
    entry.zero = (entry.zero | units) >>> 0;
    entry.data = (entry.data & ~units) >>> 0;
    if (!entry.owned && entry.data === 0) {
      this.#release(entry);
      entry.host = 0;
      entry.compressedBytes = 0;
    }
    this.#setEntry(table, index, entry);
    return true;
  }

  #discardCluster(at: number): void {
    const { geometry, header, mapping } = this.#store;
    const hides = this.#reader.backingCovers(at);
    const there = mapping.table(at);
    if (there === undefined || (hides && header.version === 2)) return;
    const entry = this.#entry;
    mapping.entry(there, mapping.l2Index(at), entry);
    if (entry.host === 0 && entry.compressedBytes === 0) return;
    const table = this.#ownTable(at);
    this.#release(entry);
    const nothing = emptyEntry();
    // Without a mark, what the backing file holds there would come back.
    if (hides) nothing.zero = allUnits(geometry);
    this.#setEntry(table, mapping.l2Index(at), nothing);
  }

  /** Notes that the table does not refer to the entry's host clusters any more. */
  #release(entry: ClusterEntry): void {
    const { geometry, refcounts } = this.#store;
    if (entry.host === 0 && entry.compressedBytes === 0) return;
    const first = Math.floor(entry.host / geometry.clusterBytes);
    const bytes = entry.compressedBytes === 0 ? geometry.clusterBytes : entry.compressedBytes;
    const end = Math.ceil((entry.host + bytes) / geometry.clusterBytes);
    refcounts.release(first, end - first);
  }

  /** The L2 table for `offset`, one that only the disk as it is now refers to. */
  #ownTable(offset: number): Table {
    const { file, mapping, refcounts, geometry } = this.#store;
    const at = mapping.l1At(offset);
    const old = mapping.table(offset);
    if (old !== undefined && mapping.l1.ownedAt(at)) return old;
    const clusters = this.#store.allocate(1);
    const place = clusters.first * geometry.clusterBytes;
    const table = mapping.tables.create(place, old?.bytes);
    file.extend(place + geometry.clusterBytes);
    refcounts.metadata.add(place, geometry.clusterBytes, 'an L2 table');
    mapping.l1.setOffset(at, place, true);
    if (old !== undefined) {
      // A snapshot holds it on.
      refcounts.release(old.offset / geometry.clusterBytes, 1);
      refcounts.metadata.delete(old.offset, geometry.clusterBytes);
      mapping.tables.drop(old.offset);
    }
    return table;
  }

  #checkNoMetadata(host: number, length: number): void {
    const { geometry, refcounts, name } = this.#store;
    const end = (host + length) / geometry.clusterBytes;
    for (let cluster = Math.floor(host / geometry.clusterBytes); cluster < end; cluster++) {
      if (refcounts.metadata.has(cluster)) throw damaged(name, `cluster ${cluster} holds data and metadata`);
    }
  }
}
