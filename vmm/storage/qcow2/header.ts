import { ByteReader } from '../../base/bytes.ts';
import type { ImageFile } from '../../contracts/storage.ts';
import { badImage } from '../errors.ts';
import { isQcow2 } from '../probe.ts';
import { readPadded } from '../ranges.ts';
import {
  CLUSTER_BITS_MAX,
  CLUSTER_BITS_MIN,
  EXTENDED_CLUSTER_BITS_MIN,
  type Geometry,
  geometryOf,
  L1_BYTES_MAX,
  l1EntriesOf,
  REFCOUNT_TABLE_BYTES_MAX,
} from './geometry.ts';
import { type HeaderExtensions, readExtensions } from './header-extensions.ts';

/** Bits of `incompatible_features` (qcow2, "Header"). */
export const INCOMPATIBLE = { dirty: 1n, corrupt: 2n, dataFile: 4n, compression: 8n, extended: 16n } as const;
/** Bits of `compatible_features`. */
export const COMPATIBLE = { lazyRefcounts: 1n } as const;
/** Bits of `autoclear_features`. */
export const AUTOCLEAR = { bitmaps: 1n } as const;

/** Byte positions of the fields that change while an image is written. */
export const HEADER_FIELDS = {
  size: 24,
  l1Entries: 36,
  l1Offset: 40,
  refcountTableOffset: 48,
  refcountTableClusters: 56,
  incompatible: 72,
  autoclear: 88,
} as const;

export const HEADER_BYTES_V2 = 72;
export const HEADER_BYTES_V3 = 104;
const SECTOR_BYTES = 512;
const BACKING_NAME_BYTES_MAX = 1023;
/** QEMU's bound. */
const SNAPSHOTS_MAX = 65536;

export type Compression = 'zlib' | 'zstd';

/** What the first cluster of an image says, checked as far as it can be without looking further. */
export interface Header {
  readonly version: 2 | 3;
  readonly geometry: Geometry;
  /** Bytes of the disk, whole sectors. */
  readonly size: number;
  readonly l1Offset: number;
  readonly l1Entries: number;
  readonly refcountTableOffset: number;
  readonly refcountTableClusters: number;
  readonly snapshotsOffset: number;
  readonly snapshotCount: number;
  readonly backingName: string | null;
  readonly incompatible: bigint;
  readonly autoclear: bigint;
  readonly compression: Compression;
  readonly extensions: HeaderExtensions;
}

/**
 * Reads the header of a qcow2 image, versions 2 and 3 (qcow2, "Header"). `name` is how the user calls the image.
 *
 * @throws VmError `bad-file` for what is no image, lies about itself, or needs a feature that is not supported.
 */
export function readHeader(file: ImageFile, name: string): Header {
  const start = new Uint8Array(Math.min(file.size, 2 ** CLUSTER_BITS_MAX));
  file.read(0, start);
  if (!isQcow2(start)) throw badImage(name, 'no qcow2 image');
  if (start.length < HEADER_BYTES_V2) throw badImage(name, 'the header is cut off');
  const view = new DataView(start.buffer);
  const version = view.getUint32(4);
  if (version === 1) throw badImage(name, "qcow version 1; convert it with 'qemu-img convert -O qcow2'");
  if (version !== 2 && version !== 3) throw badImage(name, `version ${version} of qcow2 is unknown`);
  if (version === 3 && start.length < HEADER_BYTES_V3) throw badImage(name, 'the header is cut off');

  const clusterBits = view.getUint32(20);
  if (clusterBits < CLUSTER_BITS_MIN || clusterBits > CLUSTER_BITS_MAX) {
    throw badImage(name, `a cluster of 2^${clusterBits} bytes; 2^9 to 2^21 are possible`);
  }
  const cluster = readCluster(file, clusterBits);
  const headerLength = version === 2 ? HEADER_BYTES_V2 : view.getUint32(100);
  if (headerLength < (version === 2 ? HEADER_BYTES_V2 : HEADER_BYTES_V3) || headerLength > cluster.length) {
    throw badImage(name, `a header of ${headerLength} bytes`);
  }
  const backingOffset = size64(view, 8, 'the place of the backing file name', name);
  const extensions = readExtensions(cluster, headerLength, backingOffset, name);
  const incompatible = version === 2 ? 0n : view.getBigUint64(HEADER_FIELDS.incompatible);
  checkFeatures(incompatible, extensions, name);
  if (view.getUint32(32) !== 0) throw badImage(name, 'the image is encrypted, which is not supported');

  const refcountOrder = version === 2 ? 4 : view.getUint32(96);
  if (refcountOrder > 6) throw badImage(name, `a refcount of 2^${refcountOrder} bits; 64 are possible`);
  const extended = (incompatible & INCOMPATIBLE.extended) !== 0n;
  if (extended && clusterBits < EXTENDED_CLUSTER_BITS_MIN) {
    throw badImage(name, `subclusters need clusters of 16 KiB, not 2^${clusterBits} bytes`);
  }
  const header: Header = {
    version,
    geometry: geometryOf(clusterBits, refcountOrder, extended),
    size: wholeSectors(size64(view, HEADER_FIELDS.size, 'the size of the disk', name)),
    l1Offset: size64(view, HEADER_FIELDS.l1Offset, 'the place of the L1 table', name),
    l1Entries: view.getUint32(HEADER_FIELDS.l1Entries),
    refcountTableOffset: size64(
      view,
      HEADER_FIELDS.refcountTableOffset,
      'the place of the refcount table',
      name,
    ),
    refcountTableClusters: view.getUint32(HEADER_FIELDS.refcountTableClusters),
    snapshotCount: view.getUint32(60),
    snapshotsOffset: size64(view, 64, 'the place of the snapshot table', name),
    backingName: backingOffset === 0 ? null : backingName(cluster, backingOffset, view.getUint32(16), name),
    incompatible,
    autoclear: version === 2 ? 0n : view.getBigUint64(HEADER_FIELDS.autoclear),
    compression: compressionOf(cluster, incompatible, headerLength, name),
    extensions,
  };
  checkTables(header, file.size, name);
  return header;
}

function readCluster(file: ImageFile, clusterBits: number): Uint8Array {
  const cluster = new Uint8Array(2 ** clusterBits);
  readPadded(file, 0, cluster);
  return cluster;
}

/** An image whose size is no whole number of sectors has no last sector. QEMU sees it so too. */
const wholeSectors = (size: number): number => size - (size % SECTOR_BYTES);

/** No file is longer than a double counts, so a larger number is a lie. */
function size64(view: DataView, at: number, what: string, name: string): number {
  const value = view.getBigUint64(at);
  if (value <= Number.MAX_SAFE_INTEGER) return Number(value);
  throw badImage(name, `${what} is absurd: 0x${value.toString(16)}`);
}

/** "An implementation must fail to open an image if an unknown bit is set." */
function checkFeatures(incompatible: bigint, extensions: HeaderExtensions, name: string): void {
  if ((incompatible & INCOMPATIBLE.dataFile) !== 0n) {
    throw badImage(
      name,
      "the data is in an external data file, which is not supported; 'qemu-img convert' makes one image of both",
    );
  }
  const known = Object.values(INCOMPATIBLE).reduce((all, bit) => all | bit, 0n);
  for (let bit = 0; bit < 64; bit++) {
    if (((incompatible & ~known) >> BigInt(bit)) % 2n === 0n) continue;
    const feature = extensions.incompatibleNames.get(bit);
    throw badImage(name, `needs the unknown feature ${feature === undefined ? bit : `'${feature}'`}`);
  }
}

function compressionOf(
  cluster: Uint8Array,
  incompatible: bigint,
  headerLength: number,
  name: string,
): Compression {
  const type = headerLength > HEADER_BYTES_V3 ? cluster[HEADER_BYTES_V3]! : 0;
  if ((type !== 0) !== ((incompatible & INCOMPATIBLE.compression) !== 0n)) {
    throw badImage(name, 'the header contradicts itself about the kind of compression');
  }
  if (type > 1) throw badImage(name, `unknown kind of compression ${type}`);
  return type === 1 ? 'zstd' : 'zlib';
}

function backingName(cluster: Uint8Array, offset: number, length: number, name: string): string {
  if (length === 0 || length > BACKING_NAME_BYTES_MAX || offset > cluster.length - length) {
    throw badImage(name, `a backing file name of ${length} bytes at 0x${offset.toString(16)}`);
  }
  return new ByteReader(cluster, name, offset, offset + length).text();
}

function checkTables(header: Header, fileSize: number, name: string): void {
  const { geometry, l1Entries, refcountTableClusters } = header;
  const { clusterBytes } = geometry;
  if (l1Entries * 8 > L1_BYTES_MAX) throw badImage(name, `an L1 table of ${l1Entries} entries is too large`);
  if (l1Entries < l1EntriesOf(header.size, geometry)) {
    throw badImage(name, `an L1 table of ${l1Entries} entries is too small for ${header.size} bytes`);
  }
  const refcountTableBytes = refcountTableClusters * clusterBytes;
  if (refcountTableClusters === 0 || refcountTableBytes > REFCOUNT_TABLE_BYTES_MAX) {
    throw badImage(name, `a refcount table of ${refcountTableClusters} clusters`);
  }
  if (header.snapshotCount > SNAPSHOTS_MAX) throw badImage(name, `${header.snapshotCount} snapshots`);
  checkPlace(header.l1Offset, l1Entries * 8, 'the L1 table');
  checkPlace(header.refcountTableOffset, refcountTableBytes, 'the refcount table');
  checkPlace(header.snapshotsOffset, header.snapshotCount, 'the snapshot table');

  /** A table starts at a cluster other than the header's, and ends in the file's last cluster at most. */
  function checkPlace(offset: number, bytes: number, what: string): void {
    if (bytes === 0) return;
    if (offset % clusterBytes !== 0 || offset === 0) {
      throw badImage(name, `${what} is at 0x${offset.toString(16)}, which is no cluster of its own`);
    }
    if (offset >= fileSize || offset + bytes > Math.ceil(fileSize / clusterBytes) * clusterBytes) {
      throw badImage(name, `${what} lies beyond the end of the file`);
    }
  }
}
