import type { ImageFile } from '../../contracts/storage.ts';
import { badImage } from '../errors.ts';
import { readPadded } from '../ranges.ts';
import { readBitmaps } from './bitmaps.ts';
import { AUTOCLEAR, type Header } from './header.ts';
import type { Mapping } from './mapping.ts';
import { MetadataMap } from './metadata-map.ts';
import type { OrderedFile } from './ordered-file.ts';
import { Refcounts } from './refcounts.ts';
import { readSnapshots } from './snapshots.ts';
import { Store } from './store.ts';
import { Table } from './table.ts';

/** Reads a table whose place and length have been checked; the file may end within its last cluster. */
export function readTable(file: ImageFile, offset: number, length: number): Table {
  const bytes = new Uint8Array(length);
  readPadded(file, offset, bytes);
  return new Table(offset, bytes);
}

/**
 * Makes an image ready to be written.
 *
 * @throws VmError `bad-file` when its tables lie outside the file or overlap: writing would make it worse.
 */
export function openStore(
  file: OrderedFile,
  header: Header,
  mapping: Mapping,
  name: string,
  cacheBytes: number,
): Store {
  const { geometry } = header;
  const table = readTable(
    file,
    header.refcountTableOffset,
    header.refcountTableClusters * geometry.clusterBytes,
  );
  const metadata = mapMetadata(file, header, mapping.l1, table, name);
  // A block of refcounts covers four times what an L2 table maps.
  const refcounts = new Refcounts(file, table, geometry, metadata, name, cacheBytes / 4);
  return new Store(file, header, mapping, refcounts, name);
}

function mapMetadata(
  file: OrderedFile,
  header: Header,
  l1: Table,
  refcountTable: Table,
  name: string,
): MetadataMap {
  const { clusterBytes } = header.geometry;
  const metadata = new MetadataMap(clusterBytes, name);
  metadata.add(0, clusterBytes, 'the header');
  metadata.add(header.l1Offset, l1.bytes.length, 'the L1 table');
  metadata.add(header.refcountTableOffset, refcountTable.bytes.length, 'the refcount table');
  const { snapshots, bytes } = readSnapshots(file, header, name);
  metadata.add(header.snapshotsOffset, bytes, 'the snapshot table');
  for (const snapshot of snapshots) {
    metadata.add(snapshot.l1Offset, snapshot.l1Entries * 8, `the L1 table of snapshot '${snapshot.name}'`);
  }
  const { bitmaps } = header.extensions;
  if (bitmaps !== null && (header.autoclear & AUTOCLEAR.bitmaps) !== 0n) {
    const tables = readBitmaps(file, bitmaps, header.geometry, name);
    metadata.add(bitmaps.directoryOffset, bitmaps.directoryBytes, 'the directory of bitmaps');
    for (const { tableOffset, tableEntries } of tables) {
      metadata.add(tableOffset, tableEntries * 8, 'the table of a bitmap');
    }
  }
  addTables(l1, 'an L2 table');
  addTables(refcountTable, 'a refcount block');
  return metadata;

  function addTables(table: Table, what: string): void {
    for (let at = 0; at < table.bytes.length; at += 8) {
      const offset = table.offsetAt(at);
      if (offset === 0) continue;
      if (offset >= file.size)
        throw badImage(name, `${what} at 0x${offset.toString(16)} is beyond the end of the file`);
      metadata.add(offset, clusterBytes, what);
    }
  }
}
