import { describe, expect, test } from 'vitest';
import { BareHarts, DEVICE, RAM_BASE } from '../../test/support/bare-hart.ts';
import { STORED_CSRS } from '../hart/stored-csrs.ts';
import { type CompileJob, type CompilePort, createTranslator, SynchronousCompiler } from './index.ts';
import type { TranslatorOptions } from './translator.ts';

const STACK = RAM_BASE + 0x8_0000;
const STEPS = 20_000;
const MTVEC = 0x305;

/** Programs end in `ebreak`: mtvec points at a loop to itself. */
const PROGRAMS: Readonly<Record<string, string>> = {
  'nested loops': `
      li s0, 0
      li s1, 30
    outer:
      li s2, 20
    inner:
      add s0, s0, s2
      addi s2, s2, -1
      bne s2, zero, inner
      addi s1, s1, -1
      bne s1, zero, outer
      ebreak`,
  'a loop with two entries': `
      li s0, 0
      li s1, 100
    again:
      andi t0, s1, 1
      beq t0, zero, second
    first:
      addi s0, s0, 3
      addi s1, s1, -1
      bge zero, s1, end
    second:
      addi s0, s0, 5
      addi s1, s1, -1
      andi t0, s1, 2
      bne t0, zero, first
      blt zero, s1, again
    end:
      ebreak`,
  'recursion deeper than nested calls go': `
      li a0, 1000
      jal ra, down
      ebreak
    down:
      addi sp, sp, -16
      sd ra, 0(sp)
      sd a0, 8(sp)
      beq a0, zero, bottom
      addi a0, a0, -1
      jal ra, down
    bottom:
      ld t0, 8(sp)
      add a0, a0, t0
      ld ra, 0(sp)
      addi sp, sp, 16
      jalr zero, 0(ra)`,
  'a return that goes elsewhere': `
      li s0, 50
      li s1, 0
    again:
      auipc s2, 0
      jal ra, callee
      addi s1, s1, 1
      jal zero, next
    next:
      addi s1, s1, 16
    elsewhere:
      addi s0, s0, -1
      bne s0, zero, again
      ebreak
    callee:
      andi t0, s0, 1
      slli t0, t0, 3
      add ra, ra, t0
      jalr zero, 0(ra)`,
  'computed jumps': `
      li s0, 90
      li s1, 0
    again:
      li t0, 3
      remu t0, s0, t0
      slli t0, t0, 3
      auipc t1, 0
      add t1, t1, t0
      jalr zero, 12(t1)
      addi s1, s1, 1
      jal zero, join
      addi s1, s1, 10
      jal zero, join
      addi s1, s1, 100
    join:
      addi s0, s0, -1
      bne s0, zero, again
      ebreak`,
  'counters and scratch registers': `
      li s0, 60
      li s1, 0
    again:
      csrrw s2, mscratch, s0
      add s1, s1, s2
      csrrs s3, instret, zero
      add s1, s1, s3
      csrrs s4, mstatus, zero
      addi s0, s0, -1
      bne s0, zero, again
      ebreak`,
  'traps and returns': `
      lla t0, handler
      csrrw zero, mtvec, t0
      li s0, 50
      li s1, 0
    again:
      ecall
      addi s1, s1, 1
      addi s0, s0, -1
      bne s0, zero, again
      li a7, 7
    end:
      jal zero, end
    handler:
      csrrs t1, mepc, zero
      addi t1, t1, 4
      csrrw zero, mepc, t1
      addi s1, s1, 256
      mret`,
  'a device in a loop': `
      li s0, 40
      li s1, 0
      li s2, ${DEVICE}
    again:
      lw t0, 0(s2)
      add s1, s1, t0
      sw s1, 0(s2)
      addi s0, s0, -1
      bne s0, zero, again
      ebreak`,
  'single and double precision': `
      li t0, 0x2000
      csrrs zero, mstatus, t0
      li s0, 50
      fcvt.d.l fa0, s0
      fcvt.s.l fa1, s0
    again:
      fadd.d fa2, fa0, fa2
      fmul.s fa3, fa1, fa1
      fdiv.d fa4, fa2, fa0
      fcvt.s.d fa1, fa4
      fmadd.d fa5, fa4, fa0, fa5
      fmv.x.d s1, fa5
      addi s0, s0, -1
      bne s0, zero, again
      csrrs s2, fcsr, zero
      ebreak`,
};

interface Outcome {
  readonly steps: number;
  readonly retired: number;
  readonly pc: bigint;
  readonly x: readonly bigint[];
  readonly f: readonly bigint[];
  readonly writes: readonly bigint[];
}

function translatorWith(options: Partial<TranslatorOptions & { hotAfter: number }> = {}) {
  return createTranslator({ compiler: new SynchronousCompiler(), hotAfter: 2, verify: true, ...options });
}

/** Runs a program for all of its steps, in pieces of `budget` steps. */
function run(machine: BareHarts, source: string, budget: number): Outcome {
  const { end } = machine.place('end:\njal zero, end', STACK + 0x1000);
  machine.start(source);
  const { hart } = machine;
  hart.setX(2, BigInt(STACK));
  hart.writeCsr(MTVEC, end!);
  while (hart.steps < STEPS) hart.run(Math.min(budget, STEPS - hart.steps));
  return {
    steps: hart.steps,
    retired: hart.retired,
    pc: hart.getPc(),
    x: Array.from({ length: 32 }, (_, index) => hart.getX(index)),
    f: Array.from({ length: 32 }, (_, index) => hart.getF(index)),
    writes: machine.deviceWrites,
  };
}

describe('translated code does what the interpreter does', () => {
  for (const [name, source] of Object.entries(PROGRAMS)) {
    const expected = run(new BareHarts(), source, STEPS);
    for (const budget of [STEPS, 1000, 77, 1]) {
      test(`${name}, ${budget} steps at a time`, () => {
        const machine = new BareHarts({ translator: translatorWith() });
        expect(run(machine, source, budget)).toEqual(expected);
        if (budget > 100 && name !== 'a device in a loop') {
          expect(machine.group.tiers.translator).toBeGreaterThan(machine.group.tiers.interpreter / 4);
        }
      });
    }
  }
});

const COUNTING = `
    li s0, 0
  again:
    addi s0, s0, 1
    jal zero, again`;

describe('code that changes', () => {
  test('is translated anew: a store into a translated loop is seen by the next instruction', () => {
    const machine = new BareHarts({ translator: translatorWith() });
    machine.start(`
        li s0, 0
        li s1, 200
        lla s2, patch
        li s3, 0x00240413
      again:
        li t0, 100
        bne s1, t0, skip
        sw s3, 0(s2)
      skip:
      patch:
        addi s0, s0, 1
        addi s1, s1, -1
        bne s1, zero, again
      end:
        jal zero, end`);
    machine.hart.run(3000);
    // addi s0, s0, 2 from the hundredth time on: 100 times the one, then the other.
    expect(machine.hart.getX(8)).toBe(100n + 100n * 2n);
  });

  test('from outside takes effect at once', () => {
    const machine = new BareHarts({ translator: translatorWith() });
    const { again } = machine.start(COUNTING);
    machine.hart.run(1000);
    const before = machine.hart.getX(8);
    machine.place('addi s0, s0, 100', Number(again));
    machine.hart.run(20);
    expect(machine.hart.getX(8)).toBeGreaterThan(before + 500n);
  });
});

test('a store over an instruction that the hart serves ends its region', () => {
  const machine = new BareHarts({ translator: translatorWith() });
  const { patch } = machine.start(`
      li s0, 0
    again:
    patch:
      csrrs t0, mhartid, zero
      add s0, s0, t0
      jal zero, again`);
  machine.hart.run(300);
  machine.place('addi t0, zero, 1', Number(patch));
  machine.hart.run(30);
  expect(machine.hart.getX(8)).toBe(10n);
});

describe('a loop around a jump table', () => {
  /** `s0` times one of four cases, in an order that does not repeat soon; `s1` adds up what they come to. */
  const SWITCH = `
      li s1, 0
      li s2, 1
      lla s3, cases
    again:
      slli t1, s2, 2
      add s2, s2, t1
      addi s2, s2, 7
      srli t1, s2, 9
      andi t1, t1, 3
      slli t1, t1, 3
      add t1, t1, s3
      jalr zero, 0(t1)
    cases:
      addi s1, s1, 1
      jal zero, join
      addi s1, s1, 16
      jal zero, join
    patch:
      addi s1, s1, 256
      jal zero, join
      slli s1, s1, 1
      jal zero, join
    join:
      addi s0, s0, -1
      bne s0, zero, again
      ebreak`;
  const TURNS = 1200n;

  function start(machine: BareHarts): Record<string, bigint> {
    const labels = machine.start(SWITCH);
    machine.hart.setX(8, TURNS);
    return labels;
  }

  /** Runs in slices, at whose ends jumps are sampled, until all turns are done. */
  function finish(machine: BareHarts): bigint {
    while (machine.hart.getX(8) !== 0n) machine.hart.run(13);
    return machine.hart.getX(9);
  }

  test('becomes one region, and does what the interpreter does', () => {
    const interpreted = new BareHarts();
    start(interpreted);
    const machine = new BareHarts({ translator: translatorWith({ settledAfter: 1 }) });
    start(machine);
    expect(finish(machine)).toBe(finish(interpreted));
    expect(machine.hart.steps).toBe(interpreted.hart.steps);
    expect(machine.group.translation!.dispatching).toBeGreaterThan(0);
  });

  test('loses that region when a case changes, and gets another', () => {
    const interpreted = new BareHarts();
    const machine = new BareHarts({ translator: translatorWith({ settledAfter: 1 }) });
    for (const each of [interpreted, machine]) {
      const { patch } = start(each);
      while (each.hart.getX(8) > TURNS / 2n) each.hart.run(13);
      each.place('addi s1, s1, 512', Number(patch));
    }
    const { dispatching } = machine.group.translation!;
    expect(dispatching).toBeGreaterThan(0);
    expect(finish(machine)).toBe(finish(interpreted));
    expect(machine.group.translation!.dispatching).toBeGreaterThan(dispatching);
  });
});

describe('accesses that are always slow', () => {
  /** Reads a word at s2 for ever, and counts. */
  const READING = `
      li s0, 0
    again:
      lw t0, 0(s2)
      addi s0, s0, 1
      jal zero, again`;

  test('are served by the hart: translated code goes on behind them', () => {
    const machine = new BareHarts({ translator: translatorWith() });
    machine.start(READING);
    machine.hart.setX(18, BigInt(DEVICE));
    machine.hart.run(1000);
    const before = machine.group.tiers.interpreter;
    machine.hart.run(3000);
    expect(machine.deviceValue).toBe(machine.hart.getX(8));
    expect(machine.group.tiers.interpreter).toBeLessThan(before + 10);
  });

  test('are translated again when they turn out to be fast', () => {
    const patience = { left: 4, servedFast: 20 };
    const machine = new BareHarts({ translator: translatorWith({ patience }) });
    machine.start(READING);
    machine.hart.setX(18, BigInt(DEVICE));
    machine.hart.run(1000);
    const { translated } = machine.group.translation!;
    machine.hart.setX(18, BigInt(STACK));
    machine.hart.run(1000);
    expect(machine.group.translation!.translated).toBeGreaterThan(translated);
  });

  test('end their region when its code changes under them', () => {
    const machine = new BareHarts({ translator: translatorWith() });
    const { patch } = machine.start(`
        li s0, 0
        li s2, ${DEVICE}
      again:
        sw zero, 0(s2)
      patch:
        addi s0, s0, 1
        jal zero, again`);
    machine.hart.run(1000);
    const before = machine.hart.getX(8);
    machine.onDeviceWrite = () => {
      machine.onDeviceWrite = () => {};
      machine.place('addi s0, s0, 100', Number(patch));
    };
    expect(machine.hart.getPc()).toBe(patch);
    machine.hart.run(30);
    // Once before the device is written, nine times after.
    expect(machine.hart.getX(8)).toBe(before + 1n + 900n);
  });

  test('stop before they are done where a breakpoint on them says so', () => {
    const machine = new BareHarts({ translator: translatorWith() });
    machine.start(READING);
    machine.hart.setX(18, BigInt(DEVICE));
    machine.hart.run(1000);
    const { deviceValue } = machine;
    machine.readResult = 'stop';
    expect(machine.hart.run(1000)).toBe('exit-stop');
    machine.readResult = 'ok';
    expect(machine.deviceValue).toBe(deviceValue);
    machine.hart.run(1);
    expect(machine.deviceValue).toBe(deviceValue + 1n);
  });
});

describe('CSRs that translated code accesses itself', () => {
  test.each(STORED_CSRS)('$name', ({ name, writable }) => {
    const source = `
        li s0, 60
        li s1, -1
      again:
        csrrw s2, ${name}, s1
        csrrs s3, ${name}, s0
        csrrc s4, ${name}, s0
        csrrwi s5, ${name}, 21
        csrrsi s6, ${name}, 10
        csrrci s7, ${name}, 3
        csrrs s8, ${name}, zero
        addi s0, s0, -1
        bne s0, zero, again
        ebreak`;
    const expected = run(new BareHarts(), source, STEPS);
    const machine = new BareHarts({ translator: translatorWith() });
    expect(run(machine, source, STEPS)).toEqual(expected);
    expect(machine.group.tiers.interpreter).toBeLessThan(60);
    expect(machine.hart.getX(19)).toBe(BigInt.asUintN(64, writable));
  });

  test('are illegal below their privilege level', () => {
    const machine = new BareHarts({ translator: translatorWith() });
    const { again } = machine.start(`
      again:
        csrrw t0, sscratch, t0
        jal zero, again`);
    machine.hart.run(500);
    expect(machine.group.tiers.translator).toBeGreaterThan(400);
    machine.hart.reset({ pc: again!, privilege: 0, a0: 0n, a1: 0n });
    // All of memory may be accessed and executed.
    machine.hart.writeCsr(0x3b0, BigInt.asUintN(64, -1n));
    machine.hart.writeCsr(0x3a0, 0x1fn);
    machine.hart.run(1);
    expect(machine.hart.readCsr(0x342)).toBe(2n);
  });
});

describe('breakpoints', () => {
  test('stop at an instruction that the hart serves', () => {
    const machine = new BareHarts({ translator: translatorWith() });
    const { patch } = machine.start(`
      again:
        addi s0, s0, 1
      patch:
        csrrs t0, mhartid, zero
        jal zero, again`);
    machine.hart.run(300);
    machine.group.setBreakpoints(new Set([patch!]));
    expect(machine.hart.run(300, machine.hart.getPc() === patch)).toBe('breakpoint');
    expect(machine.hart.getPc()).toBe(patch);
  });

  test('stop in a loop that was translated before, at the right step', () => {
    const machine = new BareHarts({ translator: translatorWith() });
    const { again } = machine.start(COUNTING);
    machine.hart.run(1001);
    const steps = machine.hart.steps;
    machine.group.setBreakpoints(new Set([again!]));
    expect(machine.hart.run(1000, machine.hart.getPc() === again)).toBe('breakpoint');
    expect(machine.hart.getPc()).toBe(again);
    expect(machine.hart.steps - steps).toBeLessThanOrEqual(2);
  });

  test('once gone, leave translated code behind', () => {
    const machine = new BareHarts({ translator: translatorWith() });
    const { again } = machine.start(COUNTING);
    machine.group.setBreakpoints(new Set([again!]));
    machine.hart.run(1000, true);
    machine.group.setBreakpoints(new Set());
    machine.hart.run(1000, true);
    expect(machine.group.tiers.translator).toBeGreaterThan(900);
  });
});

/** So many loops, each in a region of its own: a computed jump leads from one to the next. */
const manyLoops = (count: number): string =>
  Array.from(
    { length: count },
    (_, index) => `
      li t0, 20
    loop${index}:
      addi s0, s0, 1
      addi t0, t0, -1
      bne t0, zero, loop${index}
      lla t1, after${index}
      jalr zero, 0(t1)
    after${index}:`,
  ).join('') + '\nend:\njal zero, end';

describe('the code cache', () => {
  for (const limits of [{ slotsMax: 3 }, { bytesMax: 2000 }]) {
    test(`is bounded by ${JSON.stringify(limits)}`, () => {
      const machine = new BareHarts({ translator: translatorWith(limits) });
      machine.start(manyLoops(40));
      machine.hart.run(40 * 64 + 100);
      expect(machine.hart.getX(8)).toBe(800n);
      const { regions, translated } = machine.group.translation!;
      expect(translated).toBeGreaterThan(30);
      expect(regions).toBeLessThan(30);
    });
  }

  test('forgets everything when all of memory is new', () => {
    const machine = new BareHarts({ translator: translatorWith() });
    machine.start(COUNTING);
    machine.hart.run(1000);
    machine.group.forgetCode();
    expect(machine.group.translation!.regions).toBe(0);
  });
});

class RefusingCompiler implements CompilePort {
  readonly isIdle = true;
  readonly #jobs: CompileJob[] = [];
  submit(job: CompileJob): void {
    this.#jobs.push(job);
  }
  take() {
    const job = this.#jobs.shift();
    return job && { translations: job.translations, result: new Error('out of memory') };
  }
}

test('a module that the engine refuses is told once, and the guest goes on in the interpreter', () => {
  const told: string[] = [];
  const translator = translatorWith({ compiler: new RefusingCompiler(), refused: (text) => told.push(text) });
  const machine = new BareHarts({ translator });
  machine.start(manyLoops(10));
  machine.hart.run(10 * 64 + 100);
  expect(machine.hart.getX(8)).toBe(200n);
  expect(told).toHaveLength(1);
  expect(told[0]).toContain('out of memory');
  expect(machine.group.tiers.translator).toBe(0);
});
