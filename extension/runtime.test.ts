import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findRuntime } from './runtime.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hartscope-runtime-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A program that runs a shell command in place of Node. */
function program(name: string, command: string): string {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\n${command}\n`);
  chmodSync(path, 0o755);
  return path;
}

const node = { command: process.execPath, env: {} };

test('the first that has what the machine needs is taken', async () => {
  expect(await findRuntime([node, { command: 'absent', env: {} }])).toEqual({ runtime: node, rejected: [] });
});

test('one without shared memory, one that crashes and one that is missing are passed over', async () => {
  const without = program(
    'without',
    `exec "${process.execPath}" --eval "delete globalThis.SharedArrayBuffer; eval(process.argv[1])" "$2"`,
  );
  const runtimes = [without, program('crash', 'kill -SEGV $$'), join(folder, 'absent')];
  const { runtime, rejected } = await findRuntime([
    ...runtimes.map((command) => ({ command, env: {} })),
    node,
  ]);
  expect(runtime).toBe(node);
  expect(rejected).toEqual([
    expect.stringMatching(/without: the probe ended with status \d+$/),
    expect.stringMatching(/crash: the probe ended with SIGSEGV$/),
    expect.stringMatching(/absent: .*ENOENT$/),
  ]);
});

test('when none will do, the message says what to install', async () => {
  await expect(findRuntime([{ command: join(folder, 'absent'), env: {} }])).rejects.toThrow(
    /Install Node\.js 20\.19 or newer so that "node" is on PATH\. Tried .*ENOENT\.$/,
  );
});
