import { VmError } from '../base/vm-error.ts';
import type { IrqLine } from '../contracts/device.ts';
import type { GuestDma } from '../contracts/dma.ts';
import type { ExitSink } from '../contracts/exits.ts';
import type { VirtioDevice, VirtqueueEvent } from '../devices/virtio/device.ts';
import { createVirtioSlot } from '../devices/virtio/slot.ts';
import type { Placed } from './board.ts';
import { MEMORY_MAP, VIRTIO_SLOTS } from './memory-map.ts';

/** What the slots need of the machine around them. */
export interface VirtioSlotPorts {
  readonly exits: ExitSink;
  readonly dma: GuestDma;
  /** The hart whose instruction is being executed, or the last one. */
  readonly currentHart: () => number;
  /** A monotonic clock for handler times. */
  readonly nowNs: () => number;
  /** The interrupt line of a source. */
  readonly line: (source: number) => IrqLine;
  /** What the device at this place asks its host for. */
  readonly fromHost: (device: number, ask: () => Uint8Array) => Uint8Array;
  /** Version 1 of the registers, as QEMU has them unless told otherwise. */
  readonly legacy: boolean;
}

/**
 * The board's virtio slots with their devices, the rest of them empty. Devices are put in as QEMU does with `-device`: the first
 * in the last slot, so that Linux, which finds the slots by the device tree, meets them in the order they were given in.
 *
 * @throws VmError `bad-config` when there are more devices than slots.
 */
export function placeVirtioDevices(devices: readonly VirtioDevice[], ports: VirtioSlotPorts): Placed[] {
  if (devices.length > VIRTIO_SLOTS) {
    throw new VmError('bad-config', `the board has ${VIRTIO_SLOTS} virtio slots, not ${devices.length}`);
  }
  return MEMORY_MAP.virtio.map((region, slot) => {
    const place = VIRTIO_SLOTS - 1 - slot;
    const device = devices[place] ?? null;
    const observe = (event: VirtqueueEvent, effect: () => void): void =>
      reportVirtqueue(ports, region.name, event, effect);
    const fromHost = (ask: () => Uint8Array): Uint8Array => ports.fromHost(place, ask);
    const slotPorts = { irq: ports.line(region.irqs[0]!), dma: ports.dma, observe, fromHost };
    return { region, device: createVirtioSlot(device, slotPorts, { legacy: ports.legacy }) };
  });
}

/** Every kick, and every return of buffers, is an exit of the hart that caused it. What a queue holds is looked at for those who watch. */
function reportVirtqueue(
  { exits, currentHart, nowNs }: VirtioSlotPorts,
  device: string,
  event: VirtqueueEvent,
  effect: () => void,
): void {
  const hart = currentHart();
  const before = exits.watches('virtqueue', 'pre');
  const after = exits.watches('virtqueue', 'post');
  exits.count(hart, 'virtqueue');
  if (!before && !after) {
    effect();
    return;
  }
  const { queue } = event;
  const exit = { kind: 'virtqueue', device, queue, event: event.event, ...event.summary() } as const;
  if (before) exits.report(hart, 'pre', exit, 0);
  const start = nowNs();
  effect();
  if (after) exits.report(hart, 'post', exit, nowNs() - start);
}
