import { ENVIRONMENT } from './environment.ts';
import { entriesOf, type Instruction } from './instruction.ts';

const entry = entriesOf('Zicboz');

/** Zicboz (unprivileged, "Cache-Block Zero Instructions"). */
export const ZICBOZ: readonly Instruction[] = [
  entry(
    'cbo.zero',
    'cache-block',
    0x0040200f,
    'Stores zeros to the cache block that holds an address.',
    (e) => {
      e.requireEnvironment(ENVIRONMENT.CBZE);
      e.zeroBlock(e.x('rs1'));
    },
  ),
];
