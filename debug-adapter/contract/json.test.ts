import { expect, test } from 'vitest';
import { toJson } from './json.ts';

test('64-bit quantities are 0x strings, bytes base64, at any depth', () => {
  const value = {
    a: 0xffff_ffff_ffff_ffffn,
    b: [0n, { c: Uint8Array.of(1, 2, 3) }],
    d: null,
    e: 'x',
    f: -1n,
  };
  const json = toJson(value);
  expect(json).toEqual({ a: '0xffffffffffffffff', b: ['0x0', { c: 'AQID' }], d: null, e: 'x', f: '-0x1' });
  expect(JSON.parse(JSON.stringify(json))).toEqual(json);
});
