import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { FrameRegisters, HartView } from '../model.ts';
import { REGISTER_NAMES } from '../registers.ts';
import type { Program } from './programs.ts';

/** A program stopped at a breakpoint in QEMU: what gdb says about it, and its state to look at with our own code. */
export interface Snapshot {
  readonly hart: HartView;
  /** What gdb printed for each of the commands. */
  readonly answers: readonly string[];
}

const RAM = { start: 0x8000_0000n, size: 64 * 1024 } as const;
const CSRS = ['mepc', 'mtvec', 'mscratch', 'sepc', 'stvec', 'mstatus'] as const;

/**
 * Runs a program on QEMU's `virt` board under gdb up to where the `setup` commands lead (`break f`, `continue`), and
 * takes a copy of registers and memory there. QEMU listens on a socket in the program's folder.
 */
export async function stopAt(
  program: Program,
  setup: readonly string[],
  questions: readonly string[] = [],
): Promise<Snapshot> {
  const socket = join(program.folder, 'gdb.sock');
  const dump = join(program.folder, 'ram.bin');
  // An earlier stop's must not be taken for this one's when gdb gives up.
  rmSync(dump, { force: true });
  const qemu = spawn(
    'qemu-system-riscv64',
    [
      ...['-M', 'virt', '-cpu', 'rv64', '-m', '16M', '-bios', 'none', '-display', 'none', '-monitor', 'none'],
      ...[
        '-serial',
        'none',
        '-S',
        '-kernel',
        program.path,
        '-chardev',
        `socket,path=${socket},server=on,wait=on,id=gdb`,
      ],
      ...['-gdb', 'chardev:gdb'],
    ],
    // QEMU says on stderr that it waits for a connection once the socket exists.
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  try {
    await once(qemu.stderr, 'data');
    const commands = [
      'set pagination off',
      'set width 0',
      'set confirm off',
      'set print frame-arguments none',
      `target remote ${socket}`,
      ...setup,
      ...questions.flatMap((question) => ['echo \\n@@@\\n', question]),
      'echo \\n@@@\\n',
      'frame 0',
      ...['pc', ...REGISTER_NAMES.slice(0, 32), ...CSRS].map((name) => `printf "${name} %lx\\n", $${name}`),
      `dump binary memory ${dump} ${RAM.start} ${RAM.start + BigInt(RAM.size)}`,
      'disconnect',
    ];
    const args = ['-q', '-batch', '-nx', program.path, ...commands.flatMap((command) => ['-ex', command])];
    // A breakpoint that is never reached would leave gdb waiting for ever.
    const { stdout: printed } = await promisify(execFile)('gdb-multiarch', args, { timeout: 20_000 });
    const parts = printed.split('\n@@@\n').map((part) => part.trim());
    return { hart: hartFrom(parts.at(-1)!, readFileSync(dump)), answers: parts.slice(1, -1) };
  } finally {
    qemu.kill();
    if (qemu.exitCode === null && qemu.signalCode === null) await once(qemu, 'exit');
  }
}

function hartFrom(registers: string, ram: Uint8Array): HartView {
  const values = new Map<string, bigint>();
  for (const [, name, value] of registers.matchAll(/^(\w+) ([0-9a-f]+)$/gm))
    values.set(name!, BigInt(`0x${value}`));
  const state: FrameRegisters = {
    pc: values.get('pc')!,
    x: REGISTER_NAMES.slice(0, 32).map((name) => values.get(name)!),
    f: Array.from({ length: 32 }, () => undefined),
  };
  return {
    registers: state,
    privilege: 'M',
    readMemory: async (address, length) => {
      const start = Number(address - RAM.start);
      return start < 0 || start >= ram.length ? new Uint8Array(0) : ram.subarray(start, start + length);
    },
    readCsr: async (name) => values.get(name),
  };
}
