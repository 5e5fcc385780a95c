import { formatIpv4, type Ipv4Address } from '../../vmm/base/ipv4.ts';
import type {
  AcceptEvents,
  DatagramEvents,
  HostDatagrams,
  HostListener,
  HostStream,
  NetworkHost,
  ResolvedName,
  StreamEvents,
} from '../../vmm/contracts/network.ts';
import type { Source } from './guest-tcp.ts';

/** The far end of a stream, played by a test. */
export class FakeStream implements HostStream {
  readonly to: string;
  events: StreamEvents | undefined;
  onData: (data: Uint8Array) => void = () => {};
  receivedBytes = 0;
  guestEnded = false;
  destroyed = false;
  /** How many bytes `write` takes until it says to wait. */
  appetite = Infinity;
  #source: Source | undefined;
  #sourceEnds = true;
  #sent = 0;
  #endTold = false;
  readonly #later: (event: () => void) => void;

  constructor(to: string, later: (event: () => void) => void) {
    this.to = to;
    this.#later = later;
  }

  /** Sends these bytes to the guest, and ends unless told otherwise. */
  give(source: Source, ends = true): void {
    this.#source = source;
    this.#sourceEnds = ends;
    this.#sent = 0;
    this.#later(() => this.events?.readable());
  }

  /** Bytes that the network took from here. */
  get takenBytes(): number {
    return this.#sent;
  }

  feed(bytes: number): void {
    this.appetite = bytes;
    this.#later(() => this.events?.writable());
  }

  read(max: number): Uint8Array | undefined {
    const source = this.#source;
    if (source === undefined) return undefined;
    const data = source.read(this.#sent, Math.min(max, 16384, source.length - this.#sent));
    this.#sent += data.length;
    if (data.length > 0) return data.slice();
    if (this.#sourceEnds && !this.#endTold) {
      this.#endTold = true;
      this.#later(() => this.events?.ended());
    }
    return undefined;
  }

  write(data: Uint8Array): boolean {
    if (this.guestEnded || this.destroyed) throw new Error('a write after the end');
    this.receivedBytes += data.length;
    this.appetite -= data.length;
    this.onData(data);
    return this.appetite > 0;
  }

  end(): void {
    if (this.guestEnded) throw new Error('a second end');
    this.guestEnded = true;
  }

  destroy(): void {
    this.destroyed = true;
    this.events = undefined;
  }
}

export interface FakeDatagrams {
  readonly at: string | undefined;
  readonly sent: { readonly data: Uint8Array; readonly to: string }[];
  readonly events: DatagramEvents;
  closed: boolean;
}

/** A host without sockets: what the network asks for is kept here, and events happen when the test runs them. */
export class FakeNetworkHost implements NetworkHost {
  readonly streams: FakeStream[] = [];
  readonly datagrams: FakeDatagrams[] = [];
  readonly listeners: AcceptEvents[] = [];
  readonly questions: Uint8Array[] = [];
  /** What becomes of a connection: the test's server, or a refusal. */
  onConnect: (stream: FakeStream) => 'refused' | 'unreachable' | 'silent' | undefined = () => undefined;
  onResolve: (name: string) => ResolvedName = () => ({ kind: 'no-such-name' });
  #events: (() => void)[] = [];

  readonly later = (event: () => void): void => {
    this.#events.push(event);
  };

  /** Runs what has happened on the host since the last call. */
  run(): void {
    const events = this.#events;
    this.#events = [];
    for (const event of events) event();
  }

  connect(to: Ipv4Address, port: number, events: StreamEvents): HostStream {
    const stream = new FakeStream(`${formatIpv4(to)}:${port}`, this.later);
    this.streams.push(stream);
    stream.events = events;
    const outcome = this.onConnect(stream);
    if (outcome === undefined) this.later(() => stream.events?.connected());
    else if (outcome !== 'silent') this.later(() => stream.events?.failed(outcome));
    return stream;
  }

  listen(_at: Ipv4Address, port: number, events: AcceptEvents): HostListener {
    this.listeners.push(events);
    this.later(() => events.listening(port));
    return { close: () => this.listeners.splice(this.listeners.indexOf(events), 1) };
  }

  /** A client of the host's connects to the only forwarded port. */
  accept(): FakeStream {
    const stream = new FakeStream('', this.later);
    stream.events = this.listeners[0]!.accept(stream);
    return stream;
  }

  openDatagrams(
    at: { address: Ipv4Address; port: number } | undefined,
    events: DatagramEvents,
  ): HostDatagrams {
    const name = at === undefined ? undefined : `${formatIpv4(at.address)}:${at.port}`;
    const socket: FakeDatagrams = { at: name, sent: [], events, closed: false };
    this.datagrams.push(socket);
    this.later(() => events.listening(at?.port ?? 40000));
    return {
      send: (data, to, port) => socket.sent.push({ data, to: `${formatIpv4(to)}:${port}` }),
      close: () => {
        socket.closed = true;
      },
    };
  }

  resolve(name: string, done: (found: ResolvedName) => void): void {
    this.later(() => done(this.onResolve(name)));
  }

  askNameServer(query: Uint8Array, done: (answer: Uint8Array | undefined) => void): void {
    this.questions.push(query);
    this.later(() => done(undefined));
  }
}
