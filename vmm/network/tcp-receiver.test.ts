import { expect, test } from 'vitest';
import { patternSource } from '../../test/support/lossy-wire.ts';
import { random, SEED } from '../../test/support/random.ts';
import { RECEIVE_BUFFER_BYTES, TcpReceiver } from './tcp-receiver.ts';

test.each([0, 1, 2, 3, 4, 5])(
  'pieces of any place and length become the stream, seed %i further',
  (offset) => {
    const seed = SEED + offset;
    const numbers = random(seed);
    const irs = numbers.pick([0, 5, 0xffffff00, 0x7fffffff, 0xfffffffe]);
    const length = 3 * RECEIVE_BUFFER_BYTES;
    const pattern = patternSource(length);
    const receiver = new TcpReceiver(irs);
    let read = 0;
    for (let i = 0; !receiver.ended || receiver.held > 0; i++) {
      if (i > 200_000) throw new Error(`no end with SEED=${seed}`);
      // Around the next byte expected, often overlapping what is there, sometimes beyond the window.
      const near = receiver.next - 1 - numbers.below(5000) + numbers.below(12_000);
      const beyond = numbers.below(50) === 0 ? RECEIVE_BUFFER_BYTES : 0;
      const start = Math.min(length, Math.max(0, near + beyond));
      const data = pattern.read(start, numbers.below(3000));
      receiver.accept((irs + 1 + start) >>> 0, data, start + data.length === length);
      expect(receiver.held).toBeLessThanOrEqual(RECEIVE_BUFFER_BYTES);
      // The host takes nothing for long whiles.
      if (numbers.below(400) > 0 && receiver.held < RECEIVE_BUFFER_BYTES) continue;
      const taken = receiver.take(numbers.below(1 << 19));
      if (Buffer.compare(taken, pattern.read(read, taken.length)) !== 0)
        throw new Error(`wrong bytes with SEED=${seed}`);
      read += taken.length;
    }
    expect(read).toBe(length);
    expect(receiver.acknowledgment).toBe((irs + 1 + length + 1) >>> 0);
  },
);

test('the window shrinks by what is held, and is announced again when a quarter came free', () => {
  const receiver = new TcpReceiver(0);
  expect(receiver.announce(3)).toBe(RECEIVE_BUFFER_BYTES / 8);
  const half = RECEIVE_BUFFER_BYTES / 2;
  receiver.accept(1, new Uint8Array(half), false);
  expect(receiver.announce(3)).toBe(half / 8);
  expect(receiver.announce(0)).toBe(0xffff);
  receiver.take(RECEIVE_BUFFER_BYTES / 4 - 1);
  expect(receiver.updateDue).toBe(false);
  receiver.take(1);
  expect(receiver.updateDue).toBe(true);
});

test('holes beyond a bounded number are not kept, and what was dropped may come again', () => {
  const receiver = new TcpReceiver(0);
  const bytes = patternSource(2000).read(0, 2000);
  const one = (at: number) => receiver.accept(1 + at, bytes.subarray(at, at + 1), false);
  for (let at = 1; at < 2000; at += 2) one(at);
  for (let at = 0; at < 2000; at += 2) one(at);
  // 64 odd bytes were kept, and the even one behind the last of them.
  expect(receiver.held).toBe(2 * 64 + 1);
  for (let at = 0; at < 2000; at++) one(at);
  expect(receiver.take(4000)).toEqual(bytes);
});
