/** A seeded generator for random tests: the seed alone replays a failure. Take it from `SEED` and print it. */
export interface Random {
  /** 64 random bits. */
  next(): bigint;
  /** An integer from 0 to less than `n`, `n` below 2^32. */
  below(n: number): number;
  pick<T>(values: readonly T[]): T;
}

/** SEED of the environment, or the fixed default of CI runs. */
export const SEED = Number(process.env['SEED'] ?? 20240607);

/** Xorshift64: fast enough in BigInt, and the same on every host. */
export function random(seed: number): Random {
  let state = BigInt.asUintN(64, BigInt(seed) * 0x9e3779b97f4a7c15n) || 1n;
  const next = (): bigint => {
    state = BigInt.asUintN(64, state ^ (state << 13n));
    state ^= state >> 7n;
    state = BigInt.asUintN(64, state ^ (state << 17n));
    return state;
  };
  // The upper bits: xorshift's lowest are its weakest.
  const below = (n: number): number => Number(next() >> 24n) % n;
  for (let i = 0; i < 8; i++) next(); // Small seeds start with few bits set.
  return { next, below, pick: (values) => values[below(values.length)]! };
}
