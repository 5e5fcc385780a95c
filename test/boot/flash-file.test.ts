import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openPeripherals } from '../../vmm/peripherals.ts';
import { vmConfigSchema } from '../../vmm/protocol/messages.ts';
import { at, probeHere } from '../support/device-probe.ts';
import { temporaryFolder } from '../support/qemu.ts';

const BANK = 32 << 20;
const flash = at(0x2000_0000);
const second = at(0x2200_0000);
const chips = (value: number): number => value | (value << 16);
const PROGRAM = [
  flash.write(0, chips(0x40)),
  flash.write(0x1000, 0x1234_5678),
  flash.read(0),
  flash.write(0, chips(0xff)),
  flash.read(0x1000),
  flash.read(0x1004),
  second.read(0),
];

interface Drive {
  readonly file: string;
  readonly readonly?: boolean;
  readonly overlay?: boolean;
}

/** Runs the program with these files in the board's flash; gives what it read. */
function run(drives: readonly Drive[]): readonly bigint[] {
  const config = vmConfigSchema.parse({
    kernel: 'probe',
    drives: drives.map((drive) => ({ ...drive, format: 'raw', if: 'pflash' })),
  });
  const peripherals = openPeripherals(config);
  try {
    expect(peripherals.virtio).toEqual([]);
    return probeHere(PROGRAM, { machine: { flash: peripherals.flash } }).values;
  } finally {
    peripherals.close();
  }
}

function image(size: number, byte: number): string {
  const file = join(temporaryFolder(), 'flash.img');
  writeFileSync(file, new Uint8Array(size).fill(byte));
  return file;
}

const [READY, REFUSED] = [0x0080_0080n, 0x0090_0090n];

describe('a file in the flash', () => {
  test('is programmed', () => {
    const file = image(BANK, 0x11);
    expect(run([{ file }]).slice(2)).toEqual([READY, 0n, 0x1234_5678n, 0x1111_1111n, 0n]);
    const bytes = readFileSync(file);
    expect([bytes.length, bytes.readUInt32LE(0x1000), bytes.readUInt32LE(0x1004)]).toEqual([
      BANK,
      0x1234_5678,
      0x1111_1111,
    ]);
  });

  test('stays as it is under an overlay', () => {
    const file = image(BANK, 0x11);
    expect(run([{ file, overlay: true }]).slice(4)).toEqual([0x1234_5678n, 0x1111_1111n, 0n]);
    expect(readFileSync(file).every((byte) => byte === 0x11)).toBe(true);
  });

  test('that is read-only is not programmed, and the chips say so', () => {
    const file = image(8192, 0x11);
    expect(run([{ file, readonly: true }]).slice(2)).toEqual([REFUSED, 0n, 0x1111_1111n, 0x1111_1111n, 0n]);
  });

  test('has its bank by its place', () => {
    expect(run([{ file: image(512, 1) }, { file: image(512, 2) }]).at(-1)).toBe(0x0202_0202n);
  });

  test('is refused when a bank cannot hold it, and so is a third', () => {
    const file = image(0, 0);
    truncateSync(file, BANK + 512);
    expect(() => run([{ file }])).toThrow(/a bank of flash has 33554432/);
    const small = image(512, 0);
    const three = Array.from({ length: 3 }, () => ({ file: small, readonly: true }));
    expect(() => run(three)).toThrow(/no more banks of flash/);
  });
});
