import { entriesOf, hint, type Instruction } from './instruction.ts';

const entry = entriesOf('Zihintpause');

/** Zihintpause (unprivileged, "Zihintpause" Extension for Pause Hint): a fence that orders nothing. */
export const ZIHINTPAUSE: readonly Instruction[] = [
  hint(
    'fence',
    entry('pause', 'none', 0x0100000f, 'A hint that this hart waits in a loop.', () => {}),
  ),
];
