import { broughtBy, entriesOf, type Instruction } from './instruction.ts';
import { compareAndSwap, readModifyWrite } from './read-modify-write.ts';

const entry = entriesOf('Zabha');

/** Zabha (unprivileged, "Zabha" Extension for Byte and Halfword Atomic Memory Operations). */
export const ZABHA: readonly Instruction[] = [
  ...readModifyWrite(entry, ['8', '16']),
  ...compareAndSwap(entry, ['8', '16']).map((each) => broughtBy(each, ['Zabha', 'Zacas'])),
];
