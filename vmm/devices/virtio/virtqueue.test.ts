import { beforeEach, describe, expect, test } from 'vitest';
import { INTERRUPT } from './constants.ts';
import { REGISTER } from './mmio-registers.ts';
import { LEGACY, MANNERS, PACKED, SPLIT, TestDriver } from './testing/driver.ts';
import { EchoDevice } from './testing/echo.ts';
import { TestMemory } from './testing/memory.ts';

let device: EchoDevice;
beforeEach(() => {
  device = new EchoDevice();
});

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

describe.each(MANNERS)('virtio 1.2, 2.6 Virtqueues: $title', ({ manner }) => {
  test('a chain comes back with what the device wrote, however its buffers are cut (2.7.4.1)', () => {
    const driver = new TestDriver(device, manner).start();
    const whole = bytes(1, 2, 3, 4, 5);
    expect(driver.request(0, whole, { room: 8 })).toMatchObject({
      written: 5,
      data: bytes(1, 2, 3, 4, 5, 0, 0, 0),
    });
    const cut = driver.request(0, bytes(1, 2), bytes(3), bytes(4, 5), { room: 2 }, { room: 1 }, { room: 5 });
    expect(cut).toMatchObject({ written: 5, data: bytes(1, 2, 3, 4, 5, 0, 0, 0) });
    expect(driver.request(0, whole, { room: 3 })).toMatchObject({ written: 3, data: bytes(1, 2, 3) });
    expect(driver.request(0, whole)).toMatchObject({ written: 0 });
    expect(driver.request(0, { room: 4 })).toMatchObject({ written: 0, data: bytes(0, 0, 0, 0) });
  });

  test('the ring goes round many times', () => {
    const driver = new TestDriver(device, manner).start(0n, { size: 4 });
    for (let round = 0; round < 30; round += 1) {
      expect(driver.request(1, bytes(round), { room: 1 }).data).toEqual(bytes(round));
    }
  });

  test('many chains are served at one notification', () => {
    const driver = new TestDriver(device, manner).start();
    const queue = driver.queues[0]!;
    const tokens = [1, 2, 3, 4, 5].map((value) =>
      queue.add([bytes(value), { room: 1 }], { indirect: manner.indirect }),
    );
    driver.kick(0);
    expect(driver.returned(0).map(({ token, data }) => [token, data[0]])).toEqual(
      tokens.map((token, index) => [token, index + 1]),
    );
    expect(driver.acknowledge()).toBe(INTERRUPT.used);
  });

  test('chains may come back in another order, and together', () => {
    device.defer = true;
    const driver = new TestDriver(device, manner).start();
    const tokens = [1, 2, 3, 4].map((value) => driver.send(0, bytes(value), { room: 1 }));
    expect(driver.returned(0)).toEqual([]);
    driver.memory.watch(() => device.finish(0, [2, 0]));
    expect(driver.returned(0).map(({ token }) => token)).toEqual([tokens[2], tokens[0]]);
    driver.memory.watch(() => device.finish(0, [3, 1], true));
    expect(driver.returned(0).map(({ token }) => token)).toEqual([tokens[3], tokens[1]]);
  });

  test('a driver that wants no notification gets none', () => {
    const driver = new TestDriver(device, manner).start();
    driver.queues[0]!.wantNotifications('never');
    driver.send(0, bytes(1), { room: 1 });
    expect(driver.returned(0)).toHaveLength(1);
    expect(driver.irq).toBe(false);
    driver.queues[0]!.wantNotifications('always');
    driver.send(0, bytes(1), { room: 1 });
    expect(driver.irq).toBe(true);
  });

  test('2.7.10.2: notifications in vain are harmless', () => {
    const driver = new TestDriver(device, manner).start();
    for (let times = 0; times < 3; times += 1) driver.write(REGISTER.queueNotify, 0);
    expect(driver.request(0, bytes(1), { room: 1 }).written).toBe(1);
    expect(driver.needsReset).toBe(false);
  });

  test('the observer is told of kicks and of used chains', () => {
    const driver = new TestDriver(device, manner).start();
    driver.request(0, bytes(1, 2), bytes(3), { room: 8 });
    expect(driver.events.map(({ queue, event }) => [queue, event])).toEqual([
      [0, 'kicked'],
      [0, 'used'],
    ]);
    expect(driver.events[1]!.summary()).toEqual({ descriptors: 3, bytes: 3 });
  });

  test('a kick tells what waits, and looking takes nothing', () => {
    device.defer = true;
    const driver = new TestDriver(device, manner).start();
    driver.queues[0]!.add([bytes(1, 2), { room: 6 }], { indirect: manner.indirect });
    driver.queues[0]!.add([bytes(1)], { indirect: manner.indirect });
    const waiting = driver.slot.open(0)!.waiting();
    expect(waiting).toEqual({ descriptors: 3, bytes: 9 });
    expect(driver.slot.open(0)!.waiting()).toEqual(waiting);
    driver.kick(0);
    expect(device.held).toHaveLength(2);
  });

  test('a chain that is put back is the next', () => {
    const driver = new TestDriver(device, manner).start(0n, { size: 4 });
    for (let round = 0; round < 9; round += 1) {
      driver.queues[1]!.add([bytes(1), { room: 2 }], { indirect: manner.indirect });
      driver.memory.watch(() => {
        const queue = driver.slot.open(1)!;
        const first = queue.take()!;
        expect(queue.take()).toBeUndefined();
        queue.untake(first);
        const again = driver.slot.open(1)!.take()!;
        expect(again.identity).toEqual(first.identity);
        queue.use(again, 0);
      });
      expect(driver.returned(1)).toHaveLength(1);
    }
  });
});

describe.each(MANNERS.filter(({ manner }) => manner.eventIndex))(
  'virtio 1.2, 2.7.7 and 2.8.10, notification suppression: $title',
  ({ manner }) => {
    test('the one it waits for is the one it is told of', () => {
      device.defer = true;
      const driver = new TestDriver(device, { ...manner, indirect: true }).start(0n, { size: 8 });
      for (let round = 0; round < 20; round += 1) {
        for (const value of [1, 2, 3]) driver.send(0, bytes(value), { room: 1 });
        driver.queues[0]!.wantNotifications('after the next');
        driver.memory.watch(() => device.finish(0, [0]));
        expect(driver.irq).toBe(false);
        driver.memory.watch(() => device.finish(0, [1]));
        expect(driver.irq).toBe(true);
        driver.acknowledge();
        driver.memory.watch(() => device.finish(0, [2]));
        expect(driver.irq).toBe(false);
        expect(driver.returned(0)).toHaveLength(3);
        device.held.length = 0;
      }
    });
  },
);

describe('virtio 1.2, 2.7.8 and 2.7.10 with the event index', () => {
  test('a device that took everything wants to be told of the next chain, and indices wrap at 16 bits', () => {
    const manner = { ...SPLIT, eventIndex: true };
    const driver = new TestDriver(device, manner, new TestMemory(8 << 10)).start(0n, {
      size: 8,
      queues: [0],
    });
    let served = 0;
    for (let round = 0; round < 0x1_0010; round += 8) {
      const queue = driver.queues[0]!;
      for (let index = 0; index < 8; index += 1) queue.add([bytes(round + index)]);
      driver.kick(0);
      served += driver.returned(0).length;
    }
    expect(served).toBe(0x1_0010);
    expect(driver.needsReset).toBe(false);
  });
});

describe('virtio 1.2, 2.7.7 and 2.7.10 without the event index', () => {
  test('2.7.7.2: the used_event value is ignored', () => {
    const driver = new TestDriver(device, SPLIT).start(0n, { size: 8 });
    driver.memory.set16(driver.queues[0]!.areas.driver + 4n + 16n, 0x4000);
    driver.send(0, bytes(1));
    expect(driver.irq).toBe(true);
  });

  test('2.7.10.2: flags of the used ring stay 0 and avail_event is left alone', () => {
    const driver = new TestDriver(device, SPLIT).start(0n, { size: 8 });
    const { device: used } = driver.queues[0]!.areas;
    driver.memory.set16(used + 4n + 64n, 0x1234);
    driver.request(0, bytes(1));
    expect(driver.memory.get16(used)).toBe(0);
    expect(driver.memory.get16(used + 4n + 64n)).toBe(0x1234);
  });
});

describe('virtio 1.2, 2.7.5.3 Indirect Descriptors', () => {
  /** Offers a chain of one direct descriptor and one indirect table, which is written by hand. */
  function offerMixed(driver: TestDriver, indirectFlags: number, tableFlags = [1, 2]): void {
    const { memory } = driver;
    const { descriptor } = driver.queues[0]!.areas;
    const data = memory.allocate(64);
    memory.write(data, bytes(1, 2, 3));
    const table = memory.allocate(32);
    for (const [index, flags] of tableFlags.entries()) {
      memory.set64(table + 16n * BigInt(index), data + BigInt(2 + 14 * index));
      memory.set32(table + 16n * BigInt(index) + 8n, index === 0 ? 1 : 8);
      memory.set16(table + 16n * BigInt(index) + 12n, flags);
      memory.set16(table + 16n * BigInt(index) + 14n, index + 1);
    }
    memory.set64(descriptor, data);
    memory.set32(descriptor + 8n, 2);
    memory.set16(descriptor + 12n, 1);
    memory.set16(descriptor + 14n, 1);
    memory.set64(descriptor + 16n, table);
    memory.set32(descriptor + 24n, 32);
    memory.set16(descriptor + 28n, indirectFlags);
    const { driver: available } = driver.queues[0]!.areas;
    memory.set16(available + 4n, 0);
    memory.set16(available + 2n, 1);
    driver.write(REGISTER.queueNotify, 0);
  }
  const indirect = { ...SPLIT, indirect: true };

  test('2.7.5.3.2: normal descriptors may precede the indirect one', () => {
    const driver = new TestDriver(device, indirect).start();
    offerMixed(driver, 4);
    expect(driver.needsReset).toBe(false);
    expect(driver.memory.get32(driver.queues[0]!.areas.device + 8n)).toBe(3);
    expect(driver.events.at(-1)!.summary()).toEqual({ descriptors: 3, bytes: 3 });
  });

  test('2.7.5.3.2: WRITE is ignored in the descriptor that refers to the table', () => {
    const driver = new TestDriver(device, indirect).start();
    offerMixed(driver, 4 | 2);
    expect(driver.memory.get32(driver.queues[0]!.areas.device + 8n)).toBe(3);
  });

  test.each([
    ['INDIRECT with NEXT', 4 | 1, undefined, 'an indirect descriptor with a next one'],
    ['INDIRECT within a table', 4, [1, 4], 'an indirect descriptor inside an indirect table'],
  ])('2.7.5.3.1: %s is refused', (_, flags, table, reason) => {
    const driver = new TestDriver(device, indirect).start();
    offerMixed(driver, flags, table);
    expect(driver.slot.failure).toContain(reason);
    expect(driver.needsReset).toBe(true);
  });

  test('2.7.5.3.1: and so is INDIRECT that was not negotiated', () => {
    const driver = new TestDriver(device, SPLIT).start();
    offerMixed(driver, 4);
    expect(driver.slot.failure).toContain('not negotiated');
  });
});

describe('broken split rings', () => {
  const broken: readonly [string, string, (driver: TestDriver, areas: Areas) => void][] = [
    [
      'a head beyond the table',
      'descriptor 8 is beyond',
      ({ memory }, { driver }) => memory.set16(driver + 4n, 8),
    ],
    [
      'a next beyond the table',
      'descriptor 65535 is beyond',
      ({ memory }, { descriptor }) => {
        memory.set16(descriptor + 12n, 1);
        memory.set16(descriptor + 14n, 0xffff);
      },
    ],
    [
      'a loop',
      'a loop',
      ({ memory }, { descriptor }) => {
        memory.set16(descriptor + 12n, 1);
        memory.set16(descriptor + 14n, 0);
      },
    ],
    [
      'a buffer outside RAM',
      'outside RAM, at 0x10000000',
      ({ memory }, { descriptor }) => memory.set64(descriptor, 0x1000_0000n),
    ],
    [
      'a buffer that begins in RAM and ends outside',
      'outside RAM',
      ({ memory }, { descriptor }) => memory.set32(descriptor + 8n, 0xffff_ffff),
    ],
    [
      'a buffer at the end of the address space',
      'outside RAM',
      ({ memory }, { descriptor }) => memory.set64(descriptor, 0xffff_ffff_ffff_ffffn),
    ],
    [
      'a readable buffer behind a writable one (2.7.4.2)',
      'follows a device-writable one',
      ({ memory }, { descriptor }) => {
        memory.set16(descriptor + 12n, 1 | 2);
        memory.set16(descriptor + 14n, 1);
        memory.set64(descriptor + 16n, memory.base);
        memory.set32(descriptor + 24n, 1);
        memory.set16(descriptor + 28n, 0);
      },
    ],
    [
      'an index that is ahead by more than the ring',
      'ahead by more than the ring',
      ({ memory }, { driver }) => memory.set16(driver + 2n, 9),
    ],
    [
      'an index that goes back',
      'ahead by more',
      ({ memory }, { driver }) => memory.set16(driver + 2n, 0xffff),
    ],
  ];
  type Areas = TestDriver['queues'][number]['areas'];

  test.each(broken)('%s', (_, reason, breakIt) => {
    const driver = new TestDriver(device, SPLIT).start(0n, { size: 8 });
    driver.queues[0]!.add([bytes(1)]);
    breakIt(driver, driver.queues[0]!.areas);
    driver.write(REGISTER.queueNotify, 0);
    expect(driver.slot.failure).toContain(reason);
    expect(driver.needsReset).toBe(true);
    expect(driver.acknowledge()).toBe(INTERRUPT.config);
  });

  test.each([0, 3, 24, 1025, 0x1_0000, 0xffff_ffff])('a size of %i', (size) => {
    const driver = new TestDriver(device, SPLIT);
    driver.negotiate();
    driver.write(REGISTER.queueNum, size);
    driver.write(REGISTER.queueReady, 1);
    driver.write(REGISTER.status, driver.status | 4);
    expect(driver.slot.failure).toContain('entries');
  });

  test('parts outside RAM', () => {
    for (const part of [REGISTER.queueDescHigh, REGISTER.queueDriverHigh, REGISTER.queueDeviceHigh]) {
      const driver = new TestDriver(device, SPLIT).start();
      driver.write(REGISTER.queueSel, 0);
      driver.write(REGISTER.queueReady, 0);
      driver.write(part, 1);
      driver.write(REGISTER.queueReady, 1);
      driver.write(REGISTER.queueNotify, 0);
      expect(driver.slot.failure).toContain('outside RAM');
    }
  });

  test('a legacy queue on a page outside RAM', () => {
    const driver = new TestDriver(device, LEGACY).start();
    driver.write(REGISTER.queueSel, 1);
    driver.write(REGISTER.queuePfn, 0xffff_ffff);
    driver.write(REGISTER.queueNotify, 1);
    expect(driver.slot.failure).toContain('outside RAM');
  });

  test('the chains before the broken one are served', () => {
    const driver = new TestDriver(device, SPLIT).start(0n, { size: 8 });
    driver.queues[0]!.add([bytes(1), { room: 1 }]);
    driver.queues[0]!.add([bytes(1)]);
    driver.memory.set16(driver.queues[0]!.areas.driver + 4n + 2n, 77);
    driver.write(REGISTER.queueNotify, 0);
    expect(driver.needsReset).toBe(true);
    expect(driver.returned(0)).toHaveLength(1);
  });

  test('buffers that overlap the ring keep the device busy no longer than the ring is', () => {
    // The answer to each chain is written over the index of the available ring, always one ahead.
    const driver = new TestDriver(device, SPLIT).start(0n, { size: 8 });
    const { memory } = driver;
    const { descriptor, driver: available } = driver.queues[0]!.areas;
    const data = memory.allocate(2);
    memory.set16(data, 0xfff0);
    memory.set64(descriptor, data);
    memory.set32(descriptor + 8n, 2);
    memory.set16(descriptor + 12n, 1);
    memory.set16(descriptor + 14n, 1);
    memory.set64(descriptor + 16n, available + 2n);
    memory.set32(descriptor + 24n, 2);
    memory.set16(descriptor + 28n, 2);
    memory.set16(available + 2n, 8);
    driver.write(REGISTER.queueNotify, 0);
    expect(memory.get16(driver.queues[0]!.areas.device + 2n)).toBe(8);
  });
});

describe('broken packed rings', () => {
  const AVAILABLE = 1 << 7;

  test('a list that goes round the ring', () => {
    const driver = new TestDriver(device, PACKED).start(0n, { size: 5 });
    const { descriptor } = driver.queues[0]!.areas;
    for (let index = 0n; index < 5n; index += 1n)
      driver.memory.set16(descriptor + 16n * index + 14n, AVAILABLE | 1);
    driver.write(REGISTER.queueNotify, 0);
    expect(driver.slot.failure).toContain('longer than the ring');
  });

  test('2.8.19: an indirect descriptor in a list', () => {
    const driver = new TestDriver(device, { ...PACKED, indirect: true }).start(0n, { size: 5 });
    const { descriptor } = driver.queues[0]!.areas;
    driver.memory.set16(descriptor + 14n, AVAILABLE | 1);
    driver.memory.set16(descriptor + 16n + 14n, AVAILABLE | 4);
    driver.write(REGISTER.queueNotify, 0);
    expect(driver.slot.failure).toContain('in a list');
  });

  test.each([0, 8, 16 * 1025])('an indirect table of %i bytes', (length) => {
    const driver = new TestDriver(device, { ...PACKED, indirect: true }).start(0n, { size: 5 });
    const { descriptor } = driver.queues[0]!.areas;
    driver.memory.set64(descriptor, driver.memory.base);
    driver.memory.set32(descriptor + 8n, length);
    driver.memory.set16(descriptor + 14n, AVAILABLE | 4);
    driver.write(REGISTER.queueNotify, 0);
    expect(driver.slot.failure).toContain('indirect table');
  });

  test('2.8: a ring need not have a power of 2 of entries, but some', () => {
    const driver = new TestDriver(device, PACKED).start(0n, { size: 7 });
    for (let round = 0; round < 20; round += 1) {
      expect(driver.request(0, bytes(round), { room: 1 }).data).toEqual(bytes(round));
    }
    const none = new TestDriver(device, PACKED);
    none.negotiate();
    none.write(REGISTER.queueNum, 0);
    none.write(REGISTER.queueReady, 1);
    none.write(REGISTER.status, none.status | 4);
    expect(none.slot.failure).toContain('entries');
  });

  test('2.8.15: a descriptor is not used unless AVAIL changed', () => {
    const driver = new TestDriver(device, PACKED).start(0n, { size: 4 });
    driver.write(REGISTER.queueNotify, 0);
    expect(driver.events.map(({ event }) => event)).toEqual(['kicked']);
    expect(driver.needsReset).toBe(false);
  });
});
