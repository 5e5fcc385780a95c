import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'vitest';
import { CACHE } from './debian-packages.ts';
import { findTool, NOT_RUN } from './tools.ts';

/** Guests that Debian packages, all of architecture `all`: they unpack on any machine, without root. */
const PACKAGES = ['opensbi', 'u-boot-qemu'] as const;

const unpacked = join(CACHE, 'debian');

const opensbi = join(unpacked, 'usr/lib/riscv64-linux-gnu/opensbi/generic');
const uboot = join(unpacked, 'usr/lib/u-boot');

/** Absolute paths of firmware and boot loaders built for QEMU's `virt`. */
export const GUESTS = {
  fwJump: join(opensbi, 'fw_jump.elf'),
  fwDynamic: join(opensbi, 'fw_dynamic.bin'),
  ubootSupervisor: join(uboot, 'qemu-riscv64_smode/uboot.elf'),
  ubootSupervisorRaw: join(uboot, 'qemu-riscv64_smode/u-boot.bin'),
  ubootMachine: join(uboot, 'qemu-riscv64/uboot.elf'),
  ubootMachineRaw: join(uboot, 'qemu-riscv64/u-boot.bin'),
} as const;

/**
 * A `describe` that runs when Debian's guests are there or can be fetched with `apt-get download`. Otherwise its
 * tests do not run, and the closing report lists them with the reason.
 */
export function describeWithGuests(name: string, body: () => void): void {
  const problem = fetchGuests();
  if (problem === undefined) describe(name, body);
  else describe.skip(`${name} [${NOT_RUN}${problem}]`, body);
}

/** Fetches and unpacks what is missing. Returns why it could not, as the command that helps. */
function fetchGuests(): string | undefined {
  if (Object.values(GUESTS).every((path) => existsSync(path))) return undefined;
  for (const tool of ['apt-get', 'dpkg-deb']) {
    if (findTool(tool) === undefined) return `needs Debian's ${tool}`;
  }
  mkdirSync(CACHE, { recursive: true });
  // Test files run side by side: each unpacks in a folder of its own, and the first to be done names it.
  const work = mkdtempSync(join(CACHE, 'fetch-'));
  try {
    execFileSync('apt-get', ['download', ...PACKAGES], { cwd: work, stdio: 'pipe' });
    const root = join(work, 'root');
    for (const file of readdirSync(work).filter((entry) => entry.endsWith('.deb'))) {
      execFileSync('dpkg-deb', ['-x', join(work, file), root], { stdio: 'pipe' });
    }
    if (!existsSync(unpacked)) renameSync(root, unpacked);
  } catch {
    // Another process may have been faster, or the lists of packages are missing or the network is.
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  const missing = Object.values(GUESTS).filter((path) => !existsSync(path));
  return missing.length === 0 ? undefined : `apt-get update && apt-get download ${PACKAGES.join(' ')}`;
}
