import { expect, test } from 'vitest';
import type { ExitStage, VmExit } from '../vmm/protocol/exits.ts';
import { describeExit } from './describe.ts';

type Exit<K extends VmExit['kind']> = Extract<VmExit, { kind: K }>;

const mmio: Exit<'mmio'> = {
  kind: 'mmio',
  device: 'uart0',
  register: 'THR',
  offset: 0,
  address: 0x1000_0000n,
  size: 1,
  write: true,
  value: 0x0an,
};
const sbi: Exit<'sbi'> = {
  kind: 'sbi',
  ext: 'DBCN',
  extId: 0x4442_434en,
  fn: 2,
  function: 'console_write_byte',
  args: [0x41n],
  error: 0xffff_ffff_ffff_fffen,
  value: 0n,
};

test.each<[VmExit, ExitStage, string]>([
  [mmio, 'pre', "write uart0.THR = 0xa '\\n'"],
  [{ ...mmio, register: 'LSR', write: false, value: 0x60n }, 'post', 'read uart0.LSR = 0x60'],
  [{ ...mmio, register: 'LSR', write: false, value: 0n }, 'pre', 'read uart0.LSR'],
  [{ ...mmio, register: '', offset: 9, write: true, value: 1n }, 'post', 'write uart0+0x9 = 0x1'],
  [sbi, 'pre', 'DBCN.console_write_byte(0x41)'],
  [sbi, 'post', 'DBCN.console_write_byte(0x41) -> error -2, value 0x0'],
  [
    { kind: 'trap', cause: 13, interrupt: false, name: 'load page fault', tval: 0x10n, from: 'U', to: 'S' },
    'post',
    'exception 13: load page fault, tval 0x10, U -> S',
  ],
  [
    { kind: 'tlb-flush', fence: 'sfence.vma', address: null, asid: 3 },
    'post',
    'sfence.vma: all addresses, ASID 3',
  ],
  [{ kind: 'system', event: 'fail', code: 5 }, 'pre', 'fail, code 5'],
])('describes exit %#', (exit, stage, text) => {
  expect(describeExit(exit, stage)).toBe(text);
});
