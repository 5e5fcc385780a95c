import { describe, expect, it } from 'vitest';
import { ByteWriter } from './byte-writer.ts';

/** Encodings from the WebAssembly core specification's definition of LEB128, worked by hand. */
describe('LEB128', () => {
  const check = (write: (to: ByteWriter) => void, bytes: number[]): void => {
    const writer = new ByteWriter();
    write(writer);
    expect([...writer.view()]).toEqual(bytes);
  };

  it('encodes unsigned values', () => {
    check((to) => to.u32(0), [0]);
    check((to) => to.u32(127), [0x7f]);
    check((to) => to.u32(128), [0x80, 0x01]);
    check((to) => to.u32(624_485), [0xe5, 0x8e, 0x26]);
    check((to) => to.u32(-1), [0xff, 0xff, 0xff, 0xff, 0x0f]);
  });

  it('encodes signed values of 32 and 64 bits', () => {
    check((to) => to.s32(63), [0x3f]);
    check((to) => to.s32(64), [0xc0, 0x00]);
    check((to) => to.s32(-64), [0x40]);
    check((to) => to.s32(-65), [0xbf, 0x7f]);
    check((to) => to.s32(-123_456), [0xc0, 0xbb, 0x78]);
    check((to) => to.s32(-0x8000_0000), [0x80, 0x80, 0x80, 0x80, 0x78]);
    check((to) => to.s64(-1n), [0x7f]);
    check((to) => to.s64(0x8000_0000n), [0x80, 0x80, 0x80, 0x80, 0x08]);
    check((to) => to.s64(-(1n << 63n)), [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f]);
  });

  it('grows', () => {
    const writer = new ByteWriter();
    for (let index = 0; index < 1000; index++) writer.u8(index & 0xff);
    writer.bytes(new Uint8Array(5000));
    expect(writer.length).toBe(6000);
    expect(writer.view()[999]).toBe(999 & 0xff);
  });
});
