/** Sizes that follow from the header alone (qcow2, "Header", "Host cluster management", "Cluster mapping"). */
export interface Geometry {
  readonly clusterBits: number;
  readonly clusterBytes: number;
  /** Bytes of an L2 entry: 16 with extended entries. */
  readonly entryBytes: 8 | 16;
  /** Parts of a cluster that are allocated on their own: 32 subclusters with extended entries, else the cluster itself. */
  readonly units: 1 | 32;
  readonly unitBytes: number;
  /** Entries of an L2 table. */
  readonly l2Entries: number;
  /** Bytes of the disk that an L2 table maps. */
  readonly l2SpanBytes: number;
  /** Width of a refcount in bits: 1, 2, 4 to 64. */
  readonly refcountBits: number;
  /** Refcounts of a block, which is one cluster. */
  readonly blockEntries: number;
  /** Largest refcount that fits, as far as a double counts. */
  readonly refcountMax: number;
}

/** QEMU opens no larger clusters, and the format has no smaller ones. */
export const CLUSTER_BITS_MIN = 9;
export const CLUSTER_BITS_MAX = 21;
/** A subcluster is a 32nd of a cluster and at least a sector. */
export const EXTENDED_CLUSTER_BITS_MIN = 14;
/** QEMU's bounds, which keep a lying header from asking for gigabytes. */
export const L1_BYTES_MAX = 32 << 20;
export const REFCOUNT_TABLE_BYTES_MAX = 8 << 20;

export function geometryOf(clusterBits: number, refcountOrder: number, extended: boolean): Geometry {
  const clusterBytes = 2 ** clusterBits;
  const entryBytes = extended ? 16 : 8;
  const units = extended ? 32 : 1;
  const l2Entries = clusterBytes / entryBytes;
  const refcountBits = 2 ** refcountOrder;
  return {
    clusterBits,
    clusterBytes,
    entryBytes,
    units,
    unitBytes: clusterBytes / units,
    l2Entries,
    l2SpanBytes: l2Entries * clusterBytes,
    refcountBits,
    blockEntries: (clusterBytes * 8) / refcountBits,
    refcountMax: Math.min(2 ** refcountBits - 1, Number.MAX_SAFE_INTEGER),
  };
}

/** Entries of the L1 table that a disk of `size` bytes needs. */
export const l1EntriesOf = (size: number, geometry: Geometry): number =>
  Math.ceil(size / geometry.l2SpanBytes);
