import type { Hart } from '../contracts/hart.ts';

const CSR = { mcountinhibit: 0x320, mcycle: 0xb00, minstret: 0xb02, menvcfg: 0x30a } as const;
const PROGRAMMABLE = Array.from({ length: 29 }, (_, index) => 3 + index);

/** In the order in which they are put back: the counters last, so that what selects their events does not disturb them. */
const KEPT: readonly number[] = [
  CSR.menvcfg,
  CSR.mcountinhibit,
  ...PROGRAMMABLE.map((counter) => CSR.mcountinhibit + counter),
  CSR.mcycle,
  CSR.minstret,
  ...PROGRAMMABLE.map((counter) => CSR.mcycle + counter),
];

/**
 * A hart loses its registers in a non-retentive suspension, but not what its SBI implementation has set up for the
 * supervisor: counters and features (SBI 3.0, chapters 11 and 18). Returns what puts them back.
 */
export function keepRegisters(hart: Hart): () => void {
  const values = KEPT.map((number) => [number, hart.readCsr(number)] as const);
  return () => {
    for (const [number, value] of values) if (value !== undefined) hart.writeCsr(number, value);
  };
}
