import { describe, expect, it } from 'vitest';
import { BareHarts, DEVICE, RAM_BASE } from '../../test/support/bare-hart.ts';
import { CODE, DATA, PagedHart } from '../../test/support/paged-hart.ts';
import type { PrivilegeLevel } from '../contracts/hart.ts';
import { parseIsa } from '../isa/isa-text.ts';

const BLOCK = RAM_BASE + 0x4000;
const HANDLER = RAM_BASE + 0x8000;
const HOLE = 0x4000_0000;
const CSR = {
  senvcfg: 0x10a,
  mstatus: 0x300,
  mie: 0x304,
  mtvec: 0x305,
  menvcfg: 0x30a,
  mcause: 0x342,
  mtval: 0x343,
  mip: 0x344,
  pmpcfg0: 0x3a0,
  pmpaddr0: 0x3b0,
} as const;
const ONES = 0xffff_ffff_ffff_ffffn;
const [ILLEGAL, STORE_MISALIGNED, STORE_ACCESS_FAULT, STORE_PAGE_FAULT] = [2n, 6n, 7n, 15n];
const TW = 1n << 21n;

const [V, R, W, X, A, D] = [1n, 2n, 4n, 8n, 64n, 128n];

/** A hart with the register t0 set and all of memory open, at one instruction. */
function hartAt(instruction: string, t0: number | bigint, privilege: PrivilegeLevel = 3): BareHarts {
  const machine = new BareHarts();
  machine.start(instruction, privilege);
  const { hart } = machine;
  hart.writeCsr(CSR.mtvec, BigInt(HANDLER));
  hart.writeCsr(CSR.pmpaddr0, 0x3f_ffff_ffff_ffffn);
  hart.writeCsr(CSR.pmpcfg0, 0x1fn);
  hart.setX(5, BigInt(t0));
  for (let at = -8; at < 72; at += 8) machine.write64(BLOCK + at, ONES);
  return machine;
}

/** Cause and value of the exception that the instruction at pc raises; undefined for none. */
function exception({ hart }: BareHarts): readonly [cause: bigint, value: bigint] | undefined {
  hart.run(1);
  if (hart.getPc() !== BigInt(HANDLER)) return undefined;
  return [hart.readCsr(CSR.mcause)!, hart.readCsr(CSR.mtval)!];
}

const words = (machine: BareHarts): bigint[] =>
  Array.from({ length: 10 }, (_, index) => machine.read64(BLOCK - 8 + index * 8));

// Unprivileged, "Cache-Block Zero Instructions".
describe('cbo.zero', () => {
  it.each([0, 1, 63])('zeroes the block around an address, here its byte %d', (offset) => {
    const machine = hartAt('cbo.zero (t0)', BLOCK + offset);
    expect(exception(machine)).toBeUndefined();
    expect(words(machine)).toEqual([ONES, 0n, 0n, 0n, 0n, 0n, 0n, 0n, 0n, ONES]);
    // A second time its translation is cached.
    machine.write64(BLOCK + 8, ONES);
    machine.hart.setPc(BigInt(RAM_BASE));
    machine.hart.run(1);
    expect(words(machine)).toEqual([ONES, 0n, 0n, 0n, 0n, 0n, 0n, 0n, 0n, ONES]);
  });

  it('changes code that was decoded', () => {
    const machine = new BareHarts();
    // The block after the loop holds an addition, which is executed once and then is no instruction.
    const { target } = machine.start(`
      lla t0, target
      lla t1, back
    back:
      jalr zero, 0(t0)
      .balign 64
    target:
      addi a0, a0, 1
      cbo.zero (t0)
      jalr zero, 0(t1)
      .balign 64
      addi zero, zero, 0
    `);
    const { hart } = machine;
    hart.writeCsr(CSR.mtvec, BigInt(HANDLER));
    machine.runTo(BigInt(HANDLER));
    expect(hart.getX(10)).toBe(1n);
    // The jump back is zero too: the very next instruction is illegal.
    expect([hart.readCsr(CSR.mcause), hart.readCsr(0x341)]).toEqual([ILLEGAL, target! + 8n]);
  });

  it('is a store: of a page, with A and D', () => {
    const paged = new PagedHart();
    paged.hart.writeCsr(CSR.menvcfg, paged.hart.readCsr(CSR.menvcfg)! | (1n << 7n));
    const va = 0x4000_0000n;
    paged.hart.setX(5, va + 0x123n);
    const leaf = paged.map(va, BigInt(DATA), V | R | W);
    expect(paged.execute('cbo.zero (t0)')).toBe(0n);
    expect(paged.machine.read64(leaf) & (A | D)).toBe(A | D);
    paged.map(va, BigInt(DATA), V | R | A | D);
    expect(paged.execute('cbo.zero (t0)')).toBe(STORE_PAGE_FAULT);
    expect(paged.hart.readCsr(CSR.mtval)).toBe(va + 0x123n);
  });

  it('of a device or of nothing is a store access fault at rs1', () => {
    for (const address of [DEVICE, HOLE + 17])
      expect(exception(hartAt('cbo.zero (t0)', address))).toEqual([STORE_ACCESS_FAULT, BigInt(address)]);
  });

  it('of the last block of RAM stays within it', () => {
    const machine = hartAt('cbo.zero (t0)', RAM_BASE + (1 << 20) - 1);
    machine.write64(RAM_BASE + (1 << 20) - 64, ONES);
    expect(exception(machine)).toBeUndefined();
    expect(machine.read64(RAM_BASE + (1 << 20) - 64)).toBe(0n);
  });

  it('tells a machine that watches one of its words', () => {
    const machine = hartAt('cbo.zero (t0)\nld a0, 0(t0)', BLOCK);
    machine.group.watchHtif(BLOCK + 32);
    machine.hart.run(1);
    expect(machine.tohostCalls).toBe(1);
  });
});

// Unprivileged, "Cache-Block Management Instructions".
describe.each(['cbo.clean', 'cbo.flush', 'cbo.inval'])('%s', (name) => {
  it('changes nothing where access is allowed', () => {
    const machine = hartAt(`${name} (t0)`, BLOCK + 5);
    expect(exception(machine)).toBeUndefined();
    expect(machine.hart.getPc()).toBe(BigInt(RAM_BASE + 4));
    expect(new Set(words(machine))).toEqual(new Set([ONES]));
    expect(exception(hartAt(`${name} (t0)`, DEVICE))).toBeUndefined();
  });

  it('needs a page that may be read or written, sets A and not D', () => {
    const paged = new PagedHart();
    paged.hart.writeCsr(CSR.menvcfg, paged.hart.readCsr(CSR.menvcfg)! | 0xf0n);
    const va = 0x4000_0000n;
    paged.hart.setX(5, va + 0x123n);
    for (const flags of [V | R, V | R | W]) {
      const leaf = paged.map(va, BigInt(DATA), flags);
      expect(paged.execute(`${name} (t0)`)).toBe(0n);
      expect(paged.machine.read64(leaf) & (A | D)).toBe(A);
    }
    for (const flags of [0n, V | X]) {
      paged.map(va, BigInt(DATA), flags);
      expect(paged.execute(`${name} (t0)`)).toBe(STORE_PAGE_FAULT);
      expect(paged.hart.readCsr(CSR.mtval)).toBe(va + 0x123n);
    }
  });

  it('needs protection to allow it', () => {
    const machine = hartAt(`${name} (t0)`, BLOCK, 1);
    machine.hart.writeCsr(CSR.menvcfg, 0xf0n);
    // The block alone, without permissions, before all of memory with them.
    machine.hart.writeCsr(CSR.pmpaddr0, BigInt((BLOCK >>> 2) | 7));
    machine.hart.writeCsr(CSR.pmpaddr0 + 1, 0x3f_ffff_ffff_ffffn);
    machine.hart.writeCsr(CSR.pmpcfg0, 0x1f18n);
    expect(exception(machine)).toEqual([STORE_ACCESS_FAULT, BigInt(BLOCK)]);
  });
});

// Unprivileged, "Control and Status Register State".
describe.each([
  ['cbo.zero', 1n << 7n],
  ['cbo.clean', 1n << 6n],
  ['cbo.flush', 1n << 6n],
  ['cbo.inval', 1n << 4n],
  ['cbo.inval', 3n << 4n],
])('%s, allowed by bits %d', (name, bits) => {
  const outcome = (privilege: PrivilegeLevel, menvcfg: bigint, senvcfg: bigint): bigint | undefined => {
    const machine = hartAt(`${name} (t0)`, BLOCK, privilege);
    machine.hart.writeCsr(CSR.menvcfg, menvcfg);
    machine.hart.writeCsr(CSR.senvcfg, senvcfg);
    return exception(machine)?.[0];
  };
  const others = 0xf0n & ~bits & (name === 'cbo.inval' ? ~0x30n : ONES);

  it('in M-mode whatever they are, in S-mode with those of menvcfg, in U-mode with those of both', () => {
    expect(outcome(3, 0n, 0n)).toBeUndefined();
    expect(outcome(1, bits, 0n)).toBeUndefined();
    expect(outcome(0, bits, bits)).toBeUndefined();
    expect(outcome(1, others, ONES)).toBe(ILLEGAL);
    expect(outcome(0, bits, others)).toBe(ILLEGAL);
    expect(outcome(0, others, bits)).toBe(ILLEGAL);
  });
});

// Unprivileged, "Word/Doubleword/Quadword CAS (AMOCAS.W/D/Q) Instructions".
describe('amocas.q', () => {
  const [LOW, HIGH] = [0x1111_2222_3333_4444n, 0x5555_6666_7777_8888n];

  function swap(instruction: string, compared: readonly [bigint, bigint], address = BLOCK): BareHarts {
    const machine = hartAt(instruction, address);
    machine.write64(BLOCK, LOW);
    machine.write64(BLOCK + 8, HIGH);
    machine.hart.setX(10, compared[0]);
    machine.hart.setX(11, compared[1]);
    machine.hart.setX(12, 0xaaaan);
    machine.hart.setX(13, 0xbbbbn);
    return machine;
  }
  const pair = (machine: BareHarts): bigint[] => [machine.read64(BLOCK), machine.read64(BLOCK + 8)];

  it('stores a pair where memory equals the other', () => {
    const machine = swap('amocas.q a0, a2, (t0)', [LOW, HIGH]);
    expect(exception(machine)).toBeUndefined();
    expect(pair(machine)).toEqual([0xaaaan, 0xbbbbn]);
    expect([machine.hart.getX(10), machine.hart.getX(11)]).toEqual([LOW, HIGH]);
  });

  it.each([
    [LOW, HIGH ^ (1n << 63n)],
    [LOW ^ 1n, HIGH],
  ])('leaves memory alone otherwise, and gives what it holds', (low, high) => {
    const machine = swap('amocas.q a0, a2, (t0)', [low, high]);
    expect(exception(machine)).toBeUndefined();
    expect(pair(machine)).toEqual([LOW, HIGH]);
    expect([machine.hart.getX(10), machine.hart.getX(11)]).toEqual([LOW, HIGH]);
  });

  it('takes x0 for a pair of zeros, and writes no pair there', () => {
    const stores = swap('amocas.q a0, zero, (t0)', [LOW, HIGH]);
    stores.hart.setX(1, 0xdeadn);
    expect(exception(stores)).toBeUndefined();
    expect(pair(stores)).toEqual([0n, 0n]);
    const compares = swap('amocas.q zero, a2, (t0)', [0n, 0n]);
    compares.hart.setX(1, 0xdeadn);
    compares.write64(BLOCK, 0n);
    compares.write64(BLOCK + 8, 0n);
    expect(exception(compares)).toBeUndefined();
    expect([...pair(compares), compares.hart.getX(0), compares.hart.getX(1)]).toEqual([
      0xaaaan,
      0xbbbbn,
      0n,
      0xdeadn,
    ]);
  });

  it('faults as a store does, aligned to 16 bytes', () => {
    const at = (address: number) => exception(swap('amocas.q a0, a2, (t0)', [LOW, HIGH], address));
    expect(at(BLOCK + 8)).toEqual([STORE_MISALIGNED, BigInt(BLOCK + 8)]);
    expect(at(HOLE)).toEqual([STORE_ACCESS_FAULT, BigInt(HOLE)]);
    expect(at(DEVICE)).toEqual([STORE_ACCESS_FAULT, BigInt(DEVICE)]);
    const paged = new PagedHart();
    paged.hart.setX(5, 0x4000_0000n);
    paged.map(0x4000_0000n, BigInt(DATA), V | R | A | D);
    expect(paged.execute('amocas.q a0, a2, (t0)')).toBe(STORE_PAGE_FAULT);
  });

  it('changes code that was decoded', () => {
    const machine = new BareHarts();
    machine.start(`
      lla t0, target
      ld a0, 0(t0)
      ld a1, 8(t0)
      lla t1, other
      ld a2, 0(t1)
      addi a3, a1, 0
      .balign 16
    target:
      addi a4, a4, 1
      addi zero, zero, 0
      amocas.q a0, a2, (t0)
      jal zero, target
      .balign 16
    other:
      addi a5, a5, 1
    here:
      jal zero, here
    `);
    machine.hart.run(100);
    expect([machine.hart.getX(14), machine.hart.getX(15)]).toEqual([1n, 1n]);
  });

  it("breaks the hart's own reservation of what it changes", () => {
    const machine = hartAt('lr.d a4, (t0)\namocas.q a0, a2, (t0)\nsc.d a5, a2, (t0)', BLOCK);
    machine.hart.setX(10, ONES);
    machine.hart.setX(11, ONES);
    machine.hart.setX(12, 0xaaaan);
    machine.hart.run(3);
    expect([machine.hart.getX(15), machine.read64(BLOCK)]).toEqual([1n, 0xaaaan]);
  });
});

describe('amocas.w', () => {
  it('on harts, out of line and in the loop', () => {
    const machine = hartAt('amocas.w a0, a1, (t0)\namocas.w a0, a1, (t0)\namocas.w zero, a1, (t0)', BLOCK);
    machine.write64(BLOCK, 0xffff_ffff_8000_0001n);
    machine.hart.setX(10, 0x1234_5678_8000_0001n);
    machine.hart.setX(11, 0x55n);
    machine.hart.run(1);
    expect([machine.hart.getX(10), machine.read64(BLOCK)]).toEqual([
      0xffff_ffff_8000_0001n,
      0xffff_ffff_0000_0055n,
    ]);
    machine.hart.run(1);
    expect([machine.hart.getX(10), machine.read64(BLOCK)]).toEqual([0x55n, 0xffff_ffff_0000_0055n]);
    machine.write64(BLOCK, 0n);
    machine.hart.setX(11, 0x66n);
    machine.hart.run(1);
    expect([machine.hart.getX(0), machine.read64(BLOCK)]).toEqual([0n, 0x66n]);
  });
});

// Unprivileged, "Wait-on-Reservation-Set Instructions".
describe('wrs.nto', () => {
  const outcome = (
    privilege: PrivilegeLevel,
    status: bigint,
    prepare: (machine: BareHarts) => void,
    lr = true,
  ) => {
    const machine = hartAt(`${lr ? 'lr.d a0, (t0)' : 'addi zero, zero, 0'}\nwrs.nto`, BLOCK, privilege);
    machine.hart.writeCsr(CSR.mstatus, status);
    prepare(machine);
    machine.hart.run(2);
    return machine.hart.getPc() === BigInt(HANDLER) ? machine.hart.readCsr(CSR.mcause) : undefined;
  };
  const nothing = (): void => {};

  it('ends at once, in every mode', () => {
    for (const privilege of [0, 1, 3] as const) expect(outcome(privilege, 0n, nothing)).toBeUndefined();
  });

  it('is illegal below M-mode where mstatus.TW bounds a wait that nothing ends', () => {
    expect(outcome(3, TW, nothing)).toBeUndefined();
    expect(outcome(1, TW, nothing)).toBe(ILLEGAL);
    expect(outcome(0, TW, nothing)).toBe(ILLEGAL);
    expect(outcome(1, TW, nothing, false)).toBeUndefined();
    const pending = ({ hart }: BareHarts): void => {
      hart.writeCsr(0x303, 2n);
      hart.writeCsr(CSR.mie, 2n);
      hart.writeCsr(CSR.mip, 2n);
    };
    expect(outcome(1, TW, pending)).toBeUndefined();
  });
});

describe('what is off', () => {
  it.each([
    ['zicboz', 'cbo.zero (t0)'],
    ['zicbom', 'cbo.inval (t0)'],
    ['zacas', 'amocas.q a0, a2, (t0)'],
    ['zabha', 'amoadd.b a0, a1, (t0)'],
    ['zawrs', 'wrs.sto'],
    ['zimop', 'mop.rr.3 a0, a1, a2'],
    ['zbc', 'clmul a0, a1, a2'],
    ['zcb', 'c.not a0'],
  ])('%s: %s is illegal', (extension, instruction) => {
    for (const off of [false, true]) {
      const machine = new BareHarts(off ? { isa: parseIsa(`-${extension}`) } : {});
      machine.start(instruction);
      machine.hart.writeCsr(CSR.mtvec, BigInt(HANDLER));
      machine.hart.setX(5, BigInt(BLOCK));
      const raw = machine.read64(RAM_BASE);
      const found = exception(machine);
      expect(found).toEqual(off ? [ILLEGAL, instruction.startsWith('c.') ? raw & 0xffffn : raw] : undefined);
    }
  });

  it('prefetches and pauses go on as the instructions they refine', () => {
    const machine = new BareHarts({ isa: parseIsa('-zicbop,-zihintpause,-zihintntl') });
    machine.start('prefetch.w 0(t0)\npause\nntl.all\nc.ntl.p1');
    expect(machine.hart.run(4)).toBe('budget');
    expect(machine.hart.getPc()).toBe(BigInt(RAM_BASE + 14));
  });
});

it('a prefetch of any address raises nothing', () => {
  const machine = hartAt('prefetch.r 32(t0)\nprefetch.w 0(t0)\nprefetch.i -32(t0)', HOLE);
  machine.hart.run(3);
  expect([machine.hart.getPc(), CODE]).toEqual([BigInt(RAM_BASE + 12), CODE]);
});
