import { reverseBits } from './bit-groups.ts';
import type { Emitter, I64 } from './emitter.ts';
import { entriesOf, type Instruction } from './instruction.ts';

const entry = entriesOf('Zbc');

/** Zbc (unprivileged, "Zbc: Carry-less multiplication"). */
export const ZBC: readonly Instruction[] = [
  entry(
    'clmul',
    'R',
    0x0a001033,
    'Multiplies without carries; rd gets the low 64 bits of the product.',
    (e) => e.setX('rd', lowProduct(e, e.bind(e.x('rs1')), e.bind(e.x('rs2')))),
  ),
  entry(
    'clmulh',
    'R',
    0x0a003033,
    'Multiplies without carries; rd gets the high 64 bits of the product.',
    (e) => e.setX('rd', e.shrU(reversedProduct(e), e.i64(1))),
  ),
  entry(
    'clmulr',
    'R',
    0x0a002033,
    'Multiplies without carries; rd gets bits 126 to 63 of the product.',
    (e) => e.setX('rd', reversedProduct(e)),
  ),
];

/** A product has no carries: that of the reversed factors is the reversed product. */
function reversedProduct(e: Emitter): I64 {
  const [a, b] = [e.bind(reverseBits(e, e.x('rs1'))), e.bind(reverseBits(e, e.x('rs2')))];
  return reverseBits(e, lowProduct(e, a, b));
}

/** Every fourth bit, starting at bit 0. */
const EVERY_FOURTH = 0x1111111111111111n;
const PARTS = [0, 1, 2, 3] as const;

/**
 * By integer multiplications. A factor in parts that each have every fourth bit only leaves three bits of room in
 * front of each bit of a product: at most 16 ones are added up there, and 16 only at the top, where the carry is lost.
 */
function lowProduct(e: Emitter, a: I64, b: I64): I64 {
  const part = (value: I64, index: number): I64 => e.bind(e.and(value, e.i64(EVERY_FOURTH << BigInt(index))));
  const [as, bs] = [PARTS.map((index) => part(a, index)), PARTS.map((index) => part(b, index))];
  const columns = PARTS.map((column) => {
    const products = PARTS.map((index) => e.mul(as[index]!, bs[(column - index) & 3]!));
    const sum = products.reduce((all, product) => e.xor(all, product));
    return e.and(sum, e.i64(EVERY_FOURTH << BigInt(column)));
  });
  return columns.reduce((all, column) => e.or(all, column));
}
