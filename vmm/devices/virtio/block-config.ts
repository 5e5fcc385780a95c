import type { RegisterDescription } from '../../contracts/device.ts';
import { set32, set64 } from './little-endian.ts';

/** Unit of capacities and offsets in the protocol, whatever the disk's (section 5.2.4). */
export const SECTOR = 512;

export const BLOCK_FEATURE = {
  segMax: 1n << 2n,
  readOnly: 1n << 5n,
  blockSize: 1n << 6n,
  flush: 1n << 9n,
  configWce: 1n << 11n,
  discard: 1n << 13n,
  writeZeroes: 1n << 14n,
} as const;

/** Buffers of a request: QEMU's number, which is the descriptors of its queue less header and status. */
export const SEGMENTS_MAX = 254;
/** Ranges of a discard or write-zeroes request, and sectors of one: 2 GiB less a little. */
export const RANGES_MAX = 32;
export const RANGE_SECTORS_MAX = 0x3f_ffff;

/** Offset of `writeback`, the one field that a driver writes. */
export const WRITEBACK = 32;
const CONFIG_SIZE = 60;

/** `struct virtio_blk_config` (section 5.2.4). */
export function blockConfig(sectors: number, writeback: boolean): Uint8Array {
  const config = new Uint8Array(CONFIG_SIZE);
  set64(config, 0, BigInt(sectors));
  set32(config, 12, SEGMENTS_MAX);
  set32(config, 20, SECTOR);
  config[WRITEBACK] = Number(writeback);
  set32(config, 36, RANGE_SECTORS_MAX);
  set32(config, 40, RANGES_MAX);
  set32(config, 44, 1);
  set32(config, 48, RANGE_SECTORS_MAX);
  set32(config, 52, RANGES_MAX);
  // A range of zeros may be given back to the host (section 5.2.6.2).
  config[56] = 1;
  return config;
}

export const BLOCK_REGISTERS: readonly RegisterDescription[] = [
  { name: 'capacity', offset: 0, size: 8, access: 'read', description: 'Sectors of 512 bytes' },
  { name: 'seg_max', offset: 12, size: 4, access: 'read', description: 'Buffers of a request' },
  { name: 'blk_size', offset: 20, size: 4, access: 'read', description: 'Bytes of a block' },
  {
    name: 'writeback',
    offset: WRITEBACK,
    size: 1,
    description: 'Cache mode',
    fields: [{ name: 'MODE', low: 0, high: 7, values: { 0: 'writethrough', 1: 'writeback' } }],
  },
  { name: 'max_discard_sectors', offset: 36, size: 4, access: 'read' },
  { name: 'max_discard_seg', offset: 40, size: 4, access: 'read' },
  { name: 'discard_sector_alignment', offset: 44, size: 4, access: 'read' },
  { name: 'max_write_zeroes_sectors', offset: 48, size: 4, access: 'read' },
  { name: 'max_write_zeroes_seg', offset: 52, size: 4, access: 'read' },
  { name: 'write_zeroes_may_unmap', offset: 56, size: 1, access: 'read' },
];
