import type { ImageFile } from '../../contracts/storage.ts';
import { badImage } from '../errors.ts';
import type { Geometry } from './geometry.ts';
import type { BitmapsPlace } from './header-extensions.ts';

/** A bitmap of an image (qcow2, "Bitmap directory"): which parts of the disk changed since some time. */
export interface Bitmap {
  /** Where its entry lies in the directory. */
  readonly entryOffset: number;
  readonly tableOffset: number;
  readonly tableEntries: number;
  readonly flags: number;
}

export const BITMAP_IN_USE = 1;
export const BITMAP_AUTO = 2;

const ENTRY_BYTES = 24;
/** QEMU's bounds. */
const BITMAPS_MAX = 65535;
const DIRECTORY_BYTES_MAX = BITMAPS_MAX * (ENTRY_BYTES + 1024 + 1024);
/** Of all tables together. One bit for each 512 bytes of 2 PiB fits, with clusters of 64 KiB. */
const TABLE_ENTRIES_MAX = 1 << 22;

/** Reads the directory of bitmaps. @throws VmError `bad-file` when it is damaged. */
export function readBitmaps(
  file: ImageFile,
  place: BitmapsPlace,
  geometry: Geometry,
  name: string,
): Bitmap[] {
  const { directoryOffset, directoryBytes, count } = place;
  const { clusterBytes } = geometry;
  const inFile = directoryOffset + directoryBytes <= file.size && directoryBytes <= DIRECTORY_BYTES_MAX;
  if (!inFile || directoryOffset % clusterBytes !== 0 || directoryOffset === 0 || count > BITMAPS_MAX) {
    throw badImage(name, 'the directory of bitmaps is in no possible place');
  }
  const bytes = new Uint8Array(directoryBytes);
  file.read(directoryOffset, bytes);
  const view = new DataView(bytes.buffer);
  const bitmaps: Bitmap[] = [];
  let entriesLeft = TABLE_ENTRIES_MAX;
  for (let at = 0; at < directoryBytes; ) {
    if (at + ENTRY_BYTES > directoryBytes) throw badImage(name, 'the directory of bitmaps is cut off');
    const tableOffset = Number(view.getBigUint64(at));
    const tableEntries = view.getUint32(at + 8);
    entriesLeft -= tableEntries;
    if (entriesLeft < 0 || tableOffset % clusterBytes !== 0 || tableOffset >= file.size) {
      throw badImage(name, `bitmap ${bitmaps.length + 1} is in no possible place`);
    }
    bitmaps.push({
      entryOffset: directoryOffset + at,
      tableOffset,
      tableEntries,
      flags: view.getUint32(at + 12),
    });
    at += Math.ceil((ENTRY_BYTES + view.getUint16(at + 18) + view.getUint32(at + 20)) / 8) * 8;
  }
  if (bitmaps.length !== count)
    throw badImage(name, `${count} bitmaps are said to be there, not ${bitmaps.length}`);
  return bitmaps;
}

/**
 * Tells that the bitmaps which should follow each write do not any more: "the bitmap was not saved correctly and may be
 * inconsistent". Those that nothing follows stay true.
 */
export function disownBitmaps(file: ImageFile, bitmaps: readonly Bitmap[]): void {
  for (const { entryOffset, flags } of bitmaps) {
    if ((flags & BITMAP_AUTO) === 0 || (flags & BITMAP_IN_USE) !== 0) continue;
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, flags | BITMAP_IN_USE);
    file.write(entryOffset + 12, bytes);
  }
}
