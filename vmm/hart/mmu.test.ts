import { describe, expect, it } from 'vitest';
import { RAM_BASE } from '../../test/support/bare-hart.ts';
import { CODE, DATA, MODES, PagedHart, ROOT } from '../../test/support/paged-hart.ts';
import { random, SEED } from '../../test/support/random.ts';
import type { IsaConfig } from '../isa/extensions.ts';
import { parseIsa } from '../isa/isa-text.ts';

const V = 1n;
const R = 2n;
const W = 4n;
const X = 8n;
const U = 16n;
const A = 64n;
const D = 128n;
const SUM = 1n << 18n;
const MXR = 1n << 19n;
describe.each(MODES)('$name', (mode) => {
  const high = -(1n << BigInt(mode.levels * 9 + 11)); // lowest address of the upper half

  it('translates both halves of the address space', () => {
    const paged = new PagedHart(mode);
    for (const va of [0x4000_1000n, BigInt.asUintN(64, high), 0xffff_ffff_ffff_f000n]) {
      paged.map(va, BigInt(DATA), V | R | W | A | D);
      paged.machine.write64(DATA + 8, 0x1234n);
      paged.hart.setX(11, va);
      expect(paged.execute('ld a0, 8(a1)\n sd a1, 16(a1)', 2)).toBe(0n);
      expect(paged.hart.getX(10)).toBe(0x1234n);
      expect(paged.machine.read64(DATA + 16)).toBe(va);
      expect(paged.walk(va).physical).toBe(BigInt(DATA));
    }
  });

  it('faults on addresses that are not canonical', () => {
    const paged = new PagedHart(mode);
    paged.hart.setX(11, BigInt.asUintN(64, -high));
    expect(paged.execute('ld a0, 0(a1)')).toBe(13n);
    expect(paged.hart.readCsr(0x343)).toBe(BigInt.asUintN(64, -high));
    expect(paged.walk(-high).fault).toMatch(/canonical/);
  });

  it('maps superpages, and faults on misaligned ones', () => {
    const paged = new PagedHart(mode);
    const base = 0x4000_0000n;
    const target = BigInt(RAM_BASE); // 2 GiB: aligned for any superpage that RAM can show
    paged.map(base, target, V | R | A, 1);
    paged.hart.setX(11, base + 0x5010n);
    paged.machine.write64(DATA + 0x10, 77n);
    expect(paged.execute('ld a0, 0(a1)')).toBe(0n);
    expect(paged.hart.getX(10)).toBe(77n);
    expect(paged.walk(base + 0x5010n).pageSize).toBe(2 << 20);

    paged.map(base, target + 4096n, V | R | A, 1);
    expect(paged.execute('ld a0, 0(a1)')).toBe(13n);
    expect(paged.walk(base).fault).toMatch(/misaligned/);
  });
});

describe('permissions', () => {
  const VA = 0x4000_1000n;
  const check = (
    flags: bigint,
    program: string,
    cause: bigint,
    options: { status?: bigint; isa?: IsaConfig } = {},
  ): PagedHart => {
    const paged = new PagedHart(MODES[0], options.isa);
    paged.map(VA, BigInt(DATA), flags);
    paged.hart.writeCsr(0x100, options.status ?? 0n);
    paged.hart.setX(11, VA);
    expect(paged.execute(program), `${flags.toString(2)} ${program}`).toBe(cause);
    const access = program.startsWith('ld') ? 'read' : program.startsWith('sd') ? 'write' : 'execute';
    // The debugger's walk agrees with what the hart did; it starts from the mode of before the trap.
    const walk = paged.walk(VA, access);
    if (cause !== 0n) {
      expect(walk.fault, program).toBeTypeOf('string');
      expect(paged.hart.readCsr(0x343)).toBe(VA);
    } else {
      expect(walk.fault).toBeUndefined();
    }
    return paged;
  };

  it('are those of the entry', () => {
    check(0n, 'ld a0, 0(a1)', 13n);
    check(V | R | A, 'ld a0, 0(a1)', 0n);
    check(V | R | A, 'sd a0, 0(a1)', 15n);
    check(V | R | A, 'amoadd.d a0, a0, (a1)', 15n);
    check(V | X | A, 'ld a0, 0(a1)', 13n);
    check(V | X | A, 'ld a0, 0(a1)', 0n, { status: MXR });
    check(V | R | W | A | D, 'sd a0, 0(a1)', 0n);
    check(V | W | A | D, 'sd a0, 0(a1)', 15n);
    check(V, 'ld a0, 0(a1)', 13n); // a pointer at the last level
    check(V | R | A | (1n << 54n), 'ld a0, 0(a1)', 13n);
    check(V | R | A | (1n << 63n), 'ld a0, 0(a1)', 13n);
  });

  it('keep S-mode from user pages without SUM, and from ever executing them', () => {
    check(V | R | U | A, 'ld a0, 0(a1)', 13n);
    check(V | R | U | A, 'ld a0, 0(a1)', 0n, { status: SUM });
    const paged = new PagedHart();
    paged.machine.place('addi a0, a0, 1', DATA);
    paged.map(VA, BigInt(DATA), V | X | U | A);
    paged.hart.writeCsr(0x100, SUM);
    paged.hart.setX(11, VA);
    expect(paged.execute('jalr zero, 0(a1)', 2)).toBe(12n);
    expect(paged.hart.readCsr(0x341)).toBe(VA);
  });

  it('keep U-mode from supervisor pages', () => {
    const paged = new PagedHart();
    paged.map(BigInt(CODE), BigInt(CODE), V | R | X | U | A);
    paged.map(VA, BigInt(DATA), V | R | A);
    paged.machine.place('ld a0, 0(a1)', CODE);
    paged.hart.setX(11, VA);
    paged.hart.setPrivilege(0);
    paged.hart.run(1);
    expect(paged.hart.readCsr(0x342)).toBe(13n);
  });

  it('change at once with SUM and MXR', () => {
    const paged = new PagedHart();
    paged.map(VA, BigInt(DATA), V | R | U | A);
    paged.map(VA + 4096n, BigInt(DATA), V | X | A);
    paged.hart.setX(11, VA);
    paged.hart.setX(12, SUM);
    paged.hart.setX(13, VA + 4096n);
    paged.hart.setX(14, MXR);
    const program = `
      csrrs zero, sstatus, a2
      ld a0, 0(a1)
      csrrs zero, sstatus, a4
      ld a0, 0(a3)
      ld a0, 0(a1)
      csrrc zero, sstatus, a2
      ld a0, 0(a3)
      csrrc zero, sstatus, a4
    `;
    expect(paged.execute(program, 8)).toBe(0n);
    expect(paged.execute('ld a0, 0(a3)')).toBe(13n);
    expect(paged.execute(`${program}\n ld a0, 0(a1)`, 9)).toBe(13n);
  });

  it('set A and D in hardware by default', () => {
    const paged = new PagedHart();
    const leaf = paged.map(VA, BigInt(DATA), V | R | W);
    paged.hart.setX(11, VA);
    expect(paged.walk(VA, 'write').fault).toBeUndefined();
    expect(paged.machine.read64(leaf) & (A | D)).toBe(0n); // looking changes nothing
    expect(paged.execute('ld a0, 0(a1)')).toBe(0n);
    expect(paged.machine.read64(leaf) & (A | D)).toBe(A);
    expect(paged.execute('sd a0, 0(a1)')).toBe(0n);
    expect(paged.machine.read64(leaf) & (A | D)).toBe(A | D);
  });

  it('fault on clear A and D bits with Svade, and with ADUE cleared', () => {
    check(V | R | W, 'ld a0, 0(a1)', 13n, { isa: parseIsa('-svadu,+svade') });
    check(V | R | W | A, 'ld a0, 0(a1)', 0n, { isa: parseIsa('-svadu,+svade') });
    const paged = check(V | R | W | A, 'sd a0, 0(a1)', 15n, { isa: parseIsa('-svadu,+svade') });
    expect(paged.hart.readCsr(0x30a)).toBe(1n << 62n);

    const adue = new PagedHart();
    adue.map(VA, BigInt(DATA), V | R | W);
    adue.hart.writeCsr(0x30a, 0n);
    adue.hart.setX(11, VA);
    expect(adue.execute('ld a0, 0(a1)')).toBe(13n);
  });

  it('are those of MPP for loads and stores of M-mode with MPRV', () => {
    const paged = new PagedHart();
    paged.map(VA, BigInt(DATA), V | R | A);
    paged.machine.write64(DATA, 99n);
    paged.machine.place('ld a0, 0(a1)\n sd a0, 0(a1)', CODE);
    const { hart } = paged;
    hart.setPc(BigInt(CODE));
    hart.setX(11, VA);
    hart.setPrivilege(3);
    hart.writeCsr(0x300, (1n << 17n) | (1n << 11n));
    hart.run(2);
    expect(hart.getX(10)).toBe(99n);
    expect(hart.readCsr(0x342)).toBe(15n);
  });

  it('give access faults for tables outside RAM', () => {
    const paged = new PagedHart();
    const root = ROOT + Number((VA >> 30n) & 0x1ffn) * 8;
    paged.machine.write64(root, (0x1000_0000n >> 2n) | V);
    paged.hart.flushTranslations();
    paged.hart.setX(11, VA);
    expect(paged.execute('ld a0, 0(a1)')).toBe(5n);
    expect(paged.walk(VA).fault).toMatch(/not in RAM/);
  });

  it('faults in the second half of an access and of an instruction name that half', () => {
    const paged = new PagedHart();
    paged.map(VA, BigInt(DATA), V | R | W | X | A | D);
    paged.hart.setX(11, VA + 4092n);
    expect(paged.execute('ld a0, 0(a1)')).toBe(13n);
    expect(paged.hart.readCsr(0x343)).toBe(VA + 4096n);
    const before = paged.machine.read64(DATA + 4088);
    expect(paged.execute('sd a1, 0(a1)')).toBe(15n);
    expect(paged.machine.read64(DATA + 4088)).toBe(before);

    paged.machine.place('.half 0x0513', DATA + 4094); // low half of an addi
    paged.hart.setX(11, VA + 4094n);
    expect(paged.execute('jalr zero, 0(a1)', 2)).toBe(12n);
    expect(paged.hart.readCsr(0x341)).toBe(VA + 4094n);
    expect(paged.hart.readCsr(0x343)).toBe(VA + 4096n);
  });
});

describe('cached translations', () => {
  it('go with sfence.vma and a write of satp', () => {
    const VA = 0x4000_1000n;
    for (const fence of ['sfence.vma zero, zero', 'sfence.vma a1, zero', 'csrrw zero, satp, a5']) {
      const paged = new PagedHart();
      const leaf = paged.map(VA, BigInt(DATA), V | R | A);
      paged.machine.write64(DATA, 1n);
      paged.machine.write64(DATA + 0x1000, 2n);
      paged.hart.setX(11, VA);
      paged.hart.setX(15, paged.hart.readCsr(0x180)!);
      expect(paged.execute('ld a0, 0(a1)')).toBe(0n);
      paged.machine.write64(leaf, (BigInt(DATA + 0x1000) >> 2n) | V | R | A);
      expect(paged.execute(`${fence}\n ld a0, 0(a1)`, 2)).toBe(0n);
      expect(paged.hart.getX(10), fence).toBe(2n);
      expect(paged.machine.counts.get('tlb-flush')).toBe(1);
    }
  });

  it('never differ from a walk, whatever is mapped, flushed and accessed', () => {
    const source = random(SEED);
    const paged = new PagedHart();
    const { hart, machine } = paged;
    const pages = Array.from({ length: 40 }, (_, page) => 0x4000_0000n + BigInt(page) * 0x40_1000n);
    for (let round = 0; round < 600; round++) {
      const va = source.pick(pages);
      if (source.below(4) === 0) {
        const flags = BigInt(source.below(256)) & ~U;
        paged.map(va, BigInt(RAM_BASE + 0x8_0000 + source.below(64) * 4096), flags);
      }
      hart.writeCsr(0x100, source.below(2) === 0 ? MXR : 0n);
      const write = source.below(2) === 0;
      const expected = paged.walk(va, write ? 'write' : 'read');
      hart.setX(11, va);
      hart.setX(10, source.next());
      if (expected.physical !== undefined && !write)
        machine.write64(Number(expected.physical), source.next());
      const cause = paged.execute(write ? 'sd a0, 0(a1)' : 'ld a0, 0(a1)');
      const context = `seed ${SEED}, round ${round}: ${expected.fault ?? 'no fault'}`;
      expect(cause === 0n, context).toBe(expected.fault === undefined);
      if (cause === 0n) expect(machine.read64(Number(expected.physical)), context).toBe(hart.getX(10));
    }
  });
});
