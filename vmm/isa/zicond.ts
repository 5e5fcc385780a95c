import { entriesOf, type Instruction } from './instruction.ts';

const entry = entriesOf('Zicond');

/** Zicond (unprivileged, "Zicond" Extension for Integer Conditional Operations). */
export const ZICOND: readonly Instruction[] = [
  entry('czero.eqz', 'R', 0x0e005033, 'Zero if rs2 is zero, else rs1.', (e) =>
    e.setX('rd', e.select(e.eqz(e.x('rs2')), e.i64(0), e.x('rs1'))),
  ),
  entry('czero.nez', 'R', 0x0e007033, 'Zero if rs2 is not zero, else rs1.', (e) =>
    e.setX('rd', e.select(e.eqz(e.x('rs2')), e.x('rs1'), e.i64(0))),
  ),
];
