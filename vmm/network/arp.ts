import type { Ipv4Address } from '../base/ipv4.ts';
import { ETHERNET_BYTES, ETHERTYPE_ARP } from './ip.ts';
import type { Link } from './link.ts';
import { BROADCAST_MAC, GATEWAY, isGuest, NAME_SERVER, ownMac } from './plan.ts';
import { get16, getAddress, put16, put32 } from './wire.ts';

/** RFC 826, for Ethernet and IPv4: 28 bytes. */
const ARP_BYTES = 28;
const REQUEST = 1;
const REPLY = 2;

/** Learns the sender, and answers who asks for one of the network's own addresses. `learned` tells of a new guest address. */
export function answerArp(frame: Uint8Array, link: Link, learned: (address: Ipv4Address) => void): void {
  const at = ETHERNET_BYTES;
  if (frame.length < at + ARP_BYTES) return;
  const ethernetAndIp =
    get16(frame, at) === 1 && get16(frame, at + 2) === 0x0800 && frame[at + 4] === 6 && frame[at + 5] === 4;
  if (!ethernetAndIp) return;
  const senderMac = frame.subarray(at + 8, at + 14);
  const sender = getAddress(frame, at + 14);
  const target = getAddress(frame, at + 24);
  // A card with its group bit set is no single card.
  if (isGuest(sender) && (senderMac[0]! & 1) === 0 && link.learn(sender, senderMac)) learned(sender);
  if (get16(frame, at + 6) !== REQUEST || (target !== GATEWAY && target !== NAME_SERVER)) return;
  link.send(arpFrame(REPLY, target, senderMac, sender));
}

/** Asks whose card has an address of the guest's. */
export const arpRequest = (target: Ipv4Address): Uint8Array =>
  arpFrame(REQUEST, GATEWAY, BROADCAST_MAC, target);

function arpFrame(operation: number, own: Ipv4Address, mac: Uint8Array, other: Ipv4Address): Uint8Array {
  const frame = new Uint8Array(ETHERNET_BYTES + ARP_BYTES);
  const at = ETHERNET_BYTES;
  frame.set(mac, 0);
  frame.set(ownMac(own), 6);
  put16(frame, 12, ETHERTYPE_ARP);
  put16(frame, at, 1);
  put16(frame, at + 2, 0x0800);
  frame[at + 4] = 6;
  frame[at + 5] = 4;
  put16(frame, at + 6, operation);
  frame.set(ownMac(own), at + 8);
  put32(frame, at + 14, own);
  if (operation === REPLY) frame.set(mac, at + 18);
  put32(frame, at + 24, other);
  return frame;
}
