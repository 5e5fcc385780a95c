import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Exchange } from '../support/conversation.ts';
import { findTool } from '../support/find-tool.ts';
import { HttpFiles, sha256 } from '../support/http-files.ts';
import { converse, typed } from '../support/linux-console.ts';
import { describeWithLinux } from '../support/linux-guests.ts';
import { linuxInitramfs } from '../support/linux-initramfs.ts';
import { converseOverLossyWire } from '../support/lossy-guest.ts';
import { processes, type TestProcess } from '../support/processes.ts';
import { random, SEED } from '../support/random.ts';
import { describeWith } from '../support/tools.ts';

const { start } = processes();

const PROMPT = '# ';
const MIB = 1 << 20;
/** Megabytes of each transfer; a hundred take their time. */
const TRANSFER_MIB = Number(process.env['NETWORK_MIB'] ?? 2);
/** Frames of 1,000 that the bad wire loses either way. */
const LOST = Number(process.env['NETWORK_LOST'] ?? 10);
/** Only a hang takes it. */
const TIMEOUT_MS = 1_800_000;
const STEPS_MAX = 200_000_000_000;

/** Has the address and the route set, and names tell where to go. */
const LEASE = [
  '#!/bin/sh',
  '[ "$1" = bound ] || exit 0',
  'ifconfig $interface $ip netmask $subnet',
  'route add default gw $router',
  'echo lease $ip via $router, names by $dns',
].join('\\n');

const ONLINE = [
  `printf '${LEASE}\\n' > /tmp/lease; chmod +x /tmp/lease`,
  'ifconfig lo 127.0.0.1; ifconfig eth0 up; udhcpc -q -n -i eth0 -s /tmp/lease',
];
const download = (port: number): string => `wget -q -O - http://10.0.2.2:${port}/ | sha256sum`;
const upload = (port: number): readonly string[] => [
  'sha256sum /tmp/file',
  `wget -q -O - --post-file=/tmp/file http://10.0.2.2:${port}/`,
];

/** Text, for busybox's wget posts up to the first zero byte. */
const makeFile = `dd if=/dev/urandom bs=49152 count=${TRANSFER_MIB * 16} 2>/dev/null | base64 > /tmp/file`;

/** What the guest says of its file, and the server of what arrived. */
const hashesOf = (output: string) => ({
  sent: /([0-9a-f]{64}) {2}\/tmp\/file/.exec(output)?.[1],
  arrived: /got ([0-9a-f]{64})/.exec(output)?.[1],
});

function bytesOf(length: number): Uint8Array {
  const source = random(SEED);
  const words = new Uint32Array(length / 4);
  for (let index = 0; index < words.length; index += 1) words[index] = source.below(2 ** 32);
  return new Uint8Array(words.buffer);
}

describeWithLinux("Debian's Linux on a network", (linux) => {
  const file = bytesOf(TRANSFER_MIB * MIB);
  let folder: string;
  let initrd: string;
  let server: HttpFiles;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hartscope-network-'));
    initrd = join(folder, 'initrd.cpio');
    writeFileSync(initrd, linuxInitramfs(linux, ['virtio_mmio', 'virtio_net', 'virtio_rng']));
    server = await HttpFiles.serve(file);
  });
  afterAll(() => {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const commands = (list: readonly string[]): Exchange[] => typed(PROMPT, list);

  const boot = (options: readonly string[]): TestProcess =>
    start('vmm.cjs', [
      ...['run', '--kernel', linux.kernel, '--initrd', initrd, '--memory', `${256 + 2 * TRANSFER_MIB}M`],
      ...['--append', 'console=ttyS0 quiet', ...options],
    ]);

  test.each(['legacy', 'modern'])(
    'an address by DHCP, the gateway, a file each way, random bytes, a port of the host: %s registers',
    async (registers) => {
      const capture = join(folder, `${registers}.pcapng`);
      const machine = boot([
        ...['--net', `user,hostfwd=tcp::0-:7000,pcap=${capture}`, '--device', 'rng', '--virtio', registers],
      ]);
      await converse(machine, [
        ...commands([
          ...ONLINE,
          'ping -c 2 10.0.2.2',
          'cat /sys/class/misc/hw_random/rng_current; head -c 4096 /dev/hwrng | wc -c',
          download(server.port),
          makeFile,
          ...upload(server.port),
          'nc -l -p 7000 -e cat & until netstat -ltn | grep -q :7000; do sleep 1; done; echo listens',
        ]),
        { expect: '\nlistens' },
        { expect: PROMPT },
      ]);
      const [, port] = /127\.0\.0\.1:(\d+) leads to port 7000 of the guest/.exec(machine.stderr)!;
      const echoed = await echo(Number(port), file.subarray(0, 300_000));
      expect(Buffer.compare(echoed, file.subarray(0, 300_000)), 'a port of the host leads to the guest').toBe(
        0,
      );
      machine.child.stdin.write('poweroff -f\r');
      const { status, stdout } = await machine.ended;
      expect(status).toBe(0);
      expect(stdout).toContain('lease 10.0.2.15 via 10.0.2.2, names by 10.0.2.3');
      expect(stdout).toContain('2 packets transmitted, 2 packets received');
      expect(stdout.replaceAll('\r', '')).toContain('virtio_rng.0\n4096\n');
      expect(stdout).toContain(sha256(file));
      const { sent, arrived } = hashesOf(stdout);
      expect(sent).toBeDefined();
      expect(arrived).toBe(sent);
      if (process.env['NETWORK_MIB'] !== undefined) console.log(server.rates);
    },
    TIMEOUT_MS,
  );

  describeWith(['tshark'], 'its capture', () => {
    test(
      'is what Wireshark takes for frames of sound packets',
      () => {
        const capture = join(folder, 'legacy.pcapng');
        const tshark = (...args: string[]): string[] =>
          execFileSync(findTool('tshark')!, ['-r', capture, ...args], {
            encoding: 'utf8',
            stdio: ['ignore', 'pipe', 'ignore'],
            maxBuffer: 1 << 28,
          })
            .split('\n')
            .filter((line) => line !== '');
        const option = (name: string): string[] => ['-o', name];
        const checks = [
          ...['ip', 'tcp', 'udp'].flatMap((protocol) => option(`${protocol}.check_checksum:TRUE`)),
          // What is sent again may overlap, and is no text of HTTP's.
          ...option('tcp.desegment_tcp_streams:FALSE'),
          ...['--disable-protocol', 'http'],
        ];
        const bad =
          '_ws.malformed or ip.checksum.status == "Bad" or tcp.checksum.status == "Bad" or udp.checksum.status == "Bad"';
        expect(tshark(...checks, '-Y', bad)).toEqual([]);
        expect(tshark('-Y', 'dhcp', '-T', 'fields', '-e', 'dhcp.option.dhcp')).toEqual(['1', '2', '3', '5']);
        expect(tshark('-Y', 'icmp.type == 0')).toHaveLength(2);
        const bytes = tshark('-Y', `tcp.srcport == ${server.port}`, '-T', 'fields', '-e', 'tcp.len');
        const total = bytes.reduce((sum, length) => sum + Number(length), 0);
        expect(total).toBeGreaterThan(file.length);
      },
      TIMEOUT_MS,
    );
  });

  test(
    'files arrive whole over a wire that loses frames',
    async () => {
      const { output, framesLost } = await converseOverLossyWire(
        {
          kernel: linux.kernel,
          initrd,
          memory: (256 + 2 * TRANSFER_MIB) * MIB,
          append: 'console=ttyS0 quiet',
        },
        commands([...ONLINE, download(server.port), makeFile, ...upload(server.port), 'poweroff -f']),
        { lost: LOST, seed: SEED, maxInstructions: STEPS_MAX },
      );
      expect(output, `SEED=${SEED}`).toContain(sha256(file));
      const { sent, arrived } = hashesOf(output);
      expect(sent).toBeDefined();
      expect(arrived, `SEED=${SEED}`).toBe(sent);
      expect(framesLost).toBeGreaterThan(0);
      if (process.env['NETWORK_MIB'] !== undefined) console.log(framesLost, server.rates);
    },
    TIMEOUT_MS,
  );
});

/** Sends bytes to a port and reads as many back. */
function echo(port: number, bytes: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let received = 0;
    const socket = connect({ host: '127.0.0.1', port });
    socket.on('error', reject);
    socket.on('data', (data) => {
      parts.push(data);
      received += data.length;
      if (received < bytes.length) return;
      socket.destroy();
      resolve(Buffer.concat(parts));
    });
    socket.on('end', () => reject(new Error(`the guest ended after ${received} bytes`)));
    socket.write(bytes);
  });
}
