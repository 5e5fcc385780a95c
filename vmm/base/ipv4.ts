declare const brand: unique symbol;

/** An IPv4 address as an unsigned number of 32 bits, first octet highest. */
export type Ipv4Address = number & { readonly [brand]: 'ipv4' };

export const ipv4Address = (bits: number): Ipv4Address => (bits >>> 0) as Ipv4Address;

/** Reads `10.0.2.15`; undefined for anything but four decimal octets. */
export function parseIpv4(text: string): Ipv4Address | undefined {
  const octets = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  if (octets === undefined || octets.some((octet) => octet > 255)) return undefined;
  return ipv4Address(octets.reduce((bits, octet) => bits * 256 + octet, 0));
}

export const formatIpv4 = (address: Ipv4Address): string =>
  [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join('.');

/** 127.0.0.1, the host's own. */
export const LOOPBACK: Ipv4Address = ipv4Address(0x7f000001);
