import { describe, expect, test } from 'vitest';
import { busyGuest, FakeMachine, type GuestScript } from '../../test/support/fake-machine.ts';
import type { DeviceFeed } from '../contracts/device-feed.ts';
import type { ExitRecord } from '../protocol/exits.ts';
import type { VmConfigInput } from '../protocol/messages.ts';
import { exitStatus, type HeadlessPorts, runHeadless, runStatistics, traceLine } from './headless-run.ts';

function machineOf(script: GuestScript, config: VmConfigInput = {}): FakeMachine {
  return new FakeMachine({ console() {}, log() {}, nowNs: () => 0 }, script, config);
}

/** Ports of a user who types nothing and whose clock stands still, but for what is given. */
function ports(given: Partial<HeadlessPorts> = {}): HeadlessPorts {
  return {
    takeInput: () => undefined,
    interrupted: false,
    inputEnded: true,
    inputOrInterrupt: () => Promise.reject(new Error('waits for input')),
    turn: () => Promise.resolve(),
    stuck: () => {},
    warn: () => {},
    nowNs: () => 0,
    ...given,
  };
}

describe('a run without an editor', () => {
  test('ends with the guest', async () => {
    const machine = machineOf(() => ({ kind: 'end', end: { reason: 'fail', code: 9 } }));
    const result = await runHeadless(machine, ports(), Infinity);
    expect(result.end).toEqual({ kind: 'guest', end: { reason: 'fail', code: 9 } });
  });

  test.each([1, 999, 1000, 123_457])('ends after exactly %i steps of one hart', async (limit) => {
    const machine = machineOf(busyGuest);
    expect((await runHeadless(machine, ports(), limit)).end).toEqual({ kind: 'exhausted' });
    expect(machine.instructions).toBe(BigInt(limit));
  });

  test('with several harts ends in the round in which the steps run out', async () => {
    const allHarts: GuestScript = (machine, maxSteps) => {
      machine.instructions += BigInt(maxSteps * 4);
      return { kind: 'budget' };
    };
    const machine = machineOf(allHarts, { harts: 4 });
    await runHeadless(machine, ports(), 10_001);
    expect(machine.instructions).toBe(10_004n);
  });

  test('gives the guest what is typed, and waits for it when the guest does', async () => {
    let waits = 0;
    const typed = [Uint8Array.of(65)];
    const guest: GuestScript = (machine) =>
      machine.inputLog.length === 0
        ? { kind: 'idle', untilStep: null }
        : { kind: 'end', end: { reason: 'pass', code: 0 } };
    const machine = machineOf(guest);
    let ready = false;
    await runHeadless(
      machine,
      ports({
        inputEnded: false,
        takeInput: () => (ready ? typed.pop() : undefined),
        inputOrInterrupt: async () => {
          waits++;
          ready = true;
        },
      }),
      Infinity,
    );
    expect(waits).toBe(1);
    expect(machine.inputLog).toMatchObject([{ kind: 'console', step: 0n, data: Uint8Array.of(65) }]);
  });

  test('in wall-clock time: sleeps to the deadline while others may type, and the time that passed is an input', async () => {
    let nowNs = 0;
    const waits: (number | null)[] = [];
    const guest: GuestScript = (machine) => {
      if (machine.steps < 5_000_000n) return { kind: 'idle', untilStep: 5_000_000n };
      return { kind: 'end', end: { reason: 'pass', code: 0 } };
    };
    const machine = machineOf(guest, { time: 'wall' });
    const host = ports({
      nowNs: () => nowNs,
      inputOrInterrupt: async (timeoutMs) => {
        waits.push(timeoutMs);
        // A key is pressed after 2 ms, then nothing.
        nowNs += Math.min(timeoutMs ?? 0, waits.length === 1 ? 2 : Infinity) * 1e6;
      },
      takeInput: () => (waits.length === 1 && machine.inputLog.length === 1 ? Uint8Array.of(65) : undefined),
    });
    await runHeadless(machine, host, Infinity);
    expect(waits).toEqual([5, 3]);
    expect(machine.inputLog).toMatchObject([
      { kind: 'time', step: 2_000_000n },
      { kind: 'console', step: 2_000_000n },
      { kind: 'time', step: 5_000_000n },
    ]);
  });

  test('hands over what has come for devices before each slice, and waits no more while there is some', async () => {
    let coming = 0;
    const guest: GuestScript = (machine) =>
      machine.inputLog.length < 2
        ? { kind: 'idle', untilStep: null }
        : { kind: 'end', end: { reason: 'pass', code: 0 } };
    const machine = machineOf(guest);
    const feed: DeviceFeed = {
      get pending() {
        return coming > 0;
      },
      give: (to) => {
        coming -= 1;
        to.deviceInput(0, { kind: 'balloon', pages: waits });
      },
      flush: () => {},
      restored: () => {},
      takeWarning: () => undefined,
    };
    let waits = 0;
    const inputOrInterrupt = async () => {
      waits += 1;
      coming = 1;
    };
    await runHeadless(machine, ports({ feed, inputEnded: false, inputOrInterrupt }), Infinity);
    expect(machine.inputLog.map((entry) => entry.kind === 'device' && entry.input)).toEqual([
      { kind: 'balloon', pages: 1 },
      { kind: 'balloon', pages: 2 },
    ]);
    expect(waits).toBe(2);
  });

  test('in wall-clock time: a guest that is faster than its clock rests', async () => {
    const waits: (number | null)[] = [];
    let nowNs = 0;
    const inputOrInterrupt = async (timeoutMs: number | null) => {
      waits.push(timeoutMs);
      nowNs += timeoutMs! * 1e6;
    };
    const machine = machineOf(busyGuest, { time: 'wall' });
    await runHeadless(machine, ports({ nowNs: () => nowNs, inputOrInterrupt }), 20_000_000);
    expect(waits.length).toBeGreaterThan(0);
    expect(Math.abs(nowNs - 20_000_000)).toBeLessThan(5_200_000);
  });

  test('a guest that waits for ever is told of; with a limit the run ends', async () => {
    const idle: GuestScript = () => ({ kind: 'idle', untilStep: null });
    let told = 0;
    const stuck = ports({ stuck: () => void told++ });
    await expect(runHeadless(machineOf(idle), stuck, Infinity)).rejects.toThrow('waits for input');
    expect(told).toBe(1);
    expect((await runHeadless(machineOf(idle), stuck, 1000)).end).toEqual({ kind: 'exhausted' });
    expect(told).toBe(1);
  });

  test('hands on trace records in short slices, in order and once', async () => {
    const slices: number[] = [];
    const guest: GuestScript = (machine, maxSteps) => {
      slices.push(maxSteps);
      const sequence = machine.records.length + 1;
      machine.records.push({
        sequence,
        hart: 0,
        pc: 0n,
        step: 0n,
        stage: 'pre',
        handlerNs: 0,
        exit: { kind: 'wfi', until: null },
      });
      machine.instructions += BigInt(maxSteps);
      return { kind: 'budget' };
    };
    const seen: number[] = [];
    const trace = (records: readonly ExitRecord[]) => seen.push(...records.map(({ sequence }) => sequence));
    await runHeadless(machineOf(guest), ports({ trace }), 50_000);
    expect(Math.max(...slices)).toBe(4000);
    expect(seen).toEqual(slices.map((_, index) => index + 1));
  });
});

test.each([
  [{ kind: 'guest', end: { reason: 'pass', code: 0 } }, 0],
  [{ kind: 'guest', end: { reason: 'shutdown', code: 0 } }, 0],
  [{ kind: 'guest', end: { reason: 'fail', code: 1 } }, 1],
  [{ kind: 'guest', end: { reason: 'fail', code: 123 } }, 123],
  [{ kind: 'guest', end: { reason: 'fail', code: 124 } }, 1],
  [{ kind: 'guest', end: { reason: 'fail', code: 0 } }, 1],
  [{ kind: 'guest', end: { reason: 'crash', code: 0 } }, 1],
  [{ kind: 'exhausted' }, 124],
  [{ kind: 'interrupted' }, 0],
] as const)('exit status of %j', (end, status) => {
  expect(exitStatus(end)).toBe(status);
});

test('figures name every kind of exit', () => {
  const machine = machineOf(busyGuest);
  const statistics = runStatistics(machine, {
    end: { kind: 'exhausted' },
    instructions: 3_000_000,
    seconds: 0.5,
  });
  expect(statistics).toMatchObject({
    instructions: 3_000_000,
    seconds: 0.5,
    mips: 6,
    exits: { mmio: 0, sbi: 0, 'page-fault': 0, debug: 0 },
    end: { reason: 'exhausted', code: 124 },
  });
});

test('a line of a trace has 64-bit quantities as text', () => {
  const record: ExitRecord = {
    sequence: 1,
    hart: 0,
    pc: 0xffff_ffff_8000_0000n,
    step: 7n,
    stage: 'post',
    handlerNs: 12,
    exit: { kind: 'wfi', until: 16n },
  };
  expect(traceLine(record)).toBe(
    '{"sequence":1,"hart":0,"pc":"0xffffffff80000000","step":"0x7","stage":"post","handlerNs":12,"exit":{"kind":"wfi","until":"0x10"}}',
  );
});
