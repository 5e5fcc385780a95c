import { describe, expect, test } from 'vitest';
import { FakeNetworkHost } from '../../test/support/fake-network-host.ts';
import { arpRequestFrame, GATEWAY, readFrame, readTcp, tcpFrame } from '../../test/support/guest-frames.ts';
import { GuestSocket, type GuestSocketOptions } from '../../test/support/guest-tcp.ts';
import { LossyWire, PatternSink, patternSource, type WireFaults } from '../../test/support/lossy-wire.ts';
import { random, SEED } from '../../test/support/random.ts';
import { UserNetwork } from './user-network.ts';

const MEGABYTE = 1 << 20;

function setUp(faults: WireFaults = {}) {
  const host = new FakeNetworkHost();
  const network = new UserNetwork({ host });
  const wire = new LossyWire(network, host, random(SEED), faults);
  const socket = (options: Omit<GuestSocketOptions, 'send' | 'ownPort' | 'port'> & { ownPort?: number }) => {
    const made = new GuestSocket({
      port: 80,
      ownPort: 1024 + wire.sockets.length,
      ...options,
      send: wire.send,
    });
    wire.sockets.push(made);
    return made;
  };
  const connect = (options: Parameters<typeof socket>[0]) => {
    const made = socket(options);
    made.connect(wire.nowNs);
    return made;
  };
  return { host, network, wire, socket, connect };
}

const FAULTS: readonly [string, WireFaults, number][] = [
  ['on a good wire', {}, 4 * MEGABYTE],
  ['with 2 % lost', { lost: 20 }, 2 * MEGABYTE],
  ['with 10 % doubled and 10 % late', { doubled: 100, late: 100 }, 2 * MEGABYTE],
  ['with 5 % lost, 5 % doubled, 20 % late', { lost: 50, doubled: 50, late: 200 }, MEGABYTE],
];

describe('transfers arrive intact', () => {
  test.each(FAULTS)('downloads %s', (_name, faults, length) => {
    const { host, network, wire, connect } = setUp(faults);
    host.onConnect = (stream) => {
      stream.give(patternSource(length));
      return undefined;
    };
    const sink = new PatternSink(length);
    const socket = connect({ onData: sink.take });
    wire.until(() => socket.done);
    expect(sink.bytes).toBe(length);
    expect(host.streams.map((stream) => stream.to)).toEqual(['127.0.0.1:80']);
    expect(host.streams[0]!.guestEnded).toBe(true);
    wire.wait(15);
    expect(network.counts.tcpConnections).toBe(0);
  });

  test.each(FAULTS)('uploads %s', (_name, faults, length) => {
    const { host, network, wire, connect } = setUp(faults);
    const sink = new PatternSink(length);
    host.onConnect = (stream) => {
      stream.onData = sink.take;
      return undefined;
    };
    const socket = connect({ source: patternSource(length) });
    wire.until(() => host.streams[0]?.guestEnded === true);
    expect(sink.bytes).toBe(length);
    host.streams[0]!.give(patternSource(0));
    wire.until(() => socket.done);
    wire.wait(15);
    expect(network.counts.tcpConnections).toBe(0);
  });

  test('both ways at once, eight connections, with losses', () => {
    const { host, network, wire, connect } = setUp({ lost: 10, doubled: 10, late: 20 });
    const length = MEGABYTE / 2;
    const sinks = Array.from({ length: 16 }, () => new PatternSink(length));
    host.onConnect = (stream) => {
      stream.onData = sinks[8 + host.streams.length - 1]!.take;
      stream.give(patternSource(length));
      return undefined;
    };
    const sockets = sinks
      .slice(0, 8)
      .map((sink) => connect({ source: patternSource(length), onData: sink.take }));
    wire.until(() => sockets.every((socket) => socket.done));
    expect(sinks.map((sink) => sink.bytes)).toEqual(sinks.map(() => length));
    wire.wait(15);
    expect(network.counts.tcpConnections).toBe(0);
  });
});

const download = (length: number, faults?: WireFaults, options: Partial<GuestSocketOptions> = {}) => {
  const all = setUp(faults);
  all.host.onConnect = (stream) => {
    stream.give(patternSource(length));
    return undefined;
  };
  const sink = new PatternSink(length);
  const guest = all.connect({ onData: sink.take, ...options });
  return { ...all, sink, guest };
};

describe('a slow side never makes the other buffer without bound', () => {
  const length = 2 * MEGABYTE;

  test('the host reads slowly: the window closes, and opens again', () => {
    const { host, wire, connect } = setUp();
    const sink = new PatternSink(length);
    host.onConnect = (stream) => {
      stream.onData = sink.take;
      stream.appetite = 100_000;
      return undefined;
    };
    const guest = connect({ source: patternSource(length) });
    wire.wait(30);
    expect(sink.bytes).toBeGreaterThanOrEqual(100_000);
    expect(sink.bytes).toBeLessThan(100_000 + 65536);
    expect(guest.acknowledgedBytes - sink.bytes).toBeLessThanOrEqual(1 << 18);
    host.streams[0]!.feed(500_000);
    wire.wait(30);
    expect(sink.bytes).toBeLessThan(600_000 + 2 * 65536);
    host.streams[0]!.feed(Infinity);
    wire.until(() => host.streams[0]!.guestEnded);
    expect(sink.bytes).toBe(length);
  });

  test('the guest reads slowly: the host is not read further than two buffers, and probes go on', () => {
    const { host, wire, guest, sink } = download(length);
    guest.paused = true;
    wire.wait(1);
    const before = guest.segments;
    wire.wait(120);
    expect(host.streams[0]!.takenBytes).toBeLessThanOrEqual((1 << 18) + (1 << 18));
    expect(guest.segments).toBeGreaterThan(before + 2);
    expect(guest.segments).toBeLessThan(before + 30);
    guest.resume();
    wire.until(() => guest.done);
    expect(sink.bytes).toBe(length);
  });

  test('a lost window update is made good by a probe', () => {
    const { wire, guest, sink } = download(length);
    guest.paused = true;
    wire.wait(5);
    guest.paused = false; // Without a word to the host.
    wire.until(() => guest.done);
    expect(sink.bytes).toBe(length);
  });

  test('the guest takes no frames: the host is not read further than one buffer', () => {
    const { host, wire, guest } = download(length);
    wire.until(() => guest.isOpen);
    wire.guestStopped = true;
    const before = host.streams[0]!.takenBytes;
    wire.wait(10);
    expect(host.streams[0]!.takenBytes - before).toBeLessThanOrEqual(1 << 18);
    wire.guestStopped = false;
    wire.until(() => guest.done);
  });
});

describe('segments', () => {
  test('windows are scaled (RFC 7323)', () => {
    const { wire, guest } = download(1000);
    wire.until(() => guest.done);
    expect(guest.windowMax).toBe(1 << 18);
  });

  test.each([100, 536, 1460])('the largest segment of the guest is %i, and is kept to', (mss) => {
    const { wire, guest } = download(100_000, {}, { mss });
    const lengths: number[] = [];
    wire.onFrame = (frame) => lengths.push(frame.length - 54);
    wire.until(() => guest.done);
    expect(Math.max(...lengths)).toBe(mss);
  });

  /** Loses the first frame of data; milliseconds from then to the end. */
  function downloadWithOneLoss(length: number): number {
    const { wire, guest, sink } = download(length);
    let lostNs: number | undefined;
    wire.loses = (frame) => {
      const isLost = lostNs === undefined && frame.length > 100;
      if (isLost) lostNs = wire.nowNs;
      return isLost;
    };
    wire.until(() => guest.done);
    expect(sink.bytes).toBe(length);
    return (wire.nowNs - lostNs!) / 1e6;
  }

  test('one lost segment comes again before the timer (RFC 5681, section 3.2)', () => {
    expect(downloadWithOneLoss(200_000)).toBeLessThan(190);
  });

  test('a lost last segment comes again by the timer (RFC 6298)', () => {
    const milliseconds = downloadWithOneLoss(1000);
    expect(milliseconds).toBeGreaterThan(190);
    expect(milliseconds).toBeLessThan(1200);
  });

  test('a wrong checksum drops', () => {
    const { host, network } = setUp();
    const syn = {
      to: GATEWAY,
      sourcePort: 1024,
      destinationPort: 80,
      acknowledgment: 0,
      flags: 2,
      window: 9,
    };
    const frame = tcpFrame({ ...syn, sequence: 7 });
    frame[50]! ^= 1;
    network.frameFromGuest(frame);
    expect(host.streams).toEqual([]);
    frame[50]! ^= 1;
    network.frameFromGuest(frame);
    expect(host.streams.length).toBe(1);
  });

  test('an upload is acknowledged at every second segment or later, not at each', () => {
    const { host, wire, connect } = setUp();
    const guest = connect({ source: patternSource(MEGABYTE) });
    wire.until(() => host.streams[0]?.guestEnded === true);
    expect(guest.acknowledgments).toBeLessThanOrEqual(Math.ceil(MEGABYTE / 1460 / 2) + 5);
  });
});

describe('ends', () => {
  test('the guest ends first and goes on receiving', () => {
    const { host, wire, connect } = setUp();
    const sink = new PatternSink(300_000);
    const guest = connect({ source: patternSource(1000), onData: sink.take });
    wire.until(() => host.streams[0]?.guestEnded === true);
    host.streams[0]!.give(patternSource(300_000));
    wire.until(() => guest.done);
    expect(sink.bytes).toBe(300_000);
    expect(host.streams[0]!.destroyed).toBe(false);
  });

  test('the host ends first and goes on receiving', () => {
    const { host, wire, connect } = setUp({ lost: 50 });
    const sink = new PatternSink(300_000);
    host.onConnect = (stream) => {
      stream.onData = sink.take;
      stream.give(patternSource(0));
      return undefined;
    };
    const guest = connect({ source: patternSource(300_000) });
    wire.until(() => guest.done);
    expect(sink.bytes).toBe(300_000);
  });

  test('a refused connection is reset', () => {
    const { host, network, wire, connect } = setUp();
    host.onConnect = () => 'refused';
    const guest = connect({});
    wire.until(() => guest.isReset, 1);
    expect(network.counts.tcpConnections).toBe(0);
  });

  test('an unreachable host is told by ICMP, which quotes the SYN', () => {
    const { host, wire, connect } = setUp();
    host.onConnect = () => 'unreachable';
    const answers: number[][] = [];
    wire.onFrame = (frame) =>
      answers.push([...frame.subarray(23, 24), ...frame.subarray(34, 36), ...frame.subarray(62, 66)]);
    connect({ to: [192, 0, 2, 1] });
    wire.until(() => answers.length > 0, 1);
    // Protocol 1, type 3, code 1; then the ports of the SYN: 1024 and 80.
    expect(answers[0]).toEqual([1, 3, 1, 4, 0, 0, 80]);
  });

  test.each(['10.0.2.3', '10.0.2.99', '127.0.0.1', '224.0.0.1'])(
    'a connection to %s never reaches the host',
    (address) => {
      const { host, wire, connect } = setUp();
      const [a, b, c, d] = address.split('.').map(Number);
      const guest = connect({ to: [a!, b!, c!, d!] });
      wire.until(() => guest.isReset, 1);
      expect(host.streams).toEqual([]);
    },
  );

  test("the guest's reset destroys the host's stream", () => {
    const { host, network, wire, connect } = setUp();
    const guest = connect({ finishes: false });
    wire.until(() => guest.isOpen);
    guest.abort();
    wire.wait(0.01);
    expect(host.streams[0]!.destroyed).toBe(true);
    expect(network.counts.tcpConnections).toBe(0);
  });

  test('a reset within the window but not at its start is only answered (RFC 5961, section 3.2)', () => {
    const { host, wire, connect } = setUp();
    const guest = connect({ finishes: false });
    wire.until(() => guest.isOpen);
    wire.wait(0.1);
    const before = guest.acknowledgments;
    const reset = {
      to: GATEWAY,
      sourcePort: 1024,
      destinationPort: 80,
      acknowledgment: 0,
      flags: 4,
      window: 0,
    };
    wire.send(tcpFrame({ ...reset, sequence: 0xfffff001 + 100 }));
    wire.wait(0.1);
    expect(host.streams[0]!.destroyed).toBe(false);
    expect(guest.acknowledgments).toBe(before + 1);
    wire.send(tcpFrame({ ...reset, sequence: 0xfffff001 }));
    wire.wait(0.1);
    expect(host.streams[0]!.destroyed).toBe(true);
  });

  test('a guest that vanished is given up', () => {
    const { host, network, wire, guest } = download(MEGABYTE);
    wire.until(() => guest.isOpen);
    wire.sockets.length = 0;
    wire.wait(1200);
    expect(host.streams[0]!.destroyed).toBe(true);
    expect(network.counts.tcpConnections).toBe(0);
  });

  test('the same ports serve again at once (RFC 9293, section 3.10.7.4)', () => {
    const { host, network, wire, connect } = setUp();
    host.onConnect = (stream) => {
      stream.give(patternSource(0));
      return undefined;
    };
    // The host ends first, so that its end is the one that waits for stragglers.
    const guest = connect({ source: patternSource(300_000), initialSequence: 0 });
    wire.until(() => guest.done);
    wire.wait(0.1);
    expect(network.counts.tcpConnections).toBe(1);
    wire.sockets.length = 0;
    // Its sequence numbers begin behind those of the first.
    const second = connect({ ownPort: 1024, source: patternSource(10), initialSequence: 1_000_000 });
    wire.until(() => second.isOpen, 2);
    expect(host.streams.length).toBe(2);
  });

  test('a reset of the machine ends what was open, and keeps forwards', () => {
    const { host, network, wire, connect } = setUp();
    const guests = [connect({ finishes: false }), connect({ finishes: false })];
    network.forward(
      { protocol: 'tcp', hostPort: 8022, guestPort: 22 },
      { listening: () => {}, failed: () => {} },
    );
    wire.until(() => guests.every((guest) => guest.isOpen));
    network.reset();
    expect(network.counts.tcpConnections).toBe(0);
    expect(host.streams.every((stream) => stream.destroyed)).toBe(true);
    expect(host.listeners.length).toBe(1);
    network.close();
    expect(host.listeners.length).toBe(0);
  });

  test('a full table refuses', () => {
    const { host, network, wire, connect } = setUp();
    host.onConnect = () => 'silent';
    for (let i = 0; i < 512; i++) connect({ finishes: false });
    wire.wait(0.01);
    expect(network.counts.tcpConnections).toBe(512);
    const late = connect({ ownPort: 9999 });
    wire.until(() => late.isReset, 1);
    expect(host.streams.length).toBe(512);
  });
});

describe('forwards', () => {
  const forwarded = (faults?: WireFaults) => {
    const all = setUp(faults);
    const ports: number[] = [];
    const events = { listening: (port: number) => ports.push(port), failed: () => {} };
    all.network.forward({ protocol: 'tcp', hostPort: 8022, guestPort: 22 }, events);
    all.host.run();
    expect(ports).toEqual([8022]);
    return all;
  };

  test.each([{}, { lost: 50, doubled: 50, late: 100 }])('carry both ways: %o', (faults) => {
    const { host, wire, socket } = forwarded(faults);
    const length = 300_000;
    const [toGuest, toHost] = [new PatternSink(length), new PatternSink(length)];
    const guest = socket({ ownPort: 22, source: patternSource(length), onData: toGuest.take });
    guest.listen();
    const stream = host.accept();
    stream.onData = toHost.take;
    stream.give(patternSource(length));
    wire.until(() => guest.done && stream.guestEnded);
    expect([toGuest.bytes, toHost.bytes]).toEqual([length, length]);
  });

  test('to a port where the guest does not listen are reset', () => {
    const { host, wire } = forwarded();
    wire.onFrame = (frame) => {
      const segment = readTcp(frame);
      if (segment === undefined) return;
      const acknowledgment = (segment.sequence + 1) >>> 0;
      const ports = { sourcePort: 22, destinationPort: segment.sourcePort };
      wire.send(tcpFrame({ to: GATEWAY, ...ports, sequence: 0, acknowledgment, flags: 20, window: 0 }));
    };
    const stream = host.accept();
    wire.until(() => stream.destroyed, 1);
  });

  test('to a guest that has not spoken yet ask for its card first', () => {
    const host = new FakeNetworkHost();
    const network = new UserNetwork({ host });
    network.forward(
      { protocol: 'tcp', hostPort: 8022, guestPort: 22 },
      { listening: () => {}, failed: () => {} },
    );
    host.accept();
    network.poll(0);
    const types = () => {
      const found: number[] = [];
      for (
        let frame = network.takeFrameForGuest();
        frame !== undefined;
        frame = network.takeFrameForGuest()
      ) {
        found.push(readFrame(frame).type);
      }
      return found;
    };
    expect(types()).toEqual([0x0806]);
    network.frameFromGuest(arpRequestFrame(GATEWAY));
    expect(types()).toEqual([0x0806, 0x0800]);
  });
});
