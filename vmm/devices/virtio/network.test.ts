import { beforeEach, describe, expect, test } from 'vitest';
import { FEATURE, INTERRUPT } from './constants.ts';
import { get16 } from './little-endian.ts';
import { REGISTER } from './mmio-registers.ts';
import { FRAME_MAX, VirtioNetwork } from './network.ts';
import { LEGACY, MANNERS, type Manner, SPLIT, TestDriver } from './testing/driver.ts';
import { TestMemory } from './testing/memory.ts';

const MAC = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56);
const RECEIVE = 0;
const TRANSMIT = 1;
const MAC_FEATURE = 1n << 5n;
const MERGE = 1n << 15n;
const STATUS = 1n << 16n;

let sent: Uint8Array[];
let takes: boolean;
let more: number;
let card: VirtioNetwork;
let driver: TestDriver;

function start(features = MAC_FEATURE | STATUS, manner: Manner = SPLIT): void {
  sent = [];
  takes = true;
  more = 0;
  const send = (frame: Uint8Array): boolean => {
    if (takes) sent.push(frame);
    return takes;
  };
  card = new VirtioNetwork({ send, receiveMore: () => (more += 1) }, { mac: MAC });
  driver = new TestDriver(card, manner, new TestMemory(512 << 10)).start(features);
}

beforeEach(() => start());

const frameOf = (length: number): Uint8Array => Uint8Array.from({ length }, (_, index) => index * 3 + 1);
const receive = (frame: Uint8Array): boolean => driver.memory.watch(() => card.receive(frame));

describe.each(MANNERS)('virtio 1.2, 5.1.6 Device Operation: $title', ({ manner }) => {
  const header = manner.legacy ? 10 : 12;

  test('5.1.6.2: frames go out without their header, however they are cut', () => {
    start(0n, manner);
    const frame = frameOf(100);
    expect(driver.request(TRANSMIT, new Uint8Array(header), frame).written).toBe(0);
    const whole = Uint8Array.from([...new Uint8Array(header), ...frame]);
    driver.request(TRANSMIT, whole.subarray(0, 5), whole.subarray(5, 40), whole.subarray(40));
    expect(sent).toEqual([frame, frame]);
  });

  test('5.1.6.3.2: without merged buffers a frame takes one chain; num_buffers is 1', () => {
    start(0n, manner);
    driver.send(RECEIVE, { room: header }, { room: 200 });
    driver.send(RECEIVE, { room: 300 });
    expect(receive(frameOf(60))).toBe(true);
    expect(receive(frameOf(80))).toBe(true);
    for (const [index, { data, written }] of driver.returned(RECEIVE).entries()) {
      const length = [60, 80][index]!;
      expect(written).toBe(header + length);
      expect(data.subarray(header, header + length)).toEqual(frameOf(length));
      expect([...data.subarray(0, 10)]).toEqual(Array(10).fill(0));
      if (!manner.legacy) expect(get16(data, 10)).toBe(1);
    }
    expect(driver.acknowledge()).toBe(INTERRUPT.used);
  });

  test('5.1.6.4.1: with merged buffers all but the last are filled to their ends', () => {
    start(MERGE, manner);
    for (const room of [40, 50, 60, 100]) driver.send(RECEIVE, { room });
    expect(receive(frameOf(120))).toBe(true);
    const returned = driver.returned(RECEIVE);
    expect(returned.map(({ written }) => written)).toEqual([40, 50, 42]);
    // Legacy drivers have num_buffers too when it is negotiated (5.1.6.1).
    expect(get16(returned[0]!.data, 10)).toBe(3);
    const joined = returned.flatMap(({ data, written }) => [...data.subarray(0, written)]);
    expect(joined.slice(12)).toEqual([...frameOf(120)]);
    expect(receive(frameOf(60))).toBe(true);
    expect(driver.returned(RECEIVE)).toMatchObject([{ written: 72 }]);
  });

  test('a frame that finds no buffers waits, and the sender is told when there are some', () => {
    start(MERGE, manner);
    expect(receive(frameOf(60))).toBe(false);
    driver.send(RECEIVE, { room: 30 });
    expect(more).toBe(1);
    // Not enough yet; what was looked at is still there.
    expect(receive(frameOf(60))).toBe(false);
    driver.send(RECEIVE, { room: 60 });
    expect(more).toBe(2);
    expect(receive(frameOf(60))).toBe(true);
    expect(driver.returned(RECEIVE).map(({ written }) => written)).toEqual([30, 42]);
    driver.send(RECEIVE, { room: 60 });
    expect(more).toBe(2);
  });

  test('frames wait in the queue while the other end takes none', () => {
    start(0n, manner);
    takes = false;
    for (const length of [60, 61, 62]) driver.send(TRANSMIT, new Uint8Array(header), frameOf(length));
    expect(driver.returned(TRANSMIT)).toEqual([]);
    takes = true;
    driver.memory.watch(() => card.transmitMore());
    expect(driver.returned(TRANSMIT)).toHaveLength(3);
    driver.request(TRANSMIT, new Uint8Array(header), frameOf(63));
    expect(sent.map(({ length }) => length)).toEqual([60, 61, 62, 63]);
  });
});

describe('virtio 1.2, 5.1 Network Device', () => {
  test('5.1.4: address and status of the link', () => {
    expect([...driver.config(0, 8)]).toEqual([...MAC, 1, 0]);
    card.setLink(false);
    expect([...driver.config(6, 2)]).toEqual([0, 0]);
    expect(driver.acknowledge()).toBe(INTERRUPT.config);
    card.setLink(false);
    expect(driver.acknowledge()).toBe(0);
  });

  test('5.1.4.3: the address is a legacy driver’s to write, until the reset', () => {
    driver.slot.write(REGISTER.config + 5, 1, 0x99);
    expect([...driver.config(0, 6)]).toEqual([...MAC]);
    start(MAC_FEATURE, LEGACY);
    for (let index = 0; index < 6; index += 1) driver.slot.write(REGISTER.config + index, 1, index);
    driver.slot.write(REGISTER.config + 6, 1, 0);
    expect([...driver.config(0, 8)]).toEqual([0, 1, 2, 3, 4, 5, 1, 0]);
    const saved = structuredClone(driver.slot.save());
    driver.slot.reset();
    expect([...driver.config(0, 6)]).toEqual([...MAC]);
    driver.slot.restore(saved);
    expect([...driver.config(0, 6)]).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test('5.1.3: no offload is offered', () => {
    expect(
      driver.offered() &
        0xffff_ffff_00ff_ffffn &
        ~(FEATURE.version1 | FEATURE.ringPacked | FEATURE.ringReset),
    ).toBe(MAC_FEATURE | MERGE | STATUS);
  });

  test('without a link frames are lost in both directions', () => {
    driver.send(RECEIVE, { room: 1600 });
    card.setLink(false);
    expect(receive(frameOf(60))).toBe(true);
    expect(driver.returned(RECEIVE)).toEqual([]);
    driver.request(TRANSMIT, new Uint8Array(12), frameOf(60));
    expect(sent).toEqual([]);
  });

  test('5.1.6.2.2: unknown flags are ignored, a segment to be cut was not negotiated', () => {
    const header = new Uint8Array(12);
    header[0] = 0xff;
    driver.request(TRANSMIT, header, frameOf(60));
    header[1] = 1;
    driver.request(TRANSMIT, header, frameOf(60));
    expect(sent).toHaveLength(1);
  });

  test.each([0, 1, 13, FRAME_MAX + 1])('what is no frame goes nowhere: %i bytes', (length) => {
    driver.request(TRANSMIT, new Uint8Array(12), frameOf(length));
    expect(sent).toEqual([]);
    expect(receive(frameOf(length))).toBe(true);
    expect(driver.needsReset).toBe(false);
  });

  test('a frame that the next buffer does not hold is lost, and the buffer stays', () => {
    driver.send(RECEIVE, { room: 71 });
    expect(receive(frameOf(60))).toBe(true);
    expect(driver.returned(RECEIVE)).toEqual([]);
    expect(receive(frameOf(59))).toBe(true);
    expect(driver.returned(RECEIVE)).toHaveLength(1);
  });

  test('a buffer without room for the header needs a reset, and so does a frame without one', () => {
    driver.send(RECEIVE, { room: 11 });
    expect(receive(frameOf(60))).toBe(true);
    expect(driver.needsReset).toBe(true);
    start();
    driver.send(TRANSMIT, new Uint8Array(11));
    expect(driver.needsReset).toBe(true);
    expect(receive(frameOf(60))).toBe(true);
  });

  test('frames for a guest without a driver are lost, not kept', () => {
    card = new VirtioNetwork({ send: () => true, receiveMore: () => {} }, { mac: MAC });
    expect(card.receive(frameOf(60))).toBe(true);
    driver = new TestDriver(card, LEGACY);
    expect(card.receive(frameOf(60))).toBe(true);
  });

  test('a reset tells a sender that waits', () => {
    expect(receive(frameOf(60))).toBe(false);
    driver.slot.reset();
    expect(more).toBe(1);
    expect(receive(frameOf(60))).toBe(true);
  });

  test('saved state goes on', () => {
    card.setLink(false);
    const saved = structuredClone(driver.slot.save());
    card.setLink(true);
    driver.slot.restore(saved);
    expect([...driver.config(6, 1)]).toEqual([0]);
  });
});
