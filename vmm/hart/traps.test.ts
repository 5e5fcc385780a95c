import { describe, expect, it } from 'vitest';
import { BareHarts, DEVICE, RAM_BASE, STEPS_PER_TICK } from '../../test/support/bare-hart.ts';
import { INTERRUPT } from '../contracts/hart.ts';

const CSR = {
  mstatus: 0x300,
  medeleg: 0x302,
  mideleg: 0x303,
  mie: 0x304,
  mtvec: 0x305,
  menvcfg: 0x30a,
  mepc: 0x341,
  mcause: 0x342,
  mtval: 0x343,
  mip: 0x344,
  stvec: 0x105,
  sepc: 0x141,
  scause: 0x142,
  stval: 0x143,
  sip: 0x144,
  stimecmp: 0x14d,
  mcounteren: 0x306,
  scounteren: 0x106,
} as const;
const M_HANDLER = RAM_BASE + 0x1000;
const S_HANDLER = RAM_BASE + 0x2000;
const INTERRUPT_BIT = 1n << 63n;
const STCE = 1n << 63n;

/** A machine whose handlers stay where they are, started at the program in the given mode with PMP open. */
function machineAt(
  privilege: 0 | 1 | 3,
  program: string,
): { machine: BareHarts; labels: Record<string, bigint> } {
  const machine = new BareHarts();
  machine.place('here:\n jal zero, here', M_HANDLER);
  machine.place('here:\n jal zero, here', S_HANDLER);
  const labels = machine.start(program, privilege);
  const { hart } = machine;
  hart.writeCsr(CSR.mtvec, BigInt(M_HANDLER));
  hart.writeCsr(CSR.stvec, BigInt(S_HANDLER));
  hart.writeCsr(0x3b0, 0x3f_ffff_ffff_ffffn);
  hart.writeCsr(0x3a0, 0x1fn);
  return { machine, labels };
}

describe('exceptions', () => {
  it('go to M-mode unless delegated, and never down from M-mode', () => {
    const check = (privilege: 0 | 1 | 3, delegated: bigint, cause: bigint, toSupervisor: boolean): void => {
      const { machine, labels } = machineAt(privilege, 'at:\n ecall');
      const { hart } = machine;
      hart.writeCsr(CSR.medeleg, delegated);
      hart.run(1);
      expect(hart.getPc()).toBe(BigInt(toSupervisor ? S_HANDLER : M_HANDLER));
      expect(hart.getPrivilege()).toBe(toSupervisor ? 1 : 3);
      expect(hart.readCsr(toSupervisor ? CSR.scause : CSR.mcause)).toBe(cause);
      expect(hart.readCsr(toSupervisor ? CSR.sepc : CSR.mepc)).toBe(labels['at']);
      const status = hart.readCsr(CSR.mstatus)!;
      const previous = toSupervisor ? (status >> 8n) & 1n : (status >> 11n) & 3n;
      expect(previous).toBe(BigInt(privilege));
    };
    check(0, 0n, 8n, false);
    check(0, 1n << 8n, 8n, true);
    check(1, 0n, 9n, false);
    check(1, 1n << 9n, 9n, true);
    check(3, 0xffffn, 11n, false);
  });

  it('give the illegal encoding as fetched in tval', () => {
    const check = (data: string, tval: bigint): void => {
      const { machine } = machineAt(3, data);
      machine.hart.run(1);
      expect(machine.hart.readCsr(CSR.mcause), data).toBe(2n);
      expect(machine.hart.readCsr(CSR.mtval), data).toBe(tval);
    };
    check('.word 0xffffffff', 0xffff_ffffn);
    check('.half 0x0000', 0n);
    check('.half 0x9c7d', 0x9c7dn); // reserved compressed encoding
    check('csrrw zero, 0xfff, zero', 0xfff0_1073n);
    check('fadd.s f0, f0, f0', 0x0000_7053n); // mstatus.FS is Off
    check('.half 0x2108', 0x2108n); // c.fld, floating point off: 16 bits, not the expansion
  });

  it('vector interrupts, not exceptions', () => {
    const { machine } = machineAt(3, 'ecall');
    const { hart } = machine;
    hart.writeCsr(CSR.mtvec, BigInt(M_HANDLER) | 1n);
    hart.run(1);
    expect(hart.getPc()).toBe(BigInt(M_HANDLER));

    machine.place('addi a0, a0, 7', M_HANDLER + 4 * 7);
    hart.writeCsr(CSR.mie, 1n << 7n);
    hart.writeCsr(CSR.mstatus, 8n);
    hart.setInterrupt(INTERRUPT.MTIP, true);
    hart.run(1);
    expect(hart.getX(10)).toBe(7n);
    expect(hart.readCsr(CSR.mcause)).toBe(INTERRUPT_BIT | 7n);
    expect(hart.readCsr(CSR.mepc)).toBe(BigInt(M_HANDLER));
  });

  it('return by mret and sret, which restore enables and drop MPRV', () => {
    const { machine, labels } = machineAt(3, 'mret\n .word 0\n user:\n addi a0, a0, 1');
    const { hart } = machine;
    hart.writeCsr(CSR.mepc, labels['user']!);
    hart.writeCsr(CSR.mstatus, (1n << 17n) | (1n << 7n)); // MPRV, MPIE; MPP = U
    hart.run(1);
    expect(hart.getPrivilege()).toBe(0);
    const status = hart.readCsr(CSR.mstatus)!;
    expect(status & (1n << 17n)).toBe(0n);
    expect(status & 8n).toBe(8n);
    hart.run(1);
    expect(hart.getX(10)).toBe(1n);
  });

  it('meet what a mode may not do', () => {
    const check = (privilege: 0 | 1, program: string, status: bigint, isIllegal: boolean): void => {
      const { machine } = machineAt(privilege, program);
      machine.hart.writeCsr(CSR.mstatus, status);
      machine.hart.run(1);
      expect(machine.hart.readCsr(CSR.mcause) === 2n, `${program} in mode ${privilege}`).toBe(isIllegal);
    };
    const TVM = 1n << 20n;
    const TW = 1n << 21n;
    const TSR = 1n << 22n;
    check(1, 'csrrs a0, satp, zero', 0n, false);
    check(1, 'csrrs a0, satp, zero', TVM, true);
    check(1, 'sfence.vma zero, zero', 0n, false);
    check(1, 'sfence.vma zero, zero', TVM, true);
    check(0, 'sfence.vma zero, zero', 0n, true);
    check(1, 'sret', 0n, false);
    check(1, 'sret', TSR, true);
    check(0, 'sret', 0n, true);
    check(1, 'mret', 0n, true);
    check(1, 'wfi', 0n, false);
    check(1, 'wfi', TW, true);
    check(0, 'wfi', 0n, true);
    check(1, 'csrrs a0, mstatus, zero', 0n, true);
    check(0, 'csrrs a0, sstatus, zero', 0n, true);
    check(1, 'csrrs a0, cycle, zero', 0n, true);
    check(0, 'csrrw zero, cycle, zero', 0n, true);
  });

  it('let counters through as mcounteren and scounteren say', () => {
    const check = (privilege: 0 | 1, mcounteren: bigint, scounteren: bigint, isIllegal: boolean): void => {
      const { machine } = machineAt(privilege, 'csrrs a0, time, zero');
      machine.hart.writeCsr(CSR.mcounteren, mcounteren);
      machine.hart.writeCsr(CSR.scounteren, scounteren);
      machine.hart.run(1);
      expect(machine.hart.readCsr(CSR.mcause) === 2n).toBe(isIllegal);
    };
    check(1, 2n, 0n, false);
    check(1, 5n, 7n, true);
    check(0, 2n, 2n, false);
    check(0, 2n, 5n, true);
    check(0, 0n, 2n, true);
  });
});

describe('interrupts', () => {
  it('come in the order of their priority', () => {
    const order = [
      INTERRUPT.MEIP,
      INTERRUPT.MSIP,
      INTERRUPT.MTIP,
      INTERRUPT.SEIP,
      INTERRUPT.SSIP,
      INTERRUPT.STIP,
    ];
    const { machine } = machineAt(3, 'here:\n jal zero, here');
    const { hart } = machine;
    hart.writeCsr(CSR.mie, 0xaaan);
    for (const bit of order) hart.setInterrupt(bit, true);
    for (const bit of order) {
      hart.writeCsr(CSR.mstatus, 8n);
      hart.run(1);
      expect(hart.readCsr(CSR.mcause)).toBe(INTERRUPT_BIT | BigInt(bit));
      hart.setInterrupt(bit, false);
    }
    expect(hart.readCsr(CSR.mip)).toBe(0n);
  });

  it('are taken at the very step at which they become possible', () => {
    const { machine, labels } = machineAt(
      3,
      `
        addi a0, a0, 1
        csrrsi zero, mstatus, 8
      next:
        addi a0, a0, 1
      `,
    );
    const { hart } = machine;
    hart.writeCsr(CSR.mie, 1n << 11n);
    hart.setInterrupt(INTERRUPT.MEIP, true);
    hart.run(3);
    expect(hart.readCsr(CSR.mepc)).toBe(labels['next']);
    expect(hart.getX(10)).toBe(1n);
    expect(hart.steps).toBe(3);
  });

  it('interrupt at the step that stimecmp names, from the middle of a loop', () => {
    for (const deadline of [10, 11, 250]) {
      const { machine } = machineAt(1, 'here:\n addi a0, a0, 1\n jal zero, here');
      const { hart } = machine;
      hart.writeCsr(CSR.menvcfg, STCE);
      hart.writeCsr(CSR.stimecmp, BigInt(deadline));
      hart.writeCsr(CSR.mideleg, 0x222n);
      hart.writeCsr(CSR.mie, 0x20n);
      hart.writeCsr(CSR.mstatus, 2n);
      expect(hart.timerDeadline).toBe(deadline * STEPS_PER_TICK);
      hart.run(deadline * STEPS_PER_TICK);
      expect(hart.readCsr(CSR.scause)).toBe(0n);
      expect(hart.readCsr(CSR.sip)).toBe(0x20n);
      hart.run(1);
      expect(hart.readCsr(CSR.scause)).toBe(INTERRUPT_BIT | 5n);
      expect(hart.getX(10)).toBe(BigInt((deadline * STEPS_PER_TICK) / 2));
    }
  });

  it('arrive after a device write that raises them', () => {
    const { machine, labels } = machineAt(
      3,
      `
        li t0, ${DEVICE}
        sw t0, 0(t0)
      next:
        addi a0, a0, 1
      `,
    );
    const { hart } = machine;
    hart.writeCsr(CSR.mie, 8n);
    hart.writeCsr(CSR.mstatus, 8n);
    machine.onDeviceWrite = () => hart.setInterrupt(INTERRUPT.MSIP, true);
    hart.run(10);
    expect(hart.readCsr(CSR.mepc)).toBe(labels['next']);
    expect(hart.getX(10)).toBe(0n);
  });

  it('in mip are lines, but for what software writes; SEIP is both', () => {
    const { machine } = machineAt(
      3,
      `
        csrrs a0, mip, zero
        li t0, 0x2
        csrrs zero, mip, t0
        csrrs a1, mip, zero
        li t0, 0xfff
        csrrw zero, mip, t0
        csrrs a2, mip, zero
        csrrw zero, mip, zero
        csrrs a3, mip, zero
      `,
    );
    const { hart } = machine;
    hart.setInterrupt(INTERRUPT.SEIP, true);
    hart.run(20);
    expect(hart.getX(10)).toBe(0x200n);
    expect(hart.getX(11)).toBe(0x202n);
    expect(hart.getX(12)).toBe(0x222n);
    expect(hart.getX(13)).toBe(0x200n);
    hart.setInterrupt(INTERRUPT.SEIP, false);
    // The line was high during the csrrs: it did not become the software bit.
    expect(hart.readCsr(CSR.mip)).toBe(0n);
  });

  it('end a wait, whether or not they are taken', () => {
    const { machine } = machineAt(3, 'wfi\n addi a0, a0, 1');
    const { hart } = machine;
    hart.writeCsr(CSR.mie, 8n);
    expect(hart.run(10)).toBe('wfi');
    expect(hart.steps).toBe(1);
    expect(hart.wakes).toBe(false);
    hart.skipSteps(100);
    hart.setInterrupt(INTERRUPT.MSIP, true);
    expect(hart.wakes).toBe(true);
    hart.run(1);
    expect(hart.getX(10)).toBe(1n);
    expect(hart.steps).toBe(102);
    expect(hart.readCsr(0xb02)).toBe(2n);
    expect(machine.counts.get('wfi')).toBe(1);
  });

  it('do not end a run that waits for nothing when one is pending already', () => {
    const { machine } = machineAt(3, 'wfi\n addi a0, a0, 1');
    machine.hart.writeCsr(CSR.mie, 8n);
    machine.hart.setInterrupt(INTERRUPT.MSIP, true);
    expect(machine.hart.run(2)).toBe('budget');
    expect(machine.hart.getX(10)).toBe(1n);
  });
});

describe('the supervisor environment', () => {
  it('gets the ecalls of S-mode, with registers and pc in place', () => {
    const machine = new BareHarts({ sbi: true });
    const { at } = machine.place(
      `
        addi a7, zero, 0x10
      at:
        ecall
        addi a2, a0, 1
      `,
      RAM_BASE,
    );
    const { hart } = machine;
    hart.enterSupervisor({ pc: BigInt(RAM_BASE), a0: 0n, a1: 0n });
    const calls: [bigint, number][] = [];
    machine.onSbiCall = () => {
      calls.push([hart.getPc(), hart.steps]);
      hart.setX(10, hart.getX(17));
      return 'done';
    };
    hart.run(3);
    expect(calls).toEqual([[at, 1]]);
    expect(hart.getX(12)).toBe(0x11n);
    expect(hart.readCsr(0xb02)).toBe(2n);
  });

  it('may move pc, or not execute the call at all', () => {
    const machine = new BareHarts({ sbi: true });
    machine.place('ecall\n addi a0, a0, 1', RAM_BASE);
    const { hart } = machine;
    hart.enterSupervisor({ pc: BigInt(RAM_BASE), a0: 0n, a1: 0n });
    machine.onSbiCall = () => 'stop';
    expect(hart.run(5)).toBe('exit-stop');
    expect(hart.steps).toBe(0);
    machine.onSbiCall = () => {
      hart.setPc(BigInt(S_HANDLER));
      return 'done';
    };
    hart.run(1);
    expect(hart.getPc()).toBe(BigInt(S_HANDLER));
  });

  it('delegates, opens memory, counters and stimecmp', () => {
    const machine = new BareHarts({ sbi: true });
    machine.place('csrrs a0, time, zero\n csrrw zero, stimecmp, a0\n .word 0', RAM_BASE);
    const { hart } = machine;
    hart.enterSupervisor({ pc: BigInt(RAM_BASE), a0: 1n, a1: 2n });
    hart.run(3);
    expect(hart.getPrivilege()).toBe(1);
    expect(hart.readCsr(CSR.scause)).toBe(2n);
    expect(hart.readCsr(CSR.sepc)).toBe(BigInt(RAM_BASE + 8));
  });
});
