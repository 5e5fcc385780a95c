import type { Device } from '../../contracts/device.ts';
import { EmptyVirtioSlot } from '../virtio-slot.ts';
import type { VirtioDevice, VirtioPorts } from './device.ts';
import { VirtioMmio, type VirtioMmioOptions } from './mmio.ts';

/** What answers in one of the board's virtio slots: a device behind its transport, or an empty one. */
export const createVirtioSlot = (
  device: VirtioDevice | null,
  ports: VirtioPorts,
  options: VirtioMmioOptions,
): Device => (device === null ? new EmptyVirtioSlot(options.legacy) : new VirtioMmio(device, ports, options));
