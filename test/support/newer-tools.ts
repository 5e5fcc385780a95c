import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe } from 'vitest';
import { type DebianPackages, unpackFrom } from './debian-packages.ts';
import { NOT_RUN } from './tools.ts';

/** How to start a program: what comes before its own arguments, and its environment. */
export interface Program {
  readonly file: string;
  readonly arguments: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

type NewerTool = 'qemu' | 'binutils';

/** Debian 12's QEMU is 7.2; its backports have the one that knows the extensions of RVA23. */
const QEMU: DebianPackages = {
  name: 'qemu-10',
  suite: 'bookworm-backports',
  packages: ['qemu-system-riscv', 'qemu-system-data'],
};
/** Of Debian 13, with the C library that it needs: that of this machine may be older. */
const BINUTILS: DebianPackages = {
  name: 'binutils-2.44',
  suite: 'trixie',
  packages: ['binutils-riscv64-unknown-elf', 'libc6', 'libzstd1', 'zlib1g'],
};
const QEMU_MAJOR = 10;
const LIBRARIES = 'usr/lib/x86_64-linux-gnu';

/**
 * A `describe` that runs where newer tools than this machine's are installed or can be fetched from Debian. Otherwise its
 * tests do not run, and the closing report lists them with the reason.
 */
export function describeWithNewer(tools: readonly NewerTool[], name: string, body: () => void): void {
  const problems = tools.map((tool) => (tool === 'qemu' ? newerQemu() : newerBinutils('objdump')));
  const problem = problems.find((found) => typeof found === 'string');
  if (problem === undefined) describe(name, body);
  else describe.skip(`${name} [${NOT_RUN}${problem}]`, body);
}

let qemu: Program | string | undefined;

/** `qemu-system-riscv64` of version 10 or newer, or why there is none. */
export function newerQemu(): Program | string {
  qemu ??= findQemu();
  return qemu;
}

/** A program of binutils 2.44 for RISC-V, or why there is none. */
export function newerBinutils(program: 'objdump' | 'as' | 'objcopy'): Program | string {
  const unpacked = unpackFrom(BINUTILS);
  if ('problem' in unpacked) return unpacked.problem;
  const libraries = join(unpacked.folder, LIBRARIES);
  const found: Program = {
    file: join(libraries, 'ld-linux-x86-64.so.2'),
    arguments: [
      '--library-path',
      libraries,
      join(unpacked.folder, 'usr/bin', `riscv64-unknown-elf-${program}`),
    ],
  };
  return versionOf(found) === undefined ? `the unpacked ${BINUTILS.name} does not run here` : found;
}

/** Runs a program to its end; returns what it prints. */
export function output(program: Program | string, args: readonly string[]): string {
  if (typeof program === 'string') throw new Error(program);
  return execFileSync(program.file, [...program.arguments, ...args], {
    encoding: 'utf8',
    maxBuffer: 1 << 27,
    env: { ...process.env, ...program.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

function findQemu(): Program | string {
  const installed: Program = { file: 'qemu-system-riscv64', arguments: [] };
  if ((versionOf(installed) ?? 0) >= QEMU_MAJOR) return installed;
  const unpacked = unpackFrom(QEMU);
  if ('problem' in unpacked) return unpacked.problem;
  const found: Program = {
    file: join(unpacked.folder, 'usr/bin/qemu-system-riscv64'),
    arguments: ['-L', join(unpacked.folder, 'usr/share/qemu')],
    // Modules of the installed QEMU are not this one's.
    env: { QEMU_MODULE_DIR: join(unpacked.folder, LIBRARIES, 'qemu') },
  };
  return versionOf(found) === undefined
    ? 'apt-get install qemu-system-misc, whose libraries QEMU 10 needs'
    : found;
}

/** The major version that a program prints, undefined when it does not run. */
function versionOf(program: Program): number | undefined {
  try {
    return Number(/(\d+)\.\d+/.exec(output(program, ['--version']))?.[1]);
  } catch {
    return undefined;
  }
}
