import { badImage } from '../errors.ts';
import { takeCensus } from './census.ts';
import { visitOwned } from './check.ts';
import type { ClusterCounts } from './cluster-counts.ts';
import { type Geometry, REFCOUNT_TABLE_BYTES_MAX } from './geometry.ts';
import { HEADER_FIELDS, type Header, INCOMPATIBLE } from './header.ts';
import { updateHeader } from './header-update.ts';
import type { OrderedFile } from './ordered-file.ts';
import { setCount } from './refcount-block.ts';
import { Table } from './table.ts';

/**
 * Builds the refcounts of an image anew from what its tables refer to ("Dirty bit": "make sure to scan L1/L2 tables to repair
 * refcounts before accessing the image"). The new ones lie behind the end of the file until the header names them, and with
 * the same write it stops being dirty; so a cut leaves the image as it was, or repaired.
 *
 * @throws VmError `bad-file` when more is wrong than refcounts.
 */
export function repairRefcounts(file: OrderedFile, header: Header, name: string): void {
  const { counts, problems } = takeCensus(file, header, 'without-refcounts', name);
  if (problems.length > 0) {
    throw badImage(
      name,
      `is damaged: ${problems[0]}; repair it with 'qemu-img check -r all', or open it read-only`,
    );
  }
  const { geometry } = header;
  visitOwned(file, header, (host, owned, _, set) => {
    const alone = counts.get(host / geometry.clusterBytes) === 1;
    if (owned !== alone) set(alone);
  });
  const layout = layOut(counts, Math.ceil(file.size / geometry.clusterBytes), geometry);
  if (layout.tableClusters * geometry.clusterBytes > REFCOUNT_TABLE_BYTES_MAX) {
    throw badImage(name, 'is too large for its cluster size');
  }
  writeRefcounts(file, counts, layout, geometry, name);
  updateHeader(file, (fields) => {
    fields.setBigUint64(HEADER_FIELDS.refcountTableOffset, BigInt(layout.table * geometry.clusterBytes));
    fields.setUint32(HEADER_FIELDS.refcountTableClusters, layout.tableClusters);
    fields.setBigUint64(HEADER_FIELDS.incompatible, header.incompatible & ~INCOMPATIBLE.dirty);
  });
}

/** Where new refcounts go, in clusters: blocks, then the table. */
interface Layout {
  readonly first: number;
  /** Which refcount blocks there are, by their place in the table. */
  readonly blocks: readonly number[];
  readonly table: number;
  readonly tableClusters: number;
}

function layOut(counts: ClusterCounts, first: number, { blockEntries, clusterBytes }: Geometry): Layout {
  const needed = new Set<number>();
  counts.forEach((cluster) => {
    needed.add(Math.floor(cluster / blockEntries));
  });
  // Blocks and table are counted themselves, which may take one more block, which is counted …
  for (let tableClusters = 1; ; ) {
    const end = first + needed.size + tableClusters;
    const before = needed.size;
    for (let index = Math.floor(first / blockEntries); index * blockEntries < end; index++) needed.add(index);
    const last = Math.floor((end - 1) / blockEntries);
    const clusters = Math.ceil(((last + 1) * 8) / clusterBytes);
    if (needed.size === before && clusters <= tableClusters) {
      const blocks = [...needed].sort((a, b) => a - b);
      return { first, blocks, table: first + blocks.length, tableClusters };
    }
    tableClusters = Math.max(clusters, tableClusters);
  }
}

function writeRefcounts(
  file: OrderedFile,
  counts: ClusterCounts,
  { first, blocks, table, tableClusters }: Layout,
  { clusterBytes, blockEntries, refcountBits, refcountMax }: Geometry,
  name: string,
): void {
  const entries = new Table(table * clusterBytes, new Uint8Array(tableClusters * clusterBytes));
  const end = table + tableClusters;
  for (const [i, index] of blocks.entries()) {
    const bytes = new Uint8Array(clusterBytes);
    const view = new DataView(bytes.buffer);
    for (let entry = 0; entry < blockEntries; entry++) {
      const cluster = index * blockEntries + entry;
      const count = counts.get(cluster) + (cluster >= first && cluster < end ? 1 : 0);
      if (count > refcountMax) throw badImage(name, `cluster ${cluster} is referred to too often`);
      if (count > 0) setCount(view, refcountBits, entry, count);
    }
    file.write((first + i) * clusterBytes, bytes);
    entries.setOffset(index * 8, (first + i) * clusterBytes, false);
  }
  entries.allChanged();
  entries.write(file);
}
