import { readFileSync } from 'node:fs';
import type { LinuxGuest } from './linux-guests.ts';

/** What a path of an archive is. */
export type CpioEntry =
  | { readonly path: string; readonly kind: 'folder' }
  | { readonly path: string; readonly kind: 'file'; readonly data: Uint8Array; readonly executable?: boolean }
  | { readonly path: string; readonly kind: 'console' };

const MODE = { folder: 0o040755, file: 0o100644, program: 0o100755, console: 0o020600 } as const;
/** `/dev/console` (Linux, `Documentation/admin-guide/devices.txt`). */
const CONSOLE = { major: 5, minor: 1 } as const;

/** An archive as the kernel unpacks it to its first file system (Linux, `early-userspace/buffer-format.rst`, "newc"). */
export function cpioArchive(entries: readonly CpioEntry[]): Uint8Array {
  const parts: Buffer[] = [];
  let number = 1;
  const add = (path: string, mode: number, data: Uint8Array, device = { major: 0, minor: 0 }): void => {
    const name = Buffer.from(`${path}\0`);
    const owner = [0, 0];
    const links = 1;
    const fields = [
      number++,
      mode,
      ...owner,
      links,
      0,
      data.length,
      0,
      0,
      device.major,
      device.minor,
      name.length,
      0,
    ];
    const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
    parts.push(padded(Buffer.concat([Buffer.from(header), name])), padded(data));
  };
  for (const entry of entries) {
    switch (entry.kind) {
      case 'folder':
        add(entry.path, MODE.folder, new Uint8Array());
        break;
      case 'file':
        add(entry.path, entry.executable === true ? MODE.program : MODE.file, entry.data);
        break;
      case 'console':
        add(entry.path, MODE.console, new Uint8Array(), CONSOLE);
        break;
    }
  }
  add('TRAILER!!!', 0, new Uint8Array());
  return Buffer.concat(parts);
}

function padded(data: Uint8Array): Buffer {
  return Buffer.concat([data, Buffer.alloc(-data.length & 3)]);
}

/** In 2023, in seconds: e2fsck wants times that are not in the future, and the guest's own clock begins in 1970. */
export const GUEST_TIME = 1_700_000_000;

/** Gives a shell the console as its terminal; when it ends the machine is turned off. */
const SHELL = 'setsid cttyhack sh\npoweroff -f\n';

/** The first process. With `root=` in the kernel's command line it goes on there, else it starts a shell. */
const INIT = `#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read module; do insmod /modules/$module.ko; done < /modules/order
root=$(sed -n 's/.*\\broot=\\([^ ]*\\).*/\\1/p' /proc/cmdline)
if [ -n "$root" ]; then
  mount "$root" /root
  for folder in proc sys dev; do mount -o move /$folder /root/$folder; done
  exec switch_root /root /sbin/init
fi
${SHELL}`;

/**
 * `/sbin/init` of a root file system. The disk is clean when the machine is turned off. The clock is set: e2fsck takes a time of
 * deletion from early 1970 for a link of the list of orphaned inodes.
 */
export const ROOT_INIT = `#!/bin/busybox sh
/bin/busybox --install -s /bin
date -s @${GUEST_TIME} > /dev/null
setsid cttyhack sh
mount -o remount,ro /
poweroff -f
`;

/** An initial file system of busybox and modules, with our own `/init` that loads them. */
export function linuxInitramfs(guest: LinuxGuest, modules: readonly string[]): Uint8Array {
  const loaded = guest.modules(modules);
  const text = (contents: string): Uint8Array => Buffer.from(contents);
  return cpioArchive([
    ...['bin', 'dev', 'proc', 'sys', 'root', 'mnt', 'tmp', 'modules'].map(
      (path) => ({ path, kind: 'folder' }) as const,
    ),
    { path: 'dev/console', kind: 'console' },
    { path: 'bin/busybox', kind: 'file', data: readFileSync(guest.busybox), executable: true },
    { path: 'init', kind: 'file', data: text(INIT), executable: true },
    { path: 'modules/order', kind: 'file', data: text(loaded.map(({ name }) => `${name}\n`).join('')) },
    ...loaded.map(({ name, data }) => ({ path: `modules/${name}.ko`, kind: 'file', data }) as const),
  ]);
}
