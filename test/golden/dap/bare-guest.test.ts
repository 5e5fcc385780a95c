/** Guests without symbols or sources, and guests that go astray: the debugger shows what is there. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DapClient } from '../../support/dap.ts';
import { finish, print, spin, tinyElf } from '../../support/tiny-guest.ts';

let dap: DapClient;
let folder: string;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hartscope-test-'));
  dap = await DapClient.start();
});
afterEach(async () => {
  await dap.stop();
  rmSync(folder, { recursive: true });
});

async function launch(instructions: readonly number[], more: object = {}): Promise<void> {
  writeFileSync(join(folder, 'guest.elf'), tinyElf(instructions));
  await dap.request('initialize', { adapterID: 'hartscope', pathFormat: 'path' });
  await dap.request('launch', { kernel: join(folder, 'guest.elf'), firmware: 'none', time: 'free', ...more });
  await dap.next('initialized');
}

const pcOf = async (): Promise<string | undefined> => (await dap.frames())[0]!.instructionPointerReference;

test('a frame without source shows disassembly, where breakpoints can be set', async () => {
  await launch([...print('ab'), ...finish()], { stopOnEntry: true });
  expect(await dap.run()).toMatchObject({ reason: 'entry' });
  const [frame] = await dap.frames();
  expect(frame).toMatchObject({ name: '0x80000000', instructionPointerReference: '0x80000000', line: 1 });
  const source = frame!.source!;
  const { content } = await dap.request<{ content: string }>('source', {
    source,
    sourceReference: source.sourceReference,
  });
  const lines = content.split('\n');
  expect(lines[0]).toBe('0x80000000  100002b7  lui t0,0x10000');
  expect(lines[2]).toMatch(/^0x80000008 {2}[0-9a-f]{8} {2}sb t1,0\(t0\)$/);
  const { breakpoints } = await dap.request<{ breakpoints: DebugProtocol.Breakpoint[] }>('setBreakpoints', {
    source,
    breakpoints: [{ line: 3 }],
  });
  expect(breakpoints[0]).toMatchObject({ verified: true, line: 3, instructionReference: '0x80000008' });
  expect(await dap.runUntilStop('continue')).toMatchObject({ reason: 'breakpoint' });
  expect(await pcOf()).toBe('0x80000008');
});

test('without lines a step is an instruction', async () => {
  await launch([...print('a'), ...finish()], { stopOnEntry: true });
  await dap.run();
  await dap.runUntilStop('next');
  expect(await pcOf()).toBe('0x80000004');
  await dap.runUntilStop('stepIn');
  expect(await pcOf()).toBe('0x80000008');
});

test('a loop on one instruction can be paused, and goes on', async () => {
  await launch([...print('x'), ...spin()]);
  await dap.request('configurationDone');
  await dap.outputWith('stdout', 'x');
  expect(await dap.runUntilStop('pause')).toMatchObject({ reason: 'pause' });
  expect(await pcOf()).toBe('0x8000000c');
  await dap.request('continue', { threadId: 1 });
  expect(await dap.runUntilStop('pause')).toMatchObject({ reason: 'pause' });
});

/** The guest has a thread of its own, and a pause may come before its first step: waits for that. */
async function untilItRan(): Promise<void> {
  const steps = async (): Promise<number> =>
    (await dap.request<{ harts: { steps: number }[] }>('hartscope/machine')).harts[0]!.steps;
  while ((await steps()) === 0);
}

test('a loop of traps, and a jump into nothing, can be paused and looked at', async () => {
  // jalr to address 0, where nothing is; mtvec is 0 too, so the guest traps for ever.
  await launch([0x0000_0067]);
  await dap.request('configurationDone');
  await untilItRan();
  expect(await dap.runUntilStop('pause')).toMatchObject({ reason: 'pause' });
  const [frame] = await dap.frames();
  expect(frame).toMatchObject({ name: '0x0', instructionPointerReference: '0x0', line: 0 });
  expect(frame!.source).toBeUndefined();
  expect(await dap.evaluate('$mcause')).toMatch(/0x1\b/);
  await dap.runUntilStop('stepIn', { granularity: 'instruction' });
  expect(await pcOf()).toBe('0x0');
});

test('harts are threads', async () => {
  await launch(spin(), { harts: 3 });
  await dap.request('configurationDone');
  await dap.runUntilStop('pause');
  const { threads } = await dap.request<{ threads: DebugProtocol.Thread[] }>('threads');
  expect(threads).toEqual([1, 2, 3].map((id) => ({ id, name: `hart ${id - 1} (M)` })));
  expect((await dap.frames(3))[0]!.instructionPointerReference).toBe('0x80000000');
  expect(await dap.refusal('stackTrace', { threadId: 9 })).toBe('There is no thread 9.');
});

test('of four harts each is stepped for itself, and the one that hits a breakpoint is named', async () => {
  // Counts in t1 for ever: addi t1, t1, 1 and back.
  await launch([0x0013_0313, 0xffdf_f06f], { harts: 4, stopOnEntry: true });
  await dap.run();
  const counts = async (): Promise<number[]> => {
    const values = [1, 2, 3, 4].map(async (thread) => {
      const [frame] = await dap.frames(thread);
      return Number(await dap.evaluate('$t1,d', { frameId: frame!.id }));
    });
    return Promise.all(values);
  };
  expect(await counts()).toEqual([0, 0, 0, 0]);
  for (let round = 1; round <= 4; round++) {
    const stop = await dap.runUntilStop('next', { threadId: 3, granularity: 'instruction' });
    expect(stop).toMatchObject({ reason: 'step', threadId: 3, allThreadsStopped: true });
  }
  // Hart 2 has done four instructions; the others ran as far as their turns came.
  expect((await counts())[2]).toBe(2);
  await dap.request('setInstructionBreakpoints', {
    breakpoints: [{ instructionReference: '0x80000004' }],
  });
  const named = new Set<number>();
  while (named.size < 4) {
    const { reason, threadId } = await dap.runUntilStop('continue');
    expect(reason).toBe('instruction breakpoint');
    expect((await dap.frames(threadId))[0]!.instructionPointerReference).toBe('0x80000004');
    named.add(threadId!);
    if (named.size < 4) {
      // On to another hart: in a turn of 5,000 steps this one would hit 2,500 times.
      await dap.request('setInstructionBreakpoints', { breakpoints: [] });
      await dap.runUntilStop('next', { threadId: (threadId! % 4) + 1, granularity: 'instruction' });
      await dap.request('setInstructionBreakpoints', {
        breakpoints: [{ instructionReference: '0x80000004' }],
      });
    }
  }
});

test('harts that the kernel does not start are shown as waiting, and a step of one can be paused', async () => {
  await dap.launchSample({ harts: 4, append: 'echo' });
  await dap.request('configurationDone');
  await dap.outputWith('stdout', 'type a line: ');
  await dap.runUntilStop('pause');
  const { threads } = await dap.request<{ threads: DebugProtocol.Thread[] }>('threads');
  expect(threads.map(({ name }) => name)).toEqual([0, 1, 2, 3].map((hart) => `hart ${hart} (S, waiting)`));
  expect((await dap.frames(1)).map(({ name }) => name)).toContain('echo_line');
  for (const thread of [2, 3, 4]) expect((await dap.frames(thread))[0]!.name).toBe('_start');
  // A step of a hart that was never started comes to no end by itself.
  await dap.request('next', { threadId: 2, granularity: 'instruction' });
  expect(await dap.runUntilStop('pause')).toMatchObject({ reason: 'pause' });
});

test('a guest that fails ends with its code', async () => {
  await launch(finish(7));
  await dap.request('configurationDone');
  expect(await dap.next('exited')).toEqual({ exitCode: 7 });
  await dap.next('terminated');
  expect(dap.output('console')).toBe('The guest ended: failure, code 7.\n');
  expect(await dap.refusal('continue', { threadId: 1 })).toBe(
    'The guest has ended: restart to run it again.',
  );
});

test('a guest that jumps to nowhere stands still, and is told of', async () => {
  // jalr zero, 0(zero): no trap handler is set, so the fetch at 0 traps to 0.
  await launch([0x67]);
  expect(await dap.run()).toMatchObject({ reason: 'pause' });
  expect(dap.output('important')).toMatch(
    /^Hart 0 is caught in traps .*instruction access fault, mtval 0x0; set mtvec .*\.\n$/,
  );
  expect(await pcOf()).toBe('0x0');
});

test('what makes no sense is refused, and the session goes on', async () => {
  await launch(spin(), { stopOnEntry: true });
  await dap.run();
  const memoryReference = '0x80000000';
  expect(await dap.refusal('readMemory', { memoryReference, count: 1.5 })).toContain('"count"');
  expect(await dap.refusal('disassemble', { memoryReference })).toContain('"instructionCount"');
  expect(await dap.refusal('scopes', { frameId: 1_000_000 })).toBe('There is no frame 1000000.');
  expect(await dap.refusal('next', { threadId: 99 })).toBe('There is no thread 99.');
  const breakpoints = Array.from({ length: 10_001 }, (_, index) => ({
    instructionReference: `0x${(0x8000_1000 + index * 2).toString(16)}`,
  }));
  expect(await dap.refusal('setInstructionBreakpoints', { breakpoints })).toContain(
    'takes 10000: remove some',
  );
  await dap.request('setInstructionBreakpoints', { breakpoints: [] });
  expect(await dap.refusal('evaluate', { expression: `1${'+1'.repeat(100_000)}` })).toContain(
    'at most 2000 characters',
  );
  expect(await dap.evaluate(`1${'+1'.repeat(999)}`)).toBe('1000');
});
