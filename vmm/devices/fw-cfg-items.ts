/** What the items tell of the machine. */
export interface FwCfgConfig {
  readonly harts: number;
  /** Bytes of RAM. */
  readonly memory: number;
  /** Images that firmware in the guest may load and start; the machine did not load them itself. */
  readonly kernel?: Uint8Array | undefined;
  readonly initrd?: Uint8Array | undefined;
  readonly commandLine?: string | undefined;
}

/** Keys (QEMU `include/standard-headers/linux/qemu_fw_cfg.h`). */
const KEY = {
  signature: 0x00,
  id: 0x01,
  uuid: 0x02,
  ramSize: 0x03,
  noGraphic: 0x04,
  harts: 0x05,
  kernelSize: 0x08,
  initrdSize: 0x0b,
  bootMenu: 0x0e,
  kernelData: 0x11,
  initrdData: 0x12,
  commandLineSize: 0x14,
  commandLineData: 0x15,
  directory: 0x19,
  firstFile: 0x20,
} as const;

/** Both interfaces are there, through registers and by DMA (fw_cfg, "Revision / feature bitmap"). */
const FEATURES = 3;
/** Milliseconds until a new start where nothing boots: -1, do not start anew. */
const BOOT_FAIL_WAIT = 0xffff_ffff;

/** Files of the directory, in the order of their names; QEMU's `virt` has these, empty but for the last. */
const FILES: readonly (readonly [name: string, contents: Uint8Array])[] = [
  ['bios-geometry', new Uint8Array(0)],
  ['bootorder', new Uint8Array(0)],
  ['etc/boot-fail-wait', little(BOOT_FAIL_WAIT, 4)],
];

/** The items by key (QEMU `docs/specs/fw_cfg`); numbers are little-endian. */
export function fwCfgItems(config: FwCfgConfig): ReadonlyMap<number, Uint8Array> {
  const { harts, memory, kernel, initrd, commandLine } = config;
  const items = new Map<number, Uint8Array>([
    [KEY.signature, ascii('QEMU')],
    [KEY.id, little(FEATURES, 4)],
    [KEY.uuid, new Uint8Array(16)],
    [KEY.ramSize, little(memory, 8)],
    [KEY.noGraphic, little(1, 2)],
    [KEY.harts, little(harts, 2)],
    [KEY.bootMenu, little(0, 2)],
    [KEY.directory, directory()],
    ...FILES.map(([, contents], index): [number, Uint8Array] => [KEY.firstFile + index, contents]),
  ]);
  if (kernel !== undefined) items.set(KEY.kernelSize, little(kernel.length, 4)).set(KEY.kernelData, kernel);
  if (initrd !== undefined) items.set(KEY.initrdSize, little(initrd.length, 4)).set(KEY.initrdData, initrd);
  if (commandLine !== undefined) {
    const text = ascii(`${commandLine}\0`);
    items.set(KEY.commandLineSize, little(text.length, 4)).set(KEY.commandLineData, text);
  }
  return items;
}

/** Entries of 64 bytes: size, key, two reserved bytes, name; the numbers big-endian (fw_cfg, "File Directory"). */
const ENTRY_BYTES = 64;
const NAME_OFFSET = 8;

function directory(): Uint8Array {
  const bytes = new Uint8Array(4 + FILES.length * ENTRY_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, FILES.length);
  for (const [index, [name, contents]] of FILES.entries()) {
    const start = 4 + index * ENTRY_BYTES;
    view.setUint32(start, contents.length);
    view.setUint16(start + 4, KEY.firstFile + index);
    bytes.set(ascii(name), start + NAME_OFFSET);
  }
  return bytes;
}

function little(value: number, size: 2 | 4 | 8): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
  return bytes.subarray(0, size);
}

function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
