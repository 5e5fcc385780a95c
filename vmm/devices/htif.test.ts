import { beforeEach, describe, expect, test } from 'vitest';
import { Htif } from './htif.ts';

const TOHOST = 0x1000n;
const FROMHOST = 0x1008n;

let memory: DataView<ArrayBuffer>;
let output: string;
let typed: number[];
let finished: number[];
let htif: Htif;

beforeEach(() => {
  memory = new DataView(new ArrayBuffer(0x2000));
  output = '';
  typed = [];
  finished = [];
  htif = new Htif({
    tohost: TOHOST,
    fromhost: FROMHOST,
    readDouble: (address) => memory.getBigUint64(Number(address), true),
    writeDouble: (address, value) => memory.setBigUint64(Number(address), value, true),
    readBytes: (address, length) =>
      address + BigInt(length) <= 0x2000n
        ? new Uint8Array(memory.buffer, Number(address), length)
        : undefined,
    output: (byte) => (output += String.fromCharCode(byte)),
    input: () => typed.shift(),
    finish: (code) => finished.push(code),
  });
});

function store(command: bigint): void {
  memory.setBigUint64(Number(TOHOST), command, true);
  htif.poll();
}
const mailbox = (address: bigint): bigint => memory.getBigUint64(Number(address), true);

describe('the end of a run', () => {
  test.each([
    ['a pass', 1n, 0],
    ['a failure', (1337n << 1n) | 1n, 1337],
    ['the largest code', 0xffff_ffffn, 0x7fff_ffff],
  ])('%s', (_, command, code) => {
    store(command);
    expect(finished).toEqual([code]);
  });

  test('as two words, the low one first', () => {
    memory.setUint32(Number(TOHOST), 7, true);
    htif.poll();
    memory.setUint32(Number(TOHOST) + 4, 0, true);
    expect(finished).toEqual([3]);
  });

  test('as two words, the high one first', () => {
    memory.setUint32(Number(TOHOST) + 4, 0, true);
    htif.poll();
    expect(finished).toEqual([]);
    memory.setUint32(Number(TOHOST), 7, true);
    htif.poll();
    expect(finished).toEqual([3]);
  });
});

describe('the console', () => {
  test('writes a byte and frees the mailbox', () => {
    for (const character of 'ok') store((1n << 56n) | (1n << 48n) | BigInt(character.charCodeAt(0)));
    expect(output).toBe('ok');
    expect(mailbox(TOHOST)).toBe(0n);
  });

  test('a read is answered when something is typed and the last answer was taken', () => {
    store(1n << 56n);
    expect(mailbox(TOHOST)).toBe(0n);
    expect(mailbox(FROMHOST)).toBe(0n);
    typed.push(0x61, 0x62);
    htif.inputArrived();
    expect(mailbox(FROMHOST)).toBe((1n << 56n) | 0x161n);
    store(1n << 56n);
    expect(mailbox(FROMHOST)).toBe((1n << 56n) | 0x161n);
    memory.setBigUint64(Number(FROMHOST), 0n, true);
    htif.inputArrived();
    expect(mailbox(FROMHOST)).toBe((1n << 56n) | 0x162n);
  });

  test('a read that waits is saved state', () => {
    store(1n << 56n);
    expect(htif.save()).toEqual({ version: 1, reading: true });
    htif.reset();
    expect(htif.save()).toEqual({ version: 1, reading: false });
    htif.restore({ version: 1, reading: true });
    typed.push(1);
    htif.inputArrived();
    expect(mailbox(FROMHOST)).not.toBe(0n);
  });
});

describe('proxied system calls', () => {
  const CALL = 0x100;
  function call(...words: bigint[]): bigint {
    for (const [index, word] of words.entries()) memory.setBigUint64(CALL + 8 * index, word, true);
    store(BigInt(CALL));
    expect(mailbox(TOHOST)).toBe(0n);
    return memory.getBigInt64(CALL, true);
  }

  test('write', () => {
    new Uint8Array(memory.buffer, 0x200, 5).set(new TextEncoder().encode('hello'));
    expect(call(64n, 1n, 0x200n, 5n)).toBe(5n);
    expect(output).toBe('hello');
    expect(mailbox(FROMHOST)).toBe(1n);
  });

  test('write from nowhere, and calls there are not', () => {
    expect(call(64n, 1n, 0x1fffn, 5n)).toBe(-14n);
    expect(call(64n, 9n, 0x200n, 5n)).toBe(-38n);
    expect(call(1234n, 0n, 0n, 0n)).toBe(-38n);
    store(0x4000_0000n);
    expect(finished).toEqual([]);
  });

  test('exit', () => {
    memory.setBigUint64(CALL, 93n, true);
    memory.setBigUint64(CALL + 8, 3n, true);
    store(BigInt(CALL));
    expect(finished).toEqual([3]);
  });
});

test('unknown devices are answered by freeing the mailbox', () => {
  store(5n << 56n);
  expect(mailbox(TOHOST)).toBe(0n);
  expect(finished).toEqual([]);
});
