import { describe, expect, test } from 'vitest';
import { COMPRESSED, INSTRUCTIONS } from '../../vmm/isa/table.ts';
import { encodingOf, foreignExtension, OPERATIONS, operationOf } from './instructions.ts';

const render = (mnemonic: string): string =>
  encodingOf(operationOf(mnemonic)!.instruction!)
    .map(({ text }) => text)
    .join(' ');

test.each([
  ['addi', 'imm[11:0] rs1 000 rd 0010011'],
  ['add', '0000000 rs2 rs1 000 rd 0110011'],
  ['sd', 'imm[11:5] rs2 rs1 011 imm[4:0] 0100011'],
  ['beq', 'imm[12|10:5] rs2 rs1 000 imm[4:1|11] 1100011'],
  ['lui', 'imm[31:12] rd 0110111'],
  ['jal', 'imm[20|10:1|11|19:12] rd 1101111'],
  ['slli', '000000 shamt rs1 001 rd 0010011'],
  ['csrrwi', 'csr zimm 101 rd 1110011'],
  ['amoadd.w.aqrl', '00000 aq rl rs2 rs1 010 rd 0101111'],
  ['fmadd.s', 'fs3 00 fs2 fs1 rm fd 1000011'],
  ['mret', '00110000001000000000000001110011'],
  ['amocas.q', '00101 aq rl rs2[4:1] 0 rs1 100 rd[4:1] 00101111'],
  ['cbo.zero', '000000000100 rs1 010000000001111'],
  ['prefetch.w', 'imm[11:5] 00011 rs1 110000000010011'],
])('the encoding of %s', (mnemonic, expected) => {
  expect(render(mnemonic)).toBe(expected);
});

test('the fields of every encoding are its bits, once, and agree with mask and match', () => {
  for (const instruction of [...INSTRUCTIONS, ...COMPRESSED]) {
    let next = 'format' in instruction ? 31 : 15;
    for (const { high, low, text } of encodingOf(instruction)) {
      expect([instruction.name, high]).toEqual([instruction.name, next]);
      const constant = /^[01]+$/.test(text);
      for (let bit = high; bit >= low; bit -= 1) {
        expect([instruction.name, bit, (instruction.mask >>> bit) & 1]).toEqual([
          instruction.name,
          bit,
          constant ? 1 : 0,
        ]);
        if (constant) expect(text[high - bit]).toBe(String((instruction.match >>> bit) & 1));
      }
      next = low - 1;
    }
    expect(next).toBe(-1);
  }
});

describe('mnemonics', () => {
  test.each([
    ['lr.d.aq', 'A'],
    ['amoswap.w', 'A'],
    ['ret', 'pseudo-instruction'],
    ['csrw', 'pseudo-instruction'],
    ['czero.eqz', 'Zicond'],
    ['sh1add', 'Zba'],
    ['c.addi', 'C'],
    ['sfence.vma', 'Privileged'],
    ['cbo.zero', 'Zicboz'],
    ['prefetch.w', 'Zicbop'],
    ['amocas.d.aqrl', 'Zacas'],
    ['amoadd.b.rl', 'Zabha'],
    ['pause', 'Zihintpause'],
    ['mop.rr.7', 'Zimop'],
    ['c.ntl.p1', 'Zihintntl'],
    ['c.mul', 'Zcb'],
    ['xperm8', 'Zbkx'],
  ])('%s is of %s', (mnemonic, extension) => {
    expect(operationOf(mnemonic)?.extension).toBe(extension);
  });

  test.each(['ADD', 'add.aq', 'addx', 'mov', 'csrrx', ''])('%j is none', (mnemonic) => {
    expect(operationOf(mnemonic)).toBeUndefined();
  });

  test.each([
    ['vsetvli', 'V (vector)'],
    ['vle64.v', 'V (vector)'],
    ['hfence.gvma', 'H (hypervisor)'],
    ['aes64es', 'Zkn or Zks (cryptography)'],
    ['fadd.q', 'Q (quad-precision floating point)'],
    ['fcvt.q.s', 'Q (quad-precision floating point)'],
    ['sspush', 'Zicfilp or Zicfiss (control-flow integrity)'],
    ['cm.push', 'Zcf, Zcmp or Zcmt (compressed)'],
    ['adi', undefined],
    ['movq', undefined],
  ])('%s is of the other extension %s', (mnemonic, extension) => {
    expect(foreignExtension(mnemonic)).toBe(extension);
  });

  test('each stands once in completion and is found by its name', () => {
    const names = OPERATIONS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(operationOf(name)?.name).toBe(name);
  });
});
