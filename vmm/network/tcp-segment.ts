import type { Ipv4Address } from '../base/ipv4.ts';
import { addWords, finish, pseudoHeader } from './checksum.ts';
import { ETHERNET_BYTES, IP_BYTES, type IpPacket, PROTOCOL } from './ip.ts';
import { get16, get32, put16, put32 } from './wire.ts';

export const TCP_BYTES = 20;
/** Where a segment's header starts in a frame that the network builds. */
export const TCP_AT: number = ETHERNET_BYTES + IP_BYTES;

export const FLAG = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16 } as const;

const OPTION = { end: 0, nothing: 1, maximumSegmentSize: 2, windowScale: 3 } as const;
/** RFC 7323, section 2.3. */
const WINDOW_SCALE_MAX = 14;

/** RFC 9293, section 3.1. Options stand in SYN segments only. */
export interface Segment {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly acknowledgment: number;
  readonly flags: number;
  /** As it stands in the header, not yet scaled. */
  readonly window: number;
  /** Lies in the packet's bytes. */
  readonly payload: Uint8Array;
  readonly maximumSegmentSize: number | undefined;
  readonly windowScale: number | undefined;
}

/** Undefined when lengths or checksum are wrong. */
export function parseTcp(packet: IpPacket): Segment | undefined {
  const { bytes, start, end } = packet;
  const length = end - start;
  if (length < TCP_BYTES) return undefined;
  const headerBytes = (bytes[start + 12]! >>> 4) * 4;
  if (headerBytes < TCP_BYTES || headerBytes > length) return undefined;
  const pseudo = pseudoHeader(packet.source, packet.destination, PROTOCOL.tcp, length);
  if (finish(addWords(bytes, start, end, pseudo)) !== 0) return undefined;
  const flags = bytes[start + 13]!;
  const options =
    (flags & FLAG.syn) !== 0 ? parseOptions(bytes, start + TCP_BYTES, start + headerBytes) : NONE;
  return {
    sourcePort: get16(bytes, start),
    destinationPort: get16(bytes, start + 2),
    sequence: get32(bytes, start + 4),
    acknowledgment: get32(bytes, start + 8),
    flags,
    window: get16(bytes, start + 14),
    payload: bytes.subarray(start + headerBytes, end),
    ...options,
  };
}

type Options = Pick<Segment, 'maximumSegmentSize' | 'windowScale'>;
const NONE: Options = { maximumSegmentSize: undefined, windowScale: undefined };

function parseOptions(bytes: Uint8Array, start: number, end: number): Options {
  let { maximumSegmentSize, windowScale } = NONE;
  for (let at = start; at < end && bytes[at] !== OPTION.end; ) {
    if (bytes[at] === OPTION.nothing) {
      at++;
      continue;
    }
    const length = at + 1 < end ? bytes[at + 1]! : 0;
    if (length < 2 || at + length > end) break;
    if (bytes[at] === OPTION.maximumSegmentSize && length === 4) maximumSegmentSize = get16(bytes, at + 2);
    if (bytes[at] === OPTION.windowScale && length === 3) {
      windowScale = Math.min(WINDOW_SCALE_MAX, bytes[at + 2]!);
    }
    at += length;
  }
  return { maximumSegmentSize, windowScale };
}

/** Writes a SYN's options to the header's end: 4 bytes, or 8 with a window scale. */
export function writeSynOptions(
  frame: Uint8Array,
  maximumSegmentSize: number,
  windowScale: number | undefined,
): void {
  const at = TCP_AT + TCP_BYTES;
  frame[at] = OPTION.maximumSegmentSize;
  frame[at + 1] = 4;
  put16(frame, at + 2, maximumSegmentSize);
  if (windowScale === undefined) return;
  frame[at + 4] = OPTION.nothing;
  frame[at + 5] = OPTION.windowScale;
  frame[at + 6] = 3;
  frame[at + 7] = windowScale;
}

export interface TcpHeader {
  readonly source: Ipv4Address;
  readonly sourcePort: number;
  readonly destination: Ipv4Address;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly acknowledgment: number;
  readonly flags: number;
  readonly window: number;
}

/** Writes header and checksum; options and payload stand in the frame already. */
export function writeTcp(frame: Uint8Array, header: TcpHeader, optionBytes: number): void {
  const at = TCP_AT;
  put16(frame, at, header.sourcePort);
  put16(frame, at + 2, header.destinationPort);
  put32(frame, at + 4, header.sequence);
  put32(frame, at + 8, header.acknowledgment);
  frame[at + 12] = ((TCP_BYTES + optionBytes) / 4) << 4;
  frame[at + 13] = header.flags;
  put16(frame, at + 14, header.window);
  put16(frame, at + 16, 0);
  const pseudo = pseudoHeader(header.source, header.destination, PROTOCOL.tcp, frame.length - at);
  put16(frame, at + 16, finish(addWords(frame, at, frame.length, pseudo)));
}
