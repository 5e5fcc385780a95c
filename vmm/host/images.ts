import { readFileSync, statSync } from 'node:fs';
import { VmError } from '../base/vm-error.ts';
import type { MachineImages } from '../contracts/machine.ts';
import type { VmConfig } from '../protocol/messages.ts';

/** Node reads no larger file at once. */
const IMAGE_BYTES_MAX = 2 ** 31 - 1;

/**
 * A pipe is how a shell passes another program's output on the command line. In a VM's thread it is refused: one that nobody
 * writes to blocks the thread where nothing can end it, and with it the process.
 */
export type Pipes = 'accepted' | 'refused';

/** Firmware that is not a file. */
const BUILT_IN_FIRMWARE: readonly (string | undefined)[] = [undefined, 'builtin', 'none'];

/**
 * Reads the files that a configuration names.
 *
 * @throws VmError `bad-file`, naming the option and the path, when one cannot be read or is empty.
 */
export function loadImages(config: VmConfig, pipes: Pipes): MachineImages {
  const { kernel, firmware, dtb, initrd } = config;
  return {
    ...(kernel !== undefined && { kernel: { name: kernel, data: readImage('kernel', kernel, pipes) } }),
    ...(!BUILT_IN_FIRMWARE.includes(firmware) && {
      firmware: { name: firmware!, data: readImage('firmware', firmware!, pipes) },
    }),
    ...(dtb !== undefined && { dtb: readImage('dtb', dtb, pipes) }),
    ...(initrd !== undefined && { initrd: readImage('initrd', initrd, pipes) }),
  };
}

/** Reads one file; `what` names its purpose in errors. @throws VmError `bad-file`. */
export function readImage(what: string, path: string, pipes: Pipes): Uint8Array {
  let data: Uint8Array;
  try {
    const stat = statSync(path);
    // Some devices have no end.
    if (stat.isCharacterDevice() || stat.isBlockDevice()) {
      throw new VmError('bad-file', `${what} '${path}' is a device; name a file`);
    }
    if (stat.isFIFO() && pipes === 'refused') {
      throw new VmError('bad-file', `${what} '${path}' is a pipe; name a file`);
    }
    if (stat.size > IMAGE_BYTES_MAX) {
      throw new VmError('bad-file', `${what} '${path}' is too large: ${stat.size} bytes`);
    }
    data = readFileSync(path);
  } catch (error) {
    if (error instanceof VmError) throw error;
    throw new VmError('bad-file', `cannot read ${what} '${path}': ${explainErrno(error)}`);
  }
  if (data.length === 0) throw new VmError('bad-file', `${what} '${path}' is empty`);
  return data;
}

/** A host error in a user's words. */
export function explainErrno(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'ENOENT':
      return 'no such file';
    case 'EACCES':
    case 'EPERM':
      return 'permission denied';
    case 'EISDIR':
      return 'it is a directory';
    case 'ENOTDIR':
      return 'a part of the path is no directory';
    case 'ENOSPC':
      return 'no space left on the device';
    default:
      return message;
  }
}
