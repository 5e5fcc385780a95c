/**
 * Frames as a guest builds and reads them, written apart from `vmm/network` so that one does not confirm the other's mistakes.
 */
export const GUEST_MAC: readonly number[] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
export const GATEWAY_MAC: readonly number[] = [0x52, 0x55, 10, 0, 2, 2];
export const EVERY_MAC: readonly number[] = [255, 255, 255, 255, 255, 255];

export type Octets = readonly [number, number, number, number];
export const GUEST: Octets = [10, 0, 2, 15];
export const GATEWAY: Octets = [10, 0, 2, 2];
export const NAME_SERVER: Octets = [10, 0, 2, 3];

export const u16 = (value: number): number[] => [(value >> 8) & 255, value & 255];
export const u32 = (value: number): number[] => [
  (value >>> 24) & 255,
  (value >>> 16) & 255,
  (value >>> 8) & 255,
  value & 255,
];

/** The Internet checksum (RFC 1071), one byte at a time. */
export function internetChecksum(...parts: readonly ArrayLike<number>[]): number {
  let sum = 0;
  let high = true;
  for (const part of parts) {
    for (let i = 0; i < part.length; i++) {
      sum += high ? part[i]! * 256 : part[i]!;
      high = !high;
    }
  }
  while (sum > 0xffff) sum = (sum % 65536) + Math.floor(sum / 65536);
  return 0xffff - sum;
}

export function joined(...parts: readonly ArrayLike<number>[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

export function etherFrame(to: readonly number[], type: number, payload: ArrayLike<number>): Uint8Array {
  return joined(to, GUEST_MAC, u16(type), payload);
}

export interface IpFields {
  readonly from?: Octets;
  readonly to: Octets;
  readonly protocol: number;
  readonly payload: ArrayLike<number>;
  readonly id?: number;
  /** Flags and fragment offset as the header has them. */
  readonly fragment?: number;
  readonly options?: readonly number[];
  readonly mac?: readonly number[];
}

export function ipFrame(fields: IpFields): Uint8Array {
  const { from = GUEST, to, protocol, payload, id = 1, fragment = 0, options = [] } = fields;
  const headerBytes = 20 + options.length;
  const header = [
    0x40 | (headerBytes / 4),
    0,
    ...u16(headerBytes + payload.length),
    ...u16(id),
    ...u16(fragment),
    64,
    protocol,
    0,
    0,
    ...from,
    ...to,
    ...options,
  ];
  header.splice(10, 2, ...u16(internetChecksum(header)));
  return etherFrame(fields.mac ?? GATEWAY_MAC, 0x0800, joined(header, payload));
}

const pseudo = (from: Octets, to: Octets, protocol: number, length: number) => [
  ...from,
  ...to,
  0,
  protocol,
  ...u16(length),
];

export function udpFrame(
  to: Octets,
  sourcePort: number,
  destinationPort: number,
  data: ArrayLike<number>,
  from: Octets = GUEST,
): Uint8Array {
  return ipFrame({
    from,
    to,
    protocol: 17,
    payload: udpPayload(to, sourcePort, destinationPort, data, from),
  });
}

export function udpPayload(
  to: Octets,
  sourcePort: number,
  destinationPort: number,
  data: ArrayLike<number>,
  from: Octets = GUEST,
): Uint8Array {
  const length = 8 + data.length;
  const bytes = joined([...u16(sourcePort), ...u16(destinationPort), ...u16(length), 0, 0], data);
  bytes.set(u16(internetChecksum(pseudo(from, to, 17, length), bytes)), 6);
  return bytes;
}

export interface TcpFields {
  readonly to: Octets;
  readonly from?: Octets;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly acknowledgment: number;
  readonly flags: number;
  readonly window: number;
  readonly options?: readonly number[];
  readonly data?: ArrayLike<number>;
}

export function tcpFrame(fields: TcpFields): Uint8Array {
  const { to, from = GUEST, options = [], data = [] } = fields;
  const bytes = joined(
    [
      ...u16(fields.sourcePort),
      ...u16(fields.destinationPort),
      ...u32(fields.sequence),
      ...u32(fields.acknowledgment),
      ((20 + options.length) / 4) << 4,
      fields.flags,
      ...u16(fields.window),
      0,
      0,
      0,
      0,
      ...options,
    ],
    data,
  );
  bytes.set(u16(internetChecksum(pseudo(from, to, 6, bytes.length), bytes)), 16);
  return ipFrame({ from, to, protocol: 6, payload: bytes });
}

export const arpRequestFrame = (target: Octets, sender: Octets = GUEST): Uint8Array =>
  etherFrame(EVERY_MAC, 0x0806, [
    ...[0, 1, 8, 0, 6, 4, 0, 1],
    ...GUEST_MAC,
    ...sender,
    ...[0, 0, 0, 0, 0, 0],
    ...target,
  ]);

/** A frame from the network as a guest reads it. */
export interface ReadFrame {
  readonly to: string;
  readonly from: string;
  readonly type: number;
  readonly payload: Uint8Array;
}

export const readFrame = (frame: Uint8Array): ReadFrame => ({
  to: frame.subarray(0, 6).join('.'),
  from: frame.subarray(6, 12).join('.'),
  type: frame[12]! * 256 + frame[13]!,
  payload: frame.subarray(14),
});

export interface ReadIp {
  readonly from: string;
  readonly to: string;
  readonly protocol: number;
  readonly id: number;
  readonly fragmentOffset: number;
  readonly moreFragments: boolean;
  readonly payload: Uint8Array;
}

/** Throws when the header's checksum or that of TCP, UDP or ICMP is wrong: a guest would drop it and a test would only hang. */
export function readIp(frame: Uint8Array): ReadIp | undefined {
  const { type, payload: bytes } = readFrame(frame);
  if (type !== 0x0800) return undefined;
  const headerBytes = (bytes[0]! & 15) * 4;
  const total = bytes[2]! * 256 + bytes[3]!;
  if (total !== bytes.length) throw new Error(`an IP length of ${total} in a packet of ${bytes.length}`);
  if (internetChecksum(bytes.subarray(0, headerBytes)) !== 0) throw new Error('a wrong IP checksum');
  const payload = bytes.subarray(headerBytes);
  const protocol = bytes[9]!;
  const fragment = bytes[6]! * 256 + bytes[7]!;
  if ((fragment & 0x3fff) === 0) {
    const header = protocol === 1 ? [] : [...bytes.subarray(12, 20), 0, protocol, ...u16(payload.length)];
    if (internetChecksum(header, payload) !== 0) throw new Error(`a wrong checksum of protocol ${protocol}`);
  }
  return {
    from: bytes.subarray(12, 16).join('.'),
    to: bytes.subarray(16, 20).join('.'),
    protocol,
    id: bytes[4]! * 256 + bytes[5]!,
    fragmentOffset: (fragment & 0x1fff) * 8,
    moreFragments: (fragment & 0x2000) !== 0,
    payload,
  };
}

export interface ReadUdp extends ReadIp {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly data: Uint8Array;
}

export function readUdp(frame: Uint8Array): ReadUdp | undefined {
  const ip = readIp(frame);
  if (ip === undefined || ip.protocol !== 17) return undefined;
  const view = new DataView(ip.payload.buffer, ip.payload.byteOffset, ip.payload.length);
  return {
    ...ip,
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    data: ip.payload.subarray(8, view.getUint16(4)),
  };
}

export interface ReadTcp extends ReadIp {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly acknowledgment: number;
  readonly flags: number;
  readonly window: number;
  readonly options: Uint8Array;
  readonly data: Uint8Array;
}

export function readTcp(frame: Uint8Array): ReadTcp | undefined {
  const ip = readIp(frame);
  if (ip === undefined || ip.protocol !== 6) return undefined;
  const view = new DataView(ip.payload.buffer, ip.payload.byteOffset, ip.payload.length);
  const headerBytes = (view.getUint8(12) >> 4) * 4;
  return {
    ...ip,
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    sequence: view.getUint32(4),
    acknowledgment: view.getUint32(8),
    flags: view.getUint8(13),
    window: view.getUint16(14),
    options: ip.payload.subarray(20, headerBytes),
    data: ip.payload.subarray(headerBytes),
  };
}
