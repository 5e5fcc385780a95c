import { describe, expect, test } from 'vitest';
import { type Random, random, SEED } from '../support/random.ts';
import { makeSbiCalls, SBI_EXTENSION, SBI_GUEST, type SbiRequest } from '../support/sbi-calls.ts';
import { SBI_ERROR } from '../support/sbi-cases.ts';

const CALLS = 600;
const RUNS = [0, 1, 2, 3];
const HARTS = 2;
const LEGACY_MAX = 8;
/** What does not come back, however well it is asked for. */
const LEGACY_SHUTDOWN = 8n;
const [HART_STOP, HART_SUSPEND] = [1, 3];

const { HSM, SRST, SUSP } = SBI_EXTENSION;
const EXTENSIONS: readonly bigint[] = [
  ...Object.values(SBI_EXTENSION),
  ...Array.from({ length: LEGACY_MAX }, (_, id) => BigInt(id)),
  0x9n,
  0xdead_beefn,
];

function argument(numbers: Random): bigint {
  const { shared, idle } = SBI_GUEST;
  return numbers.pick([
    BigInt(numbers.below(64)),
    BigInt(numbers.below(4)),
    0n,
    -1n,
    // Memory beside the guest, in its place or almost; and where there is none.
    shared + BigInt(numbers.below(16) * 4096),
    shared + BigInt(numbers.below(0x1_0000)),
    idle,
    0x8100_0000n - BigInt(numbers.below(64)),
    0x3000_0000n,
    1n << BigInt(numbers.below(64)),
    0xf_0000n + BigInt(numbers.below(30)),
    0x2_0000n,
    numbers.next(),
  ]);
}

function request(numbers: Random): SbiRequest {
  for (;;) {
    const extension = numbers.pick(EXTENSIONS);
    const fn = numbers.below(10);
    const args = Array.from({ length: 6 }, () => argument(numbers));
    const ends =
      extension === LEGACY_SHUTDOWN ||
      (extension === HSM && (fn === HART_STOP || fn === HART_SUSPEND)) ||
      ((extension === SRST || extension === SUSP) && fn === 0);
    if (!ends) return { extension, fn, args };
  }
}

describe(`a supervisor that calls for anything (seed ${SEED})`, () => {
  test.each(RUNS)('run %d: each call is answered, and nothing else changes', (run) => {
    const numbers = random(SEED * 31 + run);
    const requests = Array.from({ length: CALLS }, () => request(numbers));
    // The guest itself compares the registers that a call must leave alone, and its code must still be whole to go on.
    const { answers } = makeSbiCalls(requests, { config: { harts: HARTS }, typed: 'x'.repeat(100) });
    const errors = new Set<bigint>(Object.values(SBI_ERROR));
    for (const [index, { error }] of answers.entries()) {
      const { extension } = requests[index]!;
      // A legacy call answers in a0 alone; that of the console may be a character.
      if (extension > BigInt(LEGACY_MAX)) expect(errors).toContain(error);
    }
    const succeeded = answers.filter(({ error }) => error === 0n).length;
    expect(succeeded).toBeGreaterThan(CALLS / 20);
    expect(succeeded).toBeLessThan(CALLS);
  });
});
