import type { WalkAnswer } from './messages.ts';

/** A run of bits of the virtual address, most significant first. */
export interface AddressField {
  readonly name: string;
  readonly high: number;
  readonly low: number;
  readonly value: bigint;
  /** The level that this field indexes; absent for the page offset and the sign extension. */
  readonly level?: number;
}

const PAGE_SHIFT = 12;
const VPN_BITS = 9;
const LEVELS = { Bare: 0, Sv39: 3, Sv48: 4, Sv57: 5 } as const;

/**
 * The virtual address as the walk cut it up: sign extension, one VPN for each level it read, and the offset, which is
 * the whole rest below the leaf's VPN (a superpage has a longer one). RISC-V privileged, "Sv39", "Sv48", "Sv57".
 */
export function addressFields(walk: WalkAnswer): readonly AddressField[] {
  const address = BigInt(walk.address);
  const count = LEVELS[walk.mode];
  const field = (name: string, high: number, low: number, level?: number): AddressField => ({
    name,
    high,
    low,
    value: (address >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n),
    ...(level === undefined ? {} : { level }),
  });
  if (count === 0) return [field('physical address', 63, 0)];

  const top = PAGE_SHIFT + VPN_BITS * count;
  const leaf = walk.levels.at(-1)?.leaf ? walk.levels.at(-1)!.level : 0;
  const fields = [field('sign', 63, top)];
  for (let level = count - 1; level >= leaf; level -= 1) {
    const low = PAGE_SHIFT + VPN_BITS * level;
    fields.push(field(`VPN[${level}]`, low + VPN_BITS - 1, low, level));
  }
  return [...fields, field('offset', PAGE_SHIFT + VPN_BITS * leaf - 1, 0)];
}

/** The flags of a PTE (RISC-V privileged, "Sv39 page table entry"), the lowest bit first, with what each one means. */
export const PTE_FLAGS = [
  ['V', 'valid'],
  ['R', 'readable'],
  ['W', 'writable'],
  ['X', 'executable'],
  ['U', 'accessible to U-mode'],
  ['G', 'global: in every address space'],
  ['A', 'accessed'],
  ['D', 'dirty'],
  ['N', 'one of the entries of a 64 KiB page (Svnapot)'],
] as const;

/** Memory types of a leaf (RISC-V privileged, "Svpbmt"). */
export const MEMORY_TYPES = {
  NC: 'memory that is not cached (Svpbmt)',
  IO: 'accessed as a device, in order (Svpbmt)',
} as const;

/** `4 KiB`, `2 MiB`, `1 GiB`, …: sizes of pages are powers of two. */
export function pageSizeText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  const unit = Math.floor(Math.log2(bytes) / 10);
  return `${bytes / 2 ** (10 * unit)} ${units[unit]}`;
}
