import { expect, test } from 'vitest';
import { FakeMachine } from '../../test/support/fake-machine.ts';
import type { Hart } from '../contracts/hart.ts';
import { TrapLoops } from './trap-loops.ts';

/** A hart with counts of its own. */
function countedHart(): { hart: Hart; did: (retired: number, trapped: number) => void } {
  const counts = { retired: 0, trapped: 0 };
  const [fake] = new FakeMachine({ console() {}, log() {}, nowNs: () => 0 }).harts;
  const hart = Object.create(fake!, {
    retired: { get: () => counts.retired },
    trapped: { get: () => counts.trapped },
  }) as Hart;
  const did = (retired: number, trapped: number) => {
    counts.retired += retired;
    counts.trapped += trapped;
  };
  return { hart, did };
}

test('a hart that only traps is told of once, and again after it ran', () => {
  const { hart, did } = countedHart();
  const loops = new TrapLoops([hart]);
  did(5, 1);
  expect(loops.look()).toBeUndefined();
  did(0, 20_000);
  expect(loops.look()).toMatch(/^hart 0 is caught in traps/);
  did(0, 20_000);
  expect(loops.look()).toBeUndefined();
  did(1, 0);
  expect(loops.look()).toBeUndefined();
  did(0, 20_000);
  expect(loops.look()).toMatch(/^hart 0 is caught in traps/);
});

test('many traps with instructions between them are no loop', () => {
  const { hart, did } = countedHart();
  const loops = new TrapLoops([hart]);
  for (let round = 0; round < 5; round++) {
    did(1, 20_000);
    expect(loops.look()).toBeUndefined();
  }
});

test('a hart that waits is in no loop, nor one that was reset', () => {
  const { hart, did } = countedHart();
  const loops = new TrapLoops([hart]);
  did(0, 9000);
  expect(loops.look()).toBeUndefined();
  did(0, -9000);
  expect(loops.look()).toBeUndefined();
  did(0, 9000);
  expect(loops.look()).toBeUndefined();
});
