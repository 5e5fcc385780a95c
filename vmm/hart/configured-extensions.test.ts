import { describe, expect, it } from 'vitest';
import { BareHarts, RAM_BASE, STEPS_PER_TICK } from '../../test/support/bare-hart.ts';
import type { Hart, PrivilegeLevel } from '../contracts/hart.ts';
import { parseIsa } from '../isa/isa-text.ts';

const CSR = {
  sstatus: 0x100,
  sie: 0x104,
  stvec: 0x105,
  scounteren: 0x106,
  senvcfg: 0x10a,
  sstateen0: 0x10c,
  sstateen3: 0x10f,
  sepc: 0x141,
  scause: 0x142,
  sip: 0x144,
  stimecmp: 0x14d,
  mstatus: 0x300,
  misa: 0x301,
  mcounteren: 0x306,
  menvcfg: 0x30a,
  mstateen0: 0x30c,
  mstateen3: 0x30f,
  mtvec: 0x305,
  mcause: 0x342,
  pmpcfg0: 0x3a0,
  pmpaddr0: 0x3b0,
} as const;
const HANDLER = RAM_BASE + 0x1000;
const ILLEGAL = 2n;
const INTERRUPT_BIT = 1n << 63n;
const ONES = 0xffff_ffff_ffff_ffffn;
const SE = 1n << 63n;
const STATE_ENVCFG = 1n << 62n;
const TVM = 1n << 20n;

function hartWith(isa: string): BareHarts {
  const machine = new BareHarts({ isa: parseIsa(isa) });
  const { hart } = machine;
  hart.writeCsr(CSR.mtvec, BigInt(HANDLER));
  hart.writeCsr(CSR.pmpaddr0, 0x3f_ffff_ffff_ffffn);
  hart.writeCsr(CSR.pmpcfg0, 0x1fn);
  return machine;
}

/** The exception that one instruction raises; undefined for none. */
function exception(
  isa: string,
  privilege: PrivilegeLevel,
  instruction: string,
  prepare: (hart: Hart) => void = () => {},
): bigint | undefined {
  const machine = hartWith(isa);
  const { hart } = machine;
  machine.place(instruction, RAM_BASE);
  hart.setPc(BigInt(RAM_BASE));
  prepare(hart);
  hart.setPrivilege(privilege);
  hart.run(1);
  return hart.getPc() === BigInt(HANDLER) ? hart.readCsr(CSR.mcause) : undefined;
}

const open = (hart: Hart): void => {
  hart.writeCsr(CSR.mcounteren, ONES);
  hart.writeCsr(CSR.scounteren, ONES);
  hart.writeCsr(CSR.menvcfg, ONES);
  for (let csr = CSR.mstateen0; csr <= CSR.mstateen3; csr++) hart.writeCsr(csr, ONES);
  hart.writeCsr(CSR.mstatus, 1n << 13n);
};

// Profiles, "RVA23S64 Mandatory Extensions": each with the CSRs and instructions that it brings.
describe.each([
  ['svinval', 1, ['sinval.vma a0, a1', 'sinval.vma zero, zero', 'sfence.w.inval', 'sfence.inval.ir']],
  ['sstc', 1, ['csrrs a0, stimecmp, zero', 'csrrw zero, stimecmp, a0']],
  ['sscofpmf', 1, ['csrrs a0, scountovf, zero']],
  ['zicntr', 0, ['csrrs a0, cycle, zero', 'csrrs a0, time, zero', 'csrrs a0, instret, zero']],
  ['zihpm', 0, ['csrrs a0, hpmcounter3, zero', 'csrrs a0, hpmcounter31, zero']],
  ['smstateen', 3, ['csrrs a0, mstateen0, zero', 'csrrw zero, mstateen3, a0']],
  ['ssstateen', 1, ['csrrs a0, sstateen0, zero', 'csrrw zero, sstateen3, a0']],
  ['f', 0, ['csrrs a0, fcsr, zero', 'csrrs a0, frm, zero', 'csrrw zero, fflags, a0']],
] as const)('%s', (extension, privilege, instructions) => {
  it.each(instructions)('brings %s, which is illegal without it', (instruction) => {
    expect(exception('', privilege, instruction, open)).toBeUndefined();
    expect(exception(`-${extension}`, privilege, instruction, open)).toBe(ILLEGAL);
  });
});

describe('a CSR of an extension that is off', () => {
  it.each([
    ['sstc', CSR.stimecmp],
    ['sscofpmf', 0xda0],
    ['zicntr', 0xc00],
    ['zihpm', 0xc1f],
    ['smstateen', CSR.mstateen0],
    ['ssstateen', CSR.sstateen3],
    ['f', 0x003],
  ])('%s: 0x%s is not there for a debugger either', (extension, csr) => {
    const { hart } = hartWith(`-${extension}`);
    expect(hart.readCsr(csr)).toBeUndefined();
    expect(hart.writeCsr(csr, 1n)).toBe(false);
    expect(hartWith('').hart.readCsr(csr)).toBeTypeOf('bigint');
  });
});

describe('misa (privileged, "Machine ISA Register")', () => {
  const letters = (isa: string): string => {
    const value = hartWith(isa).hart.readCsr(CSR.misa)!;
    expect(value >> 62n).toBe(2n); // MXL: 64
    return [...'abcdefghijklmnopqrstuvwxyz']
      .filter((_, bit) => ((value >> BigInt(bit)) & 1n) !== 0n)
      .join('');
  };

  it.each([
    ['', 'abcdfimsu'],
    ['rv64i', 'isu'],
    ['rv64imac', 'acimsu'],
    ['rv64gc', 'acdfimsu'],
    ['-zbs', 'acdfimsu'], // B is all three of its parts
    ['-f', 'abcimsu'], // D needs F
    ['-m,-c', 'abdfisu'],
  ])('of "%s" names %s', (isa, expected) => expect(letters(isa)).toBe(expected));
});

// "Machine Environment Configuration Register", "Supervisor Environment Configuration Register".
describe('fields of extensions that are off are read-only zero', () => {
  it.each([
    ['', CSR.menvcfg, 0xe000_0000_0000_00f1n],
    ['-sstc', CSR.menvcfg, 0x6000_0000_0000_00f1n],
    ['-svpbmt', CSR.menvcfg, 0xa000_0000_0000_00f1n],
    ['-svadu', CSR.menvcfg, 0xc000_0000_0000_00f1n],
    ['-zicbom', CSR.menvcfg, 0xe000_0000_0000_0081n],
    ['-zicboz', CSR.menvcfg, 0xe000_0000_0000_0071n],
    ['', CSR.senvcfg, 0xf1n],
    ['-zicbom,-zicboz', CSR.senvcfg, 0x1n],
    ['', CSR.mcounteren, 0xffff_ffffn],
    ['-zihpm', CSR.mcounteren, 7n],
    ['-zicntr', CSR.mcounteren, 0xffff_fffan], // TM guards stimecmp too
    ['-zicntr,-sstc', CSR.mcounteren, 0xffff_fff8n],
    ['-f', CSR.mstatus, 0xa_007e_19aan],
  ])('with "%s", CSR %i', (isa, csr, expected) => {
    const { hart } = hartWith(isa);
    hart.writeCsr(csr, ONES);
    expect(hart.readCsr(csr)).toBe(expected);
  });

  it('CBIE keeps its value when the reserved one is written', () => {
    const { hart } = hartWith('');
    for (const csr of [CSR.menvcfg, CSR.senvcfg]) {
      hart.writeCsr(csr, 3n << 4n);
      hart.writeCsr(csr, (2n << 4n) | 1n);
      expect(hart.readCsr(csr)! & 0xffn).toBe((3n << 4n) | 1n);
      hart.writeCsr(csr, 1n << 4n);
      expect(hart.readCsr(csr)! & 0xffn).toBe(1n << 4n);
    }
  });

  // Svadu, "Hardware Updating of A/D Bits": with both extensions, bits fault until software asks for updates.
  it.each([
    ['', 0x6000_0000_0000_0000n],
    ['+svade', 0x4000_0000_0000_0000n],
    ['+svade,-svadu', 0x4000_0000_0000_0000n],
    ['-svpbmt', 0x2000_0000_0000_0000n],
    ['-svpbmt,-svadu', 0n],
  ])('menvcfg after a reset of "%s" is %i', (isa, expected) => {
    expect(hartWith(isa).hart.readCsr(CSR.menvcfg)).toBe(expected);
  });
});

// "Smstateen/Ssstateen": mstateen bits are clear after a reset; nothing here has state that sstateen would guard.
describe('state enables', () => {
  const enable = (csr: number, value: bigint) => (hart: Hart) => void hart.writeCsr(csr, value);

  it.each([
    ['csrrs a0, senvcfg, zero', 1, CSR.mstateen0, 0n, ILLEGAL],
    ['csrrs a0, senvcfg, zero', 1, CSR.mstateen0, SE, ILLEGAL],
    ['csrrs a0, senvcfg, zero', 1, CSR.mstateen0, STATE_ENVCFG, undefined],
    ['csrrw zero, senvcfg, a0', 1, CSR.mstateen0, 0n, ILLEGAL],
    ['csrrs a0, senvcfg, zero', 3, CSR.mstateen0, 0n, undefined],
    ['csrrs a0, sstateen0, zero', 1, CSR.mstateen0, STATE_ENVCFG, ILLEGAL],
    ['csrrs a0, sstateen0, zero', 1, CSR.mstateen0, SE, undefined],
    ['csrrs a0, sstateen3, zero', 1, CSR.mstateen0, SE, ILLEGAL],
    ['csrrs a0, sstateen3, zero', 1, CSR.mstateen3, SE, undefined],
    ['csrrs a0, sstateen3, zero', 3, CSR.mstateen3, 0n, undefined],
    ['csrrs a0, sstateen0, zero', 0, CSR.mstateen0, SE, ILLEGAL],
    ['csrrs a0, mstateen0, zero', 1, CSR.mstateen0, ONES, ILLEGAL],
  ] as const)('%s in mode %i with CSR %i = %i', (instruction, privilege, csr, value, cause) => {
    expect(exception('', privilege, instruction, enable(csr, value))).toBe(cause);
  });

  it('guard nothing without Smstateen', () => {
    expect(exception('-smstateen', 1, 'csrrs a0, senvcfg, zero')).toBeUndefined();
    expect(exception('-smstateen', 1, 'csrrs a0, sstateen0, zero')).toBeUndefined();
  });

  it('keep SE of all four, and ENVCFG of the first; sstateen is zero', () => {
    const { hart } = hartWith('');
    const written = [0, 1, 2, 3].map((index) => {
      expect(hart.readCsr(CSR.mstateen0 + index)).toBe(0n);
      hart.writeCsr(CSR.mstateen0 + index, ONES);
      hart.writeCsr(CSR.sstateen0 + index, ONES);
      return [hart.readCsr(CSR.mstateen0 + index), hart.readCsr(CSR.sstateen0 + index)];
    });
    expect(written).toEqual([
      [SE | STATE_ENVCFG, 0n],
      [SE, 0n],
      [SE, 0n],
      [SE, 0n],
    ]);
  });
});

// "Svinval": sinval.vma is permitted as sfence.vma is; the other two in S-mode whatever TVM says.
describe('Svinval', () => {
  it.each([
    ['sinval.vma zero, zero', 3, TVM, undefined],
    ['sinval.vma zero, zero', 1, 0n, undefined],
    ['sinval.vma zero, zero', 1, TVM, ILLEGAL],
    ['sinval.vma zero, zero', 0, 0n, ILLEGAL],
    ['sfence.w.inval', 1, TVM, undefined],
    ['sfence.inval.ir', 1, TVM, undefined],
    ['sfence.w.inval', 0, 0n, ILLEGAL],
    ['sfence.inval.ir', 0, 0n, ILLEGAL],
  ] as const)('%s in mode %i with mstatus %i', (instruction, privilege, status, cause) => {
    const outcome = exception('', privilege, instruction, (hart) => hart.writeCsr(CSR.mstatus, status));
    expect(outcome).toBe(cause);
  });

  it('of its instructions only sinval.vma is an exit, with what it names', () => {
    const machine = hartWith('');
    machine.watched.add('tlb-flush:post');
    machine.place('sfence.w.inval\n sinval.vma a0, a1\n sinval.vma zero, zero\n sfence.inval.ir', RAM_BASE);
    const { hart } = machine;
    hart.setPc(BigInt(RAM_BASE));
    hart.setX(10, 0x1234_5000n);
    hart.setX(11, 0x7n);
    hart.run(4);
    expect(machine.reports.map(({ exit }) => exit)).toEqual([
      { kind: 'tlb-flush', fence: 'sinval.vma', address: 0x1234_5000n, asid: 7 },
      { kind: 'tlb-flush', fence: 'sinval.vma', address: null, asid: null },
    ]);
    expect(hart.retired).toBe(4);
  });
});

// "Supervisor Address Translation and Protection": an unsupported MODE, and nothing is written or forgotten.
describe('a write of satp', () => {
  it.each([
    [0n, 1],
    [8n, 1],
    [10n, 1],
    [11n, 0],
    [1n, 0],
  ])('with MODE %i is %i exits of kind tlb-flush', (mode, flushes) => {
    const machine = hartWith('');
    machine.place('csrrw zero, satp, a0', RAM_BASE);
    const { hart } = machine;
    hart.setPc(BigInt(RAM_BASE));
    hart.setX(10, (mode << 60n) | 0x8_0000n);
    hart.run(1);
    expect(machine.counts.get('tlb-flush') ?? 0).toBe(flushes);
    expect(machine.counts.get('csr')).toBe(1);
  });
});

// What an SBI implementation gives the supervisor that it starts.
describe('a supervisor that is started', () => {
  const usable = [
    'csrrs a0, senvcfg, zero',
    'csrrs a0, sstateen0, zero',
    'csrrs a0, scountovf, zero',
    'csrrs a0, stimecmp, zero',
  ];

  it.each(usable)('may use %s', (instruction) => {
    const machine = hartWith('');
    machine.place(instruction, RAM_BASE);
    machine.hart.enterSupervisor({ pc: BigInt(RAM_BASE), a0: 0n, a1: 0n });
    machine.hart.run(1);
    expect(machine.hart.getPc()).toBe(BigInt(RAM_BASE + 4));
  });

  it.each([
    ['', 0xe000_0000_0000_00f0n],
    ['+svade', 0xc000_0000_0000_00f0n],
    ['-sstc,-svpbmt,-zicbom', 0x2000_0000_0000_0080n],
  ])('has of "%s" the environment %i', (isa, expected) => {
    const { hart } = hartWith(isa);
    hart.enterSupervisor({ pc: BigInt(RAM_BASE), a0: 0n, a1: 0n });
    expect(hart.readCsr(CSR.menvcfg)).toBe(expected);
  });

  // SBI, "Timer Extension": its implementation has a timer whether or not the supervisor may use stimecmp itself.
  it.each(['', '-sstc'])(
    'gets the timer interrupt that it asked the SBI of "%s" for, at its very step',
    (isa) => {
      const machine = new BareHarts({ sbi: true, isa: parseIsa(isa) });
      machine.place('ecall\nhere:\n addi a0, a0, 1\n jal zero, here', RAM_BASE);
      machine.place('here:\n jal zero, here', HANDLER);
      const { hart } = machine;
      hart.enterSupervisor({ pc: BigInt(RAM_BASE), a0: 0n, a1: 0n });
      hart.writeCsr(CSR.stvec, BigInt(HANDLER));
      hart.writeCsr(CSR.sie, 1n << 5n);
      hart.writeCsr(CSR.sstatus, 2n);
      machine.onSbiCall = () => {
        hart.supervisorTimer = 3n;
        return 'done';
      };
      const due = 3 * STEPS_PER_TICK;
      hart.run(1);
      expect(hart.timerDeadline).toBe(due);
      hart.run(due);
      expect([hart.readCsr(CSR.scause), hart.readCsr(CSR.sepc)]).toEqual([
        INTERRUPT_BIT | 5n,
        BigInt(RAM_BASE + 8),
      ]);
      expect(hart.getX(10)).toBe(BigInt(due / 2));
      hart.supervisorTimer = 100n;
      expect(hart.readCsr(CSR.sip)).toBe(0n);
    },
  );

  it('has floating point off where there is none', () => {
    const { hart } = hartWith('-f');
    hart.enterSupervisor({ pc: BigInt(RAM_BASE), a0: 0n, a1: 0n });
    expect(hart.readCsr(CSR.mstatus)).toBe(0xa_0000_0000n);
  });
});
