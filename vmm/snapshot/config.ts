import { VmError } from '../base/vm-error.ts';
import { HARTS, MEMORY } from '../protocol/limits.ts';
import type { VmConfig } from '../protocol/messages.ts';
import type { SnapshotHeader } from './header.ts';

/** What may be said anew of a machine that starts from a snapshot: where its files are now, and how it runs. */
const MAY_CHANGE = [
  'kernel',
  'firmware',
  'dtb',
  'initrd',
  'drives',
  'net',
  'devices',
  'shares',
  'time',
  'trace',
] as const;
const TEXTS = ['kernel', 'firmware', 'dtb', 'initrd', 'append', 'isa', 'virtio'] as const;

/**
 * The configuration of a machine that starts from a snapshot: that of the saved one, with what is `given` of the things that may
 * change. Throws `VmError('bad-file')` when the saved one is none.
 */
export function configFrom(name: string, header: SnapshotHeader, given: VmConfig): VmConfig {
  const { config } = header;
  if (!isConfig(config))
    throw new VmError('bad-file', `the snapshot ${name} has a configuration that makes no sense`);
  const changes = MAY_CHANGE.flatMap((key) => (given[key] === undefined ? [] : [[key, given[key]]]));
  const resolved: VmConfig = { ...config, ...Object.fromEntries(changes), snapshot: name };
  // A machine with a network was made to keep pace with the wall clock, and does so wherever it goes on.
  return resolved.net === undefined ? resolved : { ...resolved, time: 'wall' };
}

function isConfig(config: Readonly<Record<string, unknown>>): config is SnapshotHeader['config'] & VmConfig {
  const { harts, memory, time, rtcStart, drives, devices, shares } = config;
  return (
    isWithin(harts, HARTS) &&
    isWithin(memory, MEMORY) &&
    (time === 'free' || time === 'wall') &&
    Number.isSafeInteger(rtcStart) &&
    TEXTS.every((key) => config[key] === undefined || typeof config[key] === 'string') &&
    isRecords(drives, 'file') &&
    isRecords(devices, 'type') &&
    isRecords(shares, 'folder')
  );
}

const isWithin = (value: unknown, { min, max }: { readonly min: number; readonly max: number }): boolean =>
  Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max;

/** Absent, or records with a text of that name. */
const isRecords = (value: unknown, text: string): boolean =>
  value === undefined ||
  (Array.isArray(value) &&
    value.every((item: unknown) => typeof (item as Record<string, unknown> | null)?.[text] === 'string'));
