import { badImage } from '../errors.ts';

/** Clusters whose counts lie together; where no cluster is counted, no memory is used. */
const CHUNK = 4096;
/** 256 MiB of counts: 8 TiB of file with clusters of 64 KiB. */
const CHUNKS_MAX = 32768;
const COUNT_MAX = 65535;

/** How often each cluster of a file is referred to. */
export class ClusterCounts {
  readonly #chunks = new Map<number, Uint16Array>();
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  /** @throws VmError `bad-file` when there is more to count than any sane image has. */
  add(cluster: number, times: number): void {
    const index = Math.floor(cluster / CHUNK);
    let chunk = this.#chunks.get(index);
    if (chunk === undefined) {
      if (this.#chunks.size >= CHUNKS_MAX)
        throw badImage(this.#name, 'has too many clusters to check them here');
      this.#chunks.set(index, (chunk = new Uint16Array(CHUNK)));
    }
    const count = chunk[cluster % CHUNK]! + times;
    if (count > COUNT_MAX) throw badImage(this.#name, `cluster ${cluster} is referred to too often`);
    chunk[cluster % CHUNK] = count;
  }

  get(cluster: number): number {
    return this.#chunks.get(Math.floor(cluster / CHUNK))?.[cluster % CHUNK] ?? 0;
  }

  /** Calls `each` with every cluster that is referred to. */
  forEach(each: (cluster: number, count: number) => void): void {
    for (const [index, chunk] of this.#chunks) {
      for (let i = 0; i < CHUNK; i++) if (chunk[i] !== 0) each(index * CHUNK + i, chunk[i]!);
    }
  }
}
