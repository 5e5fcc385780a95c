import type { ShareConfig } from '../../protocol/messages.ts';
import { usageError } from './arguments.ts';
import { RUN } from './commands.ts';
import { splitAtCommas, splitOnce } from './option-keys.ts';

/** The guest's driver knows no longer ones. */
const TAG_BYTES_MAX = 31;

/**
 * Reads `DIR[,tag=TAG][,readonly]`, where `,,` stands for a comma.
 *
 * @throws VmError `bad-config`.
 */
export function parseShare(text: string): ShareConfig {
  const [folder, ...keys] = splitAtCommas(text);
  if (folder === undefined || folder === '') {
    throw usageError(RUN, '--share needs a folder: --share=DIR[,KEY…]');
  }
  let tag: string | undefined;
  let readonly = false;
  for (const key of keys) {
    const [name, value] = splitOnce(key);
    if (key === 'readonly') readonly = true;
    else if (name === 'tag' && value !== undefined && value !== '' && value.length <= TAG_BYTES_MAX)
      tag = value;
    else throw usageError(RUN, `--share does not take '${key}'`);
  }
  return { folder, readonly, ...(tag !== undefined && { tag }) };
}
