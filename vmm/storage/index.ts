export { type DriveOptions, openDrive, type StoragePorts } from './drive.ts';
export { MemoryFile } from './memory-file.ts';
export { Overlay } from './overlay.ts';
export { type ImageFormat, probeFormat } from './probe.ts';
export { type CheckResult, checkQcow2 } from './qcow2/check.ts';
export { type CreateOptions, createQcow2 } from './qcow2/create.ts';
export { openQcow2, type Qcow2Image, type Qcow2Options } from './qcow2/image.ts';
export type { Snapshot } from './qcow2/snapshots.ts';
export { RawImage } from './raw.ts';
