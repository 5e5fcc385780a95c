import { describe, expect, test } from 'vitest';
import { FakeNetworkHost } from '../../test/support/fake-network-host.ts';
import {
  arpRequestFrame,
  EVERY_MAC,
  etherFrame,
  GATEWAY,
  GATEWAY_MAC,
  GUEST,
  GUEST_MAC,
  internetChecksum,
  ipFrame,
  joined,
  NAME_SERVER,
  type Octets,
  readFrame,
  readIp,
  readUdp,
  u16,
  u32,
  udpFrame,
  udpPayload,
} from '../../test/support/guest-frames.ts';
import { ipv4Address, LOOPBACK, parseIpv4 } from '../base/ipv4.ts';
import type { ResolvedName } from '../contracts/network.ts';
import { UserNetwork } from './user-network.ts';

function setUp({ mtu = 1500, known = true } = {}) {
  const host = new FakeNetworkHost();
  const network = new UserNetwork({ host, mtu });
  const taken = (): Uint8Array[] => {
    host.run();
    const frames: Uint8Array[] = [];
    for (let frame = network.takeFrameForGuest(); frame !== undefined; ) {
      frames.push(frame);
      frame = network.takeFrameForGuest();
    }
    return frames;
  };
  /** What comes back at once. */
  const answers = (...frames: Uint8Array[]): Uint8Array[] => {
    for (const frame of frames) network.frameFromGuest(frame);
    return taken();
  };
  if (known) answers(arpRequestFrame(GATEWAY));
  return { host, network, taken, answers };
}

const octets = (address: string): Octets => {
  const [a, b, c, d] = address.split('.').map(Number);
  return [a!, b!, c!, d!];
};

describe('ARP (RFC 826)', () => {
  test.each([
    ['10.0.2.2', '82.85.10.0.2.2'],
    ['10.0.2.3', '82.85.10.0.2.3'],
  ])('%s is at %s', (address, mac) => {
    const [reply] = setUp().answers(arpRequestFrame(octets(address)));
    expect(readFrame(reply!).to).toBe(GUEST_MAC.join('.'));
    const expected = [...[0, 1, 8, 0, 6, 4, 0, 2], ...mac.split('.').map(Number), ...octets(address)];
    expect([...readFrame(reply!).payload]).toEqual([...expected, ...GUEST_MAC, ...GUEST]);
  });

  test.each(['10.0.2.15', '10.0.2.99', '10.0.2.255', '192.0.2.1'])('nobody is at %s', (address) => {
    expect(setUp().answers(arpRequestFrame(octets(address)))).toEqual([]);
  });
});

describe('DHCP (RFC 2131)', () => {
  const message = (options: readonly number[], { mac = GUEST_MAC, flags = 0, current = [0, 0, 0, 0] } = {}) =>
    joined(
      [1, 1, 6, 0, ...u32(0xabad1dea), 0, 0, ...u16(flags), ...current],
      new Uint8Array(12),
      mac,
      new Uint8Array(10 + 64 + 128),
      [99, 130, 83, 99, ...options, 255],
    );
  const ask = (
    network: ReturnType<typeof setUp>,
    options: readonly number[],
    fields?: Parameters<typeof message>[1],
  ) => {
    const payload = message(options, fields);
    const from = (fields?.current ?? [0, 0, 0, 0]) as unknown as Octets;
    const datagram = udpPayload([255, 255, 255, 255], 68, 67, payload, from);
    const [frame] = network.answers(
      ipFrame({ from, to: [255, 255, 255, 255], protocol: 17, payload: datagram, mac: EVERY_MAC }),
    );
    if (frame === undefined) return undefined;
    const { data, sourcePort, destinationPort, to } = readUdp(frame)!;
    expect([data[0], sourcePort, destinationPort]).toEqual([2, 67, 68]);
    expect([...data.subarray(4, 8)]).toEqual(u32(0xabad1dea));
    expect([...data.subarray(236, 240)]).toEqual([99, 130, 83, 99]);
    const found: Record<number, string> = {};
    for (let at = 240; data[at] !== 255; at += 2 + data[at + 1]!) {
      found[data[at]!] = data.subarray(at + 2, at + 2 + data[at + 1]!).join('.');
    }
    return { yours: data.subarray(16, 20).join('.'), options: found, to, mac: readFrame(frame).to };
  };

  test('discover and request: address, mask, router, name server', () => {
    const network = setUp({ known: false });
    const offer = ask(network, [53, 1, 1]);
    const common = {
      1: '255.255.255.0',
      3: '10.0.2.2',
      6: '10.0.2.3',
      28: '10.0.2.255',
      51: '0.1.81.128',
      54: '10.0.2.2',
    };
    expect(offer).toEqual({
      yours: '10.0.2.15',
      options: { ...common, 53: '2' },
      to: '10.0.2.15',
      mac: GUEST_MAC.join('.'),
    });
    const ack = ask(network, [53, 1, 3, 54, 4, 10, 0, 2, 2, 50, 4, 10, 0, 2, 15]);
    expect(ack?.options).toEqual({ ...common, 53: '5' });
  });

  test('a client that asks for it gets the answer by broadcast (section 4.1)', () => {
    expect(ask(setUp(), [53, 1, 1], { flags: 0x8000 })).toMatchObject({
      to: '255.255.255.255',
      mac: EVERY_MAC.join('.'),
    });
  });

  test('a renewal from the address itself is acknowledged there', () => {
    const network = setUp();
    ask(network, [53, 1, 1]);
    expect(ask(network, [53, 1, 3], { current: [10, 0, 2, 15] })).toMatchObject({
      yours: '10.0.2.15',
      to: '10.0.2.15',
    });
  });

  test('a wrong address is refused, an offer of another server is none of ours', () => {
    const network = setUp();
    expect(ask(network, [53, 1, 3, 50, 4, 10, 0, 2, 77])).toMatchObject({
      yours: '0.0.0.0',
      options: { 53: '6' },
    });
    expect(ask(network, [53, 1, 3, 54, 4, 10, 0, 2, 9, 50, 4, 10, 0, 2, 15])).toBeUndefined();
  });

  test('each card gets an address of its own and keeps it; the seventeenth gets none', () => {
    const network = setUp();
    const card = (last: number) => ask(network, [53, 1, 1], { mac: [2, 0, 0, 0, 0, last] })?.yours;
    const first = Array.from({ length: 17 }, (_, index) => card(index));
    expect(first).toEqual([...Array.from({ length: 16 }, (_, index) => `10.0.2.${15 + index}`), undefined]);
    expect(card(3)).toBe('10.0.2.18');
  });

  test('information only comes without an address and a lease (section 4.3.5)', () => {
    const answer = ask(setUp(), [53, 1, 8], { current: [10, 0, 2, 40] });
    expect(answer).toMatchObject({ yours: '0.0.0.0', to: '10.0.2.40', options: { 53: '5', 6: '10.0.2.3' } });
    expect(answer?.options[51]).toBeUndefined();
  });

  test('an MTU that is not 1,500 is told', () => {
    expect(ask(setUp({ mtu: 9000 }), [53, 1, 1])?.options[26]).toBe('35.40');
  });
});

describe('ICMP (RFC 792)', () => {
  const echo = (length: number) => {
    const message = joined([8, 0, 0, 0, 1, 2, 3, 4], new Uint8Array(length).fill(0x5a));
    message.set(u16(internetChecksum(message)), 2);
    return message;
  };
  const ping = (to: Octets, length = 56) => ipFrame({ to, protocol: 1, payload: echo(length) });

  test.each(['10.0.2.2', '10.0.2.3'])('an echo comes back from %s', (address) => {
    const [frame, ...more] = setUp().answers(ping(octets(address), 57));
    const { from, to, payload } = readIp(frame!)!;
    expect([from, to, more.length]).toEqual([address, '10.0.2.15', 0]);
    expect([...payload.subarray(0, 2)]).toEqual([0, 0]);
    expect(payload.subarray(4)).toEqual(echo(57).subarray(4));
  });

  test('an echo to anybody else is prohibited (RFC 1812, section 5.2.7.1)', () => {
    const frame = ping([192, 0, 2, 1]);
    const [answer] = setUp().answers(frame);
    const { from, payload } = readIp(answer!)!;
    expect([from, ...payload.subarray(0, 2)]).toEqual(['10.0.2.2', 3, 13]);
    expect(payload.subarray(8)).toEqual(frame.subarray(14, 14 + 28));
  });

  test('an echo in fragments, in any order, comes back in fragments (RFC 791, section 3.2)', () => {
    const whole = echo(4000);
    const part = (start: number, end: number) =>
      ipFrame({
        to: GATEWAY,
        protocol: 1,
        id: 7,
        payload: whole.subarray(start, end),
        fragment: start / 8 + (end < whole.length ? 0x2000 : 0),
      });
    const frames = setUp().answers(part(2960, 4008), part(0, 1480), part(0, 1480), part(1480, 2960));
    const parts = frames.map((frame) => readIp(frame)!);
    expect(parts.map(({ fragmentOffset, moreFragments }) => [fragmentOffset, moreFragments])).toEqual([
      [0, true],
      [1480, true],
      [2960, false],
    ]);
    const answer = joined(...parts.map(({ payload }) => payload));
    expect(internetChecksum(answer)).toBe(0);
    expect(answer.subarray(4)).toEqual(whole.subarray(4));
  });

  test.each([
    [
      'overlapping parts',
      [
        [0, 1480],
        [1472, 2952],
        [2952, 4008],
      ],
    ],
    [
      'a missing part',
      [
        [0, 1480],
        [2960, 4008],
      ],
    ],
  ])('no answer to %s', (_name, ranges) => {
    const whole = echo(4000);
    const frames = ranges.map(([start, end]) =>
      ipFrame({
        to: GATEWAY,
        protocol: 1,
        payload: whole.subarray(start, end),
        fragment: start! / 8 + (end! < whole.length ? 0x2000 : 0),
      }),
    );
    expect(setUp().answers(...frames)).toEqual([]);
  });
});

describe('DNS (RFC 1035)', () => {
  const query = (name: string, type: number) => [
    ...u16(4711),
    ...[1, 0, 0, 1, 0, 0, 0, 0, 0, 0],
    ...name.split('.').flatMap((label) => [label.length, ...Buffer.from(label)]),
    0,
    ...u16(type),
    ...u16(1),
  ];
  const ask = (name: string, type: number, found?: ResolvedName) => {
    const { host, answers } = setUp();
    const names: string[] = [];
    host.onResolve = (asked) => {
      names.push(asked);
      return found ?? { kind: 'failed' };
    };
    const [frame] = answers(udpFrame(NAME_SERVER, 5353, 53, query(name, type)));
    const { data, from, sourcePort, destinationPort } = readUdp(frame!)!;
    expect([from, sourcePort, destinationPort]).toEqual(['10.0.2.3', 53, 5353]);
    const questionEnd = query(name, type).length;
    expect([...data.subarray(0, 2), ...data.subarray(12, questionEnd)]).toEqual([
      ...u16(4711),
      ...query(name, type).slice(12),
    ]);
    return {
      names,
      host,
      flags: [...data.subarray(2, 4)],
      records: data.subarray(questionEnd),
      count: data[7],
    };
  };

  test('addresses', () => {
    const addresses = [parseIpv4('192.0.2.1')!, parseIpv4('192.0.2.2')!];
    const { names, flags, records, count } = ask('www.Example.org', 1, { kind: 'addresses', addresses });
    expect(names).toEqual(['www.Example.org']);
    expect([flags, count]).toEqual([[0x81, 0x80], 2]);
    const record = (last: number) => [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, 192, 0, 2, last];
    expect([...records]).toEqual([...record(1), ...record(2)]);
  });

  test("the host's own address is the gateway", () => {
    const { records } = ask('localhost', 1, { kind: 'addresses', addresses: [LOOPBACK] });
    expect([...records.subarray(12)]).toEqual([10, 0, 2, 2]);
  });

  test('no more addresses than fit 512 bytes', () => {
    const addresses = Array.from({ length: 100 }, (_, index) => ipv4Address(0xc0000200 + index));
    const { records, count } = ask('many.test', 1, { kind: 'addresses', addresses });
    expect([count, records.length]).toEqual([30, 480]);
  });

  test.each([
    ['no-such-name', 3],
    ['failed', 2],
  ] as const)('%s is code %i', (kind, code) => {
    const { flags, count } = ask('nowhere.test', 1, { kind });
    expect([flags, count]).toEqual([[0x81, 0x80 | code], 0]);
  });

  test('no name has an IPv6 address', () => {
    const { names, flags, count } = ask('www.example.org', 28);
    expect([names, flags, count]).toEqual([[], [0x81, 0x80], 0]);
  });

  test("other questions go to the host's name server; its silence is a failure", () => {
    const { host, flags } = ask('example.org', 15);
    expect(host.questions.map((asked) => [...asked])).toEqual([query('example.org', 15)]);
    expect(flags).toEqual([0x81, 0x82]);
  });

  test('another port of the name server is unreachable', () => {
    const [frame] = setUp().answers(udpFrame(NAME_SERVER, 5353, 54, [1]));
    expect([...readIp(frame!)!.payload.subarray(0, 2)]).toEqual([3, 3]);
  });
});

describe('UDP (RFC 768, RFC 4787)', () => {
  test('one socket a port of the guest; the answer comes from whom it was sent to', () => {
    const { host, taken, answers } = setUp();
    answers(udpFrame(GATEWAY, 5000, 7, [1, 2, 3]), udpFrame([192, 0, 2, 9], 5000, 8, [4]));
    expect(host.datagrams.length).toBe(1);
    const [socket] = host.datagrams;
    expect(socket!.sent.map(({ to, data }) => [to, ...data])).toEqual([
      ['127.0.0.1:7', 1, 2, 3],
      ['192.0.2.9:8', 4],
    ]);
    socket!.events.received(Uint8Array.of(5, 6, 7), LOOPBACK, 7);
    socket!.events.received(Uint8Array.of(8), parseIpv4('192.0.2.9')!, 99);
    const seen = taken().map((frame) => readUdp(frame)!);
    expect(
      seen.map(({ from, sourcePort, to, destinationPort, data }) => [
        from,
        sourcePort,
        to,
        destinationPort,
        ...data,
      ]),
    ).toEqual([
      ['10.0.2.2', 7, '10.0.2.15', 5000, 5, 6, 7],
      ['192.0.2.9', 99, '10.0.2.15', 5000, 8],
    ]);
  });

  test('a forward: anybody is heard, and the answer leaves by the same socket', () => {
    const { host, network, taken, answers } = setUp();
    const forward = { protocol: 'udp', hostPort: 6900, guestPort: 69 } as const;
    const events = { listening: () => {}, failed: () => {} };
    const close = network.forward(forward, events);
    const [socket] = host.datagrams;
    expect(socket!.at).toBe('127.0.0.1:6900');
    socket!.events.received(Uint8Array.of(1), parseIpv4('198.51.100.1')!, 4000);
    expect(taken().map((frame) => [readUdp(frame)!.from, readUdp(frame)!.destinationPort])).toEqual([
      ['198.51.100.1', 69],
    ]);
    answers(udpFrame([198, 51, 100, 1], 69, 4000, [2]));
    expect(socket!.sent.map(({ to }) => to)).toEqual(['198.51.100.1:4000']);
    expect(() => network.forward(forward, events)).toThrow('port 69 of the guest has a forward');
    network.reset();
    expect(socket!.closed).toBe(false);
    close();
    expect(socket!.closed).toBe(true);
  });

  test('whom the guest never sent to is not heard', () => {
    const { host, taken, answers } = setUp();
    answers(udpFrame(GATEWAY, 5000, 7, [1]));
    host.datagrams[0]!.events.received(Uint8Array.of(1), parseIpv4('198.51.100.1')!, 7);
    expect(taken()).toEqual([]);
  });

  test('a session ends after two minutes of silence', () => {
    const { host, network, answers } = setUp();
    network.poll(1e9);
    answers(udpFrame(GATEWAY, 5000, 7, [1]));
    network.poll(100e9);
    answers(udpFrame(GATEWAY, 5000, 7, [1]));
    expect(network.nextDeadlineNs()).toBe(220e9);
    network.poll(220e9 - 1);
    expect(network.counts.udpSessions).toBe(1);
    network.poll(220e9);
    expect([network.counts.udpSessions, host.datagrams[0]!.closed]).toEqual([0, true]);
  });

  test('the eldest of too many sessions makes way', () => {
    const { host, network, answers } = setUp();
    for (let port = 1; port <= 600; port++) answers(udpFrame(GATEWAY, port, 7, [1]));
    expect(network.counts.udpSessions).toBe(512);
    expect(host.datagrams.map(({ closed }) => closed)).toEqual(
      Array.from({ length: 600 }, (_, index) => index < 88),
    );
  });

  test.each(['10.0.2.9', '10.0.2.255', '127.0.0.1', '239.1.2.3', '0.1.2.3'])(
    'nothing goes to %s',
    (address) => {
      const { host, answers } = setUp();
      expect(answers(udpFrame(octets(address), 5000, 7, [1]))).toEqual([]);
      expect(host.datagrams).toEqual([]);
    },
  );

  test('what the guest does not take is lost beyond a bound', () => {
    const { host, answers, taken } = setUp();
    answers(udpFrame(GATEWAY, 5000, 7, [1]));
    for (let i = 0; i < 5000; i++) host.datagrams[0]!.events.received(new Uint8Array(1000), LOOPBACK, 7);
    expect(taken().length).toBe(512);
  });

  test('a wrong checksum drops, a zero one is none', () => {
    const { host, answers } = setUp();
    const payload = udpPayload(GATEWAY, 5000, 7, [1, 2]);
    payload[6]! ^= 1;
    answers(ipFrame({ to: GATEWAY, protocol: 17, payload }));
    expect(host.datagrams.length).toBe(0);
    payload.set([0, 0], 6);
    answers(ipFrame({ to: GATEWAY, protocol: 17, payload, options: [1, 1, 1, 0] }));
    expect(host.datagrams[0]!.sent.length).toBe(1);
  });
});

describe('frames for others', () => {
  test.each([
    ['another card', etherFrame([2, 0, 0, 0, 0, 1], 0x0800, new Uint8Array(60))],
    ['IPv6', etherFrame(GATEWAY_MAC, 0x86dd, new Uint8Array(60))],
    [
      'an address that is not of this network',
      ipFrame({ from: [192, 168, 1, 1], to: GATEWAY, protocol: 1, payload: [8, 0, 0xf7, 0xff, 0, 0, 0, 0] }),
    ],
  ])('%s', (_name, frame) => {
    expect(setUp().answers(frame)).toEqual([]);
  });
});
