import type { BlockImage, ImageFile } from '../../contracts/storage.ts';
import { readBacking, readPadded } from '../ranges.ts';
import { CompressedClusters } from './compressed.ts';
import type { Header } from './header.ts';
import { emptyRun, type Mapping } from './mapping.ts';

/** Reads a disk by its mapping: the active one, or that of a snapshot. */
export class Reader {
  readonly mapping: Mapping;
  readonly backing: BlockImage | null;
  readonly #file: ImageFile;
  readonly #compressed: CompressedClusters;
  readonly #clusterBytes: number;
  readonly #run = emptyRun();

  constructor(file: ImageFile, header: Header, mapping: Mapping, backing: BlockImage | null, name: string) {
    this.#file = file;
    this.mapping = mapping;
    this.backing = backing;
    this.#compressed = new CompressedClusters(file, header.geometry, header.compression, name);
    this.#clusterBytes = header.geometry.clusterBytes;
  }

  /** Fills `target` from `offset` of the disk; the range is checked by the caller. */
  read(offset: number, target: Uint8Array): void {
    const run = this.#run;
    for (let done = 0; done < target.length; done += run.length) {
      const at = offset + done;
      this.mapping.run(at, target.length - done, run);
      const piece = target.subarray(done, done + run.length);
      switch (run.kind) {
        case 'hole':
          readBacking(this.backing, at, piece);
          break;
        case 'zero':
          piece.fill(0);
          break;
        case 'data':
          // QEMU's last cluster may end with the file.
          readPadded(this.#file, run.host, piece);
          break;
        case 'compressed': {
          const inCluster = at % this.#clusterBytes;
          const cluster = this.#compressed.read(run.host, run.compressedBytes);
          piece.set(cluster.subarray(inCluster, inCluster + run.length));
        }
      }
    }
  }

  /** Whether the backing disk has bytes from `offset` on. */
  backingCovers(offset: number): boolean {
    return this.backing !== null && offset < this.backing.size;
  }

  /** The length of the range from `offset`, up to `limit`, that reads as zeros without looking at any data. */
  zeroLength(offset: number, limit: number): number {
    const run = this.#run;
    let length = 0;
    // Looking far ahead is a waste where the first cluster is data.
    for (let ahead = this.#clusterBytes; length < limit; ahead *= 2) {
      this.mapping.run(offset + length, Math.min(limit - length, ahead), run);
      const zero = run.kind === 'zero' || (run.kind === 'hole' && !this.backingCovers(offset + length));
      if (!zero) break;
      length += run.length;
    }
    return length;
  }
}
