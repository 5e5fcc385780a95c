import type { DriveConfig } from '../../protocol/messages.ts';
import { usageError } from './arguments.ts';
import { RUN } from './commands.ts';
import { splitAtCommas, splitOnce } from './option-keys.ts';

/**
 * Reads `FILE[,if=virtio|pflash][,format=raw|qcow2][,readonly][,overlay][,snapshot=NAME]`, where `,,` stands for a comma, as QEMU has it.
 *
 * @throws VmError `bad-config`.
 */
export function parseDrive(text: string): DriveConfig {
  const [file, ...keys] = splitAtCommas(text);
  if (file === undefined || file === '') throw usageError(RUN, '--drive needs a file: --drive=FILE[,KEY…]');
  const drive: { -readonly [K in keyof DriveConfig]: DriveConfig[K] } = {
    file,
    readonly: false,
    overlay: false,
  };
  for (const key of keys) {
    const [name, value] = splitOnce(key);
    if (name === 'format' && (value === 'raw' || value === 'qcow2')) drive.format = value;
    else if (name === 'if' && (value === 'virtio' || value === 'pflash')) drive.if = value;
    else if (name === 'snapshot' && value !== undefined && value !== '') drive.snapshot = value;
    else if (key === 'readonly' || key === 'overlay') drive[key] = true;
    else throw usageError(RUN, `--drive does not take '${key}'`);
  }
  if (drive.readonly && drive.overlay) {
    throw usageError(RUN, '--drive: an overlay is for writing; leave out readonly or overlay');
  }
  return drive;
}
