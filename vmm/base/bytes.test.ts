import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteReader } from './bytes.ts';
import { VmError } from './vm-error.ts';

const seed = Number(process.env['SEED'] ?? 1);

/** LEB128 as DWARF 5, appendix C writes it. */
function encodeUnsigned(value: bigint): number[] {
  const bytes: number[] = [];
  do {
    const low = Number(value & 0x7fn);
    value >>= 7n;
    bytes.push(value === 0n ? low : low | 0x80);
  } while (value !== 0n);
  return bytes;
}

function encodeSigned(value: bigint): number[] {
  for (const bytes: number[] = []; ; ) {
    const low = Number(value & 0x7fn);
    value >>= 7n;
    const done = (value === 0n && (low & 0x40) === 0) || (value === -1n && (low & 0x40) !== 0);
    bytes.push(done ? low : low | 0x80);
    if (done) return bytes;
  }
}

const reader = (...bytes: number[]): ByteReader => new ByteReader(Uint8Array.from(bytes));

describe('ByteReader', () => {
  it('reads little-endian numbers', () => {
    const bytes = [0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x81];
    expect(reader(...bytes).u8()).toBe(0x88);
    expect(reader(...bytes).i8()).toBe(-120);
    expect(reader(...bytes).u16()).toBe(0x7788);
    expect(reader(...bytes).u24()).toBe(0x667788);
    expect(reader(...bytes).u32()).toBe(0x55667788);
    expect(reader(...bytes).u64()).toBe(0x8122_3344_5566_7788n);
    expect(reader(...bytes).i64()).toBe(BigInt.asIntN(64, 0x8122_3344_5566_7788n));
    expect(() => reader(...bytes).size64()).toThrow('no offset or size');
  });

  it.each([
    [[0x02], 2n],
    [[0x7f], 127n],
    [[0x80, 0x01], 128n],
    [[0xb9, 0x64], 12857n],
    [[0x82, 0x80, 0x80, 0x00], 2n], // padded
  ] as const)('reads unsigned LEB128 %j (DWARF 5, table C.1)', (bytes, value) => {
    expect(reader(...bytes).ulebBig()).toBe(value);
    expect(reader(...bytes).uleb()).toBe(Number(value));
  });

  it.each([
    [[0x02], 2n],
    [[0x7e], -2n],
    [[0xff, 0x00], 127n],
    [[0x81, 0x7f], -127n],
    [[0x80, 0x7f], -128n],
    [[0xfe, 0xff, 0xff, 0x7f], -2n], // padded
  ] as const)('reads signed LEB128 %j (DWARF 5, table C.2)', (bytes, value) => {
    expect(reader(...bytes).slebBig()).toBe(value);
    expect(reader(...bytes).sleb()).toBe(Number(value));
  });

  it('reads back any LEB128 of 64 bits', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }), (value) => {
        const unsigned = BigInt.asUintN(64, value);
        expect(reader(...encodeSigned(value)).slebBig()).toBe(value);
        expect(reader(...encodeUnsigned(unsigned)).ulebBig()).toBe(unsigned);
        if (unsigned <= BigInt(Number.MAX_SAFE_INTEGER)) {
          expect(reader(...encodeUnsigned(unsigned)).uleb()).toBe(Number(unsigned));
        }
      }),
      { seed },
    );
  });

  it('reads text', () => {
    const bytes = [0x61, 0xc3, 0xa9, 0, 0x62, 0];
    const text = reader(...bytes);
    expect([text.cstring(), text.cstring(), text.atEnd]).toEqual(['aé', 'b', true]);
    expect(() => reader(0x61).cstring()).toThrow('a string has no end');
    expect(reader(0x61).text()).toBe('a');
    expect(
      reader(...bytes)
        .at(0, 2)
        .text(),
    ).toHaveLength(2);
  });

  it('never reads outside of its bounds', () => {
    const inner = new ByteReader(new Uint8Array(16), 'the test', 4, 8);
    expect(inner.u32()).toBe(0);
    expect(() => inner.u8()).toThrow(VmError);
    expect(() => inner.u8()).toThrow('the test: ends too early, 1 more bytes expected (at offset 0x8)');
    expect(() => inner.seek(9)).toThrow(VmError);
    expect(() => new ByteReader(new Uint8Array(4), 'x', 5)).toThrow(VmError);
    expect(() => new ByteReader(new Uint8Array(4), 'x', Number.NaN)).toThrow(VmError);
    expect(() => reader(1, 2).take(3)).toThrow(VmError);
    expect(() => reader(0x80, 0x80).uleb()).toThrow(VmError);
    expect(() => reader(0x80, 0x80).slebBig()).toThrow(VmError);
  });
});
