import { describe, expect, test } from 'vitest';
import { random, SEED } from '../../test/support/random.ts';
import { decodeValue, encodeValue } from './values.ts';

const VALUES: readonly unknown[] = [
  ...[null, true, false, 0, -0, 1, 127, 128, -1, 0.5, 2 ** 32, Number.MAX_SAFE_INTEGER, -(2 ** 53)],
  ...[2 ** 60, Number.POSITIVE_INFINITY, Number.NaN, 0n, 1n, -1n, (1n << 64n) - 1n, -(1n << 63n), 1n << 200n],
  ...['', 'text', 'größer', new Uint8Array(0), Uint8Array.of(1, 2, 255), [], [1, [2n, ['x']]], {}],
  { version: 1, nested: { a: [null, { b: Uint8Array.of(9) }] }, big: -5n },
  JSON.parse('{"__proto__": 1, "constructor": 2}'),
];

describe('values as bytes', () => {
  test.each(VALUES.map((value) => [value]))('%o comes back', (value) => {
    expect(decodeValue(encodeValue(value), 'it')).toEqual(value);
  });

  test('fields that are not there are not written', () => {
    expect(decodeValue(encodeValue({ a: undefined, b: 1 }), 'it')).toEqual({ b: 1 });
  });

  test('what is no state is our own mistake', () => {
    expect(() => encodeValue(() => {})).toThrow(TypeError);
    const loop: unknown[] = [];
    loop.push(loop);
    expect(() => encodeValue(loop)).toThrow(/nested/);
  });

  test('no bytes are more than a value or a clear error', () => {
    const source = random(SEED);
    const whole = encodeValue(VALUES.at(-2));
    for (let round = 0; round < 20_000; round++) {
      const bytes = whole.slice(0, source.below(2) === 0 ? whole.length : source.below(whole.length));
      for (let count = source.below(4); count > 0 && bytes.length > 0; count--) {
        bytes[source.below(bytes.length)] = source.below(256);
      }
      try {
        decodeValue(bytes, 'the state');
      } catch (error) {
        expect(String(error), `SEED=${SEED} round ${round}`).toMatch(/VmError: the state: /);
      }
    }
  });

  test('a claimed length beyond the end takes no memory', () => {
    const claims = [
      [9, 0xff, 0xff, 0xff, 0xff, 0x0f],
      [10, 0xff, 0xff, 0xff, 0x0f],
      [8, 0xff, 0xff, 0xff, 0x0f],
    ];
    for (const bytes of claims) expect(() => decodeValue(Uint8Array.from(bytes), 'it')).toThrow(/too early/);
    const deep = new Uint8Array(1000).fill(9).map((tag, index) => (index % 2 === 0 ? tag : 1));
    expect(() => decodeValue(deep, 'it')).toThrow(/too deep/);
  });
});
