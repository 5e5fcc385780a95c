import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { Machine } from '../../vmm/contracts/machine.ts';
import { createMachine } from '../../vmm/machine/index.ts';
import { vmConfigSchema } from '../../vmm/protocol/messages.ts';
import { runQemu, temporaryFolder } from '../support/qemu.ts';
import { describeWith } from '../support/tools.ts';

const SAMPLE = fileURLToPath(new URL('../../samples/01-first-kernel', import.meta.url));
const KERNEL = join(SAMPLE, 'kernel.elf');

/** What the README says the kernel prints. */
const STORY = /^```text\n([\s\S]*?)^```/m.exec(readFileSync(join(SAMPLE, 'README.md'), 'utf8'))![1]!;

const LAST_LINE = STORY.trimEnd().split('\n').at(-1)!;

/** A guest's console as text: line ends as they are in files. */
const lines = (output: string): string => output.replaceAll('\r\n', '\n');

describe('the sample kernel’s ELF', () => {
  test('holds no path of the machine that built it', () => {
    const strings = readFileSync(KERNEL, 'latin1').match(/[\x20-\x7e]{4,}/g)!;
    expect(strings.filter((text) => /^\/|\/(usr|home|tmp|root|work|build)\b/.test(text))).toEqual([]);
  });
});

/** Runs the kernel until it has powered off, typing `text` when it waits for input. Returns what it printed. */
function runHere(append: string | undefined, text: string): { output: string; machine: Machine } {
  let output = '';
  const machine = createMachine({
    config: vmConfigSchema.parse({ kernel: KERNEL, append }),
    images: { kernel: { name: KERNEL, data: readFileSync(KERNEL) } },
    ports: {
      console: (data) => (output += Buffer.from(data).toString('latin1')),
      nowNs: () => 0,
      log() {},
    },
  });
  // A few hundred thousand instructions, and the steps that pass until the timer's ticks.
  for (let slices = 0; machine.end === null && slices < 200; slices++) {
    const { kind } = machine.run(1_000_000);
    if (kind === 'idle') machine.consoleInput(Buffer.from(text, 'latin1'));
  }
  return { output: lines(output), machine };
}

describe('the sample kernel on this machine', () => {
  test('prints what its README says, and powers off', () => {
    const { output, machine } = runHere(undefined, '');
    expect(output).toBe(STORY);
    expect(machine.end).toEqual({ reason: 'shutdown', code: 0 });
    expect(Number(machine.instructions)).toBeLessThan(5_000_000);
  });

  test('echoes a line when the boot arguments ask for it', () => {
    const { output, machine } = runHere('echo', 'typed\r');
    expect(output.endsWith(`type a line: typed\n${LAST_LINE}\n`), output).toBe(true);
    expect(machine.end).toEqual({ reason: 'shutdown', code: 0 });
  });
});

/** Time by instructions: on a busy host the timer would tick between other lines. */
const VIRTUAL_TIME = ['-icount', 'shift=0'];

describeWith(['qemu-system-riscv64'], 'the sample kernel on QEMU', () => {
  test('prints what its README says, and powers off', async () => {
    const { output, status } = await runQemu({ kernel: KERNEL, bios: 'default', arguments: VIRTUAL_TIME });
    expect(lines(output).endsWith(STORY), output).toBe(true);
    expect(status).toBe(0);
  });

  test('echoes a line when the boot arguments ask for it', async () => {
    const input = { after: 'type a line: ', text: 'typed\r' };
    const options = {
      kernel: KERNEL,
      bios: 'default',
      arguments: ['-append', 'echo', ...VIRTUAL_TIME],
      input,
    };
    const { output, status } = await runQemu(options);
    expect(lines(output).endsWith(`type a line: typed\n${LAST_LINE}\n`), output).toBe(true);
    expect(status).toBe(0);
  });
});

describeWith(['riscv64-unknown-elf-gcc', 'make'], 'the sample kernel’s sources', () => {
  test('build to the very bytes that are committed, where the compiler is the same', () => {
    const folder = temporaryFolder();
    cpSync(SAMPLE, folder, { recursive: true, filter: (path) => !/build$|\.elf$/.test(path) });
    execFileSync('make', [], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    const built = readFileSync(join(folder, 'kernel.elf'));
    const committed = readFileSync(KERNEL);
    if (compilerOf(built) === compilerOf(committed)) expect(built.equals(committed)).toBe(true);
    else expect(built.length).toBeGreaterThan(10_000);
  });
});

/** The compiler's version as it signed the ELF's `.comment` section. */
function compilerOf(elf: Buffer): string {
  const signature = /GCC: \([^)]*\) [\d.]+/.exec(elf.toString('latin1'));
  expect(signature).not.toBeNull();
  return signature![0];
}
