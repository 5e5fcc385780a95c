import type { DeviceConfig } from '../../protocol/messages.ts';
import { nearest, usageError } from './arguments.ts';
import { RUN } from './commands.ts';
import { splitAtCommas, splitOnce } from './option-keys.ts';
import { parseBytes } from './sizes.ts';

const KINDS = ['rng', 'balloon', 'port', 'keyboard', 'tablet'] as const;
/** By kind of device. */
const KEYS: Readonly<Record<(typeof KINDS)[number], readonly string[]>> = {
  rng: [],
  balloon: ['size'],
  port: ['socket', 'name'],
  keyboard: [],
  tablet: [],
};

/**
 * Reads `rng`, `balloon[,size=SIZE]`, `port,socket=PATH[,name=NAME]`, `keyboard` or `tablet`; `,,` stands for a comma.
 *
 * @throws VmError `bad-config`.
 */
export function parseDevice(text: string): DeviceConfig {
  const [written = '', ...keys] = splitAtCommas(text);
  const kind = KINDS.find((known) => known === written);
  if (kind === undefined) {
    const near = nearest(written, KINDS);
    const hint = near === undefined ? `: ${KINDS.join(', ')}` : `; did you mean '${near}'?`;
    throw usageError(RUN, `there is no device '${written}'${hint}`);
  }
  const values = new Map<string, string>();
  for (const key of keys) {
    const [name, value] = splitOnce(key);
    if (!KEYS[kind].includes(name) || value === undefined || value === '') {
      throw usageError(RUN, `--device ${kind} does not take '${key}'`);
    }
    values.set(name, value);
  }
  switch (kind) {
    case 'balloon': {
      const size = values.get('size') ?? '0';
      const bytes = parseBytes(size);
      if (bytes === undefined || !Number.isSafeInteger(bytes))
        throw usageError(RUN, `--device balloon: size takes a size such as 64M, not '${size}'`);
      return { type: kind, bytes };
    }
    case 'port': {
      const socket = values.get('socket');
      const name = values.get('name');
      if (socket === undefined) throw usageError(RUN, '--device port needs socket=PATH');
      return { type: kind, socket, ...(name !== undefined && { name }) };
    }
    default:
      return { type: kind };
  }
}
