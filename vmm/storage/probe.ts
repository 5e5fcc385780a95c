import type { ImageFile } from '../contracts/storage.ts';
import { badImage } from './errors.ts';

export type ImageFormat = 'raw' | 'qcow2';

/** First bytes of formats that would otherwise be taken for a raw disk, which a guest finds nothing on. */
const FOREIGN: readonly { readonly format: string; readonly at: number; readonly magic: string }[] = [
  { format: 'vmdk', at: 0, magic: 'KDMV' },
  { format: 'vmdk', at: 0, magic: 'COWD' },
  { format: 'vmdk', at: 0, magic: '# Disk DescriptorFile' },
  { format: 'vhdx', at: 0, magic: 'vhdxfile' },
  { format: 'vpc', at: 0, magic: 'conectix' },
  { format: 'qed', at: 0, magic: 'QED\0' },
  { format: 'vdi', at: 0x40, magic: '\x7f\x10\xda\xbe' },
  { format: 'luks', at: 0, magic: 'LUKS\xba\xbe' },
  { format: 'parallels', at: 0, magic: 'WithoutFreeSpace' },
  { format: 'parallels', at: 0, magic: 'WithouFreSpacExt' },
];

/** Enough for each magic above. */
const PROBE_BYTES = 512;

/** Whether a file that starts with these bytes is a qcow2 image, or qcow version 1. */
export function isQcow2(start: Uint8Array): boolean {
  return startsWith(start, 0, 'QFI\xfb');
}

/**
 * Guesses an image's format from its first bytes, as QEMU does. A guess has a price: a guest that owns a raw disk can make
 * it look like another format (see `RawOptions.guessed`), so naming the format is better wherever it is known.
 *
 * @throws VmError `bad-file` for a format that is neither.
 */
export function probeFormat(file: ImageFile, name: string): ImageFormat {
  const start = new Uint8Array(PROBE_BYTES);
  file.read(0, start);
  if (isQcow2(start)) return 'qcow2';
  const foreign = FOREIGN.find(({ at, magic }) => startsWith(start, at, magic));
  if (foreign === undefined) return 'raw';
  throw badImage(
    name,
    `looks like a ${foreign.format} image; convert it ('qemu-img convert -O qcow2 …'), or say format 'raw' if it is one`,
  );
}

function startsWith(bytes: Uint8Array, at: number, magic: string): boolean {
  for (let i = 0; i < magic.length; i++) if (bytes[at + i] !== magic.charCodeAt(i)) return false;
  return true;
}
