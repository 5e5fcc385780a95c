declare const brand: unique symbol;

/** A guest-physical address: unsigned, at most 56 bits (RISC-V privileged, "Sv39/48/57"). */
export type PhysicalAddress = bigint & { readonly [brand]: 'physical' };
/** A guest-virtual address: unsigned 64 bits, canonical or not. */
export type VirtualAddress = bigint & { readonly [brand]: 'virtual' };
/** A hart's `mhartid`, 0 up to the number of harts less one. */
export type HartId = number & { readonly [brand]: 'hart' };

/** Wraps to 64 unsigned bits and marks the result as guest-physical. */
export const physical = (address: bigint | number): PhysicalAddress =>
  BigInt.asUintN(64, BigInt(address)) as PhysicalAddress;

/** Wraps to 64 unsigned bits and marks the result as guest-virtual. */
export const virtual = (address: bigint | number): VirtualAddress =>
  BigInt.asUintN(64, BigInt(address)) as VirtualAddress;

export const hartId = (id: number): HartId => id as HartId;

/** Formats an address as `0x` and lower-case digits, padded to `digits`. */
export const hex = (value: bigint | number, digits = 0): string =>
  '0x' + BigInt.asUintN(64, BigInt(value)).toString(16).padStart(digits, '0');
