import { type VmConfig, vmConfigSchema } from '../../protocol/messages.ts';
import { describeIssues } from '../requests.ts';
import { type Arguments, parseArguments, usageError } from './arguments.ts';
import { RUN } from './commands.ts';

export interface RunOptions {
  readonly config: VmConfig;
  /** Steps after which the run ends; Infinity without a limit. */
  readonly maxInstructions: number;
  readonly stats: boolean;
  /** File for trace records. */
  readonly trace: string | undefined;
}

/** Reads the options of `hartscope run`. @throws VmError `bad-config`, one line. */
export function parseRunOptions(args: readonly string[]): RunOptions {
  const { values } = parseArguments(RUN, args);
  const stats = values.get('stats');
  if (stats !== undefined && stats !== 'json') throw usageError(RUN, `--stats has one format: --stats json`);
  const maxInstructions = values.get('max-instructions');
  return {
    config: readConfig(values),
    maxInstructions:
      maxInstructions === undefined ? Number.POSITIVE_INFINITY : count('max-instructions', maxInstructions),
    stats: stats !== undefined,
    trace: values.get('trace'),
  };
}

const FILES = ['kernel', 'firmware', 'dtb', 'initrd', 'append'] as const;

function readConfig(values: Arguments['values']): VmConfig {
  if (!values.has('kernel') && ['builtin', 'none', undefined].includes(values.get('firmware'))) {
    throw usageError(RUN, 'there is nothing to run: give --kernel FILE, or --firmware FILE');
  }
  const harts = values.get('harts');
  const memory = values.get('memory');
  const parsed = vmConfigSchema.safeParse({
    ...Object.fromEntries(FILES.filter((name) => values.has(name)).map((name) => [name, values.get(name)])),
    ...(harts !== undefined && { harts: count('harts', harts) }),
    ...(memory !== undefined && { memory: bytes(memory) }),
    trace: values.has('trace'),
  });
  if (parsed.success) return parsed.data;
  const { issues } = parsed.error;
  const range = RANGES[String(issues[0]?.path[0])];
  throw usageError(RUN, range ?? `--${describeIssues(issues)}`);
}

/** What the schema's bounds are in the units that people write. */
const RANGES: Readonly<Record<string, string>> = {
  harts: '--harts takes 1 to 16',
  memory: '--memory takes 1M to 3.5G',
};

function count(option: string, text: string): number {
  const value = /^\d+(e\d+)?$/i.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value) || value < 1) {
    throw usageError(RUN, `--${option} takes a whole number from 1, not '${text}'`);
  }
  return value;
}

const UNIT_BYTES = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 } as const;

function bytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([KMG]?)(?:i?B)?$/i.exec(text);
  if (match === null) throw usageError(RUN, `--memory takes a size such as 128M or 2G, not '${text}'`);
  return Number(match[1]) * UNIT_BYTES[match[2]!.toUpperCase() as keyof typeof UNIT_BYTES];
}
