import { describe, expect, test } from 'vitest';
import type { Saved } from '../contracts/device.ts';
import type { Hart } from '../contracts/hart.ts';
import { HART_STATE, type SbiPorts } from './extension.ts';
import { SupervisorBinaryInterface } from './sbi.ts';

const RAM_BASE = 0x8000_0000n;
const RAM_SIZE = 0x4000n;
const [PMU, STA, FWFT, TIME] = [0x50_4d55n, 0x53_5441n, 0x4657_4654n, 0x5449_4d45n];
/** The first of the firmware's counters, behind the three of harts without Zihpm. */
const FIRMWARE_COUNTER = 3n;

/** An SBI of one hart over 16 KiB of RAM. */
function createSbi() {
  const x = Array.from({ length: 32 }, () => 0n);
  const ram = new Uint8Array(Number(RAM_SIZE));
  const hart = {
    getX: (index: number) => x[index]!,
    setX: (index: number, value: bigint) => (x[index] = value),
    readCsr: (number: number) => (number === 0xc03 ? undefined : 0n),
    writeCsr: () => true,
    flushTranslations: () => {},
    supervisorTimer: 0n,
  };
  const ports: SbiPorts = {
    harts: [hart as unknown as Hart],
    exits: { count: () => {}, watches: () => false, report: () => 'continue' },
    nowNs: () => 0,
    has: () => true,
    consoleWrite: () => {},
    consoleRead: () => undefined,
    ram: (address, length) =>
      address >= RAM_BASE && address + length <= RAM_BASE + RAM_SIZE
        ? ram.subarray(Number(address - RAM_BASE), Number(address - RAM_BASE + length))
        : undefined,
    ramChanged: () => {},
    hartState: () => HART_STATE.started,
    startHart: () => {},
    stopHart: () => {},
    suspendHart: () => {},
    system: () => {},
    systemSuspended: () => {},
  };
  const sbi = new SupervisorBinaryInterface(ports);
  const call = (extension: bigint, fn: bigint, ...args: bigint[]) => {
    for (let index = 0; index < 6; index += 1) x[10 + index] = args[index] ?? 0n;
    x[16] = fn;
    x[17] = extension;
    sbi.call(0);
    return { error: BigInt.asIntN(64, x[10]!), value: x[11]! };
  };
  return { sbi, call, ram };
}

function inUse() {
  const machine = createSbi();
  const { call } = machine;
  // A counter of timers set, started; snapshot memory; a feature locked; steal time in memory.
  expect(call(PMU, 2n, 0n, 1n << FIRMWARE_COUNTER, 6n, 0xf_0005n).error).toBe(0n);
  call(TIME, 0n, 1n);
  expect(call(PMU, 7n, RAM_BASE, 0n, 0n).error).toBe(0n);
  expect(call(FWFT, 0n, 0n, 0n, 1n).error).toBe(0n);
  expect(call(STA, 0n, RAM_BASE + 0x1000n, 0n, 0n).error).toBe(0n);
  return machine;
}

describe('the state of the SBI', () => {
  test('goes on where it was saved', () => {
    const { sbi, ram, call } = createSbi();
    sbi.restore(structuredClone(inUse().sbi.save()));
    expect(call(PMU, 5n, FIRMWARE_COUNTER).value).toBe(1n);
    call(TIME, 0n, 1n);
    expect(call(PMU, 5n, FIRMWARE_COUNTER).value).toBe(2n);
    expect(call(PMU, 4n, FIRMWARE_COUNTER, 1n, 2n).error).toBe(0n);
    expect(new DataView(ram.buffer).getBigUint64(8, true)).toBe(2n);
    expect(call(FWFT, 1n, 0n).value).toBe(0n);
    expect(call(FWFT, 0n, 0n, 1n, 0n).error).toBe(-14n);
    sbi.stolen(0, 55n);
    expect(new DataView(ram.buffer).getBigUint64(0x1008, true)).toBe(55n);
  });

  test('saved anew is the same', () => {
    const { sbi } = inUse();
    const other = createSbi().sbi;
    other.restore(sbi.save());
    expect(other.save()).toEqual(sbi.save());
  });

  type Path = readonly (string | number)[];
  const altered = (saved: Saved, path: Path, value: unknown): Saved => {
    const copy = structuredClone(saved) as Record<string | number, unknown>;
    const last = path
      .slice(0, -1)
      .reduce<Record<string | number, unknown>>(
        (at, key) => at[key] as Record<string | number, unknown>,
        copy,
      );
    last[path.at(-1)!] = value;
    return copy as Saved;
  };

  test.each([
    ['another version', ['version'], 2],
    ['too many harts', ['pmu', 'harts'], [{ version: 1 }, { version: 1 }]],
    ['a counter that there is not', ['pmu', 'harts', 0, 'started'], [99]],
    ['half a counter', ['pmu', 'harts', 0, 'started'], [0.5]],
    ['an event that there cannot be', ['pmu', 'harts', 0, 'events', 3], 1 << 20],
    ['events missing', ['pmu', 'harts', 0, 'events'], []],
    ['values missing', ['pmu', 'harts', 0, 'values'], []],
    ['snapshots outside memory', ['pmu', 'snapshots'], [RAM_BASE + RAM_SIZE]],
    ['steal time outside memory', ['stealTime', 'shared'], [0n]],
    ['locks of no features', ['features', 'harts', 0, 'locked'], 64],
    ['a value that is none', ['features', 'harts', 0, 'delegatesMisaligned'], 'yes'],
  ] as const)('with %s is refused', (_, path, value) => {
    const { sbi } = createSbi();
    expect(() => sbi.restore(altered(inUse().sbi.save(), path, value))).toThrow(
      expect.objectContaining({ code: 'bad-file' }),
    );
  });
});
