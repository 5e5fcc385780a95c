import { MEMORY_MAP } from './memory-map.ts';

/** Offset of the data behind the six instructions, as QEMU's `riscv_setup_rom_reset_vec` has them. */
const ENTRY = 0x18;
const DEVICE_TREE = 0x20;
const INFO = 0x28;

/** Guest-physical address of the `fw_dynamic_info` that OpenSBI expects in a2 (OpenSBI, `docs/firmware/fw_dynamic.md`). */
export const FW_DYNAMIC_INFO = MEMORY_MAP.rom.base + BigInt(INFO);

const INFO_MAGIC = 0x4942_534fn; // "OSBI"
const INFO_VERSION = 2n;
const NEXT_MODE_SUPERVISOR = 1n;

/** a0 = mhartid, a1 = device tree, a2 = info; then jump to the entry. */
const CODE = [
  0x0000_0297, // auipc t0, 0
  0x0282_8613, // addi a2, t0, 0x28
  0xf140_2573, // csrr a0, mhartid
  0x0202_b583, // ld a1, 0x20(t0)
  0x0182_b283, // ld t0, 0x18(t0)
  0x0002_8067, // jr t0
] as const;

/**
 * What stands in the boot ROM: the reset code, the addresses it loads, and for OpenSBI where the next stage is.
 * Harts begin where this code ends, so it is there to be read rather than run.
 */
export function bootRom(plan: { entry: bigint; deviceTree: bigint; nextEntry: bigint }): Uint8Array {
  const rom = new Uint8Array(INFO + 6 * 8);
  const view = new DataView(rom.buffer);
  for (const [index, instruction] of CODE.entries()) view.setUint32(index * 4, instruction, true);
  view.setBigUint64(ENTRY, plan.entry, true);
  view.setBigUint64(DEVICE_TREE, plan.deviceTree, true);
  const info = [INFO_MAGIC, INFO_VERSION, plan.nextEntry, NEXT_MODE_SUPERVISOR, 0n, 0n];
  for (const [index, field] of info.entries()) view.setBigUint64(INFO + index * 8, field, true);
  return rom;
}
