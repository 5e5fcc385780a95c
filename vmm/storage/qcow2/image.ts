import type { BlockImage, ImageFile } from '../../contracts/storage.ts';
import { badImage, DamagedImage, failedRequest } from '../errors.ts';
import { checkRange } from '../ranges.ts';
import { disownBitmaps, readBitmaps } from './bitmaps.ts';
import { growDisk } from './disk-growth.ts';
import { AUTOCLEAR, HEADER_FIELDS, type Header, INCOMPATIBLE, readHeader } from './header.ts';
import { updateHeader } from './header-update.ts';
import { Mapping } from './mapping.ts';
import { OrderedFile } from './ordered-file.ts';
import { Reader } from './reader.ts';
import { repairRefcounts } from './repair.ts';
import { findSnapshot, readSnapshots, type Snapshot } from './snapshots.ts';
import type { Store } from './store.ts';
import { openStore, readTable } from './store-open.ts';
import { Writer } from './writer.ts';

export interface Qcow2Options {
  /** How the user calls the image. */
  readonly name: string;
  readonly readOnly: boolean;
  /** ID or name of an internal snapshot: the disk as it was then, which can only be read. */
  readonly snapshot?: string | undefined;
  /** Memory for the tables that were used last, in bytes. Default: enough for 64 GiB of disk with clusters of 64 KiB. */
  readonly cacheBytes?: number | undefined;
  /** Opens the backing file, whose format is null where the image does not tell. */
  readonly openBacking: (name: string, format: string | null) => BlockImage;
}

/** An L2 table of 64 KiB maps 512 MiB with clusters of that size. */
const CACHE_BYTES = 8 << 20;

/**
 * Opens a qcow2 image of version 2 or 3. One that was not closed after lazy counting is repaired first ("Dirty bit").
 *
 * @throws VmError `bad-file` for what is no image, is damaged, or needs what is not supported; `io` when the host fails.
 */
export function openQcow2(file: ImageFile, options: Qcow2Options): Qcow2Image {
  const { name, snapshot, cacheBytes = CACHE_BYTES } = options;
  const readOnly = options.readOnly || file.readOnly || snapshot !== undefined;
  const ordered = new OrderedFile(file);
  let header = readHeader(ordered, name);
  const backing =
    header.backingName === null
      ? null
      : options.openBacking(header.backingName, header.extensions.backingFormat);
  try {
    if (!readOnly) {
      if ((header.incompatible & INCOMPATIBLE.corrupt) !== 0n) {
        throw badImage(
          name,
          "is marked as damaged; repair it with 'qemu-img check -r all', or open it read-only",
        );
      }
      if ((header.incompatible & INCOMPATIBLE.dirty) !== 0n) {
        repairRefcounts(ordered, header, name);
        header = readHeader(ordered, name);
      }
    }
    return new Qcow2Image(ordered, header, backing, { name, readOnly, snapshot, cacheBytes });
  } catch (error) {
    backing?.close();
    throw error;
  }
}

/** A disk in a qcow2 image (docs/interop/qcow2.txt of QEMU; section names in this folder are of that text). */
export class Qcow2Image implements BlockImage {
  readonly readOnly: boolean;
  readonly #file: OrderedFile;
  readonly #header: Header;
  readonly #name: string;
  readonly #reader: Reader;
  readonly #store: Store | null;
  readonly #writer: Writer | null;
  readonly #snapshot: Snapshot | null;
  #size: number;
  #written = false;
  /** Why nothing is written any more. */
  #damage: DamagedImage | null = null;

  constructor(
    file: OrderedFile,
    header: Header,
    backing: BlockImage | null,
    { name, readOnly, snapshot, cacheBytes }: Omit<Qcow2Options, 'openBacking'> & { cacheBytes: number },
  ) {
    this.#file = file;
    this.#header = header;
    this.#name = name;
    this.readOnly = readOnly;
    this.#snapshot =
      snapshot === undefined
        ? null
        : findSnapshot(readSnapshots(file, header, name).snapshots, snapshot, name);
    const l1 = readTable(file, (this.#snapshot ?? header).l1Offset, (this.#snapshot ?? header).l1Entries * 8);
    const mapping = new Mapping(file, l1, header, name, cacheBytes);
    this.#reader = new Reader(file, header, mapping, backing, name);
    this.#size = (this.#snapshot ?? header).size;
    this.#store = readOnly ? null : openStore(file, header, mapping, name, cacheBytes);
    this.#writer = this.#store === null ? null : new Writer(this.#store, this.#reader);
  }

  get size(): number {
    return this.#size;
  }

  /** The snapshots inside. @throws VmError `bad-file` when their table is damaged. */
  get snapshots(): readonly Snapshot[] {
    return readSnapshots(this.#file, this.#header, this.#name).snapshots;
  }

  read(offset: number, target: Uint8Array): void {
    checkRange(this.#name, this.#size, offset, target.length);
    this.#reader.read(offset, target);
  }

  write(offset: number, data: Uint8Array): void {
    this.#change(offset, data.length, (writer) => writer.write(offset, data));
  }

  flush(): void {
    if (this.#damage !== null) throw this.#damage;
    if (this.#written) this.#guard(() => this.#store!.commit());
  }

  discard(offset: number, length: number): void {
    this.#change(offset, length, (writer) => writer.discard(offset, length));
  }

  writeZeroes(offset: number, length: number): void {
    this.#change(offset, length, (writer) => writer.writeZeroes(offset, length));
  }

  /** Makes the disk larger; what is new reads as zeros. @throws VmError `io` when it cannot be. */
  grow(size: number): void {
    this.#change(0, 0, (writer) => {
      growDisk(this.#store!, writer, size);
      this.#size = size;
    });
  }

  close(): void {
    try {
      if (this.#damage === null) this.flush();
      // What the flush counted down.
      if (this.#damage === null && this.#written) this.#file.barrier();
    } finally {
      try {
        this.#reader.backing?.close();
      } finally {
        this.#file.close();
      }
    }
  }

  #change(offset: number, length: number, change: (writer: Writer) => void): void {
    const writer = this.#writer;
    if (writer === null) throw failedRequest(this.#name, 'the image is read-only');
    if (this.#damage !== null) throw this.#damage;
    checkRange(this.#name, this.#size, offset, length);
    this.#guard(() => {
      if (!this.#written) this.#beforeFirstWrite();
      this.#written = true;
      change(writer);
    });
  }

  /** "An implementation may only write to an image with unknown auto-clear features if it clears the respective bits." */
  #beforeFirstWrite(): void {
    const { autoclear, extensions, geometry } = this.#header;
    if (autoclear === 0n) return;
    const known = extensions.bitmaps === null ? 0n : autoclear & AUTOCLEAR.bitmaps;
    if (known !== 0n) {
      disownBitmaps(this.#file, readBitmaps(this.#file, extensions.bitmaps!, geometry, this.#name));
    }
    updateHeader(this.#file, (header) => header.setBigUint64(HEADER_FIELDS.autoclear, known));
  }

  /** Damage that shows while metadata is changed ends all writing, before it spreads ("Corrupt bit"). */
  #guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (error instanceof DamagedImage) this.#markCorrupt(error);
      throw error;
    }
  }

  #markCorrupt(damage: DamagedImage): void {
    this.#damage = damage;
    if (this.#header.version === 2) return;
    try {
      updateHeader(this.#file, (header) => {
        const incompatible = header.getBigUint64(HEADER_FIELDS.incompatible);
        header.setBigUint64(HEADER_FIELDS.incompatible, incompatible | INCOMPATIBLE.corrupt);
      });
    } catch {
      // The damage itself is what the caller has to learn.
    }
  }
}
