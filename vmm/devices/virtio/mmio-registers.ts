import type { FieldDescription, RegisterDescription } from '../../contracts/device.ts';

/** Offsets of the registers (virtio 1.2, section 4.2.2; those of the legacy layout in section 4.2.4). */
export const REGISTER = {
  magicValue: 0x000,
  version: 0x004,
  deviceId: 0x008,
  vendorId: 0x00c,
  deviceFeatures: 0x010,
  deviceFeaturesSel: 0x014,
  driverFeatures: 0x020,
  driverFeaturesSel: 0x024,
  guestPageSize: 0x028,
  queueSel: 0x030,
  queueNumMax: 0x034,
  queueNum: 0x038,
  queueAlign: 0x03c,
  queuePfn: 0x040,
  queueReady: 0x044,
  queueNotify: 0x050,
  interruptStatus: 0x060,
  interruptAck: 0x064,
  status: 0x070,
  queueDescLow: 0x080,
  queueDescHigh: 0x084,
  queueDriverLow: 0x090,
  queueDriverHigh: 0x094,
  queueDeviceLow: 0x0a0,
  queueDeviceHigh: 0x0a4,
  shmSel: 0x0ac,
  shmLenLow: 0x0b0,
  shmLenHigh: 0x0b4,
  shmBaseLow: 0x0b8,
  shmBaseHigh: 0x0bc,
  queueReset: 0x0c0,
  configGeneration: 0x0fc,
  config: 0x100,
} as const;

export const MAGIC_VALUE = 0x7472_6976; // "virt"
export const VENDOR_QEMU = 0x554d_4551; // "QEMU"
export const VERSION = { legacy: 1, current: 2 } as const;

type Access = 'read' | 'write' | undefined;

const register = (
  name: string,
  offset: number,
  access: Access,
  description: string,
  fields: readonly FieldDescription[] = [],
): RegisterDescription => ({
  name,
  offset,
  size: 4,
  description,
  ...(access === undefined ? {} : { access }),
  ...(fields.length === 0 ? {} : { fields }),
});

const flag = (name: string, bit: number, description: string): FieldDescription => ({
  name,
  low: bit,
  high: bit,
  description,
});

const EVENTS = [flag('USED', 0, 'a buffer was used'), flag('CONFIG', 1, 'the configuration changed')];

const STATUS_FIELDS = [
  flag('ACKNOWLEDGE', 0, 'the guest has noticed the device'),
  flag('DRIVER', 1, 'the guest has a driver'),
  flag('DRIVER_OK', 2, 'the driver is ready'),
  flag('FEATURES_OK', 3, 'the features are negotiated'),
  flag('DEVICE_NEEDS_RESET', 6, 'the driver broke the rules'),
  flag('FAILED', 7, 'the guest has given up'),
];

const DEVICE_TYPES = {
  0: 'none',
  1: 'network card',
  2: 'block device',
  3: 'console',
  4: 'entropy source',
  5: 'memory balloon',
  9: '9P transport',
  18: 'input device',
};

const COMMON: readonly RegisterDescription[] = [
  register('MagicValue', REGISTER.magicValue, 'read', '"virt"'),
  register('Version', REGISTER.version, 'read', '1 is the legacy layout'),
  register('DeviceID', REGISTER.deviceId, 'read', 'Type of the device', [
    { name: 'TYPE', low: 0, high: 31, values: DEVICE_TYPES },
  ]),
  register('VendorID', REGISTER.vendorId, 'read', '"QEMU"'),
  register('DeviceFeatures', REGISTER.deviceFeatures, 'read', 'Features offered, the 32 selected'),
  register('DeviceFeaturesSel', REGISTER.deviceFeaturesSel, 'write', 'Selects features offered'),
  register('DriverFeatures', REGISTER.driverFeatures, 'write', 'Features that the driver takes'),
  register('DriverFeaturesSel', REGISTER.driverFeaturesSel, 'write', 'Selects features taken'),
  register('QueueSel', REGISTER.queueSel, 'write', 'Selects the queue of the registers below'),
  register('QueueNumMax', REGISTER.queueNumMax, 'read', 'Entries at most; 0: there is no such queue'),
  register('QueueNum', REGISTER.queueNum, 'write', 'Entries of the queue'),
  register('QueueNotify', REGISTER.queueNotify, 'write', 'Number of a queue with new buffers'),
  register('InterruptStatus', REGISTER.interruptStatus, 'read', 'What raised the interrupt', EVENTS),
  register('InterruptACK', REGISTER.interruptAck, 'write', 'What was handled', EVENTS),
  register('Status', REGISTER.status, undefined, 'Device status; 0 resets the device', STATUS_FIELDS),
];

const CURRENT: readonly RegisterDescription[] = [
  register('QueueReady', REGISTER.queueReady, undefined, '1: the queue is set up'),
  register('QueueDescLow', REGISTER.queueDescLow, 'write', 'Address of the descriptor area'),
  register('QueueDescHigh', REGISTER.queueDescHigh, 'write', 'Its upper half'),
  register('QueueDriverLow', REGISTER.queueDriverLow, 'write', 'Address of the driver area'),
  register('QueueDriverHigh', REGISTER.queueDriverHigh, 'write', 'Its upper half'),
  register('QueueDeviceLow', REGISTER.queueDeviceLow, 'write', 'Address of the device area'),
  register('QueueDeviceHigh', REGISTER.queueDeviceHigh, 'write', 'Its upper half'),
  register('SHMSel', REGISTER.shmSel, 'write', 'Selects a shared memory region; there is none'),
  register('SHMLenLow', REGISTER.shmLenLow, 'read', 'Bytes of the region; all ones: no region'),
  register('SHMLenHigh', REGISTER.shmLenHigh, 'read', 'Its upper half'),
  register('SHMBaseLow', REGISTER.shmBaseLow, 'read', 'Address of the region'),
  register('SHMBaseHigh', REGISTER.shmBaseHigh, 'read', 'Its upper half'),
  register('QueueReset', REGISTER.queueReset, undefined, '1 resets the queue'),
  register('ConfigGeneration', REGISTER.configGeneration, 'read', 'Version of the configuration space'),
];

const LEGACY: readonly RegisterDescription[] = [
  register('GuestPageSize', REGISTER.guestPageSize, 'write', 'Unit of QueuePFN'),
  register('QueueAlign', REGISTER.queueAlign, 'write', 'Alignment of the used ring'),
  register('QueuePFN', REGISTER.queuePfn, undefined, 'First page of the queue; 0: it is not in use'),
];

/** The registers of a transport, by address, with those of the device's configuration space behind them. */
export function mmioRegisters(
  legacy: boolean,
  config: readonly RegisterDescription[],
): readonly RegisterDescription[] {
  const own = [...COMMON, ...(legacy ? LEGACY : CURRENT)].sort((a, b) => a.offset - b.offset);
  return [...own, ...config.map((field) => ({ ...field, offset: REGISTER.config + field.offset }))];
}
