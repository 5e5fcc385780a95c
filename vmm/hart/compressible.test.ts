import { expect, it } from 'vitest';
import { decode } from '../isa/decode.ts';
import { COMPRESSIBLE } from './compressible.ts';

it('lists exactly the instructions that some 16-bit encoding stands for', () => {
  const found = new Set<string>();
  for (let raw = 0; raw < 0x10000; raw++) {
    if ((raw & 3) === 3) continue;
    const decoded = decode(raw);
    if (decoded !== undefined) found.add(decoded.instruction.name);
  }
  expect([...found].sort()).toEqual([...COMPRESSIBLE].sort());
});
