import type { Ipv4Address } from '../base/ipv4.ts';
import { addWords, finish } from './checksum.ts';
import { type IpPacket, PROTOCOL } from './ip.ts';
import type { Link } from './link.ts';
import { GATEWAY, NAME_SERVER } from './plan.ts';
import { put16 } from './wire.ts';

const ECHO_REPLY = 0;
const UNREACHABLE = 3;
const ECHO = 8;
const HEADER_BYTES = 8;

/** Codes of "destination unreachable" (RFC 792; RFC 1812, section 5.2.7.1). */
export const UNREACHABLE_CODE = { host: 1, port: 3, prohibited: 13 } as const;

/**
 * Answers an echo request to the network's own addresses. Echoes to anybody else would need a raw socket, which takes rights: the
 * guest is told that they are prohibited, so that `ping` says so at once.
 */
export function answerIcmp(packet: IpPacket, link: Link): void {
  const { bytes, start, end } = packet;
  if (end - start < HEADER_BYTES || finish(addWords(bytes, start, end)) !== 0) return;
  if (bytes[start] !== ECHO || bytes[start + 1] !== 0) return;
  if (packet.destination !== GATEWAY && packet.destination !== NAME_SERVER) {
    sendUnreachable(packet, UNREACHABLE_CODE.prohibited, link);
    return;
  }
  const reply = bytes.slice(start, end);
  reply[0] = ECHO_REPLY;
  seal(reply);
  link.sendIp(packet.destination, packet.source, PROTOCOL.icmp, reply);
}

/** What an error message says of the packet that it is about. */
export interface Quoted {
  readonly source: Ipv4Address;
  readonly quote: Uint8Array;
}

export function sendUnreachable(packet: Quoted, code: number, link: Link): void {
  const message = new Uint8Array(HEADER_BYTES + packet.quote.length);
  message[0] = UNREACHABLE;
  message[1] = code;
  message.set(packet.quote, HEADER_BYTES);
  seal(message);
  link.sendIp(GATEWAY, packet.source, PROTOCOL.icmp, message);
}

function seal(message: Uint8Array): void {
  put16(message, 2, 0);
  put16(message, 2, finish(addWords(message, 0, message.length)));
}
