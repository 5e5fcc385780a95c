import { type Ipv4Address, LOOPBACK } from '../base/ipv4.ts';
import type {
  HostStream,
  ListenEvents,
  NetworkHost,
  PortForward,
  StreamEvents,
} from '../contracts/network.ts';
import { type IpPacket, PROTOCOL } from './ip.ts';
import type { Link } from './link.ts';
import { FIRST_GUEST, GATEWAY, isRemote } from './plan.ts';
import { type ConnectionEvents, type Endpoints, TcpConnection } from './tcp-connection.ts';
import { FLAG, parseTcp, type Segment, TCP_BYTES, writeTcp } from './tcp-segment.ts';

/** With both buffers full, this many take 256 MiB. More are refused, as by a host that has no memory. */
const CONNECTIONS_MAX = 512;
/** Ports that forwarded connections seem to come from (RFC 6335: the dynamic ones). */
const FIRST_PORT = 49152;
/** How far initial sequence numbers stand apart: farther than any window. Nobody else is on this wire to guess them. */
const SEQUENCE_STEP = 0x01234567;

/** All TCP connections between the guest and the host. */
export class TcpTable {
  readonly #host: NetworkHost;
  readonly #link: Link;
  readonly #frameReady: () => void;
  readonly #connections = new Map<string, TcpConnection>();
  /** Those that may have a segment for the guest, in turn. */
  readonly #ready = new Set<TcpConnection>();
  /** No deadline is earlier. */
  #earliestNs = Infinity;
  #nowNs = 0;
  #sequence = 0;
  #port = FIRST_PORT;

  constructor(host: NetworkHost, link: Link, frameReady: () => void) {
    this.#host = host;
    this.#link = link;
    this.#frameReady = frameReady;
  }

  get count(): number {
    return this.#connections.size;
  }

  /** A TCP packet from the guest. */
  packet(packet: IpPacket, nowNs: number): void {
    this.#nowNs = nowNs;
    const segment = parseTcp(packet);
    if (segment === undefined) return;
    const endpoints: Endpoints = {
      guest: packet.source,
      guestPort: segment.sourcePort,
      remote: packet.destination,
      remotePort: segment.destinationPort,
    };
    const known = this.#connections.get(keyOf(endpoints));
    if (known?.yieldsTo(segment) === true) known.abort();
    else if (known !== undefined) {
      known.segment(segment, nowNs);
      return;
    }
    if ((segment.flags & (FLAG.syn | FLAG.ack | FLAG.rst | FLAG.fin)) === FLAG.syn && this.#makeRoom()) {
      this.#connect(endpoints, segment, packet);
    } else if ((segment.flags & FLAG.rst) === 0) {
      this.#refuse(endpoints, segment);
    }
  }

  /** Opens a port of the host's; returns what closes it again. Connections that came through it stay. */
  forward({ hostAddress, hostPort, guestAddress, guestPort }: PortForward, events: ListenEvents): () => void {
    const guest = guestAddress ?? FIRST_GUEST;
    const listener = this.#host.listen(hostAddress ?? LOOPBACK, hostPort, {
      listening: (port) => events.listening(port),
      failed: (reason) => events.failed(reason),
      accept: (stream) => this.#accept(guest, guestPort, stream),
    });
    return () => listener.close();
  }

  /** The next segment for the guest, made now; the connections take turns. */
  take(nowNs: number): Uint8Array | undefined {
    this.#nowNs = nowNs;
    for (const connection of this.#ready) {
      this.#ready.delete(connection);
      const frame = connection.take(nowNs);
      if (frame === undefined) continue;
      this.#ready.add(connection);
      return frame;
    }
    return undefined;
  }

  expire(nowNs: number): void {
    this.#nowNs = nowNs;
    if (nowNs < this.#earliestNs) return;
    this.#earliestNs = Infinity;
    for (const connection of [...this.#connections.values()]) {
      if (connection.deadlineNs <= nowNs) connection.timeout(nowNs);
    }
    for (const connection of this.#connections.values()) {
      this.#earliestNs = Math.min(this.#earliestNs, connection.deadlineNs);
    }
  }

  /** No connection has something to do earlier; it may turn out that none has then. */
  nextDeadlineNs(): number {
    return this.#earliestNs;
  }

  /** The card of a guest's address became known: forwards to it may wait for that. */
  guestKnown(guest: Ipv4Address): void {
    for (const connection of this.#connections.values()) {
      if (connection.endpoints.guest === guest) connection.guestKnown();
    }
  }

  /** Ends all connections; forwards stay. */
  reset(): void {
    for (const connection of [...this.#connections.values()]) connection.abort();
    this.#earliestNs = Infinity;
  }

  #connect(endpoints: Endpoints, syn: Segment, packet: IpPacket): void {
    const { remote, remotePort } = endpoints;
    // The name server takes datagrams only; whom the guest sees there is not the host.
    if (remote !== GATEWAY && !isRemote(remote)) {
      this.#refuse(endpoints, syn);
      return;
    }
    const connection: TcpConnection = TcpConnection.fromGuest(
      endpoints,
      syn,
      packet.quote,
      this.#nextSequence(),
      this.#link,
      this.#events(endpoints, () => connection),
    );
    this.#connections.set(keyOf(endpoints), connection);
    connection.attach(this.#host.connect(remote === GATEWAY ? LOOPBACK : remote, remotePort, connection));
  }

  #accept(guest: Ipv4Address, guestPort: number, stream: HostStream): StreamEvents | undefined {
    const endpoints = this.#freeEndpoints(guest, guestPort);
    if (endpoints === undefined || !this.#makeRoom()) return undefined;
    const connection: TcpConnection = TcpConnection.toGuest(
      endpoints,
      stream,
      this.#nextSequence(),
      this.#link,
      this.#events(endpoints, () => connection),
    );
    this.#connections.set(keyOf(endpoints), connection);
    this.#makeReady(connection);
    return connection;
  }

  #events(endpoints: Endpoints, connection: () => TcpConnection): ConnectionEvents {
    return {
      ready: () => this.#makeReady(connection()),
      armed: (deadlineNs) => {
        this.#earliestNs = Math.min(this.#earliestNs, deadlineNs);
      },
      closed: () => {
        this.#ready.delete(connection());
        this.#connections.delete(keyOf(endpoints));
      },
      nowNs: () => this.#nowNs,
    };
  }

  #makeReady(connection: TcpConnection): void {
    this.#ready.add(connection);
    this.#frameReady();
  }

  /** A connection that waits only for stragglers makes way for a new one. */
  #makeRoom(): boolean {
    if (this.#connections.size < CONNECTIONS_MAX) return true;
    for (const connection of this.#connections.values()) {
      if (!connection.isTimeWait) continue;
      connection.abort();
      return true;
    }
    return false;
  }

  #freeEndpoints(guest: Ipv4Address, guestPort: number): Endpoints | undefined {
    for (let tried = FIRST_PORT; tried <= 0xffff; tried++) {
      const endpoints = { guest, guestPort, remote: GATEWAY, remotePort: this.#port };
      this.#port = this.#port === 0xffff ? FIRST_PORT : this.#port + 1;
      if (!this.#connections.has(keyOf(endpoints))) return endpoints;
    }
    return undefined;
  }

  #nextSequence(): number {
    this.#sequence = (this.#sequence + SEQUENCE_STEP) >>> 0;
    return this.#sequence;
  }

  /** The reset for a segment of no connection (RFC 9293, section 3.10.7.1). */
  #refuse(endpoints: Endpoints, segment: Segment): void {
    const { guest, guestPort, remote, remotePort } = endpoints;
    const { flags, sequence, acknowledgment, payload } = segment;
    const acknowledges = (flags & FLAG.ack) !== 0;
    const length = payload.length + ((flags & FLAG.syn) !== 0 ? 1 : 0) + ((flags & FLAG.fin) !== 0 ? 1 : 0);
    const frame = this.#link.ipFrame(remote, guest, PROTOCOL.tcp, TCP_BYTES);
    writeTcp(
      frame,
      {
        source: remote,
        sourcePort: remotePort,
        destination: guest,
        destinationPort: guestPort,
        sequence: acknowledges ? acknowledgment : 0,
        acknowledgment: acknowledges ? 0 : (sequence + length) >>> 0,
        flags: acknowledges ? FLAG.rst : FLAG.rst | FLAG.ack,
        window: 0,
      },
      0,
    );
    this.#link.send(frame);
  }
}

const keyOf = ({ guest, guestPort, remote, remotePort }: Endpoints): string =>
  `${guest}:${guestPort} ${remote}:${remotePort}`;
