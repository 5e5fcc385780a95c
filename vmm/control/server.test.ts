import { describe, expect, test, vi } from 'vitest';
import { type FakeThread, fakeThreads } from '../../test/support/fake-threads.ts';
import { random, SEED } from '../../test/support/random.ts';
import { socketPair } from '../../test/support/socket-pair.ts';
import { VmmClient } from '../protocol/client.ts';
import { decodeMessage, encodeMessage } from '../protocol/codec.ts';
import type { EventName } from '../protocol/messages.ts';
import type { FrameListener } from '../protocol/socket.ts';
import { ControlServer } from './server.ts';

const ready = (thread: FakeThread) => thread.report({ kind: 'ready', info: thread.info });

function setUp(whenMade = ready) {
  const { threads, start } = fakeThreads(whenMade);
  const server = new ControlServer({ startThread: start, version: '1.2.3', pid: 42 });
  /** A client, and what it hears. */
  const connect = () => {
    const sockets = socketPair();
    server.accept(sockets.server);
    const client = new VmmClient(sockets.client);
    const events: string[] = [];
    client.onEvent((event, params) => events.push(`${event} ${params.vm}`));
    return { client, events };
  };
  return { server, threads, connect };
}

const config = { kernel: '/k.elf' };
const turn = () => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));

describe('the server', () => {
  test('tells who it is', async () => {
    const { client } = setUp().connect();
    expect(await client.request('vmm.info', {})).toEqual({ version: '1.2.3', protocol: 1, pid: 42, vms: 0 });
  });

  test('makes, lists and destroys machines', async () => {
    const { connect, threads } = setUp();
    const { client, events } = connect();
    expect(await client.request('vm.create', { config })).toMatchObject({ vm: 'vm1', owned: true });
    expect(await client.request('vm.create', { config, name: 'second' })).toMatchObject({ vm: 'second' });
    const { vms } = await client.request('vm.list', {});
    expect(vms.map(({ vm }) => vm)).toEqual(['vm1', 'second']);
    await client.request('vm.destroy', { vm: 'vm1' });
    expect(threads[0]!.terminated).toBe(true);
    await expect(client.request('vm.state', { vm: 'vm1' })).rejects.toMatchObject({ code: 'no-such-vm' });
    expect(events).toEqual(['created vm1', 'created second', 'destroyed vm1']);
  });

  test('a name is given once, also while its machine is being made', async () => {
    const { client } = setUp().connect();
    const first = client.request('vm.create', { config, name: 'a' });
    await expect(client.request('vm.create', { config, name: 'a' })).rejects.toMatchObject({
      code: 'bad-config',
    });
    await first;
  });

  test('a machine that cannot be made leaves nothing behind', async () => {
    const { connect, threads } = setUp((thread) =>
      thread.report({ kind: 'failed', error: { code: 'bad-file', message: 'not an ELF file' } }),
    );
    const { client, events } = connect();
    await expect(client.request('vm.create', { config, name: 'a' })).rejects.toMatchObject({
      code: 'bad-file',
      message: 'not an ELF file',
    });
    expect(await client.request('vm.list', {})).toEqual({ vms: [] });
    expect(threads[0]!.terminated).toBe(true);
    expect(events).toEqual([]);
  });

  test('events go to the creator and to those who subscribed', async () => {
    const { connect, threads } = setUp();
    const [creator, viewer, stranger] = [connect(), connect(), connect()];
    await creator.client.request('vm.create', { config, name: 'a', owned: false });
    await viewer.client.request('vm.subscribe', { vm: 'a' });
    threads[0]!.report({ kind: 'event', event: 'console', params: { data: Uint8Array.of(65) } });
    await turn();
    expect(creator.events).toEqual(['created a', 'console a']);
    expect(viewer.events).toEqual(['created a', 'console a']);
    expect(stranger.events).toEqual(['created a']);
  });

  test('a response precedes the events that the thread sent after it', async () => {
    const { connect, threads } = setUp();
    const { client } = connect();
    await client.request('vm.create', { config, name: 'a' });
    const order: string[] = [];
    client.on('resumed', () => order.push('event'));
    const resumed = client.request('vm.resume', { vm: 'a' }).then(() => order.push('response'));
    await turn();
    const { id } = threads[0]!.requests[0]!;
    threads[0]!.report({ kind: 'response', id, result: {} });
    threads[0]!.report({ kind: 'event', event: 'resumed', params: {} });
    await resumed;
    await turn();
    expect(order).toEqual(['response', 'event']);
  });

  test('a machine is told when somebody wants traces, and when nobody does', async () => {
    const { connect, threads } = setUp();
    const [creator, viewer] = [connect(), connect()];
    await creator.client.request('vm.create', { config, name: 'a', owned: false });
    await viewer.client.request('vm.subscribe', { vm: 'a' });
    creator.client.close();
    await turn();
    viewer.client.close();
    await turn();
    const watched = threads[0]!.commands.filter(({ kind }) => kind === 'watch');
    expect(watched).toEqual([
      { kind: 'watch', traced: true },
      { kind: 'watch', traced: false },
    ]);
  });
});

describe('a client that goes', () => {
  test('takes the machines it owns with it, and no others', async () => {
    const { connect, threads } = setUp();
    const [leaver, stayer] = [connect(), connect()];
    await leaver.client.request('vm.create', { config, name: 'owned' });
    await leaver.client.request('vm.create', { config, name: 'shared', owned: false });
    await stayer.client.request('vm.create', { config, name: 'other' });
    leaver.client.close();
    await turn();
    expect(threads.map(({ terminated }) => terminated)).toEqual([true, false, false]);
    expect(stayer.events.at(-1)).toBe('destroyed owned');
  });

  test('while its machine is being made takes that too', async () => {
    const { connect, threads } = setUp(() => {});
    const { client } = connect();
    const creating = client.request('vm.create', { config });
    await turn();
    client.close();
    await expect(creating).rejects.toMatchObject({ code: 'vm-died' });
    await turn();
    expect(threads[0]!.terminated).toBe(true);
  });

  test('does not take a machine that another made under the same name since', async () => {
    const { connect, threads } = setUp();
    const [first, second] = [connect(), connect()];
    await first.client.request('vm.create', { config, name: 'a' });
    await second.client.request('vm.destroy', { vm: 'a' });
    await second.client.request('vm.create', { config, name: 'a' });
    first.client.close();
    await turn();
    expect(threads.map(({ terminated }) => terminated)).toEqual([true, false]);
  });
});

describe('a client that does not keep up', () => {
  /** A socket whose peer takes nothing until it is told to. */
  function slowSocket() {
    let listener: FrameListener | undefined;
    let closed = '';
    const socket = {
      congested: false,
      send: () => {
        socket.congested = true;
      },
      listen: (given: FrameListener) => {
        listener = given;
      },
      close: (reason = '') => {
        closed = reason;
        listener?.closed('');
      },
      request: (message: object) => listener!.frame(encodeMessage(message)),
      drain: () => {
        socket.congested = false;
        listener!.drained?.();
      },
      get closed() {
        return closed;
      },
    };
    return socket;
  }

  test('holds the guests that it listens to until it has caught up, and no others', async () => {
    const { server, threads, connect } = setUp();
    const { client } = connect();
    await client.request('vm.create', { config, name: 'watched' });
    await client.request('vm.create', { config, name: 'other' });
    const slow = slowSocket();
    server.accept(slow);
    slow.request({ id: 1, method: 'vm.subscribe', params: { vm: 'watched' } });
    slow.drain();
    threads[0]!.report({ kind: 'event', event: 'resumed', params: {} });
    threads[0]!.report({ kind: 'event', event: 'resumed', params: {} });
    expect(threads[0]!.held).toEqual([false, true]);
    slow.drain();
    expect(threads[0]!.held).toEqual([false, true, false]);
    expect(threads[1]!.held).toEqual([]);
  });

  test('holds nobody any more when it goes', async () => {
    const { server, threads, connect } = setUp();
    await connect().client.request('vm.create', { config, name: 'watched' });
    const slow = slowSocket();
    server.accept(slow);
    slow.request({ id: 1, method: 'vm.subscribe', params: { vm: 'watched' } });
    slow.close();
    await turn();
    expect(threads[0]!.held.at(-1)).toBe(false);
  });

  test('is cut off when it takes nothing for long', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const { server } = setUp();
      const slow = slowSocket();
      server.accept(slow);
      slow.request({ id: 1, method: 'vmm.info' });
      vi.advanceTimersByTime(29_000);
      expect(slow.closed).toBe('');
      vi.advanceTimersByTime(2000);
      expect(slow.closed).toBe('nothing was read for too long');
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('a thread that dies', () => {
  test('ends its machine with a clear event, rejects what waits, and harms nobody else', async () => {
    const { connect, threads } = setUp();
    const { client } = connect();
    await client.request('vm.create', { config, name: 'a' });
    await client.request('vm.create', { config, name: 'b' });
    const ended = new Promise<unknown>((resolve) => client.on('ended', resolve));
    const waiting = client.request('vm.registers', { vm: 'a', hart: 0 });
    await turn();
    threads[0]!.die('assertion failed: boom');
    await expect(waiting).rejects.toMatchObject({
      code: 'vm-died',
      message: expect.stringContaining('boom'),
    });
    expect(await ended).toEqual({ vm: 'a', end: null, error: 'assertion failed: boom' });
    await expect(client.request('vm.resume', { vm: 'a' })).rejects.toMatchObject({ code: 'vm-died' });
    const { vms } = await client.request('vm.list', {});
    expect(vms.map(({ vm, state }) => `${vm} ${state}`)).toEqual(['a ended', 'b stopped']);
    await client.request('vm.destroy', { vm: 'a' });
  });

  test('before the machine stands fails its creation', async () => {
    const { client } = setUp((thread) => thread.die('out of memory')).connect();
    await expect(client.request('vm.create', { config })).rejects.toMatchObject({
      code: 'vm-died',
      message: expect.stringContaining('out of memory'),
    });
  });
});

describe('a bad message', () => {
  test.each<[string, Uint8Array, number, string]>([
    ['that is no MessagePack', Uint8Array.of(0xc1, 0xc1), -1, 'the frame is not MessagePack'],
    ['that is no request', encodeMessage(['x']), -1, 'a request is a map'],
    ['with an unknown method', encodeMessage({ id: 3, method: 'x' }), 3, "there is no method 'x'"],
    [
      'with a wrong field',
      encodeMessage({ id: 4, method: 'vm.state', params: { vm: 1 } }),
      4,
      'vm: expected string',
    ],
  ])('%s is answered, and the connection lives on', async (_, frame, id, text) => {
    const { server } = setUp();
    const sockets = socketPair();
    server.accept(sockets.server);
    const answers: unknown[] = [];
    sockets.client.listen({ frame: (bytes) => answers.push(decodeMessage(bytes)), closed: () => {} });
    sockets.client.send(frame);
    sockets.client.send(encodeMessage({ id: 99, method: 'vmm.info' }));
    await turn();
    expect(answers).toEqual([
      { id, error: { code: 'bad-request', message: expect.stringContaining(text) } },
      { id: 99, result: expect.objectContaining({ pid: 42 }) },
    ]);
  });
});

test('whatever is sent, each frame gets one answer and the server goes on', async () => {
  const { server } = setUp();
  const sockets = socketPair();
  server.accept(sockets.server);
  const answers: { id: number }[] = [];
  sockets.client.listen({
    frame: (bytes) => {
      const message = decodeMessage(bytes) as { id?: number };
      if (message.id !== undefined) answers.push({ id: message.id });
    },
    closed: () => {},
  });
  const numbers = random(SEED);
  const seeds = [
    {
      id: 1,
      method: 'vm.create',
      params: { name: 'a', config: { kernel: '/k', harts: 2, trace: ['mmio'] } },
    },
    { id: 2, method: 'vm.list', params: {} },
    { id: 3, method: 'vm.subscribe', params: { vm: 'a' } },
    { id: 4, method: 'vm.destroy', params: { vm: 'a' } },
  ].map((message) => encodeMessage(message));
  const ROUNDS = 3000;
  for (let round = 0; round < ROUNDS; round++) {
    const frame = numbers.pick(seeds).slice();
    for (let edits = numbers.below(3); edits > 0; edits--)
      frame[numbers.below(frame.length)] = numbers.below(256);
    sockets.client.send(frame);
    if (round % 100 === 0) await turn();
  }
  sockets.client.send(encodeMessage({ id: 999, method: 'vmm.info' }));
  await turn();
  await turn();
  expect(answers, `SEED=${SEED}`).toHaveLength(ROUNDS + 1);
  expect(answers).toContainEqual({ id: 999 });
});

describe('the client', () => {
  test('rejects what waits and what comes later when the connection ends', async () => {
    const { server, connect } = setUp(() => {});
    const { client } = connect();
    const closed = new Promise<string>((resolve) => client.onClose(resolve));
    const waiting = client.request('vm.create', { config });
    await turn();
    await server.close();
    await expect(waiting).rejects.toMatchObject({
      code: 'vm-died',
      message: 'the connection to the VMM ended before it answered vm.create (the VMM ends)',
    });
    expect(await closed).toBe('the VMM ends');
    await expect(client.request('vmm.info', {})).rejects.toMatchObject({ code: 'vm-died' });
  });

  test('rejects a request that is too large to send, and goes on', async () => {
    const { client } = setUp().connect();
    const data = new Uint8Array(20 << 20);
    await expect(client.request('vm.consoleWrite', { vm: 'a', data })).rejects.toMatchObject({
      code: 'bad-request',
    });
    expect(await client.request('vm.list', {})).toEqual({ vms: [] });
  });

  test('stops listening when asked to', async () => {
    const { connect, threads } = setUp();
    const { client } = connect();
    await client.request('vm.create', { config, name: 'a' });
    const heard: EventName[] = [];
    const stop = client.on('resumed', () => heard.push('resumed'));
    threads[0]!.report({ kind: 'event', event: 'resumed', params: {} });
    await turn();
    stop();
    threads[0]!.report({ kind: 'event', event: 'resumed', params: {} });
    await turn();
    expect(heard).toEqual(['resumed']);
  });
});
