import type { Ipv4Address } from '../base/ipv4.ts';

/** Adds 16-bit words to a sum; an odd last byte counts as the high half of a word (RFC 1071). At most 65,535 bytes. */
export function addWords(bytes: Uint8Array, start: number, end: number, sum = 0): number {
  let at = start;
  for (const last = end - 1; at < last; at += 2) sum += (bytes[at]! << 8) | bytes[at + 1]!;
  return at < end ? sum + (bytes[at]! << 8) : sum;
}

/** The checksum of a sum; over bytes that hold their right checksum it is 0. */
export function finish(sum: number): number {
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** The pseudo header's sum, which TCP and UDP put before their own (RFC 9293, section 3.1). */
export const pseudoHeader = (
  source: Ipv4Address,
  destination: Ipv4Address,
  protocol: number,
  length: number,
): number =>
  (source >>> 16) + (source & 0xffff) + (destination >>> 16) + (destination & 0xffff) + protocol + length;
