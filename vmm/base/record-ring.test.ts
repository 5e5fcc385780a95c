import { expect, test } from 'vitest';
import { random } from '../../test/support/random.ts';
import { RecordRing } from './record-ring.ts';

const SEED = Number(process.env['SEED'] ?? 1);

const record = (length: number, start: number): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => start + index);

test('records come out as they went in, in order, around the end of the memory', () => {
  const source = random(SEED);
  const shared = RecordRing.allocate(256);
  // Two views of one memory, as two threads have them.
  const [near, far] = [new RecordRing(shared), new RecordRing(shared)];
  const inside: Uint8Array[] = [];
  for (let round = 0; round < 5000; round += 1) {
    if (source.below(2) === 0) {
      const next = record(source.below(90), round);
      const held = inside.reduce((sum, { length }) => sum + length + 4, 0);
      expect(near.put(next), `SEED=${SEED}`).toBe(held + next.length + 4 <= 256);
      if (held + next.length + 4 <= 256) inside.push(next);
    } else {
      expect(far.peek(), `SEED=${SEED}`).toEqual(inside[0]);
      expect(far.take(), `SEED=${SEED}`).toEqual(inside.shift());
    }
    expect(far.isEmpty).toBe(inside.length === 0);
  }
});

test('the counts may wrap around', () => {
  const shared = RecordRing.allocate(64);
  new Int32Array(shared, 0, 2).fill(-6);
  const ring = new RecordRing(shared);
  expect(ring.put(record(40, 1))).toBe(true);
  expect(ring.hasRoom(16)).toBe(true);
  expect(ring.put(record(17, 1))).toBe(false);
  expect(ring.take()).toEqual(record(40, 1));
  expect(ring.isEmpty).toBe(true);
  expect(ring.take()).toBeUndefined();
});

test('an empty record is a record', () => {
  const ring = new RecordRing(RecordRing.allocate(8));
  expect(ring.put(new Uint8Array(0))).toBe(true);
  expect(ring.isEmpty).toBe(false);
  expect(ring.take()).toEqual(new Uint8Array(0));
});
