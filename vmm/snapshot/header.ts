import { createHash } from 'node:crypto';
import { VmError } from '../base/vm-error.ts';
import type { MachineImages } from '../contracts/machine.ts';
import type { FileStamp, SnapshotDisk, SnapshotFiles } from '../contracts/snapshot.ts';
import type { VmConfig } from '../protocol/messages.ts';
import type { Container } from './container.ts';
import { decodeValue } from './values.ts';

/** The section that says what the snapshot is of; the first in the file. */
export const HEADER_SECTION = 'snapshot';
export const HEADER_VERSION = 1;

/** A file of the host as it was, by an absolute path. */
export interface SavedFile extends FileStamp {
  readonly file: string;
}

export const IMAGE_OPTIONS = ['kernel', 'firmware', 'dtb', 'initrd'] as const;
export type ImageOption = (typeof IMAGE_OPTIONS)[number];

export interface SavedImage {
  readonly option: ImageOption;
  readonly file: string;
  /** When it was saved; null when there was no such file any more. */
  readonly stamp: FileStamp | null;
  readonly sha256: string;
}

export interface SavedDisk {
  readonly name: string;
  readonly size: number;
  /** What the session wrote over it is in the snapshot. */
  readonly session: boolean;
  readonly files: readonly SavedFile[];
}

export interface SnapshotHeader {
  /** The version of Hartscope that wrote it. */
  readonly program: string;
  /** As the machine was made, paths absolute; not checked here. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly steps: bigint;
  readonly instructions: bigint;
  /** The snapshot that this one builds on, by a path relative to this one's folder. */
  readonly parent: { readonly file: string; readonly identity: string } | null;
  readonly images: readonly SavedImage[];
  readonly disks: readonly SavedDisk[];
}

/** Throws `VmError('bad-file')` when it is missing or makes no sense. */
export function readHeader(container: Container, name: string): SnapshotHeader {
  const [section] = container.sections;
  if (section?.name !== HEADER_SECTION || section.version !== HEADER_VERSION) {
    throw new VmError(
      'bad-file',
      `the snapshot ${name} does not say what it is of in a way that this version knows`,
    );
  }
  const value = decodeValue(
    container.payload(section),
    `the snapshot ${name}: the section '${HEADER_SECTION}'`,
  );
  if (!isHeader(value)) throw new VmError('bad-file', `the snapshot ${name} does not say what it is of`);
  return value;
}

/** The images of a configuration, by option. */
export function imagesOf(config: VmConfig, images: MachineImages): [ImageOption, string, Uint8Array][] {
  return IMAGE_OPTIONS.flatMap((option) => {
    const image = images[option];
    const data = image instanceof Uint8Array ? image : image?.data;
    return data === undefined ? [] : [[option, config[option]!, data]];
  });
}

export const digestOf = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

/** The configuration with paths that mean the same wherever the snapshot is restored. */
export function absoluteConfig(
  { snapshot: _, ...config }: VmConfig,
  images: MachineImages,
  files: SnapshotFiles,
): VmConfig {
  const absolute = (path: string): string => files.absolute(path);
  const { drives, shares, devices, net } = config;
  return {
    ...config,
    ...Object.fromEntries(imagesOf(config, images).map(([option, path]) => [option, absolute(path)])),
    ...(drives && { drives: drives.map((drive) => ({ ...drive, file: absolute(drive.file) })) }),
    ...(shares && { shares: shares.map((share) => ({ ...share, folder: absolute(share.folder) })) }),
    ...(devices && {
      devices: devices.map((device) =>
        device.type === 'port' ? { ...device, socket: absolute(device.socket) } : device,
      ),
    }),
    ...(net?.capture !== undefined && { net: { ...net, capture: absolute(net.capture) } }),
  };
}

/** What a disk's files are like now. Throws `VmError('io')` when one is gone. */
export function savedDisk(disk: SnapshotDisk, files: SnapshotFiles): SavedDisk {
  const saved = disk.files.map((path): SavedFile => {
    const stamp = files.stamp(path);
    if (stamp === undefined) throw new VmError('io', `the disk image '${path}' is gone`);
    return { file: files.absolute(path), ...stamp };
  });
  return { name: disk.name, size: disk.size, session: disk.session !== undefined, files: saved };
}

function isHeader(value: unknown): value is SnapshotHeader {
  if (!isRecord(value)) return false;
  const { program, config, steps, instructions, parent, images, disks } = value;
  return (
    typeof program === 'string' &&
    isRecord(config) &&
    typeof steps === 'bigint' &&
    typeof instructions === 'bigint' &&
    (parent === null || hasTexts(parent, 'file', 'identity')) &&
    isListOf(images, isImage) &&
    isListOf(disks, isDisk)
  );
}

const isImage = (value: unknown): boolean =>
  hasTexts(value, 'option', 'file', 'sha256') &&
  IMAGE_OPTIONS.some((option) => option === value['option']) &&
  (value['stamp'] === null || isStamp(value['stamp']));

const isDisk = (value: unknown): boolean =>
  hasTexts(value, 'name') &&
  Number.isSafeInteger(value['size']) &&
  typeof value['session'] === 'boolean' &&
  isListOf(value['files'], isFile);

const isFile = (value: unknown): boolean => hasTexts(value, 'file') && isStamp(value);

const isStamp = (value: unknown): boolean =>
  isRecord(value) && Number.isSafeInteger(value['size']) && typeof value['modifiedNs'] === 'bigint';

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const hasTexts = (value: unknown, ...names: string[]): value is Readonly<Record<string, unknown>> =>
  isRecord(value) && names.every((name) => typeof value[name] === 'string');

const isListOf = (value: unknown, isItem: (item: unknown) => boolean): boolean =>
  Array.isArray(value) && value.every(isItem);
