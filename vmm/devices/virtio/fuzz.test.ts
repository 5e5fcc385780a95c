import { describe, expect, test } from 'vitest';
import { type Random, random, SEED } from '../../../test/support/random.ts';
import { VirtioBalloon } from './balloon.ts';
import { VirtioBlock } from './block.ts';
import { VirtioConsole } from './console.ts';
import { STATUS } from './constants.ts';
import type { VirtioDevice } from './device.ts';
import { VirtioEntropy } from './entropy.ts';
import { VirtioInput } from './input.ts';
import { KEYBOARD } from './input-events.ts';
import { REGISTER } from './mmio-registers.ts';
import { VirtioNetwork } from './network.ts';
import { VirtioNineP } from './nine-p.ts';
import { MANNERS, TestDriver } from './testing/driver.ts';
import type { Buffer } from './testing/driver-queue.ts';
import { TestImage } from './testing/image.ts';
import { TestMemory } from './testing/memory.ts';

/** Times a device may ask for guest memory to serve one access: what a full ring of the longest chains takes, and some. */
const VIEWS_MAX = 4_000_000;

/** A device and what its host does to it. */
interface Subject {
  readonly title: string;
  make(numbers: Random): { device: VirtioDevice; poke: () => void };
}

const bytesOf = (numbers: Random, length: number): Uint8Array =>
  Uint8Array.from({ length }, () => numbers.below(256));

const SUBJECTS: readonly Subject[] = [
  {
    title: 'block device',
    make: (numbers) => ({
      device: new VirtioBlock({ image: new TestImage(16, numbers.below(4) === 0), serial: 'fuzz' }),
      poke: () => {},
    }),
  },
  {
    title: 'entropy source',
    make: () => ({
      device: new VirtioEntropy({ random: (count) => new Uint8Array(count).fill(1) }),
      poke: () => {},
    }),
  },
  {
    title: 'network card',
    make: (numbers) => {
      const device: VirtioNetwork = new VirtioNetwork(
        { send: () => numbers.below(3) !== 0, receiveMore: () => device.receive(bytesOf(numbers, 60)) },
        { mac: new Uint8Array(6) },
      );
      const poke = (): void => {
        const what = numbers.below(4);
        if (what === 0) device.setLink(numbers.below(4) !== 0);
        else if (what === 1) device.transmitMore();
        else device.receive(bytesOf(numbers, numbers.pick([0, 13, 14, 60, 1514, 9000])));
      };
      return { device, poke };
    },
  },
  {
    title: 'console',
    make: (numbers) => {
      const device = new VirtioConsole({ output: () => {} }, [
        { console: true },
        { name: 'two', console: false },
      ]);
      const poke = (): void => {
        const what = numbers.below(4);
        if (what === 0) device.resize(numbers.below(1 << 16), numbers.below(1 << 16));
        else if (what === 1) device.setHostOpen(numbers.below(3), numbers.below(2) === 0);
        else device.receive(numbers.below(3), bytesOf(numbers, numbers.below(300)));
      };
      return { device, poke };
    },
  },
  {
    title: 'input device',
    make: (numbers) => {
      const device = new VirtioInput(KEYBOARD, { status: () => {} });
      return { device, poke: () => device.send([{ type: 1, code: numbers.below(200), value: 1 }]) };
    },
  },
  {
    title: 'memory balloon',
    make: (numbers) => {
      const nothing = (): void => {};
      const device = new VirtioBalloon({
        inflated: nothing,
        deflated: nothing,
        reported: nothing,
        statistics: nothing,
      });
      const poke = (): void => {
        if (numbers.below(2) === 0) device.setTarget(numbers.below(1 << 20));
        else device.requestStatistics();
      };
      return { device, poke };
    },
  },
  {
    title: '9P transport',
    make: (numbers) => {
      const server = {
        handle: () => bytesOf(numbers, 7 + numbers.below(30)),
        reset: () => {},
        save: () => ({ version: 1 }),
        restore: () => {},
      };
      return { device: new VirtioNineP({ tag: 'fuzz', server }), poke: () => {} };
    },
  },
];

/** RAM that counts how often it is looked at, so that a device that would hang fails instead. */
class CountingMemory extends TestMemory {
  views = 0;
  override view(address: bigint, length: number): Uint8Array | undefined {
    this.views += 1;
    if (this.views > VIEWS_MAX) throw new Error('the device does not come to an end');
    return super.view(address, length);
  }
}

/** Writes nonsense over a piece of RAM: sometimes anything, more often what looks like a descriptor or an index. */
function scribble(numbers: Random, driver: TestDriver): void {
  const { memory } = driver;
  const { areas } = driver.queues[numbers.below(driver.queues.length)]!;
  const part = numbers.pick([areas.descriptor, areas.driver, areas.device]);
  const at = part + BigInt(numbers.below(96));
  switch (numbers.below(5)) {
    case 0:
      memory.write(at, bytesOf(numbers, 1 + numbers.below(24)));
      break;
    case 1:
      memory.set16(at, numbers.pick([0, 1, 2, 3, 4, 5, 7, 8, 0x80, 0x8000, 0x8081, 0x8082, 0x84, 0xffff]));
      break;
    case 2:
      memory.set16(areas.driver + 2n, numbers.below(40));
      break;
    case 3: {
      const index = BigInt(numbers.below(8));
      const inside = memory.base + BigInt(numbers.below(memory.ram.length));
      memory.set64(areas.descriptor + 16n * index, numbers.pick([inside, inside, numbers.next(), 0n]));
      memory.set32(
        areas.descriptor + 16n * index + 8n,
        numbers.pick([1, 16, 17, 512, 4096, 1 << 20, 0xffff_ffff]),
      );
      break;
    }
    default: {
      const index = BigInt(numbers.below(8));
      memory.set16(areas.descriptor + 16n * index + 12n, numbers.below(8));
      memory.set16(
        areas.descriptor + 16n * index + 14n,
        numbers.below(10) | (numbers.below(4) === 0 ? 0x80 : 0),
      );
    }
  }
}

/** One thing that a driver or the host may do. */
function act(numbers: Random, driver: TestDriver, poke: () => void): void {
  const { slot, memory } = driver;
  switch (numbers.below(8)) {
    case 0:
    case 1: {
      const offset = numbers.below(4) === 0 ? numbers.below(0x1000) : 4 * numbers.below(0x50);
      // A reset now and then only, or nothing else would ever happen.
      if (offset === REGISTER.status && numbers.below(4) !== 0) break;
      const value = numbers.pick([0, 1, 2, 3, numbers.below(16), numbers.below(2 ** 32), 0xffff_ffff]);
      memory.watch(() => slot.write(offset, numbers.pick([1, 2, 4]), value));
      break;
    }
    case 2:
      for (const size of [1, 2, 4] as const) {
        const value = slot.read(numbers.below(0x1000), size);
        if (!Number.isInteger(value) || value < 0 || value >= 2 ** (8 * size)) expect.fail(`read ${value}`);
      }
      break;
    case 3:
      scribble(numbers, driver);
      break;
    case 4:
      memory.watch(poke);
      break;
    case 5: {
      const saved = structuredClone(slot.save());
      slot.restore(saved);
      break;
    }
    default:
      memory.watch(() => slot.write(REGISTER.queueNotify, 4, numbers.below(driver.queues.length)));
  }
}

/** Chains such as a driver sends, more or less: with a header, with data, with room. */
function sendSome(numbers: Random, driver: TestDriver): void {
  const queue = driver.queues[numbers.below(driver.queues.length)]!;
  const buffers: Buffer[] = [];
  for (let count = numbers.below(3); count > 0; count -= 1) {
    const data = bytesOf(numbers, numbers.pick([1, 4, 7, 8, 12, 16, 60, 512]));
    if (numbers.below(2) === 0) data.fill(0, 1).fill(numbers.below(16), 0, 1);
    buffers.push(data);
  }
  for (let count = numbers.below(3); count > 0 || buffers.length === 0; count -= 1) {
    buffers.push({ room: numbers.pick([1, 8, 12, 64, 512, 1600]) });
  }
  try {
    queue.add(buffers, { indirect: driver.manner.indirect });
  } catch (error) {
    // The test's own driver finds its ring full or scribbled over: that is no matter of the device's.
    if (!/assertion failed: the (queue|ring) has room/.test(String(error))) throw error;
  }
}

/** What all of it came to: noise that every device shrugs off at once would find nothing. */
const reached = { served: 0, failures: new Set<string>() };

describe.each(SUBJECTS)(`a hostile driver of a $title (seed ${SEED})`, ({ make, title }) => {
  test.each(MANNERS)('$title', ({ title: how, manner }) => {
    const numbers = random(SEED ^ (title.length * 7919 + how.length * 104_729));
    for (let round = 0; round < 25; round += 1) {
      const { device, poke } = make(numbers);
      const memory = new CountingMemory(32 << 10);
      const driver = new TestDriver(device, manner, memory);
      const offered = device.features & numbers.next();
      driver.start(manner.legacy ? offered & 0xffff_ffffn : offered, { size: 8 });
      for (let step = 0; step < 60; step += 1) {
        memory.views = 0;
        if (numbers.below(3) === 0) sendSome(numbers, driver);
        act(numbers, driver, poke);
      }
      reached.served += driver.events.filter(({ event }) => event === 'used').length;
      if (driver.slot.failure !== '')
        reached.failures.add(driver.slot.failure.replace(/0x[0-9a-f]+|\d+/g, 'N'));
      // Whatever happened: after a reset it works again, or at least starts.
      driver.queues.length = 0;
      driver.slot.reset();
      expect(driver.irq, `round ${round}`).toBe(false);
      driver.start(0n, { size: 8 });
      expect(driver.status & (STATUS.driverOk | STATUS.needsReset), `round ${round}`).toBe(STATUS.driverOk);
    }
  });
});

test('the noise got far: requests were served, and devices failed for every kind of reason', () => {
  expect(reached.served).toBeGreaterThan(2000);
  expect(reached.failures.size).toBeGreaterThan(17);
});

test('every size at every offset, before and after a driver has come', () => {
  for (const { manner } of MANNERS) {
    for (const { make } of SUBJECTS) {
      const driver = new TestDriver(make(random(SEED)).device, manner, new CountingMemory(32 << 10));
      for (const start of [false, true]) {
        if (start) driver.start(0n, { size: 8 });
        for (let offset = 0; offset < 0x240; offset += 1) {
          for (const size of [1, 2, 4] as const) {
            const same = driver.slot.read(offset, size) === driver.slot.peek(offset, size);
            if (!same) expect.fail(`a read of ${size} bytes at ${offset} is not what a peek gave`);
            driver.slot.write(offset, size, (0x8765_4321 & (2 ** (8 * size) - 1)) >>> 0);
          }
        }
      }
    }
  }
});
