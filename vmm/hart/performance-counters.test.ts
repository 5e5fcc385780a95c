import { describe, expect, it } from 'vitest';
import { BareHarts, DEVICE, RAM_BASE } from '../../test/support/bare-hart.ts';
import { CODE, DATA, PagedHart } from '../../test/support/paged-hart.ts';
import { random, SEED } from '../../test/support/random.ts';
import { type Hart, INTERRUPT } from '../contracts/hart.ts';
import { parseIsa } from '../isa/isa-text.ts';
import { EVENT } from '../isa/performance-events.ts';

const CSR = {
  stvec: 0x105,
  scounteren: 0x106,
  scause: 0x142,
  sepc: 0x141,
  sip: 0x144,
  mstatus: 0x300,
  mideleg: 0x303,
  mie: 0x304,
  mtvec: 0x305,
  mcounteren: 0x306,
  mcountinhibit: 0x320,
  mhpmevent3: 0x323,
  mhpmevent4: 0x324,
  mepc: 0x341,
  mcause: 0x342,
  mip: 0x344,
  pmpcfg0: 0x3a0,
  pmpaddr0: 0x3b0,
  mcycle: 0xb00,
  minstret: 0xb02,
  mhpmcounter3: 0xb03,
  mhpmcounter4: 0xb04,
  scountovf: 0xda0,
} as const;
const OF = 1n << 63n;
const MINH = 1n << 62n;
const SINH = 1n << 61n;
const UINH = 1n << 60n;
const LCOFI = 1n << 13n;
const INTERRUPT_BIT = 1n << 63n;
const ILLEGAL = 2n;
const HANDLER = RAM_BASE + 0x1000;

/** A hart at a program, with memory open and a handler that stays where it is. */
function hartAt(program: string, prepare: (hart: Hart) => void = () => {}, isa = ''): BareHarts {
  const machine = new BareHarts({ isa: parseIsa(isa) });
  machine.place('here:\n jal zero, here', HANDLER);
  machine.start(program);
  const { hart } = machine;
  hart.writeCsr(CSR.mtvec, BigInt(HANDLER));
  hart.writeCsr(CSR.pmpaddr0, 0x3f_ffff_ffff_ffffn);
  hart.writeCsr(CSR.pmpcfg0, 0x1fn);
  prepare(hart);
  return machine;
}

describe('programmable counters (privileged, "Hardware Performance Monitor")', () => {
  /** What a program counts of an event, in its own steps. */
  const counted = (event: number, program: string, steps: number, prepare?: (hart: Hart) => void): bigint => {
    const { hart } = hartAt(program, prepare);
    hart.writeCsr(CSR.mhpmevent3, BigInt(event));
    hart.run(steps);
    return hart.readCsr(CSR.mhpmcounter3)!;
  };
  const device = (hart: Hart): void => hart.setX(5, BigInt(DEVICE));
  const pending = (hart: Hart): void => {
    hart.setInterrupt(INTERRUPT.MSIP, true);
    hart.writeCsr(CSR.mie, 1n << 3n);
    hart.writeCsr(CSR.mstatus, 1n << 3n);
  };

  it.each([
    ['nothing', EVENT.none, 'addi a0, a0, 1\n ecall', 2, 0n],
    ['cycles', EVENT.cycles, 'addi a0, a0, 1\n ecall', 2, 2n],
    ['instructions', EVENT.instructions, 'addi a0, a0, 1\n ecall', 2, 1n],
    ['exceptions', EVENT.exceptions, 'addi a0, a0, 1\n ecall', 2, 1n],
    ['exceptions', EVENT.exceptions, '.word 0', 1, 1n],
    ['exceptions, and no interrupts', EVENT.exceptions, 'addi a0, a0, 1', 1, 0n, pending],
    ['interrupts', EVENT.interrupts, 'addi a0, a0, 1', 1, 1n, pending],
    ['interrupts, and no exceptions', EVENT.interrupts, 'ecall', 1, 0n],
    ['returns', EVENT.trapReturns, 'mret', 1, 1n],
    ['returns', EVENT.trapReturns, 'sret', 1, 1n],
    ['environment calls', EVENT.environmentCalls, 'ecall', 1, 1n],
    ['environment calls, and no breakpoints', EVENT.environmentCalls, 'ebreak', 1, 0n],
    ['waits', EVENT.waits, 'wfi', 1, 1n],
    ['fences', EVENT.translationFences, 'sfence.vma zero, zero\n sfence.vma t0, t1', 2, 2n],
    [
      'fences, and not what orders them',
      EVENT.translationFences,
      'sinval.vma t0, t1\n sfence.w.inval\n sfence.inval.ir',
      3,
      1n,
    ],
    ['device accesses', EVENT.deviceAccesses, 'ld a0, 0(t0)\n sd a0, 0(t0)\n ld a0, 8(t0)', 3, 2n, device],
    ['device accesses, and none to memory', EVENT.deviceAccesses, 'auipc t0, 0\n ld a0, 0(t0)', 2, 0n],
    ['page faults, and no access faults', EVENT.pageFaults, 'ld a0, 8(t0)', 1, 0n, device],
  ] as const)('count %s (event %i)', (_what, event, program, steps, expected, prepare?) => {
    expect(counted(event, program, steps, prepare)).toBe(expected);
  });

  it('count page faults of all three kinds', () => {
    const paged = new PagedHart();
    paged.hart.writeCsr(CSR.mhpmevent3, BigInt(EVENT.pageFaults));
    paged.hart.setX(11, 0x4000_0000n);
    for (const instruction of ['ld a0, 0(a1)', 'sd a0, 0(a1)', 'jalr zero, 0(a1)\n'])
      paged.execute(instruction, 2);
    expect(paged.hart.readCsr(CSR.mhpmcounter3)).toBe(3n);
    paged.map(0x4000_0000n, BigInt(DATA), 0xcfn);
    paged.execute('ld a0, 0(a1)');
    expect(paged.hart.readCsr(CSR.mhpmcounter3)).toBe(3n);
    expect(paged.hart.getPc()).toBe(BigInt(CODE + 4));
  });

  it('agree with cycle and instret over any program, and read after a write what was written', () => {
    const { hart } = hartAt(`
      csrrwi zero, mhpmevent3, 1
      csrrwi zero, mhpmevent4, 2
      csrrwi zero, mhpmcounter3, 0
      csrrwi zero, mcycle, 0
      csrrwi zero, mhpmcounter4, 0
      csrrwi zero, minstret, 0
      csrrs a0, mhpmcounter4, zero
      csrrs a1, minstret, zero
      csrrs a2, mhpmcounter3, zero
      csrrs a3, mcycle, zero
      csrrwi a4, mhpmcounter4, 20
      csrrs a5, mhpmcounter4, zero
      csrrs a6, hpmcounter4, zero
    `);
    hart.run(13);
    const registers = [10, 11, 12, 13, 15, 16].map((index) => hart.getX(index));
    expect(registers).toEqual([1n, 1n, 5n, 5n, 20n, 21n]);
  });

  it('stand still while mcountinhibit says so, each by itself', () => {
    const { hart } = hartAt(`
      csrrwi zero, mhpmevent3, 2
      csrrwi zero, mhpmevent4, 2
      csrrwi zero, mcountinhibit, 8
      addi a0, a0, 1
      addi a0, a0, 1
      csrrwi zero, mcountinhibit, 16
      addi a0, a0, 1
    `);
    hart.run(7);
    // Counter 3: the two instructions before it is stopped, and one after; counter 4 from its event's write to its stop.
    expect(hart.readCsr(CSR.mhpmcounter3)).toBe(2n);
    expect(hart.readCsr(CSR.mhpmcounter4)).toBe(4n - 1n);
  });

  it('wrap, and without Sscofpmf do so silently', () => {
    const { hart } = hartAt('addi a0, a0, 1\n addi a0, a0, 1', undefined, '-sscofpmf');
    hart.writeCsr(CSR.mhpmevent3, (0xfn << 60n) | 2n);
    expect(hart.readCsr(CSR.mhpmevent3)).toBe(2n);
    hart.writeCsr(CSR.mhpmcounter3, -1n & 0xffff_ffff_ffff_ffffn);
    hart.run(2);
    expect([hart.readCsr(CSR.mhpmcounter3), hart.readCsr(CSR.mip)]).toEqual([1n, 0n]);
    expect(hart.readCsr(CSR.scountovf)).toBeUndefined();
  });

  it('are zero and keep so without Zihpm', () => {
    const { hart } = hartAt('addi a0, a0, 1', undefined, '-zihpm');
    hart.writeCsr(CSR.mhpmevent3, 1n);
    hart.writeCsr(CSR.mhpmcounter3, 5n);
    hart.run(1);
    expect([hart.readCsr(CSR.mhpmevent3), hart.readCsr(CSR.mhpmcounter3)]).toEqual([0n, 0n]);
    hart.writeCsr(CSR.mcountinhibit, 0xffff_ffffn);
    hart.writeCsr(CSR.mcounteren, 0xffff_ffffn);
    hart.writeCsr(CSR.scounteren, 0xffff_ffffn);
    expect(hart.readCsr(CSR.mcountinhibit)).toBe(5n);
    expect([hart.readCsr(CSR.mcounteren), hart.readCsr(CSR.scounteren)]).toEqual([7n, 7n]);
  });
});

/** M-mode for 3 steps, S-mode for 4, U-mode for 3, the last of which is an ecall to M-mode, where the handler loops. */
const THROUGH_MODES = `
    addi a0, a0, 1
    addi a0, a0, 1
    mret
  supervisor:
    addi a0, a0, 1
    addi a0, a0, 1
    addi a0, a0, 1
    sret
  user:
    addi a0, a0, 1
    addi a0, a0, 1
    ecall
`;
const USER_STEPS = 10;

function throughModes(prepare: (hart: Hart) => void, isa = ''): BareHarts {
  const machine = hartAt('', undefined, isa);
  const { hart } = machine;
  const { supervisor, user } = machine.place(THROUGH_MODES, RAM_BASE);
  hart.writeCsr(CSR.mepc, supervisor!);
  hart.writeCsr(CSR.sepc, user!);
  hart.writeCsr(CSR.mstatus, 1n << 11n);
  prepare(hart);
  return machine;
}

describe('Sscofpmf, privilege mode filtering', () => {
  const [M, S, U] = [3n, 4n, 3n];
  it.each([
    [0n, M + S + U],
    [MINH, S + U],
    [SINH, M + U],
    [UINH, M + S],
    [MINH | SINH, U],
    [MINH | UINH, S],
    [SINH | UINH, M],
    [MINH | SINH | UINH, 0n],
  ])('with mhpmevent %i counts %i steps', (filter, steps) => {
    const counts = (event: bigint, slice: number): bigint => {
      const { hart } = throughModes((present) => present.writeCsr(CSR.mhpmevent3, filter | event));
      for (let done = 0; done < USER_STEPS; done += slice) hart.run(slice);
      return hart.readCsr(CSR.mhpmcounter3)!;
    };
    for (const slice of [1, 2, 5, 10]) {
      expect(counts(BigInt(EVENT.cycles), slice)).toBe(steps);
      // The ecall retires nothing.
      expect(counts(BigInt(EVENT.instructions), slice)).toBe((filter & UINH) === 0n ? steps - 1n : steps);
    }
  });

  it('counts an event at the level where it happens: the returns of M and S, and the call of U', () => {
    const counts = (event: number, filter: bigint): bigint => {
      const { hart } = throughModes((present) => present.writeCsr(CSR.mhpmevent3, filter | BigInt(event)));
      hart.run(USER_STEPS);
      return hart.readCsr(CSR.mhpmcounter3)!;
    };
    expect([0n, MINH, SINH, UINH].map((filter) => counts(EVENT.trapReturns, filter))).toEqual([
      2n,
      1n,
      1n,
      2n,
    ]);
    expect([0n, MINH, SINH, UINH].map((filter) => counts(EVENT.environmentCalls, filter))).toEqual([
      1n,
      1n,
      1n,
      0n,
    ]);
  });
});

describe('Sscofpmf, overflow', () => {
  const ALL = 0xffff_ffff_ffff_ffffn;
  /** Steps until the interrupt is taken, and where, when a counter begins `left` before its overflow. */
  const interruptOf = (event: bigint, left: bigint, slice: number): [steps: number, at: bigint] => {
    const program = `
      addi a0, a0, 1
      addi a0, a0, 1
      csrrs a0, mcycle, zero
      lui a1, 1
      ecall
    loop:
      addi a0, a0, 1
      sd a0, 0(sp)
      jal zero, loop
    `;
    const { hart } = hartAt(program, (present) => {
      present.writeCsr(CSR.mtvec, BigInt(RAM_BASE + 5 * 4)); // the handler is the loop
      present.writeCsr(CSR.mhpmevent3, event);
      present.writeCsr(CSR.mhpmcounter3, -left & ALL);
      present.writeCsr(CSR.mie, LCOFI);
      present.writeCsr(CSR.mstatus, 1n << 3n);
      present.setX(2, BigInt(RAM_BASE + 0x4000));
    });
    const taken = (): boolean => hart.readCsr(CSR.mcause) === (INTERRUPT_BIT | 13n);
    // In slices of one, so that the step is known; or cut elsewhere, and compared.
    while (!taken() && hart.steps < 60) hart.run(slice);
    expect(hart.readCsr(CSR.mhpmevent3)).toBe(event | OF);
    return [hart.steps, hart.readCsr(CSR.mepc)!];
  };

  it('of cycles and instructions interrupts behind the very step', () => {
    for (let left = 1n; left <= 4n; left++) {
      for (const event of [EVENT.cycles, EVENT.instructions]) {
        const [steps, at] = interruptOf(BigInt(event), left, 1);
        // The trap takes no step; the run of one step continues in the handler.
        expect(steps, `event ${event}, ${left} left`).toBe(Number(left) + 1);
        expect(at).toBe(BigInt(RAM_BASE) + 4n * left);
        for (const slice of [2, 3, 50]) expect(interruptOf(BigInt(event), left, slice)[1]).toBe(at);
      }
    }
  });

  it('of instructions waits for those that traps kept from retiring', () => {
    // M-mode has interrupts off in the ecall's handler: the request stays until mie and mstatus let it through.
    const { hart } = hartAt('addi a0, a0, 1\n ecall', (present) => {
      present.writeCsr(CSR.mhpmevent3, BigInt(EVENT.instructions));
      present.writeCsr(CSR.mhpmcounter3, -3n & ALL);
    });
    const overflowed = [];
    for (let step = 0; step < 5; step++) {
      overflowed.push(hart.readCsr(CSR.scountovf));
      hart.run(1);
    }
    expect(overflowed).toEqual([0n, 0n, 0n, 0n, 8n]);
    expect(hart.readCsr(CSR.mip)).toBe(LCOFI);
  });

  it('of an event is told at once', () => {
    const { hart } = hartAt('ecall', (present) => {
      present.writeCsr(CSR.mhpmevent3, BigInt(EVENT.exceptions));
      present.writeCsr(CSR.mhpmcounter3, ALL);
    });
    hart.run(1);
    expect([hart.readCsr(CSR.mhpmcounter3), hart.readCsr(CSR.mip)]).toEqual([0n, LCOFI]);
    expect(hart.readCsr(CSR.mhpmevent3)).toBe(OF | BigInt(EVENT.exceptions));
  });

  it('raises no further request until OF is cleared', () => {
    const { hart } = hartAt('loop:\n jal zero, loop', (present) => {
      present.writeCsr(CSR.mhpmevent3, BigInt(EVENT.cycles));
      present.writeCsr(CSR.mhpmcounter3, ALL);
    });
    hart.run(2);
    expect(hart.readCsr(CSR.mip)).toBe(LCOFI);
    hart.writeCsr(CSR.mip, 0n);
    hart.writeCsr(CSR.mhpmcounter3, ALL);
    hart.run(2);
    expect([hart.readCsr(CSR.mip), hart.readCsr(CSR.scountovf)]).toEqual([0n, 8n]);
    hart.writeCsr(CSR.mhpmevent3, BigInt(EVENT.cycles));
    hart.writeCsr(CSR.mhpmcounter3, ALL);
    hart.run(2);
    expect([hart.readCsr(CSR.mip), hart.readCsr(CSR.scountovf)]).toEqual([LCOFI, 8n]);
  });

  it('is delegated by mideleg, cleared in sip, and comes after all other interrupts', () => {
    const enter = (others: bigint): Hart => {
      const { hart } = throughModes((present) => {
        present.writeCsr(CSR.stvec, BigInt(HANDLER));
        present.writeCsr(CSR.mideleg, ALL);
        present.writeCsr(CSR.mie, ALL);
        present.writeCsr(CSR.mhpmevent3, BigInt(EVENT.cycles));
        present.writeCsr(CSR.mhpmcounter3, -4n & ALL);
        present.writeCsr(CSR.mstatus, (1n << 11n) | 2n);
        present.writeCsr(CSR.mip, others);
      });
      hart.run(5);
      return hart;
    };
    const hart = enter(0n);
    expect([hart.readCsr(CSR.scause), hart.getPrivilege()]).toEqual([INTERRUPT_BIT | 13n, 1]);
    expect(hart.readCsr(CSR.sip)).toBe(LCOFI);
    hart.writeCsr(CSR.sip, 0n);
    expect(hart.readCsr(CSR.mip)).toBe(0n);
    expect(enter(1n << 5n).readCsr(CSR.scause)).toBe(INTERRUPT_BIT | 5n);
  });

  it('wakes a hart that waits, where cycles overflow; instructions do not retire meanwhile', () => {
    const waiting = (event: number): Hart => {
      const { hart } = hartAt('wfi\n addi a0, a0, 1', (present) => {
        present.writeCsr(CSR.mhpmevent3, BigInt(event));
        present.writeCsr(CSR.mhpmcounter3, -100n & ALL);
        present.writeCsr(CSR.mie, LCOFI);
      });
      expect(hart.run(10)).toBe('wfi');
      return hart;
    };
    const hart = waiting(EVENT.cycles);
    expect(hart.timerDeadline).toBe(100);
    hart.skipSteps(98);
    expect(hart.wakes).toBe(false);
    hart.skipSteps(1);
    expect(hart.wakes).toBe(true);
    expect(waiting(EVENT.instructions).timerDeadline).toBe(Number.POSITIVE_INFINITY);
  });

  it('is seen in S-mode for the counters of mcounteren, and never in U-mode', () => {
    const read = (privilege: 0 | 1 | 3, enabled: bigint, isa = ''): { cause: bigint; value: bigint } => {
      const { hart } = hartAt('csrrs a0, scountovf, zero', undefined, isa);
      hart.writeCsr(CSR.mhpmevent3, OF);
      hart.writeCsr(CSR.mhpmevent4, OF);
      hart.writeCsr(CSR.mcounteren, enabled);
      hart.setPrivilege(privilege);
      hart.run(1);
      return { cause: hart.readCsr(CSR.mcause)!, value: hart.getX(10) };
    };
    expect(read(3, 0n)).toEqual({ cause: 0n, value: 0x18n });
    expect(read(1, 0n)).toEqual({ cause: 0n, value: 0n });
    expect(read(1, 0x10n)).toEqual({ cause: 0n, value: 0x10n });
    expect(read(0, ALL).cause).toBe(ILLEGAL);
    expect(read(3, 0n, '-sscofpmf').cause).toBe(ILLEGAL);
  });

  it('does not exist without Sscofpmf: neither filters nor the interrupt', () => {
    const { hart } = hartAt('', undefined, '-sscofpmf');
    for (const csr of [CSR.mie, CSR.mip, CSR.mideleg]) {
      hart.writeCsr(csr, ALL);
      expect(hart.readCsr(csr)! & LCOFI).toBe(0n);
    }
  });
});

describe('all counters', () => {
  it('do not depend on how a run is cut, nor on saving and restoring between', () => {
    const source = random(SEED);
    const events = [...Object.values(EVENT).map(BigInt)];
    for (let round = 0; round < 30; round++) {
      const settings = Array.from({ length: 29 }, () => {
        const filter = BigInt(source.below(8)) << 60n;
        // Some overflow on the way.
        return {
          event: filter | source.pick(events),
          value: BigInt.asUintN(64, BigInt(source.below(60)) - 40n),
        };
      });
      const inhibit = BigInt(source.below(2 ** 32)) & BigInt(source.below(2 ** 32));
      const prepare = (hart: Hart): void => {
        hart.writeCsr(CSR.mie, LCOFI);
        hart.writeCsr(CSR.mideleg, LCOFI);
        hart.writeCsr(CSR.stvec, BigInt(HANDLER));
        for (const [index, { event, value }] of settings.entries()) {
          hart.writeCsr(CSR.mhpmevent3 + index, event);
          hart.writeCsr(CSR.mhpmcounter3 + index, value);
        }
        hart.writeCsr(CSR.mcountinhibit, inhibit);
      };
      const whole = throughModes(prepare);
      whole.hart.run(50);
      let cut = throughModes(prepare);
      while (cut.hart.steps < 50) {
        cut.hart.run(Math.min(1 + source.below(9), 50 - cut.hart.steps));
        if (source.below(3) > 0) continue;
        const restored = new BareHarts();
        restored.memory.ram.set(cut.memory.ram);
        restored.hart.restore(cut.hart.save());
        cut = restored;
      }
      expect(cut.hart.save(), `seed ${SEED}, round ${round}`).toEqual(whole.hart.save());
    }
  });
});
