import { type Ipv4Address, ipv4Address } from '../base/ipv4.ts';
import { BROADCAST, EVERYBODY, FIRST_GUEST, GATEWAY, inSubnet, NAME_SERVER, NETMASK } from './plan.ts';
import { get32, getAddress, put16, put32 } from './wire.ts';

export const DHCP_SERVER_PORT = 67;
export const DHCP_CLIENT_PORT = 68;

/** RFC 2131, figure 1: the fixed part, then the magic cookie of RFC 2132, section 2. */
const FIXED_BYTES = 236;
const COOKIE = 0x63825363;
const BROADCAST_FLAG = 0x8000;
/** A client need not take more (RFC 2131, section 2). */
const REPLY_BYTES = 300;

/** Addresses from the first guest's on; a guest with more cards than that waits in vain for the others'. */
const LEASES_MAX = 16;
const LEASE_SECONDS = 86400;

const MESSAGE = {
  discover: 1,
  offer: 2,
  request: 3,
  decline: 4,
  ack: 5,
  nak: 6,
  release: 7,
  inform: 8,
} as const;

const OPTION = {
  subnetMask: 1,
  router: 3,
  nameServer: 6,
  mtu: 26,
  broadcastAddress: 28,
  requestedAddress: 50,
  leaseSeconds: 51,
  messageType: 53,
  serverIdentifier: 54,
} as const;

export interface DhcpReply {
  readonly to: Ipv4Address;
  /** The card to send to, which has no address yet; undefined: all cards. */
  readonly mac: Uint8Array | undefined;
  readonly message: Uint8Array;
}

/** A DHCP server (RFC 2131) whose leases last as long as the network: each card keeps the address that it got first. */
export class DhcpServer {
  readonly #mtu: number;
  readonly #leases = new Map<string, Ipv4Address>();

  constructor(mtu: number) {
    this.#mtu = mtu;
  }

  answer(message: Uint8Array): DhcpReply | undefined {
    const options = parse(message);
    const type = options?.get(OPTION.messageType)?.[0];
    if (options === undefined || type === undefined) return undefined;
    const server = addressOption(options, OPTION.serverIdentifier);
    // A request that names another server declines this one's offer (RFC 2131, section 4.3.2).
    if (server !== undefined && server !== GATEWAY) return undefined;
    const mac = message.slice(28, 34);
    const current = getAddress(message, 12);
    if (type === MESSAGE.inform) {
      return inSubnet(current) ? this.#reply(message, MESSAGE.ack, undefined, current) : undefined;
    }
    if (type !== MESSAGE.discover && type !== MESSAGE.request) return undefined;
    const leased = this.#lease(mac);
    if (leased === undefined) return undefined;
    if (type === MESSAGE.discover) return this.#reply(message, MESSAGE.offer, leased, current);
    const wanted = addressOption(options, OPTION.requestedAddress) ?? current;
    return this.#reply(message, wanted === leased ? MESSAGE.ack : MESSAGE.nak, leased, current);
  }

  clear(): void {
    this.#leases.clear();
  }

  #lease(mac: Uint8Array): Ipv4Address | undefined {
    const key = mac.join(':');
    const known = this.#leases.get(key);
    if (known !== undefined || this.#leases.size >= LEASES_MAX) return known;
    const address = ipv4Address(FIRST_GUEST + this.#leases.size);
    this.#leases.set(key, address);
    return address;
  }

  /** `yours` is undefined for a client that has its address from elsewhere: it gets no lease time (section 4.3.5). */
  #reply(request: Uint8Array, type: number, yours: Ipv4Address | undefined, current: Ipv4Address): DhcpReply {
    const message = new Uint8Array(REPLY_BYTES);
    message.set(request.subarray(0, 44)); // Hardware, transaction, flags, addresses, card.
    message[0] = 2;
    message[3] = 0;
    put16(message, 8, 0);
    put32(message, 16, type === MESSAGE.nak ? 0 : (yours ?? 0));
    put32(message, 20, type === MESSAGE.nak ? 0 : GATEWAY);
    if (type === MESSAGE.nak) put32(message, 12, 0);
    put32(message, FIXED_BYTES, COOKIE);
    let at = FIXED_BYTES + 4;
    const option = (code: number, length: 1 | 2 | 4, value: number) => {
      message[at] = code;
      message[at + 1] = length;
      for (let i = 0; i < length; i++) message[at + 2 + i] = value >>> (8 * (length - 1 - i));
      at += 2 + length;
    };
    option(OPTION.messageType, 1, type);
    option(OPTION.serverIdentifier, 4, GATEWAY);
    if (type !== MESSAGE.nak) {
      if (yours !== undefined) option(OPTION.leaseSeconds, 4, LEASE_SECONDS);
      option(OPTION.subnetMask, 4, NETMASK);
      option(OPTION.router, 4, GATEWAY);
      option(OPTION.nameServer, 4, NAME_SERVER);
      option(OPTION.broadcastAddress, 4, BROADCAST);
      if (this.#mtu !== 1500) option(OPTION.mtu, 2, this.#mtu);
    }
    message[at] = 255;
    return { ...receiver(request, type, yours, current), message };
  }
}

/** Where an answer goes: RFC 2131, section 4.1. */
function receiver(
  request: Uint8Array,
  type: number,
  yours: Ipv4Address | undefined,
  current: Ipv4Address,
): { to: Ipv4Address; mac: Uint8Array | undefined } {
  const mac = request.slice(28, 34);
  if (type === MESSAGE.nak) return { to: EVERYBODY, mac: undefined };
  if (inSubnet(current)) return { to: current, mac };
  const broadcast = ((request[10]! << 8) & BROADCAST_FLAG) !== 0;
  return broadcast || yours === undefined ? { to: EVERYBODY, mac: undefined } : { to: yours, mac };
}

/** The options of a client's message for Ethernet; undefined where it is none. */
function parse(message: Uint8Array): Map<number, Uint8Array> | undefined {
  if (message.length < FIXED_BYTES + 4 || get32(message, FIXED_BYTES) !== COOKIE) return undefined;
  const isRequest = message[0] === 1 && message[1] === 1 && message[2] === 6;
  if (!isRequest) return undefined;
  const options = new Map<number, Uint8Array>();
  for (let at = FIXED_BYTES + 4; at < message.length; ) {
    const code = message[at]!;
    if (code === 255) break;
    if (code === 0) {
      at++;
      continue;
    }
    const length = message[at + 1];
    if (length === undefined || at + 2 + length > message.length) return undefined;
    options.set(code, message.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return options;
}

function addressOption(options: Map<number, Uint8Array>, code: number): Ipv4Address | undefined {
  const value = options.get(code);
  return value?.length === 4 ? getAddress(value, 0) : undefined;
}
