import { expect, test } from 'vitest';
import type { VirtioPorts } from './device.ts';
import { VirtioEntropy } from './entropy.ts';
import { REGISTER } from './mmio-registers.ts';
import { createVirtioSlot } from './slot.ts';

const ports: VirtioPorts = {
  irq: { set: () => {} },
  dma: { view: () => undefined, wrote: () => {}, forgot: () => {} },
  observe: (_event, effect) => effect(),
  fromHost: (ask) => ask(),
};

test.each([
  [true, 1],
  [false, 2],
])('4.2.3.1.1: an empty slot is device 0 behind the same transport (legacy: %s)', (legacy, version) => {
  const empty = createVirtioSlot(null, ports, { legacy });
  const filled = createVirtioSlot(new VirtioEntropy({ random: (count) => new Uint8Array(count) }), ports, {
    legacy,
  });
  for (const register of [REGISTER.magicValue, REGISTER.version, REGISTER.vendorId]) {
    expect(empty.read(register, 4)).toBe(filled.read(register, 4));
  }
  expect(empty.read(REGISTER.version, 4)).toBe(version);
  expect([empty.read(REGISTER.deviceId, 4), filled.read(REGISTER.deviceId, 4)]).toEqual([0, 4]);
});
