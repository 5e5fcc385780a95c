import type { ImageFile } from '../../contracts/storage.ts';
import { takeCensus } from './census.ts';
import { emptyEntry, readEntry } from './cluster-entry.ts';
import { type Header, INCOMPATIBLE, readHeader } from './header.ts';
import { getCount } from './refcount-block.ts';
import { readTable } from './store-open.ts';
import type { Table } from './table.ts';
import { TableCache } from './table-cache.ts';

/** What `checkQcow2` found. */
export interface CheckResult {
  /** What can lose or mix up data, the first hundred. */
  readonly corruptions: readonly string[];
  /** Clusters that are counted as used more often than they are: lost space, no more. */
  readonly leakedClusters: number;
  /** The image says that its refcounts are to be rebuilt; then they are not compared. */
  readonly dirty: boolean;
}

const CORRUPTIONS_MAX = 100;
const BLOCK_CACHE_BYTES = 2 << 20;

/**
 * Compares everything that an image refers to with its refcounts, as `qemu-img check` does. Only reads.
 *
 * @throws VmError `bad-file` when the file is no image that could be checked.
 */
export function checkQcow2(file: ImageFile, name: string): CheckResult {
  const header = readHeader(file, name);
  const { counts, problems } = takeCensus(file, header, 'with-refcounts', name);
  const corruptions = [...problems];
  const dirty = (header.incompatible & INCOMPATIBLE.dirty) !== 0n;
  if (dirty) return { corruptions, leakedClusters: 0, dirty };

  const stored = new StoredCounts(file, header);
  let leakedClusters = 0;
  counts.forEach((cluster, count) => {
    if (stored.get(cluster) < count && corruptions.length < CORRUPTIONS_MAX) {
      corruptions.push(`cluster ${cluster} is used ${count} times and counted as ${stored.get(cluster)}`);
    }
  });
  stored.forEach((cluster, count) => {
    if (count > counts.get(cluster)) leakedClusters++;
  });
  checkOwned(file, header, (cluster) => stored.get(cluster), corruptions);
  return { corruptions, leakedClusters, dirty };
}

/** The refcounts of a file that nobody changes. */
class StoredCounts {
  readonly #header: Header;
  readonly #table: Table;
  readonly #blocks: TableCache;

  constructor(file: ImageFile, header: Header) {
    this.#header = header;
    const { refcountTableOffset, refcountTableClusters, geometry } = header;
    this.#blocks = new TableCache(file, geometry.clusterBytes, BLOCK_CACHE_BYTES);
    this.#table = readTable(file, refcountTableOffset, refcountTableClusters * geometry.clusterBytes);
  }

  get(cluster: number): number {
    const { blockEntries, refcountBits } = this.#header.geometry;
    const block = this.#load(Math.floor(cluster / blockEntries));
    return block === null ? 0 : getCount(block.view, refcountBits, cluster % blockEntries);
  }

  /** Calls `each` with every cluster that is counted as used. */
  forEach(each: (cluster: number, count: number) => void): void {
    const { blockEntries, refcountBits } = this.#header.geometry;
    for (let index = 0; index * 8 < this.#table.bytes.length; index++) {
      const block = this.#load(index);
      for (let i = 0; block !== null && i < blockEntries; i++) {
        const count = getCount(block.view, refcountBits, i);
        if (count !== 0) each(index * blockEntries + i, count);
      }
    }
  }

  #load(index: number): Table | null {
    const offset = index * 8 < this.#table.bytes.length ? this.#table.offsetAt(index * 8) : 0;
    return offset === 0 ? null : this.#blocks.get(offset);
  }
}

/** The mark "refcount is exactly one" of active tables and clusters has to be true, since writes rely on it. */
function checkOwned(
  file: ImageFile,
  header: Header,
  countOf: (cluster: number) => number,
  corruptions: string[],
): void {
  visitOwned(file, header, (host, owned, what) => {
    const count = countOf(host / header.geometry.clusterBytes);
    if (owned !== (count === 1) && corruptions.length < CORRUPTIONS_MAX) {
      corruptions.push(`${what} is ${owned ? '' : 'not '}marked as owned and counted as ${count}`);
    }
  });
}

/** Calls `visit` with each cluster that an active table refers to and the mark beside it. `set` changes the mark. */
export function visitOwned(
  file: ImageFile,
  header: Header,
  visit: (host: number, owned: boolean, what: string, set: (owned: boolean) => void) => void,
): void {
  const { clusterBytes, entryBytes, l2Entries } = header.geometry;
  const l1 = readTable(file, header.l1Offset, header.l1Entries * 8);
  for (let at = 0; at < l1.bytes.length; at += 8) {
    const offset = l1.offsetAt(at);
    if (offset === 0 || offset % clusterBytes !== 0 || offset >= file.size) continue;
    visit(offset, l1.ownedAt(at), `the L2 table at 0x${offset.toString(16)}`, (owned) => mark(l1, at, owned));
    const table = readTable(file, offset, clusterBytes);
    const entry = emptyEntry();
    for (let index = 0; index < l2Entries; index++) {
      readEntry(table, index, header.geometry, entry);
      if (entry.host === 0 || entry.compressedBytes > 0 || entry.host % clusterBytes !== 0) continue;
      const what = `the cluster at 0x${entry.host.toString(16)}`;
      visit(entry.host, entry.owned, what, (owned) => mark(table, index * entryBytes, owned));
    }
    if (table.dirty) table.write(file);
  }
  if (l1.dirty) l1.write(file);
}

function mark(table: Table, at: number, owned: boolean): void {
  table.view.setUint8(at, (table.view.getUint8(at) & 0x7f) | (owned ? 0x80 : 0));
  table.changed(at, 1);
}
