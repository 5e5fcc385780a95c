import { badImage } from '../errors.ts';

/**
 * Which clusters hold metadata. No guest's data is ever written to them, whatever an L2 entry says, and none of them is given
 * to anything else, whatever its refcount says.
 */
export class MetadataMap {
  readonly #clusters = new Set<number>();
  readonly #clusterBytes: number;
  readonly #name: string;

  constructor(clusterBytes: number, name: string) {
    this.#clusterBytes = clusterBytes;
    this.#name = name;
  }

  /** Adds what lies at [offset, +bytes). Throws `VmError('bad-file')` where other metadata lies already. */
  add(offset: number, bytes: number, what: string): void {
    const first = offset / this.#clusterBytes;
    const end = Math.ceil((offset + bytes) / this.#clusterBytes);
    for (let cluster = first; cluster < end; cluster++) {
      if (!Number.isInteger(cluster) || this.#clusters.has(cluster)) {
        const place = `0x${offset.toString(16)}`;
        throw badImage(
          this.#name,
          `${what} at ${place} overlaps other metadata; see 'qemu-img check', or open it read-only`,
        );
      }
      this.#clusters.add(cluster);
    }
  }

  has(cluster: number): boolean {
    return this.#clusters.has(cluster);
  }

  delete(offset: number, bytes: number): void {
    const end = Math.ceil((offset + bytes) / this.#clusterBytes);
    for (let cluster = offset / this.#clusterBytes; cluster < end; cluster++) this.#clusters.delete(cluster);
  }
}
