import { expect, test } from 'vitest';
import { disassembleBackward, disassembleForward, type MemoryReader } from './disassembly.ts';
import type { Symbols } from './symbols/index.ts';

const BASE = 0x8000_1000n;

/** addi a0,a0,1 (4 bytes); nop (2); lui whose upper half looks like a 4-byte instruction's lower (4); ret (2). */
const CODE = [0x13, 0x05, 0x15, 0x00, 0x01, 0x00, 0x37, 0x05, 0x13, 0x00, 0x82, 0x80];

const memory: MemoryReader = {
  readMemory: async (_hart, address, length) => {
    const start = Number(address - BASE);
    return start < 0 ? new Uint8Array() : Uint8Array.from(CODE).slice(start, start + length);
  },
};

/** Symbols that know one function's entry, or nothing. */
function symbolsWith(entry: bigint | undefined): Symbols {
  const symbols: Partial<Symbols> = {
    functionAt: () => undefined,
    lineFor: () => undefined,
    symbolize: (address) =>
      entry !== undefined && address >= entry ? { name: 'f', offset: address - entry } : undefined,
  };
  return symbols as Symbols;
}

const at = (address: bigint) => ({ hart: 0, address, space: 'virtual' as const });
const texts = (lines: readonly { text: string }[]) => lines.map(({ text }) => text);

test('forward, up to where memory ends', async () => {
  const lines = await disassembleForward(memory, at(BASE), 6);
  expect(texts(lines)).toEqual(['addi a0,a0,1', 'nop', 'lui a0,0x130', 'ret', '??', '??']);
  expect(lines.map(({ bytes }) => bytes)).toEqual(['00150513', '0001', '00130537', '8082', '', '']);
  expect(lines.map(({ address }) => address - BASE)).toEqual([0n, 4n, 6n, 10n, 12n, 14n]);
});

test('backward from a known start is exact', async () => {
  const lines = await disassembleBackward(memory, at(BASE + 12n), 4, symbolsWith(BASE));
  expect(texts(lines)).toEqual(['addi a0,a0,1', 'nop', 'lui a0,0x130', 'ret']);
  expect(lines.every(({ isValid }) => isValid)).toBe(true);
});

test('backward beyond what can be read gives placeholders at falling addresses', async () => {
  const lines = await disassembleBackward(memory, at(BASE + 4n), 3, symbolsWith(BASE));
  expect(texts(lines)).toEqual(['??', '??', 'addi a0,a0,1']);
  expect(lines.map(({ address }) => address)).toEqual([BASE - 4n, BASE - 2n, BASE]);
});

test('without symbols the guess that fits is taken', async () => {
  const lines = await disassembleBackward(memory, at(BASE + 12n), 2, symbolsWith(undefined));
  expect(texts(lines)).toEqual(['lui a0,0x130', 'ret']);
});

test('an address inside an instruction is shown as what it is', async () => {
  const lines = await disassembleBackward(memory, at(BASE + 2n), 1, symbolsWith(BASE));
  expect(lines).toMatchObject([{ address: BASE, text: '.2byte 0x0513', isValid: false }]);
});
