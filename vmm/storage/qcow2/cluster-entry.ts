import type { Geometry } from './geometry.ts';
import type { Table } from './table.ts';

/**
 * What an L2 entry says of a guest cluster (qcow2, "Cluster mapping", "Extended L2 Entries"). Masks have one bit a unit: 32
 * subclusters with extended entries, else a single unit, the cluster.
 */
export interface ClusterEntry {
  /** Where the cluster lies in the file, 0 when it has no place there. Of a compressed cluster, where its data starts. */
  host: number;
  /** Nobody else refers to the host cluster, so it is written in place. */
  owned: boolean;
  /** Bytes of compressed data, which need not use all of them; 0 when the cluster is not compressed. */
  compressedBytes: number;
  /** Units that the host cluster holds. */
  data: number;
  /** Units that read as zeros. */
  zero: number;
}

export const emptyEntry = (): ClusterEntry => ({
  host: 0,
  owned: false,
  compressedBytes: 0,
  data: 0,
  zero: 0,
});

/** A mask of all units. */
export const allUnits = (geometry: Geometry): number => (geometry.units === 32 ? 0xffffffff : 1);

/** A mask of units `first` to `last`. */
export const unitMask = (first: number, last: number): number =>
  (((last === 31 ? 0 : 1 << (last + 1)) - (1 << first)) | 0) >>> 0;

const HIGH = 2 ** 32;
const COMPRESSED = 0x4000_0000;
const ZERO = 1;
const SECTOR_BYTES = 512;

/** Reads entry `index` of an L2 table into `entry`. Reserved bits are ignored, as in QEMU. */
export function readEntry(table: Table, index: number, geometry: Geometry, entry: ClusterEntry): void {
  const at = index * geometry.entryBytes;
  const high = table.view.getUint32(at);
  const low = table.view.getUint32(at + 4);
  if ((high & COMPRESSED) !== 0) {
    readCompressed(high, low, geometry, entry);
    return;
  }
  entry.host = (high & 0x00ffffff) * HIGH + ((low & ~0x1ff) >>> 0);
  // "If the offset is 0 and bit 63 is clear, the cluster is unallocated"; 0 is the header's place in any case.
  entry.owned = high >>> 31 === 1 && entry.host !== 0;
  entry.compressedBytes = 0;
  if (geometry.units === 32) {
    entry.zero = table.view.getUint32(at + 8);
    entry.data = entry.host === 0 ? 0 : (table.view.getUint32(at + 12) & ~entry.zero) >>> 0;
  } else {
    entry.zero = low & ZERO;
    entry.data = entry.host === 0 || entry.zero === 1 ? 0 : 1;
  }
}

/** qcow2, "Compressed Clusters Descriptor": bits 0 to x-1 are the offset, x to 61 count sectors after its own. */
function readCompressed(high: number, low: number, geometry: Geometry, entry: ClusterEntry): void {
  const x = 62 - (geometry.clusterBits - 8) - 32;
  entry.host = (high & (2 ** x - 1)) * HIGH + low;
  const sectors = ((high & (COMPRESSED - 1)) >>> x) + 1;
  entry.compressedBytes = sectors * SECTOR_BYTES - (low % SECTOR_BYTES);
  entry.owned = false;
  entry.data = 0;
  entry.zero = 0;
}

/** Writes entry `index` of an L2 table. Compressed clusters are never made. */
export function writeEntry(table: Table, index: number, geometry: Geometry, entry: ClusterEntry): void {
  const at = index * geometry.entryBytes;
  table.setOffset(at, entry.host, entry.owned);
  if (geometry.units === 32) {
    table.view.setUint32(at + 8, entry.zero);
    table.view.setUint32(at + 12, entry.data);
    table.changed(at + 8, 8);
  } else if (entry.zero !== 0) {
    table.view.setUint32(at + 4, table.view.getUint32(at + 4) | ZERO);
  }
}
