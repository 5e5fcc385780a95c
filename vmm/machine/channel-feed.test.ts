import { expect, test } from 'vitest';
import type { DeviceInput } from '../contracts/device-input.ts';
import { STREAM } from '../contracts/socket-thread.ts';
import { ChannelFeed, NetworkInlet, PortInlet } from './channel-feed.ts';

class Records {
  readonly queue: Uint8Array[];

  constructor(...queue: Uint8Array[]) {
    this.queue = queue;
  }

  get isEmpty(): boolean {
    return this.queue.length === 0;
  }

  peek(): Uint8Array | undefined {
    return this.queue[0];
  }

  drop(): void {
    this.queue.shift();
  }
}

/** A machine that takes so much of each input, then nothing. */
function machineTaking(...amounts: number[]) {
  const inputs: [number, DeviceInput][] = [];
  return {
    inputs,
    deviceInput: (device: number, input: DeviceInput): number => {
      inputs.push([device, input]);
      return amounts.shift() ?? 0;
    },
  };
}

const frame = (byte: number): Uint8Array => new Uint8Array(60).fill(byte);

test('frames go to the card in order; one that is refused waits, and is not offered until the card may have room', () => {
  const records = new Records(frame(1), frame(2), frame(3));
  const inlet = new NetworkInlet(4, records);
  const feed = new ChannelFeed([inlet]);
  const first = machineTaking(1, 0);
  expect(feed.pending).toBe(true);
  feed.give(first);
  expect(first.inputs).toEqual([
    [4, { kind: 'frame', data: frame(1) }],
    [4, { kind: 'frame', data: frame(2) }],
  ]);
  expect(feed.pending).toBe(false);
  inlet.resume();
  expect(feed.pending).toBe(true);
  const second = machineTaking(1, 1);
  feed.give(second);
  expect(second.inputs.map(([, input]) => input.kind === 'frame' && input.data[0])).toEqual([2, 3]);
  expect(records.isEmpty).toBe(true);
  expect(feed.pending).toBe(false);
});

test('a port gets its bytes as it takes them, and hears who comes and leaves in between', () => {
  const records = new Records(
    Uint8Array.of(STREAM.connected),
    Uint8Array.of(STREAM.data, 10, 11, 12),
    Uint8Array.of(STREAM.left),
  );
  const inlet = new PortInlet(0, records);
  const first = machineTaking(0, 0, 2, 0);
  inlet.give(first);
  expect(first.inputs).toEqual([
    [0, { kind: 'port-open', port: 0, open: false }],
    [0, { kind: 'port-open', port: 0, open: true }],
    [0, { kind: 'port', port: 0, data: Uint8Array.of(10, 11, 12) }],
    [0, { kind: 'port', port: 0, data: Uint8Array.of(12) }],
  ]);
  expect(inlet.pending).toBe(false);
  inlet.resume();
  const second = machineTaking(1);
  inlet.give(second);
  expect(second.inputs).toEqual([
    [0, { kind: 'port', port: 0, data: Uint8Array.of(12) }],
    [0, { kind: 'port-open', port: 0, open: false }],
  ]);
  expect(records.isEmpty).toBe(true);
});

test('after a restore everything is offered again, and a port hears who is there now', () => {
  const frames = new NetworkInlet(0, new Records(frame(1)));
  const port = new PortInlet(1, new Records());
  const feed = new ChannelFeed([frames, port]);
  feed.give(machineTaking(0, 0));
  expect(feed.pending).toBe(false);
  feed.restored();
  expect(feed.pending).toBe(true);
  const later = machineTaking(1);
  feed.give(later);
  expect(later.inputs).toEqual([
    [0, { kind: 'frame', data: frame(1) }],
    [1, { kind: 'port-open', port: 0, open: false }],
  ]);
  expect(feed.pending).toBe(false);
});
