import type { Emitter, I64 } from './emitter.ts';

/** Exchanges neighbouring groups of `width` bits; `low` selects the lower of each pair. */
export function swapNeighbours(e: Emitter, value: I64, width: number, low: bigint): I64 {
  const bound = e.bind(value);
  const raised = e.shl(e.and(bound, e.i64(low)), e.i64(width));
  return e.or(raised, e.and(e.shrU(bound, e.i64(width)), e.i64(low)));
}

/** Reverses the order of the bits in each byte. */
export function reverseInBytes(e: Emitter, value: I64): I64 {
  const pairs = swapNeighbours(e, value, 1, 0x5555555555555555n);
  const nibbles = swapNeighbours(e, pairs, 2, 0x3333333333333333n);
  return swapNeighbours(e, nibbles, 4, 0x0f0f0f0f0f0f0f0fn);
}

/** Reverses the order of the bytes. */
export function reverseBytes(e: Emitter, value: I64): I64 {
  const bytes = swapNeighbours(e, value, 8, 0x00ff00ff00ff00ffn);
  const halves = swapNeighbours(e, bytes, 16, 0x0000ffff0000ffffn);
  return e.rotl(halves, e.i64(32));
}

/** Reverses the order of all 64 bits. */
export const reverseBits = (e: Emitter, value: I64): I64 => reverseBytes(e, reverseInBytes(e, value));
