/** Devices of a launch configuration as the VMM is told them. */
import { VmError } from '../vmm/base/vm-error.ts';
import type { VmConfigInput } from '../vmm/protocol/messages.ts';
import type { LaunchInput } from './contract/launch.ts';

/** Resolves paths of a configuration. */
export interface ConfiguredPaths {
  /** @throws VmError `bad-file` when there is no such file. */
  existing(key: string, path: string): string;
  /** A path that need not be there. */
  absolute(path: string): string;
}

type DeviceKey = 'drives' | 'net' | 'devices' | 'shares' | 'virtio';

/** @throws VmError `bad-config` or `bad-file`, one line that names the key. */
export function deviceConfig(
  { drives, net, devices, shares, virtio }: Pick<LaunchInput, DeviceKey>,
  paths: ConfiguredPaths,
): Pick<VmConfigInput, DeviceKey> {
  return {
    drives: drives?.map(({ file, readonly = false, overlay = !readonly, ...rest }, index) => ({
      ...rest,
      file: paths.existing(`drives[${index}]`, file),
      readonly,
      // A session ends, and what was looked at should be as before.
      overlay,
    })),
    net: net === undefined ? undefined : netConfig(net, paths),
    devices: devices?.map((device, index) => oneDevice(device, `devices[${index}]`, paths)),
    shares: shares?.map(({ folder, readonly = true, tag }) => ({
      folder: paths.absolute(folder),
      readonly,
      ...(tag !== undefined && { tag }),
    })),
    virtio,
  };
}

function netConfig(net: NonNullable<LaunchInput['net']>, paths: ConfiguredPaths): VmConfigInput['net'] {
  if (net === 'user') return {};
  const { forwards, capture } = net;
  return {
    ...(forwards && { forwards }),
    ...(capture !== undefined && { capture: paths.absolute(capture) }),
  };
}

function oneDevice(
  { type, size, socket, name }: NonNullable<LaunchInput['devices']>[number],
  key: string,
  paths: ConfiguredPaths,
): NonNullable<VmConfigInput['devices']>[number] {
  const surplus = Object.entries({
    size: size !== undefined && type !== 'balloon',
    socket: socket !== undefined && type !== 'port',
    name: name !== undefined && type !== 'port',
  }).find(([, wrong]) => wrong);
  if (surplus !== undefined) {
    throw new VmError('bad-config', `"${key}" is of type "${type}", which takes no "${surplus[0]}".`);
  }
  switch (type) {
    case 'balloon':
      return { type, bytes: size === undefined ? 0 : sizeBytes(size, key) };
    case 'port':
      if (socket === undefined)
        throw new VmError('bad-config', `"${key}" lacks "socket", the path of its other end.`);
      return { type, socket: paths.absolute(socket), ...(name !== undefined && { name }) };
    default:
      return { type };
  }
}

function sizeBytes(size: number | string, key: string): number {
  const match = /^(\d+(?:\.\d+)?)([KMG]?)(?:i?B)?$/i.exec(String(size));
  const unit = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }[match?.[2]?.toUpperCase() ?? ''] ?? 1;
  const bytes = match === null ? Number.NaN : Number(match[1]) * unit;
  if (!Number.isSafeInteger(bytes)) {
    throw new VmError(
      'bad-config',
      `"${key}.size" is ${JSON.stringify(size)}: it must be a size such as "64M".`,
    );
  }
  return bytes;
}
