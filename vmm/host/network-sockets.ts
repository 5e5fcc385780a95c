import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { getServers, lookup } from 'node:dns';
import { connect, createServer, isIPv6, type Socket } from 'node:net';
import { formatIpv4, type Ipv4Address, parseIpv4 } from '../base/ipv4.ts';
import type {
  AcceptEvents,
  DatagramEvents,
  HostDatagrams,
  HostListener,
  HostStream,
  NetworkHost,
  ResolvedName,
  StreamEvents,
} from '../contracts/network.ts';
import { explainErrno } from './images.ts';

/** Sockets that live at once, those that only finish sending among them; more are refused, before the process runs out of files. */
const STREAMS_MAX = 1024;
/** Datagrams that wait for the host's network; more are dropped, as on any network. */
const DATAGRAM_QUEUE_BYTES_MAX = 1 << 20;
const NAME_SERVER_TIMEOUT_MS = 5000;
const DNS_PORT = 53;

export interface NetworkSocketsOptions {
  /** Default: the first of those that the host is configured with. */
  readonly nameServer?: { readonly address: string; readonly port: number };
}

/** The host's own sockets for a user-mode network. Everything runs on the event loop of the thread that made it. */
export class NetworkSockets implements NetworkHost {
  readonly #nameServer: NetworkSocketsOptions['nameServer'];
  #streams = 0;

  constructor({ nameServer }: NetworkSocketsOptions = {}) {
    this.#nameServer = nameServer;
  }

  connect(to: Ipv4Address, port: number, events: StreamEvents): HostStream {
    if (this.#streams >= STREAMS_MAX) {
      setImmediate(() => events.failed('unreachable'));
      return NO_STREAM;
    }
    const socket = connect({ host: formatIpv4(to), port, allowHalfOpen: true, noDelay: true });
    const stream = this.#stream(socket);
    stream.events = events;
    socket.once('connect', () => stream.events?.connected());
    return stream;
  }

  listen(at: Ipv4Address, port: number, events: AcceptEvents): HostListener {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      // An error that nobody listens to would end the process.
      socket.on('error', () => {});
      const stream = this.#streams < STREAMS_MAX ? this.#stream(socket) : undefined;
      const taken = stream && events.accept(stream);
      if (taken === undefined) socket.resetAndDestroy();
      else stream!.events = taken;
    });
    const host = formatIpv4(at);
    server.on('error', (error) => events.failed(`cannot listen on ${host}:${port}: ${explainListen(error)}`));
    server.listen({ host, port }, () => events.listening(portOf(server.address())));
    return { close: () => server.close() };
  }

  openDatagrams(
    at: { address: Ipv4Address; port: number } | undefined,
    events: DatagramEvents,
  ): HostDatagrams {
    return new SocketDatagrams(at, events);
  }

  resolve(name: string, done: (found: ResolvedName) => void): void {
    lookup(name, { family: 4, all: true }, (error, found) => {
      if (error !== null) {
        done({ kind: error.code === 'ENOTFOUND' ? 'no-such-name' : 'failed' });
        return;
      }
      const addresses = found
        .map(({ address }) => parseIpv4(address))
        .filter((address) => address !== undefined);
      done({ kind: 'addresses', addresses });
    });
  }

  askNameServer(query: Uint8Array, done: (answer: Uint8Array | undefined) => void): void {
    const { address, port } = this.#nameServer ?? parseServer(getServers()[0]);
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
    let open = true;
    const finish = (answer: Uint8Array | undefined) => {
      if (!open) return;
      open = false;
      clearTimeout(timer);
      socket.close();
      done(answer);
    };
    const timer = setTimeout(() => finish(undefined), NAME_SERVER_TIMEOUT_MS);
    socket.on('error', () => finish(undefined));
    // A connected socket gets nothing from anybody else; the question's own number tells late answers apart.
    socket.on('message', (answer) => {
      if (answer.length >= 2 && answer[0] === query[0] && answer[1] === query[1]) finish(answer);
    });
    socket.once('connect', () => open && socket.send(query, (error) => error && finish(undefined)));
    socket.connect(port, address);
  }

  #stream(socket: Socket): SocketStream {
    this.#streams++;
    socket.once('close', () => this.#streams--);
    return new SocketStream(socket);
  }
}

/** A stream for a guest that has too many. */
const NO_STREAM: HostStream = {
  read: () => undefined,
  write: () => false,
  end: () => {},
  destroy: () => {},
};

/** Pauses by itself: Node reads ahead up to the stream's high-water mark, and no further until `read` takes it. */
class SocketStream implements HostStream {
  events: StreamEvents | undefined;
  readonly #socket: Socket;
  #connected: boolean;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#connected = !socket.connecting;
    socket.once('connect', () => {
      this.#connected = true;
    });
    socket.on('readable', () => this.events?.readable());
    socket.on('drain', () => this.events?.writable());
    socket.on('end', () => this.events?.ended());
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // A reset at once can come before the news of the connection.
      const refuses = error.code === 'ECONNREFUSED' || error.code === 'ECONNRESET';
      const early = refuses ? 'refused' : 'unreachable';
      this.#fail(this.#connected ? 'reset' : early);
    });
    // Closed without an error and before both ends: nobody says why, and the guest must not wait.
    socket.on('close', () => {
      if (!socket.readableEnded || !socket.writableFinished) this.#fail('reset');
    });
  }

  read(max: number): Uint8Array | undefined {
    const socket = this.#socket;
    const count = Math.min(max, socket.readableLength);
    // A read of nothing makes Node tell of the next bytes, or of the end.
    const data: Uint8Array | null = count === 0 ? socket.read() : socket.read(count);
    return data ?? undefined;
  }

  write(data: Uint8Array): boolean {
    return this.#socket.write(data);
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.events = undefined;
    this.#socket.resetAndDestroy();
  }

  #fail(why: 'refused' | 'unreachable' | 'reset'): void {
    const events = this.events;
    this.events = undefined;
    events?.failed(why);
  }
}

class SocketDatagrams implements HostDatagrams {
  readonly #socket: DatagramSocket;
  #open = true;

  constructor(at: { address: Ipv4Address; port: number } | undefined, events: DatagramEvents) {
    const socket = createSocket('udp4');
    this.#socket = socket;
    const where = at === undefined ? undefined : { address: formatIpv4(at.address), port: at.port };
    socket.on('error', (error) => {
      if (!this.#open) return;
      this.close();
      const place = where === undefined ? 'a port' : `${where.address}:${where.port}`;
      events.failed(`cannot open ${place} for datagrams: ${explainListen(error)}`);
    });
    socket.on('listening', () => this.#open && events.listening(socket.address().port));
    socket.on('message', (data, { address, port }) => {
      const from = parseIpv4(address);
      if (this.#open && from !== undefined) events.received(data, from, port);
    });
    socket.bind(where ?? { port: 0 });
  }

  send(data: Uint8Array, to: Ipv4Address, port: number): void {
    if (!this.#open || port === 0 || this.#socket.getSendQueueSize() > DATAGRAM_QUEUE_BYTES_MAX) return;
    // What cannot be sent is lost, as a datagram may be.
    this.#socket.send(data, port, formatIpv4(to), () => {});
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#socket.close();
  }
}

const portOf = (address: ReturnType<ReturnType<typeof createServer>['address']>): number =>
  address === null || typeof address === 'string' ? 0 : address.port;

function explainListen(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') return 'the address is in use';
  if (code === 'EADDRNOTAVAIL') return 'the host has no such address';
  return explainErrno(error);
}

/** `1.2.3.4`, `1.2.3.4:5353`, `::1`, `[::1]:5353`, as Node tells the host's name servers. */
function parseServer(text = '127.0.0.1'): { address: string; port: number } {
  const bracketed = /^\[(.+)\](?::(\d+))?$/.exec(text) ?? /^([\d.]+):(\d+)$/.exec(text);
  return { address: bracketed?.[1] ?? text, port: Number(bracketed?.[2] ?? DNS_PORT) };
}
