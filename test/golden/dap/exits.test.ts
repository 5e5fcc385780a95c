import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CLIENT_FLAG, type CustomEvents } from '../../../debug-adapter/contract/requests.ts';
import { DapClient, SAMPLE } from '../../support/dap.ts';
import { spin, tinyElf } from '../../support/tiny-guest.ts';

let dap: DapClient;
beforeEach(async () => {
  dap = await DapClient.start();
});
afterEach(() => dap.stop());

type Verified = { breakpoints: { verified: boolean; message?: string; column?: number }[] };

async function breakOn(filterId: string, condition?: string): Promise<Verified['breakpoints']> {
  const filterOptions = [{ filterId, ...(condition === undefined ? {} : { condition }) }];
  const body = await dap.request<Verified>('setExceptionBreakpoints', { filters: [], filterOptions });
  return body.breakpoints;
}

test('before a UART write, nothing is written yet', async () => {
  await dap.launchSample();
  expect(await breakOn('mmio', 'device == "uart0" && write')).toEqual([{ verified: true }]);
  const stop = await dap.run();
  expect(stop).toMatchObject({
    reason: 'exception',
    description: 'Paused on mmio exit (pre)',
    text: `write uart0.THR = 0x68 'h'`,
    allThreadsStopped: true,
  });
  expect((await dap.frames()).map(({ name }) => name).slice(0, 3)).toEqual([
    'uart_put',
    'print',
    'kernel_main',
  ]);
  expect(dap.output('stdout')).toBe('');
  const info = await dap.request<DebugProtocol.ExceptionInfoResponse['body']>('exceptionInfo', {
    threadId: 1,
  });
  expect(info).toMatchObject({
    exceptionId: 'mmio',
    description: `Device access (MMIO): write uart0.THR = 0x68 'h'`,
    breakMode: 'always',
    details: { typeName: 'mmio (pre)' },
  });
});

test('after a UART write, one character is out', async () => {
  await dap.launchSample();
  await breakOn('mmio', 'device == "uart0" && write @post');
  expect(await dap.run()).toMatchObject({ description: 'Paused on mmio exit (post)' });
  expect(await dap.outputWith('stdout', 'h')).toBe('h');
  await dap.runUntilStop('continue');
  expect(await dap.outputWith('stdout', 'ha')).toBe('ha');
});

test('condition, hit count and stage stand behind the filter', async () => {
  await dap.launchSample();
  await breakOn('mmio', 'device == "uart0" && write && value == 0x0a @pre #2');
  await dap.run();
  expect(dap.output('stdout')).toBe(
    'hartscope sample: hello from S-mode\r\npaging: on, three levels (Sv39)\r',
  );
});

test('a condition that does not parse is refused with its column, the others hold', async () => {
  await dap.launchSample();
  const body = await dap.request<Verified>('setExceptionBreakpoints', {
    filters: ['sbi'],
    filterOptions: [
      { filterId: 'mmio', condition: 'device == ' },
      { filterId: 'mmio', condition: 'write @never' },
      { filterId: 'mmoi' },
    ],
  });
  expect(body.breakpoints[0]).toEqual({ verified: true });
  expect(body.breakpoints[1]!.verified).toBe(false);
  expect(body.breakpoints[1]!.message).toMatch(/column \d+/);
  expect(body.breakpoints[2]!.message).toBe('@ is followed by pre or post (column 7)');
  expect(body.breakpoints[3]!.message).toBe('There is no exit of kind "mmoi". Did you mean "mmio"?');
  const stop = await dap.run();
  expect(stop.text).toMatch(/^TIME\.set_timer|^[A-Z]+\./);
});

test('a trap as the guest takes it', async () => {
  await dap.launchSample();
  await breakOn('trap', '!interrupt && cause == 15');
  const stop = await dap.run();
  expect(stop.text).toMatch(/^exception 15: .*, tval 0x[0-9a-f]+, S -> S$/);
});

test('an ebreak of the guest stops there, and traps when the guest goes on', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hartscope-test-'));
  try {
    const kernel = join(folder, 'guest.elf');
    const [ebreak, nop] = [0x0010_0073, 0x0000_0013];
    writeFileSync(kernel, tinyElf([nop, ebreak, ...spin()]));
    await dap.request('initialize', { adapterID: 'hartscope', pathFormat: 'path' });
    await dap.request('launch', { kernel, firmware: 'none', time: 'free' });
    await dap.next('initialized');
    expect(await breakOn('debug', 'event == "breakpoint"')).toEqual([{ verified: true }]);
    expect(await dap.run()).toMatchObject({
      reason: 'exception',
      description: 'Paused on debug exit (pre)',
      text: 'breakpoint at 0x80000004',
    });
    expect((await dap.frames())[0]!.instructionPointerReference).toBe('0x80000004');
    const info = await dap.request<DebugProtocol.ExceptionInfoResponse['body']>('exceptionInfo', {
      threadId: 1,
    });
    expect(info).toMatchObject({
      exceptionId: 'debug',
      description: 'Breakpoint instruction (ebreak): breakpoint at 0x80000004',
    });
    // mtvec is still 0, where nothing is.
    await dap.runUntilStop('stepIn', { granularity: 'instruction' });
    expect((await dap.frames())[0]!.instructionPointerReference).toBe('0x0');
    expect(await dap.evaluate('$mcause,d')).toBe('3');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('filters are offered for what guests of this version can cause', async () => {
  const capabilities = await dap.request<DebugProtocol.Capabilities>('initialize', {
    adapterID: 'hartscope',
    pathFormat: 'path',
  });
  const filters = capabilities.exceptionBreakpointFilters!;
  expect(filters.map(({ filter }) => filter)).toEqual([
    ...[
      'mmio',
      'sbi',
      'csr',
      'trap',
      'irq',
      'page-fault',
      'tlb-flush',
      'virtqueue',
      'wfi',
      'system',
      'debug',
    ],
  ]);
  expect(filters[1]!.conditionDescription).toMatch(
    /^Fields: ext, extId, fn, function, a0, .*, hart, pc, step/,
  );
  await dap.request('launch', { kernel: `${SAMPLE}/kernel.elf`, time: 'free' });
  await dap.next('initialized');
  for (const { filter, conditionDescription } of filters) {
    // Each example is one that the VMM takes.
    const example = /Example: (.*)$/.exec(conditionDescription!)?.[1];
    expect(await breakOn(filter, example), filter).toEqual([{ verified: true }]);
  }
  expect((await breakOn('nested'))[0]!.message).toMatch(/^There is no exit of kind "nested"\./);
});

test('log instead of stop', async () => {
  await dap.launchSample({
    exits: [
      {
        kind: 'mmio',
        condition: 'device == "uart0" && write && value == 0x0a',
        action: 'log',
        log: 'wrote {value} to {register}',
      },
    ],
  });
  await dap.request('configurationDone');
  await dap.next('terminated');
  expect(dap.output('console')).toMatch(/^(wrote \S+ to THR\n){5,}/);
  expect(dap.events.filter(({ event }) => event === 'stopped')).toEqual([]);
});

test("our own client gets the last counts before the session's end, others do not", async () => {
  await dap.launchSample({ [CLIENT_FLAG]: true });
  await dap.request('configurationDone');
  const { counts } = await dap.next<CustomEvents['hartscope/lastExitStats']>('hartscope/lastExitStats');
  expect(counts).toContainEqual({ hart: 0, kind: 'system', count: 1 });
  await dap.next('terminated');

  const other = await DapClient.start();
  try {
    await other.launchSample();
    await other.request('configurationDone');
    await other.next('terminated');
    expect(other.events.map(({ event }) => event)).not.toContain('hartscope/lastExitStats');
  } finally {
    await other.stop();
  }
});

test('the full form stands beside the filters', async () => {
  await dap.launchSample();
  await breakOn('system');
  const { breakpoints } = await dap.request<Verified>('hartscope/setExitBreakpoints', {
    breakpoints: [
      { kind: 'sbi', condition: 'ext == "SRST"', stage: 'pre' },
      { kind: 'csr', condition: 'csr ==' },
    ],
  });
  expect(breakpoints[0]).toEqual({ verified: true });
  expect(breakpoints[1]).toMatchObject({ verified: false, column: expect.any(Number) });
  expect((await dap.run()).text).toMatch(/^SRST\./);
  expect((await dap.runUntilStop('continue')).description).toBe('Paused on system exit (pre)');
});

test('a wrong condition in the launch configuration is refused at launch', async () => {
  await dap.request('initialize', { adapterID: 'hartscope', pathFormat: 'path' });
  const message = await dap.refusal('launch', {
    kernel: 'samples/01-first-kernel/kernel.elf',
    exits: [{ kind: 'mmio', condition: 'device = "uart0"' }],
  });
  expect(message).toMatch(/^"exits\[0\]\.condition" in the configuration: .*column \d+/);
});
