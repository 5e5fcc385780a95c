/** Machines that start from a snapshot, and snapshots of machines, as both roots use them. */
import type { Machine, MachineImages } from './contracts/machine.ts';
import { snapshotFiles } from './host/snapshot-files.ts';
import { packageVersion } from './host/version.ts';
import type { Peripherals } from './peripherals.ts';
import type { VmConfig } from './protocol/messages.ts';
import { configFrom, openChain, Snapshots } from './snapshot/index.ts';

/** The configuration to make a machine from: for one that starts from a snapshot, what that says. @throws VmError. */
export function resolveConfig(config: VmConfig): VmConfig {
  if (config.snapshot === undefined) return config;
  const { links, close } = openChain(snapshotFiles, config.snapshot);
  try {
    const { name, header } = links[0]!;
    return configFrom(name, header, config);
  } finally {
    close();
  }
}

/**
 * The snapshots of a machine that was made from `machine.config`; one that starts from a snapshot is put into that state.
 *
 * @param folder that the program lies in. @throws VmError.
 */
export function snapshotsOf(
  machine: Machine,
  images: MachineImages,
  { disks }: Peripherals,
  folder: string,
): Snapshots {
  const snapshots = new Snapshots({ machine, images, disks }, snapshotFiles, packageVersion(folder));
  if (machine.config.snapshot !== undefined) snapshots.restore(machine.config.snapshot);
  return snapshots;
}
