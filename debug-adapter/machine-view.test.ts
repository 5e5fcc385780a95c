import { beforeEach, expect, test } from 'vitest';
import type { Registers } from '../vmm/protocol/messages.ts';
import { BreakpointStore } from './breakpoints.ts';
import { MachineView } from './machine-view.ts';
import { RunControl } from './run-control.ts';
import type { SymbolStore } from './symbol-store.ts';
import type { Symbols } from './symbols/index.ts';
import type { Vm } from './vm-client.ts';

const SP = 0x8000_0f00n;
const REGISTERS: Registers = {
  ...{ pc: 0x1000n, privilege: 'S', steps: 0, waiting: false },
  x: Array.from({ length: 32 }, (_, number) => (number === 2 ? SP : 0n)),
  f: new Array<bigint>(32).fill(0n),
};

/** A program whose one function keeps its return address, 0x1100, at the top of a stack of 16 bytes. */
const symbols: Partial<Symbols> = {
  inlineChain: () => [],
  lineFor: () => undefined,
  functionAt: () => undefined,
  symbolize: (pc) => ({ name: 'f', offset: pc - 0x1000n }),
  isCode: (pc) => pc >= 0x1000n && pc < 0x2000n,
  unwindRow: () => undefined,
};

let asked: string[];
let view: MachineView;
let run: RunControl;

beforeEach(() => {
  asked = [];
  const answers: Record<string, () => unknown> = {
    'vm.registers': () => REGISTERS,
    'vm.csrs': () => ({
      csrs: [
        { number: 0x105, name: 'stvec', value: 0n },
        { number: 0x305, name: 'mtvec', value: 0n },
      ],
    }),
    'vm.readMemory': () => ({ data: new Uint8Array(4096), unreadable: 0 }),
  };
  const vm = {
    request: async (method: string) => {
      asked.push(method);
      return answers[method]?.() ?? {};
    },
  } as unknown as Vm;
  const all = symbols as Symbols;
  view = new MachineView(vm, { ...{ all, virtual: all, physical: all }, hasSpaces: false } as SymbolStore);
  run = new RunControl(vm, view, new BreakpointStore(), {
    ...{ stopped: () => asked.push('stopped'), continued: () => {}, logPoint: () => {}, warn: () => {} },
  });
});

/** The machine was let run and stopped, which tells the registers. */
async function stopAfterRun(): Promise<void> {
  run.startRunning();
  await run.onStopped({ reason: 'pause', hart: 0, pc: 0x1000n, step: 0n }, REGISTERS);
  asked = [];
}

test('an instruction step is one request of the VMM, into or over', async () => {
  await stopAfterRun();
  for (const kind of ['stepIn', 'next'] as const) {
    await run.step(0, kind, 'instruction');
    await run.onStopped({ reason: 'step', hart: 0, pc: 0x1000n, step: 1n }, REGISTERS);
    expect(asked.splice(0)).toEqual(['vm.step', 'stopped']);
  }
});

test('the top frame of a stop takes no request', async () => {
  await stopAfterRun();
  expect(await view.frames(0, 1)).toMatchObject([{ pc: 0x1000n, functionName: 'f' }]);
  expect(asked).toEqual([]);
});

test('what callers are found with is asked for once, and not again before the machine moves', async () => {
  await stopAfterRun();
  await view.frames(0);
  await view.readMemory(0, SP, 8);
  await view.readMemory(0, SP + 0x80n, 64);
  await view.frames(0);
  expect(asked.splice(0).sort()).toEqual(['vm.csrs', 'vm.readMemory']);

  view.forget(true);
  await view.frames(0);
  expect(asked[0]).toBe('vm.registers');
});

test('registers that came with a stop do not outlive a write to the machine', async () => {
  await stopAfterRun();
  await view.writeRegister(0, 'a0', 1n);
  await view.hart(0);
  expect(asked).toEqual(['vm.writeRegister', 'vm.registers']);
});
