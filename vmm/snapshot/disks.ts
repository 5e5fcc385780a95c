import { ByteReader } from '../base/bytes.ts';
import { VmError } from '../base/vm-error.ts';
import type { SnapshotDisk } from '../contracts/snapshot.ts';
import type { Container, ContainerWriter } from './container.ts';

/** Blocks that a session wrote over a disk; as many such sections as it takes. */
export const DISK_SECTION = 'disk';
export const DISK_VERSION = 1;

const ZERO = 0xffff_ffff;
const BLOCKS_PER_SECTION = 8;
const BLOCK_BYTES_MAX = 1 << 20;

/** Writes what the session changed of its disks, all of it or since the last mark. Returns how many blocks. */
export function writeDisks(
  writer: ContainerWriter,
  disks: readonly SnapshotDisk[],
  sinceMark: boolean,
): number {
  let written = 0;
  for (const [index, { session }] of disks.entries()) {
    if (session === undefined) continue;
    let parts: Uint8Array[] = [];
    let blocks = 0;
    const flush = (): void => {
      if (blocks > 0)
        writer.section(DISK_SECTION, DISK_VERSION, Buffer.concat([words(index, blocks), ...parts]));
      [parts, blocks] = [[], 0];
    };
    for (const { block, data } of session.changes(sinceMark)) {
      parts.push(words(block, data?.length ?? ZERO), ...(data === null ? [] : [data]));
      written += 1;
      blocks += 1;
      if (blocks === BLOCKS_PER_SECTION) flush();
    }
    flush();
  }
  return written;
}

/** Puts the blocks of a snapshot and those it builds on, newest first, in place of whatever the session wrote. */
export function readDisks(
  chain: readonly { readonly container: Container; readonly name: string }[],
  disks: readonly SnapshotDisk[],
): void {
  for (const { session } of disks) session?.revert();
  const known = disks.map(() => new Set<number>());
  for (const { container, name } of chain) {
    for (const header of container.sections) {
      if (header.name === DISK_SECTION) readBlocks(container.payload(header), name, disks, known);
    }
  }
}

function readBlocks(
  payload: Uint8Array,
  name: string,
  disks: readonly SnapshotDisk[],
  known: readonly Set<number>[],
): void {
  const reader = new ByteReader(payload, `the snapshot ${name}: a disk's blocks`);
  const index = reader.u32();
  const disk = disks[index];
  const session = disk?.session;
  if (disk === undefined || session === undefined) throw reader.error(`the disk ${index} has no overlay`);
  for (let left = reader.u32(); left > 0; left--) {
    const block = reader.u32();
    const length = reader.u32();
    if (block * session.blockBytes >= disk.size)
      throw reader.error('a block lies behind the end of the disk');
    if (length !== ZERO && (length > BLOCK_BYTES_MAX || length !== session.blockBytes)) {
      throw new VmError(
        'bad-file',
        `the snapshot ${name} has blocks of ${length} bytes for the disk ${disk.name}`,
      );
    }
    const data = length === ZERO ? null : reader.take(length);
    if (known[index]!.has(block)) continue;
    known[index]!.add(block);
    session.put(block, data);
  }
}

function words(first: number, second: number): Uint8Array {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, first, true);
  view.setUint32(4, second, true);
  return bytes;
}
