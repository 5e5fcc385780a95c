/** Little-endian numbers in guest memory. A `Uint8Array` needs no alignment, and a driver may give none. */
export const get16 = (bytes: Uint8Array, at: number): number => bytes[at]! | (bytes[at + 1]! << 8);

export const get32 = (bytes: Uint8Array, at: number): number =>
  (get16(bytes, at) | (get16(bytes, at + 2) << 16)) >>> 0;

export const get64 = (bytes: Uint8Array, at: number): bigint =>
  BigInt(get32(bytes, at)) | (BigInt(get32(bytes, at + 4)) << 32n);

export function set16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
}

export function set32(bytes: Uint8Array, at: number, value: number): void {
  set16(bytes, at, value);
  set16(bytes, at + 2, value >>> 16);
}

export function set64(bytes: Uint8Array, at: number, value: bigint): void {
  set32(bytes, at, Number(value & 0xffff_ffffn));
  set32(bytes, at + 4, Number((value >> 32n) & 0xffff_ffffn));
}
