import { expect, test } from 'vitest';
import type { StopInfo } from '../vmm/protocol/messages.ts';
import { BreakpointStore } from './breakpoints.ts';
import type { HartState } from './machine-view.ts';
import { RunControl, type StoppedMachine, type VmRequests } from './run-control.ts';
import type { Frame, LineLocation, Symbols } from './symbols/index.ts';
import type { EvaluationContext } from './values/index.ts';

/**
 * A program of one function at 0x1000, a line every 8 bytes, and library code without lines at 0x9000. `pc` and `depth` are
 * set by hand: there is no machine, only what the VMM is asked to do.
 */
class FakeMachine {
  pc = 0x1000n;
  depth = 0;
  readonly asked: string[] = [];
  readonly told: string[] = [];
  readonly breakpoints = new BreakpointStore();

  readonly #symbols: Partial<Symbols> = {
    lineFor: (pc) => (pc >= 0x9000n ? undefined : lineOf(pc)),
    lineRangesFor: (pc) => (pc >= 0x9000n ? [] : [{ start: pc & ~7n, end: (pc & ~7n) + 8n }]),
    inlineChain: () => [],
    functionAt: () => undefined,
    unwindRow: () => undefined,
    symbolize: (pc) =>
      pc >= 0x9000n ? { name: 'library', offset: pc - 0x9000n } : { name: 'main', offset: pc - 0x1000n },
  };

  readonly #view = {
    forget: () => {},
    learn: () => {},
    hart: async () =>
      ({ hart: 0, registers: { pc: this.pc }, symbols: this.#symbols as Symbols }) as HartState,
    frames: async () => this.#frames(),
    frame: async () => this.#frames()[0]!,
    evaluationContext: async () =>
      ({
        readRegister: async () => 1n,
        csrFields: () => undefined,
        symbol: () => undefined,
      }) as unknown as EvaluationContext,
  } satisfies Partial<StoppedMachine>;

  readonly #vm = {
    request: async (
      method: string,
      params: { ranges?: unknown[]; mode?: string; returnTo?: { pc: bigint } },
    ) => {
      const to = params.returnTo === undefined ? '' : ` to 0x${params.returnTo.pc.toString(16)}`;
      this.asked.push(params.mode === undefined ? method : `${method} ${params.mode}${to}`);
      return {};
    },
  };

  readonly run = new RunControl(
    this.#vm as unknown as VmRequests,
    this.#view as StoppedMachine,
    this.breakpoints,
    {
      stopped: ({ reason, info }) => this.told.push(`${reason} at 0x${info.pc.toString(16)}`),
      continued: () => this.told.push('continued'),
      logPoint: (_breakpoint, text) => this.told.push(`log ${text}`),
      warn: (text) => this.told.push(`warn ${text}`),
    },
  );

  setBreakpoint(address: bigint, more: { condition?: string; logMessage?: string } = {}): void {
    const spec = { kind: 'source' as const, where: 'a.c:1', ...more };
    this.breakpoints.replace(
      'a.c',
      [{ spec, locate: () => ({ addresses: [address] }) }],
      this.#symbols as Symbols,
    );
  }

  /** The VMM stops at `pc`, in a call `depth` deep. */
  async stop(reason: StopInfo['reason'], pc = this.pc, depth = 0): Promise<void> {
    this.pc = pc;
    this.depth = depth;
    await this.run.onStopped({ reason, hart: 0, pc, step: 0n }, REGISTERS);
  }

  /** What was asked of the VMM, and told to the client, since the last time. */
  news(): string[] {
    return [...this.asked.splice(0), ...this.told.splice(0)];
  }

  #frames(): Frame[] {
    return Array.from({ length: this.depth + 1 }, (_, level) => {
      const pc = level === 0 ? this.pc : 0x1004n;
      const isLibrary = pc >= 0x9000n;
      return {
        ...{ level, pc, lookupPc: pc, origin: level === 0 ? 'top' : 'cfi', inlined: false, inlineDepth: 0 },
        cfa: BigInt(0x8000 - (this.depth - level) * 0x100),
        functionName: 'f',
        location: isLibrary ? undefined : { file: 'a.c', line: 1, column: 1 },
        registers: { pc, x: [0n, 0n, 0x7000n], f: [] },
      } as Frame;
    });
  }
}

const REGISTERS = { pc: 0n, privilege: 'S', x: [], f: [], steps: 0, waiting: false } as const;

const lineOf = (pc: bigint): LineLocation => ({
  ...{ file: 'a.c', line: Number(pc / 8n), column: 1, address: pc & ~7n, isStatement: true },
});

async function started(): Promise<FakeMachine> {
  const machine = new FakeMachine();
  await machine.run.start(
    { reason: 'entry', hart: 0, pc: 0x1000n, step: 0n },
    { report: true, entry: undefined },
  );
  expect(machine.news()).toEqual(['entry at 0x1000']);
  return machine;
}

test('without stopOnEntry the machine runs at once', async () => {
  const machine = new FakeMachine();
  await machine.run.start(
    { reason: 'entry', hart: 0, pc: 0x1000n, step: 0n },
    { report: false, entry: undefined },
  );
  expect(machine.news()).toEqual(['vm.resume']);
});

test('a breakpoint on the first instruction stops although the run would pass it', async () => {
  const machine = new FakeMachine();
  machine.setBreakpoint(0x1000n);
  await machine.run.start(
    { reason: 'entry', hart: 0, pc: 0x1000n, step: 0n },
    { report: false, entry: undefined },
  );
  expect(machine.news()).toEqual(['breakpoint at 0x1000']);
});

test('stopping on entry of a kernel that firmware starts runs the firmware first', async () => {
  const machine = new FakeMachine();
  await machine.run.start(
    { reason: 'entry', hart: 0, pc: 0x1000n, step: 0n },
    { report: true, entry: 0x2000n },
  );
  expect(machine.news()).toEqual(['vm.setBreakpoints', 'vm.resume']);
  await machine.stop('breakpoint', 0x2000n);
  expect(machine.news()).toEqual(['vm.setBreakpoints', 'entry at 0x2000']);
});

test('a breakpoint whose condition is false resumes silently', async () => {
  const machine = await started();
  machine.setBreakpoint(0x1010n, { condition: '$a0 == 2' });
  await machine.run.resume();
  await machine.stop('breakpoint', 0x1010n);
  expect(machine.news()).toEqual(['vm.resume', 'vm.resume']);
});

test('a pause asked for meanwhile is not lost', async () => {
  const machine = await started();
  machine.setBreakpoint(0x1010n, { logMessage: 'here' });
  await machine.run.resume();
  await machine.run.pause();
  await machine.stop('breakpoint', 0x1010n);
  expect(machine.news()).toEqual(['vm.resume', 'vm.pause', 'log here', 'pause at 0x1010']);
});

test('a step by line ends at the next line, and runs through the rest of one it lands within', async () => {
  const machine = await started();
  await machine.run.step(0, 'next', 'line');
  await machine.stop('step', 0x100cn);
  expect(machine.news()).toEqual(['vm.step over', 'vm.step over']);
  await machine.stop('step', 0x1010n);
  expect(machine.news()).toEqual(['step at 0x1010']);
});

test('stepping into code without lines comes out where there are some', async () => {
  const machine = await started();
  await machine.run.step(0, 'stepIn', 'line');
  await machine.stop('step', 0x9000n, 1);
  expect(machine.news()).toEqual(['vm.step into', 'vm.step out to 0x1004']);
  await machine.stop('step', 0x1004n);
  expect(machine.news()).toEqual(['vm.step into']);
  await machine.stop('step', 0x1008n);
  expect(machine.news()).toEqual(['step at 0x1008']);
});

test('a log point within a call does not end the step over the call', async () => {
  const machine = await started();
  machine.setBreakpoint(0x1100n, { logMessage: 'in the call' });
  await machine.run.step(0, 'next', 'line');
  await machine.stop('breakpoint', 0x1100n, 1);
  expect(machine.news()).toEqual(['vm.step over', 'vm.step out to 0x1004', 'log in the call']);
  await machine.stop('step', 0x1004n);
  expect(machine.news()).toEqual(['vm.step over']);
});

test('a breakpoint within a call ends the step', async () => {
  const machine = await started();
  machine.setBreakpoint(0x1100n);
  await machine.run.step(0, 'next', 'line');
  await machine.stop('breakpoint', 0x1100n, 1);
  expect(machine.news()).toEqual(['vm.step over', 'breakpoint at 0x1100']);
  await machine.run.resume();
  expect(machine.news()).toEqual(['vm.resume']);
});

test('a step by instruction ends after one, in code without lines too', async () => {
  const machine = await started();
  await machine.run.step(0, 'stepIn', 'instruction');
  await machine.stop('step', 0x9004n, 1);
  expect(machine.news()).toEqual(['vm.step into', 'step at 0x9004']);
});

test('another client that resumes is told of, our own resumes are not', async () => {
  const machine = await started();
  machine.run.onResumed();
  expect(machine.news()).toEqual(['continued']);
  await machine.stop('pause');
  await machine.run.resume();
  machine.run.onResumed();
  expect(machine.news()).toEqual(['vm.resume', 'pause at 0x1000']);
});

test('what needs a stopped machine is refused while it runs, and after the end', async () => {
  const machine = await started();
  await machine.run.resume();
  await expect(machine.run.step(0, 'next', 'line')).rejects.toThrow('The machine runs: pause it first.');
  machine.run.onEnded();
  await expect(machine.run.resume()).rejects.toThrow('The guest has ended: restart to run it again.');
});

test('a breakpoint of another client stops this session too, and its own that it took away do not', async () => {
  const machine = await started();
  await machine.run.resume();
  await machine.stop('breakpoint', 0x1020n);
  expect(machine.news()).toEqual(['vm.resume', 'breakpoint at 0x1020']);
  machine.setBreakpoint(0x1030n);
  await machine.run.arm();
  machine.breakpoints.replace('a.c', [], {} as Symbols);
  await machine.run.resume();
  // It was on its way when the breakpoint was taken away.
  await machine.stop('breakpoint', 0x1030n);
  expect(machine.news()).toEqual(['vm.setBreakpoints', 'vm.resume', 'vm.resume']);
});
