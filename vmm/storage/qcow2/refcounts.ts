import { assert } from '../../base/assert.ts';
import type { ImageFile } from '../../contracts/storage.ts';
import { damaged, failedRequest } from '../errors.ts';
import type { Geometry } from './geometry.ts';
import type { MetadataMap } from './metadata-map.ts';
import { countBytes, getCount, setCount } from './refcount-block.ts';
import type { Table } from './table.ts';
import { TableCache } from './table-cache.ts';

/** Clusters in a row. */
export interface Clusters {
  readonly first: number;
  readonly count: number;
}

/** Releases that wait for a commit, at most: more make `full` true. */
const PENDING_MAX = 4096;
/** Places of freed clusters that are remembered for reuse. */
const FREE_RUNS_MAX = 4096;

/**
 * Which clusters of the file are in use (qcow2, "Host cluster management").
 *
 * A cluster is counted before anything refers to it, and a reference is gone from the file before its cluster is counted
 * down: `release` only notes it, `settle` does it once the caller has stored the tables that do not refer to it any more.
 * So a cut at any moment leaves counts that are right or too high, never too low.
 */
export class Refcounts {
  readonly blocks: TableCache;
  readonly metadata: MetadataMap;
  /** Offsets of the blocks. Replaced when it grows. */
  table: Table;
  readonly #geometry: Geometry;
  readonly #name: string;
  #pending: Clusters[] = [];
  /** Clusters that became free; each is looked at again before it is used. */
  readonly #free: Clusters[] = [];
  /** No cluster below is free, but for those in `#free`. */
  #searchFrom = 0;

  constructor(
    file: ImageFile,
    table: Table,
    geometry: Geometry,
    metadata: MetadataMap,
    name: string,
    cacheBytes: number,
  ) {
    this.table = table;
    this.#geometry = geometry;
    this.#name = name;
    this.metadata = metadata;
    this.blocks = new TableCache(file, geometry.clusterBytes, cacheBytes);
  }

  /** Changes should be committed before more are made. */
  get full(): boolean {
    return this.blocks.full || this.#pending.length >= PENDING_MAX;
  }

  get hasPending(): boolean {
    return this.#pending.length > 0;
  }

  /** How often `cluster` is in use. */
  get(cluster: number): number {
    const block = this.#block(Math.floor(cluster / this.#geometry.blockEntries));
    if (block === undefined) return 0;
    return getCount(block.view, this.#geometry.refcountBits, cluster % this.#geometry.blockEntries);
  }

  /** Takes up to `count` free clusters in a row, at least one; undefined when the refcount table has none left. */
  allocate(count: number): Clusters | undefined {
    for (let run = this.#free.pop(); run !== undefined; run = this.#free.pop()) {
      const taken = this.#take(run.first, Math.min(count, run.count));
      const rest = run.count - Math.max(taken, 1);
      if (rest > 0) this.#free.push({ first: run.first + run.count - rest, count: rest });
      if (taken > 0) return { first: run.first, count: taken };
    }
    const { blockEntries } = this.#geometry;
    const end = (this.table.bytes.length / 8) * blockEntries;
    while (this.#searchFrom < end) {
      const first = this.#searchFrom;
      const taken = this.#take(first, count);
      this.#searchFrom += Math.max(taken, 1);
      if (taken > 0) return { first, count: taken };
    }
    return undefined;
  }

  /** Gives back clusters that nothing in the file refers to, for what needed them failed. */
  cancel({ first, count }: Clusters): void {
    for (let cluster = first; cluster < first + count; cluster++) this.#set(cluster, 0);
    this.#remember(first, count);
  }

  /** Notes that one reference to each of these clusters is going. */
  release(first: number, count: number): void {
    const last = this.#pending.at(-1);
    if (last !== undefined && last.first + last.count === first) {
      this.#pending[this.#pending.length - 1] = { first: last.first, count: last.count + count };
    } else {
      this.#pending.push({ first, count });
    }
  }

  /** Counts down what was released. The tables without the references are on stable storage. */
  settle(): void {
    const pending = this.#pending;
    this.#pending = [];
    for (const { first, count } of pending) {
      for (let cluster = first; cluster < first + count; cluster++) this.#countDown(cluster);
    }
  }

  #countDown(cluster: number): void {
    const count = this.get(cluster);
    if (count === 0) throw damaged(this.#name, `cluster ${cluster} is in use and counted as free`);
    this.#set(cluster, count - 1);
    if (count === 1) this.#remember(cluster, 1);
  }

  #remember(first: number, count: number): void {
    const last = this.#free.at(-1);
    if (last !== undefined && last.first + last.count === first) {
      this.#free[this.#free.length - 1] = { first: last.first, count: last.count + count };
    } else if (this.#free.length < FREE_RUNS_MAX) {
      this.#free.push({ first, count });
    } else {
      this.#searchFrom = Math.min(this.#searchFrom, first);
    }
  }

  /** Counts free clusters from `first` on as used, up to `count`; returns how many there were. */
  #take(first: number, count: number): number {
    const { blockEntries, refcountBits } = this.#geometry;
    let taken = 0;
    while (taken < count) {
      const cluster = first + taken;
      const index = Math.floor(cluster / blockEntries);
      if (index * 8 >= this.table.bytes.length || this.metadata.has(cluster)) break;
      const block = this.#block(index) ?? this.#createBlock(index);
      if (getCount(block.view, refcountBits, cluster % blockEntries) !== 0) break;
      this.#setIn(block, cluster % blockEntries, 1);
      taken++;
    }
    return taken;
  }

  #block(index: number): Table | undefined {
    if (index * 8 >= this.table.bytes.length) return undefined;
    const offset = this.table.offsetAt(index * 8);
    return offset === 0 ? undefined : this.blocks.get(offset);
  }

  /** A block for clusters that nobody counted so far. It lies among them, so that it counts itself. */
  #createBlock(index: number): Table {
    const { blockEntries, clusterBytes } = this.#geometry;
    const first = index * blockEntries;
    let cluster = first;
    while (this.metadata.has(cluster)) cluster++;
    if (cluster >= first + blockEntries) {
      throw failedRequest(this.#name, 'no place is left for the table of free clusters');
    }
    this.metadata.add(cluster * clusterBytes, clusterBytes, 'a refcount block');
    const block = this.blocks.create(cluster * clusterBytes);
    this.table.setOffset(index * 8, block.offset, false);
    this.#setIn(block, cluster - first, 1);
    return block;
  }

  #set(cluster: number, count: number): void {
    const block = this.#block(Math.floor(cluster / this.#geometry.blockEntries));
    assert(block !== undefined, 'a counted cluster has a refcount block');
    this.#setIn(block, cluster % this.#geometry.blockEntries, count);
  }

  #setIn(block: Table, index: number, count: number): void {
    const { refcountBits } = this.#geometry;
    const at = setCount(block.view, refcountBits, index, count);
    block.changed(at, countBytes(refcountBits));
    this.blocks.markDirty(block);
  }
}
