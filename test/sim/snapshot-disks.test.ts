import { describe, expect, test } from 'vitest';
import type { SnapshotDisk } from '../../vmm/contracts/snapshot.ts';
import { Snapshots } from '../../vmm/snapshot/index.ts';
import { MemoryFile, Overlay, RawImage } from '../../vmm/storage/index.ts';
import { MemorySnapshots } from '../support/memory-snapshots.ts';
import { programMachine } from '../support/program-machine.ts';
import { random, SEED } from '../support/random.ts';

/** Ends within a block of the overlay's. */
const DISK_BYTES = (5 << 16) + 4096;
const BASE = Uint8Array.from({ length: DISK_BYTES }, (_, index) => index * 7);

function overlayDisk(): { disk: SnapshotDisk; overlay: Overlay } {
  const base = new RawImage(new MemoryFile(BASE.slice()), {
    name: 'disk.raw',
    readOnly: true,
    guessed: false,
  });
  const overlay = new Overlay(base, new MemoryFile(), 'disk.raw');
  return { disk: diskOf({ session: overlay }), overlay };
}

const diskOf = (options: Partial<SnapshotDisk>): SnapshotDisk => ({
  ...{ name: 'disk.raw', files: ['disk.raw'], size: DISK_BYTES, session: undefined, flush: () => {} },
  ...options,
});

function machineWith(disk: SnapshotDisk, files: MemorySnapshots): Snapshots {
  const { machine, images } = programMachine('addi t0, zero, 1');
  return new Snapshots({ machine, images, disks: [disk] }, files, 'test');
}

function contents(overlay: Overlay): Uint8Array {
  const bytes = new Uint8Array(DISK_BYTES);
  overlay.read(0, bytes);
  return bytes;
}

describe(`disks in snapshots (SEED=${SEED})`, () => {
  test('what a session wrote over a disk comes back, from one snapshot upon the other', () => {
    const source = random(SEED);
    const files = new MemorySnapshots();
    files.touch('disk.raw', DISK_BYTES);
    const first = overlayDisk();
    const snapshots = machineWith(first.disk, files);
    const states: Uint8Array[] = [];
    for (let round = 0; round < 20; round++) {
      for (let count = source.below(4); count > 0; count--) {
        const offset = source.below(DISK_BYTES);
        const length = Math.min(DISK_BYTES - offset, 1 + source.below(100_000));
        const action = source.below(3);
        if (action === 0) first.overlay.discard(offset, length);
        else if (action === 1) first.overlay.writeZeroes(offset, length);
        else first.overlay.write(offset, new Uint8Array(length).fill(round + 1));
      }
      const saved = snapshots.save(`at${round}`, { incremental: round > 0 });
      expect(saved.parent !== null).toBe(round > 0);
      states.push(contents(first.overlay));
    }
    const second = overlayDisk();
    second.overlay.write(0, new Uint8Array(70_000).fill(99));
    const others = machineWith(second.disk, files);
    for (const [index, state] of [...states.entries()].reverse()) {
      others.restore(`at${index}`);
      expect(Buffer.compare(contents(second.overlay), state), `snapshot ${index}`).toBe(0);
    }
  });

  test('a snapshot holds what changed since its parent only', () => {
    const files = new MemorySnapshots();
    files.touch('disk.raw', DISK_BYTES);
    const { disk, overlay } = overlayDisk();
    const snapshots = machineWith(disk, files);
    overlay.write(0, new Uint8Array(3 << 16).fill(1));
    expect(snapshots.save('a', { incremental: false }).blocks).toBe(3);
    expect(snapshots.save('b', { incremental: true }).blocks).toBe(0);
    overlay.write(100, Uint8Array.of(1));
    expect(snapshots.save('c', { incremental: true }).blocks).toBe(1);
    expect(snapshots.save('d', { incremental: false }).blocks).toBe(3);
  });

  test('a disk that the guest writes must be as it was', () => {
    const files = new MemorySnapshots();
    files.touch('disk.raw', DISK_BYTES);
    let flushed = 0;
    const disk = diskOf({ flush: () => void (flushed += 1) });
    const snapshots = machineWith(disk, files);
    snapshots.save('a', { incremental: false });
    expect(flushed).toBe(1);
    snapshots.restore('a');
    files.touch('disk.raw', DISK_BYTES);
    expect(() => snapshots.restore('a')).toThrow(/'disk.raw' was changed since then; with an overlay/);
    const { disk: other } = overlayDisk();
    expect(() => machineWith(other, files).restore('a')).toThrow(/used without an overlay/);
    expect(() => machineWith(diskOf({ size: 512 }), files).restore('a')).toThrow(
      /had 331776 bytes and has 512 now/,
    );
  });
});
