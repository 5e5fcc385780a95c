import { compressedEntriesOf, expandTo } from './compressed-entries.ts';
import { type CompressedInstruction, entriesOf, type Instruction } from './instruction.ts';

const entry = entriesOf('Zimop');
const compressed = compressedEntriesOf('Zcmop');

const numbers = (count: number): number[] => Array.from({ length: count }, (_, number) => number);

/** Zimop (unprivileged, "Zimop" Extension for May-Be-Operations). The bits of a number are spread over the encoding. */
export const ZIMOP: readonly Instruction[] = [
  ...numbers(32).map((n) =>
    entry(
      `mop.r.${n}`,
      'unary',
      0x81c04073 | ((n >> 4) << 30) | (((n >> 2) & 3) << 26) | ((n & 3) << 20),
      'Writes zero to rd; a later extension may make it an operation on rs1.',
      (e) => e.setX('rd', e.i64(0)),
    ),
  ),
  ...numbers(8).map((n) =>
    entry(
      `mop.rr.${n}`,
      'R',
      0x82004073 | ((n >> 2) << 30) | ((n & 3) << 26),
      'Writes zero to rd; a later extension may make it an operation on rs1 and rs2.',
      (e) => e.setX('rd', e.i64(0)),
    ),
  ),
];

/** Zcmop ("Zcmop" Compressed May-Be-Operations Extension), in what c.lui with an immediate of zero leaves. */
export const ZCMOP: readonly CompressedInstruction[] = numbers(8).map((index) => {
  const n = 2 * index + 1;
  return compressed(
    `c.mop.${n}`,
    '',
    0x6001 | (n << 7),
    0xffff,
    undefined,
    `Does nothing; a later extension may make it an operation on x${n}.`,
    () => expandTo('addi', {}),
  );
});
