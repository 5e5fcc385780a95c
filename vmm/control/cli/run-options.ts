import { HARTS, MEMORY } from '../../protocol/limits.ts';
import type { VmConfig } from '../../protocol/messages.ts';
import { type Arguments, parseArguments, usageError } from './arguments.ts';
import { RUN } from './commands.ts';
import { parseDevice } from './device-option.ts';
import { parseDrive } from './drive-option.ts';
import { parseNet } from './net-option.ts';
import { parseShare } from './share-option.ts';
import { parseBytes } from './sizes.ts';

export interface RunOptions {
  readonly config: VmConfig;
  /** Steps after which the run ends; Infinity without a limit. */
  readonly maxInstructions: number;
  readonly stats: boolean;
  /** Hot code is translated. */
  readonly translator: boolean;
  /** File for trace records. */
  readonly trace: string | undefined;
  /** File for a snapshot at the end. */
  readonly saveSnapshot: string | undefined;
}

/**
 * Reads the options of `hartscope run`. @throws VmError `bad-config`, one line.
 *
 * @param interactive a person sits at the terminal: unless told otherwise, time keeps pace with theirs.
 */
export function parseRunOptions(args: readonly string[], interactive: boolean): RunOptions {
  const { values, lists } = parseArguments(RUN, args);
  const stats = values.get('stats');
  if (stats !== undefined && stats !== 'json') throw usageError(RUN, `--stats has one format: --stats json`);
  const maxInstructions = values.get('max-instructions');
  return {
    config: readConfig({ values, lists }, interactive),
    maxInstructions:
      maxInstructions === undefined ? Number.POSITIVE_INFINITY : count('max-instructions', maxInstructions),
    stats: stats !== undefined,
    translator: onOrOff('translator', values.get('translator') ?? 'on'),
    trace: values.get('trace'),
    saveSnapshot: values.get('save-snapshot'),
  };
}

function onOrOff(option: string, text: string): boolean {
  if (text !== 'on' && text !== 'off') throw usageError(RUN, `--${option} takes on or off, not '${text}'`);
  return text === 'on';
}

/** Options that are passed on as they are. */
const TEXTS = ['kernel', 'firmware', 'dtb', 'initrd', 'append', 'isa'] as const;

function readConfig({ values, lists }: Pick<Arguments, 'values' | 'lists'>, interactive: boolean): VmConfig {
  const snapshot = values.get('snapshot');
  if (snapshot !== undefined) checkBesideSnapshot({ values, lists });
  if (
    snapshot === undefined &&
    !values.has('kernel') &&
    ['builtin', 'none', undefined].includes(values.get('firmware'))
  ) {
    throw usageError(RUN, 'there is nothing to run: give --kernel FILE, or --firmware FILE');
  }
  const harts = values.get('harts');
  const memory = values.get('memory');
  const drives = lists.get('drive')?.map((text) => parseDrive(text));
  const net = values.has('net') ? parseNet(values.get('net')!) : undefined;
  const devices = lists.get('device')?.map((text) => parseDevice(text));
  const shares = lists.get('share')?.map((text) => parseShare(text));
  const virtio = values.get('virtio');
  return {
    ...Object.fromEntries(TEXTS.filter((name) => values.has(name)).map((name) => [name, values.get(name)])),
    ...(drives && { drives }),
    ...(net && { net }),
    ...(devices && { devices }),
    ...(shares && { shares }),
    ...(virtio !== undefined && { virtio: layout(virtio) }),
    harts:
      harts === undefined ? HARTS.default : within(HARTS, count('harts', harts), '--harts takes 1 to 16'),
    memory:
      memory === undefined ? MEMORY.default : within(MEMORY, bytes(memory), '--memory takes 1M to 3.5G'),
    ...(snapshot !== undefined && { snapshot }),
    time: time(values.get('time'), interactive || net !== undefined),
    rtcStart: 0,
    trace: values.has('trace'),
  };
}

/** What a machine is cannot be said anew when it starts from a snapshot. */
const OF_THE_SNAPSHOT = ['harts', 'memory', 'isa', 'append', 'virtio'] as const;

function checkBesideSnapshot({ values }: Pick<Arguments, 'values' | 'lists'>): void {
  const given = OF_THE_SNAPSHOT.find((name) => values.has(name));
  if (given !== undefined) throw usageError(RUN, `--${given} is what the snapshot says; leave it out`);
}

function layout(text: string): NonNullable<VmConfig['virtio']> {
  if (text !== 'legacy' && text !== 'modern') {
    throw usageError(RUN, `--virtio takes legacy or modern, not '${text}'`);
  }
  return text;
}

function time(text: string | undefined, waits: boolean): VmConfig['time'] {
  if (text === undefined) return waits ? 'wall' : 'free';
  if (text !== 'free' && text !== 'wall') throw usageError(RUN, `--time takes free or wall, not '${text}'`);
  return text;
}

/** @param wrong what is said of a value out of bounds, in the units that people write. */
function within({ min, max }: { readonly min: number; readonly max: number }, value: number, wrong: string) {
  if (!Number.isSafeInteger(value) || value < min || value > max) throw usageError(RUN, wrong);
  return value;
}

function count(option: string, text: string): number {
  const value = /^\d+(e\d+)?$/i.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value) || value < 1) {
    throw usageError(RUN, `--${option} takes a whole number from 1, not '${text}'`);
  }
  return value;
}

function bytes(text: string): number {
  const value = parseBytes(text);
  if (value === undefined) throw usageError(RUN, `--memory takes a size such as 128M or 2G, not '${text}'`);
  return value;
}
