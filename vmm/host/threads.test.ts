import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { MessageChannel } from 'node:worker_threads';
import { afterAll, expect, test } from 'vitest';
import type { VmReport, VmStart } from '../contracts/worker.ts';
import { vmConfigSchema } from '../protocol/messages.ts';
import { receiveStart, vmThreads } from './threads.ts';

const folder = mkdtempSync(join(tmpdir(), 'hartscope-threads-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const start: VmStart = { vm: 'test', owned: true, config: vmConfigSchema.parse({}) };

/** Starts a thread that runs `body` once told its VM, `start`; `body` sees `parentPort`, `words` and `receive`. Collects what it says. */
function thread(name: string, body: string) {
  const script = join(folder, `${name}.cjs`);
  writeFileSync(
    script,
    `const { parentPort, workerData, receiveMessageOnPort } = require('node:worker_threads');
     const words = new Int32Array(workerData.shared);
     const receive = () => receiveMessageOnPort(workerData.commands)?.message;
     Atomics.wait(words, 0, 0);
     const { start } = receive();
     ${body}`,
  );
  const reports: VmReport[] = [];
  const waiting: ((report: VmReport) => void)[] = [];
  let exited: (error: string | null) => void;
  const exit = new Promise<string | null>((resolve) => (exited = resolve));
  const running = vmThreads(script)(start, {
    report: (report) => {
      reports.push(report);
      waiting.shift()?.(report);
    },
    exited: (error) => exited(error),
  });
  const nextReport = () => new Promise<VmReport>((resolve) => waiting.push(resolve));
  return { running, exit, reports, nextReport };
}

test('a command wakes a thread that sleeps and has no event loop', async () => {
  const { running, exit, nextReport } = thread(
    'sleeper',
    `parentPort.postMessage({ kind: 'ready' });
     Atomics.wait(words, 0, 1);
     parentPort.postMessage(receive());`,
  );
  await nextReport();
  const echoed = nextReport();
  running.post({ kind: 'watch', traced: true });
  expect(await echoed).toEqual({ kind: 'watch', traced: true });
  expect(await exit).toBeNull();
});

test('a thread that throws says why', async () => {
  const { exit } = thread('thrower', `throw new Error('assertion failed: boom');`);
  expect(await exit).toBe('assertion failed: boom');
});

test('a thread that loops or sleeps for ever can be ended', async () => {
  for (const body of ['for (;;);', 'Atomics.wait(words, 0, 1);']) {
    const { running, exit, nextReport } = thread(
      'stuck',
      `parentPort.postMessage({ kind: 'ready' }); ${body}`,
    );
    await nextReport();
    await running.terminate();
    await exit;
  }
});

test('a command to a thread that is gone is lost in silence', async () => {
  const { running, exit } = thread('gone', '');
  await exit;
  running.post({ kind: 'end' });
  await running.terminate();
});

test('bytes of a request travel without the buffer that they are a view of', async () => {
  const { running, nextReport } = thread(
    'bytes',
    `Atomics.wait(words, 0, 1);
     const { request } = receive();
     parentPort.postMessage({ kind: 'response', id: request.params.data.buffer.byteLength, result: {} });`,
  );
  const data = new Uint8Array(1 << 20).subarray(5, 8);
  running.post({
    kind: 'request',
    request: { id: 1, method: 'vm.consoleWrite', params: { vm: 'test', data } },
  });
  expect(await nextReport()).toMatchObject({ id: 3 });
});

test('the first thread loads before a VM is asked for, the second when it is', async () => {
  const script = join(folder, 'ahead.cjs');
  writeFileSync(
    script,
    `const { parentPort, threadId, workerData } = require('node:worker_threads');
     require('node:fs').writeFileSync(__dirname + '/loaded', '');
     Atomics.wait(new Int32Array(workerData.shared), 0, 0);
     parentPort.postMessage({ thread: threadId });`,
  );
  const startThread = vmThreads(script);
  const loaded = join(folder, 'loaded');
  while (!existsSync(loaded)) await turn();
  const begin = () =>
    new Promise<VmReport>((resolve) => startThread(start, { report: resolve, exited: () => {} }));
  rmSync(loaded);
  await begin();
  expect(existsSync(loaded), 'the first VM got the thread that was there').toBe(false);
  await begin();
  expect(existsSync(loaded)).toBe(true);
});

test('a thread warms up only while no VM waits for it', () => {
  const { port1, port2 } = new MessageChannel();
  const shared = new SharedArrayBuffer(12);
  const tell = () => {
    port1.postMessage({ kind: 'start', start });
    Atomics.add(new Int32Array(shared), 0, 1);
  };
  let warmed = 0;
  const warmUp = () => {
    warmed += 1;
    tell();
  };
  expect(receiveStart({ commands: port2, shared }, warmUp)).toEqual(start);
  expect(warmed).toBe(1);
  tell();
  expect(receiveStart({ commands: port2, shared }, warmUp)).toEqual(start);
  expect(warmed).toBe(1);
  port1.close();
});
