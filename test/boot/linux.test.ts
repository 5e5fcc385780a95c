import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Exchange } from '../support/conversation.ts';
import { describeWithGuests, GUESTS } from '../support/debian-guests.ts';
import { findTool } from '../support/find-tool.ts';
import { converse, converseWithQemuToEnd, typed } from '../support/linux-console.ts';
import { describeWithLinux } from '../support/linux-guests.ts';
import { linuxInitramfs, ROOT_INIT } from '../support/linux-initramfs.ts';
import { processes } from '../support/processes.ts';
import { describeWith } from '../support/tools.ts';

const { start } = processes();

const PROMPT = '~ # ';
const MIB = 1 << 20;
const DISK_MODULES = ['virtio_mmio', 'virtio_blk'];
const EXT4_MODULES = ['crc32c_generic', 'ext4'];
/** Only a hang takes it. */
const TIMEOUT_MS = 900_000;

const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

interface Mask {
  readonly pattern: RegExp | string;
  readonly why: string;
  /** What it is replaced by on both sides; empty: as if it had not been printed. */
  readonly by: string;
}

/** What may differ from QEMU wherever the kernel prints. */
const MASKS: readonly Mask[] = [
  { pattern: '\x1b[6n', why: 'the shell asks the terminal where it is when nothing is typed yet', by: '' },
  {
    pattern: /^~ # (exit\n)?(\[ *[\d.]+\] )?(?=EXT4-fs \(vda\): re-mounted)|(?<=re-mounted .*\n)exit\n/gm,
    why: "what was typed last is echoed before the kernel's own last words, behind them, or not any more",
    by: '',
  },
  { pattern: /^\[ *[\d.]+\] /gm, why: 'time', by: '' },
  {
    pattern: /(?<=^sh \()\d+(?=\): drop_caches)/gm,
    why: 'the kernel starts threads as it needs them',
    by: 'N',
  },
];

/** The harts' extensions are those of QEMU 7.2 where its log is compared. */
const QEMU_ISA = 'rv64gc_zihintpause_zihpm_zba_zbb_zbc_zbs_sstc';

/** What may differ from QEMU 7.2 with the same firmware and extensions in the kernel's log. */
const LOG_MASKS: readonly Mask[] = [
  {
    pattern: /^Falling back to deprecated "riscv,isa"\n/gm,
    why: "QEMU's device tree lacks riscv,isa-extensions",
    by: '',
  },
  {
    pattern:
      /(?<=^Memory: )\d+(?=K\/)|\d+(?=K reserved, 0K cma)|(?<=^NODE_DATA\(0\) allocated \[mem ).*(?=\])/gm,
    why: 'the device trees differ in size, and with them what they leave free',
    by: 'N',
  },
  { pattern: /(?<=^audit: type=2000 audit\()[\d.]+|(?<=setting system clock to ).*/gm, why: 'time', by: 'N' },
  {
    pattern: /(?<=deferred pages initialised in )\d+/gm,
    why: 'time',
    by: 'N',
  },
  { pattern: /^hrtimer: interrupt took \d+ ns\n/gm, why: 'QEMU runs by the clock of its host', by: '' },
  {
    pattern: /^cpu(\d): (Ratio of byte access time .*|rdtime lacks granularity .*)/gm,
    why: 'speed; and between its turns a hart sees the time of the one furthest ahead',
    by: 'cpu$1',
  },
  {
    pattern: /^random: crng init done\n/gm,
    why: 'no rng-seed in the device tree, so that runs repeat',
    by: '',
  },
  {
    pattern: /(?<=firmware and )\d+(?= hardware counters)/gm,
    why: 'QEMU has 16 programmable counters',
    by: 'N',
  },
  {
    pattern:
      /^(pci-host-generic 30000000.pci: |pci_bus 0000:00: r).*(MEM 0x04|mem 0x4|exceeds max for 32).*\n/gm,
    why: 'no window for PCI above 4 GiB: there are no devices on the bus',
    by: '',
  },
];

/** How U-Boot's distribution boot finds a kernel. */
const EXTLINUX = `label linux
  kernel /Image
  initrd /initrd
  append console=ttyS0 quiet loaded=by-u-boot
`;
/** The one partition of the disk that U-Boot starts from. */
const PARTITION = { offset: MIB, size: 64 * MIB } as const;
const SECTOR_BYTES = 512;

/** A master boot record with the partition marked as the one to start from. */
function partitionTable(): Uint8Array {
  const record = new DataView(new ArrayBuffer(SECTOR_BYTES));
  const entry = 446;
  record.setUint8(entry, 0x80);
  record.setUint8(entry + 4, 0x83); // Linux
  record.setUint32(entry + 8, PARTITION.offset / SECTOR_BYTES, true);
  record.setUint32(entry + 12, PARTITION.size / SECTOR_BYTES, true);
  record.setUint16(510, 0xaa55, true);
  return new Uint8Array(record.buffer);
}

const masked = (text: string, masks: readonly Mask[]): string =>
  masks.reduce((rest, { pattern, by }) => rest.replaceAll(pattern, by), text);

/** From the first prompt on. */
const session = (output: string): string =>
  masked(output.slice(output.indexOf('~ # ')).replaceAll('\r', ''), MASKS);

/** The kernel's log up to the first prompt, sorted: parts of the kernel start side by side. */
const sortedLog = (output: string): string[] =>
  masked(
    output
      .slice(output.indexOf('[    0.000000] Linux version'), output.indexOf('BusyBox v'))
      .replaceAll('\r', ''),
    [...MASKS, ...LOG_MASKS],
  )
    .split('\n')
    .sort();

describeWithLinux("Debian's Linux", (linux) => {
  let folder: string;
  const file = (name: string, contents?: Uint8Array): string => {
    const path = join(folder, name);
    if (contents !== undefined) writeFileSync(path, contents);
    return path;
  };
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'hartscope-linux-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** `hartscope run` through a conversation, to the end of the machine. */
  async function boot(options: readonly string[], exchanges: readonly Exchange[]) {
    const machine = start('vmm.cjs', ['run', '--stats', 'json', ...options]);
    await converse(machine, exchanges);
    return machine.ended;
  }

  describeWith(['qemu-system-riscv64'], 'on the built-in SBI', () => {
    test(
      'a shell says what it says on QEMU, an overlay keeps the disk as it was, and the machine powers off',
      async () => {
        const disk = Uint8Array.from({ length: MIB }, (_, index) => (index >> 9) * 7 + index * 13);
        const initrd = file('blk.cpio', linuxInitramfs(linux, DISK_MODULES));
        const exchanges = [
          { expect: PROMPT, send: 'uname -srm\r' },
          ...typed(PROMPT, [
            'ls /',
            'cat /proc/cmdline',
            'sha256sum /bin/busybox',
            'i=0; while [ $i -lt 30 ]; do i=$((i + 1)); true | cat; done; echo $i',
            "sh -c 'kill -SEGV $$'; echo status $?",
            'sha256sum /dev/vda',
            'head -c 3000 /bin/busybox | dd of=/dev/vda bs=1000 seek=5 conv=fsync 2>/dev/null',
            'echo 3 > /proc/sys/vm/drop_caches; sha256sum /dev/vda',
            'poweroff -f',
          ]),
        ];
        const append = 'console=ttyS0 quiet';
        const image = { ours: file('ours.img', disk), qemu: file('qemu.img', disk) };
        const guest = ['-kernel', linux.kernel, '-initrd', initrd, '-append', append];
        const qemu = await converseWithQemuToEnd(
          [
            ...['-M', 'virt', '-m', '256M', ...guest, '-device', 'virtio-blk-device,drive=disk'],
            ...['-drive', `file=${image.qemu},format=raw,if=none,id=disk`],
          ],
          exchanges,
          TIMEOUT_MS,
        );
        const { status, stdout, stderr } = await boot(
          [
            ...['--kernel', linux.kernel, '--initrd', initrd, '--append', append, '--memory', '256M'],
            ...['--drive', `${image.ours},format=raw,overlay`],
          ],
          exchanges,
        );
        expect(session(stdout)).toBe(session(qemu.stdout));
        expect(stdout).toContain(`Linux ${linux.release} riscv64`);
        expect(stdout).toContain(`${sha256(readFileSync(linux.busybox))}  /bin/busybox`);
        expect(stdout).toContain(`${sha256(disk)}  /dev/vda`);
        expect({ status, end: JSON.parse(stderr).end }).toEqual({
          status: 0,
          end: { reason: 'pass', code: 0 },
        });
        expect(sha256(readFileSync(image.ours))).toBe(sha256(disk));
        // What the guest saw on its disk behind the overlay is what QEMU's has in its file.
        expect(stdout).toContain(`${sha256(readFileSync(image.qemu))}  /dev/vda`);
      },
      TIMEOUT_MS,
    );
  });

  describeWithGuests('in S-mode above OpenSBI', () => {
    /** What the guest does on its root file system; its shell's end turns the machine off. */
    const COMMANDS = [
      'cat /etc/greeting',
      'grep processor /proc/cpuinfo',
      'mkdir /made && cp /bin/busybox /made/copy && sync',
      'i=0; while [ $i -lt 40 ]; do i=$((i + 1)); echo line $i > /made/file$i; done',
      'rm /made/file2*; ls /made | wc -l',
      'echo 3 > /proc/sys/vm/drop_caches; sha256sum /made/copy',
      'exit',
    ];

    function makeRoot(): string {
      const root = join(folder, 'root');
      for (const name of ['bin', 'dev', 'etc', 'proc', 'sbin', 'sys', 'tmp']) {
        mkdirSync(join(root, name), { recursive: true });
      }
      cpSync(linux.busybox, join(root, 'bin/busybox'));
      writeFileSync(join(root, 'sbin/init'), ROOT_INIT, { mode: 0o755 });
      writeFileSync(join(root, 'etc/greeting'), 'a root file system on a disk\n');
      const image = file('root.ext4');
      execFileSync(findTool('mke2fs')!, [
        '-q',
        '-t',
        'ext4',
        '-E',
        'root_owner=0:0',
        '-d',
        root,
        image,
        '16M',
      ]);
      return image;
    }

    /** A file of the image, read by the file system's own tools. */
    const onDisk = (image: string, path: string): Buffer =>
      execFileSync(findTool('debugfs')!, ['-R', `cat ${path}`, image], {
        stdio: ['ignore', 'pipe', 'pipe'],
        maxBuffer: 1 << 26,
      });

    describeWith(['mke2fs', 'e2fsck', 'debugfs', 'qemu-system-riscv64'], 'with four harts', () => {
      test(
        'its root is ext4 on a disk, which is whole when the machine is off; the log is that on QEMU',
        async () => {
          const image = makeRoot();
          const theirs = file('qemu.ext4', readFileSync(image));
          const initrd = file('ext4.cpio', linuxInitramfs(linux, [...DISK_MODULES, ...EXT4_MODULES]));
          const append = 'console=ttyS0 root=/dev/vda';
          const guest = ['-kernel', linux.kernel, '-initrd', initrd, '-append', append];
          const exchanges = typed(PROMPT, COMMANDS);
          const qemu = await converseWithQemuToEnd(
            [
              ...[
                '-M',
                'virt',
                '-cpu',
                'rv64,h=false',
                '-m',
                '256M',
                '-smp',
                '4',
                '-bios',
                GUESTS.fwDynamic,
                ...guest,
              ],
              ...['-device', 'virtio-blk-device,drive=disk'],
              ...['-drive', `file=${theirs},format=raw,if=none,id=disk`],
            ],
            exchanges,
            TIMEOUT_MS,
          );
          const { status, stdout, stderr } = await boot(
            [
              ...['--kernel', linux.kernel, '--initrd', initrd, '--append', append, '--memory', '256M'],
              ...[
                '--isa',
                QEMU_ISA,
                '--harts',
                '4',
                '--firmware',
                GUESTS.fwDynamic,
                '--drive',
                `${image},format=raw`,
              ],
            ],
            exchanges,
          );
          expect(sortedLog(stdout)).toEqual(sortedLog(qemu.stdout));
          expect(session(stdout)).toBe(session(qemu.stdout));
          expect(stdout).toContain(`${sha256(readFileSync(linux.busybox))}  /made/copy`);
          expect({ status, end: JSON.parse(stderr).end }).toEqual({
            status: 0,
            end: { reason: 'pass', code: 0 },
          });
          execFileSync(findTool('e2fsck')!, ['-fn', image], { stdio: 'pipe' });
          expect(onDisk(image, '/made/copy').equals(readFileSync(linux.busybox))).toBe(true);
          expect(onDisk(image, '/made/file40').toString()).toBe('line 40\n');
        },
        TIMEOUT_MS,
      );
    });

    describeWith(['mke2fs'], 'that U-Boot loads', () => {
      test(
        'U-Boot finds extlinux.conf on a disk, loads kernel and initial file system, and they start',
        async () => {
          const root = join(folder, 'boot');
          mkdirSync(join(root, 'extlinux'), { recursive: true });
          cpSync(linux.kernel, join(root, 'Image'));
          writeFileSync(join(root, 'initrd'), linuxInitramfs(linux, []));
          writeFileSync(join(root, 'extlinux/extlinux.conf'), EXTLINUX);
          const disk = file('boot.img', partitionTable());
          const area = ['-E', `root_owner=0:0,offset=${PARTITION.offset}`, disk, `${PARTITION.size >> 10}K`];
          execFileSync(findTool('mke2fs')!, ['-q', '-F', '-t', 'ext4', '-d', root, ...area]);
          const { status, stdout } = await boot(
            [
              ...['--kernel', GUESTS.ubootSupervisorRaw, '--firmware', GUESTS.fwDynamic],
              ...['--memory', '256M', '--drive', `${disk},format=raw,readonly`],
            ],
            typed(PROMPT, ['cat /proc/cmdline', 'poweroff -f']),
          );
          expect(stdout).toContain('Retrieving file: /Image');
          expect(stdout).toMatch(/^console=ttyS0 quiet loaded=by-u-boot\r$/m);
          expect(status).toBe(0);
        },
        TIMEOUT_MS,
      );
    });
  });
});
