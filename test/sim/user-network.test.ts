import { createSocket } from 'node:dgram';
import { connect, createServer, type Server } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { LOOPBACK } from '../../vmm/base/ipv4.ts';
import type { ListenEvents, PortForward } from '../../vmm/contracts/network.ts';
import { NetworkSockets } from '../../vmm/host/network-sockets.ts';
import { UserNetwork } from '../../vmm/network/user-network.ts';
import { GATEWAY, NAME_SERVER, readFrame, readUdp, u16, udpFrame } from '../support/guest-frames.ts';
import { GuestSocket } from '../support/guest-tcp.ts';
import { LossyWire, PatternSink, patternSource, type WireFaults } from '../support/lossy-wire.ts';
import { random, SEED } from '../support/random.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0).reverse()) close();
});

/** Sockets on the host's loopback, the network, and a guest whose time passes as the event loop turns. */
function setUp(faults: WireFaults = {}, nameServer?: { address: string; port: number }) {
  const network = new UserNetwork({ host: new NetworkSockets({ nameServer }) });
  closers.push(() => network.close());
  const wire = new LossyWire(network, { run: () => {} }, random(SEED), faults);
  const until = async (holds: () => boolean) => {
    while (!holds()) {
      // With nothing on the wire the host is waited for: there a millisecond is one of real time.
      if (wire.step()) await new Promise((resolve) => setImmediate(resolve));
      else await new Promise((resolve) => setTimeout(resolve, 1));
    }
  };
  return { network, wire, until };
}

async function serve(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => server.close());
  const address = server.address();
  return address === null || typeof address === 'string' ? 0 : address.port;
}

const opened = (network: UserNetwork, forward: PortForward): Promise<number> =>
  new Promise((resolve, reject) => {
    const events: ListenEvents = { listening: resolve, failed: (reason) => reject(new Error(reason)) };
    network.forward(forward, events);
  });

describe("a guest's connections through the host's sockets", () => {
  test.each([{}, { lost: 20, doubled: 20, late: 50 }])(
    'an echo server gives back what was sent: %o',
    async (faults) => {
      const { wire, until } = setUp(faults);
      const port = await serve(createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket)));
      const length = 2 << 20;
      const sink = new PatternSink(length);
      const socket = new GuestSocket({
        port,
        ownPort: 1024,
        source: patternSource(length),
        onData: sink.take,
        send: wire.send,
      });
      wire.sockets.push(socket);
      socket.connect(wire.nowNs);
      await until(() => socket.done);
      expect(sink.bytes).toBe(length);
    },
  );

  test('a port where nobody listens refuses', async () => {
    const { wire, until } = setUp();
    const unused = createServer();
    const port = await serve(unused);
    unused.close();
    const socket = new GuestSocket({ port, ownPort: 1024, send: wire.send });
    wire.sockets.push(socket);
    socket.connect(wire.nowNs);
    await until(() => socket.isReset);
  });

  test("a reset by the host's side reaches the guest, and one by the guest the host", async () => {
    const { wire, until } = setUp();
    const ends: string[] = [];
    let count = 0;
    const port = await serve(
      createServer((socket) => {
        socket.on('error', (error: NodeJS.ErrnoException) => ends.push(error.code ?? ''));
        if (count++ === 0) socket.resetAndDestroy();
        else socket.resume();
      }),
    );
    const sockets = [1024, 1025].map(
      (ownPort) => new GuestSocket({ port, ownPort, finishes: false, send: wire.send }),
    );
    wire.sockets.push(...sockets);
    sockets[0]!.connect(wire.nowNs);
    await until(() => sockets[0]!.isReset);
    sockets[1]!.connect(wire.nowNs);
    await until(() => sockets[1]!.isOpen && count === 2);
    sockets[1]!.abort();
    await until(() => ends.length > 0);
    expect(ends).toEqual(['ECONNRESET']);
  });

  test('a forwarded port leads to the guest, both ways', async () => {
    const { network, wire, until } = setUp({ lost: 20 });
    const hostPort = await opened(network, { protocol: 'tcp', hostPort: 0, guestPort: 22 });
    const length = 1 << 20;
    const toGuest = new PatternSink(length);
    const toHost = new PatternSink(length);
    const socket = new GuestSocket({
      port: 0,
      ownPort: 22,
      source: patternSource(length),
      onData: toGuest.take,
      send: wire.send,
    });
    socket.listen();
    wire.sockets.push(socket);
    const client = connect({ host: '127.0.0.1', port: hostPort, allowHalfOpen: true });
    closers.push(() => client.destroy());
    client.on('data', toHost.take);
    client.end(patternSource(length).read(0, length));
    await until(() => socket.done && toHost.bytes === length);
    expect(toGuest.bytes).toBe(length);
  });

  test('a forward to a port in use says so', async () => {
    const { network } = setUp();
    const hostPort = await serve(createServer());
    await expect(opened(network, { protocol: 'tcp', hostPort, guestPort: 22 })).rejects.toThrow(
      `cannot listen on 127.0.0.1:${hostPort}: the address is in use`,
    );
  });
});

describe("a guest's datagrams through the host's sockets", () => {
  async function udpServer(answer: (data: Buffer) => Uint8Array): Promise<number> {
    const socket = createSocket('udp4');
    closers.push(() => socket.close());
    socket.on('message', (data, { port, address }) => socket.send(answer(data), port, address));
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    return socket.address().port;
  }

  test('an echo comes back, whole, beyond the MTU', async () => {
    const { wire, until } = setUp();
    const port = await udpServer((data) => data);
    const answers: number[] = [];
    wire.onFrame = (frame) => {
      if (readFrame(frame).type === 0x0800) answers.push(frame.length);
    };
    wire.send(udpFrame(GATEWAY, 5000, port, new Uint8Array(1400)));
    await until(() => answers.length === 1);
    expect(answers).toEqual([14 + 20 + 8 + 1400]);
  });

  test('a forwarded port takes datagrams from anybody, and the guest answers through it', async () => {
    const { network, wire, until } = setUp();
    const hostPort = await opened(network, { protocol: 'udp', hostPort: 0, guestPort: 69 });
    wire.onFrame = (frame) => {
      const datagram = readUdp(frame);
      if (datagram?.destinationPort !== 69) return;
      expect(datagram.from).toBe('10.0.2.2');
      wire.send(udpFrame(GATEWAY, 69, datagram.sourcePort, datagram.data.slice().reverse()));
    };
    const client = createSocket('udp4');
    closers.push(() => client.close());
    const answers: string[] = [];
    client.on('message', (data, { port }) => answers.push(`${data} from ${port === hostPort}`));
    client.send('abc', hostPort, '127.0.0.1');
    await until(() => answers.length === 1);
    expect(answers).toEqual(['cba from true']);
  });

  test('a question for another type than addresses goes to the name server as it stands', async () => {
    const seen: Buffer[] = [];
    const port = await udpServer((data) => {
      seen.push(data);
      return Buffer.concat([
        data.subarray(0, 2),
        Buffer.from([0x81, 0x80]),
        data.subarray(4),
        Buffer.from('answer'),
      ]);
    });
    const { wire, until } = setUp({}, { address: '127.0.0.1', port });
    const query = [...u16(77), 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 120, 0, ...u16(16), ...u16(1)];
    const answers: Buffer[] = [];
    wire.onFrame = (frame) => {
      const datagram = readUdp(frame);
      if (datagram !== undefined) answers.push(Buffer.from(datagram.data));
    };
    wire.send(udpFrame(NAME_SERVER, 5000, 53, query));
    await until(() => answers.length === 1);
    expect([...seen[0]!]).toEqual(query);
    expect([...answers[0]!.subarray(0, 4)]).toEqual([0, 77, 0x81, 0x80]);
    expect(answers[0]!.toString()).toMatch(/answer$/);
  });

  test("a name is looked up as the host's programs do", async () => {
    const found = await new Promise((resolve) => new NetworkSockets().resolve('localhost', resolve));
    expect(found).toEqual({ kind: 'addresses', addresses: [LOOPBACK] });
  });
});
