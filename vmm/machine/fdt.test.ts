import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { describeWith } from '../../test/support/tools.ts';
import { VmError } from '../base/vm-error.ts';
import { cells64, decodeFdt, encodeFdt, type FdtNode, fdtChild, fdtNode } from './fdt.ts';

const tree = fdtNode(
  '',
  { '#address-cells': [2], model: 'a model', list: ['one', 'two'], flag: true, none: undefined },
  [
    fdtNode('soc', {}, [
      fdtNode('serial@10000000', { reg: [...cells64(0x1_0000_0000n), ...cells64(0x100)] }),
    ]),
    fdtNode('chosen', { bytes: Uint8Array.of(1, 2, 3) }),
  ],
);

describe('flattened device trees', () => {
  test('reading gives what was written', () => expect(decodeFdt(encodeFdt(tree))).toEqual(tree));

  test('properties hold big-endian cells and terminated text', () => {
    const properties = decodeFdt(encodeFdt(tree)).properties;
    expect(Buffer.from(properties.get('list')!).toString('latin1')).toBe('one\0two\0');
    expect(properties.get('flag')).toHaveLength(0);
    expect(properties.has('none')).toBe(false);
    const reg = fdtChild(fdtChild(tree, 'soc')!, 'serial')!.properties.get('reg')!;
    expect([...reg]).toEqual([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
  });

  test.each<[string, (blob: Uint8Array) => Uint8Array, RegExp]>([
    ['nothing', () => new Uint8Array(0), /not a device tree blob/],
    ['an ELF', () => Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, ...Array(60).fill(0)), /not a device tree blob/],
    ['half a tree', (blob) => blob.subarray(0, blob.length >> 1), /truncated: \d+ of \d+ bytes/],
    ['a later version', (blob) => patch(blob, 24, 99), /has version/],
    ['no node', (blob) => patch(blob, 56, 2), /does not begin with a node/],
    ['a bad token', (blob) => patch(blob, 64, 77), /token 77 stands where/],
    ['names outside', (blob) => patch(blob, 12, 0x7fff_ffff), /outside its own bounds/],
  ])('refuses %s', (_, damage, message) => {
    const error = catchVmError(() => decodeFdt(damage(encodeFdt(tree))));
    expect(error?.code).toBe('bad-file');
    expect(error?.message).toMatch(message);
  });

  test('no damage throws anything but a VmError', () => {
    const seed = Number(process.env['SEED'] ?? 4711);
    const blob = encodeFdt(tree);
    fc.assert(
      fc.property(fc.nat(blob.length - 1), fc.nat(255), fc.nat(blob.length), (at, byte, length) => {
        const damaged = blob.slice();
        damaged[at] = byte;
        for (const input of [damaged, damaged.subarray(0, length)]) catchVmError(() => decodeFdt(input));
      }),
      { seed, numRuns: 2000 },
    );
  });

  test('nodes do not nest without end', () => {
    let deep: FdtNode = fdtNode('leaf', {});
    for (let level = 0; level < 40; level += 1) deep = fdtNode('n', {}, [deep]);
    expect(catchVmError(() => decodeFdt(encodeFdt(deep)))?.message).toMatch(/nests deeper/);
  });
});

describeWith(['dtc'], 'against dtc', () => {
  test('dtc reads what we write', () => {
    const source = execFileSync('dtc', ['-I', 'dtb', '-O', 'dts', '-q'], {
      input: encodeFdt(tree),
      encoding: 'utf8',
    });
    expect(source).toContain('model = "a model";');
    expect(source).toMatch(/list = "one(\\0|", ")two";/);
    expect(source).toMatch(/serial@10000000 \{\s+reg = <0x01 0x00 0x00 0x100>;/);
    expect(source).toContain('bytes = [01 02 03];');
  });

  test('we read what dtc writes', () => {
    const source = '/dts-v1/; /memreserve/ 0x1000 0x10; / { a = <1 2>; b; node@1 { c = "text"; }; };';
    const blob = execFileSync('dtc', ['-I', 'dts', '-O', 'dtb', '-q'], { input: source });
    expect(decodeFdt(blob)).toEqual(fdtNode('', { a: [1, 2], b: true }, [fdtNode('node@1', { c: 'text' })]));
  });
});

function patch(blob: Uint8Array, offset: number, value: number): Uint8Array {
  const patched = blob.slice();
  new DataView(patched.buffer).setUint32(offset, value);
  return patched;
}

function catchVmError(action: () => unknown): VmError | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(VmError);
    return error as VmError;
  }
}
