export interface Interval<T> {
  readonly start: bigint;
  readonly end: bigint;
  readonly value: T;
}

/**
 * Finds the interval that holds an address, in logarithmic time. Where intervals overlap (which only odd linker
 * scripts and damaged files bring about) the one that starts last wins, among the `NESTED_MAX` before the address.
 */
export class RangeMap<T> {
  readonly intervals: readonly Interval<T>[];

  constructor(intervals: readonly Interval<T>[]) {
    this.intervals = [...intervals].sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
  }

  find(address: bigint): Interval<T> | undefined {
    let low = 0;
    let high = this.intervals.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.intervals[middle]!.start <= address) low = middle + 1;
      else high = middle;
    }
    for (let index = low - 1; index >= 0 && index >= low - NESTED_MAX; index -= 1) {
      const interval = this.intervals[index]!;
      if (address < interval.end) return interval;
    }
    return undefined;
  }
}

const NESTED_MAX = 32;

/** The lower of two addresses. */
export function lower(a: bigint, b: bigint): bigint {
  if (a < b) return a;
  return b;
}

/** The higher of two addresses. */
export function higher(a: bigint, b: bigint): bigint {
  if (a > b) return a;
  return b;
}
