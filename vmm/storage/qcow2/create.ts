import type { ImageFile } from '../../contracts/storage.ts';
import { badImage } from '../errors.ts';
import {
  CLUSTER_BITS_MAX,
  CLUSTER_BITS_MIN,
  EXTENDED_CLUSTER_BITS_MIN,
  geometryOf,
  L1_BYTES_MAX,
  l1EntriesOf,
} from './geometry.ts';
import { COMPATIBLE, HEADER_BYTES_V2, HEADER_BYTES_V3, HEADER_FIELDS, INCOMPATIBLE } from './header.ts';
import { EXTENSION } from './header-extensions.ts';
import { setCount } from './refcount-block.ts';

export interface CreateOptions {
  /** Bytes of the disk, whole sectors. */
  readonly size: number;
  readonly version?: 2 | 3;
  readonly clusterBytes?: number;
  readonly refcountBits?: number;
  /** 32 subclusters a cluster ("Extended L2 Entries"). */
  readonly extendedL2?: boolean;
  readonly lazyRefcounts?: boolean;
  /** A file name relative to the image, and its format. */
  readonly backing?: { readonly name: string; readonly format: 'raw' | 'qcow2' };
}

const SECTOR_BYTES = 512;
const BACKING_NAME_BYTES_MAX = 1023;

/**
 * Makes an empty image in a file that is empty. It is on stable storage when this returns; before, the file is no image.
 *
 * @throws VmError `bad-file` when there is no such image.
 */
export function createQcow2(file: ImageFile, options: CreateOptions, name: string): void {
  const { size, version = 3, clusterBytes = 65536, refcountBits = 16, extendedL2 = false } = options;
  const clusterBits = Math.log2(clusterBytes);
  const refcountOrder = Math.log2(refcountBits);
  const clusterBitsMin = extendedL2 ? EXTENDED_CLUSTER_BITS_MIN : CLUSTER_BITS_MIN;
  if (!Number.isInteger(clusterBits) || clusterBits < clusterBitsMin || clusterBits > CLUSTER_BITS_MAX) {
    throw badImage(name, `clusters of ${clusterBytes} bytes; powers of two from 512 to 2097152 are possible`);
  }
  if (!Number.isInteger(refcountOrder) || refcountOrder < 0 || refcountOrder > 6) {
    throw badImage(name, `refcounts of ${refcountBits} bits; 1, 2, 4, 8, 16, 32 and 64 are possible`);
  }
  if (version === 2 && (refcountBits !== 16 || extendedL2 || options.lazyRefcounts === true)) {
    throw badImage(name, 'version 2 has refcounts of 16 bits, no subclusters and no lazy refcounts');
  }
  const geometry = geometryOf(clusterBits, refcountOrder, extendedL2);
  const l1Entries = l1EntriesOf(size, geometry);
  if (!Number.isSafeInteger(size) || size < 0 || size % SECTOR_BYTES !== 0 || l1Entries * 8 > L1_BYTES_MAX) {
    throw badImage(name, `a disk of ${size} bytes with clusters of ${clusterBytes}`);
  }

  // Header, refcount table, refcount blocks, L1 table, in this order and without gaps.
  const l1Clusters = Math.max(1, Math.ceil((l1Entries * 8) / clusterBytes));
  let [tableClusters, blocks] = [1, 1];
  const total = () => 1 + tableClusters + blocks + l1Clusters;
  while (blocks * geometry.blockEntries < total() || tableClusters * clusterBytes < blocks * 8) {
    if (blocks * geometry.blockEntries < total()) blocks++;
    else tableClusters++;
  }
  const bytes = new Uint8Array((1 + tableClusters + blocks) * clusterBytes);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < blocks; i++) {
    const offset = (1 + tableClusters + i) * clusterBytes;
    view.setBigUint64(clusterBytes + i * 8, BigInt(offset));
    const block = new DataView(bytes.buffer, offset, clusterBytes);
    const used = Math.min(geometry.blockEntries, total() - i * geometry.blockEntries);
    for (let entry = 0; entry < used; entry++) setCount(block, refcountBits, entry, 1);
  }
  const header = new DataView(bytes.buffer, 0, clusterBytes);
  writeHeader(header, { ...options, version, clusterBits, refcountOrder, extendedL2 }, name);
  header.setUint32(HEADER_FIELDS.l1Entries, l1Entries);
  header.setBigUint64(HEADER_FIELDS.l1Offset, BigInt((1 + tableClusters + blocks) * clusterBytes));
  header.setBigUint64(HEADER_FIELDS.refcountTableOffset, BigInt(clusterBytes));
  header.setUint32(HEADER_FIELDS.refcountTableClusters, tableClusters);

  file.truncate(0);
  file.truncate(total() * clusterBytes);
  file.write(clusterBytes, bytes.subarray(clusterBytes));
  file.sync();
  file.write(0, bytes.subarray(0, clusterBytes));
  file.sync();
}

interface HeaderValues extends CreateOptions {
  readonly version: 2 | 3;
  readonly clusterBits: number;
  readonly refcountOrder: number;
  readonly extendedL2: boolean;
}

function writeHeader(header: DataView, values: HeaderValues, name: string): void {
  const { version, backing } = values;
  const bytes = new Uint8Array(header.buffer, header.byteOffset, header.byteLength);
  bytes.set([0x51, 0x46, 0x49, 0xfb]); // "QFI\xfb"
  header.setUint32(4, version);
  header.setUint32(20, values.clusterBits);
  header.setBigUint64(HEADER_FIELDS.size, BigInt(values.size));
  let end = HEADER_BYTES_V2;
  if (version === 3) {
    header.setBigUint64(HEADER_FIELDS.incompatible, values.extendedL2 ? INCOMPATIBLE.extended : 0n);
    header.setBigUint64(80, values.lazyRefcounts === true ? COMPATIBLE.lazyRefcounts : 0n);
    header.setUint32(96, values.refcountOrder);
    // Room for the kind of compression, which is 0.
    end = HEADER_BYTES_V3 + 8;
    header.setUint32(100, end);
  }
  if (backing === undefined) return;
  const format = new TextEncoder().encode(backing.format);
  header.setUint32(end, EXTENSION.backingFormat);
  header.setUint32(end + 4, format.length);
  bytes.set(format, end + 8);
  // An extension of type 0 and length 0 ends the list.
  const nameOffset = end + 8 + Math.ceil(format.length / 8) * 8 + 8;
  const text = new TextEncoder().encode(backing.name);
  if (text.length === 0 || text.length > BACKING_NAME_BYTES_MAX || nameOffset + text.length > bytes.length) {
    throw badImage(name, `the name of the backing file has ${text.length} bytes`);
  }
  header.setBigUint64(8, BigInt(nameOffset));
  header.setUint32(16, text.length);
  bytes.set(text, nameOffset);
}
