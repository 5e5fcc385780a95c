import { assert } from '../../base/assert.ts';
import type { ImageFile } from '../../contracts/storage.ts';
import { readPadded } from '../ranges.ts';
import { Table } from './table.ts';

/** A request holds a table while it loads others of the same cache; it holds no more than one. */
const TABLES_MIN = 4;

/**
 * The tables of one kind that were used last, each one cluster long. Bounded: clean tables are forgotten, the one that was
 * not used for the longest first. Dirty ones stay, so whoever makes them dirty writes them when `full` says so.
 */
export class TableCache {
  readonly #file: ImageFile;
  readonly #clusterBytes: number;
  readonly #tablesMax: number;
  /** In the order of their last use. */
  readonly #tables = new Map<number, Table>();
  readonly #dirty = new Set<Table>();
  #last: Table | undefined;

  constructor(file: ImageFile, clusterBytes: number, bytesMax: number) {
    this.#file = file;
    this.#clusterBytes = clusterBytes;
    this.#tablesMax = Math.max(TABLES_MIN, Math.floor(bytesMax / clusterBytes));
  }

  get dirty(): boolean {
    return this.#dirty.size > 0;
  }

  /** So many tables are dirty that they should be written before more are changed. */
  get full(): boolean {
    return this.#dirty.size >= this.#tablesMax / 2;
  }

  /** How many tables are in memory. */
  get count(): number {
    return this.#tables.size;
  }

  /** The table at `offset`, from memory or the file. */
  get(offset: number): Table {
    if (this.#last?.offset === offset) return this.#last;
    let table = this.#tables.get(offset);
    if (table === undefined) {
      const bytes = new Uint8Array(this.#clusterBytes);
      readPadded(this.#file, offset, bytes);
      table = new Table(offset, bytes);
      this.#forgetOldest();
    } else {
      this.#tables.delete(offset);
    }
    this.#tables.set(offset, table);
    this.#last = table;
    return table;
  }

  /** A table that is new at `offset`, zero or a copy of `contents`; the file gets all of it. */
  create(offset: number, contents?: Uint8Array): Table {
    this.drop(offset);
    const table = new Table(offset, contents?.slice() ?? new Uint8Array(this.#clusterBytes));
    table.allChanged();
    this.#forgetOldest();
    this.#tables.set(offset, table);
    this.#dirty.add(table);
    this.#last = table;
    return table;
  }

  /** Tells that `table`, which has been marked itself, has to be written. */
  markDirty(table: Table): void {
    assert(this.#tables.get(table.offset) === table, 'a changed table is in its cache');
    this.#dirty.add(table);
  }

  /** Forgets the table at `offset`, whose cluster is no table any more. */
  drop(offset: number): void {
    const table = this.#tables.get(offset);
    if (table === undefined) return;
    this.#tables.delete(offset);
    this.#dirty.delete(table);
    if (this.#last === table) this.#last = undefined;
  }

  /** Writes all dirty tables, in the order of the file. */
  write(): void {
    for (const table of [...this.#dirty].sort((a, b) => a.offset - b.offset)) {
      table.write(this.#file);
      this.#dirty.delete(table);
    }
  }

  #forgetOldest(): void {
    if (this.#tables.size < this.#tablesMax) return;
    for (const [offset, table] of this.#tables) {
      if (this.#dirty.has(table)) continue;
      this.#tables.delete(offset);
      if (this.#last === table) this.#last = undefined;
      if (this.#tables.size < this.#tablesMax) return;
    }
  }
}
