import type { Ipv4Address } from '../base/ipv4.ts';
import { addWords, finish } from './checksum.ts';
import { get16, getAddress, put16, put32 } from './wire.ts';

export const ETHERNET_BYTES = 14;
export const IP_BYTES = 20;
export const ETHERTYPE_IPV4 = 0x0800;
export const ETHERTYPE_ARP = 0x0806;

export const PROTOCOL = { icmp: 1, tcp: 6, udp: 17 } as const;

const TIME_TO_LIVE = 64;
const MORE_FRAGMENTS = 0x2000;

/** An IPv4 packet: its payload is `bytes[start]` up to `bytes[end]`. */
export interface IpPacket {
  readonly bytes: Uint8Array;
  readonly source: Ipv4Address;
  readonly destination: Ipv4Address;
  readonly protocol: number;
  readonly start: number;
  readonly end: number;
  /** Header and the payload's first 8 bytes: what an ICMP error about it quotes (RFC 792). */
  readonly quote: Uint8Array;
  readonly identification: number;
  /** Bytes before this fragment, and whether more follow. */
  readonly fragmentOffset: number;
  readonly moreFragments: boolean;
}

/** Reads the packet of an Ethernet frame; undefined when its header contradicts itself (RFC 1122, section 3.2.1). */
export function parseIp(frame: Uint8Array): IpPacket | undefined {
  const at = ETHERNET_BYTES;
  if (frame.length < at + IP_BYTES || frame[at]! >>> 4 !== 4) return undefined;
  const headerBytes = (frame[at]! & 15) * 4;
  const totalBytes = get16(frame, at + 2);
  // Frames are padded to 60 bytes: what stands behind the packet's own length is nothing.
  if (headerBytes < IP_BYTES || totalBytes < headerBytes || at + totalBytes > frame.length) return undefined;
  if (finish(addWords(frame, at, at + headerBytes)) !== 0) return undefined;
  const flags = get16(frame, at + 6);
  const start = at + headerBytes;
  const end = at + totalBytes;
  return {
    bytes: frame,
    source: getAddress(frame, at + 12),
    destination: getAddress(frame, at + 16),
    protocol: frame[at + 9]!,
    start,
    end,
    quote: frame.subarray(at, Math.min(end, start + 8)),
    identification: get16(frame, at + 4),
    fragmentOffset: (flags & 0x1fff) * 8,
    moreFragments: (flags & MORE_FRAGMENTS) !== 0,
  };
}

export interface IpHeader {
  readonly source: Ipv4Address;
  readonly destination: Ipv4Address;
  readonly protocol: number;
  readonly identification: number;
  readonly fragmentOffset?: number;
  readonly moreFragments?: boolean;
}

/** Writes Ethernet and IPv4 header before a payload of `length` bytes, which starts at `ETHERNET_BYTES + IP_BYTES`. */
export function writeHeaders(
  frame: Uint8Array,
  from: Uint8Array,
  to: Uint8Array,
  header: IpHeader,
  length: number,
): void {
  frame.set(to, 0);
  frame.set(from, 6);
  put16(frame, 12, ETHERTYPE_IPV4);
  const at = ETHERNET_BYTES;
  frame[at] = 0x45;
  put16(frame, at + 2, IP_BYTES + length);
  put16(frame, at + 4, header.identification);
  put16(
    frame,
    at + 6,
    (header.fragmentOffset ?? 0) / 8 + (header.moreFragments === true ? MORE_FRAGMENTS : 0),
  );
  frame[at + 8] = TIME_TO_LIVE;
  frame[at + 9] = header.protocol;
  put16(frame, at + 10, 0);
  put32(frame, at + 12, header.source);
  put32(frame, at + 16, header.destination);
  put16(frame, at + 10, finish(addWords(frame, at, at + IP_BYTES)));
}
