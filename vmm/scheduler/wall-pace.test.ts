import { describe, expect, test } from 'vitest';
import { WallPace } from './wall-pace.ts';

const MS = 1_000_000;

/** A pace whose clocks are tied at step 1000 and host time 5 ms. */
function pace(): WallPace {
  const result = new WallPace();
  result.start(5 * MS, 1000n);
  return result;
}

describe('the wall clock’s pace', () => {
  test('a machine that waits may catch up to the host', () => {
    expect(pace().behind(7 * MS, 1500n, null)).toBe(BigInt(2 * MS) + 1000n - 1500n);
  });

  test('but not past its deadline', () => {
    expect(pace().behind(7 * MS, 1500n, 2000n)).toBe(500n);
  });

  test('and one that is ahead goes nowhere', () => {
    expect(pace().behind(5 * MS, 1500n, null)).toBe(0n);
    expect(pace().behind(5 * MS, 1500n, 1200n)).toBe(0n);
  });

  test('a deadline is as far off as the host’s clock says', () => {
    expect(pace().untilNs(6 * MS, 1000n + BigInt(3 * MS))).toBe(2 * MS);
    expect(pace().untilNs(9 * MS, 1000n + BigInt(3 * MS))).toBe(0);
  });

  test('a busy machine rests only when it leads by more than people notice', () => {
    expect(pace().restNs(5 * MS, 1000n + BigInt(4 * MS))).toBe(0);
    expect(pace().restNs(5 * MS, 1000n + BigInt(9 * MS))).toBe(9 * MS);
    expect(pace().restNs(50 * MS, 1000n)).toBe(0);
  });
});
