import { describe, expect, test } from 'vitest';
import { busyGuest, FakeMachine, type GuestScript } from '../../test/support/fake-machine.ts';
import type { DeviceFeed } from '../contracts/device-feed.ts';
import type { VmCommand, VmLoopPorts, VmMethod, VmReport, VmRequest } from '../contracts/worker.ts';
import { type ParsedParams, type VmConfigInput, vmConfigSchema } from '../protocol/messages.ts';
import { VmLoop } from './vm-loop.ts';

const MS = 1_000_000;

/** What happens between two slices: commands that arrive, or something that the host does. */
type Turn = readonly (VmCommand | (() => void))[];

/** A loop over a fake machine, with a clock that moves only when the guest or the thread's sleep moves it. */
class Harness {
  readonly reports: VmReport[] = [];
  readonly sleeps: (number | null)[] = [];
  readonly machine: FakeMachine;
  nowNs = 0;
  congested = false;
  /** When a command ends a sleep. */
  wakesAfterMs = Number.POSITIVE_INFINITY;
  readonly #loop: VmLoop;
  #turns: Turn[] = [];
  #turn: (VmCommand | (() => void))[] = [];

  constructor(guest: GuestScript = busyGuest, configInput: VmConfigInput = {}, feed?: DeviceFeed) {
    const config = vmConfigSchema.parse(configInput);
    const harness = this;
    const ports: VmLoopPorts = {
      receive: () => this.#receive(),
      sleep: (timeoutMs) => {
        this.sleeps.push(timeoutMs);
        this.nowNs += Math.min(timeoutMs ?? 0, this.wakesAfterMs) * MS;
      },
      send: (report) => this.reports.push(report),
      get congested() {
        return harness.congested;
      },
      nowNs: () => this.nowNs,
    };
    let machine: FakeMachine | undefined;
    this.#loop = new VmLoop({
      start: { vm: 'test', owned: true, config },
      ports,
      csrName: (number) => (number === 0x300 ? 'mstatus' : undefined),
      feed,
      createMachine: (machinePorts) => (machine = new FakeMachine(machinePorts, guest, config)),
    });
    this.machine = machine!;
  }

  /** Runs the loop through `turns`, one between two slices each, and ends it. */
  run(...turns: Turn[]): this {
    this.#turns = [...turns];
    this.#turn = [...(this.#turns.shift() ?? [])];
    this.#loop.run();
    return this;
  }

  /** The reports after `ready`, in short: `1` for a response, the name of an event, or an error's code. */
  get told(): string[] {
    return this.reports.slice(1).map((report) => {
      if (report.kind === 'event') return report.event;
      if (report.kind === 'response') return 'error' in report ? report.error.code : `${report.id}`;
      return report.kind;
    });
  }

  response(id: number): unknown {
    const report = this.reports.find((candidate) => candidate.kind === 'response' && candidate.id === id);
    return report !== undefined && 'result' in report ? report.result : report;
  }

  event(name: string): unknown {
    return this.reports.find((report) => report.kind === 'event' && report.event === name);
  }

  #receive(): VmCommand | undefined {
    for (;;) {
      const next = this.#turn.shift();
      if (next === undefined) break;
      if (typeof next !== 'function') return next;
      next();
    }
    if (this.#turns.length === 0) return { kind: 'end' };
    this.#turn = [...this.#turns.shift()!];
    return undefined;
  }
}

function request<M extends VmMethod>(method: M, params: Omit<ParsedParams<M>, 'vm'>, id: number): VmCommand {
  return {
    kind: 'request',
    request: { id, method, params: { ...params, vm: 'test' } } as unknown as VmRequest,
  };
}

const resume = (id = 1) => request('vm.resume', {}, id);
const pause = (id = 2) => request('vm.pause', {}, id);
const registers = (id: number) => request('vm.registers', { hart: 0 }, id);

describe('the loop of a VM', () => {
  test('a new machine stands at its entry', () => {
    const harness = new Harness().run([request('vm.state', {}, 9)]);
    expect(harness.reports[0]).toMatchObject({
      kind: 'ready',
      info: { vm: 'test', state: 'stopped', owned: true, firmware: 'none', steps: 0n },
    });
    expect(harness.response(9)).toMatchObject({
      stop: { reason: 'entry', hart: 0, pc: 0x8000_0000n, step: 0n },
    });
  });

  test('a stopped machine sleeps until a command comes', () => {
    const harness = new Harness().run([], [], []);
    expect(harness.sleeps).toEqual([null, null]);
    expect(harness.machine.steps).toBe(0n);
  });

  test('answers between slices while the guest runs, and events follow their response', () => {
    const harness = new Harness().run(
      [resume(1)],
      [registers(2)],
      [request('vm.readMemory', { hart: 0, address: 0x8000_0000n, length: 4, space: 'physical' }, 3)],
      [pause(4)],
      [registers(5)],
    );
    expect(harness.told).toEqual(['1', 'resumed', '2', '3', '4', 'stopped', '5']);
    expect(harness.response(2)).toMatchObject({ pc: 0x8000_0000n, privilege: 'M', waiting: false });
    expect(harness.response(3)).toEqual({ data: new Uint8Array(4), unreadable: 0 });
    expect(harness.event('stopped')).toMatchObject({
      params: { stop: { reason: 'pause', step: harness.machine.steps }, registers: harness.response(5) },
    });
    expect(harness.machine.steps).toBeGreaterThan(0n);
  });

  test('resuming what runs and pausing what stands change nothing', () => {
    const harness = new Harness().run([pause(1), resume(2)], [resume(3)]);
    expect(harness.told).toEqual(['1', '2', 'resumed', '3']);
  });

  test('a step needs a stopped machine', () => {
    const step = (id: number) => request('vm.step', { hart: 0, mode: 'into', ranges: [] }, id);
    const harness = new Harness().run([step(1)], [step(2)], [pause(3)]);
    expect(harness.told).toEqual(['1', 'resumed', 'wrong-state', '3', 'stopped']);
    expect(harness.machine.calls).toEqual(['beginStep', 'cancelStep']);
  });

  test('a step out says where to', () => {
    const harness = new Harness().run([request('vm.step', { hart: 0, mode: 'out', ranges: [] }, 1)]);
    expect(harness.told).toEqual(['bad-request']);
  });

  test('a stop of the machine stops the loop and is told with its place in the client’s list', () => {
    const stop = { reason: 'exit', hart: 0, pc: 4n, step: 7n, exitBreakpoint: 0 } as const;
    const harness = new Harness(() => ({ kind: 'stop', stop }));
    const breakpoint = { kind: 'sbi', stage: 'pre', hitCount: 1, action: 'stop' } as const;
    const breakpoints = [{ ...breakpoint, condition: 'bad' }, breakpoint];
    harness.run([request('vm.setExitBreakpoints', { breakpoints }, 1), resume(2)], []);
    expect(harness.response(1)).toEqual({
      results: [{ ok: false, message: 'expected a field', column: 1 }, { ok: true }],
    });
    // The one that does not parse never reaches the machine, which counts without it.
    expect(harness.machine.exitBreakpoints).toEqual([breakpoint]);
    expect(harness.event('stopped')).toMatchObject({
      params: { stop: { reason: 'exit', exitBreakpoint: 1 } },
    });
  });

  test('the end of the guest is told; it can be looked at, and reset', () => {
    const harness = new Harness(() => ({ kind: 'end', end: { reason: 'fail', code: 3 } }));
    harness.run(
      [resume(1)],
      [registers(2), resume(3), request('vm.reset', {}, 4)],
      [request('vm.state', {}, 5)],
    );
    expect(harness.told).toEqual(['1', 'resumed', 'ended', '2', 'wrong-state', '4', 'stopped', '5']);
    expect(harness.event('ended')).toMatchObject({
      params: { end: { reason: 'fail', code: 3 }, error: null },
    });
    expect(harness.response(5)).toMatchObject({ info: { state: 'stopped' }, stop: { reason: 'entry' } });
  });

  test('what a request cannot do is an error, not an end', () => {
    const harness = new Harness().run([
      request('vm.registers', { hart: 1 }, 1),
      request('vm.writeCsr', { hart: 0, number: 0x123, value: 1n }, 2),
      request('vm.writeRegister', { hart: 0, register: 'q9', value: 1n }, 3),
      request('vm.csrs', { hart: 0, numbers: [0x300, 0x301] }, 4),
    ]);
    expect(harness.told).toEqual(['no-such-hart', 'bad-request', 'bad-request', '4']);
    expect(harness.response(4)).toEqual({ csrs: [{ number: 0x300, name: 'mstatus', value: 0x1800n }] });
  });

  test('console output of a slice is one event, before the stop that follows it', () => {
    const harness = new Harness((machine) => {
      for (const byte of 'hello') machine.ports.console(new TextEncoder().encode(byte));
      return { kind: 'stop', stop: { reason: 'breakpoint', hart: 0, pc: 0n, step: 1n } };
    });
    harness.run([resume(1)], []);
    expect(harness.told).toEqual(['1', 'resumed', 'console', 'stopped']);
    expect(harness.event('console')).toMatchObject({ params: { data: new TextEncoder().encode('hello') } });
  });

  test('a guest that floods the server is held back', () => {
    const harness = new Harness();
    harness.run(
      [resume(1)],
      [() => void (harness.congested = true)],
      [],
      [() => void (harness.congested = false)],
      [],
    );
    expect(harness.sleeps).toEqual([1, 1]);
  });

  test('an exception in the machine ends the thread', () => {
    const harness = new Harness(() => {
      throw new Error('assertion failed: a page is lost');
    });
    expect(() => harness.run([resume(1)], [])).toThrow('a page is lost');
  });
});

describe('a guest that waits', () => {
  test('for input only: sleeps without a limit until it is typed', () => {
    const harness = new Harness(() => ({ kind: 'idle', untilStep: null }));
    harness.run([resume(1)], [request('vm.consoleWrite', { data: Uint8Array.of(65) }, 2)], []);
    expect(harness.sleeps).toEqual([null, null]);
    expect(harness.machine.inputLog).toMatchObject([{ kind: 'console', step: 0n, data: Uint8Array.of(65) }]);
  });

  /** Busy for `busyMs` of the host's time and 1000 steps; then waits for step 5,000,000 and ends. */
  function busyThenWaits(busyMs: number): Harness {
    const guest: GuestScript = (machine) => {
      if (machine.steps >= 5_000_000n) return { kind: 'end', end: { reason: 'pass', code: 0 } };
      if (machine.steps > 0n) return { kind: 'idle', untilStep: 5_000_000n };
      machine.steps = 1000n;
      harness.nowNs += busyMs * MS;
      return { kind: 'budget' };
    };
    const harness = new Harness(guest, { time: 'wall' });
    return harness.run([resume(1)], [], [], []);
  }

  test('in wall-clock time: sleeps to the deadline, and the time that passed is one input', () => {
    const harness = busyThenWaits(2);
    expect(harness.told).toEqual(['1', 'resumed', 'ended']);
    expect(harness.sleeps).toEqual([3]);
    expect(harness.machine.inputLog).toMatchObject([
      { kind: 'time', step: 5_000_000n, advanceSteps: 4_999_000n },
    ]);
  });

  test('in wall-clock time: one that fell behind its deadline does not sleep', () => {
    const harness = busyThenWaits(9);
    expect(harness.told).toEqual(['1', 'resumed', 'ended']);
    expect(harness.sleeps).toEqual([]);
    expect(harness.machine.inputLog).toMatchObject([{ kind: 'time', step: 5_000_000n }]);
  });

  test('in wall-clock time: a tick costs one sleep and two slices', () => {
    let slices = 0;
    const guest: GuestScript = (machine) => {
      slices++;
      const tick = machine.steps / 10_000_000n;
      if (machine.steps % 10_000_000n !== 0n) return { kind: 'idle', untilStep: (tick + 1n) * 10_000_000n };
      // The tick's handler, and back to wait.
      machine.steps += 500n;
      return { kind: 'budget' };
    };
    const harness = new Harness(guest, { time: 'wall' });
    harness.run([resume(1)], ...Array.from({ length: 200 }, () => []));
    expect(slices).toBe(200);
    expect(harness.sleeps).toHaveLength(100);
    expect(harness.machine.inputLog).toHaveLength(100);
  });

  test('in wall-clock time: a pause ends the sleep, and stands at the present time', () => {
    const harness = new Harness(() => ({ kind: 'idle', untilStep: 1_000_000_000_000n }), { time: 'wall' });
    harness.wakesAfterMs = 4;
    harness.run([resume(1)], [pause(2)], []);
    expect(harness.told).toEqual(['1', 'resumed', '2', 'stopped']);
    expect(harness.event('stopped')).toMatchObject({
      params: { stop: { reason: 'pause', step: 4_000_000n } },
    });
  });

  test('in wall-clock time: input takes effect at the time at which it is typed', () => {
    const harness = new Harness(() => ({ kind: 'idle', untilStep: null }), { time: 'wall' });
    const type = request('vm.consoleWrite', { data: Uint8Array.of(65) }, 2);
    harness.run([resume(1)], [() => void (harness.nowNs += 7 * MS), type], []);
    expect(harness.machine.inputLog).toMatchObject([
      { kind: 'time', step: 7_000_000n, advanceSteps: 7_000_000n },
      { kind: 'console', step: 7_000_000n, data: Uint8Array.of(65) },
    ]);
  });

  /** Something for a device that comes at a time of the harness's. */
  function feedAt(harness: () => Harness, atNs: number): DeviceFeed {
    let given = false;
    return {
      get pending() {
        return !given && harness().nowNs >= atNs;
      },
      give: (machine) => {
        given = true;
        machine.deviceInput(3, { kind: 'frame', data: Uint8Array.of(1) });
      },
      flush: () => {},
      restored: () => {},
      takeWarning: () => undefined,
    };
  }

  test('in wall-clock time: what comes for a device takes effect at the time at which it comes', () => {
    const feed = feedAt(() => harness, 7 * MS);
    const guest: GuestScript = () => ({ kind: 'idle', untilStep: null });
    const harness: Harness = new Harness(guest, { time: 'wall' }, feed);
    harness.run([resume(1)], [() => void (harness.nowNs += 7 * MS)], []);
    expect(harness.machine.inputLog).toMatchObject([
      { kind: 'time', step: 7_000_000n, advanceSteps: 7_000_000n },
      { kind: 'device', step: 7_000_000n, device: 3 },
    ]);
  });

  test('requests for devices find them behind disks and network card', () => {
    const config: VmConfigInput = {
      time: 'wall',
      drives: [{ file: 'disk' }],
      net: {},
      devices: [{ type: 'rng' }, { type: 'keyboard' }, { type: 'balloon' }],
    };
    const harness = new Harness(() => ({ kind: 'idle', untilStep: null }), config);
    const events = [{ type: 1, code: 30, value: 1 }];
    harness.run(
      [resume(1)],
      [() => void (harness.nowNs += 7 * MS), request('vm.sendEvents', { device: 'keyboard', events }, 2)],
      [request('vm.setBalloon', { bytes: 3 << 20 }, 3)],
      [request('vm.sendEvents', { device: 'tablet', events }, 4)],
    );
    expect(harness.machine.inputLog).toMatchObject([
      { kind: 'time', step: 7_000_000n },
      { kind: 'device', step: 7_000_000n, device: 3, input: { kind: 'events', events } },
      { kind: 'device', device: 4, input: { kind: 'balloon', pages: 768 } },
    ]);
    expect(harness.response(2)).toEqual({ taken: true });
    expect(harness.response(4)).toMatchObject({ error: { code: 'bad-request' } });
  });

  test('what comes for a device while the machine is stopped waits', () => {
    const harness: Harness = new Harness(
      busyGuest,
      {},
      feedAt(() => harness, 0),
    );
    harness.run([], [resume(1)], []);
    expect(harness.machine.inputLog).toMatchObject([{ kind: 'device', step: 0n }]);
    const stopped: Harness = new Harness(
      busyGuest,
      {},
      feedAt(() => stopped, 0),
    );
    stopped.run([], []);
    expect(stopped.machine.inputLog).toEqual([]);
  });

  test('in wall-clock time: what passes while it is stopped does not count', () => {
    const harness = new Harness(() => ({ kind: 'idle', untilStep: null }), { time: 'wall' });
    harness.run([resume(1)], [pause(2)], [() => void (harness.nowNs += 1000 * MS), resume(3)], []);
    expect(harness.machine.steps).toBe(0n);
  });

  test('in free time: never touches the clock', () => {
    const harness = new Harness(() => ({ kind: 'idle', untilStep: null }));
    harness.run([resume(1)], [() => void (harness.nowNs += 1000 * MS)], []);
    expect(harness.machine.inputLog).toEqual([]);
  });
});

describe('traced events', () => {
  const record = { sequence: 1, hart: 0, pc: 0n, step: 0n, stage: 'pre', handlerNs: 0 } as const;
  const tracing: GuestScript = (machine) => {
    machine.records.push({ ...record, exit: { kind: 'wfi', until: null } });
    harness.nowNs += 30 * MS;
    return { kind: 'budget' };
  };
  let harness: Harness;
  const traced = () =>
    harness.reports.flatMap((report) =>
      report.kind === 'event' && report.event === 'traced' ? [report.params.next] : [],
    );

  test('come at most ten a second', () => {
    harness = new Harness(tracing);
    harness.run([{ kind: 'watch', traced: true }, resume(1)], [], [], [], [], [], [], [], []);
    // A slice takes 30 ms of the clock here, so every fourth is told of.
    expect(traced()).toEqual([1, 5]);
  });

  test('come to nobody who did not ask', () => {
    harness = new Harness(tracing);
    harness.run([resume(1)], [], [], []);
    expect(traced()).toEqual([]);
  });

  test('are not lost when the machine stops within the interval', () => {
    harness = new Harness(tracing);
    harness.run([{ kind: 'watch', traced: true }, resume(1)], [], [pause(2)], [], []);
    expect(traced()).toEqual([1, 2]);
    expect(harness.sleeps[0]).toBeGreaterThan(0);
  });
});
