import { pack } from 'msgpackr/pack';
import { describe, expect, test } from 'vitest';
import { random as randomFrom, SEED } from '../../test/support/random.ts';
import { decodeMessage, encodeMessage, FRAME_BYTES_MAX } from './codec.ts';

const roundTrip = (value: object): unknown => decodeMessage(encodeMessage(value));

describe('codec', () => {
  test.each([
    ['small numbers', { a: 0, b: -1, c: 255, d: 2 ** 31, e: -(2 ** 31) }],
    ['numbers that take 53 bits', { a: Number.MAX_SAFE_INTEGER, b: 2 ** 40, c: 0.5 }],
    ['64-bit quantities', { a: 0n, b: 1n, c: 0x8000_0000n, d: 0xffff_ffff_ffff_ffffn, e: 2n ** 63n }],
    ['null, undefined and booleans', { a: null, b: undefined, c: true, d: false }],
    ['text', { a: '', b: 'U-Boot 2023.01\n', c: 'größer', d: '𝄞'.repeat(100) }],
    ['lists and maps', { a: [1, [2n, ['x']]], b: { c: { d: [] } } }],
    ['bytes', { a: new Uint8Array(0), b: Uint8Array.of(1, 2, 255), c: new Uint8Array(100_000).fill(7) }],
  ])('keeps %s', (_, value) => {
    expect(roundTrip(value)).toEqual(value);
  });

  test('a view of a buffer arrives as its own bytes only', () => {
    const { data } = roundTrip({ data: new Uint8Array(1000).subarray(10, 14).fill(9) }) as {
      data: Uint8Array;
    };
    expect(data).toEqual(Uint8Array.of(9, 9, 9, 9));
    expect(data.buffer.byteLength).toBe(4);
  });

  test('an object that stands twice in a message arrives twice', () => {
    const range = { start: 1n, end: 2n };
    expect(roundTrip({ a: range, b: [range, range] })).toEqual({ a: range, b: [range, range] });
  });

  test('frames do not share memory', () => {
    const first = encodeMessage({ id: 1 });
    const copy = first.slice();
    encodeMessage({ id: 2, text: 'something else' });
    expect(first).toEqual(copy);
  });

  test('each frame stands for itself', () => {
    const frames = [1, 2, 3].map((id) => encodeMessage({ id, method: 'vmm.info', params: { a: id } }));
    expect(frames.reverse().map((frame) => (decodeMessage(frame) as { id: number }).id)).toEqual([3, 2, 1]);
  });

  test.each([
    ['an empty frame', []],
    ['a cut number', [0xcf, 1, 2]],
    ['a cut map', [0x82, 0xa1, 0x61]],
    ['a token that is never used', [0xc7]],
    ['more than one value', [1, 2]],
    ['a list longer than the frame', [0xdd, 0xff, 0xff, 0xff, 0xff]],
    ['bytes longer than the frame', [0xc6, 0xff, 0xff, 0xff, 0xff]],
    ['an unknown extension', [0xd4, 0x33, 0]],
    ['a pointer to nothing', [0xd6, 0x70, 0, 0, 0, 1]],
    ['lists in lists without end', new Array(200_000).fill(0x91)],
  ])('refuses %s', (_, bytes) => {
    expect(() => decodeMessage(Uint8Array.from(bytes))).toThrow(/the frame is not MessagePack: /);
    // A frame that was refused leaves no trace in the decoder.
    expect(roundTrip({ id: 1 })).toEqual({ id: 1 });
  });

  test('refuses frames and messages that are too large', () => {
    expect(() => decodeMessage(new Uint8Array(FRAME_BYTES_MAX + 1))).toThrow(/larger than/);
    expect(() => encodeMessage({ data: new Uint8Array(FRAME_BYTES_MAX) })).toThrow(/too large/);
  });

  test('a key that names the prototype changes no prototype', () => {
    const frame = pack(new Map([['__proto__', { polluted: true }]]));
    const message = decodeMessage(frame) as { polluted?: boolean };
    expect(message.polluted).toBeUndefined();
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  test('whatever the bytes are, decoding gives a value or a VmError', () => {
    const random = randomFrom(SEED);
    const seeds = [
      { id: 7, method: 'vm.readMemory', params: { vm: 'vm1', hart: 0, address: 0x8000_0000n, length: 64 } },
      { id: 8, method: 'vm.writeMemory', params: { vm: 'vm1', data: new Uint8Array(40), space: 'physical' } },
      {
        event: 'stopped',
        params: { stop: { reason: 'exit', record: { exit: { kind: 'mmio', value: 10n } } } },
      },
    ].map((message) => encodeMessage(message));
    for (let round = 0; round < 20_000; round++) {
      const frame = random.pick(seeds).slice();
      for (let edits = random.below(4) + 1; edits > 0; edits--)
        frame[random.below(frame.length)] = random.below(256);
      const cut = frame.subarray(0, random.below(8) === 0 ? random.below(frame.length) : frame.length);
      try {
        decodeMessage(cut);
      } catch (error) {
        expect(error, `SEED=${SEED}, round ${round}`).toMatchObject({ name: 'VmError', code: 'bad-request' });
      }
    }
    expect(roundTrip({ id: 1 })).toEqual({ id: 1 });
  });
});
