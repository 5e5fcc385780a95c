import { describe, expect, test } from 'vitest';
import { CAUSES, causeName } from './causes.ts';
import { CSR_FIELDS } from './csr-fields.ts';
import { CSRS, csrAccess, csrByName, csrByNumber, decodeFields } from './csrs.ts';
import {
  FLOAT_REGISTER_NAMES,
  floatRegister,
  integerRegister,
  REGISTER_NAMES,
  REGISTERS,
} from './registers.ts';

function texts(name: string, value: bigint): Record<string, string> {
  const fields = decodeFields(csrByName(name)!, value);
  return Object.fromEntries(fields.map((field) => [field.name, field.text]));
}

describe('the CSR table', () => {
  test('numbers and names are unique and found', () => {
    expect(new Set(CSRS.map(({ number }) => number)).size).toBe(CSRS.length);
    for (const csr of CSRS) {
      expect(csrByNumber(csr.number)).toBe(csr);
      expect(csrByName(csr.name)).toBe(csr);
    }
    expect(csrByNumber(0x3a1)).toBeUndefined();
    expect(csrByName('pmpaddr63')?.number).toBe(0x3ef);
    expect(csrByName('pmpcfg14')?.number).toBe(0x3ae);
    expect(csrByName('mhpmevent31')?.number).toBe(0x33f);
    expect(csrByName('hpmcounter31')?.number).toBe(0xc1f);
  });

  test('every set of fields belongs to a CSR', () => {
    for (const name of Object.keys(CSR_FIELDS)) expect(csrByName(name)?.fields, name).toBe(CSR_FIELDS[name]);
  });

  test('fields are in order and do not overlap', () => {
    for (const { name, fields } of CSRS) {
      let next = 0;
      for (const field of fields) {
        expect(field.low, `${name}.${field.name}`).toBeGreaterThanOrEqual(next);
        expect(field.high, `${name}.${field.name}`).toBeGreaterThanOrEqual(field.low);
        next = field.high + 1;
      }
      expect(next, name).toBeLessThanOrEqual(64);
    }
  });

  test('sstatus is a part of mstatus', () => {
    const machine = csrByName('mstatus')!.fields;
    for (const field of csrByName('sstatus')!.fields) expect(machine).toContainEqual(field);
  });

  test('decodes fields', () => {
    expect(texts('mstatus', 0x8000000a00007880n)).toMatchObject({
      MPP: 'M',
      FS: 'dirty',
      SD: '1',
      UXL: '64',
      SXL: '64',
      MPIE: '1',
      SPP: 'U',
    });
    expect(texts('satp', 0x8000000000080001n)).toEqual({ PPN: '0x80001', ASID: '0x0', MODE: 'Sv39' });
    expect(texts('stvec', 0x80200001n)).toEqual({ MODE: 'vectored', BASE: '0x80200000' });
    expect(texts('scause', 0x8000000000000005n)).toEqual({
      Code: 'supervisor timer interrupt',
      Interrupt: '1',
    });
    expect(texts('mcause', 15n)).toEqual({ Code: 'store/AMO page fault', Interrupt: '0' });
    expect(texts('misa', 0x800000000014112dn)).toEqual({ Extensions: 'ACDFIMSU', MXL: '64' });
    expect(texts('fcsr', 0x31n)).toMatchObject({ NX: '1', NV: '1', RM: 'RTZ (towards zero)' });
    expect(texts('pmpcfg2', 0x9f00n)).toMatchObject({ pmp8cfg: 'OFF ---', pmp9cfg: 'NAPOT RWX locked' });
    expect(texts('mip', 0x80n)).toMatchObject({ MTIP: '1', SEIP: '0' });
    expect(texts('medeleg', 1n << 13n)).toMatchObject({ Exception13: '1', Exception12: '0' });
    // Sign-extended values mean the same bits.
    expect(texts('mcause', -1n << 63n)).toMatchObject({ Interrupt: '1' });
  });

  test('access follows from the number', () => {
    expect(csrAccess(0xc00)).toEqual({ privilege: 'U', writable: false });
    expect(csrAccess(0x180)).toEqual({ privilege: 'S', writable: true });
    expect(csrAccess(0xf14)).toEqual({ privilege: 'M', writable: false });
  });
});

test('causes are unique and named', () => {
  expect(new Set(CAUSES.map(({ code, interrupt }) => `${interrupt} ${code}`)).size).toBe(CAUSES.length);
  expect(causeName(2n)).toBe('illegal instruction');
  expect(causeName((1n << 63n) | 9n)).toBe('supervisor external interrupt');
  expect(causeName(14n)).toBe('reserved exception 14');
});

test('registers by either name', () => {
  expect(REGISTER_NAMES).toHaveLength(32);
  expect(FLOAT_REGISTER_NAMES).toHaveLength(32);
  expect(REGISTERS.map(({ name }) => name)).toEqual(Array.from({ length: 32 }, (_, n) => `x${n}`));
  expect([integerRegister('a0'), integerRegister('x31'), integerRegister('fp')]).toEqual([10, 31, 8]);
  expect([floatRegister('ft11'), floatRegister('f9'), floatRegister('a0')]).toEqual([31, 9, undefined]);
});
