import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { VmReport, VmStart } from '../contracts/worker.ts';
import { vmConfigSchema } from '../protocol/messages.ts';
import { vmThreads } from './threads.ts';

const folder = mkdtempSync(join(tmpdir(), 'hartscope-threads-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const start: VmStart = { vm: 'test', owned: true, config: vmConfigSchema.parse({}) };

/** Starts a thread that runs `body`, which sees `workerData`, `parentPort` and `receive`; collects what it says. */
function thread(name: string, body: string) {
  const script = join(folder, `${name}.cjs`);
  writeFileSync(
    script,
    `const { parentPort, workerData, receiveMessageOnPort } = require('node:worker_threads');
     const words = new Int32Array(workerData.shared);
     const receive = () => receiveMessageOnPort(workerData.commands)?.message;
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
     Atomics.wait(words, 0, 0);
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
  for (const body of ['for (;;);', 'Atomics.wait(words, 0, 0);']) {
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
    `Atomics.wait(words, 0, 0);
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
