import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type DebianPackages, unpackFrom } from './debian-packages.ts';
import { findTool, TOOLS } from './find-tool.ts';
import { describeUnless } from './tools.ts';

/** Debian 13's own kernel, and one program that is all of user land. */
const PACKAGES: DebianPackages = {
  name: 'linux-trixie',
  suite: 'trixie',
  packages: ['busybox-static'],
  metapackages: ['linux-image-riscv64'],
  architecture: 'riscv64',
};

/** A kernel as Debian packages it. */
export interface LinuxGuest {
  /** As `uname -r` prints it. */
  readonly release: string;
  /** The kernel's `Image`. */
  readonly kernel: string;
  /** A static busybox for riscv64. */
  readonly busybox: string;
  /** Modules by name (`virtio_blk`), each after those that it depends on, decompressed. */
  modules(names: readonly string[]): readonly KernelModule[];
}

export interface KernelModule {
  readonly name: string;
  readonly data: Uint8Array;
}

/**
 * A `describe` that runs when Debian's kernel is there or can be fetched. Otherwise its tests do not run, and the
 * closing report lists them with the reason.
 */
export function describeWithLinux(name: string, body: (guest: LinuxGuest) => void): void {
  const found = findTool('xz') === undefined ? `apt-get install ${TOOLS.xz}` : debianLinux();
  if (typeof found === 'string') describeUnless(found, name, () => body(ABSENT));
  else describeUnless(null, name, () => body(found));
}

/** Debian's kernel, fetched where it is not there yet, or why not. */
export function debianLinux(): LinuxGuest | string {
  const unpacked = unpackFrom(PACKAGES);
  if ('problem' in unpacked) return unpacked.problem;
  const boot = join(unpacked.folder, 'boot');
  const image = readdirSync(boot).find((name) => name.startsWith('vmlinux-'))!;
  const release = image.slice('vmlinux-'.length);
  return {
    release,
    kernel: join(boot, image),
    busybox: join(unpacked.folder, 'usr/bin/busybox'),
    modules: (names) => inOrder(join(unpacked.folder, 'usr/lib/modules', release), names),
  };
}

/** What a `describe` is given whose tests do not run. */
const ABSENT: LinuxGuest = { release: '', kernel: '', busybox: '', modules: () => [] };

function inOrder(folder: string, names: readonly string[]): KernelModule[] {
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const files = new Map(
    paths.filter((path) => path.endsWith('.ko.xz')).map((path) => [moduleName(path), join(folder, path)]),
  );
  const builtIn = new Set(readFileSync(join(folder, 'modules.builtin'), 'utf8').split('\n').map(moduleName));
  const found = new Map<string, KernelModule>();
  const add = (name: string): void => {
    if (found.has(name) || builtIn.has(name)) return;
    const file = files.get(name);
    if (file === undefined) throw new Error(`the kernel has no module ${name}`);
    const data = execFileSync('xz', ['-dc', file], { maxBuffer: 1 << 26, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const dependency of dependenciesOf(data)) add(dependency);
    found.set(name, { name, data: withoutSignature(data) });
  };
  for (const name of names) add(name);
  return [...found.values()];
}

/** File names have hyphens where the names of modules have underscores. */
const moduleName = (path: string): string =>
  basename(path)
    .replace(/\.ko(\.xz)?$/, '')
    .replaceAll('-', '_');

const SIGNATURE_END = Buffer.from('~Module signature appended~\n');
/** Ends with the size of the signature before it, big-endian (Linux, `include/linux/module_signature.h`). */
const SIGNATURE_HEADER_BYTES = 12;

/**
 * The module as it was before it was signed. The kernel loads it all the same, with a word of warning; checking the signatures of
 * what ext4 needs would be half of all that the kernel executes until a shell comes.
 */
function withoutSignature(data: Buffer): Uint8Array {
  const header = data.length - SIGNATURE_END.length - SIGNATURE_HEADER_BYTES;
  if (!data.subarray(data.length - SIGNATURE_END.length).equals(SIGNATURE_END)) return data;
  return data.subarray(0, header - data.readUInt32BE(header + SIGNATURE_HEADER_BYTES - 4));
}

/** Names in the module's own description, a list of `key=value` strings (`modinfo -F depends`). */
function dependenciesOf(data: Buffer): readonly string[] {
  const list = /\0depends=([^\0]*)\0/.exec(data.toString('latin1'))?.[1];
  if (list === undefined) throw new Error('a kernel module that does not tell its dependencies');
  return list === '' ? [] : list.split(',').map(moduleName);
}
