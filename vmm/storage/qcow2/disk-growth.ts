import { failedRequest } from '../errors.ts';
import { L1_BYTES_MAX, l1EntriesOf } from './geometry.ts';
import { HEADER_FIELDS } from './header.ts';
import { updateHeader } from './header-update.ts';
import { growRefcountTable, writeCountedArea } from './refcount-growth.ts';
import type { Store } from './store.ts';
import { Table } from './table.ts';
import type { Writer } from './writer.ts';

const SECTOR_BYTES = 512;

/** Makes the disk of an image `size` bytes long. What is new reads as zeros, whatever lies in backing files there. */
export function growDisk(store: Store, writer: Writer, size: number): void {
  const { file, header, mapping, geometry, name } = store;
  const old = store.diskBytes;
  if (!Number.isSafeInteger(size) || size % SECTOR_BYTES !== 0 || size < old) {
    throw failedRequest(name, `a disk of ${old} bytes cannot grow to ${size}`);
  }
  // Only version 3 says how large the disk was when a snapshot was taken.
  if (header.version === 2 && header.snapshotCount > 0) {
    throw failedRequest(name, 'a disk with snapshots in version 2 cannot grow');
  }
  const entries = l1EntriesOf(size, geometry);
  if (entries * 8 > L1_BYTES_MAX)
    throw failedRequest(name, `${size} bytes are too many for its cluster size`);
  if (entries * 8 > mapping.l1.bytes.length) moveL1(store, entries);
  store.diskBytes = size;
  try {
    // A saved machine may have been stored behind the disk's end ("Snapshots").
    writer.discard(old, size - old);
    writer.writeZeroes(old, size - old);
    store.commit();
    updateHeader(file, (fields) => fields.setBigUint64(HEADER_FIELDS.size, BigInt(size)));
  } catch (error) {
    store.diskBytes = old;
    throw error;
  }
}

function moveL1(store: Store, entries: number): void {
  const { file, mapping, geometry, refcounts } = store;
  const { clusterBytes } = geometry;
  const clusters = Math.ceil((entries * 8) / clusterBytes);
  const offset = allocateRow(store, clusters);
  // The copy may only name tables that are in the file.
  store.commit();
  const old = mapping.l1;
  const l1 = new Table(offset, new Uint8Array(entries * 8));
  l1.bytes.set(old.bytes);
  l1.allChanged();
  l1.write(file);
  updateHeader(file, (header) => {
    header.setUint32(HEADER_FIELDS.l1Entries, entries);
    header.setBigUint64(HEADER_FIELDS.l1Offset, BigInt(offset));
  });
  mapping.l1 = l1;
  refcounts.metadata.add(offset, l1.bytes.length, 'the L1 table');
  refcounts.metadata.delete(old.offset, old.bytes.length);
  refcounts.release(old.offset / clusterBytes, Math.ceil(old.bytes.length / clusterBytes));
}

/** Takes exactly `count` clusters in a row and returns their offset. */
function allocateRow(store: Store, count: number): number {
  const { refcounts, geometry } = store;
  const clusters = store.allocate(count);
  if (clusters.count === count) return clusters.first * geometry.clusterBytes;
  refcounts.cancel(clusters);
  // Refcount blocks lie in between as the file grows, so a long row gets an area of its own behind them all.
  let index = refcounts.table.bytes.length / 8;
  while (index > 0 && refcounts.table.offsetAt((index - 1) * 8) === 0) index--;
  const blocks = Math.ceil(count / (geometry.blockEntries - 1)) + 1;
  if ((index + blocks) * 8 > refcounts.table.bytes.length) {
    growRefcountTable(store, index + 2 * blocks);
    return allocateRow(store, count);
  }
  const area = writeCountedArea(store, index, count);
  for (let i = 0; i < area.blocks; i++) {
    const offset = (index * geometry.blockEntries + i) * geometry.clusterBytes;
    refcounts.metadata.add(offset, geometry.clusterBytes, 'a refcount block');
    refcounts.table.setOffset((index + i) * 8, offset, false);
  }
  return area.offset;
}
