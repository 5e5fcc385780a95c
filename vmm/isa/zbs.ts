import type { Emitter, I64 } from './emitter.ts';
import { entriesOf, type Instruction } from './instruction.ts';

const entry = entriesOf('Zbs');

/** Zbs (unprivileged, "Zbs: Single-bit instructions"). The bit's number is taken modulo 64. */
export const ZBS: readonly Instruction[] = [
  ...pair('bclr', 0x48001033, 0x48001013, 'Clears one bit of rs1', (e, a, n) =>
    e.and(a, e.xor(bit(e, n), e.i64(-1))),
  ),
  ...pair('bext', 0x48005033, 0x48005013, 'Extracts one bit of rs1', (e, a, n) =>
    e.and(e.shrU(a, n), e.i64(1)),
  ),
  ...pair('binv', 0x68001033, 0x68001013, 'Inverts one bit of rs1', (e, a, n) => e.xor(a, bit(e, n))),
  ...pair('bset', 0x28001033, 0x28001013, 'Sets one bit of rs1', (e, a, n) => e.or(a, bit(e, n))),
];

function bit(e: Emitter, number: I64): I64 {
  return e.shl(e.i64(1), number);
}

/** The register and the immediate form. */
function pair(
  name: string,
  match: number,
  matchImmediate: number,
  does: string,
  operation: (e: Emitter, a: I64, number: I64) => I64,
): Instruction[] {
  return [
    entry(name, 'R', match, `${does}, numbered by rs2.`, (e) =>
      e.setX('rd', operation(e, e.x('rs1'), e.x('rs2'))),
    ),
    entry(`${name}i`, 'shift6', matchImmediate, `${does}, numbered by an immediate.`, (e) =>
      e.setX('rd', operation(e, e.x('rs1'), e.imm())),
    ),
  ];
}
