import { describe, expect, test } from 'vitest';
import { VirtioEntropy } from './entropy.ts';
import { MANNERS, SPLIT, TestDriver } from './testing/driver.ts';
import { TestMemory } from './testing/memory.ts';

const asked: number[] = [];
const entropy = (): VirtioEntropy =>
  new VirtioEntropy({
    random: (count) => {
      asked.push(count);
      return Uint8Array.from({ length: count }, (_, index) => index + 1);
    },
  });

describe('virtio 1.2, 5.4 Entropy Device', () => {
  test.each(MANNERS)('5.4.6: a buffer is filled with random bytes: $title', ({ manner }) => {
    const driver = new TestDriver(entropy(), manner).start();
    const { data, written } = driver.request(0, { room: 3 }, { room: 2 });
    expect(data).toEqual(Uint8Array.of(1, 2, 3, 4, 5));
    expect(written).toBe(5);
  });

  test('5.4.6.2: a huge buffer gets less than it holds', () => {
    const driver = new TestDriver(entropy(), SPLIT, new TestMemory(1 << 20)).start();
    expect(driver.request(0, { room: 200_000 }).written).toBe(65_536);
    expect(asked.at(-1)).toBe(65_536);
  });

  test('a buffer that cannot be written needs a reset', () => {
    const driver = new TestDriver(entropy()).start();
    driver.send(0, Uint8Array.of(1, 2, 3));
    expect(driver.needsReset).toBe(true);
  });

  test('there is no configuration space', () => {
    expect([...new TestDriver(entropy()).config(0, 4)]).toEqual([0, 0, 0, 0]);
  });
});
