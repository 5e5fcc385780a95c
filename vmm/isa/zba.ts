import type { Emitter, I64 } from './emitter.ts';
import { entriesOf, type Instruction } from './instruction.ts';

const entry = entriesOf('Zba');

/** Zba (unprivileged, "Zba: Address generation"). */
export const ZBA: readonly Instruction[] = [
  entry('add.uw', 'R', 0x0800003b, 'Adds the zero-extended low 32 bits of rs1 to rs2.', (e) =>
    e.setX('rd', e.add(e.x('rs2'), lowWord(e))),
  ),
  entry(
    'slli.uw',
    'shift6',
    0x0800101b,
    'Shifts the zero-extended low 32 bits of rs1 left by an immediate.',
    (e) => e.setX('rd', e.shl(lowWord(e), e.imm())),
  ),
  ...shiftAdd(1, 0x20002033, 0x2000203b),
  ...shiftAdd(2, 0x20004033, 0x2000403b),
  ...shiftAdd(3, 0x20006033, 0x2000603b),
];

function lowWord(e: Emitter): I64 {
  return e.and(e.x('rs1'), e.i64(0xffffffff));
}

function shiftAdd(amount: number, match: number, matchWord: number): Instruction[] {
  const semantics = (index: (e: Emitter) => I64) => (e: Emitter) =>
    e.setX('rd', e.add(e.x('rs2'), e.shl(index(e), e.i64(amount))));
  return [
    entry(
      `sh${amount}add`,
      'R',
      match,
      `Shifts rs1 left by ${amount} and adds rs2.`,
      semantics((e) => e.x('rs1')),
    ),
    entry(
      `sh${amount}add.uw`,
      'R',
      matchWord,
      `Shifts the zero-extended low 32 bits of rs1 left by ${amount} and adds rs2.`,
      semantics(lowWord),
    ),
  ];
}
