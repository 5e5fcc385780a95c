import type { Emitter, I64 } from './emitter.ts';
import { entriesOf, type Instruction } from './instruction.ts';

const entry = entriesOf('Zbkx');

/** Zbkx (unprivileged, "Zbkx: Crossbar permutations"). */
export const ZBKX: readonly Instruction[] = [
  entry(
    'xperm4',
    'R',
    0x28002033,
    'Replaces each 4 bits of rs2, which number 4 bits of rs1, by these.',
    (e) => e.setX('rd', permute(e, 4)),
  ),
  entry(
    'xperm8',
    'R',
    0x28004033,
    'Replaces each byte of rs2, which numbers a byte of rs1, by that, or by zero if there is none.',
    (e) => e.setX('rd', permute(e, 8)),
  ),
];

function permute(e: Emitter, width: 4 | 8): I64 {
  const [table, numbers] = [e.bind(e.x('rs1')), e.bind(e.x('rs2'))];
  const mask = e.i64((1 << width) - 1);
  let result = e.i64(0);
  for (let at = 0; at < 64; at += width) {
    const number = e.bind(e.and(e.shrU(numbers, e.i64(at)), mask));
    const found = e.and(e.shrU(table, e.shl(number, e.i64(Math.log2(width)))), mask);
    // Four bits number all sixteen places; of a byte's numbers most name nothing.
    const value = width === 4 ? found : e.select(e.ltU(number, e.i64(64 / width)), found, e.i64(0));
    result = e.or(result, e.shl(value, e.i64(at)));
  }
  return result;
}
