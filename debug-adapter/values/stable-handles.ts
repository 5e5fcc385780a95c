/** Stops after which a path that was not asked for again is forgotten, so that a long session stays small. */
const STOPS_KEPT = 16;

/** Handles are 31 bits wide (DAP, `variablesReference`); fewer exist at a time, and numbers are never used twice. */
const HANDLES_MAX = 2 ** 31 - 1;

/**
 * Numbers for values that a client expands. The same path (`0/locals/page/next`) has the same number at every stop, so
 * that a client keeps its tree open while the values change. After `newStop` a number leads nowhere until its path
 * is given a value again: a value of an earlier stop is never shown.
 */
export class StableHandles<T> {
  readonly #byPath = new Map<string, Entry<T>>();
  readonly #byHandle = new Map<number, Entry<T>>();
  #next = 1;
  #stop = 0;

  /** The number of `path`, which now stands for `value`. */
  get(path: string, value: T): number {
    let entry = this.#byPath.get(path);
    if (entry === undefined) {
      if (this.#next > HANDLES_MAX)
        throw new Error('assertion failed: more variable handles than DAP can name');
      entry = { path, handle: this.#next, value, stop: this.#stop };
      this.#next += 1;
      this.#byPath.set(path, entry);
      this.#byHandle.set(entry.handle, entry);
    }
    entry.value = value;
    entry.stop = this.#stop;
    return entry.handle;
  }

  /** The value given to the number since the last stop. */
  lookup(handle: number): T | undefined {
    const entry = this.#byHandle.get(handle);
    return entry?.stop === this.#stop ? entry.value : undefined;
  }

  /** The path a number stands for, also of earlier stops. */
  pathOf(handle: number): string | undefined {
    return this.#byHandle.get(handle)?.path;
  }

  /** The machine stopped anew: all values are out of date, while the numbers keep their paths. */
  newStop(): void {
    this.#stop += 1;
    for (const entry of this.#byPath.values()) {
      if (this.#stop - entry.stop <= STOPS_KEPT) continue;
      this.#byPath.delete(entry.path);
      this.#byHandle.delete(entry.handle);
    }
  }
}

interface Entry<T> {
  readonly path: string;
  readonly handle: number;
  value: T;
  stop: number;
}
