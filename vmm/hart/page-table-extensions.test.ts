import { describe, expect, it } from 'vitest';
import { RAM_BASE } from '../../test/support/bare-hart.ts';
import { CODE, DATA, MODES, PagedHart } from '../../test/support/paged-hart.ts';
import { random, SEED } from '../../test/support/random.ts';
import type { WalkResult } from '../contracts/hart.ts';
import { parseIsa } from '../isa/isa-text.ts';

const [V, R, W, X, U, A, D] = [1n, 2n, 4n, 8n, 16n, 64n, 128n] as const;
const RWAD = V | R | W | A | D;
const N = 1n << 63n;
const NC = 1n << 61n;
const IO = 2n << 61n;
const PBMT_RESERVED = 3n << 61n;
const ADUE = 1n << 61n;
const PBMTE = 1n << 62n;
const MENVCFG = 0x30a;
const VA = 0x4000_0000n;
const LOAD_PAGE_FAULT = 13n;
/** A naturally aligned range of sixteen pages in RAM, and how a NAPOT entry names it. */
const RANGE = BigInt(RAM_BASE + 0x4_0000);
const NAPOT_PPN = RANGE | 0x8000n;

/** What a load of 8 bytes at `va` comes to, which the debugger's walk foresees. */
function load(paged: PagedHart, va: bigint): { cause: bigint; value: bigint; walk: WalkResult } {
  const walk = paged.walk(va);
  paged.hart.setX(10, 0n);
  paged.hart.setX(11, va);
  const cause = paged.execute('ld a0, 0(a1)');
  expect(walk.fault === undefined, walk.fault).toBe(cause === 0n);
  return { cause, value: paged.hart.getX(10), walk };
}

describe.each(MODES)('Svnapot in $name', (mode) => {
  const ranged = (isa = ''): PagedHart => {
    const paged = new PagedHart(mode, parseIsa(isa));
    for (let page = 0; page < 16; page++) {
      paged.map(VA + BigInt(page * 4096), NAPOT_PPN, N | RWAD);
      paged.machine.write64(Number(RANGE) + page * 4096 + 8, BigInt(page) + 100n);
    }
    return paged;
  };

  it('maps 64 KiB: the address gives the low four bits of the page number', () => {
    const paged = ranged();
    for (const page of [0, 15, 8, 7, 3]) {
      const { value, walk } = load(paged, VA + BigInt(page * 4096 + 8));
      expect(value).toBe(BigInt(page) + 100n);
      expect(walk).toMatchObject({ physical: RANGE + BigInt(page * 4096 + 8), pageSize: 65536 });
      expect(walk.levels.at(-1)).toMatchObject({ flags: 'VRWADN', target: RANGE, leaf: true });
    }
  });

  it('is executed from, and stored to', () => {
    const paged = ranged();
    for (let page = 0; page < 16; page++) paged.map(VA + BigInt(page * 4096), NAPOT_PPN, N | RWAD | X);
    paged.machine.place('addi a0, zero, 7\n jalr zero, 0(ra)', Number(RANGE) + 5 * 4096);
    paged.hart.setX(11, VA + 5n * 4096n);
    expect(paged.execute('jalr ra, 0(a1)\n sd a0, 24(a1)', 4)).toBe(0n);
    expect(paged.machine.read64(Number(RANGE) + 5 * 4096 + 24)).toBe(7n);
  });

  it('sets A and D in the entry of the page alone that is used', () => {
    const paged = ranged();
    const entries = [1, 2].map((page) => paged.map(VA + BigInt(page * 4096), NAPOT_PPN, N | V | R | W));
    paged.hart.setX(11, VA + 4096n);
    expect(paged.execute('sd a0, 0(a1)')).toBe(0n);
    expect(entries.map((entry) => paged.machine.read64(entry) & (A | D))).toEqual([A | D, 0n]);
  });

  it('is reserved without the extension', () => {
    const { cause, walk } = load(ranged('-svnapot'), VA);
    expect(cause).toBe(LOAD_PAGE_FAULT);
    expect(walk.fault).toMatch(/N \(bit 63\).*Svnapot/);
  });
});

// "Svnapot", "Page table entry encodings when pte.N=1": all but ppn[3:0] = 1000 at level 0 is reserved.
describe('reserved encodings with N', () => {
  it.each([...Array(16).keys()])('PPN ending in %i', (low) => {
    const paged = new PagedHart();
    paged.map(VA, RANGE | BigInt(low << 12), N | RWAD);
    expect(load(paged, VA).cause).toBe(low === 8 ? 0n : LOAD_PAGE_FAULT);
  });

  it.each([1, 2])('a leaf of level %i', (level) => {
    const paged = new PagedHart();
    paged.map(VA, BigInt(RAM_BASE) | 0x8000n, N | RWAD, level);
    expect(load(paged, VA).cause).toBe(LOAD_PAGE_FAULT);
    paged.map(VA, BigInt(RAM_BASE), RWAD, level);
    expect(load(paged, VA).cause).toBe(0n);
  });
});

describe('Svpbmt', () => {
  const of = (bits: bigint, menvcfg: bigint, isa = ''): ReturnType<typeof load> => {
    const paged = new PagedHart(MODES[0], parseIsa(isa));
    paged.map(VA, BigInt(DATA), bits | RWAD);
    paged.hart.writeCsr(MENVCFG, menvcfg);
    return load(paged, VA);
  };

  it.each([
    ['PMA', 0n, 0n, '', 0n],
    ['NC', NC, PBMTE, '', 0n],
    ['IO', IO, PBMTE, '', 0n],
    ['the reserved type', PBMT_RESERVED, PBMTE, '', LOAD_PAGE_FAULT],
    ['NC, with menvcfg.PBMTE clear', NC, 0n, '', LOAD_PAGE_FAULT],
    ['IO, without the extension', IO, PBMTE, '-svpbmt', LOAD_PAGE_FAULT],
  ] as const)('a page of type %s', (_what, bits, menvcfg, isa, cause) => {
    expect(of(bits, menvcfg, isa).cause).toBe(cause);
  });

  it('is shown in a walk', () => {
    expect(of(NC, PBMTE).walk.levels.at(-1)).toMatchObject({ memoryType: 'NC', flags: 'VRWAD' });
    expect(of(IO, PBMTE).walk.levels.at(-1)).toMatchObject({ memoryType: 'IO' });
    expect(of(0n, PBMTE).walk.levels.at(-1)).not.toHaveProperty('memoryType');
    expect(of(NC, 0n).walk.fault).toMatch(/PBMTE/);
    expect(of(PBMT_RESERVED, PBMTE).walk.fault).toMatch(/PBMT is 3/);
  });

  it('goes with superpages and with Svnapot', () => {
    const paged = new PagedHart();
    paged.map(VA, BigInt(RAM_BASE), NC | RWAD, 1);
    expect(load(paged, VA + 0x5000n)).toMatchObject({ cause: 0n, walk: { pageSize: 2 << 20 } });
    paged.map(VA + 0x4000_0000n, NAPOT_PPN, N | IO | RWAD);
    expect(load(paged, VA + 0x4000_0000n)).toMatchObject({ cause: 0n, walk: { pageSize: 65536 } });
  });

  it('is in force with the write of menvcfg', () => {
    const paged = new PagedHart();
    paged.map(VA, BigInt(DATA), NC | RWAD);
    expect(load(paged, VA).cause).toBe(0n);
    paged.hart.writeCsr(MENVCFG, ADUE);
    expect(load(paged, VA).cause).toBe(LOAD_PAGE_FAULT);
  });
});

describe('pointers to tables ("Sv39": D, A, U, N and PBMT are reserved in them)', () => {
  it.each([
    ['nothing', 0n, 0n],
    ['D', D, LOAD_PAGE_FAULT],
    ['A', A, LOAD_PAGE_FAULT],
    ['U', U, LOAD_PAGE_FAULT],
    ['N', N, LOAD_PAGE_FAULT],
    ['NC', NC, LOAD_PAGE_FAULT],
    ['bit 54', 1n << 54n, LOAD_PAGE_FAULT],
    ['bit 60', 1n << 60n, LOAD_PAGE_FAULT],
    ['G and the bits for software', (1n << 5n) | (3n << 8n), 0n],
  ])('with %s set', (_what, bits, cause) => {
    const paged = new PagedHart();
    paged.map(VA, BigInt(DATA), RWAD);
    const pointer = Number(paged.walk(VA).levels[1]!.pteAddress);
    paged.machine.write64(pointer, paged.machine.read64(pointer) | bits);
    paged.hart.flushTranslations();
    expect(load(paged, VA).cause).toBe(cause);
  });

  it.each([54n, 55n, 58n, 60n])('bit %i of a leaf is reserved in any case', (bit) => {
    const paged = new PagedHart();
    paged.map(VA, BigInt(DATA), RWAD | (1n << bit));
    const { cause, walk } = load(paged, VA);
    expect(cause).toBe(LOAD_PAGE_FAULT);
    expect(walk.fault).toMatch(/60:54/);
  });
});

// "Svade" and "Svadu": a configuration with both starts with faults; with Svadu alone, or neither, hardware sets bits.
describe('A and D bits', () => {
  it.each([
    ['', null, A],
    ['', 0n, null],
    ['', ADUE, A],
    ['+svade', null, null],
    ['+svade', ADUE, A],
    ['+svade,-svadu', null, null],
    ['+svade,-svadu', ADUE, null],
    ['-svadu', null, A],
    ['-svadu', 0n, A],
  ] as const)('with "%s", menvcfg written %i: set by a load are %i', (isa, menvcfg, expected) => {
    const paged = new PagedHart(MODES[0], parseIsa(isa));
    const leaf = paged.map(VA, BigInt(DATA), V | R | W);
    if (menvcfg !== null) paged.hart.writeCsr(MENVCFG, menvcfg);
    expect(load(paged, VA).cause).toBe(expected === null ? LOAD_PAGE_FAULT : 0n);
    expect(paged.machine.read64(leaf) & (A | D)).toBe(expected ?? 0n);
  });
});

describe('fences that name an address', () => {
  const NEXT = VA + 0x1000n;
  const OTHER = BigInt(DATA + 0x1000);

  /** Changes an entry behind the hart's back, then loads from `address`. */
  const loadAfter = (paged: PagedHart, fence: string, address: bigint): bigint => {
    paged.hart.setX(11, VA);
    paged.hart.setX(12, address);
    expect(paged.execute(`${fence}\n ld a0, 0(a2)`, 2)).toBe(0n);
    return paged.hart.getX(10);
  };
  const twoPages = (): { paged: PagedHart; leaves: number[] } => {
    const paged = new PagedHart();
    paged.machine.write64(DATA, 1n);
    paged.machine.write64(Number(OTHER), 2n);
    const leaves = [VA, NEXT].map((va) => paged.map(va, BigInt(DATA), RWAD));
    for (const va of [VA, NEXT]) expect(load(paged, va).value).toBe(1n);
    for (const leaf of leaves) paged.machine.write64(leaf, (OTHER >> 2n) | RWAD);
    return { paged, leaves };
  };

  it.each(['sfence.vma a1, zero', 'sfence.vma a1, a3', 'sinval.vma a1, zero', 'sinval.vma a1, a3'])(
    '%s forgets that page',
    (fence) => {
      expect(loadAfter(twoPages().paged, fence, VA)).toBe(2n);
    },
  );

  it('keep what is cached of other pages, which those for all addresses do not', () => {
    expect(loadAfter(twoPages().paged, 'sfence.vma a1, zero', NEXT)).toBe(1n);
    expect(loadAfter(twoPages().paged, 'sfence.vma zero, a3', NEXT)).toBe(2n);
    expect(loadAfter(twoPages().paged, 'sinval.vma zero, zero', NEXT)).toBe(2n);
    expect(loadAfter(twoPages().paged, 'sfence.w.inval', NEXT)).toBe(1n);
  });

  it('name any byte of the page', () => {
    const { paged } = twoPages();
    paged.hart.setX(13, VA + 0xffen);
    expect(loadAfter(paged, 'sfence.vma a3, zero', VA)).toBe(2n);
  });

  it('forget stores and fetches too', () => {
    const { paged, leaves } = twoPages();
    paged.machine.write64(leaves[0]!, (BigInt(DATA) >> 2n) | RWAD | X);
    paged.machine.place('addi a0, zero, 5\n jalr zero, 0(ra)', DATA + 8);
    paged.machine.place('addi a0, zero, 6\n jalr zero, 0(ra)', Number(OTHER) + 8);
    paged.hart.flushTranslations();
    paged.hart.setX(11, VA);
    expect(paged.execute('sd zero, 0(a1)\n jalr ra, 8(a1)', 4)).toBe(0n);
    expect(paged.hart.getX(10)).toBe(5n);
    paged.machine.write64(leaves[0]!, (OTHER >> 2n) | RWAD | X);
    expect(paged.execute('sfence.vma a1, zero\n sd a1, 0(a1)\n jalr ra, 8(a1)', 5)).toBe(0n);
    expect([paged.hart.getX(10), paged.machine.read64(Number(OTHER))]).toEqual([6n, VA]);
    expect(paged.machine.read64(DATA)).toBe(0n);
  });

  it.each([
    ['a superpage', 1, BigInt(RAM_BASE), 0x5000n],
    ['a NAPOT range', 0, NAPOT_PPN, 0x5000n],
  ] as const)('forget all that a leaf gave, of which they name one page: %s', (_what, level, pa, offset) => {
    const paged = new PagedHart();
    const bits = level === 0 ? N | RWAD : RWAD;
    const pages = [VA, VA + offset].map((va) => paged.map(va, pa, bits, level));
    expect(load(paged, VA + offset).cause).toBe(0n);
    for (const leaf of pages) paged.machine.write64(leaf, 0n);
    // The fence names the first page; what was used is another.
    paged.hart.setX(11, VA);
    paged.hart.setX(12, VA + offset);
    expect(paged.execute('sfence.vma a1, zero\n ld a0, 0(a2)', 2)).toBe(LOAD_PAGE_FAULT);
  });

  it('forget what U-mode uses', () => {
    const { paged, leaves } = twoPages();
    const { hart, machine } = paged;
    paged.map(BigInt(CODE), BigInt(CODE), V | R | X | U | A);
    for (const leaf of leaves) machine.write64(leaf, (BigInt(DATA) >> 2n) | RWAD | U);
    machine.place('ld a0, 0(a1)', CODE);
    hart.setX(11, VA);
    const loadInUserMode = (): bigint => {
      hart.setPrivilege(0);
      hart.setPc(BigInt(CODE));
      hart.run(1);
      return hart.getX(10);
    };
    expect(loadInUserMode()).toBe(1n);
    machine.write64(leaves[0]!, (OTHER >> 2n) | RWAD | U);
    expect(loadInUserMode()).toBe(1n);
    hart.flushTranslations({ start: VA + 0xfffn, size: 1n });
    expect(loadInUserMode()).toBe(2n);
  });

  it('of another hart name a range, of some pages or of many', () => {
    for (const size of [0x1001n, 0x20_0000n]) {
      const { paged } = twoPages();
      paged.hart.flushTranslations({ start: VA, size });
      for (const va of [VA, NEXT]) expect(load(paged, va).value).toBe(2n);
    }
    const { paged } = twoPages();
    paged.hart.flushTranslations({ start: NEXT, size: 0x1000n });
    expect([VA, NEXT].map((va) => load(paged, va).value)).toEqual([1n, 2n]);
  });

  it('never leave what differs from a walk, with leaves of all sizes, for loads and stores in every context', () => {
    const source = random(SEED);
    const paged = new PagedHart();
    const { hart, machine } = paged;
    const memory = RAM_BASE + 0x8_0000;
    /** Accesses as a context does: with SUM, MXR, both or neither. */
    const access = (va: bigint, context: string): void => {
      const write = source.below(2) === 0;
      const expected = paged.walk(va, write ? 'write' : 'read');
      hart.setX(11, va);
      hart.setX(10, source.next());
      const cause = paged.execute(write ? 'sd a0, 0(a1)' : 'ld a0, 0(a1)');
      expect(cause === 0n, `${context}: ${expected.fault ?? 'no fault'}`).toBe(expected.fault === undefined);
      if (cause === 0n) expect(machine.read64(Number(expected.physical)), context).toBe(hart.getX(10));
    };
    /** Each region of 2 MiB has leaves of one size: nothing here needs a fence for all addresses. */
    const change = (region: number, va: bigint): void => {
      const bits = BigInt(source.below(256)) | V;
      if (region === 0) paged.replace(va, BigInt(RAM_BASE), bits | R, 1);
      else if (region > 1) paged.replace(va, BigInt(memory + source.below(64) * 4096), bits);
      else {
        for (let page = 0n; page < 16n; page++) {
          paged.replace((va & ~0xffffn) + page * 4096n, NAPOT_PPN, N | bits);
        }
      }
    };
    for (let round = 0; round < 1000; round++) {
      // What flushes everything comes seldom, or nothing else is seen.
      const region = source.below(40) < 39 ? 2 + source.below(2) : source.below(2);
      const va = VA + BigInt(region * 0x20_0000 + (region === 0 ? 0x8_0000 : 0) + source.below(3) * 4096);
      hart.writeCsr(0x100, BigInt(source.below(4)) << 18n);
      const context = `seed ${SEED}, round ${round}`;
      access(va, context);
      if (source.below(2) === 0) continue;
      change(region, va);
      hart.setX(11, va);
      paged.execute('sfence.vma a1, zero');
      access(va, context);
    }
  });
});
