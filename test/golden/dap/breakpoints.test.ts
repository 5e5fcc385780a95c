import type { DebugProtocol } from '@vscode/debugprotocol';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DapClient, SAMPLE } from '../../support/dap.ts';

const main = { path: `${SAMPLE}/main.c`, name: 'main.c' };
const line = DapClient.line;

let dap: DapClient;
beforeEach(async () => {
  dap = await DapClient.start();
  await dap.launchSample();
});
afterEach(() => dap.stop());

async function setSource(
  ...breakpoints: DebugProtocol.SourceBreakpoint[]
): Promise<DebugProtocol.Breakpoint[]> {
  const body = await dap.request<{ breakpoints: DebugProtocol.Breakpoint[] }>('setBreakpoints', {
    source: main,
    breakpoints,
  });
  return body.breakpoints;
}

const tickLine = line('main.c', 'seen = timer_ticks();');

describe('source breakpoints', () => {
  test('stop before the line, and name themselves', async () => {
    const [breakpoint] = await setSource({ line: line('main.c', 'touch_unmapped_page();') });
    expect(breakpoint).toMatchObject({ verified: true, line: line('main.c', 'touch_unmapped_page();') });
    const stop = await dap.run();
    expect(stop).toMatchObject({ reason: 'breakpoint', threadId: 1, allThreadsStopped: true });
    expect(stop.hitBreakpointIds).toEqual([breakpoint!.id]);
    expect(await dap.place()).toBe(`main.c:${line('main.c', 'touch_unmapped_page();')}`);
  });

  test('a condition over a variable decides', async () => {
    await setSource({ line: tickLine + 1, condition: 'seen == 2' });
    await dap.run();
    expect(await dap.evaluate('seen', { frameId: (await dap.frames())[0]!.id })).toBe('2');
  });

  test('a hit count counts', async () => {
    await setSource({ line: tickLine, hitCondition: '3' });
    await dap.run();
    const frameId = (await dap.frames())[0]!.id;
    expect(await dap.evaluate('seen', { frameId })).toBe('2');
    await dap.request('continue', { threadId: 1 });
    await dap.next('terminated');
  });

  test('a log point prints values and does not stop', async () => {
    await setSource({ line: tickLine + 1, logMessage: 'tick {seen}, twice {seen * 2,x}' });
    await dap.request('configurationDone');
    await dap.next('terminated');
    expect(dap.output('console')).toContain('tick 1, twice 0x2\ntick 2, twice 0x4\ntick 3, twice 0x6\n');
    expect(dap.events.filter(({ event }) => event === 'stopped')).toEqual([]);
  });

  test('a line without code is refused with the reason, a line before code moves', async () => {
    const [comment, beyond] = await setSource({ line: line('main.c', 'From start.S') }, { line: 5000 });
    expect(comment).toMatchObject({ verified: true, line: line('main.c', 'void kernel_main') + 1 });
    expect(beyond).toMatchObject({ verified: false, message: 'Line 5000 has no code.' });
  });

  test('a file that is not in the program is refused with what to do', async () => {
    const { breakpoints } = await dap.request<{ breakpoints: DebugProtocol.Breakpoint[] }>('setBreakpoints', {
      source: { path: '/nowhere/other.c' },
      breakpoints: [{ line: 1 }],
    });
    expect(breakpoints[0]).toMatchObject({ verified: false });
    expect(breakpoints[0]!.message).toMatch(/No code in the program comes from this file.*"sourceMap"/);
  });

  test('a condition that does not parse is refused with its column', async () => {
    const [breakpoint] = await setSource({ line: tickLine, condition: 'seen == == 2' });
    expect(breakpoint).toMatchObject({ verified: false });
    expect(breakpoint!.message).toMatch(/column 9/);
  });

  test('a breakpoint taken away does not stop', async () => {
    await setSource({ line: tickLine });
    await dap.run();
    await setSource();
    await dap.request('continue', { threadId: 1 });
    await dap.next('terminated');
  });
});

describe('function breakpoints', () => {
  test('stop after the prologue, where parameters can be read', async () => {
    const { breakpoints } = await dap.request<{ breakpoints: DebugProtocol.Breakpoint[] }>(
      'setFunctionBreakpoints',
      { breakpoints: [{ name: 'uart_put', condition: "c == '\\n'" }, { name: 'no_such_function' }] },
    );
    expect(breakpoints[0]).toMatchObject({ verified: true });
    expect(breakpoints[1]).toMatchObject({
      verified: false,
      message: 'The program has no function "no_such_function".',
    });
    expect(await dap.run()).toMatchObject({ reason: 'function breakpoint' });
    const [frame] = await dap.frames();
    expect(frame!.name).toBe('uart_put');
    expect(await dap.evaluate('c,d', { frameId: frame!.id })).toBe('10');
  });

  test('a label of the assembly start code will do', async () => {
    await dap.request('setFunctionBreakpoints', { breakpoints: [{ name: 'trap_entry' }] });
    await dap.run();
    const frames = await dap.frames();
    expect(frames[0]!.source!.name).toBe('trap.S');
    expect(frames[1]!.name).toBe('touch_unmapped_page [interrupted by a trap]');
  });
});

test('instruction breakpoints stop at their address', async () => {
  await setSource({ line: tickLine });
  await dap.run();
  const [frame] = await dap.frames();
  await setSource();
  const { instructions } = await dap.request<{ instructions: DebugProtocol.DisassembledInstruction[] }>(
    'disassemble',
    { memoryReference: frame!.instructionPointerReference!, instructionCount: 3 },
  );
  const address = instructions[2]!.address;
  const { breakpoints } = await dap.request<{ breakpoints: DebugProtocol.Breakpoint[] }>(
    'setInstructionBreakpoints',
    { breakpoints: [{ instructionReference: address }, { instructionReference: address, offset: 1 }] },
  );
  expect(breakpoints).toMatchObject([
    { verified: true, instructionReference: address },
    { verified: false, message: 'An instruction address is even.' },
  ]);
  const stop = await dap.runUntilStop('continue');
  expect(stop).toMatchObject({ reason: 'instruction breakpoint', hitBreakpointIds: [breakpoints[0]!.id] });
  expect((await dap.frames())[0]!.instructionPointerReference).toBe(address);
});

test('one on the first instruction stops there once, and so does the entry it shares', async () => {
  await dap.request('setFunctionBreakpoints', { breakpoints: [{ name: '_start' }] });
  expect(await dap.run()).toMatchObject({ reason: 'function breakpoint' });
  await dap.request('continue', { threadId: 1 });
  await dap.next('terminated');
  expect(dap.events.filter(({ event }) => event === 'stopped')).toHaveLength(1);
});
