import { dirname, normalize, resolve } from 'node:path';
import { VmError } from '../base/vm-error.ts';
import type { BlockImage, ImageFile, OpenImageFile } from '../contracts/storage.ts';
import { badImage } from './errors.ts';
import { Overlay } from './overlay.ts';
import { type ImageFormat, probeFormat } from './probe.ts';
import { openQcow2 } from './qcow2/image.ts';
import { RawImage } from './raw.ts';

/** A disk as a configuration names it. */
export interface DriveOptions {
  readonly path: string;
  /**
   * `probe`, the default, guesses by the first bytes, as QEMU does. Name the format where a guest has ever written to a raw
   * image: its guests may have made it look like another format, whose backing file may be any file of the host.
   */
  readonly format?: ImageFormat | 'probe' | undefined;
  readonly readOnly: boolean;
  /** Writes go to a file of the session's own, and the image is only read. */
  readonly overlay: boolean;
  /** ID or name of an internal snapshot to start from; needs `readOnly` or `overlay`. */
  readonly snapshot?: string | undefined;
}

export interface StoragePorts {
  readonly open: OpenImageFile;
  /** An empty file that nobody else sees and that is gone when it is closed. */
  readonly temporary: () => ImageFile;
}

/** Longer chains are a mistake or an attack: each link costs an open file, and each read walks all of them. */
const CHAIN_MAX = 64;

/**
 * Opens a virtual disk: a raw or qcow2 image with its chain of backing files, which are only ever read.
 *
 * @throws VmError `bad-file` when it is none that can be used, `bad-config` when the options contradict each other, `io`
 * when the host fails.
 */
export function openDrive(options: DriveOptions, ports: StoragePorts): BlockImage {
  const { path, readOnly, overlay, snapshot } = options;
  const writable = !readOnly && !overlay;
  if (writable && snapshot !== undefined) {
    throw badConfig(path, `a snapshot cannot be written; use an overlay, or 'qemu-img snapshot -a'`);
  }
  const image = openImage(path, options.format ?? 'probe', ports.open, {
    readOnly: !writable,
    snapshot,
    above: [],
  });
  if (readOnly || !overlay) return image;
  try {
    return new Overlay(image, ports.temporary(), path);
  } catch (error) {
    image.close();
    throw error;
  }
}

interface Opening {
  readonly readOnly: boolean;
  readonly snapshot?: string | undefined;
  /** Paths of the images that this one is a backing file of. */
  readonly above: readonly string[];
}

function openImage(
  path: string,
  format: ImageFormat | 'probe',
  open: OpenImageFile,
  { readOnly, snapshot, above }: Opening,
): BlockImage {
  const chain = [...above, normalize(path)];
  if (above.includes(normalize(path)) || chain.length > CHAIN_MAX) {
    throw badImage(
      above[0] ?? path,
      `the chain of backing files comes back to itself or is too long: ${path}`,
    );
  }
  const file = open(path, { readOnly });
  try {
    const guessed = format === 'probe';
    const actual = guessed ? probeFormat(file, path) : format;
    if (actual === 'raw') {
      if (snapshot !== undefined) throw badConfig(path, 'a raw image has no snapshots');
      return new RawImage(file, { name: path, readOnly, guessed });
    }
    return openQcow2(file, {
      name: path,
      readOnly,
      snapshot,
      openBacking: (name, backingFormat) =>
        openImage(backingPath(path, name), backingFormatOf(path, backingFormat), open, {
          readOnly: true,
          above: chain,
        }),
    });
  } catch (error) {
    file.close();
    throw error;
  }
}

/** A backing file is named relative to the image that names it. */
function backingPath(image: string, name: string): string {
  const local = name.startsWith('file:') ? name.slice('file:'.length) : name;
  // QEMU takes what stands before a colon for a protocol: nbd, http, json, and so on.
  if (/^[^/]*:/.test(local)) throw badImage(image, `the backing file '${name}' is no local file`);
  return resolve(dirname(image), local);
}

function backingFormatOf(image: string, format: string | null): ImageFormat | 'probe' {
  if (format === null) return 'probe';
  if (format === 'raw' || format === 'qcow2') return format;
  throw badImage(image, `its backing file is a ${format} image; raw and qcow2 are supported`);
}

const badConfig = (path: string, problem: string): VmError =>
  new VmError('bad-config', `${path}: ${problem}`);
