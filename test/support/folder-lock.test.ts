import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { withFolderLock } from './folder-lock.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hartscope-lock-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Has several ask at once. @returns who each was told to wait for. */
async function compete(count: number): Promise<number[]> {
  const waits: number[] = [];
  let inside = 0;
  const body = async (): Promise<void> => {
    inside += 1;
    expect(inside).toBe(1);
    await new Promise((resolve) => setImmediate(resolve));
    inside -= 1;
  };
  const all = Array.from({ length: count }, () =>
    withFolderLock(join(folder, 'lock'), (holder) => waits.push(holder), body),
  );
  await Promise.all(all);
  expect(readdirSync(folder)).toEqual([]);
  return waits;
}

test('one at a time; the others wait and say for whom', async () => {
  expect(new Set(await compete(4))).toEqual(new Set([process.pid]));
});

test("a dead process's lock passes to one of those who find it", async () => {
  const dead = spawnSync(process.execPath, ['-e', 'console.log(process.pid)'], { encoding: 'utf8' }).stdout;
  mkdirSync(join(folder, 'lock'));
  writeFileSync(join(folder, 'lock', 'pid'), dead.trim());
  expect(await compete(4)).not.toContain(Number(dead));
});

test('a failure releases it', async () => {
  const fail = () => Promise.reject(new Error('no network'));
  await expect(withFolderLock(join(folder, 'lock'), () => {}, fail)).rejects.toThrow('no network');
  expect(await compete(1)).toEqual([]);
});
