import type { Geometry } from './geometry.ts';
import type { Header } from './header.ts';
import type { Mapping } from './mapping.ts';
import type { OrderedFile } from './ordered-file.ts';
import { growRefcountTable } from './refcount-growth.ts';
import type { Clusters, Refcounts } from './refcounts.ts';

/**
 * An image that is written: its file, what is known of its metadata, and the order in which changes of metadata reach the
 * file. Data is written to the file at once; metadata stays in memory until a commit.
 */
export class Store {
  readonly file: OrderedFile;
  readonly header: Header;
  readonly geometry: Geometry;
  readonly mapping: Mapping;
  readonly refcounts: Refcounts;
  readonly name: string;
  /** Bytes of the disk, whose clusters may be cut off by its end. */
  diskBytes: number;

  constructor(file: OrderedFile, header: Header, mapping: Mapping, refcounts: Refcounts, name: string) {
    this.file = file;
    this.header = header;
    this.geometry = header.geometry;
    this.mapping = mapping;
    this.refcounts = refcounts;
    this.name = name;
    this.diskBytes = header.size;
  }

  /** Takes up to `count` free clusters in a row, at least one. */
  allocate(count: number): Clusters {
    for (;;) {
      const clusters = this.refcounts.allocate(count);
      if (clusters !== undefined) return clusters;
      growRefcountTable(this);
    }
  }

  /** Commits when so much has changed that the bounds of the caches are near. To be called where no table is held. */
  relieve(): void {
    if (this.refcounts.full || this.mapping.tables.full) this.#commit(false);
  }

  /** Puts everything on stable storage. */
  commit(): void {
    this.#commit(true);
  }

  /**
   * Writes metadata so that whatever is cut off, what is in the file is consistent: a cluster is counted before a table refers
   * to it, a table is there before another refers to it, and a cluster is counted down when nothing refers to it any more.
   * Data lies before the first barrier, so no table refers to data that is not there. A commit that fails can be repeated.
   */
  #commit(durable: boolean): void {
    const { file, refcounts, mapping } = this;
    refcounts.blocks.write();
    if (refcounts.table.dirty) {
      file.barrier();
      refcounts.table.write(file);
    }
    if (mapping.tables.dirty || mapping.l1.dirty) {
      file.barrier();
      mapping.tables.write();
      if (mapping.l1.dirty) {
        file.barrier();
        mapping.l1.write(file);
      }
    }
    if (durable || refcounts.hasPending) file.barrier();
    refcounts.settle();
    // Not waited for: a cluster that is counted too high is lost space, no more.
    refcounts.blocks.write();
  }
}
