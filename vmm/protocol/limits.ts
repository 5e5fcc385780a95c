/**
 * Bounds and defaults of a machine's configuration: for its schema, and for the command line, which does without the schema
 * because the library behind it takes long to load.
 */
export const HARTS = { min: 1, max: 16, default: 1 } as const;
/** RAM, in bytes. */
export const MEMORY = { min: 2 ** 20, max: 3.5 * 2 ** 30, default: 128 * 2 ** 20 } as const;
/** Disks: as many as the board has virtio slots. */
export const DRIVES = { max: 8 } as const;
/** Other devices on virtio, likewise. */
export const DEVICES = { max: 8 } as const;
/** Ports of the host's that lead to the guest. */
export const FORWARDS = { max: 64 } as const;
