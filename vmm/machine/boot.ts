import { hex, type PhysicalAddress, physical } from '../base/brands.ts';
import { VmError } from '../base/vm-error.ts';
import { type Hart, PRIVILEGE } from '../contracts/hart.ts';
import type { MachineImages } from '../contracts/machine.ts';
import type { GuestMemory } from '../contracts/memory.ts';
import type { IsaConfig } from '../isa/extensions.ts';
import type { VmConfig } from '../protocol/messages.ts';
import { bootRom, FW_DYNAMIC_INFO } from './boot-rom.ts';
import { buildDeviceTree, type ChosenOptions, withChosen } from './device-tree.ts';
import { decodeFdt, encodeFdt, type FdtNode } from './fdt.ts';
import { type LoadedImage, loadImage, placeBytes, ramRange } from './loaders.ts';

/** How the guest starts: see ARCHITECTURE.md, "The machine". */
export type FirmwareKind = 'builtin' | 'none' | 'image';

/** All that a power-on puts in memory and in the harts. */
export interface BootPlan {
  readonly firmware: FirmwareKind;
  readonly entry: bigint;
  readonly deviceTree: { readonly data: Uint8Array; readonly address: PhysicalAddress };
  /** Contents of the boot ROM. */
  readonly rom: Uint8Array;
  readonly tohost: bigint | undefined;
  readonly fromhost: bigint | undefined;
}

const MIB = 1n << 20n;
/** Kernels as raw images begin at a 2 MiB boundary above the firmware (Linux, `Documentation/arch/riscv/boot.rst`). */
const KERNEL_OFFSET = 2n * MIB;
/** The device tree stays below 3 GiB of the bus, where 32-bit firmware reaches it, as QEMU places it. */
const DEVICE_TREE_LIMIT = 3n << 30n;
/** An initrd starts halfway into RAM, but no further than this, so that kernel and initrd both have room. */
const INITRD_OFFSET_MAX = 128n * MIB;

/** Which firmware a configuration asks for: the built-in one with a kernel, none without. */
export function firmwareKind(config: Pick<VmConfig, 'firmware' | 'kernel'>): FirmwareKind {
  const { firmware } = config;
  if (firmware === undefined) return config.kernel === undefined ? 'none' : 'builtin';
  return firmware === 'builtin' || firmware === 'none' ? firmware : 'image';
}

/**
 * Writes a machine's images to RAM, which must be zero, and says how its harts begin. Throws
 * `VmError('bad-file')` or `VmError('bad-config')` with what to do about it.
 */
export function loadGuest(
  memory: GuestMemory,
  config: VmConfig,
  images: MachineImages,
  isa: IsaConfig,
): BootPlan {
  const kind = firmwareKind(config);
  const ramBase = BigInt(memory.ramBase);
  const firmware =
    kind === 'image' ? loadImage(memory, wanted(images.firmware, 'firmware'), ramBase) : undefined;
  const kernelAddress = kind === 'none' ? ramBase : ramBase + KERNEL_OFFSET;
  const kernel = images.kernel === undefined ? undefined : loadImage(memory, images.kernel, kernelAddress);
  const first = firmware ?? kernel;
  if (first === undefined) {
    throw new VmError('bad-config', 'there is nothing to run: name a kernel or a firmware image');
  }
  checkApart(firmware, kernel);
  const loaded = [firmware, kernel].filter((image) => image !== undefined);
  const initrd = placeInitrd(memory, images.initrd, kernel ?? first, loaded);
  const chosen: ChosenOptions = { append: config.append, initrd };
  const deviceTree = placeDeviceTree(
    memory,
    config,
    images.dtb,
    chosen,
    isa,
    initrd ? [...loaded, initrd] : loaded,
  );
  const nextEntry = firmware === undefined ? 0n : (kernel?.entry ?? 0n);
  return {
    firmware: kind,
    entry: first.entry,
    deviceTree,
    rom: bootRom({ entry: first.entry, deviceTree: deviceTree.address, nextEntry }),
    tohost: (kernel?.tohost ?? firmware?.tohost) as bigint | undefined,
    fromhost: kernel?.tohost === undefined ? firmware?.fromhost : kernel.fromhost,
  };
}

/** Puts a hart at its power-on state. With the built-in firmware all but hart 0 wait for `hart_start`. */
export function startHart(hart: Hart, plan: BootPlan): void {
  const entry = { pc: plan.entry, a0: BigInt(hart.id), a1: plan.deviceTree.address };
  hart.reset({ ...entry, privilege: PRIVILEGE.M });
  if (plan.firmware === 'builtin') {
    hart.enterSupervisor(entry);
    return;
  }
  // What the code in the boot ROM leaves: t0 where it jumped, a2 the description of the next stage for OpenSBI.
  hart.setX(5, plan.entry);
  if (plan.firmware === 'image') hart.setX(12, FW_DYNAMIC_INFO);
}

function wanted<T>(image: T | undefined, what: string): T {
  if (image === undefined) throw new VmError('bad-config', `the ${what} image is missing`);
  return image;
}

/** Firmware and kernel must not take each other's place, even where only by their zeroed ends. */
function checkApart(firmware: LoadedImage | undefined, kernel: LoadedImage | undefined): void {
  if (firmware === undefined || kernel === undefined || !overlaps(firmware, kernel)) return;
  const range = ({ start, end }: LoadedImage): string => `${hex(start)} to ${hex(end)}`;
  throw new VmError(
    'bad-config',
    `firmware (${range(firmware)}) and kernel (${range(kernel)}) overlap; link the kernel above the firmware`,
  );
}

interface Range {
  readonly start: bigint;
  readonly end: bigint;
}

const overlaps = (a: Range, b: Range): boolean => a.start < b.end && b.start < a.end;

function placeInitrd(
  memory: GuestMemory,
  initrd: Uint8Array | undefined,
  kernel: LoadedImage,
  loaded: readonly Range[],
): Range | undefined {
  if (initrd === undefined) return undefined;
  const half = BigInt(memory.ramSize) / 2n;
  const start = kernel.entry + (half < INITRD_OFFSET_MAX ? half : INITRD_OFFSET_MAX);
  const range = { start, end: start + BigInt(initrd.length) };
  if (loaded.some((image) => overlaps(image, range)) || !ramRange(memory, start, BigInt(initrd.length))) {
    throw new VmError(
      'bad-config',
      `the initrd of ${initrd.length} bytes does not fit behind the kernel at ${hex(start)}; give the machine more memory`,
    );
  }
  placeBytes(memory, start, initrd, 'the initrd');
  return range;
}

/** @throws VmError that names the file. */
function decodeGiven(blob: Uint8Array, path = 'dtb'): FdtNode {
  try {
    return decodeFdt(blob);
  } catch (error) {
    if (error instanceof VmError) throw new VmError(error.code, `${path}: ${error.message}`);
    throw error;
  }
}

/** At the end of RAM below 3 GiB, at a 2 MiB boundary where there is one free, else at a page. */
function placeDeviceTree(
  memory: GuestMemory,
  config: VmConfig,
  given: Uint8Array | undefined,
  chosen: ChosenOptions,
  isa: IsaConfig,
  taken: readonly Range[],
): BootPlan['deviceTree'] {
  const data =
    given === undefined
      ? buildDeviceTree({ harts: config.harts, memory: config.memory, isa, chosen })
      : encodeFdt(withChosen(decodeGiven(given, config.dtb), chosen));
  const ramEnd = BigInt(memory.ramBase) + BigInt(memory.ramSize);
  const top = (ramEnd < DEVICE_TREE_LIMIT ? ramEnd : DEVICE_TREE_LIMIT) - BigInt(data.length);
  for (const alignment of [2n * MIB, 4096n]) {
    const start = top - (top % alignment);
    const range = { start, end: start + BigInt(data.length) };
    if (start < BigInt(memory.ramBase) || taken.some((image) => overlaps(image, range))) continue;
    placeBytes(memory, start, data, 'the device tree');
    return { data, address: physical(start) };
  }
  throw new VmError(
    'bad-config',
    'the images leave no room for the device tree; give the machine more memory',
  );
}
