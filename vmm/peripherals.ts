/** What a configuration plugs into the board: devices behind the virtio slots, with what of the host they need. */
import type { BlockImage } from './contracts/storage.ts';
import { VirtioBlock } from './devices/virtio/block.ts';
import type { VirtioDevice } from './devices/virtio/device.ts';
import { openImageFile, temporaryImageFile } from './host/image-file.ts';
import type { DriveConfig, VmConfig } from './protocol/messages.ts';
import { openDrive } from './storage/index.ts';

export interface Peripherals {
  /** In the order in which the guest finds them. */
  readonly virtio: readonly VirtioDevice[];
  /** Lets go of the host's files. */
  close(): void;
}

/** @throws VmError `bad-config`, `bad-file` or `io`; nothing is left open then. */
export function openPeripherals(config: VmConfig): Peripherals {
  const images: BlockImage[] = [];
  const close = (): void => {
    for (const image of images) image.close();
  };
  try {
    for (const drive of config.drives ?? []) images.push(open(drive));
  } catch (error) {
    close();
    throw error;
  }
  return {
    virtio: images.map((image, index) => new VirtioBlock({ image, serial: `drive${index}` })),
    close,
  };
}

const open = ({ file, format, readonly, overlay, snapshot }: DriveConfig): BlockImage =>
  openDrive(
    { path: file, format, readOnly: readonly, overlay, snapshot },
    { open: openImageFile, temporary: temporaryImageFile },
  );
