import { ByteReader } from '../../base/bytes.ts';
import { badImage } from '../errors.ts';

/** Header extension types (qcow2, "Header extensions"). */
export const EXTENSION = {
  end: 0,
  backingFormat: 0xe2792aca,
  featureNames: 0x6803f857,
  bitmaps: 0x23852875,
} as const;

/** Where the directory of bitmaps lies (qcow2, "Bitmaps extension"). */
export interface BitmapsPlace {
  readonly count: number;
  readonly directoryOffset: number;
  readonly directoryBytes: number;
}

export interface HeaderExtensions {
  readonly backingFormat: string | null;
  readonly bitmaps: BitmapsPlace | null;
  /** What the image's maker calls the incompatible features, by their bits. */
  readonly incompatibleNames: ReadonlyMap<number, string>;
}

const FEATURE_NAME_BYTES = 46;
const INCOMPATIBLE_KIND = 0;

/** Reads the extensions between header and backing file name; unknown ones "can be safely ignored". */
export function readExtensions(
  cluster: Uint8Array,
  headerLength: number,
  backingOffset: number,
  name: string,
): HeaderExtensions {
  let backingFormat: string | null = null;
  let bitmaps: BitmapsPlace | null = null;
  const incompatibleNames = new Map<number, string>();
  const end = backingOffset > headerLength ? Math.min(backingOffset, cluster.length) : cluster.length;
  const view = new DataView(cluster.buffer, cluster.byteOffset, cluster.length);
  for (let at = headerLength; at + 8 <= end; ) {
    const type = view.getUint32(at);
    const length = view.getUint32(at + 4);
    at += 8;
    if (type === EXTENSION.end) break;
    if (length > end - at) throw badImage(name, 'a header extension is longer than the header');
    switch (type) {
      case EXTENSION.backingFormat:
        backingFormat = new ByteReader(cluster, name, at, at + length).text();
        break;
      case EXTENSION.bitmaps:
        if (length !== 24) throw badImage(name, `a bitmaps extension of ${length} bytes`);
        bitmaps = {
          count: view.getUint32(at),
          directoryBytes: Number(view.getBigUint64(at + 8)),
          directoryOffset: Number(view.getBigUint64(at + 16)),
        };
        break;
      case EXTENSION.featureNames:
        readFeatureNames(new ByteReader(cluster, name, at, at + length), incompatibleNames);
        break;
    }
    at += Math.ceil(length / 8) * 8;
  }
  return { backingFormat, bitmaps, incompatibleNames };
}

/** qcow2, "Feature name table". */
function readFeatureNames(reader: ByteReader, names: Map<number, string>): void {
  while (reader.remaining >= 2 + FEATURE_NAME_BYTES) {
    const kind = reader.u8();
    const bit = reader.u8();
    const text = reader.at(reader.offset, reader.offset + FEATURE_NAME_BYTES).text();
    reader.skip(FEATURE_NAME_BYTES);
    if (kind === INCOMPATIBLE_KIND) names.set(bit, text);
  }
}
