import { entriesOf, type Instruction } from './instruction.ts';

const entry = entriesOf('Zawrs');

/**
 * Zawrs (unprivileged, "Zawrs" Extension for Wait-on-Reservation-Set instructions). A stall may end for any reason, and
 * ends at once: other harts store when this one's turn is over.
 */
export const ZAWRS: readonly Instruction[] = [
  entry(
    'wrs.nto',
    'none',
    0x00d00073,
    'Waits until the reservation is lost or an interrupt is pending.',
    (e) => e.leave('wrs.nto'),
  ),
  entry(
    'wrs.sto',
    'none',
    0x01d00073,
    'Waits until the reservation is lost or an interrupt is pending, but not for long.',
    () => {},
  ),
];
