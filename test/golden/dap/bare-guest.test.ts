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

test('a loop of traps, and a jump into nothing, can be paused and looked at', async () => {
  // jalr to address 0, where nothing is; mtvec is 0 too, so the guest traps for ever.
  await launch([0x0000_0067]);
  await dap.request('configurationDone');
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
