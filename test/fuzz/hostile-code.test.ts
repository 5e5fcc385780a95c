import { describe, expect, test } from 'vitest';
import {
  type Batch,
  type CompileJob,
  type CompilePort,
  createTranslator,
  SynchronousCompiler,
} from '../../vmm/jit/index.ts';
import { BareHarts, RAM_BASE } from '../support/bare-hart.ts';
import { buildPageTables, type PageMapping, PTE } from './page-tables.ts';

/**
 * Code as no compiler makes it. Each program runs interpreted and translated, in one go and in pieces, and must come to
 * the same end, which is the specification's. Traps come to `handler`, at the beginning of RAM: it adds up where they
 * came from and what they said, and goes on where s11 says: where the trap came from in privilege, or in M-mode when s10
 * holds mstatus.MPP.
 */
const PAGE = 4096;
const RAM_SIZE = 1 << 20;
const RAM_END = RAM_BASE + RAM_SIZE;
const PROGRAM = RAM_BASE + PAGE;
const TABLES = RAM_BASE + 0x8_0000;
const ROUNDS = 60;
/** More than any of these programs needs; states are compared after so many. */
const STEPS = 300_000;

const HANDLER = `
  csrrs t0, mcause, zero
  csrrs t1, mepc, zero
  csrrs t2, mtval, zero
  addi s2, s2, 1             # traps
  add s3, s3, t0             # sum of causes
  addi s4, t1, 0             # the last one's pc
  addi s5, t2, 0             # and value
  csrrw zero, mepc, s11
  csrrs zero, mstatus, s10
  mret
`;
const TRAPS = 18;
const CAUSES = 19;
const LAST_PC = 20;
const LAST_VALUE = 21;

const MTVEC = 0x305;
const SATP = 0x180;
const PMPADDR0 = 0x3b0;
const PMPCFG0 = 0x3a0;
const INSTRUCTION_ACCESS_FAULT = 1n;
const INSTRUCTION_PAGE_FAULT = 12n;

interface Setup {
  readonly program: string;
  readonly privilege?: 0 | 1 | 3;
  readonly satp?: bigint;
  /** Puts what else there is into memory. */
  readonly prepare?: (machine: BareHarts) => void;
}

const TIERS = ['interpreted', 'translated'] as const;
/** Budgets of runs: the second is shorter than most regions, the third cuts them anywhere. */
const BUDGETS = [100_000, 3, 41] as const;

function machineOf(
  tier: (typeof TIERS)[number],
  options: { slotsMax?: number; bytesMax?: number } = {},
): BareHarts {
  if (tier === 'interpreted') return new BareHarts({ ramSize: RAM_SIZE });
  const translator = createTranslator({
    hotAfter: 1,
    compiler: new SynchronousCompiler(),
    verify: true,
    ...options,
  });
  return new BareHarts({ ramSize: RAM_SIZE, translator });
}

function start(
  machine: BareHarts,
  { program, privilege = 3, satp = 0n, prepare }: Setup,
): Record<string, bigint> {
  machine.place(HANDLER, RAM_BASE);
  const labels = machine.place(program, PROGRAM);
  prepare?.(machine);
  const { hart } = machine;
  hart.reset({ pc: BigInt(PROGRAM), privilege: 3, a0: 0n, a1: 0n });
  hart.writeCsr(MTVEC, BigInt(RAM_BASE));
  hart.writeCsr(PMPADDR0, -1n);
  hart.writeCsr(PMPCFG0, 0x1fn);
  hart.writeCsr(SATP, satp);
  hart.setPrivilege(privilege);
  return labels;
}

/** Runs until pc is at `end`, which is a loop to itself. */
function runToEnd(machine: BareHarts, end: bigint, budget: number): void {
  const { hart } = machine;
  while (hart.getPc() !== end) {
    expect(hart.steps, `at 0x${hart.getPc().toString(16)}`).toBeLessThan(STEPS);
    hart.run(budget);
  }
  // To a step that does not depend on the budget.
  hart.run(STEPS - hart.steps);
}

/** Runs the program in all ways to its label `end`, compares, and gives the machine that translated it. */
function runEverywhere(setup: Setup): BareHarts {
  const runs = TIERS.flatMap((tier) =>
    BUDGETS.map((budget) => {
      const machine = machineOf(tier);
      const { end } = start(machine, setup);
      runToEnd(machine, end!, budget);
      return { name: `${tier}, ${budget} steps at a time`, machine };
    }),
  );
  const [reference] = runs;
  for (const { name, machine } of runs) {
    expect(machine.hart.save(), name).toEqual(reference!.machine.hart.save());
    expect(Buffer.compare(machine.memory.ram, reference!.machine.memory.ram), name).toBe(0);
    expect(machine.counts, name).toEqual(reference!.machine.counts);
  }
  const translated = runs[TIERS.indexOf('translated') * BUDGETS.length]!.machine;
  expect(translated.group.tiers.translator).toBeGreaterThan(ROUNDS);
  return translated;
}

describe('the end of RAM', () => {
  /** A loop whose last instruction ends where RAM ends, run ROUNDS times. */
  const atTheEnd = (length: number): string => `
      li s0, ${ROUNDS}
      lla s11, back
    again:
      li s1, 7
      li t3, ${RAM_END - length}
      jalr zero, 0(t3)
    back:
      addi s0, s0, -1
      bne s0, zero, again
    end:
      jal zero, end
  `;

  test('a loop on its last bytes runs, and falls off', () => {
    const { hart } = runEverywhere({
      program: atTheEnd(4),
      prepare: (machine) =>
        machine.place(
          `loop:
           c.addi s1, -1
           c.bnez s1, loop`,
          RAM_END - 4,
        ),
    });
    expect(hart.getX(TRAPS)).toBe(BigInt(ROUNDS));
    expect(hart.getX(CAUSES)).toBe(INSTRUCTION_ACCESS_FAULT * BigInt(ROUNDS));
    expect(hart.getX(LAST_PC)).toBe(BigInt(RAM_END));
    expect(hart.getX(LAST_VALUE)).toBe(BigInt(RAM_END));
  });

  test('an instruction of which the second half is missing faults there', () => {
    const { hart } = runEverywhere({
      program: atTheEnd(6),
      prepare: (machine) =>
        machine.place(
          `loop:
           c.addi s1, -1
           c.bnez s1, loop
           .half 0x0013`,
          RAM_END - 6,
        ),
    });
    expect(hart.getX(TRAPS)).toBe(BigInt(ROUNDS));
    expect(hart.getX(LAST_PC)).toBe(BigInt(RAM_END - 2));
    // The portion that faulted (privileged, "Machine Trap Value (mtval) Register").
    expect(hart.getX(LAST_VALUE)).toBe(BigInt(RAM_END));
  });
});

describe('jumps to nowhere', () => {
  const jumpTo = (target: bigint): string => `
      li s0, ${ROUNDS}
      lla s11, back
      li s1, ${target}
    again:
      addi s6, s6, 1
      jalr ra, 0(s1)
    back:
      add s7, s7, ra
      addi s0, s0, -1
      bne s0, zero, again
    end:
      jal zero, end
  `;

  test.each([
    ['address 0', 0n],
    ['a hole between devices', 0x0900_0000n],
    ['behind RAM', BigInt(RAM_END)],
    ['where no physical address is', 1n << 60n],
    ['the highest address', 0xffff_ffff_ffff_fffen],
  ])('%s', (_, target) => {
    const { hart } = runEverywhere({ program: jumpTo(target) });
    expect(hart.getX(TRAPS)).toBe(BigInt(ROUNDS));
    expect(hart.getX(LAST_PC)).toBe(target);
  });

  test.each([
    ['an address that nothing maps', 0x4000_0000n],
    ['an address that is not canonical', 0x0100_0000_0000_0000n],
    ['the highest address', 0xffff_ffff_ffff_fffen],
  ])('under page tables: %s', (_, target) => {
    const { satp, prepare } = identity();
    const { hart } = runEverywhere({ program: jumpTo(target), privilege: 1, satp, prepare });
    expect(hart.getX(TRAPS)).toBe(BigInt(ROUNDS));
    expect(hart.getX(CAUSES)).toBe(INSTRUCTION_PAGE_FAULT * BigInt(ROUNDS));
    expect(hart.getX(LAST_PC)).toBe(target);
    expect(hart.getX(LAST_VALUE)).toBe(target);
  });

  test('an odd address is even', () => {
    const { hart } = runEverywhere({
      program: `
        li s0, ${ROUNDS}
        lla s1, target
        addi s1, s1, 1
      again:
        jalr ra, 0(s1)
        addi s0, s0, -1
        bne s0, zero, again
      end:
        jal zero, end
      target:
        addi s6, s6, 1
        addi ra, ra, 1
        jalr zero, 0(ra)
      `,
    });
    expect(hart.getX(TRAPS)).toBe(0n);
    expect(hart.getX(22)).toBe(BigInt(ROUNDS));
  });
});

/** Sv39 with RAM where it is, but for what is mapped elsewhere. */
function identity(other: readonly PageMapping[] = []): {
  satp: bigint;
  prepare: (machine: BareHarts) => void;
} {
  const pages: PageMapping[] = Array.from({ length: RAM_SIZE / PAGE }, (_, index) => {
    const address = BigInt(RAM_BASE + index * PAGE);
    return { virtual: address, physical: address, flags: PTE.read | PTE.write | PTE.execute };
  });
  const moved = new Set(other.map(({ virtual }) => virtual));
  const kept = pages.filter(({ virtual }) => !moved.has(virtual));
  const { data, satp } = buildPageTables(TABLES, 3, [...kept, ...other]);
  return { satp, prepare: (machine) => machine.memory.ram.set(data, TABLES - RAM_BASE) };
}

/** Where the entry of a page of RAM stands in the tables of `identity`: root, level 1, level 0. */
const entryOf = (address: number): number => TABLES + 2 * PAGE + ((address - RAM_BASE) / PAGE) * 8;

describe('pages', () => {
  const FIRST = RAM_BASE + 0x1_0000;
  const SECOND = FIRST + PAGE;

  test('an instruction straddles into one that comes and goes', () => {
    const { satp, prepare } = identity();
    const { hart } = runEverywhere({
      // M-mode calls the routine in S-mode by mret; it comes back by a trap.
      program: `
        li s0, ${ROUNDS}
        li s1, ${entryOf(SECOND)}
        ld s6, 0(s1)
        lla s11, back
        li s10, 0x1800
      again:
        # Every other round the second page is absent.
        andi t0, s0, 1
        addi t0, t0, -1
        and t0, t0, s6
        sd t0, 0(s1)
        sfence.vma zero, zero
        li t0, 0x1800
        csrrc zero, mstatus, t0
        li t0, 0x800
        csrrs zero, mstatus, t0
        li t0, ${SECOND - 10}
        csrrw zero, mepc, t0
        li s8, 5
        mret
      back:
        addi s0, s0, -1
        bne s0, zero, again
      end:
        jal zero, end
      `,
      satp,
      prepare: (machine) => {
        prepare(machine);
        machine.place(
          `loop:
           addi s8, s8, -1
           bne s8, zero, loop
           addi s7, s7, 1
           ecall`,
          SECOND - 10,
        );
      },
    });
    const half = BigInt(ROUNDS / 2);
    expect(hart.getX(23)).toBe(half);
    expect(hart.getX(TRAPS)).toBe(2n * half);
    // Calls from S-mode, and faults.
    expect(hart.getX(CAUSES)).toBe(9n * half + INSTRUCTION_PAGE_FAULT * half);
    expect(hart.getX(LAST_PC)).toBe(BigInt(SECOND - 2));
    expect(hart.getX(LAST_VALUE)).toBe(BigInt(SECOND));
  });

  test('a table of pages that is code too', () => {
    // The root stands at the beginning of a page, its code behind the entries it needs.
    const root = RAM_BASE + 0x2_0000;
    const code = root + 0x400;
    const satp = (8n << 60n) | BigInt(root / PAGE);
    const gigapage = (BigInt(RAM_BASE) >> 2n) | 0x0fn; // V R W X, A and D clear
    const { hart, memory } = runEverywhere({
      program: `
        li t0, 0x1800
        csrrc zero, mstatus, t0
        li t0, 0x800
        csrrs zero, mstatus, t0
        li t0, ${code}
        csrrw zero, mepc, t0
        lla s11, end
        mret
      end:
        jal zero, end
      `,
      satp,
      prepare: (machine) => {
        machine.write64(root + 16, gigapage);
        machine.write64(root + 24, gigapage);
        machine.place(
          `li s0, ${ROUNDS}
           li s1, ${root}
           li s6, 0x40000000
           add s6, s6, s1
         again:
           ld t0, 24(s1)
           andi t0, t0, -193      # A and D clear
           sd t0, 24(s1)
           sfence.vma zero, zero
           ld t1, 8(s6)           # by the entry just written: sets A
           ld t2, 24(s1)
           add s7, s7, t2
           sd s0, 8(s6)           # sets D, and writes to this page
           ld t2, 24(s1)
           add s8, s8, t2
           addi s0, s0, -1
           bne s0, zero, again
           ecall`,
          code,
        );
      },
    });
    const accessed = gigapage | 0x40n;
    expect(hart.getX(23)).toBe(accessed * BigInt(ROUNDS));
    expect(hart.getX(24)).toBe((accessed | 0x80n) * BigInt(ROUNDS));
    expect(
      new DataView(memory.ram.buffer, memory.ram.byteOffset).getBigUint64(root - RAM_BASE + 8, true),
    ).toBe(1n);
    expect(hart.getX(TRAPS)).toBe(1n);
  });

  test('two virtual pages that are one page of RAM, and code across them', () => {
    const { satp, prepare } = identity([
      { virtual: BigInt(SECOND), physical: BigInt(FIRST), flags: PTE.read | PTE.write | PTE.execute },
    ]);
    const { hart } = runEverywhere({
      program: `
        li s0, ${ROUNDS}
      again:
        li t3, ${SECOND - 4}
        li s8, 3
        jalr ra, 0(t3)
        # Rewrites an instruction by its other name.
        li t4, ${FIRST}
        lw t5, 0(t4)
        li t6, 0x100000          # one more in the immediate
        add t5, t5, t6
        sw t5, 0(t4)
        addi s0, s0, -1
        bne s0, zero, again
      end:
        jal zero, end
      `,
      privilege: 1,
      satp,
      prepare: (machine) => {
        prepare(machine);
        // The loop begins at the end of the first page and goes on at its beginning, by the second one's address.
        machine.place('addi s8, s8, -1', SECOND - 4);
        machine.place(
          `addi s6, s6, 1
           bne s8, zero, 0x${(FIRST - 4).toString(16)}
           jalr zero, 0(ra)`,
          FIRST,
        );
      },
    });
    expect(hart.getX(TRAPS)).toBe(0n);
    // Each round adds one more in each of its three turns: 3 * (1 + 2 + … + ROUNDS).
    expect(hart.getX(22)).toBe(BigInt((3 * ROUNDS * (ROUNDS + 1)) / 2));
  });
});

describe('more code than can be kept', () => {
  test('ten thousand regions on one page, of which few may stay', () => {
    const slots = 100;
    const functions = 1000;
    const rounds = 11;
    const area = RAM_BASE + 0x1_0000;
    const run = (tier: (typeof TIERS)[number]) => {
      const machine = machineOf(tier, { slotsMax: slots });
      const { end } = start(machine, {
        program: `
          li s6, ${rounds}
        round:
          li s0, ${area}
          li s1, ${functions}
        next:
          jalr ra, 0(s0)
          addi s0, s0, 4
          addi s1, s1, -1
          bne s1, zero, next
          addi s6, s6, -1
          bne s6, zero, round
        end:
          jal zero, end
        `,
        prepare: ({ memory }) => {
          // c.addi s2, 1 and c.jr ra.
          const code = Uint16Array.from({ length: 2 * functions }, (_, index) =>
            index % 2 ? 0x8082 : 0x0905,
          );
          memory.ram.set(new Uint8Array(code.buffer), area - RAM_BASE);
        },
      });
      runToEnd(machine, end!, 100_000);
      return machine;
    };
    const [interpreted, translated] = [run('interpreted'), run('translated')];
    expect(translated.hart.save()).toEqual(interpreted.hart.save());
    expect(translated.hart.getX(TRAPS)).toBe(BigInt(functions * rounds));
    expect(translated.group.translation!.translated).toBeGreaterThan(10_000);
    expect(translated.group.translation!.regions).toBeLessThanOrEqual(slots);
  });

  test('a guest that writes new code without end', () => {
    const bytesMax = 20_000;
    const copies = 1500;
    const area = RAM_BASE + 0x2_0000;
    const run = (tier: (typeof TIERS)[number]) => {
      const machine = machineOf(tier, { bytesMax });
      const { end } = start(machine, {
        // Copies a routine to the next place, with another number in it, and calls it a few times.
        program: `
          li s0, ${area}
          li s1, ${copies}
          li s7, 0x100000
          lla t3, template
          lw s8, 0(t3)
          lw s9, 4(t3)
          lw s10, 8(t3)
        again:
          add s8, s8, s7
          sw s8, 0(s0)
          sw s9, 4(s0)
          sw s10, 8(s0)
          fence.i
          li s2, 4
        call:
          jalr ra, 0(s0)
          addi s2, s2, -1
          bne s2, zero, call
          addi s0, s0, 64
          addi s1, s1, -1
          bne s1, zero, again
        end:
          jal zero, end
        template:
          addi s6, s6, 0
          xor s5, s5, s6
          jalr zero, 0(ra)
        `,
      });
      runToEnd(machine, end!, 100_000);
      return machine;
    };
    const [interpreted, translated] = [run('interpreted'), run('translated')];
    expect(translated.hart.save()).toEqual(interpreted.hart.save());
    expect(translated.group.translation!.translated).toBeGreaterThan(copies);
    expect(translated.group.translation!.bytes).toBeLessThanOrEqual(bytesMax);
  });
});

/** Compiles nothing: each module comes to `result`. */
class Refuses implements CompilePort {
  readonly isIdle = true;
  readonly #jobs: CompileJob[] = [];
  readonly #result: (job: CompileJob) => Batch['result'];

  constructor(result: (job: CompileJob) => Batch['result']) {
    this.#result = result;
  }

  submit(job: CompileJob): void {
    this.#jobs.push(job);
  }

  take(): Batch | undefined {
    const job = this.#jobs.shift();
    return job && { translations: job.translations, result: this.#result(job) };
  }
}

/** A compiler that cannot even take a job: its thread is gone, or there is no memory for the message. */
class Throws implements CompilePort {
  readonly isIdle = true;

  submit(): void {
    throw new RangeError('out of memory');
  }

  take(): undefined {
    return undefined;
  }
}

/** A module that imports what nobody gives it. */
const UNLINKABLE = Uint8Array.of(
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...[1, 4, 1, 0x60, 0, 0],
  ...[2, 7, 1, 1, 0x78, 1, 0x79, 0, 0],
);

describe('an engine that refuses', () => {
  const program = `
      li s0, ${ROUNDS}
    again:
      addi s6, s6, 3
      andi t0, s0, 1
      beq t0, zero, even
      addi s7, s7, 1
    even:
      addi s0, s0, -1
      bne s0, zero, again
    end:
      jal zero, end
  `;
  const COMPILERS: readonly [string, CompilePort][] = [
    ['to compile', new Refuses(() => new RangeError('out of memory'))],
    ['to take the job', new Throws()],
    ['to instantiate', new Refuses(() => new WebAssembly.Module(UNLINKABLE))],
  ];

  test.each(COMPILERS)('%s: the guest goes on, and it is told once', (_, compiler) => {
    const told: string[] = [];
    const translator = createTranslator({
      hotAfter: 1,
      compiler,
      verify: true,
      refused: (message) => told.push(message),
    });
    const machine = new BareHarts({ ramSize: RAM_SIZE, translator });
    const { end } = start(machine, { program });
    runToEnd(machine, end!, 1000);
    const reference = machineOf('interpreted');
    start(reference, { program });
    runToEnd(reference, end!, 1000);
    expect(machine.hart.save()).toEqual(reference.hart.save());
    expect(machine.group.tiers.translator).toBe(0);
    expect(machine.group.translation!.refused).toBeGreaterThan(0);
    expect(told).toHaveLength(1);
  });
});
