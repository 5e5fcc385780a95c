import type { Emitter, ReservationWidth } from './emitter.ts';
import { entriesOf, type Instruction } from './instruction.ts';
import { readModifyWrite } from './read-modify-write.ts';

const entry = entriesOf('A');

/**
 * A (unprivileged, "A" Extension for Atomic Instructions). The aq and rl bits ask for an order that every
 * access has here anyway: harts take turns.
 */
export const A: readonly Instruction[] = [
  entry(
    'lr.w',
    'lr',
    0x1000202f,
    'Loads 32 bits, sign-extended, and reserves them for sc.w.',
    loadReserved('32'),
  ),
  entry('lr.d', 'lr', 0x1000302f, 'Loads 64 bits and reserves them for sc.d.', loadReserved('64')),
  entry(
    'sc.w',
    'amo',
    0x1800202f,
    'Stores 32 bits if the reservation holds; rd is 0 on success.',
    storeConditional('32'),
  ),
  entry(
    'sc.d',
    'amo',
    0x1800302f,
    'Stores 64 bits if the reservation holds; rd is 0 on success.',
    storeConditional('64'),
  ),
  ...readModifyWrite(entry, ['32', '64']),
];

function loadReserved(width: ReservationWidth) {
  return (e: Emitter) => e.setX('rd', e.loadReserved(width, e.x('rs1')));
}

function storeConditional(width: ReservationWidth) {
  return (e: Emitter) => e.setX('rd', e.storeConditional(width, e.x('rs1'), e.x('rs2')));
}
