import { mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { CustomResults } from '../../../debug-adapter/contract/requests.ts';
import { DapClient, SAMPLE } from '../../support/dap.ts';

const line = DapClient.line;
const place = (text: string): string => `main.c:${line('main.c', text)}`;

let folder: string;
const clients: DapClient[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hartscope-test-'));
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.stop()));
  rmSync(folder, { recursive: true });
});

async function startClient(): Promise<DapClient> {
  const client = await DapClient.start();
  clients.push(client);
  return client;
}

const breakAt = (dap: DapClient, ...texts: string[]) =>
  dap.request('setBreakpoints', {
    source: { path: `${SAMPLE}/main.c` },
    breakpoints: texts.map((text) => ({ line: line('main.c', text) })),
  });

const steps = async (dap: DapClient): Promise<string> =>
  (await dap.request<CustomResults['hartscope/machine']>('hartscope/machine')).info.steps;

test('a machine goes back to where it was saved, and on from there', async () => {
  const dap = await startClient();
  await dap.launchSample();
  await breakAt(dap, 'vm_enable(hart);', 'count_ticks(3);');
  await dap.run();
  expect(await dap.place()).toBe(place('vm_enable(hart);'));
  const before = await steps(dap);
  const file = join(folder, 'here.snapshot');
  const saved = await dap.request<CustomResults['hartscope/saveSnapshot']>('hartscope/saveSnapshot', {
    file,
  });
  expect(saved).toMatchObject({ file, parent: null });
  expect(saved.present).toBeGreaterThan(saved.pages - 1);

  await dap.runUntilStop('continue', { threadId: 1 });
  expect(await dap.place()).toBe(place('count_ticks(3);'));
  const next = join(folder, 'next.snapshot');
  const part = { file: next, incremental: true };
  expect(await dap.request('hartscope/saveSnapshot', part)).toMatchObject({ file: next, parent: file });
  expect(await dap.outputWith('stdout', 'the word is')).toContain('paging: on');

  await dap.request('hartscope/restoreSnapshot', { file });
  expect(await dap.next('stopped')).toMatchObject({
    reason: 'entry',
    description: 'Restored from a snapshot',
  });
  expect(await dap.place()).toBe(place('vm_enable(hart);'));
  expect(await steps(dap)).toBe(before);
  await dap.runUntilStop('next', { threadId: 1 });
  expect(await dap.place()).toBe(place('print("paging: on'));

  truncateSync(next, 2000);
  expect(await dap.refusal('hartscope/restoreSnapshot', { file: next })).toMatch(/next\.snapshot is damaged/);
  // Refused, it stands where it stood.
  expect(await dap.place()).toBe(place('print("paging: on'));
});

test('a launch from a snapshot needs no more than its file, and knows the kernel', async () => {
  const first = await startClient();
  await first.launchSample();
  await breakAt(first, 'vm_enable(hart);');
  await first.run();
  const snapshot = join(folder, 'machine.snapshot');
  await first.request('hartscope/saveSnapshot', { file: snapshot });
  const before = await steps(first);
  await first.request('disconnect');

  const dap = await startClient();
  await dap.request('initialize', { adapterID: 'hartscope', pathFormat: 'path' });
  await dap.request('launch', { snapshot, stopOnEntry: true });
  await breakAt(dap, 'count_ticks(3);');
  await dap.request('configurationDone');
  expect(await dap.next('stopped')).toMatchObject({
    reason: 'entry',
    description: 'Restored from a snapshot',
  });
  expect(await dap.place()).toBe(place('vm_enable(hart);'));
  expect(await steps(dap)).toBe(before);
  await dap.runUntilStop('continue', { threadId: 1 });
  expect(await dap.place()).toBe(place('count_ticks(3);'));
  // What was printed before belongs to the session before.
  expect(dap.output('stdout')).not.toContain('hello');
});

test('a snapshot that is none', async () => {
  const dap = await startClient();
  await dap.request('initialize', { adapterID: 'hartscope', pathFormat: 'path' });
  expect(await dap.refusal('launch', { snapshot: `${SAMPLE}/main.c` })).toMatch(/main\.c is no snapshot/);
});
