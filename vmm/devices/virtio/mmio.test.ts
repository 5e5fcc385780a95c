import { beforeEach, describe, expect, test } from 'vitest';
import { FEATURE, INTERRUPT, STATUS } from './constants.ts';
import { MAGIC_VALUE, REGISTER } from './mmio-registers.ts';
import { LEGACY, SPLIT, TestDriver } from './testing/driver.ts';
import { EchoDevice } from './testing/echo.ts';

let device: EchoDevice;
let driver: TestDriver;

beforeEach(() => {
  device = new EchoDevice();
  driver = new TestDriver(device);
});

const OWN_FEATURE = 1n << 5n;

describe('virtio 1.2, 4.2.2 MMIO Device Register Layout', () => {
  test('4.2.2.1: magic value, version 2, type and vendor', () => {
    expect(driver.read(REGISTER.magicValue)).toBe(MAGIC_VALUE);
    expect(driver.read(REGISTER.version)).toBe(2);
    expect(driver.read(REGISTER.deviceId)).toBe(42);
    expect(driver.read(REGISTER.vendorId)).toBe(0x554d4551);
  });

  test('4.2.2: features come 32 at a time; beyond bit 63 there are none', () => {
    driver.write(REGISTER.deviceFeaturesSel, 0);
    expect(driver.read(REGISTER.deviceFeatures)).toBe(0x3000_0020);
    driver.write(REGISTER.deviceFeaturesSel, 1);
    expect(driver.read(REGISTER.deviceFeatures)).toBe(0x0000_0105);
    driver.write(REGISTER.deviceFeaturesSel, 2);
    expect(driver.read(REGISTER.deviceFeatures)).toBe(0);
  });

  test('4.2.2: QueueNumMax is zero for a queue that is not there', () => {
    driver.write(REGISTER.queueSel, 1);
    expect(driver.read(REGISTER.queueNumMax)).toBe(1024);
    driver.write(REGISTER.queueSel, 2);
    expect(driver.read(REGISTER.queueNumMax)).toBe(0);
    driver.write(REGISTER.queueReady, 1);
    expect(driver.read(REGISTER.queueReady)).toBe(0);
  });

  test('4.2.2: a shared memory region that does not exist has length and base of all ones', () => {
    driver.write(REGISTER.shmSel, 0);
    for (const register of ['shmLenLow', 'shmLenHigh', 'shmBaseLow', 'shmBaseHigh'] as const) {
      expect(driver.read(REGISTER[register])).toBe(0xffff_ffff);
    }
  });

  test('4.2.2.2: control registers answer aligned words only', () => {
    expect(driver.slot.read(REGISTER.magicValue, 1)).toBe(0);
    expect(driver.slot.read(REGISTER.magicValue, 2)).toBe(0);
    expect(driver.slot.read(REGISTER.magicValue + 1, 4)).toBe(0);
    driver.slot.write(REGISTER.status, 1, STATUS.acknowledge);
    expect(driver.status).toBe(0);
  });

  test('4.2.2: the configuration space has byte alignment and ends in zeros', () => {
    const { config } = REGISTER;
    expect(driver.slot.read(config, 4)).toBe(0x0403_0201);
    expect(driver.slot.read(config + 1, 2)).toBe(0x0302);
    expect(driver.slot.read(config + 5, 4)).toBe(0x0000_0706);
    expect(driver.slot.read(config + 0xeff, 1)).toBe(0);
    driver.slot.write(config + 2, 1, 9);
    expect(device.log).toEqual(['config 2 1 9']);
  });

  test('4.2.2.1: reset clears InterruptStatus and QueueReady', () => {
    driver.start();
    driver.send(0, Uint8Array.of(1));
    expect(driver.read(REGISTER.interruptStatus)).toBe(INTERRUPT.used);
    expect(driver.irq).toBe(true);
    driver.write(REGISTER.status, 0);
    expect(driver.read(REGISTER.interruptStatus)).toBe(0);
    expect(driver.irq).toBe(false);
    for (const queue of [0, 1]) {
      driver.write(REGISTER.queueSel, queue);
      expect(driver.read(REGISTER.queueReady)).toBe(0);
    }
    expect(device.log.at(-1)).toBe('reset');
  });

  test('4.2.2.1: a queue that is not ready is not accessed', () => {
    driver.start();
    driver.write(REGISTER.queueSel, 0);
    driver.write(REGISTER.queueReady, 0);
    expect(device.log.at(-1)).toBe('stopped 0');
    const before = device.log.length;
    driver.queues[0]!.add([Uint8Array.of(1)]);
    driver.write(REGISTER.queueNotify, 0);
    expect(driver.returned(0)).toEqual([]);
    expect(device.log.length).toBe(before);
  });

  test('4.2.2.1: ConfigGeneration changes with the configuration', () => {
    driver.start();
    const before = driver.read(REGISTER.configGeneration);
    device.transport!.configChanged();
    expect(driver.read(REGISTER.configGeneration)).not.toBe(before);
    expect(driver.acknowledge()).toBe(INTERRUPT.config);
    expect(driver.irq).toBe(false);
  });

  test('4.2.3.4: the line is high as long as any event is not acknowledged', () => {
    driver.start();
    driver.send(0, Uint8Array.of(1));
    device.transport!.configChanged();
    expect(driver.read(REGISTER.interruptStatus)).toBe(3);
    driver.write(REGISTER.interruptAck, INTERRUPT.used);
    expect(driver.irq).toBe(true);
    driver.write(REGISTER.interruptAck, INTERRUPT.config);
    expect(driver.irq).toBe(false);
    expect(driver.interrupts).toBe(1);
  });

  test('4.2.3.3: a notification of no queue is ignored', () => {
    driver.start();
    for (const queue of [2, 64, 0xffff, 0xffff_ffff]) driver.write(REGISTER.queueNotify, queue);
    expect(driver.needsReset).toBe(false);
    expect(driver.events).toEqual([]);
  });

  test('every register answers peek as it does read', () => {
    driver.start();
    driver.send(0, Uint8Array.of(1));
    for (let offset = 0; offset < 0x120; offset += 1) {
      for (const size of [1, 2, 4] as const) {
        expect(driver.slot.peek(offset, size)).toBe(driver.slot.read(offset, size));
      }
    }
    expect(driver.irq).toBe(true);
  });

  test('the views know every register of both layouts, and the configuration', () => {
    const names = (slot: TestDriver): string[] => slot.slot.registers.map(({ name }) => name);
    expect(names(driver)).toContain('QueueReady');
    expect(names(driver)).not.toContain('QueuePFN');
    expect(names(new TestDriver(new EchoDevice(), LEGACY))).toContain('QueuePFN');
    expect(driver.slot.registers.at(-1)).toMatchObject({ name: 'word', offset: 0x100 });
  });
});

describe('virtio 1.2, 2.1 Device Status Field', () => {
  test('it starts out as 0 and is reinitialised by a reset', () => {
    expect(driver.status).toBe(0);
    driver.start();
    expect(driver.status).toBe(0x0f);
    driver.write(REGISTER.status, 0);
    expect(driver.status).toBe(0);
  });

  test('2.1.2: no buffer is consumed before DRIVER_OK; those added by then are found at it', () => {
    driver.negotiate();
    driver.queues[0] = driver.setUpQueue(0, 16);
    driver.memory.reserve();
    driver.queues[0].add([Uint8Array.of(1), { room: 1 }]);
    driver.write(REGISTER.queueNotify, 0);
    expect(driver.returned(0)).toEqual([]);
    expect(driver.irq).toBe(false);
    driver.write(REGISTER.status, driver.status | STATUS.driverOk);
    expect(driver.returned(0)).toMatchObject([{ written: 1 }]);
    expect(device.log).toEqual(['reset', 'started', 'notified 0']);
  });

  test('DRIVER_OK without FEATURES_OK starts nothing', () => {
    driver.write(REGISTER.status, STATUS.acknowledge | STATUS.driver | STATUS.driverOk);
    driver.queues[0] = driver.setUpQueue(0, 16);
    driver.queues[0].add([Uint8Array.of(1)]);
    driver.write(REGISTER.queueNotify, 0);
    expect(driver.returned(0)).toEqual([]);
    expect(device.log).toEqual([]);
  });

  test('2.1.1: a driver that clears bits loses none', () => {
    driver.start();
    driver.write(REGISTER.status, STATUS.acknowledge);
    expect(driver.status).toBe(0x0f);
  });

  test('2.1.2: DEVICE_NEEDS_RESET comes with a configuration change notification and stays until the reset', () => {
    driver.start();
    device.transport!.fail('a test');
    expect(driver.needsReset).toBe(true);
    expect(driver.slot.failure).toBe('a test');
    expect(driver.acknowledge()).toBe(INTERRUPT.config);
    driver.write(REGISTER.status, 0x0f);
    expect(driver.needsReset).toBe(true);
    driver.send(0, Uint8Array.of(1));
    expect(driver.returned(0)).toEqual([]);
    driver.start();
    expect(driver.request(0, Uint8Array.of(7), { room: 1 }).data).toEqual(Uint8Array.of(7));
    expect(driver.slot.failure).toBe('');
  });

  test('a driver cannot set DEVICE_NEEDS_RESET, or bits that do not exist', () => {
    driver.write(REGISTER.status, 0xffff_ff70 | STATUS.acknowledge);
    expect(driver.status).toBe(STATUS.acknowledge);
  });
});

describe('virtio 1.2, 2.2 Feature Bits', () => {
  const tryFeatures = (features: bigint): boolean => {
    driver.write(REGISTER.status, 0);
    driver.write(REGISTER.status, STATUS.acknowledge | STATUS.driver);
    driver.accept(features);
    driver.write(REGISTER.status, driver.status | STATUS.featuresOk);
    return (driver.status & STATUS.featuresOk) !== 0;
  };

  test('2.2.2: a subset is accepted, and again after a reset', () => {
    expect(tryFeatures(FEATURE.version1)).toBe(true);
    expect(tryFeatures(FEATURE.version1 | OWN_FEATURE)).toBe(true);
    expect(tryFeatures(FEATURE.version1 | OWN_FEATURE)).toBe(true);
    expect(device.transport!.features).toBe(FEATURE.version1 | OWN_FEATURE);
  });

  test('2.2.2: FEATURES_OK is not set for a feature that was not offered', () => {
    expect(tryFeatures(FEATURE.version1 | (1n << 6n))).toBe(false);
    expect(tryFeatures(FEATURE.version1 | (1n << 63n))).toBe(false);
  });

  test('6.2: nor without VERSION_1', () => {
    expect(tryFeatures(OWN_FEATURE)).toBe(false);
  });

  test('3.1.1: features do not change after FEATURES_OK', () => {
    expect(tryFeatures(FEATURE.version1)).toBe(true);
    driver.accept(FEATURE.version1 | OWN_FEATURE);
    driver.write(REGISTER.status, driver.status | STATUS.featuresOk);
    expect(device.transport!.features).toBe(FEATURE.version1);
  });
});

describe('virtio 1.2, 2.6.1 Virtqueue Reset', () => {
  test('2.6.1.1.1: the queue starts from the beginning once it is set up again, at another place and size', () => {
    driver.start(FEATURE.ringReset);
    driver.request(0, Uint8Array.of(1), { room: 1 });
    driver.write(REGISTER.queueSel, 0);
    driver.write(REGISTER.queueReset, 1);
    expect(driver.read(REGISTER.queueReset)).toBe(0);
    expect(driver.read(REGISTER.queueReady)).toBe(0);
    driver.queues[0] = driver.setUpQueue(0, 4);
    driver.memory.reserve();
    expect(driver.request(0, Uint8Array.of(2), { room: 1 }).data).toEqual(Uint8Array.of(2));
    expect(driver.request(1, Uint8Array.of(3), { room: 1 }).data).toEqual(Uint8Array.of(3));
  });

  test('without the feature QueueReset does nothing', () => {
    driver.start();
    driver.write(REGISTER.queueSel, 0);
    driver.write(REGISTER.queueReset, 1);
    expect(driver.read(REGISTER.queueReady)).toBe(1);
  });
});

describe('virtio 1.2, 4.2.4 Legacy interface', () => {
  beforeEach(() => {
    driver = new TestDriver(device, LEGACY);
  });

  test('version 1 offers 32 features, among them arbitrary layouts (6.3)', () => {
    expect(driver.read(REGISTER.version)).toBe(1);
    expect(driver.offered()).toBe(
      OWN_FEATURE | FEATURE.anyLayout | FEATURE.indirectDescriptors | FEATURE.eventIndex,
    );
  });

  test('QueuePFN reads back, and the page size written before a reset counts after it', () => {
    driver.write(REGISTER.guestPageSize, 4096);
    driver.write(REGISTER.status, 0);
    const descriptors = driver.memory.allocate(3 * 4096, 4096);
    driver.write(REGISTER.queueSel, 0);
    expect(driver.read(REGISTER.queuePfn)).toBe(0);
    driver.write(REGISTER.queueNum, 8);
    driver.write(REGISTER.queueAlign, 4096);
    driver.write(REGISTER.queuePfn, Number(descriptors >> 12n));
    expect(driver.read(REGISTER.queuePfn)).toBe(Number(descriptors >> 12n));
    // One chain, put together by hand where section 2.7.2 says.
    const data = driver.memory.allocate(16);
    driver.memory.write(data, Uint8Array.of(9));
    driver.memory.set64(descriptors, data);
    driver.memory.set32(descriptors + 8n, 1);
    driver.memory.set16(descriptors + 12n, 1);
    driver.memory.set16(descriptors + 14n, 1);
    driver.memory.set64(descriptors + 16n, data + 8n);
    driver.memory.set32(descriptors + 24n, 4);
    driver.memory.set16(descriptors + 28n, 2);
    driver.memory.set16(descriptors + 128n + 2n, 1);
    driver.write(REGISTER.queueNotify, 0);
    expect(driver.memory.get16(descriptors + 4096n + 2n)).toBe(1);
    expect(driver.memory.get32(descriptors + 4096n + 8n)).toBe(1);
    expect(driver.memory.bytes(data + 8n, 2)).toEqual(Uint8Array.of(9, 0));
  });

  test('3.1.2: the device may be used before DRIVER_OK, and before the features are written', () => {
    driver.write(REGISTER.guestPageSize, 4096);
    driver.queues[0] = driver.setUpQueue(0, 16);
    driver.memory.reserve();
    expect(driver.request(0, Uint8Array.of(5), { room: 1 }).data).toEqual(Uint8Array.of(5));
  });

  test('a QueuePFN of zero takes the queue out of use', () => {
    driver.start();
    driver.write(REGISTER.queueSel, 0);
    driver.write(REGISTER.queuePfn, 0);
    driver.send(0, Uint8Array.of(1));
    expect(driver.returned(0)).toEqual([]);
    expect(driver.needsReset).toBe(false);
    expect(driver.request(1, Uint8Array.of(3), { room: 1 }).written).toBe(1);
  });

  test('registers of the current layout are not there', () => {
    driver.start();
    driver.write(REGISTER.queueSel, 0);
    for (const offset of [REGISTER.queueReady, REGISTER.configGeneration, REGISTER.shmLenLow]) {
      expect(driver.read(offset)).toBe(0);
    }
    driver.write(REGISTER.queueReady, 0);
    expect(driver.request(0, Uint8Array.of(5), { room: 1 }).written).toBe(1);
  });
});

describe('saved state', () => {
  test.each([SPLIT, LEGACY])('goes on where it was', (manner) => {
    driver = new TestDriver(device, manner);
    driver.start();
    driver.request(0, Uint8Array.of(1), { room: 1 });
    const saved = structuredClone(driver.slot.save());
    const ram = driver.memory.ram.slice();
    expect(driver.request(0, Uint8Array.of(2), { room: 1 }).written).toBe(1);
    driver.acknowledge();

    driver.slot.reset();
    expect(driver.irq).toBe(false);
    driver.memory.ram.set(ram);
    driver.slot.restore(saved);
    expect(driver.slot.save()).toEqual(saved);
    expect(driver.irq).toBe(true);
    driver.memory.watch(() => device.notified(0));
    // The driver of the test had sent its second chain from the same memory; it goes out again.
    expect(driver.needsReset).toBe(false);
  });

  test('is refused for another device, layout or features', () => {
    const saved = driver.slot.save();
    const legacy = new TestDriver(new EchoDevice(), LEGACY).slot;
    expect(() => legacy.restore(saved)).toThrow('is that of another device');
    expect(() => driver.slot.restore({ ...saved, version: 2 })).toThrow('has version 2');
    expect(() => driver.slot.restore({ ...saved, negotiated: 1n << 50n })).toThrow('features');
    expect(() => driver.slot.restore({ ...saved, queues: [] })).toThrow("'queues'");
    const torn = { version: 1, ...(saved['queues'] as object[])[0], nextUsed: 70_000 };
    expect(() => driver.slot.restore({ ...saved, queues: [torn, torn] })).toThrow('16 bits');
  });
});
