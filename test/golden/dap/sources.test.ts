/** Sources and symbols that are not where the compiler had them, or that the kernel's own file does not have. */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseElf } from '../../../vmm/formats/elf.ts';
import { DapClient, SAMPLE } from '../../support/dap.ts';
import { describeWith, findTool } from '../../support/tools.ts';

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

type Placed = { breakpoints: DebugProtocol.Breakpoint[] };
const vmEnable = DapClient.line('main.c', 'vm_enable(hart);');

async function setBreakpoint(path: string, line: number): Promise<DebugProtocol.Breakpoint> {
  const { breakpoints } = await dap.request<Placed>('setBreakpoints', {
    source: { path },
    breakpoints: [{ line }],
  });
  return breakpoints[0]!;
}

const setFunctions = async (...names: string[]): Promise<DebugProtocol.Breakpoint[]> =>
  (await dap.request<Placed>('setFunctionBreakpoints', { breakpoints: names.map((name) => ({ name })) }))
    .breakpoints;

const names = async (): Promise<string[]> => (await dap.frames()).map(({ name }) => name);

describe('sourceMap', () => {
  /** The sample's sources and its ELF in two folders that know nothing of each other. */
  function moveSample(): { sources: string; kernel: string } {
    const sources = join(folder, 'checkout', 'src');
    const build = join(folder, 'out');
    for (const path of [sources, build]) mkdirSync(path, { recursive: true });
    for (const file of readdirSync(SAMPLE).filter((name) => /\.[chS]$/.test(name))) {
      copyFileSync(join(SAMPLE, file), join(sources, file));
    }
    copyFileSync(join(SAMPLE, 'kernel.elf'), join(build, 'kernel.elf'));
    return { sources, kernel: join(build, 'kernel.elf') };
  }

  test('without it, breakpoints in sources that moved are refused with what to do', async () => {
    const { sources, kernel } = moveSample();
    await dap.launchSample({ kernel });
    const placed = await setBreakpoint(join(sources, 'main.c'), vmEnable);
    expect(placed).toMatchObject({ verified: false });
    expect(placed.message).toContain('add a "sourceMap"');
  });

  test.each([
    ['where the relative paths of the build start', '.', 'checkout/src'],
    ['the folder where they were looked for', 'out', 'checkout/src/'],
  ])('maps %s; what is relative starts at cwd', async (_, from, to) => {
    const { sources, kernel } = moveSample();
    const key = from === '.' ? from : join(folder, from);
    await dap.launchSample({ kernel, cwd: folder, sourceMap: { [key]: to } });
    const main = join(sources, 'main.c');
    expect(await setBreakpoint(main, vmEnable)).toMatchObject({ verified: true, line: vmEnable });
    await dap.run();
    const frames = await dap.frames();
    expect(frames.map(({ source }) => source?.path)).toEqual([main, join(sources, 'start.S')]);
    const { sources: loaded } = await dap.request<{ sources: DebugProtocol.Source[] }>('loadedSources');
    expect(loaded.map(({ path }) => path)).toContain(join(sources, 'uart.c'));
  });
});

describe('symbols', () => {
  /** The sample's kernel as it lies in memory, without a symbol. */
  function rawKernel(): string {
    const { segments } = parseElf(readFileSync(join(SAMPLE, 'kernel.elf')));
    const loaded = segments.filter(({ memSize }) => memSize > 0);
    const base = loaded.map(({ paddr }) => paddr).sort()[0]!;
    expect(base).toBe(0x8020_0000n);
    const image = new Uint8Array(
      Math.max(...loaded.map(({ paddr, data }) => Number(paddr - base) + data.length)),
    );
    for (const { paddr, data } of loaded) image.set(data, Number(paddr - base));
    const path = join(folder, 'kernel.bin');
    writeFileSync(path, image);
    return path;
  }

  test('of another file name the code of a raw image', async () => {
    await dap.launchSample({ kernel: rawKernel(), symbols: [join(SAMPLE, 'kernel.elf')] });
    expect(await setBreakpoint(join(SAMPLE, 'main.c'), vmEnable)).toMatchObject({ verified: true });
    await dap.run();
    expect(await names()).toEqual(['kernel_main', '_start']);
  });

  test('in the space of virtual addresses count once translation is on', async () => {
    const file = join(SAMPLE, 'kernel.elf');
    await dap.launchSample({ kernel: rawKernel(), symbols: [{ file, space: 'virtual' }], stopOnEntry: true });
    await dap.run();
    expect(await names()).toEqual(['0x80200000']);
    await setFunctions('touch_unmapped_page');
    await dap.runUntilStop('continue');
    expect((await names())[0]).toBe('touch_unmapped_page');
  });

  test('with a wrong offset are elsewhere', async () => {
    const file = join(SAMPLE, 'kernel.elf');
    await dap.launchSample({
      kernel: rawKernel(),
      symbols: [{ file, offset: '-0x1000' }],
      stopOnEntry: true,
    });
    const [placed] = await setFunctions('_start');
    expect(placed).toMatchObject({ verified: true, instructionReference: '0x801ff000' });
    await dap.run();
    expect((await names())[0]).not.toBe('_start');
  });
});

test('functions by several names: of C, a label, an address, one of none, the same twice', async () => {
  await dap.launchSample();
  const placed = await setFunctions('kernel_main', 'trap_entry', '0x80200000', 'nobody', 'kernel_main');
  expect(placed.map(({ verified }) => verified)).toEqual([true, true, true, false, true]);
  expect(placed[0]!.instructionReference).toBe(placed[4]!.instructionReference);
  expect(new Set(placed.map(({ id }) => id)).size).toBe(5);
  // The last is at the first instruction.
  expect((await dap.run()).hitBreakpointIds).toEqual([placed[2]!.id]);
  const hit = await dap.runUntilStop('continue');
  expect(hit.hitBreakpointIds).toEqual([placed[0]!.id, placed[4]!.id]);
  expect(await names()).toEqual(['kernel_main', '_start']);
  // Set again without some, those that stay keep their ids.
  const again = await setFunctions('trap_entry');
  expect(again[0]!.id).toBe(placed[1]!.id);
  expect((await dap.runUntilStop('continue')).hitBreakpointIds).toEqual([placed[1]!.id]);
});

describeWith(['riscv64-unknown-elf-gcc'], 'two files of one name', () => {
  const SOURCES = {
    'start.S': '.globl _start\n_start:\n  li sp, 0x80100000\n  call first\n  call second\n1: j 1b\n',
    'one/part.c': 'volatile int count;\n\nvoid first(void)\n{\n    count += 1;\n}\n',
    'two/part.c': 'extern volatile int count;\n\nvoid second(void)\n{\n    count += 2;\n}\n',
  };

  test('a breakpoint in each stops in its own', async () => {
    for (const [path, text] of Object.entries(SOURCES)) {
      mkdirSync(join(folder, path, '..'), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    const kernel = join(folder, 'kernel.elf');
    const flags = [
      '-g',
      '-Og',
      '-mcmodel=medany',
      '-nostdlib',
      '-Wl,-Ttext=0x80000000,--no-warn-rwx-segments',
    ];
    const files = Object.keys(SOURCES);
    execFileSync(findTool('riscv64-unknown-elf-gcc')!, [...flags, ...files, '-o', kernel], { cwd: folder });
    await dap.launchSample({ kernel, firmware: 'none' });
    const two = await setBreakpoint(join(folder, 'two/part.c'), 5);
    expect(two).toMatchObject({ verified: true, source: { path: join(folder, 'two/part.c') } });
    expect(await dap.run()).toMatchObject({ hitBreakpointIds: [two.id] });
    expect((await names())[0]).toBe('second');

    const one = await setBreakpoint(join(folder, 'one/part.c'), 5);
    expect(one.instructionReference).not.toBe(two.instructionReference);
    await dap.request('restart');
    expect(await dap.next('stopped')).toMatchObject({ hitBreakpointIds: [one.id] });
    expect((await names())[0]).toBe('first');
    expect(await dap.runUntilStop('continue')).toMatchObject({ hitBreakpointIds: [two.id] });
  });
});
