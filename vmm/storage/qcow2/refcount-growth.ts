import { damaged, failedRequest } from '../errors.ts';
import { REFCOUNT_TABLE_BYTES_MAX } from './geometry.ts';
import { HEADER_FIELDS } from './header.ts';
import { updateHeader } from './header-update.ts';
import { setCount } from './refcount-block.ts';
import type { Store } from './store.ts';
import { Table } from './table.ts';

/** Clusters in a row that count themselves: the first ones are the refcount blocks of all. */
export interface CountedArea {
  readonly blocks: number;
  /** Where what follows the blocks starts. */
  readonly offset: number;
}

/**
 * Writes the refcount blocks of an area that starts where block `index` of the refcount table would start to count, and has
 * room for `clusters` behind them. Nothing refers to the blocks yet.
 */
export function writeCountedArea(store: Store, index: number, clusters: number): CountedArea {
  const { file, refcounts, geometry, name } = store;
  const { clusterBytes, blockEntries, refcountBits } = geometry;
  const first = index * blockEntries;
  let blocks = 1;
  while (blocks * blockEntries < blocks + clusters) blocks++;
  for (let cluster = first; cluster < first + blocks + clusters; cluster++) {
    if (refcounts.metadata.has(cluster)) throw damaged(name, `cluster ${cluster} is in use and not counted`);
  }
  for (let i = 0; i < blocks; i++) {
    const bytes = new Uint8Array(clusterBytes);
    const view = new DataView(bytes.buffer);
    const used = Math.min(blockEntries, blocks + clusters - i * blockEntries);
    for (let entry = 0; entry < used; entry++) setCount(view, refcountBits, entry, 1);
    file.write((first + i) * clusterBytes, bytes);
  }
  return { blocks, offset: (first + blocks) * clusterBytes };
}

/**
 * Moves the refcount table to a larger place, for all clusters that it can count are in use. The new one lies right behind
 * them, after the blocks that count it and themselves. `entriesMin` is how many entries it must have at least.
 */
export function growRefcountTable(store: Store, entriesMin = 0): void {
  const { file, refcounts, geometry, name } = store;
  const { clusterBytes, blockEntries } = geometry;
  // The new table is a copy, and it may only name blocks that are in the file.
  store.commit();
  const old = refcounts.table;
  const oldEntries = old.bytes.length / 8;
  const oldClusters = old.bytes.length / clusterBytes;
  const clustersMax = REFCOUNT_TABLE_BYTES_MAX / clusterBytes;
  const wanted = Math.max(
    oldClusters + Math.ceil(oldClusters / 2),
    Math.ceil((entriesMin * 8) / clusterBytes),
  );
  const clusters = Math.min(wanted, clustersMax);
  if (clusters <= oldClusters || clusters * clusterBytes < entriesMin * 8) {
    throw failedRequest(name, 'the image cannot grow any further with its cluster size');
  }
  const { blocks, offset } = writeCountedArea(store, oldEntries, clusters);
  const table = new Table(offset, new Uint8Array(clusters * clusterBytes));
  table.bytes.set(old.bytes);
  const first = oldEntries * blockEntries;
  for (let i = 0; i < blocks; i++) {
    table.setOffset((oldEntries + i) * 8, (first + i) * clusterBytes, false);
  }
  table.allChanged();
  table.write(file);
  updateHeader(file, (header) => {
    header.setBigUint64(HEADER_FIELDS.refcountTableOffset, BigInt(table.offset));
    header.setUint32(HEADER_FIELDS.refcountTableClusters, clusters);
  });
  refcounts.table = table;
  refcounts.metadata.add(first * clusterBytes, (blocks + clusters) * clusterBytes, 'the refcount table');
  refcounts.metadata.delete(old.offset, old.bytes.length);
  refcounts.release(old.offset / clusterBytes, oldClusters);
}
