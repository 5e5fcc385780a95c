import { afterAll, beforeAll, expect, test } from 'vitest';
import { converseWithMachine, converseWithQemu, type Exchange } from '../support/conversation.ts';
import { describeWithGuests, GUESTS } from '../support/debian-guests.ts';
import { ImageFolder } from '../support/disk-images.ts';
import { describeWith } from '../support/tools.ts';

/** Finds two disks, reads one, writes to the other, and looks at what cannot be read. */
const SESSION: readonly Exchange[] = [
  { expect: 'Hit any key to stop autoboot', send: ' ' },
  { expect: '=> ', send: 'virtio scan\r' },
  { expect: '=> ', send: 'virtio info\r' },
  { expect: '=> ', send: 'virtio read 84000000 3 8\r' },
  { expect: '=> ', send: 'crc32 84000000 1000\r' },
  { expect: '=> ', send: 'virtio device 1\r' },
  { expect: '=> ', send: 'virtio write 84000000 10 8\r' },
  { expect: '=> ', send: 'virtio read 85000000 10 8\r' },
  { expect: '=> ', send: 'cmp.b 84000000 85000000 1000\r' },
  { expect: 'were the same', send: 'virtio read 85000000 7ff 2\r' },
  { expect: 'blocks read: ERROR' },
];
const STEPS_MAX = 2_000_000_000;
const MIB = 1 << 20;

/** From the first command on: what comes before it is compared elsewhere. */
const session = (output: string): string =>
  output.slice(output.indexOf('=> '), output.indexOf('ERROR')).replaceAll('\r', '');

describeWithGuests("U-Boot's own virtio driver", () => {
  describeWith(['qemu-system-riscv64'], 'beside QEMU', () => {
    const images = new ImageFolder();
    const disk = Uint8Array.from({ length: MIB }, (_, index) => (index >> 9) * 7 + index * 13);
    beforeAll(() => {
      for (const name of ['a1', 'a2', 'b1', 'b2']) images.write(name, disk);
    });
    afterAll(() => images.remove());

    test('says the same of two disks, and leaves the same on them', async () => {
      const drive = (name: string) => ({ file: images.file(name), format: 'raw' as const });
      const config = { kernel: GUESTS.ubootSupervisorRaw, firmware: GUESTS.fwDynamic };
      const ours = converseWithMachine({ ...config, drives: [drive('a1'), drive('a2')] }, SESSION, STEPS_MAX);
      const qemuDrive = (name: string) => [
        ...['-drive', `file=${images.file(name)},format=raw,if=none,id=${name}`],
        ...['-device', `virtio-blk-device,drive=${name}`],
      ];
      const theirs = await converseWithQemu(
        [
          '-M',
          'virt',
          '-bios',
          config.firmware,
          '-kernel',
          config.kernel,
          ...qemuDrive('b1'),
          ...qemuDrive('b2'),
        ],
        SESSION,
      );
      expect(session(ours.output)).toBe(session(theirs));
      expect(session(ours.output)).toContain('Total of 4096 byte(s) were the same');
      expect(images.read('a1')).toEqual(disk);
      expect(images.read('a2')).toEqual(images.read('b2'));
      const written = disk.slice();
      written.set(disk.subarray(3 * 512, 11 * 512), 16 * 512);
      expect(images.read('a2')).toEqual(written);
    }, 600_000);
  });
});
