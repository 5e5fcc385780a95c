/**
 * What a journaling guest was told is stored is there when the power comes back, whenever it went.
 * `CUTS=1000 npx vitest run test/boot/linux-power-cuts.test.ts` cuts it more often than the suite does.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { VirtioBlock } from '../../vmm/devices/virtio/block.ts';
import { createMachine } from '../../vmm/machine/index.ts';
import { vmConfigSchema } from '../../vmm/protocol/messages.ts';
import { openDrive } from '../../vmm/storage/index.ts';
import { findTool } from '../support/find-tool.ts';
import { describeWithLinux, type LinuxGuest } from '../support/linux-guests.ts';
import { GUEST_TIME, linuxInitramfs } from '../support/linux-initramfs.ts';
import { random, SEED } from '../support/random.ts';
import { ask, RecordingFile } from '../support/recording-file.ts';
import { describeWith } from '../support/tools.ts';
import { PowerCut, VolatileFile } from '../support/volatile-file.ts';

const CUTS = Number(process.env['CUTS'] ?? 12);
const RECORDS = 50;
const DISK = '12M';
const SLICE_STEPS = 100_000;
/** The boot takes 1.9 billion. */
const STEPS_MAX = 20_000_000_000n;
/** A thousand cuts take minutes; only a hang takes longer. */
const TIMEOUT_MS = 3_600_000;

/** Stores records one by one and says so, among files that come and go with nobody waiting for them. */
const COMMAND = [
  // The check takes times of deletion from early 1970 for something else.
  `date -s @${GUEST_TIME} > /dev/null; mount /dev/vda /mnt`,
  `i=0; while [ $i -lt ${RECORDS} ]`,
  'do i=$((i + 1)); seq $i $((i * 40)) > /tmp/data',
  'cp /tmp/data /mnt/passing$i; rm -f /mnt/passing$((i - 3))',
  'dd if=/tmp/data of=/mnt/record$i conv=fsync 2> /dev/null; echo stored $i',
  'done; echo all are',
].join('; ');

/** What record `number` holds: `seq` of it. */
const record = (number: number): string =>
  Array.from({ length: number * 40 - number + 1 }, (_, index) => `${number + index}\n`).join('');

describeWithLinux("Debian's Linux loses nothing that it was told is stored", (linux) => {
  describeWith(['mke2fs', 'e2fsck', 'debugfs'], 'ext4 on virtio', () => {
    let folder: string;
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), 'hartscope-power-'));
    });
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    test(
      `${CUTS} cuts of power while files are written`,
      () => {
        const disk = emptyDisk(folder);
        const { file, acknowledged } = runGuest(linux, disk);
        expect(acknowledged).toHaveLength(RECORDS);
        const { below } = random(SEED);
        let found = 0;
        for (let cut = 0; cut < CUTS; cut++) {
          const requests = 1 + below(file.requests.length);
          const survivors = cutAfter(requests, file, disk, SEED + cut);
          const expected = acknowledged.filter(({ after }) => after < requests);
          const context = `SEED=${SEED}, cut ${cut}, at request ${requests} of ${file.requests.length}`;
          checkDisk(folder, survivors, expected, context);
          found += expected.length;
        }
        // Cuts at random places find about half of the records.
        expect(found).toBeGreaterThan(CUTS * RECORDS * 0.2);
      },
      TIMEOUT_MS,
    );
  });
});

function emptyDisk(folder: string): Uint8Array {
  const path = join(folder, 'empty.ext4');
  execFileSync(findTool('mke2fs')!, ['-q', '-F', '-t', 'ext4', path, DISK]);
  return new Uint8Array(readFileSync(path));
}

/** A record of which the guest said that it is stored, after so many requests to the file. */
interface Acknowledged {
  readonly number: number;
  readonly after: number;
}

/** Boots Linux with the disk, runs the command, and tells what was asked of the disk's file, and when which record was stored. */
function runGuest(linux: LinuxGuest, disk: Uint8Array) {
  const file = new RecordingFile(disk);
  const image = openDrive(
    { path: 'disk', format: 'raw', readOnly: false, overlay: false },
    { open: () => file, temporary: () => new RecordingFile(new Uint8Array()) },
  );
  const acknowledged: Acknowledged[] = [];
  let output = '';
  let line = '';
  const print = (data: Uint8Array): void => {
    for (const character of Buffer.from(data).toString('latin1')) {
      output += character;
      line += character;
      if (character !== '\n') continue;
      const stored = /^stored (\d+)\r\n$/.exec(line)?.[1];
      if (stored !== undefined) acknowledged.push({ number: Number(stored), after: file.requests.length });
      line = '';
    }
  };
  const initrd = linuxInitramfs(linux, ['virtio_mmio', 'virtio_blk', 'crc32c_generic', 'ext4']);
  const machine = createMachine({
    config: vmConfigSchema.parse({ kernel: linux.kernel, append: 'console=ttyS0 quiet', memory: 256 << 20 }),
    images: { kernel: { name: 'Image', data: new Uint8Array(readFileSync(linux.kernel)) }, initrd },
    virtio: [new VirtioBlock({ image, serial: 'cut' })],
    ports: { console: print, nowNs: () => 0, log: () => {} },
  });
  const runTo = (text: string): void => {
    while (!output.includes(text)) {
      expect(machine.steps < STEPS_MAX && machine.end === null, `waiting for ${text} in ${output}`).toBe(
        true,
      );
      machine.run(SLICE_STEPS);
    }
  };
  runTo('~ # ');
  machine.consoleInput(Buffer.from(`${COMMAND}\r`, 'latin1'));
  runTo('\nall are');
  return { file, acknowledged };
}

/** What is on the disk when the power goes at this request. */
function cutAfter(
  requests: number,
  { requests: all }: RecordingFile,
  disk: Uint8Array,
  seed: number,
): Uint8Array {
  const file = new VolatileFile(disk, random(seed), { syncs: 0, requests });
  expect(() => {
    for (const request of all) ask(file, request);
  }).toThrow(PowerCut);
  return file.survivors();
}

/** The journal is played back, then nothing is wrong with the file system, and all that was acknowledged is in it. */
function checkDisk(
  folder: string,
  disk: Uint8Array,
  expected: readonly Acknowledged[],
  context: string,
): void {
  const image = join(folder, 'cut.ext4');
  const dump = join(folder, 'dump');
  writeFileSync(image, disk);
  const check = (...options: string[]) => {
    const { status, stdout } = spawnSync(findTool('e2fsck')!, ['-f', ...options, image], {
      encoding: 'utf8',
    });
    return { status, stdout };
  };
  // 1: what a journal leaves to do was done (e2fsck(8), "Exit code"). More would be left for a person to decide.
  const repaired = check('-p');
  expect(repaired.status, `${context}\n${repaired.stdout}`).toBeLessThanOrEqual(1);
  const checked = check('-n');
  expect(checked.status, `${context}\n${checked.stdout}`).toBe(0);
  rmSync(dump, { recursive: true, force: true });
  mkdirSync(dump);
  execFileSync(findTool('debugfs')!, ['-R', `rdump / ${dump}`, image], { stdio: 'pipe' });
  const found = new Set(readdirSync(dump));
  for (const { number } of expected) {
    const name = `record${number}`;
    const text = found.has(name) ? readFileSync(join(dump, name), 'utf8') : undefined;
    expect(text, `${context}: ${name}`).toBe(record(number));
  }
}
