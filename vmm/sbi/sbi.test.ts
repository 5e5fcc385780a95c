import { beforeEach, describe, expect, test } from 'vitest';
import type { Hart } from '../contracts/hart.ts';
import type { VmExit } from '../protocol/exits.ts';
import { HART_STATE, type HartState } from './extension.ts';
import { SupervisorBinaryInterface } from './sbi.ts';

const RAM_BASE = 0x8000_0000n;
const SSIP = 1;
const ERROR = {
  notSupported: -2n,
  invalidParameter: -3n,
  invalidAddress: -5n,
  alreadyAvailable: -6n,
} as const;
const ALL_ONES = 0xffff_ffff_ffff_ffffn;

/** The part of a hart that SBI touches. */
class FakeHart {
  readonly x = Array.from({ length: 32 }, () => 0n);
  readonly interrupts = new Set<number>();
  readonly csrs = new Map<number, bigint>([[0xf11, 0x1234n]]);
  flushes = 0;
  flushed: { start: bigint; size: bigint } | undefined;

  getX(index: number): bigint {
    return this.x[index]!;
  }
  setX(index: number, value: bigint): void {
    expect(value).toBe(BigInt.asUintN(64, value));
    this.x[index] = value;
  }
  setInterrupt(bit: number, level: boolean): void {
    if (level) this.interrupts.add(bit);
    else this.interrupts.delete(bit);
  }
  supervisorTimer = -1n;
  readCsr(number: number): bigint | undefined {
    return this.csrs.get(number);
  }
  writeCsr(number: number, value: bigint): boolean {
    this.csrs.set(number, value);
    return true;
  }
  flushTranslations(range?: { start: bigint; size: bigint }): void {
    this.flushes += 1;
    this.flushed = range;
  }
  /** The fake's address space: virtual 0x4000_0000 is RAM, the rest is unmapped. */
  walk(address: bigint): { physical?: bigint } {
    return address >= 0x4000_0000n && address < 0x4000_1000n ? { physical: address + 0x4000_0000n } : {};
  }
}

let harts: FakeHart[];
let ram: Uint8Array;
let output: string;
let typed: number[];
let states: HartState[];
let log: string[];
let counted: string[];
let reports: { stage: string; exit: VmExit }[];
let watched: boolean;
let stopIn: 'pre' | null;
let sbi: SupervisorBinaryInterface;

beforeEach(() => {
  harts = Array.from({ length: 4 }, () => new FakeHart());
  ram = new Uint8Array(0x1000);
  output = '';
  typed = [];
  states = [HART_STATE.started, HART_STATE.stopped, HART_STATE.started, HART_STATE.suspended];
  log = [];
  counted = [];
  reports = [];
  watched = false;
  stopIn = null;
  sbi = new SupervisorBinaryInterface({
    harts: harts as unknown as readonly Hart[],
    exits: {
      count: (hart, kind) => counted.push(`${hart} ${kind}`),
      watches: () => watched,
      report: (_, stage, exit) => {
        reports.push({ stage, exit });
        return stage === stopIn ? 'stop' : 'continue';
      },
    },
    nowNs: () => 0,
    has: () => false,
    consoleWrite: (byte) => (output += String.fromCharCode(byte)),
    consoleRead: () => typed.shift(),
    ram: (address, length) =>
      address >= RAM_BASE && length <= 0x1000n && address + length <= RAM_BASE + 0x1000n
        ? ram.subarray(Number(address - RAM_BASE), Number(address - RAM_BASE + length))
        : undefined,
    ramChanged: (address, length) => log.push(`changed ${address - RAM_BASE} ${length}`),
    hartState: (hart) => states[hart]!,
    startHart: (hart, pc, opaque) => log.push(`start ${hart} ${pc.toString(16)} ${opaque}`),
    stopHart: (hart) => log.push(`stop ${hart}`),
    suspendHart: (hart, resume) =>
      log.push(`suspend ${hart} ${resume?.pc.toString(16) ?? '-'} ${resume?.opaque ?? '-'}`),
    system: (what, failed) => log.push(`${what}${failed ? ' failed' : ''}`),
    systemSuspended: () => log.push('sleep'),
  });
});

/** Makes a call from hart 0; a0 and a1 as signed numbers. */
function call(extension: bigint, fn: number, ...args: bigint[]): { error: bigint; value: bigint } {
  const { x } = harts[0]!;
  for (let index = 0; index < 6; index += 1) x[10 + index] = BigInt.asUintN(64, args[index] ?? 0n);
  x[16] = BigInt(fn);
  x[17] = extension;
  expect(sbi.call(0)).toBe('done');
  return { error: BigInt.asIntN(64, x[10]!), value: BigInt.asIntN(64, x[11]!) };
}
const success = (value: bigint | number = 0n) => ({ error: 0n, value: BigInt(value) });
const failure = (error: bigint) => ({ error, value: 0n });

const BASE = 0x10n;
const TIME = 0x5449_4d45n;
const IPI = 0x73_5049n;
const RFENCE = 0x5246_4e43n;
const HSM = 0x48_534dn;
const SRST = 0x5352_5354n;
const PMU = 0x50_4d55n;
const DBCN = 0x4442_434en;
const SUSP = 0x5355_5350n;
const STA = 0x53_5441n;
const FWFT = 0x4657_4654n;

describe('Base', () => {
  test.each([
    [0, 0n, success(0x0300_0000)],
    [1, 0n, success(0x4841_5254)],
    [2, 0n, success(1)],
    [4, 0n, success(0x1234)],
    [5, 0n, success(0)],
    [6, 0n, success(0)],
    [7, 0n, failure(ERROR.notSupported)],
    [0xffff_ffff, 0n, failure(ERROR.notSupported)],
  ])('function %d', (fn, argument, expected) => expect(call(BASE, fn, argument)).toEqual(expected));

  test.each([
    ...[BASE, TIME, IPI, RFENCE, HSM, SRST, PMU, DBCN, SUSP, STA, FWFT, 0n, 8n].map(
      (id): [bigint, number] => [id, 1],
    ),
    [9n, 0],
    [0x53_5345n, 0], // SSE
    [ALL_ONES, 0],
  ])('probing %s gives %d', (id, present) => expect(call(BASE, 3, id)).toEqual(success(present)));
});

test('an extension that does not exist is not supported', () => {
  expect(call(0x1234_5678n, 0)).toEqual(failure(ERROR.notSupported));
  expect(call(ALL_ONES, 0)).toEqual(failure(ERROR.notSupported));
});

describe('TIME', () => {
  test.each([0n, 12345n, ALL_ONES])('set_timer %s', (time) => {
    expect(call(TIME, 0, time)).toEqual(success());
    expect(harts[0]!.supervisorTimer).toBe(time);
  });

  test('no other function', () => expect(call(TIME, 1)).toEqual(failure(ERROR.notSupported)));
});

/** Masks and the harts they select; undefined where one does not exist. */
const MASKS: readonly [mask: bigint, base: bigint, harts: readonly number[] | undefined][] = [
  [0b0101n, 0n, [0, 2]],
  [0b11n, 2n, [2, 3]],
  [0n, 0n, []],
  [0n, ALL_ONES, [0, 1, 2, 3]],
  [0b1n, ALL_ONES, [0, 1, 2, 3]],
  [0b1_0000n, 0n, undefined],
  [0b100n, 2n, undefined],
  [1n << 63n, 0n, undefined],
  [1n, 4n, undefined],
  [0n, 4n, []],
  [1n, 1n << 40n, undefined],
];

describe('IPI', () => {
  test.each(MASKS)('mask %s from hart %s on', (mask, base, selected) => {
    expect(call(IPI, 0, mask, base)).toEqual(selected ? success() : failure(ERROR.invalidParameter));
    expect(harts.flatMap((hart, index) => (hart.interrupts.has(SSIP) ? [index] : []))).toEqual(
      selected ?? [],
    );
  });

  test('no other function', () => expect(call(IPI, 1)).toEqual(failure(ERROR.notSupported)));
});

describe('RFENCE', () => {
  test.each([1, 2])('function %d flushes the harts selected', (fn) => {
    for (const [mask, base, selected] of MASKS) {
      for (const hart of harts) hart.flushes = 0;
      expect(call(RFENCE, fn, mask, base, 0x1000n, 0x1000n)).toEqual(
        selected ? success() : failure(ERROR.invalidParameter),
      );
      expect(harts.flatMap((hart, index) => (hart.flushes > 0 ? [index] : []))).toEqual(selected ?? []);
    }
  });

  test.each(MASKS)('remote_fence_i with mask %s from hart %s on', (mask, base, selected) =>
    expect(call(RFENCE, 0, mask, base)).toEqual(selected ? success() : failure(ERROR.invalidParameter)),
  );

  test('a range that wraps is an invalid address; a size of all ones is everything', () => {
    expect(call(RFENCE, 1, 1n, 0n, ALL_ONES, 2n)).toEqual(failure(ERROR.invalidAddress));
    expect(call(RFENCE, 1, 1n, 0n, 0x1000n, 0x3000n)).toEqual(success());
    expect(harts[0]!.flushed).toEqual({ start: 0x1000n, size: 0x3000n });
    for (const [start, size] of [
      [0x1000n, ALL_ONES],
      [0n, 0n],
    ] as const) {
      expect(call(RFENCE, 1, 1n, 0n, start, size)).toEqual(success());
      expect(harts[0]!.flushed).toBeUndefined();
    }
  });

  test('each fence is an exit of the hart that is fenced', () => {
    watched = true;
    call(RFENCE, 2, 0b10n, 0n, 0x5000n, 0x1000n, 0x1_0007n);
    expect(counted).toEqual(['0 sbi', '1 tlb-flush']);
    expect(reports.map(({ stage, exit }) => [stage, exit.kind])).toEqual([
      ['pre', 'sbi'],
      ['pre', 'tlb-flush'],
      ['post', 'tlb-flush'],
      ['post', 'sbi'],
    ]);
    expect(reports[1]!.exit).toEqual({ kind: 'tlb-flush', fence: 'remote', address: 0x5000n, asid: 7 });
  });

  test.each([3, 4, 5, 6, 7])('function %d needs a hypervisor', (fn) =>
    expect(call(RFENCE, fn, 1n, 0n)).toEqual(failure(ERROR.notSupported)),
  );
});

describe('HSM', () => {
  test('hart_start starts a stopped hart', () => {
    expect(call(HSM, 0, 1n, RAM_BASE + 0x100n, 42n)).toEqual(success());
    expect(log).toEqual(['start 1 80000100 42']);
  });

  test.each([
    ['of no such hart', 4n, RAM_BASE, ERROR.invalidParameter],
    ['of a hart number beyond all', 1n << 63n, RAM_BASE, ERROR.invalidParameter],
    ['of a running hart', 2n, RAM_BASE, ERROR.alreadyAvailable],
    ['of itself', 0n, RAM_BASE, ERROR.alreadyAvailable],
    ['of a suspended hart', 3n, RAM_BASE, ERROR.alreadyAvailable],
    ['outside RAM', 1n, 0x1000n, ERROR.invalidAddress],
    ['at an odd address', 1n, RAM_BASE + 1n, ERROR.invalidAddress],
  ])('hart_start %s', (_, hart, address, error) => {
    expect(call(HSM, 0, hart, address)).toEqual(failure(error));
    expect(log).toEqual([]);
  });

  test.each([
    [0n, success(0)],
    [1n, success(1)],
    [3n, success(4)],
    [4n, failure(ERROR.invalidParameter)],
  ])('hart_get_status of %s', (hart, expected) => expect(call(HSM, 2, hart)).toEqual(expected));

  test('hart_stop stops the caller', () => {
    call(HSM, 1);
    expect(log).toEqual(['stop 0']);
  });

  test.each([
    ['retentive', 0n, success(), ['suspend 0 - -']],
    ['non-retentive', 0x8000_0000n, success(), ['suspend 0 80000200 7']],
    ['non-retentive, sign-extended', 0xffff_ffff_8000_0000n, success(), ['suspend 0 80000200 7']],
    ['of a reserved type', 1n, failure(ERROR.invalidParameter), []],
    ['of a platform type', 0x1000_0000n, failure(ERROR.invalidParameter), []],
  ])('hart_suspend %s', (_, type, expected, done) => {
    expect(call(HSM, 3, type, RAM_BASE + 0x200n, 7n)).toEqual(expected);
    expect(log).toEqual(done);
  });

  test('a non-retentive suspension needs somewhere to resume', () =>
    expect(call(HSM, 3, 0x8000_0000n, 0x10n, 7n)).toEqual(failure(ERROR.invalidAddress)));

  test('no other function', () => expect(call(HSM, 4)).toEqual(failure(ERROR.notSupported)));
});

describe('SRST', () => {
  test.each([
    [0n, 0n, 'shutdown'],
    [0n, 1n, 'shutdown failed'],
    [1n, 0n, 'reboot'],
    [2n, 0n, 'reboot'],
  ])('type %s, reason %s', (type, reason, expected) => {
    call(SRST, 0, type, reason);
    expect(log).toEqual([expected]);
  });

  test.each([
    [3n, 0n],
    [0xf000_0000n, 0n],
    [0n, 2n],
    [0n, 0xe000_0000n],
  ])('type %s, reason %s are invalid', (type, reason) => {
    expect(call(SRST, 0, type, reason)).toEqual(failure(ERROR.invalidParameter));
    expect(log).toEqual([]);
  });

  test('no other function', () => expect(call(SRST, 1)).toEqual(failure(ERROR.notSupported)));
});

describe('DBCN', () => {
  test('console_write', () => {
    ram.set(new TextEncoder().encode('hello'), 16);
    expect(call(DBCN, 0, 5n, RAM_BASE + 16n, 0n)).toEqual(success(5));
    expect(output).toBe('hello');
    expect(call(DBCN, 0, 0n, RAM_BASE, 0n)).toEqual(success(0));
  });

  test('console_read takes what was typed and tells how much', () => {
    typed.push(0x61, 0x62);
    expect(call(DBCN, 1, 8n, RAM_BASE + 32n, 0n)).toEqual(success(2));
    expect([...ram.subarray(32, 35)]).toEqual([0x61, 0x62, 0]);
    expect(call(DBCN, 1, 8n, RAM_BASE + 32n, 0n)).toEqual(success(0));
    typed.push(1, 2, 3);
    expect(call(DBCN, 1, 2n, RAM_BASE, 0n)).toEqual(success(2));
    expect(typed).toEqual([3]);
    expect(log).toEqual(['changed 32 2', 'changed 0 2']);
  });

  test.each([
    [0, 'below RAM', 1n, 0x10n, 0n],
    [1, 'across the end of RAM', 2n, RAM_BASE + 0xfffn, 0n],
    [0, 'beyond 64 bits', 1n, RAM_BASE, 1n],
    [1, 'of a length beyond all memory', ALL_ONES, RAM_BASE, 0n],
  ])('function %d with a buffer %s', (fn, _, length, low, high) => {
    typed.push(1);
    expect(call(DBCN, fn, length, low, high)).toEqual(failure(ERROR.invalidParameter));
    expect([output, typed]).toEqual(['', [1]]);
  });

  test('console_write_byte', () => {
    expect(call(DBCN, 2, 0x1_41n)).toEqual(success());
    expect(output).toBe('A');
  });

  test('no other function', () => expect(call(DBCN, 3)).toEqual(failure(ERROR.notSupported)));
});

describe('legacy calls', () => {
  /** They return in a0 and leave a1 as it was. */
  function legacy(id: bigint, ...args: bigint[]): bigint {
    const { error, value } = call(id, 77, ...args);
    expect(value).toBe(BigInt.asIntN(64, args[1] ?? 0n));
    return error;
  }

  test('the console', () => {
    expect(legacy(1n, 0x58n, 99n)).toBe(0n);
    expect(output).toBe('X');
    expect(legacy(2n)).toBe(-1n);
    typed.push(0xff);
    expect(legacy(2n)).toBe(0xffn);
  });

  test('set_timer and shutdown', () => {
    expect(legacy(0n, 555n)).toBe(0n);
    expect(harts[0]!.supervisorTimer).toBe(555n);
    legacy(8n);
    expect(log).toEqual(['shutdown']);
  });

  test('IPIs by a mask in the address space of the caller', () => {
    ram[0] = 0b1010;
    expect(legacy(4n, 0x4000_0000n)).toBe(0n);
    expect(harts.map((hart) => hart.interrupts.has(SSIP))).toEqual([false, true, false, true]);
    harts[0]!.interrupts.add(SSIP);
    expect(legacy(3n)).toBe(0n);
    expect(harts[0]!.interrupts.has(SSIP)).toBe(false);
  });

  test('a mask of 0 is all harts; one that is not mapped, or selects too many, fails', () => {
    expect(legacy(4n, 0n)).toBe(0n);
    expect(harts.every((hart) => hart.interrupts.has(SSIP))).toBe(true);
    expect(legacy(4n, 0x9000n)).toBe(-1n);
    expect(legacy(4n, 0x4000_0ffcn)).toBe(-1n);
    ram[7] = 1;
    expect(legacy(4n, 0x4000_0000n)).toBe(-1n);
  });

  test.each([5n, 6n, 7n])('remote fence %s', (id) => {
    ram[0] = 0b10;
    expect(legacy(id, 0x4000_0000n, 0n, 0n, 3n)).toBe(0n);
    expect(harts.map((hart) => hart.flushes)).toEqual(id === 5n ? [0, 0, 0, 0] : [0, 1, 0, 0]);
  });
});

describe('exits', () => {
  test('each call is one, with its names', () => {
    watched = true;
    call(DBCN, 2, 65n, 1n);
    call(2n, 0);
    call(0x99n, 3);
    const described = reports.map(({ stage, exit }) =>
      exit.kind === 'sbi' ? [stage, exit.ext, exit.function, exit.fn, BigInt.asIntN(64, exit.error)] : [],
    );
    expect(described).toEqual([
      ['pre', 'DBCN', 'console_write_byte', 2, 0n],
      ['post', 'DBCN', 'console_write_byte', 2, 0n],
      ['pre', 'Legacy', 'console_getchar', 2, 0n],
      ['post', 'Legacy', 'console_getchar', 2, -1n],
      ['pre', 'unknown', 'unknown', 3, 0n],
      ['post', 'unknown', 'unknown', 3, -2n],
    ]);
    expect(reports[0]!.exit).toMatchObject({ extId: DBCN, args: [65n, 1n, 0n, 0n, 0n, 0n] });
    expect(counted).toEqual(['0 sbi', '0 sbi', '0 sbi']);
  });

  test('a stop in pre leaves everything as it was', () => {
    watched = true;
    stopIn = 'pre';
    harts[0]!.x[10] = 65n;
    harts[0]!.x[16] = 2n;
    harts[0]!.x[17] = DBCN;
    const before = [...harts[0]!.x];
    expect(sbi.call(0)).toBe('stop');
    expect(harts[0]!.x).toEqual(before);
    expect(output).toBe('');
    expect(counted).toEqual([]);
  });
});
