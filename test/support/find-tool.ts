import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Programs that tests use as oracles or tools, and the Debian package each comes from. */
export const TOOLS = {
  'qemu-system-riscv64': 'qemu-system-misc',
  'riscv64-unknown-elf-gcc': 'gcc-riscv64-unknown-elf',
  'riscv64-unknown-elf-objdump': 'binutils-riscv64-unknown-elf',
  'riscv64-unknown-elf-objcopy': 'binutils-riscv64-unknown-elf',
  'riscv64-unknown-elf-addr2line': 'binutils-riscv64-unknown-elf',
  make: 'make',
  cc: 'gcc',
  dtc: 'device-tree-compiler',
  'qemu-img': 'qemu-utils',
  'qemu-io': 'qemu-utils',
  'gdb-multiarch': 'gdb-multiarch',
  'llvm-dwarfdump-14': 'llvm-14',
  mke2fs: 'e2fsprogs',
  e2fsck: 'e2fsprogs',
  debugfs: 'e2fsprogs',
  xz: 'xz-utils',
  tshark: 'tshark',
  chromium: 'chromium',
  'apt-get': 'apt',
} as const;

export type Tool = keyof typeof TOOLS;

/** Debian keeps these from most users' PATH, and what makes file systems is there. */
const SYSTEM_FOLDERS = ['/usr/sbin', '/sbin'];

/** Absolute path of a program on PATH or among the system's, or undefined. */
export function findTool(tool: string): string | undefined {
  for (const folder of [...(process.env['PATH'] ?? '').split(delimiter), ...SYSTEM_FOLDERS]) {
    const path = join(folder, tool);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder; the next may have it.
    }
  }
  return undefined;
}
