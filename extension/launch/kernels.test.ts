import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isRiscvExecutable, kernelsNear } from './kernels.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'hartscope-kernels-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function elfHeader({ bits = 64, little = true, type = 2, machine = 243 } = {}): Buffer {
  const header = Buffer.alloc(64);
  header.set([0x7f, 0x45, 0x4c, 0x46, bits === 64 ? 2 : 1, little ? 1 : 2, 1]);
  header.writeUInt16LE(type, 16);
  header.writeUInt16LE(machine, 18);
  return header;
}

function put(path: string, content: Buffer | string): string {
  const absolute = join(root, path);
  mkdirSync(dirname(absolute), { recursive: true });
  writeFileSync(absolute, content);
  return absolute;
}

test.each([
  ['a RISC-V 64 executable', elfHeader(), true],
  ['a position-independent one', elfHeader({ type: 3 }), true],
  ['an object file', elfHeader({ type: 1 }), false],
  ['a 32-bit ELF', elfHeader({ bits: 32 }), false],
  ['a big-endian ELF', elfHeader({ little: false }), false],
  ['an x86-64 ELF', elfHeader({ machine: 62 }), false],
  ['a truncated ELF', elfHeader().subarray(0, 19), false],
  ['a text', 'int main(void) {}', false],
])('%s is a kernel: %#', async (_, content, expected) => {
  expect(await isRiscvExecutable(put('file', content))).toBe(expected);
});

test('a folder and a missing file are no kernels', async () => {
  expect(await isRiscvExecutable(root)).toBe(false);
  expect(await isRiscvExecutable(join(root, 'absent'))).toBe(false);
});

test('the nearest folder with a kernel wins, build folders included', async () => {
  put('far.elf', elfHeader());
  const near = [put('a/b/build/one', elfHeader()), put('a/b/zwei.elf', elfHeader())];
  put('a/b/c/host.elf', elfHeader({ machine: 62 }));
  expect(await kernelsNear(join(root, 'a/b/c/main.c'), root)).toEqual(near);
});

test('the search ends at the workspace folder', async () => {
  put('outside.elf', elfHeader());
  put('workspace/src/main.c', '');
  expect(await kernelsNear(join(root, 'workspace/src/main.c'), join(root, 'workspace'))).toEqual([]);
  expect(await kernelsNear(join(root, 'elsewhere/main.c'), join(root, 'workspace'))).toEqual([]);
});
