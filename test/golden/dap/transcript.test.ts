/**
 * The whole of DAP that the adapter speaks, as golden text: every request of a session with its answer. A change here is a
 * change of what editors see.
 */
import type { DebugProtocol } from '@vscode/debugprotocol';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { CustomResults } from '../../../debug-adapter/contract/requests.ts';
import { DapClient, SAMPLE } from '../../support/dap.ts';
import { checkGolden } from '../../support/golden.ts';

const line = DapClient.line;
const main = { path: `${SAMPLE}/main.c`, name: 'main.c' };

let dap: DapClient;
beforeEach(async () => {
  dap = await DapClient.start();
});
afterEach(() => dap.stop());

/** Stops the sample in touch_unmapped_page, where paging is on. */
async function stopInMain(): Promise<DebugProtocol.StackFrame[]> {
  await dap.launchSample();
  const breakpoints = [{ line: line('main.c', '*word = 1234;') }];
  await dap.request('setBreakpoints', { source: main, breakpoints });
  await dap.run();
  dap.transcript.length = 0;
  const frames = await dap.frames();
  return frames;
}

async function scopeOf(frameId: number, name: string): Promise<DebugProtocol.Scope> {
  const { scopes } = await dap.request<{ scopes: DebugProtocol.Scope[] }>('scopes', { frameId });
  return scopes.find((scope) => scope.name === name)!;
}

test('from initialize to the end', async () => {
  await dap.launchSample({ stopOnEntry: true });
  await dap.request('setBreakpoints', {
    source: main,
    breakpoints: [
      { line: line('main.c', 'vm_enable(hart);') },
      { line: line('main.c', 'seen = timer_ticks();'), condition: 'seen == 1', hitCondition: '1' },
      { line: 5000 },
    ],
  });
  await dap.request('setFunctionBreakpoints', {
    breakpoints: [{ name: 'trap_initialise' }, { name: 'none' }],
  });
  await dap.request('setExceptionBreakpoints', {
    filters: [],
    filterOptions: [
      { filterId: 'sbi', condition: 'ext == "SRST" @pre' },
      { filterId: 'mmio', condition: 'device ==' },
    ],
  });
  await dap.run();
  await dap.request('threads');
  await dap.frames();
  for (const reason of ['function breakpoint', 'breakpoint', 'breakpoint', 'exception']) {
    expect(await dap.runUntilStop('continue')).toMatchObject({ reason });
    await dap.request('stackTrace', { threadId: 1, levels: 2 });
  }
  await dap.request('exceptionInfo', { threadId: 1 });
  await dap.request('continue', { threadId: 1 });
  await dap.next('terminated');
  await dap.request('disconnect');
  checkGolden('dap/session.txt', dap.transcriptText());
});

test('stack, scopes and variables', async () => {
  const [frame, caller] = await stopInMain();
  const { scopes } = await dap.request<{ scopes: DebugProtocol.Scope[] }>('scopes', { frameId: frame!.id });
  for (const { name, variablesReference } of scopes) {
    if (name === 'Float registers') continue;
    const variables = await dap.variables(variablesReference);
    if (name !== 'CSRs' && name !== 'Devices') continue;
    const group = variables.find((variable) => ['Supervisor', 'uart0'].includes(variable.name))!;
    const members = await dap.variables(group.variablesReference);
    const member = members.find((variable) => ['sstatus', 'LSR'].includes(variable.name))!;
    await dap.variables(member.variablesReference);
  }
  const locals = await scopeOf(caller!.id, 'Locals');
  const [text] = await dap.variables(locals.variablesReference);
  await dap.variables(text!.variablesReference, { filter: 'indexed', start: 2, count: 3 });
  checkGolden('dap/variables.txt', dap.transcriptText());
});

test('evaluate, assign and complete', async () => {
  const [frame, caller] = await stopInMain();
  const frameId = frame!.id;
  for (const expression of [
    '$pc',
    '$a0,d',
    '$sstatus',
    '$sstatus.SPP',
    'word',
    '&kernel_main',
    'sizeof(uint64_t) * 2',
    '1 +',
    'nowhere',
  ]) {
    await dap.request('evaluate', { expression, frameId, context: 'watch' }).catch(() => {});
  }
  await dap.request('evaluate', { expression: 'boot_arguments', frameId: caller!.id, context: 'hover' });
  await dap.request('evaluate', { expression: '$t3 = 0x1234', frameId, context: 'repl' });
  await dap.request('setExpression', { expression: '$t3', value: '$t3 + 1', frameId });
  const registers = await scopeOf(frameId, 'Registers');
  await dap.request('setVariable', {
    variablesReference: registers.variablesReference,
    name: 't4',
    value: '-1',
  });
  await dap.refusal('setVariable', {
    variablesReference: registers.variablesReference,
    name: 'privilege',
    value: '1',
  });
  const callers = await scopeOf(caller!.id, 'Registers');
  await dap.refusal('setVariable', {
    variablesReference: callers.variablesReference,
    name: 's1',
    value: '1',
  });
  await dap.request('completions', { text: 'wa', column: 3, frameId });
  await dap.request('completions', { text: 'x + $sst', column: 9, frameId });
  checkGolden('dap/evaluate.txt', dap.transcriptText());
});

test('the debug console', async () => {
  await stopInMain();
  for (const expression of [
    ...['help', 'walk 0x80200000', 'walk $sp write', 'walk 0x50001230', 'walk &kernel_main', 'walk'],
    ...[
      'exits mmio sbi',
      'trace 3',
      'trace 2 mmio if device == "uart0"',
      'trace nonsense',
      'devices',
      'devices uart0',
      'devices none',
    ],
  ]) {
    await dap.request('evaluate', { expression, context: 'repl' }).catch(() => {});
  }
  const text = dap.transcript
    .map((entry) =>
      entry.replace(
        /^<- evaluate \{\s*"result": ("(?:[^"\\]|\\.)*"),[^}]*\}$/s,
        (_, json: string) => JSON.parse(json) as string,
      ),
    )
    .map((entry) => entry.replace(/\d+ ns\b/g, '<ns>').replace(/ +(?=<ns>)/g, ' '))
    .join('\n');
  checkGolden('dap/console.txt', `${text}\n`);
});

test('memory and disassembly', async () => {
  const [frame] = await stopInMain();
  const memoryReference = frame!.instructionPointerReference!;
  await dap.request('readMemory', { memoryReference: '0x80200000', count: 16 });
  await dap.request('readMemory', { memoryReference: 'pa:0x80200000', offset: 4, count: 4 });
  await dap.request('readMemory', { memoryReference: '0x1000', count: 16 });
  const stack = await dap.evaluate('$sp - 64,x');
  await dap.request('writeMemory', { memoryReference: stack, data: 'AQIDBA==' });
  await dap.request('readMemory', { memoryReference: stack, count: 4 });
  await dap.refusal('writeMemory', { memoryReference: '0x1000', data: 'AQIDBA==' });
  await dap.request('writeMemory', { memoryReference: '0x1000', data: 'AQIDBA==', allowPartial: true });
  await dap.request('disassemble', { memoryReference, instructionOffset: -6, instructionCount: 12 });
  await dap.request('disassemble', { memoryReference: '0x1000', instructionCount: 2 });
  await dap.request('breakpointLocations', { source: main, line: 21, endLine: 28 });
  await dap.request('gotoTargets', { source: main, line: line('main.c', 'print("page fault: handled') });
  await dap.request('loadedSources');
  await dap.request('modules');
  checkGolden('dap/memory.txt', dap.transcriptText());
});

test('custom requests', async () => {
  await stopInMain();
  await dap.request('hartscope/machine');
  await dap.request('hartscope/walk', { address: '0x80200000' });
  await dap.request('hartscope/walk', { address: '$sp', access: 'write' });
  await dap.request('hartscope/walk', { address: '0x50001230' });
  await dap.request('hartscope/exits', { limit: 3 });
  await dap.request('hartscope/exits', {
    after: 10,
    limit: 2,
    filter: { kinds: ['mmio'], condition: 'write' },
  });
  await dap.request('hartscope/exitStats', { filter: { kinds: ['mmio', 'sbi'] } });
  await dap.request('hartscope/setExitBreakpoints', {
    breakpoints: [{ kind: 'mmio', condition: 'write &&' }],
  });
  await dap.request('hartscope/consoleWrite', { text: 'x' });
  checkGolden('dap/custom.txt', dap.transcriptText());
});

test('the devices of the board', async () => {
  await stopInMain();
  const { devices } = await dap.request<CustomResults['hartscope/devices']>('hartscope/devices');
  const uart = devices.find(({ name }) => name === 'uart0')!;
  expect(uart).toMatchObject({ compatible: 'ns16550a', base: '0x10000000', irqs: [10] });
  const status = uart.registers.find(({ name }) => name === 'LSR')!;
  expect(status).toMatchObject({ offset: 5, size: 1, value: '0x60' });
  expect(status.fields.find(({ name }) => name === 'THRE')).toMatchObject({ low: 5, high: 5, value: '0x1' });
});

test('goto moves pc', async () => {
  await stopInMain();
  const target = line('main.c', 'print("page fault: handled');
  const { targets } = await dap.request<{ targets: { id: number }[] }>('gotoTargets', {
    source: main,
    line: target,
  });
  expect(await dap.runUntilStop('goto', { targetId: targets[0]!.id })).toMatchObject({ reason: 'goto' });
  expect(await dap.place()).toBe(`main.c:${target}`);
});
