/** A seeded generator for random tests: the seed alone replays a failure. Take it from `SEED` and print it. */
export interface Random {
  /** 64 random bits. */
  next(): bigint;
  /** An integer from 0 to less than `n`, `n` up to 2^32. */
  below(n: number): number;
  pick<T>(values: readonly T[]): T;
}

/** SEED of the environment, or the fixed default of CI runs. */
export const SEED = Number(process.env['SEED'] ?? 20240607);

/** The generator sfc32 (Doty-Humphrey's PractRand): 32-bit arithmetic only, so the same and fast on every host. */
export function random(seed: number): Random {
  let [a, b, c, counter] = [seed | 0, Math.floor(seed / 2 ** 32) | 0, 0x2545f491, 1];
  const word = (): number => {
    const result = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + result) | 0;
    return result >>> 0;
  };
  for (let i = 0; i < 12; i++) word(); // Near seeds have drifted apart by then.
  const below = (n: number): number => word() % n;
  return {
    next: () => (BigInt(word()) << 32n) | BigInt(word()),
    below,
    pick: (values) => values[below(values.length)]!,
  };
}
