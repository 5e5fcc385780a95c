/** Device status bits (virtio 1.2, section 2.1). */
export const STATUS = {
  acknowledge: 1,
  driver: 2,
  driverOk: 4,
  featuresOk: 8,
  needsReset: 64,
  failed: 128,
} as const;

/** Device-independent feature bits (section 6 and 6.3) as masks. */
export const FEATURE = {
  anyLayout: 1n << 27n,
  indirectDescriptors: 1n << 28n,
  eventIndex: 1n << 29n,
  version1: 1n << 32n,
  ringPacked: 1n << 34n,
  ringReset: 1n << 40n,
} as const;

/** Bits of InterruptStatus (section 4.2.2). */
export const INTERRUPT = { used: 1, config: 2 } as const;

/** Device types (section 5). */
export const DEVICE_ID = {
  network: 1,
  block: 2,
  console: 3,
  entropy: 4,
  balloon: 5,
  nineP: 9,
  input: 18,
} as const;

/** Entries of a queue, as QEMU's MMIO transport answers for every queue. */
export const QUEUE_SIZE_MAX = 1024;

export const has = (features: bigint, feature: bigint): boolean => (features & feature) !== 0n;
