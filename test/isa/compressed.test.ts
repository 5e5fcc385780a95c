import { describe, expect, test } from 'vitest';
import { assemble } from '../../vmm/isa/assemble.ts';
import { decode } from '../../vmm/isa/decode.ts';
import { Evaluator } from './evaluator.ts';

/** Executes a 16-bit instruction. */
function run(machine: Evaluator, text: string): void {
  const decoded = decode(assemble(text))!;
  expect(decoded.length).toBe(2);
  expect(machine.execute(decoded)).toBeUndefined();
}

const VALUE = 0x8182_8384_8586_8788n;

describe('Zcb', () => {
  test.each([
    ['c.zext.b', 0x88n],
    ['c.sext.b', 0xffffffff_ffffff88n],
    ['c.zext.h', 0x8788n],
    ['c.sext.h', 0xffffffff_ffff8788n],
    ['c.zext.w', 0x85868788n],
    ['c.not', 0x7e7d7c7b_7a797877n],
  ])('%s', (name, expected) => {
    const machine = new Evaluator();
    machine.x_[15] = VALUE;
    run(machine, `${name} a5`);
    expect(machine.x_[15]).toBe(expected);
  });

  test('c.mul', () => {
    const machine = new Evaluator();
    machine.x_[8] = VALUE;
    machine.x_[9] = 0x1_0000_0003n;
    run(machine, 'c.mul s0,s1');
    expect(machine.x_[8]).toBe(BigInt.asUintN(64, VALUE * 0x1_0000_0003n));
  });

  test.each([
    ['c.lbu', 0, 0x88n],
    ['c.lbu', 1, 0x87n],
    ['c.lbu', 2, 0x86n],
    ['c.lbu', 3, 0x85n],
    ['c.lhu', 0, 0x8788n],
    ['c.lhu', 2, 0x8586n],
    ['c.lh', 0, 0xffffffff_ffff8788n],
    ['c.lh', 2, 0xffffffff_ffff8586n],
  ])('%s at %d', (name, offset, expected) => {
    const machine = new Evaluator();
    machine.memory.setBigUint64(0x40, VALUE, true);
    machine.x_[10] = 0x40n;
    run(machine, `${name} a1,${offset}(a0)`);
    expect(machine.x_[11]).toBe(expected);
  });

  test.each([
    ['c.sb', 0, 0xffffffff_ffffff88n],
    ['c.sb', 1, 0xffffffff_ffff88ffn],
    ['c.sb', 2, 0xffffffff_ff88ffffn],
    ['c.sb', 3, 0xffffffff_88ffffffn],
    ['c.sh', 0, 0xffffffff_ffff8788n],
    ['c.sh', 2, 0xffffffff_8788ffffn],
  ])('%s at %d', (name, offset, expected) => {
    const machine = new Evaluator();
    machine.memory.setBigInt64(0x40, -1n, true);
    machine.x_[10] = 0x40n;
    machine.x_[11] = VALUE;
    run(machine, `${name} a1,${offset}(a0)`);
    expect(machine.memory.getBigUint64(0x40, true)).toBe(expected);
  });

  test('offsets that do not fit are refused', () => {
    for (const text of ['c.lbu a1,4(a0)', 'c.lh a1,1(a0)', 'c.sh a1,4(a0)'])
      expect(() => assemble(text), text).toThrow(/out of range/);
  });
});
