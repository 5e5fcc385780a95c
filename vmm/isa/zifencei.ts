import { entriesOf, type Instruction } from './instruction.ts';

const entry = entriesOf('Zifencei');

/** Zifencei (unprivileged, "Zifencei" Extension). */
export const ZIFENCEI: readonly Instruction[] = [
  entry(
    'fence.i',
    'fence.i',
    0x0000100f,
    "Makes this hart's later instruction fetches see its earlier stores.",
    (e) => e.leave('fence.i'),
  ),
];
