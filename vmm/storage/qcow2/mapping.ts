import type { ImageFile } from '../../contracts/storage.ts';
import { damaged } from '../errors.ts';
import { type ClusterEntry, emptyEntry, readEntry } from './cluster-entry.ts';
import type { Geometry } from './geometry.ts';
import type { Table } from './table.ts';
import { TableCache } from './table-cache.ts';

/** A range of the disk whose bytes come from one place. */
export interface Run {
  /** `hole`: the backing disk's, or zero. `data`: in the file from `host` on. */
  kind: 'hole' | 'zero' | 'data' | 'compressed';
  length: number;
  host: number;
  /** Of data: it may be written in place. */
  owned: boolean;
  compressedBytes: number;
}

/** Where the bytes of a disk lie: an L1 table and the L2 tables that it names (qcow2, "Cluster mapping"). */
export class Mapping {
  /** Replaced when it grows. */
  l1: Table;
  readonly tables: TableCache;
  readonly #file: ImageFile;
  readonly #geometry: Geometry;
  readonly #name: string;
  /** Version 3, where a cluster may say that it reads as zeros. */
  readonly #zeroClusters: boolean;
  readonly #entry = emptyEntry();

  constructor(
    file: ImageFile,
    l1: Table,
    { geometry, version }: { geometry: Geometry; version: 2 | 3 },
    name: string,
    cacheBytes: number,
  ) {
    this.#file = file;
    this.#geometry = geometry;
    this.#name = name;
    this.#zeroClusters = version === 3;
    this.l1 = l1;
    this.tables = new TableCache(file, geometry.clusterBytes, cacheBytes);
  }

  /** Where the L1 entry for `offset` of the disk lies in the L1 table. */
  l1At(offset: number): number {
    return Math.floor(offset / this.#geometry.l2SpanBytes) * 8;
  }

  /** Which entry of its L2 table maps `offset` of the disk. */
  l2Index(offset: number): number {
    return Math.floor((offset % this.#geometry.l2SpanBytes) / this.#geometry.clusterBytes);
  }

  /** The L2 table that maps `offset` of the disk, where there is one. */
  table(offset: number): Table | undefined {
    const place = this.l1.offsetAt(this.l1At(offset));
    if (place === 0) return undefined;
    if (place % this.#geometry.clusterBytes !== 0 || place >= this.#file.size) {
      throw damaged(this.#name, `an L2 table at 0x${place.toString(16)}`);
    }
    return this.tables.get(place);
  }

  /** Reads entry `index` of an L2 table into `entry`. Throws `VmError('io')` when it cannot be true. */
  entry(table: Table, index: number, entry: ClusterEntry): void {
    readEntry(table, index, this.#geometry, entry);
    const { host, compressedBytes } = entry;
    if (entry.zero !== 0 && !this.#zeroClusters) throw damaged(this.#name, 'a zero cluster in version 2');
    if (host === 0 && compressedBytes === 0) return;
    const aligned = compressedBytes > 0 || host % this.#geometry.clusterBytes === 0;
    if (!aligned || host >= this.#file.size) throw damaged(this.#name, `a cluster at 0x${host.toString(16)}`);
  }

  /** Describes the longest range from `offset` on, up to `limit` bytes, whose bytes come from one place. */
  run(offset: number, limit: number, run: Run): void {
    const { clusterBytes, l2SpanBytes } = this.#geometry;
    run.length = 0;
    while (run.length < limit) {
      const at = offset + run.length;
      const table = this.table(at);
      if (table === undefined) {
        if (!extendRun(run, 'hole', 0, false)) return;
        run.length += Math.min(limit - run.length, l2SpanBytes - (at % l2SpanBytes));
        continue;
      }
      this.entry(table, this.l2Index(at), this.#entry);
      const entry = this.#entry;
      const inCluster = at % clusterBytes;
      if (entry.compressedBytes > 0) {
        if (run.length > 0) return;
        run.kind = 'compressed';
        run.host = entry.host;
        run.compressedBytes = entry.compressedBytes;
        run.length = Math.min(limit, clusterBytes - inCluster);
        return;
      }
      if (!this.#extendByUnits(run, entry, inCluster, limit)) return;
    }
  }

  /** Adds a cluster's units from `inCluster` on to a run; false when the run ends within them. */
  #extendByUnits(run: Run, entry: ClusterEntry, inCluster: number, limit: number): boolean {
    const { clusterBytes, unitBytes } = this.#geometry;
    for (let at = inCluster; at < clusterBytes && run.length < limit; ) {
      const bit = 1 << Math.floor(at / unitBytes);
      const kind = (entry.data & bit) !== 0 ? 'data' : (entry.zero & bit) !== 0 ? 'zero' : 'hole';
      if (!extendRun(run, kind, entry.host + at, entry.owned)) return false;
      const length = Math.min(limit - run.length, unitBytes - (at % unitBytes));
      run.length += length;
      at += length;
    }
    return true;
  }
}

export const emptyRun = (): Run => ({ kind: 'hole', length: 0, host: 0, owned: false, compressedBytes: 0 });

/** Whether a piece with these properties continues `run`; an empty run takes them on. */
function extendRun(run: Run, kind: Run['kind'], host: number, owned: boolean): boolean {
  if (run.length === 0) {
    run.kind = kind;
    run.host = host;
    run.owned = owned;
    return true;
  }
  return run.kind === kind && (kind !== 'data' || (run.host + run.length === host && run.owned === owned));
}
