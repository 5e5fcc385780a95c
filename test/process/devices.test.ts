import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { processes } from '../support/processes.ts';
import { finish, hang, tinyElf } from '../support/tiny-guest.ts';

const { start, run } = processes();
let folder: string;
let kernel: string;
let sleeper: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hartscope-devices-'));
  kernel = join(folder, 'guest.elf');
  sleeper = join(folder, 'sleeper.elf');
  writeFileSync(kernel, tinyElf(finish()));
  writeFileSync(sleeper, tinyElf(hang()));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const guest = (...options: string[]) =>
  run('vmm.cjs', ['run', '--firmware', 'none', '--kernel', kernel, ...options]);

describe('a device that cannot be had is one line and status 2', () => {
  test.each<[string, string[], string]>([
    ['a network in free time', ['--net', 'user', '--time', 'free'], 'a network needs time that keeps pace'],
    [
      'a folder that is none',
      ['--share', '/nonexistent/folder'],
      "cannot share the folder '/nonexistent/folder'",
    ],
    [
      'a capture that cannot be written',
      ['--net', 'user,pcap=/nonexistent/file'],
      "cannot write the capture '/nonexistent/file': no such file",
    ],
    [
      'a socket that cannot be made',
      ['--device', 'port,socket=/nonexistent/socket'],
      "cannot listen on the socket '/nonexistent/socket'",
    ],
    ['too many devices', Array(9).fill('--device=rng') as string[], 'the board has 8 virtio slots, not 9'],
  ])('%s', async (_, options, message) => {
    const { status, stdout, stderr } = await guest(...options);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(stderr).toContain(message);
  });

  test('a port of the host that somebody else has', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    const { status, stderr } = await guest('--net', `user,hostfwd=tcp::${port}-:80`);
    other.close();
    expect(status).toBe(2);
    expect(stderr).toBe(`hartscope: cannot listen on 127.0.0.1:${port}: the address is in use\n`);
  });
});

test('a machine with all of them ends with its guest', async () => {
  const { status, stdout, stderr } = await guest(
    ...[
      '--net',
      `user,hostfwd=udp::0-:53,pcap=${join(folder, 'empty.pcapng')}`,
      '--virtio=modern',
      '--share',
      folder,
    ],
    ...['rng', 'balloon,size=1M', 'keyboard', 'tablet', `port,socket=${join(folder, 'a')}`].flatMap(
      (device) => ['--device', device],
    ),
  );
  expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
  expect(stderr).toMatch(/^hartscope: 127\.0\.0\.1:\d+ leads to port 53 of the guest\n$/);
  expect(existsSync(join(folder, 'a'))).toBe(false);
});

test("a console port's socket is for its owner, takes one program at a time, and goes with the machine", async () => {
  const path = join(folder, 'port');
  const machine = start('vmm.cjs', [
    ...['run', '--firmware', 'none', '--kernel', sleeper, '--device', `port,socket=${path}`],
    ...['--net', 'user,hostfwd=tcp::0-:1'],
  ]);
  // The line on the forward comes when all sockets are open.
  await new Promise<void>((resolve) => machine.child.stderr.once('data', () => resolve()));
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const first = createConnection(path);
  await new Promise<void>((resolve) => first.once('connect', resolve));
  const second = createConnection(path);
  await new Promise<void>((resolve) => second.once('close', () => resolve()));
  expect(first.destroyed).toBe(false);
  machine.child.stdin.write('\x01x');
  expect((await machine.ended).status).toBe(0);
  expect(existsSync(path)).toBe(false);
  first.destroy();
});
