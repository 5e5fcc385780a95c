import { expect, test } from 'vitest';
import { RecordRing } from '../base/record-ring.ts';
import type { Network } from '../contracts/network.ts';
import { FramePump } from './frame-pump.ts';

/** A network that has frames to give, and notes what it is told. */
function fakeNetwork(give: Uint8Array[]) {
  const told: string[] = [];
  const network: Network = {
    frameFromGuest: (frame) => void told.push(`frame of ${frame.length}`),
    poll: (nowNs) => void told.push(`poll ${nowNs}`),
    nextDeadlineNs: () => 77,
    takeFrameForGuest: () => give.shift(),
    reset: () => {},
    close: () => {},
  };
  return { network, told };
}

const RING = 1 << 17;
const rings = () => {
  const [toHost, toGuest] = [RecordRing.allocate(RING), RecordRing.allocate(RING)];
  return { toHost: new RecordRing(toHost), toGuest: new RecordRing(toGuest) };
};

test("the network hears the time, then the guest's frames, and its own go to the guest", () => {
  const { network, told } = fakeNetwork([new Uint8Array(100), new Uint8Array(200)]);
  const { toHost, toGuest } = rings();
  const pump = new FramePump(network, { toHost, toGuest });
  expect(pump.hasWork).toBe(false);
  toHost.put(new Uint8Array(60));
  toHost.put(new Uint8Array(61));
  expect(pump.hasWork).toBe(true);
  expect(pump.pump(5)).toEqual({ delivered: true, blocked: false });
  expect(told).toEqual(['poll 5', 'frame of 60', 'frame of 61']);
  expect([toGuest.take()?.length, toGuest.take()?.length, toGuest.take()]).toEqual([100, 200, undefined]);
  expect(pump.pump(6)).toEqual({ delivered: false, blocked: false });
  expect(pump.nextDeadlineNs).toBe(77);
});

test('no frame is taken from the network that the ring might not hold', () => {
  const waiting = Array.from({ length: 200 }, (_, index) => new Uint8Array(1514).fill(index));
  const { network } = fakeNetwork(waiting);
  const { toHost, toGuest } = rings();
  const pump = new FramePump(network, { toHost, toGuest });
  const seen: number[] = [];
  expect(pump.pump(0)).toEqual({ delivered: true, blocked: true });
  expect(waiting.length).toBeGreaterThan(0);
  expect(pump.hasWork).toBe(false);
  while (seen.length < 200) {
    const frame = toGuest.take();
    if (frame !== undefined) {
      seen.push(frame[0]!);
      continue;
    }
    expect(pump.hasWork).toBe(true);
    pump.pump(0);
  }
  expect(seen).toEqual(Array.from({ length: 200 }, (_, index) => index));
});
