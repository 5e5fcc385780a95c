import { describe, expect, test } from 'vitest';
import { VmError } from '../base/vm-error.ts';
import { assemble } from './assemble.ts';

describe('assembling', () => {
  test.each([
    ['add a0, a1, a2', 0x00c58533],
    ['  ADD x10,x11,x12 ', 0x00c58533],
    ['addi sp,sp,-16', 0xff010113],
    ['addi a0,a0,0x7ff', 0x7ff50513],
    ['ld a0, 8 (sp)', 0x00813503],
    ['sd fp,8(sp)', 0x00813423],
    ['lui t0,0x12345', 0x123452b7],
    ['csrrw a0,0x800,a1', 0x80059573],
    ['csrrwi zero,mscratch,31', 0x340fd073],
    ['amoswap.w.aq a0,a1,(a2)', 0x0cb6252f],
    ['fadd.d fa0,fa1,fa2', 0x02c5f553],
    ['fadd.d fa0,fa1,fa2,rtz', 0x02c59553],
    ['fcvt.d.w fa0,a0', 0xd2050553],
    ['fence rw,w', 0x0310000f],
    ['ecall', 0x00000073],
    ['c.addi16sp sp,-64', 0x7139],
    ['c.lwsp a0,4(sp)', 0x4512],
    ['c.nop', 0x0001],
    ['jal ra,.+8', 0x008000ef],
  ])('%s', (text, raw) => expect(assemble(text)).toBe(raw));

  test('branch targets are absolute', () => {
    expect(assemble('beq a0,a1,0x80000010', 0x80000008n)).toBe(0x00b50463);
    expect(assemble('jal zero,0xfffffffffffffff8', 0n)).toBe(0xff9ff06f);
  });

  test.each([
    ['frobnicate a0', 1, "there is no instruction 'frobnicate'"],
    ['add.aq a0,a0,a0', 1, "there is no instruction 'add.aq'"],
    ['add a0,a1', 10, 'expected'],
    ['add a0,a1,q2', 11, 'operand rs2 expected'],
    ['add a0,a1,a2,a3', 13, 'end of line expected'],
    ['addi a0,a1,2048', 12, '2048 is out of range'],
    ['slliw a0,a1,32', 13, '32 is out of range'],
    ['ld a0,8[sp]', 7, 'operand imm expected'],
    ['ld a0,8 sp', 9, "'(' expected"],
    ['beq a0,a1,0x1001', 11, 'out of range'],
    ['beq a0,a1,3', 11, 'out of range'],
    ['fadd.s fa0,fa1,fa2,fast', 20, 'operand rm expected'],
    ['c.addi16sp sp,8', 15, 'out of range'],
    ['c.add a0,zero', 14, 'reserved'],
    ['c.sub a0,t0', 10, 'operand low expected'],
    ['', 1, 'no instruction'],
  ])('%s is an error', (text, column, message) => {
    const attempt = () => assemble(text);
    expect(attempt).toThrow(VmError);
    expect(attempt).toThrow(message);
    try {
      attempt();
    } catch (error) {
      expect((error as VmError).column).toBe(column);
    }
  });
});
