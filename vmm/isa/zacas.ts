import { entriesOf, type Instruction } from './instruction.ts';
import { AMOCAS, compareAndSwap } from './read-modify-write.ts';

const entry = entriesOf('Zacas');

/** Zacas (unprivileged, "Zacas" Extension for Atomic Compare-and-Swap Instructions). */
export const ZACAS: readonly Instruction[] = [
  ...compareAndSwap(entry, ['32', '64']),
  entry(
    'amocas.q',
    'amo-pair',
    AMOCAS | 0x402f,
    'Atomically stores rs2 and the register after it if 128 bits of memory equal rd and the register after it; these get the old value.',
    (e) => e.leave('amocas.q'),
  ),
];
