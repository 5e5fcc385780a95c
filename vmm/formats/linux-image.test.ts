import { describe, expect, test } from 'vitest';
import { random, SEED } from '../../test/support/random.ts';
import { isLinuxImage, linuxSymbols } from './linux-image.ts';

const LINKED_AT = 0xffff_ffff_8000_0000n;

interface Symbol {
  readonly text: string;
  readonly offset: number;
}

/** A token for a part of it, and more codes than a length of one byte can tell. */
const SPECIAL: Readonly<Record<number, string>> = {
  7: `Tstart_${'long_'.repeat(30)}kernel`,
  8: `Ta${'b'.repeat(200)}`,
};

/** As many as fill two markers, so that there is a second one. */
const SYMBOLS: readonly Symbol[] = Array.from({ length: 300 }, (_, index) => ({
  text: SPECIAL[index] ?? `${index % 2 === 0 ? 'T' : 'd'}name_${index}`,
  offset: index * 24,
}));

/** Tables as `scripts/kallsyms.c` writes them, behind a header; `addresses` first as it was before Linux 6.4. */
function kernelImage(addresses: 'first' | 'last', base: bigint): Uint8Array {
  const parts: Buffer[] = [];
  let length = 0;
  const add = (data: Buffer): void => {
    const padding = Buffer.alloc(-(length + data.length) & 7);
    parts.push(data, padding);
    length += data.length + padding.length;
  };
  const words = (values: readonly number[]): Buffer => Buffer.from(Uint32Array.from(values).buffer);
  const header = Buffer.alloc(64);
  header.write('RSC\x05', 56, 'latin1');
  add(header);
  add(Buffer.from('code that holds no tables: 0\x001\x002\x003\x004\x005\x006\x007\x008\x009\x00', 'latin1'));
  const offsets = words(SYMBOLS.map(({ offset }) => offset));
  const addAddresses = (): void => {
    add(offsets);
    add(Buffer.from(BigUint64Array.of(base).buffer));
  };
  if (addresses === 'first') addAddresses();
  add(words([SYMBOLS.length]));
  // Token 1 is a word; those of printable characters are the characters.
  const tokens = Array.from({ length: 256 }, (_, code) => {
    if (code === 1) return 'long_';
    return code >= 0x21 && code < 0x7f ? String.fromCharCode(code) : `unused${code}`;
  });
  const names: Buffer[] = [];
  const markers: number[] = [];
  let at = 0;
  for (const [index, { text }] of SYMBOLS.entries()) {
    if (index % 256 === 0) markers.push(at);
    const codes = Buffer.from(text.replaceAll('long_', '\x01'), 'latin1');
    const isLong = codes.length > 127;
    const size = isLong ? [(codes.length & 0x7f) | 0x80, codes.length >> 7] : [codes.length];
    const name = Buffer.concat([Buffer.from(size), codes]);
    names.push(name);
    at += name.length;
  }
  add(Buffer.concat(names));
  add(words(markers));
  const starts: number[] = [];
  let end = 0;
  for (const token of tokens) {
    starts.push(end);
    end += token.length + 1;
  }
  add(Buffer.from(tokens.map((token) => `${token}\0`).join(''), 'latin1'));
  add(Buffer.from(Uint16Array.from(starts).buffer));
  if (addresses === 'last') addAddresses();
  return Buffer.concat(parts);
}

describe('symbols of a Linux image', () => {
  test.each([
    ['last', 0xffff_ffff_8000_0000n],
    ['first', 0xffff_ffff_8000_0000n],
    ['last', 0n],
  ] as const)('addresses %s, base %i', (addresses, base) => {
    const image = kernelImage(addresses, base);
    expect(isLinuxImage(image)).toBe(true);
    expect(linuxSymbols(image)).toEqual(
      SYMBOLS.map(({ text, offset }) => ({
        type: text[0],
        name: text.slice(1),
        address: LINKED_AT + BigInt(offset),
      })),
    );
  });

  test('an image without the tables, or with a part of them, has none', () => {
    const image = kernelImage('last', LINKED_AT);
    expect(linuxSymbols(image.subarray(0, 64))).toEqual([]);
    for (let length = 64; length < image.length; length += 97) {
      expect(linuxSymbols(image.subarray(0, length)).length).toBe(0);
    }
    expect(isLinuxImage(new Uint8Array(10))).toBe(false);
  });

  test('of a damaged image some are wrong, and nothing else happens', () => {
    const { pick, below } = random(SEED);
    for (let round = 0; round < 300; round++) {
      const image = kernelImage(pick(['first', 'last'] as const), LINKED_AT);
      for (let changes = below(20); changes >= 0; changes--) {
        image[below(image.length)] = below(256);
      }
      const found = linuxSymbols(image);
      expect(found.length, `SEED=${SEED}, round ${round}`).toBeLessThanOrEqual(SYMBOLS.length + 256);
    }
  });
});
