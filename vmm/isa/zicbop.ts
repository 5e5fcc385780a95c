import { entriesOf, hint, type Instruction } from './instruction.ts';

const entry = entriesOf('Zicbop');

/** Zicbop (unprivileged, "Cache-Block Prefetch Instructions"): hints among the encodings of ori to x0. */
export const ZICBOP: readonly Instruction[] = [
  prefetch('i', 0, 'executed'),
  prefetch('r', 1, 'read'),
  prefetch('w', 3, 'written'),
];

function prefetch(letter: string, operation: number, use: string): Instruction {
  const description = `A hint that the cache block of an address will be ${use} soon.`;
  return hint(
    'ori',
    entry(`prefetch.${letter}`, 'prefetch', 0x00006013 | (operation << 20), description, () => {}),
  );
}
