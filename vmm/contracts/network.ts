import type { Ipv4Address } from '../base/ipv4.ts';

/**
 * A card's other end: Ethernet frames without their check sequence. Nothing here knows the time: the caller gives it with
 * `poll`, and what happens between two polls happens at the time of the first.
 */
export interface Network {
  /** A frame that the guest sent. The bytes are not kept. Malformed frames vanish, as on a wire. */
  frameFromGuest(frame: Uint8Array): void;
  /** Lets time pass: lost segments are sent again, idle sessions end. Time never goes back. */
  poll(nowNs: number): void;
  /** When `poll` has something to do next; Infinity when nothing waits. */
  nextDeadlineNs(): number;
  /** The next frame towards the guest, the caller's own; undefined when there is none now. */
  takeFrameForGuest(): Uint8Array | undefined;
  /** The guest was reset, or its past is another one now: all that it had open ends. Port forwards stay. */
  reset(): void;
  close(): void;
}

/** Why a connection ended, as far as the guest may learn it: by RST, or by ICMP. */
export type StreamFailure = 'refused' | 'unreachable' | 'reset';

/** What a stream tells. Nothing more comes after `failed`, and nothing after the stream was destroyed. */
export interface StreamEvents {
  connected(): void;
  /** `read` may return bytes again. */
  readable(): void;
  /** `write` may be called again after it returned false. */
  writable(): void;
  /** The other side sends no more, and all that it sent was read. */
  ended(): void;
  failed(why: StreamFailure): void;
}

/**
 * A TCP connection of the host's. Neither direction buffers without bound: the host reads ahead a bounded number of bytes until
 * `read` takes them, and `write` says when to wait.
 */
export interface HostStream {
  /** At most `max` bytes that have come; undefined when there are none now (`readable` follows). */
  read(max: number): Uint8Array | undefined;
  /** Sends bytes, which stay unchanged from now on. False: wait for `writable` before the next. */
  write(data: Uint8Array): boolean;
  /** After what was written, tells the other side that no more comes; reading goes on. */
  end(): void;
  /** Ends both directions at once, with a reset where the host can send one. */
  destroy(): void;
}

/** A socket that waits for connections or datagrams at a port of the host's. */
export interface ListenEvents {
  listening(port: number): void;
  /** In words for a person: the address is in use, no right to it. */
  failed(reason: string): void;
}

export interface AcceptEvents extends ListenEvents {
  /** A connection from outside; undefined refuses it. */
  accept(stream: HostStream): StreamEvents | undefined;
}

export interface DatagramEvents extends ListenEvents {
  received(data: Uint8Array, from: Ipv4Address, fromPort: number): void;
}

export interface HostListener {
  close(): void;
}

export interface HostDatagrams {
  /** Sends, or drops when the host cannot keep up. The bytes stay unchanged from now on. */
  send(data: Uint8Array, to: Ipv4Address, toPort: number): void;
  close(): void;
}

export type ResolvedName =
  | { readonly kind: 'addresses'; readonly addresses: readonly Ipv4Address[] }
  | { readonly kind: 'no-such-name' }
  | { readonly kind: 'failed' };

/** What the host does for a user-mode network. No method calls back before it returns. */
export interface NetworkHost {
  connect(to: Ipv4Address, port: number, events: StreamEvents): HostStream;
  listen(at: Ipv4Address, port: number, events: AcceptEvents): HostListener;
  /** Without `at`: any free port, to send from. */
  openDatagrams(
    at: { address: Ipv4Address; port: number } | undefined,
    events: DatagramEvents,
  ): HostDatagrams;
  /** A name's IPv4 addresses as the host's own programs see them, its hosts file included. */
  resolve(name: string, done: (found: ResolvedName) => void): void;
  /** Sends a whole DNS message to the host's name server; undefined when no answer came. */
  askNameServer(query: Uint8Array, done: (answer: Uint8Array | undefined) => void): void;
}

/** A port of the host's that leads to one of the guest's. */
export interface PortForward {
  readonly protocol: 'tcp' | 'udp';
  /** Default: the host's loopback, so that nobody else gets in. */
  readonly hostAddress?: Ipv4Address;
  /** 0 takes any that is free; `listening` tells which. */
  readonly hostPort: number;
  /** Default: the first address that DHCP gives. */
  readonly guestAddress?: Ipv4Address;
  readonly guestPort: number;
}
