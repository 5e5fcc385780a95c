import type { Random } from '../support/random.ts';
import type { Context } from './random-context.ts';
import { BUFFER_SIZE, HOLE_ADDRESS, type SequenceState, UNMAPPED_ADDRESS } from './sequence-records.ts';

/** What a sequence starts with. `buffer` is the address of its memory. */
export function initialState(context: Context, buffer: number): SequenceState {
  const { random } = context;
  const x = Array.from({ length: 32 }, () => randomInteger(random));
  for (const { register, offset } of context.pointers) x[register] = BigInt(buffer + offset);
  x[context.hole] = random.below(2) ? HOLE_ADDRESS : UNMAPPED_ADDRESS;
  x[context.counter] = 1n + BigInt(random.below(4));
  const words = new BigUint64Array(BUFFER_SIZE / 8).map(() =>
    random.below(2) ? random.next() : randomFloat(random),
  );
  const frm = random.below(12) === 0 ? 5 + random.below(3) : random.below(5);
  return {
    fcsr: (frm << 5) | (random.below(3) === 0 ? random.below(32) : 0),
    x,
    f: Array.from({ length: 32 }, () => randomFloat(random)),
    buffer: new Uint8Array(words.buffer),
    sscratch: random.next(),
    fs: random.below(40) === 0 ? 0 : 3,
    environment: { machine: cacheBlocks(random), supervisor: cacheBlocks(random) },
  };
}

/** Mostly all allowed. CBIE (bits 5 and 4) is 0, 1 or 3. */
const cacheBlocks = (random: Random): number =>
  random.below(4) > 0 ? 0xf0 : random.pick([0, 0x10, 0x30]) | random.pick([0, 0x40, 0x80, 0xc0]);

/** Full range, small, near a power of two, or a sign-extended word. */
function randomInteger(random: Random): bigint {
  const value = random.next();
  switch (random.below(5)) {
    case 0:
      return BigInt.asUintN(64, BigInt(random.below(32) - 16));
    case 1:
      return BigInt.asUintN(64, (1n << BigInt(random.below(64))) + BigInt(random.below(3) - 1));
    case 2:
      return BigInt.asUintN(64, BigInt.asIntN(32, value));
    default:
      return value;
  }
}

const BOXED = 0xffff_ffff_0000_0000n;
const BOXED_HALF = 0xffff_ffff_ffff_0000n;

/** A double or a NaN-boxed single or half, special or near one in magnitude or any; or one that is not boxed properly. */
function randomFloat(random: Random): bigint {
  const value = random.next();
  const sign = value & (1n << 63n);
  // The upper 16 bits of: 0, 1, infinity, NaN, the smallest normal, nearly the largest, 2^63, 2^31.
  const double = BigInt(random.pick([0, 0x3ff0, 0x7ff0, 0x7ff8, 0x0010, 0x7fef, 0x43e0, 0x41e0]));
  const single = BigInt(random.pick([0, 0x3f80, 0x7f80, 0x7fc0, 0x0080, 0x7f7f, 0x5f00, 0x4f00]));
  switch (random.below(10)) {
    case 0:
      return sign | (double << 48n) | BigInt(random.below(2));
    case 1:
      return BOXED | (sign >> 32n) | (single << 16n) | BigInt(random.below(2));
    case 2:
    case 3:
      return sign | (BigInt(0x3ff + random.below(80) - 40) << 52n) | (value & 0xf_ffff_ffff_ffffn);
    case 4:
    case 5:
      return BOXED | (sign >> 32n) | (BigInt(0x7f + random.below(60) - 30) << 23n) | (value & 0x7f_ffffn);
    case 7:
      // Its exponent has few values: all are likely, the special ones too.
      return BOXED_HALF | (value & 0xffffn);
    case 8: {
      const half = BigInt(random.pick([0, 0x3c00, 0x7c00, 0x7e00, 0x0400, 0x7bff, 0x7801]));
      return BOXED_HALF | (sign >> 48n) | (half ^ BigInt(random.below(2)));
    }
    case 6:
      return BOXED | (value & 0xffff_ffffn);
    default:
      return value;
  }
}
