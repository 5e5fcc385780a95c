import { describe, expect, test } from 'vitest';
import type { WalkAnswer } from './messages.ts';
import { addressFields, pageSizeText } from './walk-model.ts';

function walk(mode: WalkAnswer['mode'], address: string, leafLevel: number, top: number): WalkAnswer {
  const levels = [];
  for (let level = top; level >= leafLevel; level -= 1) {
    const leaf = level === leafLevel;
    levels.push({
      level,
      table: '0x0',
      index: 0,
      pteAddress: '0x0',
      pte: '0x0',
      flags: 'V',
      target: '0x0',
      leaf,
    });
  }
  return { mode, address, levels };
}

/** `name high:low=value` of each field. */
const check = (answer: WalkAnswer): string =>
  addressFields(answer)
    .map(({ name, high, low, value }) => `${name} ${high}:${low}=0x${value.toString(16)}`)
    .join(', ');

describe('the fields of a virtual address', () => {
  test('Sv39, 4 KiB page in the upper half', () => {
    expect(check(walk('Sv39', '0xffffffc080201abc', 0, 2))).toBe(
      'sign 63:39=0x1ffffff, VPN[2] 38:30=0x102, VPN[1] 29:21=0x1, VPN[0] 20:12=0x1, offset 11:0=0xabc',
    );
  });
  test('Sv39, 1 GiB leaf: the rest is offset', () => {
    expect(check(walk('Sv39', '0x80201abc', 2, 2))).toBe(
      'sign 63:39=0x0, VPN[2] 38:30=0x2, offset 29:0=0x201abc',
    );
  });
  test('Sv48 and Sv57 have one and two levels more', () => {
    expect(addressFields(walk('Sv48', '0x0', 0, 3)).map(({ level }) => level)).toEqual([
      undefined,
      3,
      2,
      1,
      0,
      undefined,
    ]);
    expect(check(walk('Sv57', '0x0123456789abcdef', 4, 4))).toBe(
      'sign 63:57=0x0, VPN[4] 56:48=0x123, offset 47:0=0x456789abcdef',
    );
  });
  test('a walk that ended at an invalid entry still shows every VPN', () => {
    const answer = walk('Sv39', '0x1000', 2, 2);
    const [level] = answer.levels;
    expect(addressFields({ ...answer, levels: [{ ...level!, leaf: false }] })).toHaveLength(5);
  });
  test('Bare has no fields', () => {
    expect(check({ mode: 'Bare', address: '0x80000000', levels: [] })).toBe(
      'physical address 63:0=0x80000000',
    );
  });
});

test.each([
  [4096, '4 KiB'],
  [2 ** 21, '2 MiB'],
  [2 ** 30, '1 GiB'],
  [2 ** 39, '512 GiB'],
  [2 ** 48, '256 TiB'],
])('a page of %d bytes is %s', (bytes, text) => {
  expect(pageSizeText(bytes)).toBe(text);
});
