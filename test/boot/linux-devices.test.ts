import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { converse, typed } from '../support/linux-console.ts';
import { describeWithLinux } from '../support/linux-guests.ts';
import { linuxInitramfs } from '../support/linux-initramfs.ts';
import { processes } from '../support/processes.ts';

const { start } = processes();

const PROMPT = '# ';
/** Only a hang takes it. */
const TIMEOUT_MS = 900_000;

describeWithLinux("Debian's Linux and small devices", (linux) => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'hartscope-linux-devices-'));
    const modules = ['virtio_mmio', 'virtio_balloon', 'virtio_input', 'evdev'];
    writeFileSync(join(folder, 'initrd.cpio'), linuxInitramfs(linux, modules));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test(
    'a port at a socket, a balloon, a keyboard and a tablet are what they are on any board',
    async () => {
      const path = join(folder, 'port');
      const machine = start('vmm.cjs', [
        ...['run', '--kernel', linux.kernel, '--initrd', join(folder, 'initrd.cpio'), '--memory', '256M'],
        ...['--append', 'console=ttyS0 quiet', '--time', 'wall', '--virtio', 'modern'],
        ...['--device', `port,socket=${path},name=org.test.0`],
        ...['--device', 'balloon,size=64M', '--device', 'keyboard', '--device', 'tablet'],
      ]);
      await converse(machine, [
        ...typed(PROMPT, [
          'cat /sys/class/virtio-ports/vport*/name',
          "grep -h 'N: Name' /proc/bus/input/devices",
          'until [ $(cat /proc/vmstat | sed -n s/^balloon_inflate.//p) -ge 16384 ]; do sleep 1; done; echo inflated',
        ]),
        { expect: '\ninflated' },
        { expect: PROMPT },
      ]);
      const far = createConnection(path);
      const heard = lineFrom(far);
      far.write('a word from outside\n');
      // While nobody is there, a port is at its end.
      machine.child.stdin.write('until head -n 1 /dev/vport0p0 | grep word; do sleep 1; done\r');
      await converse(machine, [
        { expect: 'a word from outside' },
        { expect: PROMPT, send: 'echo a word from inside > /dev/vport0p0\r' },
      ]);
      expect(await heard).toBe('a word from inside\n');
      far.destroy();
      machine.child.stdin.write('poweroff -f\r');
      const { status, stdout } = await machine.ended;
      const said = stdout.replaceAll('\r', '');
      expect(status).toBe(0);
      expect(said).toContain('\norg.test.0\n');
      expect(said).toContain('N: Name="Hartscope Keyboard"\nN: Name="Hartscope Tablet"\n');
    },
    TIMEOUT_MS,
  );
});

/** The first line that somebody says. */
function lineFrom(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    socket.on('error', reject);
    socket.on('data', (data) => {
      text += data.toString();
      if (text.includes('\n')) resolve(text);
    });
  });
}
