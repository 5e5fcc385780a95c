import { describe, expect, test } from 'vitest';
import { FakeNetworkHost } from '../../test/support/fake-network-host.ts';
import {
  arpRequestFrame,
  GATEWAY,
  internetChecksum,
  ipFrame,
  joined,
  NAME_SERVER,
  readTcp,
  tcpFrame,
  u16,
  udpFrame,
} from '../../test/support/guest-frames.ts';
import { patternSource } from '../../test/support/lossy-wire.ts';
import { type Random, random, SEED } from '../../test/support/random.ts';
import { LOOPBACK } from '../base/ipv4.ts';
import { UserNetwork } from './user-network.ts';

const echo = joined([8, 0, ...u16(internetChecksum([8, 0, 0, 0, 1, 2, 3, 4])), 1, 2, 3, 4]);
const tcp = { to: GATEWAY, sourcePort: 1024, destinationPort: 80, acknowledgment: 0, window: 1000 } as const;
const dhcp = joined([1, 1, 6, 0], new Uint8Array(232), [99, 130, 83, 99, 53, 1, 1, 255]);
const question = [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 120, 0, 0, 1, 0, 1];

/** One good frame of each kind that the network reads. */
const GOOD: readonly Uint8Array[] = [
  arpRequestFrame(GATEWAY),
  ipFrame({ to: GATEWAY, protocol: 1, payload: echo }),
  ipFrame({ to: GATEWAY, protocol: 1, payload: echo, fragment: 0x2000 }),
  ipFrame({ to: GATEWAY, protocol: 1, payload: echo, fragment: 1 }),
  udpFrame(GATEWAY, 5000, 7, [1, 2, 3]),
  udpFrame([255, 255, 255, 255], 68, 67, dhcp, [0, 0, 0, 0]),
  udpFrame(NAME_SERVER, 5000, 53, question),
  tcpFrame({ ...tcp, sequence: 0, flags: 2, options: [2, 4, 5, 180, 1, 3, 3, 7] }),
  tcpFrame({ ...tcp, sequence: 1, flags: 16, data: [1, 2, 3] }),
  tcpFrame({ ...tcp, sequence: 2, flags: 17, data: [1, 2, 3] }),
  tcpFrame({ ...tcp, sequence: 1, flags: 4 }),
];

function setUp() {
  const host = new FakeNetworkHost();
  host.onConnect = (stream) => {
    stream.give(patternSource(100_000), false);
    return undefined;
  };
  return { host, network: new UserNetwork({ host }) };
}

/** Makes the checksums right again, so that what is wrong behind them is reached. */
function repair(frame: Uint8Array): Uint8Array {
  if (frame.length < 34 || frame[12] !== 8 || frame[13] !== 0) return frame;
  const headerEnd = 14 + (frame[14]! & 15) * 4;
  if (headerEnd > frame.length) return frame;
  frame.set([0, 0], 24);
  frame.set(u16(internetChecksum(frame.subarray(14, headerEnd))), 24);
  const end = Math.min(frame.length, 14 + frame[16]! * 256 + frame[17]!);
  if (end < headerEnd) return frame;
  const payload = frame.subarray(headerEnd, end);
  const at = { 1: 2, 6: 16, 17: 6 }[frame[23]!];
  if (at === undefined || payload.length < at + 2) return frame;
  payload.set([0, 0], at);
  const pseudo = frame[23] === 1 ? [] : [...frame.subarray(26, 34), 0, frame[23]!, ...u16(payload.length)];
  payload.set(u16(internetChecksum(pseudo, payload)), at);
  return frame;
}

function mutated(numbers: Random): Uint8Array {
  const frame = numbers.pick(GOOD).slice();
  for (let count = 1 + numbers.below(4); count > 0; count--) {
    // Headers more often than data.
    const at =
      12 + numbers.below(Math.max(1, Math.min(frame.length, numbers.below(4) === 0 ? 400 : 60) - 12));
    frame[at] = numbers.pick([
      0,
      1,
      0x7f,
      0x80,
      0xff,
      numbers.below(256),
      frame[at]! ^ (1 << numbers.below(8)),
    ]);
  }
  const cut = numbers.below(8) === 0 ? frame.slice(0, numbers.below(frame.length + 1)) : frame;
  return numbers.below(8) === 0 ? cut : repair(cut);
}

describe('what a guest sends never throws and never fills the memory', () => {
  test('each kind of frame at every length', () => {
    for (const repaired of [false, true]) {
      const { host, network } = setUp();
      for (const frame of GOOD) {
        for (let length = 0; length <= frame.length; length++) {
          const cut = frame.slice(0, length);
          // The length in the header shrinks along, so that the part within is what is cut.
          if (repaired && length >= 34 && frame[12] === 8 && frame[13] === 0) cut.set(u16(length - 14), 16);
          network.frameFromGuest(repaired ? repair(cut) : cut);
          host.run();
          while (network.takeFrameForGuest() !== undefined);
        }
      }
      expect(network.counts.tcpConnections).toBeLessThanOrEqual(1);
    }
  });

  test('padding behind a packet is no part of it', () => {
    const { network } = setUp();
    network.frameFromGuest(arpRequestFrame(GATEWAY));
    network.takeFrameForGuest();
    network.frameFromGuest(joined(GOOD[1]!, new Uint8Array(100).fill(9)));
    expect(network.takeFrameForGuest()?.length).toBe(GOOD[1]!.length);
  });

  test.each([0, 1, 2, 3])('mutations, seed %i further', (offset) => {
    const seed = SEED + offset;
    const numbers = random(seed);
    const { host, network } = setUp();
    let nowNs = 0;
    let kept = 0;
    try {
      for (let i = 0; i < 10_000; i++) {
        network.frameFromGuest(mutated(numbers));
        if (numbers.below(4) === 0) host.run();
        if (numbers.below(4) === 0) network.poll((nowNs += numbers.below(1e9)));
        // A guest that takes nothing for a while, then everything.
        if (numbers.below(64) !== 0) continue;
        kept = 0;
        while (network.takeFrameForGuest() !== undefined) expect(++kept).toBeLessThan(5000);
        for (const socket of host.datagrams.slice(-3)) {
          if (!socket.closed) socket.events.received(new Uint8Array(numbers.below(3000)), LOOPBACK, 7);
        }
        const { tcpConnections, udpSessions } = network.counts;
        expect(tcpConnections).toBeLessThanOrEqual(512);
        expect(udpSessions).toBeLessThanOrEqual(512);
      }
      // After all of it, it still works.
      network.reset();
      network.frameFromGuest(arpRequestFrame(GATEWAY));
      expect(network.takeFrameForGuest()?.length).toBe(42);
    } catch (error) {
      throw new Error(`with SEED=${seed}`, { cause: error });
    }
  });

  test('segments of an open connection with every field at random', () => {
    const numbers = random(SEED);
    const { host, network } = setUp();
    network.frameFromGuest(arpRequestFrame(GATEWAY));
    let nowNs = 0;
    let sequence = 0;
    let acknowledgment = 0;
    for (let i = 0; i < 10_000; i++) {
      const near = (value: number) =>
        (value + numbers.below(7) * numbers.below(50_000) - numbers.below(3)) >>> 0;
      const flags = numbers.pick([16, 16, 16, 16, 17, 2, 18, 4, 0, 255]);
      const options = numbers.pick([
        [],
        [],
        [2, 4, 0, 0],
        [3, 3, 255, 0],
        [2, 0, 0, 0],
        [2, 255, 1, 1],
        [1, 1, 1, 2],
      ]);
      const data = new Uint8Array(numbers.pick([0, 0, 1, 100, 1460, 9000]));
      const window = numbers.pick([0, 0, 1, 1000, 65535]);
      network.frameFromGuest(
        tcpFrame({
          ...tcp,
          sequence: near(sequence),
          acknowledgment: near(acknowledgment),
          flags,
          window,
          options,
          data,
        }),
      );
      host.run();
      network.poll((nowNs += numbers.below(50e6)));
      for (let taken = 0; taken < 20; taken++) {
        const frame = network.takeFrameForGuest();
        const segment = frame && readTcp(frame);
        if (segment === undefined) continue;
        sequence = segment.acknowledgment;
        acknowledgment = segment.sequence + segment.data.length;
      }
      expect(network.counts.tcpConnections).toBeLessThanOrEqual(1);
    }
    expect(host.streams.length).toBeGreaterThan(1);
  });
});
