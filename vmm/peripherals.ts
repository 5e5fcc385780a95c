/** What a configuration plugs into the board: devices behind the virtio slots, with what of the host they need. */
import { assert, unreachable } from './base/assert.ts';
import { type Ipv4Address, parseIpv4 } from './base/ipv4.ts';
import { VmError } from './base/vm-error.ts';
import type { DeviceFeed } from './contracts/device-feed.ts';
import type { PortForward } from './contracts/network.ts';
import type { SnapshotDisk } from './contracts/snapshot.ts';
import type { ChannelConfig } from './contracts/socket-thread.ts';
import type { BlockImage } from './contracts/storage.ts';
import { VirtioBalloon } from './devices/virtio/balloon.ts';
import { VirtioBlock } from './devices/virtio/block.ts';
import { type ConsolePortOptions, VirtioConsole } from './devices/virtio/console.ts';
import type { VirtioDevice } from './devices/virtio/device.ts';
import { VirtioEntropy } from './devices/virtio/entropy.ts';
import { VirtioInput } from './devices/virtio/input.ts';
import { KEYBOARD, TABLET } from './devices/virtio/input-events.ts';
import { VirtioNetwork } from './devices/virtio/network.ts';
import { VirtioNineP } from './devices/virtio/nine-p.ts';
import { randomBytes } from './host/entropy.ts';
import { openImageFile, temporaryImageFile } from './host/image-file.ts';
import { openSharedFolder } from './host/shared-folder.ts';
import { SocketThread } from './host/socket-thread.ts';
import { removeSocket } from './host/stream-socket.ts';
import { ChannelFeed, type Inlet, NetworkInlet, PortInlet } from './machine/channel-feed.ts';
import { MEMORY_MAP } from './machine/memory-map.ts';
import type { DeviceConfig, DriveConfig, ForwardConfig, NetConfig, VmConfig } from './protocol/messages.ts';
import { ShareServer } from './shares/server.ts';
import { Overlay, openDrive } from './storage/index.ts';

export interface Peripherals {
  /** In the order in which the guest finds them. */
  readonly virtio: readonly VirtioDevice[];
  /** What the board's banks of flash keep. */
  readonly flash: readonly BlockImage[];
  /** What comes to them from the host's sockets; absent when none of them has any. */
  readonly feed: (DeviceFeed & { onWake(wake: () => void): void; setAsleep(): void }) | undefined;
  /** Sentences on what a person should know before the machine runs: ports that were free and are taken now. */
  readonly notes: readonly string[];
  /** The disks, for who saves the machine. */
  readonly disks: readonly SnapshotDisk[];
  /** Lets go of the host's files and sockets. */
  close(): void;
}

export interface PeripheralsHost {
  /** The bundle that threads run. */
  readonly script: string;
  /** See `SocketThreadOptions`. */
  readonly doorbell?: { readonly shared: SharedArrayBuffer; readonly word: number };
}

/** What a machine keeps of its inputs; a network card fills it in some seconds of downloading. */
export const INPUT_LOG_BYTES_MAX = 64 << 20;
/** Of QEMU's first card. */
const MAC = Uint8Array.of(0x52, 0x54, 0x00, 0x12, 0x34, 0x56);

/**
 * @param host for configurations with a network card or a console's port.
 * @throws VmError `bad-config`, `bad-file` or `io`; nothing is left open then.
 */
export function openPeripherals(config: VmConfig, host?: PeripheralsHost): Peripherals {
  if (config.net !== undefined && config.time === 'free') {
    throw new VmError(
      'bad-config',
      'a network needs time that keeps pace with the wall clock (wall): while time is free, a guest that waits for an answer does not wait',
    );
  }
  const images: BlockImage[] = [];
  const flash: BlockImage[] = [];
  const disks: SnapshotDisk[] = [];
  const shares: { readonly tag: string; readonly server: ShareServer }[] = [];
  let sockets: SocketThread | undefined;
  const close = (): void => {
    sockets?.close();
    for (const channel of channels) if (channel.kind === 'stream') removeSocket(channel.socket);
    for (const { server } of shares) server.close();
    for (const image of images) image.close();
  };
  const channels = channelsOf(config);
  try {
    for (const drive of config.drives ?? []) {
      const files: string[] = [];
      const image = openDisk(drive, files);
      images.push(image);
      if (drive.if === 'pflash') flash.push(checkFlash(image, drive.file, flash.length));
      const session = image instanceof Overlay ? image : undefined;
      disks.push({ name: drive.file, size: image.size, files, session, flush: () => image.flush() });
    }
    for (const [index, share] of (config.shares ?? []).entries()) {
      const root = openSharedFolder(share.folder, { readOnly: share.readonly });
      shares.push({ tag: share.tag ?? `share${index}`, server: new ShareServer(root) });
    }
    if (channels.length > 0) {
      assert(host !== undefined, 'who configures sockets says where their thread finds its code');
      sockets = new SocketThread({ ...host, channels });
    }
  } catch (error) {
    close();
    throw error;
  }
  const builder = new Builder(sockets);
  for (const [index, image] of images.filter((each) => !flash.includes(each)).entries()) {
    builder.add(new VirtioBlock({ image, serial: `drive${index}` }));
  }
  if (config.net !== undefined) builder.addNetwork();
  for (const device of config.devices ?? []) builder.addConfigured(device);
  for (const { tag, server } of shares) builder.add(new VirtioNineP({ tag, server }));
  return {
    virtio: builder.devices,
    flash,
    feed: sockets && socketFeed(sockets, builder.inlets),
    notes: notesOn(config.net, sockets?.ports ?? []),
    disks,
    close,
  };
}

/** A bank has its size; a shorter image leaves zeros behind it. */
function checkFlash(image: BlockImage, file: string, bank: number): BlockImage {
  const size = MEMORY_MAP.flash[bank]?.size;
  if (size === undefined) throw new VmError('bad-config', `${file}: the board has no more banks of flash`);
  if (image.size <= size) return image;
  throw new VmError('bad-config', `${file}: an image of ${image.size} bytes; a bank of flash has ${size}`);
}

/** Puts devices in their order, each with its channel if it has one: channels stand in the same order. */
class Builder {
  readonly devices: VirtioDevice[] = [];
  readonly inlets: Inlet[] = [];
  readonly #sockets: SocketThread | undefined;
  #channels = 0;

  constructor(sockets: SocketThread | undefined) {
    this.#sockets = sockets;
  }

  add(device: VirtioDevice): void {
    this.devices.push(device);
  }

  addNetwork(): void {
    const channel = this.#nextChannel();
    const inlet = new NetworkInlet(this.devices.length, channel);
    this.inlets.push(inlet);
    // A frame that the other end has no room for is lost, as on any wire: whether it was taken must not be the guest's to see.
    const send = (frame: Uint8Array): boolean => channel.put(frame) || true;
    this.add(new VirtioNetwork({ send, receiveMore: () => inlet.resume() }, { mac: MAC }));
  }

  addConfigured(config: DeviceConfig): void {
    this.add(this.#made(config));
  }

  #made(config: DeviceConfig): VirtioDevice {
    switch (config.type) {
      case 'rng':
        return new VirtioEntropy({ random: randomBytes });
      case 'balloon':
        return balloon(config.bytes);
      case 'keyboard':
        return new VirtioInput(KEYBOARD, { status: () => {} });
      case 'tablet':
        return new VirtioInput(TABLET, { status: () => {} });
      case 'port':
        return this.#consolePort(config.name);
      default:
        return unreachable(config);
    }
  }

  #consolePort(name: string | undefined): VirtioDevice {
    const channel = this.#nextChannel();
    const inlet = new PortInlet(this.devices.length, channel);
    this.inlets.push(inlet);
    const options: ConsolePortOptions = {
      console: name === undefined,
      ...(name !== undefined && { name }),
    };
    const output = (_port: number, data: Uint8Array): void => void channel.put(data);
    const device = new VirtioConsole({ output, taken: () => inlet.resume() }, [options]);
    // Until a program connects to the socket.
    device.setHostOpen(0, false);
    return device;
  }

  #nextChannel() {
    return this.#sockets!.channels[this.#channels++]!;
  }
}

function channelsOf({ net, devices = [] }: VmConfig): ChannelConfig[] {
  const channels: ChannelConfig[] = [];
  if (net !== undefined) {
    const { forwards, capture } = net;
    channels.push({
      kind: 'network',
      forwards: forwards.map(portForward),
      ...(capture !== undefined && { capture }),
    });
  }
  for (const device of devices) {
    if (device.type === 'port') channels.push({ kind: 'stream', socket: device.socket });
  }
  return channels;
}

function portForward({
  protocol,
  hostAddress,
  hostPort,
  guestAddress,
  guestPort,
}: ForwardConfig): PortForward {
  return {
    protocol,
    hostPort,
    guestPort,
    ...(hostAddress !== undefined && { hostAddress: address(hostAddress) }),
    ...(guestAddress !== undefined && { guestAddress: address(guestAddress) }),
  };
}

function address(text: string): Ipv4Address {
  const parsed = parseIpv4(text);
  if (parsed === undefined) throw new VmError('bad-config', `'${text}' is no IPv4 address`);
  return parsed;
}

/** Which ports were taken for forwards that take any. */
const notesOn = (net: NetConfig | undefined, ports: readonly number[]): string[] =>
  (net?.forwards ?? []).flatMap(({ hostPort, hostAddress = '127.0.0.1', guestPort }, index) =>
    hostPort === 0 ? [`${hostAddress}:${ports[index]} leads to port ${guestPort} of the guest`] : [],
  );

function balloon(bytes: number): VirtioBalloon {
  const ignored = (): void => {};
  const ports = { inflated: ignored, deflated: ignored, reported: ignored, statistics: ignored };
  const device = new VirtioBalloon(ports);
  device.setTarget(Math.floor(bytes / 4096));
  return device;
}

function socketFeed(sockets: SocketThread, inlets: readonly Inlet[]): NonNullable<Peripherals['feed']> {
  const feed = new ChannelFeed(inlets);
  return {
    get pending() {
      return feed.pending;
    },
    give: (machine) => feed.give(machine),
    flush: () => sockets.flush(),
    restored: () => feed.restored(),
    takeWarning: () => sockets.takeWarning(),
    onWake: (wake) => {
      sockets.onWake = wake;
    },
    setAsleep: () => sockets.setAsleep(),
  };
}

/** @param files is told each file that the disk is made of, the image itself first. */
const openDisk = ({ file, format, readonly, overlay, snapshot }: DriveConfig, files: string[]): BlockImage =>
  openDrive(
    { path: file, format, readOnly: readonly, overlay, snapshot },
    {
      open: (path, options) => {
        files.push(path);
        return openImageFile(path, options);
      },
      temporary: temporaryImageFile,
    },
  );
