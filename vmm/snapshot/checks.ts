import { VmError } from '../base/vm-error.ts';
import type { MachineImages } from '../contracts/machine.ts';
import type { FileStamp, SnapshotDisk, SnapshotFiles } from '../contracts/snapshot.ts';
import type { VmConfig } from '../protocol/messages.ts';
import { digestOf, imagesOf, type SavedDisk, type SnapshotHeader } from './header.ts';

/** Options that may be others than those of the machine that was saved, or that are compared in another way. */
const COMPARED_ELSEWHERE = new Set([
  'time',
  'trace',
  'kernel',
  'firmware',
  'dtb',
  'initrd',
  'drives',
  'net',
  'devices',
  'shares',
  'snapshot',
]);

/** Throws `VmError('bad-config')` when the snapshot is of a machine that this one is not. */
export function checkConfig(name: string, saved: SnapshotHeader['config'], config: VmConfig): void {
  const present: Readonly<Record<string, unknown>> = { ...config };
  for (const key of new Set([...Object.keys(saved), ...Object.keys(present)])) {
    if (COMPARED_ELSEWHERE.has(key)) continue;
    const [was, is] = [saved[key], present[key]].map((value) => JSON.stringify(value) ?? 'not given');
    if (was !== is) throw otherMachine(name, `its '${key}' was ${was} and is ${is} now`);
  }
  if ((saved['net'] === undefined) !== (present['net'] === undefined)) {
    throw otherMachine(name, `it had ${saved['net'] === undefined ? 'no' : 'a'} network card`);
  }
  const [had, has] = [saved['devices'], present['devices']].map(kindsOf);
  if (had !== has) throw otherMachine(name, `its devices were ${had} and are ${has} now`);
  const [shared, shares] = [saved['shares'], present['shares']].map(sharesOf);
  if (shared !== shares) throw otherMachine(name, `its shared folders were ${shared} and are ${shares} now`);
}

/** Folders may be elsewhere, but what the guest knows of them stays. */
const sharesOf = (shares: unknown): string =>
  Array.isArray(shares) && shares.length > 0
    ? shares
        .map((share: Readonly<Record<string, unknown>>, index) => String(share['tag'] ?? `share${index}`))
        .join(', ')
    : 'none';

const kindsOf = (devices: unknown): string =>
  Array.isArray(devices) && devices.length > 0
    ? devices.map((device: Readonly<Record<string, unknown>>) => String(device['type'])).join(', ')
    : 'none';

/** Throws `VmError('bad-config')` when an image is not the one that the saved machine was started with. */
export function checkImages(
  name: string,
  saved: SnapshotHeader['images'],
  config: VmConfig,
  images: MachineImages,
  files: SnapshotFiles,
): void {
  const present = imagesOf(config, images);
  for (const { option, file, stamp, sha256 } of saved) {
    const found = present.find(([other]) => other === option);
    if (found === undefined) throw otherMachine(name, `it had the ${option} ${file}`);
    const [, path, data] = found;
    const isUntouched = files.absolute(path) === file && sameStamp(stamp, files.stamp(path));
    if (!isUntouched && digestOf(data) !== sha256) {
      throw otherMachine(
        name,
        `the ${option} '${path}' is not the file that the machine was started with ('${file}' then); put that one back, or start without the snapshot`,
      );
    }
  }
  const extra = present.find(([option]) => saved.every((image) => image.option !== option));
  if (extra !== undefined) throw otherMachine(name, `it had no ${extra[0]}`);
}

/** Throws `VmError('bad-config')` when a disk is not as it was: what the guest knows of it would not be true. */
export function checkDisks(
  name: string,
  saved: readonly SavedDisk[],
  disks: readonly SnapshotDisk[],
  files: SnapshotFiles,
): void {
  if (saved.length !== disks.length) {
    throw otherMachine(name, `it had ${saved.length} drives, and this one has ${disks.length}`);
  }
  for (const [index, disk] of disks.entries()) checkDisk(name, saved[index]!, disk, files);
}

function checkDisk(name: string, saved: SavedDisk, disk: SnapshotDisk, files: SnapshotFiles): void {
  if (saved.size !== disk.size) {
    throw otherMachine(name, `the disk '${disk.name}' had ${saved.size} bytes and has ${disk.size} now`);
  }
  if (saved.session !== (disk.session !== undefined)) {
    const how = saved.session ? 'used as an overlay' : 'used without an overlay';
    throw otherMachine(name, `the disk '${disk.name}' was ${how}`);
  }
  const isSame =
    saved.files.length === disk.files.length &&
    disk.files.every((path, index) => sameStamp(saved.files[index]!, files.stamp(path)));
  if (isSame) return;
  throw otherMachine(
    name,
    `the disk '${disk.name}' was changed since then; with an overlay, what the guest writes belongs to the snapshot and the image stays`,
  );
}

const sameStamp = (a: FileStamp | null, b: FileStamp | undefined): boolean =>
  a !== null && a.size === b?.size && a.modifiedNs === b.modifiedNs;

const otherMachine = (name: string, why: string): VmError =>
  new VmError('bad-config', `the snapshot ${name} does not fit this machine: ${why}`);
