import { describe, expect, it } from 'vitest';
import { BareHarts, RAM_BASE } from '../../test/support/bare-hart.ts';
import { virtual } from '../base/brands.ts';
import { type Hart, INTERRUPT, type PrivilegeLevel } from '../contracts/hart.ts';

const CSR = {
  sstatus: 0x100,
  sie: 0x104,
  stvec: 0x105,
  scause: 0x142,
  sepc: 0x141,
  sip: 0x144,
  stimecmp: 0x14d,
  satp: 0x180,
  mstatus: 0x300,
  medeleg: 0x302,
  mideleg: 0x303,
  mie: 0x304,
  mtvec: 0x305,
  mcounteren: 0x306,
  menvcfg: 0x30a,
  mepc: 0x341,
  mcause: 0x342,
  mtval: 0x343,
  mip: 0x344,
  pmpcfg0: 0x3a0,
  pmpaddr0: 0x3b0,
} as const;
const M_HANDLER = RAM_BASE + 0x1000;
const S_HANDLER = RAM_BASE + 0x2000;
const INTERRUPT_BIT = 1n << 63n;
const MPRV = 1n << 17n;
const STCE = 1n << 63n;
const ILLEGAL = 2n;

/** A hart at a program, with PMP open and handlers that stay where they are. */
function hartAt(
  privilege: PrivilegeLevel,
  program: string,
  prepare: (hart: Hart) => void = () => {},
): BareHarts {
  const machine = new BareHarts();
  machine.place('here:\n jal zero, here', M_HANDLER);
  machine.place('here:\n jal zero, here', S_HANDLER);
  machine.start(program, privilege);
  const { hart } = machine;
  hart.writeCsr(CSR.mtvec, BigInt(M_HANDLER));
  hart.writeCsr(CSR.stvec, BigInt(S_HANDLER));
  hart.writeCsr(CSR.pmpaddr0, 0x3f_ffff_ffff_ffffn);
  hart.writeCsr(CSR.pmpcfg0, 0x1fn);
  prepare(hart);
  return machine;
}

/** The exception that one instruction raises into M-mode; undefined for none. */
function exception(
  privilege: PrivilegeLevel,
  instruction: string,
  prepare?: (hart: Hart) => void,
): bigint | undefined {
  const { hart } = hartAt(privilege, instruction, prepare);
  hart.run(1);
  return hart.getPc() === BigInt(M_HANDLER) ? hart.readCsr(CSR.mcause) : undefined;
}

// Unprivileged, "Zicsr": csrrs and csrrc write unless rs1 is x0, csrrsi and csrrci unless the immediate is 0.
describe('an access to a read-only CSR', () => {
  it.each([
    ['csrrs a0, mhartid, zero', undefined],
    ['csrrc a0, mhartid, zero', undefined],
    ['csrrsi a0, mhartid, 0', undefined],
    ['csrrci a0, cycle, 0', undefined],
    ['csrrs a0, mhartid, t0', ILLEGAL],
    ['csrrc a0, cycle, t0', ILLEGAL],
    ['csrrs zero, mvendorid, t0', ILLEGAL],
    ['csrrsi a0, mhartid, 1', ILLEGAL],
    ['csrrci a0, time, 31', ILLEGAL],
    ['csrrw a0, mhartid, zero', ILLEGAL],
    ['csrrwi zero, instret, 0', ILLEGAL],
  ])('%s, all registers zero', (instruction, cause) => {
    expect(exception(3, instruction)).toBe(cause);
  });
});

describe('exceptions', () => {
  it('of ebreak leave its address in tval, whatever its length', () => {
    for (const instruction of ['ebreak', 'c.ebreak']) {
      const { hart } = hartAt(3, `addi a0, a0, 1\n ${instruction}`);
      hart.run(2);
      expect(hart.readCsr(CSR.mcause)).toBe(3n);
      expect(hart.readCsr(CSR.mepc)).toBe(BigInt(RAM_BASE + 4));
      expect(hart.readCsr(CSR.mtval)).toBe(BigInt(RAM_BASE + 4));
    }
  });

  // "Machine Trap Delegation Registers": never to a less privileged mode, and an M-mode ecall cannot be delegated.
  it('of M-mode stay there, though delegated', () => {
    const delegate = (hart: Hart): void => void hart.writeCsr(CSR.medeleg, -1n & 0xffffn);
    expect(exception(3, 'ecall', delegate)).toBe(11n);
    expect(exception(3, '.word 0', delegate)).toBe(ILLEGAL);
    const { hart } = hartAt(1, '.word 0', delegate);
    hart.run(1);
    expect([hart.getPc(), hart.readCsr(CSR.scause)]).toEqual([BigInt(S_HANDLER), ILLEGAL]);
  });

  it('do not count as retired, whatever raises them, nor do the traps of interrupts count as steps', () => {
    for (const instruction of ['ecall', 'ebreak', '.word 0', 'ld a0, 0(zero)']) {
      const { hart } = hartAt(3, `addi a0, a0, 1\n ${instruction}`);
      hart.run(2);
      expect([hart.steps, hart.readCsr(0xb00), hart.readCsr(0xb02)], instruction).toEqual([2, 2n, 1n]);
    }
    const { hart } = hartAt(3, 'addi a0, a0, 1', (present) => {
      present.writeCsr(CSR.mie, 8n);
      present.writeCsr(CSR.mstatus, 8n);
      present.setInterrupt(INTERRUPT.MSIP, true);
    });
    hart.run(1); // the handler's own jump
    expect([hart.steps, hart.readCsr(0xb02), hart.readCsr(CSR.mepc)]).toEqual([1, 1n, BigInt(RAM_BASE)]);
  });
});

// "Trap-Return Instructions" and "Memory Privilege in mstatus Register".
describe('returns', () => {
  const returned = (instruction: string, status: bigint): { privilege: number; status: bigint } => {
    const { hart } = hartAt(3, instruction, (present) => {
      present.writeCsr(CSR.mepc, BigInt(S_HANDLER));
      present.writeCsr(CSR.sepc, BigInt(S_HANDLER));
      present.writeCsr(CSR.mstatus, status);
    });
    hart.run(1);
    expect(hart.getPc()).toBe(BigInt(S_HANDLER));
    return { privilege: hart.getPrivilege(), status: hart.readCsr(CSR.mstatus)! & 0x1f_ffffn };
  };

  it('by mret leave MPP = U, MPIE set, and keep MPRV only when they stay in M-mode', () => {
    expect(returned('mret', MPRV | (3n << 11n))).toEqual({ privilege: 3, status: MPRV | 0x80n });
    expect(returned('mret', MPRV | (1n << 11n) | 0x80n)).toEqual({ privilege: 1, status: 0x88n });
    expect(returned('mret', MPRV)).toEqual({ privilege: 0, status: 0x80n });
  });

  it('by sret leave SPP = U, SPIE set, and never MPRV', () => {
    expect(returned('sret', MPRV | (1n << 8n) | 0x20n)).toEqual({ privilege: 1, status: 0x22n });
    expect(returned('sret', MPRV | (3n << 11n) | 0x2n)).toEqual({
      privilege: 0,
      status: (3n << 11n) | 0x20n,
    });
  });
});

// "Supervisor Interrupt (sip and sie) Registers": views of mip and mie, of what mideleg delegates.
describe('sip and sie', () => {
  it('show and write what is delegated, and of sip only SSIP', () => {
    const { hart } = hartAt(3, '');
    const pending = [INTERRUPT.SSIP, INTERRUPT.STIP, INTERRUPT.SEIP, INTERRUPT.MTIP];
    for (const bit of pending) hart.setInterrupt(bit, true);
    hart.writeCsr(CSR.mie, -1n);
    expect([hart.readCsr(CSR.sip), hart.readCsr(CSR.sie)]).toEqual([0n, 0n]);
    hart.writeCsr(CSR.sie, 0n);
    hart.writeCsr(CSR.sip, 0n);
    expect([hart.readCsr(CSR.mip), hart.readCsr(CSR.mie)]).toEqual([0x2a2n, 0x2aaan]);

    hart.writeCsr(CSR.mideleg, 0x22n);
    expect([hart.readCsr(CSR.sip), hart.readCsr(CSR.sie)]).toEqual([0x22n, 0x22n]);
    hart.writeCsr(CSR.sie, 0x200n); // SEIE is not delegated: neither it nor those of M-mode change
    expect(hart.readCsr(CSR.mie)).toBe(0x2a88n);
    hart.writeCsr(CSR.sip, 0n);
    expect(hart.readCsr(CSR.mip)).toBe(0x2a0n);
  });
});

describe('mip', () => {
  it('is not for software to write where M-mode inputs drive it, nor STIP with stimecmp in force', () => {
    const { hart } = hartAt(3, '');
    hart.writeCsr(CSR.mip, -1n);
    expect(hart.readCsr(CSR.mip)).toBe(0x2222n);
    hart.writeCsr(CSR.mip, 0n);
    hart.writeCsr(CSR.menvcfg, STCE);
    hart.writeCsr(CSR.mip, -1n);
    expect(hart.readCsr(CSR.mip)).toBe(0x2202n);
    hart.writeCsr(CSR.stimecmp, 0n);
    hart.writeCsr(CSR.mip, 0n);
    expect(hart.readCsr(CSR.mip)).toBe(0x20n);
  });
});

describe('interrupts', () => {
  // "Machine Interrupt (mip and mie) Registers": those for M-mode come before those delegated, whatever their numbers.
  it('for M-mode come before delegated ones of higher priority', () => {
    const { hart } = hartAt(1, 'addi a0, a0, 1', (present) => {
      present.writeCsr(CSR.mideleg, 0x222n);
      present.writeCsr(CSR.mie, 0xaaan);
      present.writeCsr(CSR.mstatus, 2n);
      present.setInterrupt(INTERRUPT.SEIP, true);
      present.setInterrupt(INTERRUPT.MTIP, true);
    });
    hart.run(1);
    expect([hart.getPrivilege(), hart.readCsr(CSR.mcause)]).toEqual([3, INTERRUPT_BIT | 7n]);
  });

  it.each([
    // privilege, mstatus, SSIP delegated, taken in
    [0, 0n, true, 1],
    [1, 0n, true, null],
    [1, 2n, true, 1],
    [3, 0xan, true, null], // delegated ones are masked in M-mode
    [0, 0n, false, 3],
    [1, 0n, false, 3],
    [3, 2n, false, null],
    [3, 8n, false, 3],
  ] as const)(
    'in mode %i with mstatus %i, delegated %s: taken in %s',
    (privilege, status, delegated, taken) => {
      const { hart } = hartAt(privilege, 'addi a0, a0, 1', (present) => {
        present.writeCsr(CSR.mideleg, delegated ? 2n : 0n);
        present.writeCsr(CSR.mie, 2n);
        present.writeCsr(CSR.mstatus, status);
        present.setInterrupt(INTERRUPT.SSIP, true);
      });
      hart.run(1);
      const handler = taken === 3 ? M_HANDLER : S_HANDLER;
      if (taken === null) expect(hart.getX(10)).toBe(1n);
      else expect([hart.getPc(), hart.getPrivilege()]).toEqual([BigInt(handler), taken]);
    },
  );

  it('of the supervisor are vectored by stvec', () => {
    const { hart } = hartAt(1, 'addi a0, a0, 1', (present) => {
      present.writeCsr(CSR.stvec, BigInt(S_HANDLER) | 1n);
      present.writeCsr(CSR.mideleg, 0x222n);
      present.writeCsr(CSR.mie, 0x200n);
      present.writeCsr(CSR.mstatus, 2n);
      present.setInterrupt(INTERRUPT.SEIP, true);
    });
    hart.run(0);
    expect(hart.getPc()).toBe(BigInt(RAM_BASE));
    hart.run(1);
    expect(hart.readCsr(CSR.scause)).toBe(INTERRUPT_BIT | 9n);
    expect(hart.readCsr(CSR.sepc)).toBe(BigInt(RAM_BASE));
  });

  // "Wait for Interrupt": a pending one enabled in mie ends the wait, the global enables and delegation regardless.
  it('that may not be taken end a wait all the same', () => {
    for (const privilege of [1, 3] as const) {
      const { hart } = hartAt(privilege, 'wfi\n addi a0, a0, 1', (present) => {
        present.writeCsr(CSR.mideleg, 0x222n);
        present.writeCsr(CSR.mie, 2n);
        present.setInterrupt(INTERRUPT.SSIP, true);
      });
      expect(hart.run(2)).toBe('budget');
      expect(hart.getX(10)).toBe(1n);
    }
    const { hart } = hartAt(3, 'wfi\n addi a0, a0, 1', (present) =>
      present.setInterrupt(INTERRUPT.SSIP, true),
    );
    expect(hart.run(2)).toBe('wfi'); // pending, but not enabled in mie
  });
});

// Sstc: outside M-mode, stimecmp needs menvcfg.STCE and mcounteren.TM; U-mode never gets it.
describe('stimecmp', () => {
  it.each([
    [3, 0n, 0n, undefined],
    [1, STCE, 2n, undefined],
    [1, STCE, 5n, ILLEGAL],
    [1, 0n, 2n, ILLEGAL],
    [0, STCE, 2n, ILLEGAL],
  ] as const)('in mode %i with menvcfg %i and mcounteren %i', (privilege, menvcfg, mcounteren, cause) => {
    for (const instruction of ['csrrs a0, stimecmp, zero', 'csrrw zero, stimecmp, a0']) {
      const outcome = exception(privilege, instruction, (hart) => {
        hart.writeCsr(CSR.menvcfg, menvcfg);
        hart.writeCsr(CSR.mcounteren, mcounteren);
      });
      expect(outcome, instruction).toBe(cause);
    }
  });

  it('drives STIP only while STCE is set', () => {
    const { hart } = hartAt(3, '');
    hart.writeCsr(CSR.stimecmp, 0n);
    expect(hart.readCsr(CSR.mip)).toBe(0n);
    hart.writeCsr(CSR.menvcfg, STCE);
    expect(hart.readCsr(CSR.mip)).toBe(0x20n);
    hart.writeCsr(CSR.stimecmp, 1n);
    expect(hart.readCsr(CSR.mip)).toBe(0n);
    hart.skipSteps(10);
    expect(hart.readCsr(CSR.mip)).toBe(0x20n);
  });
});

// "Supervisor Address Translation and Protection (satp) Register".
describe('satp', () => {
  it('keeps everything when the mode written is not supported, and all 16 bits of ASID otherwise', () => {
    const { hart } = hartAt(3, '');
    const valid = (8n << 60n) | (0xffffn << 44n) | 0x8_0010n;
    hart.writeCsr(CSR.satp, valid);
    expect(hart.readCsr(CSR.satp)).toBe(valid);
    for (const mode of [1n, 2n, 7n, 11n, 15n]) {
      hart.writeCsr(CSR.satp, (mode << 60n) | 0x1234n);
      expect(hart.readCsr(CSR.satp)).toBe(valid);
    }
    hart.writeCsr(CSR.satp, 0n);
    expect(hart.readCsr(CSR.satp)).toBe(0n);
  });
});

// "Hardware Performance Monitor" and "Machine Counter-Inhibit (mcountinhibit) Register".
describe('counters', () => {
  it('count the instruction that writes mcountinhibit without stopping them', () => {
    const { hart } = hartAt(
      3,
      `
        csrrs a0, minstret, zero
        csrrs a1, mcycle, zero
        csrrwi zero, mcountinhibit, 0
        csrrwi zero, mcountinhibit, 1
        csrrwi zero, mcountinhibit, 1
        csrrs a2, minstret, zero
        csrrwi zero, mcountinhibit, 0
        csrrs a3, mcycle, zero
        csrrs a4, minstret, zero
      `,
    );
    hart.run(9);
    expect(hart.getX(12) - hart.getX(10)).toBe(5n);
    expect(hart.getX(14) - hart.getX(10)).toBe(8n);
    // Of the cycles between, those of the inhibited stretch are missing: its two instructions and the one that ends it.
    expect(hart.getX(13) - hart.getX(11)).toBe(2n);
  });
});

// "Virtual Address Translation Process" and "Physical Memory Protection and Paging".
describe('A and D bits', () => {
  const ROOT = RAM_BASE + 0x10_000;
  const LEAF = RAM_BASE + 0x11_000;
  const VA = 0x40_0000n;
  const [V, R, W, X, U, A, D] = [1n, 2n, 4n, 8n, 16n, 64n, 128n] as const;

  /** S-mode with VA mapped by 4 KiB pages from LEAF, whose first entry is given; code at a superpage over RAM. */
  function paged(instruction: string, entry: bigint, prepare: (hart: Hart) => void = () => {}): BareHarts {
    const machine = hartAt(1, instruction);
    machine.write64(ROOT, ((BigInt(RAM_BASE + 0x12_000) >> 12n) << 10n) | V);
    machine.write64(RAM_BASE + 0x12_000 + 2 * 8, ((BigInt(LEAF) >> 12n) << 10n) | V);
    machine.write64(ROOT + 2 * 8, ((BigInt(RAM_BASE) >> 12n) << 10n) | V | R | W | X | A | D);
    machine.write64(LEAF, ((BigInt(RAM_BASE + 0x5000) >> 12n) << 10n) | entry);
    const { hart } = machine;
    hart.setX(11, VA);
    hart.writeCsr(CSR.satp, (8n << 60n) | (BigInt(ROOT) >> 12n));
    prepare(hart);
    hart.run(1);
    return machine;
  }
  const outcome = (machine: BareHarts): readonly [cause: bigint, bits: bigint] => [
    machine.hart.readCsr(CSR.mcause)!,
    machine.read64(LEAF) & (A | D),
  ];
  /** The page of the leaf table for S-mode as `permissions`; everything else open. */
  const leafTable = (permissions: bigint) => (hart: Hart) => {
    hart.writeCsr(CSR.pmpaddr0 + 1, 0x3f_ffff_ffff_ffffn);
    hart.writeCsr(CSR.pmpaddr0, BigInt(LEAF >>> 2) | 0x1ffn);
    hart.writeCsr(CSR.pmpcfg0, 0x1f18n | permissions);
  };

  it('are set by accesses that the entry permits, and by no others', () => {
    expect(outcome(paged('ld a0, 0(a1)', V | R))).toEqual([0n, A]);
    expect(outcome(paged('sd a0, 0(a1)', V | R))).toEqual([15n, 0n]);
    expect(outcome(paged('ld a0, 0(a1)', V | X))).toEqual([13n, 0n]);
    expect(outcome(paged('ld a0, 0(a1)', V | R | W | U))).toEqual([13n, 0n]);
    expect(outcome(paged('amoadd.d a0, a0, (a1)', V | R))).toEqual([15n, 0n]);
    expect(outcome(paged('amoadd.d a0, a0, (a1)', V | R | W))).toEqual([0n, A | D]);
    expect(outcome(paged('lr.d a0, (a1)', V | R | W))).toEqual([0n, A]);
    // Without a reservation nothing is written, so nothing is dirty.
    expect(outcome(paged('sc.d a0, a0, (a1)', V | R | W))).toEqual([0n, 0n]);
  });

  it('are an access fault where protection denies the table, to read or to write', () => {
    expect(outcome(paged('ld a0, 0(a1)', V | R, leafTable(0n)))).toEqual([5n, 0n]);
    expect(outcome(paged('sd a0, 0(a1)', V | R | W, leafTable(0n)))).toEqual([7n, 0n]);
    expect(outcome(paged('sd a0, 0(a1)', V | R | W | A, leafTable(1n)))).toEqual([7n, A]);
    expect(outcome(paged('sd a0, 0(a1)', V | R | W | A | D, leafTable(1n)))).toEqual([0n, A | D]);
    const denied = paged('ld a0, 0(a1)', V | R | A, leafTable(0n));
    expect(denied.hart.walk(virtual(VA), { privilege: 1 }).fault).toMatch(/PMP.*entry/);
  });
});

// SBI, "Hart State Management": a start leaves registers undefined, but an input's level is its source's.
describe('a supervisor that starts', () => {
  it('has nothing pending but what the inputs say', () => {
    const { hart } = hartAt(3, '');
    for (const bit of [INTERRUPT.SEIP, INTERRUPT.SSIP]) hart.setInterrupt(bit, true);
    hart.writeCsr(CSR.menvcfg, STCE);
    hart.writeCsr(CSR.stimecmp, 0n);
    hart.enterSupervisor({ pc: BigInt(RAM_BASE), a0: 0n, a1: 0n });
    expect([hart.readCsr(CSR.mip), hart.readCsr(CSR.sie)]).toEqual([0x200n, 0n]);
    hart.setInterrupt(INTERRUPT.SEIP, false);
    expect(hart.readCsr(CSR.mip)).toBe(0n);
  });
});
