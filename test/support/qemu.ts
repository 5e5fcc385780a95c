import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import type { Program } from './newer-tools.ts';

/** Folder of the guests' start-up code and linker script. */
const GUESTS = fileURLToPath(new URL('guests/', import.meta.url));

/** A fresh folder, removed when the test that asks for it is over. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'hartscope-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface GuestOptions {
  /** Where sources, data files and the ELF go; see `temporaryFolder`. */
  readonly folder: string;
  /** File name (`.c`, `.S`, or data that these include) to contents. All `.c` and `.S` are compiled. */
  readonly sources: Readonly<Record<string, string | Uint8Array>>;
  /** Default `rv64gc_zba_zbb_zbs`. */
  readonly march?: string;
  /** Default: `guests/bare.ld`, M-mode at 0x8000_0000. */
  readonly linkerScript?: string;
  /** Adds `guests/start.S`, which calls `main` and ends the machine with its result. Default true. */
  readonly start?: boolean;
  readonly flags?: readonly string[];
}

/** Compiles and links a guest with Debian's `riscv64-unknown-elf-gcc`; returns the ELF's path. */
export function compileGuest(options: GuestOptions): string {
  const { folder, sources, march = 'rv64gc_zba_zbb_zbs', start = true, flags = [] } = options;
  for (const [name, contents] of Object.entries(sources)) writeFileSync(join(folder, name), contents);
  const units = Object.keys(sources).filter((name) => /\.[cS]$/.test(name));
  const elf = join(folder, 'guest.elf');
  execFileSync(
    'riscv64-unknown-elf-gcc',
    [
      ...['-nostdlib', '-nostartfiles', '-ffreestanding', '-static', '-O1', '-g', '-mcmodel=medany'],
      ...[`-march=${march}`, '-mabi=lp64d', '-Wall', '-Werror', '-Wl,--build-id=none,--no-warn-rwx-segments'],
      ...['-T', options.linkerScript ?? join(GUESTS, 'bare.ld'), ...flags, '-o', elf, ...units],
      ...(start ? [join(GUESTS, 'start.S')] : []),
      '-lgcc',
    ],
    { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  return elf;
}

export interface QemuOptions {
  /** ELF or raw image, as `-kernel` takes it. */
  readonly kernel: string;
  /** `-bios`: `none` (the default, M-mode), `default` (the OpenSBI that QEMU carries) or a file. */
  readonly bios?: string;
  readonly cpu?: string;
  /** Which QEMU; default the installed one. */
  readonly program?: Program;
  /** MiB. */
  readonly memory?: number;
  readonly harts?: number;
  /** Typed at the UART once the output holds `after`. */
  readonly input?: { readonly after: string; readonly text: string };
  /** RAM is kept in this file, so that a test can read what the guest left in memory. */
  readonly ramFile?: string;
  readonly arguments?: readonly string[];
  readonly timeoutMs?: number;
}

export interface QemuRun {
  /** What the guest wrote to its UART. */
  readonly output: string;
  /** 0 after a power-off or a pass of the test device. */
  readonly status: number | null;
}

/**
 * Runs `qemu-system-riscv64 -M virt` until the guest ends the machine. Rejects, with the output so far, when it
 * takes longer than `timeoutMs`.
 */
export function runQemu(options: QemuOptions): Promise<QemuRun> {
  const { bios = 'none', cpu = 'rv64', memory = 128, harts = 1, timeoutMs = 60_000 } = options;
  const program = options.program ?? { file: 'qemu-system-riscv64', arguments: [] };
  const ram = options.ramFile
    ? ['-object', `memory-backend-file,id=ram,size=${memory}M,mem-path=${options.ramFile},share=on`]
    : [];
  const machine = options.ramFile ? 'virt,memory-backend=ram' : 'virt';
  const qemu = spawn(
    program.file,
    [
      ...program.arguments,
      ...['-M', machine, ...ram, '-cpu', cpu, '-m', `${memory}M`, '-smp', String(harts)],
      ...['-display', 'none', '-monitor', 'none', '-serial', 'stdio', '-no-reboot', '-nodefaults'],
      ...['-bios', bios, '-kernel', options.kernel, ...(options.arguments ?? [])],
    ],
    { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...program.env } },
  );
  return new Promise((resolve, reject) => {
    let output = '';
    let errors = '';
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      qemu.kill('SIGKILL');
    }, timeoutMs);
    let { input } = options;
    qemu.stdout.on('data', (data: Buffer) => {
      output += data.toString('latin1');
      if (input === undefined || !output.includes(input.after)) return;
      qemu.stdin.write(input.text);
      input = undefined;
    });
    qemu.stderr.on('data', (data: Buffer) => (errors += data.toString('utf8')));
    qemu.stdin.on('error', () => {}); // The guest may end before it has read everything.
    qemu.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    qemu.on('close', (status) => {
      clearTimeout(timer);
      if (late) reject(new Error(`QEMU did not end within ${timeoutMs} ms. Its output:\n${output}${errors}`));
      else if (errors !== '' && status !== 0) reject(new Error(`QEMU ended with ${status}: ${errors}`));
      else resolve({ output, status });
    });
  });
}

/** Addresses of an ELF's symbols, as `nm` prints them. */
export function symbolsOf(elf: string): Map<string, number> {
  const listing = execFileSync('riscv64-unknown-elf-nm', [elf], { encoding: 'utf8' });
  return new Map(
    listing
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .map(([address, , name]) => [name!, Number.parseInt(address!, 16)]),
  );
}

/** RAM of a finished QEMU run from a guest-physical address on. */
export function ramOf(ramFile: string, address: number, length: number): Uint8Array {
  const offset = address - 0x8000_0000;
  return readFileSync(ramFile).subarray(offset, offset + length);
}
