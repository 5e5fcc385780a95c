import { type Ipv4Address, ipv4Address } from '../base/ipv4.ts';

/** Who has which address: as in QEMU's user network, so that a guest made for it finds everything. */
const octets = (a: number, b: number, c: number, d: number) =>
  ipv4Address((a << 24) | (b << 16) | (c << 8) | d);

export const SUBNET: Ipv4Address = octets(10, 0, 2, 0);
export const NETMASK: Ipv4Address = octets(255, 255, 255, 0);
export const BROADCAST: Ipv4Address = octets(10, 0, 2, 255);
/** The gateway, which is also the host: what goes to it reaches the host's loopback. */
export const GATEWAY: Ipv4Address = octets(10, 0, 2, 2);
export const NAME_SERVER: Ipv4Address = octets(10, 0, 2, 3);
export const FIRST_GUEST: Ipv4Address = octets(10, 0, 2, 15);
export const EVERYBODY: Ipv4Address = octets(255, 255, 255, 255);

export const inSubnet = (address: Ipv4Address): boolean => (address & NETMASK) >>> 0 === SUBNET;

/** An address that a guest may send from. */
export const isGuest = (address: Ipv4Address): boolean =>
  inSubnet(address) &&
  address !== GATEWAY &&
  address !== NAME_SERVER &&
  address !== SUBNET &&
  address !== BROADCAST;

/**
 * An address beyond the gateway. Loopback never stands on a wire (RFC 1122, section 3.2.1.3), and groups and reserved blocks
 * (RFC 6890) are no single host.
 */
export function isRemote(address: Ipv4Address): boolean {
  const first = address >>> 24;
  return !inSubnet(address) && first !== 0 && first !== 127 && first < 224;
}

/** The network's own cards: 52:55 and the IPv4 address. */
export function ownMac(address: Ipv4Address): Uint8Array {
  return Uint8Array.of(0x52, 0x55, address >>> 24, address >>> 16, address >>> 8, address);
}

export const BROADCAST_MAC: Uint8Array = new Uint8Array(6).fill(0xff);
