import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { VmmClient } from '../../vmm/protocol/client.ts';
import { decodeMessage, encodeMessage } from '../../vmm/protocol/codec.ts';
import type { EventName, Events } from '../../vmm/protocol/messages.ts';
import { processes, type TestProcess } from '../support/processes.ts';
import { echo, finish, hang, print, spin, tinyElf } from '../support/tiny-guest.ts';

const { start, run, runtimeFolder } = processes();
const folder = mkdtempSync(join(tmpdir(), 'hartscope-serve-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const clients: VmmClient[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

interface Serving {
  readonly process: TestProcess;
  readonly address: string;
  readonly tokenFile: string;
}

async function serve(...args: string[]): Promise<Serving> {
  const process = start('vmm.cjs', ['serve', ...args]);
  const [line] = await process.printed(/^\{.*\}$/m);
  const { address, tokenFile } = JSON.parse(line) as Serving;
  return { process, address, tokenFile };
}

async function connect({ address, tokenFile }: Serving): Promise<VmmClient> {
  const client = await VmmClient.connect({ address, tokenFile });
  clients.push(client);
  return client;
}

function nextEvent<E extends EventName>(client: VmmClient, event: E): Promise<Events[E]> {
  return new Promise((resolve) => {
    const stop = client.on(event, (params) => {
      stop();
      resolve(params);
    });
  });
}

/** Collects a VM's console until it matches. */
function consoleShows(client: VmmClient, pattern: RegExp): Promise<string> {
  let text = '';
  return new Promise((resolve) => {
    client.on('console', ({ data }) => {
      text += new TextDecoder().decode(data);
      if (pattern.test(text)) resolve(text);
    });
  });
}

function guest(name: string, instructions: readonly number[]): { kernel: string; firmware: string } {
  const kernel = join(folder, `${name}.elf`);
  writeFileSync(kernel, tinyElf(instructions));
  return { kernel, firmware: 'none' };
}

const bytes = (text: string) => new TextEncoder().encode(text);

describe('serve', () => {
  test('says where it listens; only the user can reach it', async () => {
    const { process, address, tokenFile } = await serve();
    const line = JSON.parse(process.stdout) as object;
    expect(line).toEqual({
      address,
      tokenFile,
      pid: process.child.pid,
      version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
    });
    const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);
    const socket = address.replace(/^unix:/, '');
    expect([mode(tokenFile), mode(dirname(tokenFile)), mode(socket)]).toEqual(['600', '700', '600']);
    expect(tokenFile.startsWith(runtimeFolder)).toBe(true);
  });

  test('ends when its stdin is closed, with machines running, and leaves no file', async () => {
    const serving = await serve();
    const client = await connect(serving);
    await client.request('vm.create', { name: 'a', config: guest('spin', spin()) });
    await client.request('vm.resume', { vm: 'a' });
    const closed = new Promise<string>((resolve) => client.onClose(resolve));
    serving.process.child.stdin.end();
    expect(await serving.process.ended).toMatchObject({ status: 0, signal: null, stderr: '' });
    expect(await closed).toBe('the VMM ends');
    expect(existsSync(serving.tokenFile)).toBe(false);
  });

  test("does not take the place of somebody's file", async () => {
    const path = join(folder, 'notes');
    writeFileSync(path, 'mine');
    const { status, stderr } = await run('vmm.cjs', ['serve', '--listen', `unix:${path}`]);
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: `hartscope: ${path} is there already and is no socket; choose another path with --listen\n`,
    });
    expect(readFileSync(path, 'utf8')).toBe('mine');
  });

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('ends on %s and leaves no file', async (signal) => {
    const { process, tokenFile } = await serve();
    process.child.kill(signal);
    expect(await process.ended).toMatchObject({ status: 0, stderr: '' });
    expect(existsSync(tokenFile)).toBe(false);
  });

  test('--stay outlives its stdin', async () => {
    const serving = await serve('--stay');
    serving.process.child.stdin.end();
    // Each connection takes turns of the event loop in which the end of stdin would have been seen.
    for (let round = 0; round < 20; round++) {
      const client = await connect(serving);
      await client.request('vmm.info', {});
      client.close();
    }
    expect(serving.process.child.exitCode).toBeNull();
    serving.process.child.kill('SIGTERM');
    await serving.process.ended;
  });

  test('a port in use is one clear line and status 2', async () => {
    const taken = createServer();
    const port = await new Promise<number>((resolve) => {
      taken.listen(0, '127.0.0.1', () => {
        const address = taken.address();
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
    const { status, stdout, stderr } = await run('vmm.cjs', ['serve', '--listen', `127.0.0.1:${port}`]);
    taken.close();
    expect({ status, stdout, stderr }).toEqual({
      status: 2,
      stdout: '',
      stderr: `hartscope: the address 127.0.0.1:${port} is in use; choose another with --listen, or end the program that listens there\n`,
    });
  });

  test('a socket in use is refused; one that a killed VMM left is taken over', async () => {
    const path = join(folder, 'vmm.sock');
    const first = await serve('--listen', `unix:${path}`);
    const second = await run('vmm.cjs', ['serve', '--listen', `unix:${path}`]);
    expect(second).toMatchObject({ status: 2, stderr: expect.stringContaining('is in use') });
    first.process.child.kill('SIGKILL');
    await first.process.ended;
    expect(existsSync(path)).toBe(true);
    const third = await serve('--listen', `unix:${path}`);
    await (await connect(third)).request('vmm.info', {});
  });

  test('a runtime folder that is missing is one clear line and status 2', async () => {
    const process = start('vmm.cjs', ['serve'], { XDG_RUNTIME_DIR: join(folder, 'missing') });
    expect(await process.ended).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(
        /^hartscope: cannot make the folder .*: no such file; set XDG_RUNTIME_DIR [^\n]*\n$/,
      ),
    });
  });

  test('is offered to this machine only', async () => {
    const ended = await run('vmm.cjs', ['serve', '--listen', '0.0.0.0:0']);
    expect(ended).toMatchObject({ status: 2, stderr: expect.stringContaining('no address of this machine') });
  });
});

describe('a connection', () => {
  test('needs the token', async () => {
    const { address } = await serve('--listen', '127.0.0.1:0');
    await expect(VmmClient.connect({ address, token: 'f'.repeat(64) })).rejects.toMatchObject({
      code: 'unauthorized',
    });
    const refused = await new Promise<number | undefined>((resolve) => {
      const socket = new WebSocket(`ws://${address}/`);
      socket.on('unexpected-response', (_request, response) => resolve(response.statusCode));
      socket.on('open', () => resolve(undefined));
      socket.on('error', () => {});
    });
    expect(refused).toBe(401);
  });

  test('to a VMM of the same user needs its address only', async () => {
    const { address, tokenFile } = await serve('--listen', '127.0.0.1:0');
    const before = process.env['XDG_RUNTIME_DIR'];
    process.env['XDG_RUNTIME_DIR'] = dirname(dirname(tokenFile));
    try {
      const client = await VmmClient.connect({ address });
      clients.push(client);
      expect(await client.request('vmm.info', {})).toMatchObject({ protocol: 1 });
    } finally {
      if (before === undefined) delete process.env['XDG_RUNTIME_DIR'];
      else process.env['XDG_RUNTIME_DIR'] = before;
    }
  });

  test('answers a bad message and lives on; text closes it with the reason', async () => {
    const serving = await serve();
    const other = await connect(serving);
    const token = readFileSync(serving.tokenFile, 'utf8').trim();
    const socket = new WebSocket(`ws+unix:${serving.address.slice('unix:'.length)}:/`, {
      headers: { authorization: `Bearer ${token}` },
    });
    await new Promise((resolve) => socket.once('open', resolve));
    const answer = (frame: Uint8Array) =>
      new Promise<unknown>((resolve) => {
        socket.once('message', (data: Buffer) => resolve(decodeMessage(data)));
        socket.send(frame);
      });
    expect(await answer(Uint8Array.of(0xc1, 2, 3))).toMatchObject({ id: -1, error: { code: 'bad-request' } });
    expect(await answer(encodeMessage({ id: 7, method: 'vm.state', params: {} }))).toEqual({
      id: 7,
      error: { code: 'bad-request', message: 'vm.state: vm: expected string, received undefined' },
    });
    expect(await answer(encodeMessage({ id: 8, method: 'vmm.info' }))).toMatchObject({
      id: 8,
      result: { protocol: 1 },
    });
    const closed = new Promise<string>((resolve) =>
      socket.once('close', (_code, reason) => resolve(String(reason))),
    );
    socket.send('hello');
    expect(await closed).toContain('binary frames');
    expect(await other.request('vmm.info', {})).toMatchObject({ protocol: 1 });
  });

  test('that ends takes its machines with it', async () => {
    const serving = await serve();
    const [owner, viewer] = [await connect(serving), await connect(serving)];
    await owner.request('vm.create', { name: 'mine', config: guest('spin', spin()) });
    await owner.request('vm.create', { name: 'shared', owned: false, config: guest('spin', spin()) });
    await owner.request('vm.resume', { vm: 'mine' });
    const destroyed = nextEvent(viewer, 'destroyed');
    owner.close();
    expect(await destroyed).toEqual({ vm: 'mine' });
    const { vms } = await viewer.request('vm.list', {});
    expect(vms.map(({ vm }) => vm)).toEqual(['shared']);
  });
});

describe('a machine', () => {
  test('is read while it runs, paused, stepped and resumed', async () => {
    const client = await connect(await serve());
    const info = await client.request('vm.create', { name: 'a', config: guest('spin', spin()) });
    expect(info).toMatchObject({ state: 'stopped', harts: 1, memory: 128 << 20, steps: 0n });
    await client.request('vm.resume', { vm: 'a' });
    const { data } = await client.request('vm.readMemory', {
      vm: 'a',
      hart: 0,
      address: 0x8000_0000n,
      length: 4,
      space: 'physical',
    });
    expect(data).toEqual(Uint8Array.of(0x6f, 0, 0, 0));
    const stopped = nextEvent(client, 'stopped');
    await client.request('vm.pause', { vm: 'a' });
    expect((await stopped).stop).toMatchObject({ reason: 'pause', hart: 0, pc: 0x8000_0000n });
    const before = await client.request('vm.state', { vm: 'a' });
    expect(before.info.steps).toBeGreaterThan(0n);
    const stepped = nextEvent(client, 'stopped');
    await client.request('vm.step', { vm: 'a', hart: 0 });
    expect((await stepped).stop).toMatchObject({ reason: 'step', step: before.info.steps + 1n });
    const { csrs } = await client.request('vm.csrs', { vm: 'a', hart: 0, numbers: [0xf14, 0x7ff] });
    expect(csrs).toEqual([{ number: 0xf14, name: 'mhartid', value: 0n }]);
  });

  test('is paused while it waits', async () => {
    const client = await connect(await serve());
    await client.request('vm.create', { name: 'a', config: { ...guest('hang', hang()), time: 'wall' } });
    await client.request('vm.resume', { vm: 'a' });
    const stopped = nextEvent(client, 'stopped');
    await client.request('vm.pause', { vm: 'a' });
    expect((await stopped).stop).toMatchObject({ reason: 'pause' });
  });

  test.each(['free', 'wall'] as const)('talks over its console, in %s time', async (time) => {
    const client = await connect(await serve());
    const config = { ...guest('echo', [...print('ready\n'), ...echo()]), time };
    await client.request('vm.create', { name: 'a', config });
    const greeted = consoleShows(client, /ready\n/);
    const answered = consoleShows(client, /typed 123/);
    await client.request('vm.resume', { vm: 'a' });
    await greeted;
    await client.request('vm.consoleWrite', { vm: 'a', data: bytes('typed 123') });
    expect(await answered).toBe('ready\ntyped 123');
  });

  test('tells how it ended, after all that it printed', async () => {
    const client = await connect(await serve());
    await client.request('vm.create', { name: 'a', config: guest('fail', [...print('bye'), ...finish(7)]) });
    const order: string[] = [];
    client.onEvent((event) => order.push(event));
    const ended = nextEvent(client, 'ended');
    await client.request('vm.resume', { vm: 'a' });
    expect(await ended).toEqual({ vm: 'a', end: { reason: 'fail', code: 7 }, error: null });
    expect(order.filter((event) => event !== 'traced')).toEqual(['created', 'resumed', 'console', 'ended']);
    await expect(client.request('vm.resume', { vm: 'a' })).rejects.toMatchObject({ code: 'wrong-state' });
  });

  test.each<[string, (path: string) => void, RegExp]>([
    ['missing', () => {}, /cannot read kernel '.*': no such file/],
    ['truncated', (path) => writeFileSync(path, tinyElf(spin()).subarray(0, 100)), /truncated/],
    ['foreign', (path) => writeFileSync(path, tinyElf(spin(), 62)), /x86-64/],
  ])('from a %s file is refused in one line, and the server goes on', async (name, make, message) => {
    const client = await connect(await serve());
    const kernel = join(folder, `${name}.bad`);
    make(kernel);
    await expect(client.request('vm.create', { config: { kernel } })).rejects.toMatchObject({
      code: 'bad-file',
      message: expect.stringMatching(message),
    });
    expect(await client.request('vm.list', {})).toEqual({ vms: [] });
  });

  test.skipIf(process.platform === 'win32')('from a pipe that nobody writes to is refused', async () => {
    const client = await connect(await serve());
    const kernel = join(folder, 'pipe');
    execFileSync('mkfifo', [kernel]);
    // The thread that opened it could not be ended, and so neither the server.
    await expect(client.request('vm.create', { config: { kernel } })).rejects.toMatchObject({
      code: 'bad-file',
      message: expect.stringContaining('is a pipe; name a file'),
    });
  });

  test('that is caught in traps is told of once, and can be paused', async () => {
    const client = await connect(await serve());
    await client.request('vm.create', { name: 'lost', config: guest('lost', [0]) });
    const warnings: string[] = [];
    client.on('warning', ({ text }) => warnings.push(text));
    const warned = nextEvent(client, 'warning');
    await client.request('vm.resume', { vm: 'lost' });
    await warned;
    const stopped = nextEvent(client, 'stopped');
    await client.request('vm.pause', { vm: 'lost' });
    expect((await stopped).stop).toMatchObject({ reason: 'pause', pc: 0n });
    expect(warnings).toEqual([expect.stringMatching(/^hart 0 is caught in traps/)]);
  });

  test('several run at the same time and do not disturb each other', async () => {
    const client = await connect(await serve());
    for (const vm of ['a', 'b']) {
      await client.request('vm.create', { name: vm, config: guest('spin', spin()) });
      await client.request('vm.resume', { vm });
    }
    await client.request('vm.pause', { vm: 'a' });
    const { vms } = await client.request('vm.list', {});
    expect(vms.map(({ vm, state }) => `${vm} ${state}`)).toEqual(['a stopped', 'b running']);
  });
});
