import { type Ipv4Address, LOOPBACK } from '../base/ipv4.ts';
import { VmError } from '../base/vm-error.ts';
import type { HostDatagrams, ListenEvents, NetworkHost, PortForward } from '../contracts/network.ts';
import { addWords, finish, pseudoHeader } from './checksum.ts';
import { type IpPacket, PROTOCOL } from './ip.ts';
import type { Link } from './link.ts';
import { FIRST_GUEST, GATEWAY } from './plan.ts';
import { get16, put16 } from './wire.ts';

const HEADER_BYTES = 8;
/** RFC 4787, REQ-5: not below two minutes. */
const IDLE_NS = 120e9;
/** The session that was silent longest makes way for a new one. */
const SESSIONS_MAX = 512;
/** Whom one port of the guest's talks to. */
const PEERS_MAX = 256;

export interface Datagram {
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Lies in the packet's bytes. */
  readonly data: Uint8Array;
}

interface Session {
  readonly guest: Ipv4Address;
  readonly guestPort: number;
  readonly socket: HostDatagrams;
  /** Those whom the guest has sent to, and who may answer; undefined where anybody may. */
  readonly peers: Set<Ipv4Address> | undefined;
  deadlineNs: number;
}

/** RFC 768; undefined when length or checksum are wrong. */
export function parseUdp(packet: IpPacket): Datagram | undefined {
  const { bytes, start, end } = packet;
  if (end - start < HEADER_BYTES) return undefined;
  const length = get16(bytes, start + 4);
  if (length < HEADER_BYTES || start + length > end) return undefined;
  if (get16(bytes, start + 6) !== 0) {
    const pseudo = pseudoHeader(packet.source, packet.destination, PROTOCOL.udp, length);
    if (finish(addWords(bytes, start, start + length, pseudo)) !== 0) return undefined;
  }
  return {
    sourcePort: get16(bytes, start),
    destinationPort: get16(bytes, start + 2),
    data: bytes.subarray(start + HEADER_BYTES, start + length),
  };
}

/** A datagram with its header, as the payload of an IPv4 packet. */
export function buildUdp(
  source: Ipv4Address,
  sourcePort: number,
  destination: Ipv4Address,
  destinationPort: number,
  data: Uint8Array,
): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + data.length);
  put16(bytes, 0, sourcePort);
  put16(bytes, 2, destinationPort);
  put16(bytes, 4, bytes.length);
  bytes.set(data, HEADER_BYTES);
  const pseudo = pseudoHeader(source, destination, PROTOCOL.udp, bytes.length);
  // A sum of zero is sent as all ones: zero means none (RFC 768).
  put16(bytes, 6, finish(addWords(bytes, 0, bytes.length, pseudo)) || 0xffff);
  return bytes;
}

/** Each port that the guest sends from has a socket of the host's, so that all whom it talks to see one address and port. */
export class UdpSessions {
  readonly #host: NetworkHost;
  readonly #link: Link;
  /** In the order of last use. */
  readonly #sessions = new Map<string, Session>();
  readonly #forwards = new Map<string, Session>();

  constructor(host: NetworkHost, link: Link) {
    this.#host = host;
    this.#link = link;
  }

  /** Sends a datagram of the guest's to the host or beyond. */
  send(guest: Ipv4Address, datagram: Datagram, to: Ipv4Address, nowNs: number): void {
    const key = `${guest}:${datagram.sourcePort}`;
    const session = this.#forwards.get(key) ?? this.#use(key, guest, datagram.sourcePort, nowNs);
    if (session.peers !== undefined) {
      session.peers.delete(to);
      if (session.peers.size >= PEERS_MAX) session.peers.delete(session.peers.values().next().value!);
      session.peers.add(to);
    }
    session.socket.send(datagram.data.slice(), to === GATEWAY ? LOOPBACK : to, datagram.destinationPort);
  }

  /** Opens a port of the host's; returns what closes it again. What the guest sends from its port goes out there from then on. */
  forward({ hostAddress, hostPort, guestAddress, guestPort }: PortForward, events: ListenEvents): () => void {
    const guest = guestAddress ?? FIRST_GUEST;
    const key = `${guest}:${guestPort}`;
    if (this.#forwards.has(key)) {
      throw new VmError('bad-config', `port ${guestPort} of the guest has a forward for datagrams already`);
    }
    const at = { address: hostAddress ?? LOOPBACK, port: hostPort };
    const socket = this.#host.openDatagrams(at, {
      listening: (port) => events.listening(port),
      failed: (reason) => {
        this.#forwards.delete(key);
        events.failed(reason);
      },
      received: (data, from, fromPort) => this.#deliver(session, data, from, fromPort),
    });
    const session: Session = { guest, guestPort, socket, peers: undefined, deadlineNs: Infinity };
    this.#forwards.set(key, session);
    return () => {
      this.#forwards.delete(key);
      socket.close();
    };
  }

  expire(nowNs: number): void {
    for (const [key, session] of this.#sessions) {
      if (session.deadlineNs > nowNs) break;
      this.#close(key, session);
    }
  }

  nextDeadlineNs(): number {
    for (const session of this.#sessions.values()) return session.deadlineNs;
    return Infinity;
  }

  /** Ends the sessions; forwards stay. */
  reset(): void {
    for (const [key, session] of this.#sessions) this.#close(key, session);
  }

  get count(): number {
    return this.#sessions.size;
  }

  #use(key: string, guest: Ipv4Address, guestPort: number, nowNs: number): Session {
    const session = this.#sessions.get(key) ?? this.#open(key, guest, guestPort);
    session.deadlineNs = nowNs + IDLE_NS;
    this.#sessions.delete(key);
    this.#sessions.set(key, session);
    return session;
  }

  #open(key: string, guest: Ipv4Address, guestPort: number): Session {
    if (this.#sessions.size >= SESSIONS_MAX) {
      for (const [eldest, session] of this.#sessions) {
        this.#close(eldest, session);
        break;
      }
    }
    const socket = this.#host.openDatagrams(undefined, {
      listening: () => {},
      failed: () => {
        if (this.#sessions.get(key) === session) this.#sessions.delete(key);
      },
      received: (data, from, fromPort) => this.#deliver(session, data, from, fromPort),
    });
    const session: Session = { guest, guestPort, socket, peers: new Set(), deadlineNs: 0 };
    return session;
  }

  #deliver(session: Session, data: Uint8Array, from: Ipv4Address, fromPort: number): void {
    const source = from >>> 24 === 127 ? GATEWAY : from;
    if (session.peers?.has(source) === false) return;
    const { guest, guestPort } = session;
    this.#link.sendIp(source, guest, PROTOCOL.udp, buildUdp(source, fromPort, guest, guestPort, data));
  }

  #close(key: string, session: Session): void {
    this.#sessions.delete(key);
    session.socket.close();
  }
}
