import { describe, expect, it } from 'vitest';
import { BareHarts, DEVICE, RAM_BASE } from '../../test/support/bare-hart.ts';

const PAGE = 4096;

describe('running', () => {
  it('executes a loop and counts every instruction as a step', () => {
    const machine = new BareHarts();
    const { end } = machine.start(`
      li t0, 10
      li t1, 0
    loop:
      add t1, t1, t0
      addi t0, t0, -1
      bne t0, zero, loop
    end:
      jal zero, end
    `);
    expect(machine.hart.run(2 + 30)).toBe('budget');
    expect(machine.hart.getX(6)).toBe(55n);
    expect(machine.hart.getPc()).toBe(end);
    expect(machine.hart.steps).toBe(32);
    expect(machine.group.tiers.interpreter).toBe(32);
  });

  it('keeps x0 zero and lets f0 be a register', () => {
    const machine = new BareHarts();
    machine.start(`
      addi zero, zero, 5
      li t0, 0x6000
      csrrs zero, mstatus, t0
      li t1, 7
      fcvt.d.l f0, t1
      fadd.d f1, f0, f0
      add t2, zero, zero
    `);
    machine.hart.run(10);
    expect(machine.hart.getX(0)).toBe(0n);
    expect(machine.hart.getX(7)).toBe(0n);
    expect(machine.hart.getF(1)).toBe(0x402c_0000_0000_0000n); // 14.0
  });

  it('runs across a page boundary, where a 32-bit instruction straddles it', () => {
    const machine = new BareHarts();
    machine.place(
      `
      c.addi a0, 1
      addi a1, a1, 0x123
      c.addi a0, 2
      `,
      RAM_BASE + PAGE - 4,
    );
    machine.hart.reset({ pc: BigInt(RAM_BASE + PAGE - 4), privilege: 3, a0: 0n, a1: 0n });
    // c.addi ends at the boundary less 2; the addi begins there.
    machine.hart.run(3);
    expect(machine.hart.getX(10)).toBe(3n);
    expect(machine.hart.getX(11)).toBe(0x123n);
    expect(machine.hart.getPc()).toBe(BigInt(RAM_BASE + PAGE + 4));
  });

  it('branches back over a page boundary and takes a straddling branch', () => {
    const machine = new BareHarts();
    const { done } = machine.place(
      `
    back:
      c.addi a0, 1
      bltu a0, a1, back
    done:
      c.addi a2, 1
      `,
      RAM_BASE + PAGE - 4,
    );
    machine.hart.reset({ pc: BigInt(RAM_BASE + PAGE - 4), privilege: 3, a0: 0n, a1: 5n });
    machine.hart.run(10);
    expect(machine.hart.getX(10)).toBe(5n);
    expect(machine.hart.getPc()).toBe(done);
  });

  it('takes the same steps whatever the slices', () => {
    const program = `
      lla t0, handler
      csrrw zero, mtvec, t0
      li t0, 0x80
      csrrs zero, mie, t0
      csrrsi zero, mstatus, 8
      li s0, 0
      lla s1, data
    loop:
      addi s0, s0, 3
      sd s0, 1(s1)
      ld s2, 1(s1)
      ecall
      .word 0
      csrrs s3, minstret, zero
      csrrs s4, mcycle, zero
      jal zero, loop
    handler:
      csrrs t1, mepc, zero
      addi s5, s5, 1
      csrrs t2, mcause, zero
      blt t2, zero, interrupt
      addi t1, t1, 4
      csrrw zero, mepc, t1
      mret
    interrupt:
      li t3, ${DEVICE}
      sd s0, 0(t3)
      mret
    data:
      .dword 0
      .dword 0
    `;
    const run = (slice: number): string => {
      const machine = new BareHarts();
      machine.start(program);
      machine.onDeviceWrite = () => machine.hart.setInterrupt(7, false);
      for (let done = 0; done < 700; done += slice) {
        if (done % 70 === 0 && done > 0) machine.hart.setInterrupt(7, true);
        expect(machine.hart.run(slice)).toBe('budget');
      }
      const { hart } = machine;
      const registers = Array.from({ length: 32 }, (_, index) => hart.getX(index));
      return [hart.steps, hart.getPc(), ...registers, ...machine.deviceWrites].join();
    };
    const whole = run(70);
    for (const slice of [1, 2, 5, 7, 10, 14, 35]) expect(run(slice), `slices of ${slice}`).toBe(whole);
  });

  it('counts a trapped instruction as a step but not as retired', () => {
    const machine = new BareHarts();
    machine.start(`
      lla t0, handler
      csrrw zero, mtvec, t0
      ecall
    handler:
      csrrs a0, minstret, zero
      csrrs a1, mcycle, zero
    `);
    machine.hart.run(6);
    expect(machine.hart.getX(10)).toBe(3n); // lla is two, csrrw one; the ecall retired nothing
    expect(machine.hart.getX(11)).toBe(5n);
  });

  it('advances time in a loop of traps that retires nothing', () => {
    const machine = new BareHarts();
    machine.start('.word 0'); // mtvec is 0, outside RAM: each fetch faults
    expect(machine.hart.run(1000)).toBe('budget');
    expect(machine.hart.steps).toBe(1000);
    expect(machine.hart.readCsr(0x342)).toBe(1n);
    expect(machine.hart.readCsr(0xb02)).toBe(0n);
  });
});

describe('code that changes', () => {
  it('sees a store into the next instruction on the same page', () => {
    const machine = new BareHarts();
    machine.start(`
      lla t0, patched
      lla t1, replacement
      lw t2, 0(t1)
      jal ra, patched
      sw t2, 0(t0)
    patched:
      addi a0, a0, 1
      c.jr ra
    replacement:
      addi a0, a0, 100
    `);
    // First call executes the original, then the return runs into the store and the patched instruction.
    machine.hart.run(6 + 2 + 2);
    expect(machine.hart.getX(10)).toBe(101n);
  });

  it('follows repeated changes beyond the point where the page is dropped', () => {
    const machine = new BareHarts();
    machine.start(`
      lla t0, counter
      li t3, 500
      lla t1, patched
      lw t2, 0(t1)
      li t5, 0x100000
    loop:
      addi t4, t4, 1
      sd t4, 0(t0)
      add t2, t2, t5
      sw t2, 0(t1)
    patched:
      addi a0, zero, 0
      add a1, a1, a0
      bne t4, t3, loop
    end:
      jal zero, end
    counter:
      .dword 0
    `);
    machine.hart.run(9 + 500 * 7 + 1);
    expect(machine.read64(Number(machine.hart.getX(5)))).toBe(500n);
    // Immediates 1, 2, … 500, as 12-bit numbers, all positive.
    expect(machine.hart.getX(11)).toBe(BigInt((500 * 501) / 2));
  });

  it('drops what the machine writes into RAM', () => {
    const machine = new BareHarts();
    const { spot } = machine.start(`
    spot:
      addi a0, a0, 1
      jal zero, spot
    `);
    machine.hart.run(10);
    machine.place('addi a0, a0, 16', Number(spot));
    machine.hart.run(2);
    expect(machine.hart.getX(10)).toBe(5n + 16n);
  });

  it('recycles decoded pages when code spans more than the pool', () => {
    const machine = new BareHarts({ ramSize: 8 << 20 });
    // Each page: count, then jump to the next page; the last returns to the first.
    const pages = 1500;
    for (let page = 0; page < pages; page++) {
      machine.place(
        `
        addi a0, a0, 1
        add t0, t0, t1
        bne t0, t2, next
        add t0, zero, t3
      next:
        jalr zero, 0(t0)
        `,
        RAM_BASE + page * PAGE,
      );
    }
    const { hart } = machine;
    hart.reset({ pc: BigInt(RAM_BASE), privilege: 3, a0: 0n, a1: 0n });
    hart.setX(5, BigInt(RAM_BASE));
    hart.setX(6, BigInt(PAGE));
    hart.setX(7, BigInt(RAM_BASE + pages * PAGE));
    hart.setX(28, BigInt(RAM_BASE));
    hart.run(pages * 4 * 3 + 3);
    expect(hart.getX(10)).toBe(BigInt(pages * 3));
    expect(hart.getPc()).toBe(BigInt(RAM_BASE));
  });
});

describe('breakpoints', () => {
  it('stop before the instruction, and not again when the run resumes there', () => {
    const machine = new BareHarts();
    const { loop } = machine.start(`
      addi a0, a0, 1
    loop:
      addi a1, a1, 1
      jal zero, loop
    `);
    machine.group.setBreakpoints(new Set([loop!]));
    expect(machine.hart.run(100)).toBe('breakpoint');
    expect(machine.hart.getPc()).toBe(loop);
    expect(machine.hart.getX(11)).toBe(0n);
    expect(machine.hart.run(100)).toBe('breakpoint');
    expect(machine.hart.steps).toBe(1);
    expect(machine.hart.run(100, true)).toBe('breakpoint');
    expect(machine.hart.getX(11)).toBe(1n);
    expect(machine.hart.steps).toBe(3);
    machine.group.setBreakpoints(new Set());
    expect(machine.hart.run(100)).toBe('budget');
  });

  it('leave other pages with the same offset alone', () => {
    const machine = new BareHarts();
    const { loop } = machine.start(`
    loop:
      addi a1, a1, 1
      jal zero, loop
    `);
    machine.group.setBreakpoints(new Set([loop! + BigInt(PAGE)]));
    expect(machine.hart.run(100)).toBe('budget');
    expect(machine.hart.getX(11)).toBe(50n);
  });

  it('hold in a straddling instruction', () => {
    const machine = new BareHarts();
    const at = RAM_BASE + PAGE - 2;
    machine.place('addi a1, a1, 1', at);
    machine.hart.reset({ pc: BigInt(at), privilege: 3, a0: 0n, a1: 0n });
    machine.group.setBreakpoints(new Set([BigInt(at)]));
    expect(machine.hart.run(1)).toBe('breakpoint');
    expect(machine.hart.run(1, true)).toBe('budget');
    expect(machine.hart.getX(11)).toBe(1n);
  });
});

describe('memory', () => {
  it('does misaligned accesses in RAM, within and across pages', () => {
    const machine = new BareHarts();
    machine.write64(RAM_BASE + 0x2ff8, 0x8877_6655_4433_2211n);
    machine.write64(RAM_BASE + 0x3000, 0x0123_4567_89ab_cdefn);
    machine.start(`
      li t0, ${RAM_BASE + 0x2ffd}
      ld a0, 0(t0)
      lw a1, 1(t0)
      lh a2, 2(t0)
      lhu a3, -4(t0)
      sd a0, 0x103(t0)
      sw a1, 0x111(t0)
      ld a4, 0x103(t0)
    `);
    const { hart } = machine;
    hart.run(5 + 7);
    expect(hart.getX(10)).toBe(0x67_89ab_cdef_8877_66n);
    expect(hart.getX(11)).toBe(0xffff_ffff_cdef_8877n);
    expect(hart.getX(12)).toBe(0xffff_ffff_ffff_ef88n);
    expect(hart.getX(13)).toBe(0x3322n);
    expect(hart.getX(14)).toBe(hart.getX(10));
  });

  it('sends other addresses to the bus, and faults where nothing answers', () => {
    const machine = new BareHarts();
    machine.deviceValue = 0xffff_ff80n;
    machine.start(`
      lla t0, handler
      csrrw zero, mtvec, t0
      li t0, ${DEVICE}
      lw a0, 0(t0)
      sw a0, 0(t0)
      lw a1, 8(t0)
      addi a3, a3, 1
    handler:
      csrrs a2, mcause, zero
    `);
    machine.hart.run(9);
    expect(machine.hart.getX(10)).toBe(0xffff_ffff_ffff_ff80n);
    expect(machine.deviceWrites).toEqual([0xffff_ff80n]);
    expect(machine.hart.getX(12)).toBe(5n);
    expect(machine.hart.readCsr(0x343)).toBe(BigInt(DEVICE + 8));
    expect(machine.hart.getX(13)).toBe(0n);
    expect(machine.counts.get('page-fault')).toBe(1);
  });

  it('tells the machine of stores to the watched word, after the instruction', () => {
    const machine = new BareHarts();
    const word = RAM_BASE + 0x8000;
    machine.group.watchHtif(word);
    machine.start(`
      li t0, ${word}
      li t1, 1
      sd t1, -8(t0)
      sw t1, 4(t0)
      sd t1, 8(t0)
      sb t1, 0(t0)
      addi a0, a0, 1
    `);
    machine.hart.run(20);
    expect(machine.tohostCalls).toBe(2);
    expect(machine.read64(word)).toBe(0x1_0000_0001n);
  });

  it('executes from a device, one instruction at a time', () => {
    const machine = new BareHarts();
    machine.deviceValue = 0x4501n; // c.li a0, 0: each read gives the next halfword, 0x4502 …
    machine.start(`
      li t0, ${DEVICE}
      lla t1, handler
      csrrw zero, mtvec, t1
      jalr zero, 0(t0)
    handler:
      addi a1, a1, 1
    `);
    machine.runTo(BigInt(DEVICE));
    machine.hart.run(1);
    expect(machine.hart.getPc()).toBe(BigInt(DEVICE + 2));
    // Nothing answers behind it.
    machine.hart.run(1);
    expect(machine.hart.readCsr(0x342)).toBe(1n);
    expect(machine.hart.readCsr(0x343)).toBe(BigInt(DEVICE + 2));
  });
});

describe('large memories', () => {
  it('reach to the last byte of 3.5 GiB, for data and for code', () => {
    const ramSize = 3.5 * 2 ** 30;
    const machine = new BareHarts({ ramSize });
    const end = RAM_BASE + ramSize;
    machine.place(
      'sd a1, 0(a0)\n ld a2, 0(a0)\n sd a2, 3(a0)\n amoadd.d a3, a2, (a0)\n ld a4, 16(a0)',
      end - PAGE,
    );
    const { hart } = machine;
    hart.reset({ pc: BigInt(end - PAGE), privilege: 3, a0: BigInt(end - 16), a1: 0x1122_3344_5566_7788n });
    hart.run(4);
    expect(hart.getX(12)).toBe(0x1122_3344_5566_7788n);
    expect(hart.getX(13)).toBe(0x4455_6677_8866_7788n);
    expect(machine.read64(end - 16)).toBe(0x5577_99bb_ddcc_ef10n);
    hart.run(1);
    expect(hart.readCsr(0x342)).toBe(5n);
    expect(hart.readCsr(0x343)).toBe(BigInt(end));
  });

  it('are refused beyond that', () => {
    expect(() => new BareHarts({ ramSize: 4 * 2 ** 30 })).toThrow(/memory size/);
    expect(() => new BareHarts({ ramSize: 1000 })).toThrow(/memory size/);
  });
});

describe('atomics', () => {
  const pair = `
      li t0, ${RAM_BASE + 0x4000}
      lr.w a0, (t0)
      addi a1, a0, 1
    middle:
      sc.w a2, a1, (t0)
      sc.w a3, a1, (t0)
  `;
  it('stores conditionally once for each reservation', () => {
    const machine = new BareHarts();
    machine.write64(RAM_BASE + 0x4000, 41n);
    machine.start(pair);
    machine.hart.run(10);
    expect(machine.hart.getX(12)).toBe(0n);
    expect(machine.hart.getX(13)).toBe(1n);
    expect(machine.read64(RAM_BASE + 0x4000)).toBe(42n);
  });

  it("loses the reservation to another hart's store", () => {
    const machine = new BareHarts({ harts: 2 });
    const { middle } = machine.start(pair);
    machine.runTo(middle);
    machine.place(`sd a0, 0(a1)`, RAM_BASE + 0x6000);
    const other = machine.group.harts[1]!;
    other.reset({ pc: BigInt(RAM_BASE + 0x6000), privilege: 3, a0: 7n, a1: BigInt(RAM_BASE + 0x4000) });
    other.run(1);
    machine.hart.run(3);
    expect(machine.hart.getX(12)).toBe(1n);
    expect(machine.read64(RAM_BASE + 0x4000)).toBe(7n);
  });

  it('raises misaligned exceptions, and access faults outside RAM', () => {
    const once = (instruction: string, address: number): bigint | undefined => {
      const machine = new BareHarts();
      const { at } = machine.start(`
        li t0, ${address}
      at:
        ${instruction}
      `);
      machine.runTo(at);
      machine.hart.run(1);
      return machine.hart.readCsr(0x342);
    };
    expect(once('lr.w a0, (t0)', RAM_BASE + 0x4002)).toBe(4n);
    expect(once('sc.w a0, a1, (t0)', RAM_BASE + 0x4002)).toBe(6n);
    expect(once('amoadd.d a0, a1, (t0)', RAM_BASE + 0x4004)).toBe(6n);
    expect(once('amoadd.w a0, a1, (t0)', DEVICE)).toBe(7n);
    expect(once('lr.d a0, (t0)', DEVICE)).toBe(5n);
  });

  it('reads and modifies in the slow path as in the fast one', () => {
    const machine = new BareHarts();
    machine.write64(RAM_BASE + 0x4000, 0x1_8000_0000n);
    machine.start(`
      li t0, ${RAM_BASE + 0x4000}
      li a1, 5
      amoadd.w a2, a1, (t0)
      amoswap.w a3, a1, (t0)
      amomax.d a4, a1, (t0)
    `);
    machine.hart.run(12);
    expect(machine.hart.getX(12)).toBe(0xffff_ffff_8000_0000n);
    expect(machine.hart.getX(13)).toBe(0xffff_ffff_8000_0005n);
    expect(machine.hart.getX(14)).toBe(0x1_0000_0005n);
  });
});
