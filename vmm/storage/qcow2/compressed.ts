import { inflateRawSync, constants as zlibConstants } from 'node:zlib';
import type { ImageFile } from '../../contracts/storage.ts';
import { damaged } from '../errors.ts';
import { readPadded } from '../ranges.ts';
import { decompressZstd } from '../zstd/decompress.ts';
import type { Geometry } from './geometry.ts';
import type { Compression } from './header.ts';

/** A guest reads a cluster in pieces; each would cost decompressing all of it. */
const CACHE_BYTES = 1 << 20;

/** Reads compressed clusters and remembers the last ones. Nothing ever changes them: a write makes them ordinary. */
export class CompressedClusters {
  readonly #file: ImageFile;
  readonly #geometry: Geometry;
  readonly #compression: Compression;
  readonly #name: string;
  readonly #clustersMax: number;
  /** In the order of their last use. */
  readonly #clusters = new Map<number, Uint8Array>();

  constructor(file: ImageFile, geometry: Geometry, compression: Compression, name: string) {
    this.#file = file;
    this.#geometry = geometry;
    this.#compression = compression;
    this.#name = name;
    this.#clustersMax = Math.max(1, Math.floor(CACHE_BYTES / geometry.clusterBytes));
  }

  /** The cluster whose compressed data is at most `length` bytes at `host`. Throws `VmError('io')` when it is damaged. */
  read(host: number, length: number): Uint8Array {
    let cluster = this.#clusters.get(host);
    if (cluster !== undefined) {
      this.#clusters.delete(host);
    } else {
      cluster = this.#decompress(host, length);
      if (this.#clusters.size >= this.#clustersMax) {
        this.#clusters.delete(this.#clusters.keys().next().value!);
      }
    }
    this.#clusters.set(host, cluster);
    return cluster;
  }

  #decompress(host: number, length: number): Uint8Array {
    const compressed = new Uint8Array(length);
    readPadded(this.#file, host, compressed);
    const { clusterBytes } = this.#geometry;
    try {
      const cluster =
        this.#compression === 'zstd'
          ? decompressZstd(compressed, clusterBytes)
          : inflate(compressed, clusterBytes);
      if (cluster.length === clusterBytes) return cluster;
      throw new Error(`it expands to ${cluster.length} bytes`);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw damaged(this.#name, `the compressed cluster at 0x${host.toString(16)}: ${reason}`);
    }
  }
}

/** Raw deflate whose end need not be marked, for it ends with the cluster; what follows it in the last sector is foreign. */
function inflate(compressed: Uint8Array, clusterBytes: number): Uint8Array {
  return inflateRawSync(compressed, {
    maxOutputLength: clusterBytes,
    finishFlush: zlibConstants.Z_SYNC_FLUSH,
  });
}
