import { describe, expect, test } from 'vitest';
import { INTERACTIVE_STEPS_MAX, SLICE_STEPS_MAX, Slices } from './slices.ts';

/** Steps of the slices that a guest gets whose steps take `stepNs`, from a fresh start. */
function slicesOf(stepNs: number, count: number, slices = new Slices(SLICE_STEPS_MAX)): number[] {
  return Array.from({ length: count }, () => {
    const { steps } = slices;
    slices.used(steps * stepNs);
    return steps;
  });
}

describe('slices', () => {
  test('a fast guest soon gets the most steps, and no more', () => {
    expect(slicesOf(2, 10)).toEqual([
      1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 100_000, 100_000, 100_000,
    ]);
  });

  test('a guest that a person may pause gets fewer', () => {
    expect(slicesOf(2, 6, new Slices(INTERACTIVE_STEPS_MAX))).toEqual([
      1000, 2000, 4000, 8000, 10_000, 10_000,
    ]);
  });

  test('a slow guest gets a millisecond', () => {
    expect(slicesOf(100, 6)).toEqual([1000, 2000, 4000, 8000, 10_000, 10_000]);
  });

  test('a guest that turns slow gets less at once', () => {
    const slices = new Slices(SLICE_STEPS_MAX);
    slicesOf(2, 20, slices);
    expect(slicesOf(500, 3, slices)).toEqual([100_000, 2000, 2000]);
  });

  test('the slowest guest still gets a thousand', () => {
    expect(slicesOf(1_000_000, 3)).toEqual([1000, 1000, 1000]);
  });

  test('a clock too coarse to see a slice is no reason to stop', () => {
    expect(slicesOf(0, 3)).toEqual([1000, 2000, 4000]);
  });
});
