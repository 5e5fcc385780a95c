import { assert } from '../base/assert.ts';
import { type Ipv4Address, ipv4Address } from '../base/ipv4.ts';
import type { ListenEvents, Network, NetworkHost, PortForward } from '../contracts/network.ts';
import { answerArp } from './arp.ts';
import { DHCP_CLIENT_PORT, DHCP_SERVER_PORT, DhcpServer } from './dhcp.ts';
import { DNS_PORT, DnsForwarder } from './dns.ts';
import { Reassembler } from './fragments.ts';
import { answerIcmp, sendUnreachable, UNREACHABLE_CODE } from './icmp.ts';
import {
  ETHERNET_BYTES,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  IP_BYTES,
  type IpPacket,
  PROTOCOL,
  parseIp,
  writeHeaders,
} from './ip.ts';
import { Link } from './link.ts';
import { BROADCAST_MAC, EVERYBODY, GATEWAY, isGuest, isRemote, NAME_SERVER, ownMac } from './plan.ts';
import { TcpTable } from './tcp-table.ts';
import { buildUdp, type Datagram, parseUdp, UdpSessions } from './udp.ts';
import { get16 } from './wire.ts';

const MTU_DEFAULT = 1500;
const NOBODY = ipv4Address(0);
const OWN_MACS = [ownMac(GATEWAY), ownMac(NAME_SERVER), BROADCAST_MAC];

export interface UserNetworkOptions {
  readonly host: NetworkHost;
  /** Bytes of an IPv4 packet towards the guest; DHCP tells the guest when it is not 1,500. */
  readonly mtu?: number;
  /** A frame may be there to take. It may be called from any of this network's methods and of the host's events. */
  readonly frameReady?: () => void;
  /** Sees each frame as it passes, with the time of the last poll. The bytes are not its own. */
  readonly capture?: (frame: Uint8Array, direction: 'from-guest' | 'to-guest', nowNs: number) => void;
}

/**
 * A network that needs no rights on the host: what a guest sends becomes what sockets of the host's send, as in QEMU's user network
 * (10.0.2.0/24: guest .15, host and gateway .2, name server .3). IPv4 only.
 *
 * Invariants: no clock, no socket: time and the host are ports. Whatever the guest sends, nothing throws and every table is bounded.
 */
export class UserNetwork implements Network {
  readonly #link: Link;
  readonly #tcp: TcpTable;
  readonly #udp: UdpSessions;
  readonly #dhcp: DhcpServer;
  readonly #dns: DnsForwarder;
  readonly #fragments = new Reassembler();
  readonly #capture: UserNetworkOptions['capture'];
  readonly #forwards = new Set<() => void>();
  #nowNs = 0;

  constructor({ host, mtu = MTU_DEFAULT, frameReady = () => {}, capture }: UserNetworkOptions) {
    // RFC 791, section 3.2: every network carries 576 bytes, and none more than its length field counts.
    assert(mtu >= 576 && mtu <= 65535, `a network has no MTU of ${mtu}`);
    this.#link = new Link(mtu, frameReady);
    this.#tcp = new TcpTable(host, this.#link, frameReady);
    this.#udp = new UdpSessions(host, this.#link);
    this.#dhcp = new DhcpServer(mtu);
    this.#dns = new DnsForwarder(host);
    this.#capture = capture;
  }

  frameFromGuest(frame: Uint8Array): void {
    this.#capture?.(frame, 'from-guest', this.#nowNs);
    if (frame.length < ETHERNET_BYTES || !OWN_MACS.some((mac) => startsWith(frame, mac))) return;
    const type = get16(frame, 12);
    if (type === ETHERTYPE_ARP) {
      answerArp(frame, this.#link, (address) => this.#tcp.guestKnown(address));
    } else if (type === ETHERTYPE_IPV4) {
      const packet = parseIp(frame);
      if (packet !== undefined) this.#packet(packet, frame.subarray(6, 12));
    }
  }

  poll(nowNs: number): void {
    this.#nowNs = Math.max(this.#nowNs, nowNs);
    this.#tcp.expire(this.#nowNs);
    this.#udp.expire(this.#nowNs);
    this.#fragments.expire(this.#nowNs);
  }

  nextDeadlineNs(): number {
    return Math.min(this.#tcp.nextDeadlineNs(), this.#udp.nextDeadlineNs(), this.#fragments.nextDeadlineNs());
  }

  takeFrameForGuest(): Uint8Array | undefined {
    const frame = this.#link.take() ?? this.#tcp.take(this.#nowNs);
    if (frame !== undefined) this.#capture?.(frame, 'to-guest', this.#nowNs);
    return frame;
  }

  /**
   * Opens a port of the host's that leads to the guest; `events` tells whether it could. Returns what closes it.
   *
   * @throws VmError `bad-config` for a second UDP forward to the same port: the guest's answers could go through one only.
   */
  forward(forward: PortForward, events: ListenEvents): () => void {
    const close = (forward.protocol === 'tcp' ? this.#tcp : this.#udp).forward(forward, events);
    const closeOnce = () => {
      if (this.#forwards.delete(closeOnce)) close();
    };
    this.#forwards.add(closeOnce);
    return closeOnce;
  }

  reset(): void {
    this.#tcp.reset();
    this.#udp.reset();
    this.#dhcp.clear();
    this.#fragments.clear();
    this.#link.reset();
  }

  close(): void {
    for (const close of [...this.#forwards]) close();
    this.reset();
  }

  /** How full the tables are, for views and tests. */
  get counts(): { readonly tcpConnections: number; readonly udpSessions: number } {
    return { tcpConnections: this.#tcp.count, udpSessions: this.#udp.count };
  }

  #packet(packet: IpPacket, mac: Uint8Array): void {
    const { source, destination } = packet;
    if (isGuest(source)) {
      // Who sends from an address has it, and need not be asked: but what ARP told stays.
      const known = this.#link.knows(source) || (mac[0]! & 1) !== 0;
      if (!known && this.#link.learn(source, mac)) this.#tcp.guestKnown(source);
    } else if (source !== NOBODY || packet.protocol !== PROTOCOL.udp) {
      return;
    }
    const isFragment = packet.moreFragments || packet.fragmentOffset > 0;
    const whole = isFragment ? this.#fragments.add(packet, this.#nowNs) : packet;
    if (whole === undefined) return;
    switch (whole.protocol) {
      case PROTOCOL.tcp:
        this.#tcp.packet(whole, this.#nowNs);
        return;
      case PROTOCOL.udp:
        this.#datagram(whole);
        return;
      case PROTOCOL.icmp:
        if (destination === GATEWAY || destination === NAME_SERVER || isRemote(destination)) {
          answerIcmp(whole, this.#link);
        }
        return;
    }
  }

  #datagram(packet: IpPacket): void {
    const datagram = parseUdp(packet);
    if (datagram === undefined) return;
    const { source, destination } = packet;
    const toHost = destination === GATEWAY || destination === EVERYBODY;
    if (toHost && datagram.destinationPort === DHCP_SERVER_PORT) {
      if (datagram.sourcePort === DHCP_CLIENT_PORT) this.#lease(datagram);
    } else if (source === NOBODY) {
      return;
    } else if (destination === NAME_SERVER) {
      this.#ask(packet, datagram);
    } else if (destination === GATEWAY || isRemote(destination)) {
      this.#udp.send(source, datagram, destination, this.#nowNs);
    }
  }

  #ask(packet: IpPacket, { sourcePort, destinationPort, data }: Datagram): void {
    if (destinationPort !== DNS_PORT) {
      sendUnreachable(packet, UNREACHABLE_CODE.port, this.#link);
      return;
    }
    const guest: Ipv4Address = packet.source;
    this.#dns.answer(data, (message) => {
      const payload = buildUdp(NAME_SERVER, DNS_PORT, guest, sourcePort, message);
      this.#link.sendIp(NAME_SERVER, guest, PROTOCOL.udp, payload);
    });
  }

  /** A DHCP client has no address yet: its frame is made by hand, past the table of neighbours. */
  #lease({ data }: Datagram): void {
    const reply = this.#dhcp.answer(data);
    if (reply === undefined) return;
    const { to, mac, message } = reply;
    const payload = buildUdp(GATEWAY, DHCP_SERVER_PORT, to, DHCP_CLIENT_PORT, message);
    const frame = new Uint8Array(ETHERNET_BYTES + IP_BYTES + payload.length);
    const header = { source: GATEWAY, destination: to, protocol: PROTOCOL.udp, identification: 0 };
    writeHeaders(frame, ownMac(GATEWAY), mac ?? BROADCAST_MAC, header, payload.length);
    frame.set(payload, ETHERNET_BYTES + IP_BYTES);
    this.#link.send(frame);
  }
}

function startsWith(frame: Uint8Array, mac: Uint8Array): boolean {
  for (let i = 0; i < 6; i++) if (frame[i] !== mac[i]) return false;
  return true;
}
