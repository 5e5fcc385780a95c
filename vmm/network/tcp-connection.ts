import type { Ipv4Address } from '../base/ipv4.ts';
import type { HostStream, StreamEvents, StreamFailure } from '../contracts/network.ts';
import { arpRequest } from './arp.ts';
import { sendUnreachable, UNREACHABLE_CODE } from './icmp.ts';
import { IP_BYTES, PROTOCOL } from './ip.ts';
import type { Link } from './link.ts';
import { TcpReceiver, WINDOW_SCALE } from './tcp-receiver.ts';
import { FLAG, type Segment, TCP_AT, TCP_BYTES, writeSynOptions, writeTcp } from './tcp-segment.ts';
import { type Piece, TcpSender } from './tcp-sender.ts';

/** RFC 9293, section 3.8.6.3: below half a second; Linux's 40 ms. */
const DELAYED_ACK_NS = 40e6;
/** Long enough to answer a last FIN that comes again; a wire of no length keeps no old segments. */
const TIME_WAIT_NS = 10e9;
/** RFC 9293, section 3.7.1: without the option. */
const MSS_DEFAULT = 536;
/** Less than this is a lie that would make more headers than bytes; RFC 791's smallest MTU less the headers is 28. */
const MSS_MIN = 28;
/** Written to the host at once. */
const CHUNK_BYTES = 1 << 16;
/** Duplicate acknowledgments that wait to be taken; three start a fast retransmission. */
const DUPLICATES_MAX = 64;

export interface Endpoints {
  readonly guest: Ipv4Address;
  readonly guestPort: number;
  readonly remote: Ipv4Address;
  readonly remotePort: number;
}

export interface ConnectionEvents {
  /** `take` may give a frame. */
  ready(): void;
  /** The deadline may have come nearer. */
  armed(deadlineNs: number): void;
  closed(): void;
  nowNs(): number;
}

type State =
  | 'connecting' // the guest's SYN waits for the host's connection
  | 'handshake' // our SYN waits for its acknowledgment
  | 'open'
  | 'time-wait'
  | 'closed';

/**
 * One connection of the guest's (RFC 9293), the far side of it played here, and a stream of the host's behind it. Segments are made
 * when the guest takes them, so a guest that does not take makes nothing pile up; a host that does not take closes the guest's
 * window.
 */
export class TcpConnection implements StreamEvents {
  readonly endpoints: Endpoints;
  readonly #link: Link;
  readonly #events: ConnectionEvents;
  readonly #sender: TcpSender;
  #receiver: TcpReceiver | undefined;
  #stream: HostStream | undefined;
  #state: State;
  /** The guest's window is in units of this power of two; undefined: neither side scales (RFC 7323, section 2.2). */
  #guestScale: number | undefined;
  #mss = MSS_DEFAULT;
  /** What an ICMP error about the guest's SYN quotes. */
  #quote: Uint8Array | undefined;
  #hostReadable = true;
  #hostWritable = true;
  #hostEnded = false;
  #endGiven = false;
  #guestEndedFirst = false;
  #ackNow = false;
  #duplicatesOwed = 0;
  #unacknowledged = 0;
  #ackDeadlineNs = Infinity;
  #timeWaitNs = Infinity;

  private constructor(
    endpoints: Endpoints,
    state: State,
    initialSequence: number,
    link: Link,
    events: ConnectionEvents,
  ) {
    this.endpoints = endpoints;
    this.#state = state;
    this.#sender = new TcpSender(initialSequence);
    this.#link = link;
    this.#events = events;
  }

  /** The guest's SYN: it is answered when the host's connection stands, or refused as the host was. */
  static fromGuest(
    endpoints: Endpoints,
    syn: Segment,
    quote: Uint8Array,
    initialSequence: number,
    link: Link,
    events: ConnectionEvents,
  ): TcpConnection {
    const connection = new TcpConnection(endpoints, 'connecting', initialSequence, link, events);
    connection.#quote = quote.slice();
    connection.#synReceived(syn);
    return connection;
  }

  /** A stream that the host accepted for the guest. */
  static toGuest(
    endpoints: Endpoints,
    stream: HostStream,
    initialSequence: number,
    link: Link,
    events: ConnectionEvents,
  ): TcpConnection {
    const connection = new TcpConnection(endpoints, 'handshake', initialSequence, link, events);
    connection.#stream = stream;
    return connection;
  }

  attach(stream: HostStream): void {
    this.#stream = stream;
  }

  get isTimeWait(): boolean {
    return this.#state === 'time-wait';
  }

  get deadlineNs(): number {
    return Math.min(this.#sender.deadlineNs, this.#ackDeadlineNs, this.#timeWaitNs);
  }

  /** Whether a SYN starts anew what waits here only for stragglers (RFC 9293, section 3.10.7.4). */
  yieldsTo(segment: Segment): boolean {
    const isSyn = (segment.flags & (FLAG.syn | FLAG.ack | FLAG.rst)) === FLAG.syn;
    return this.isTimeWait && isSyn && this.#receiver!.place(segment.sequence) >= this.#receiver!.next;
  }

  /** A segment from the guest. */
  segment(segment: Segment, nowNs: number): void {
    switch (this.#state) {
      case 'connecting':
        // The only thing that a guest can say yet is that it gave up.
        if ((segment.flags & FLAG.rst) !== 0 && segment.sequence === this.#receiver!.acknowledgment)
          this.abort();
        return;
      case 'handshake':
        if (this.#receiver === undefined) this.#answerToSyn(segment, nowNs);
        else this.#synchronized(segment, this.#receiver, nowNs);
        return;
      case 'open':
      case 'time-wait':
        this.#synchronized(segment, this.#receiver!, nowNs);
        return;
      case 'closed':
        return;
    }
  }

  /** The next frame for the guest, made now. */
  take(nowNs: number): Uint8Array | undefined {
    if (this.#state === 'connecting' || this.#state === 'closed') return undefined;
    if (this.#duplicatesOwed > 0) {
      this.#duplicatesOwed--;
      return this.#frame(undefined);
    }
    const piece = this.#sender.next(nowNs);
    this.#events.armed(this.deadlineNs);
    if (piece !== undefined) {
      // A forward to a guest that has not spoken yet: its card is asked for, and the SYN goes when that is known.
      if (!this.#link.knows(this.endpoints.guest)) return arpRequest(this.endpoints.guest);
      return this.#frame(piece);
    }
    return this.#ackNow ? this.#frame(undefined) : undefined;
  }

  timeout(nowNs: number): void {
    if (this.#timeWaitNs <= nowNs) {
      this.#close();
      return;
    }
    if (this.#ackDeadlineNs <= nowNs) this.#acknowledge();
    if (this.#sender.deadlineNs > nowNs) return;
    if (this.#sender.timeout(nowNs)) this.#events.ready();
    else this.#reset();
  }

  /** The guest's card became known. */
  guestKnown(): void {
    this.#sender.restart();
    this.#events.ready();
  }

  /** Ends the host's side and forgets the guest's. */
  abort(): void {
    if (this.#state === 'closed') return;
    this.#close();
    if (!this.#finishedWithHost) this.#stream?.destroy();
  }

  connected(): void {
    if (this.#state !== 'connecting') return;
    this.#state = 'handshake';
    this.#quote = undefined;
    this.#events.ready();
  }

  readable(): void {
    if (this.#state === 'closed') return;
    this.#hostReadable = true;
    this.#fill();
  }

  writable(): void {
    if (this.#state === 'closed') return;
    this.#hostWritable = true;
    this.#deliver();
    if (this.#receiver?.updateDue === true) this.#acknowledge();
    this.#closesIfDone(this.#events.nowNs());
  }

  ended(): void {
    if (this.#state === 'closed' || this.#hostEnded) return;
    this.#hostEnded = true;
    this.#guestEndedFirst = this.#receiver?.ended === true;
    this.#sender.finish();
    this.#events.ready();
  }

  failed(why: StreamFailure): void {
    if (this.#state === 'closed') return;
    if (this.#state === 'connecting' && why === 'unreachable') {
      const { guest } = this.endpoints;
      sendUnreachable({ source: guest, quote: this.#quote! }, UNREACHABLE_CODE.host, this.#link);
      this.#close();
    } else if (this.#state === 'time-wait') {
      this.#close();
    } else {
      this.#reset();
    }
  }

  #synReceived(syn: Segment): void {
    this.#receiver = new TcpReceiver(syn.sequence);
    this.#guestScale = syn.windowScale;
    const offered = syn.maximumSegmentSize ?? MSS_DEFAULT;
    this.#mss = Math.max(MSS_MIN, Math.min(offered, this.#link.mtu - IP_BYTES - TCP_BYTES));
    // A SYN's own window is never scaled (RFC 7323, section 2.2).
    this.#sender.open(this.#mss, syn.window, syn.sequence);
  }

  /** RFC 9293, section 3.10.7.3. */
  #answerToSyn(segment: Segment, nowNs: number): void {
    if ((segment.flags & FLAG.ack) === 0) return;
    const acknowledgesSyn = segment.acknowledgment === this.#sender.sequence(1);
    if ((segment.flags & FLAG.rst) !== 0) {
      if (acknowledgesSyn) this.abort();
      return;
    }
    if (!acknowledgesSyn || (segment.flags & FLAG.syn) === 0) return;
    this.#synReceived(segment);
    if (!this.#sender.acknowledge(segment.acknowledgment, segment.window, segment.sequence, false, nowNs))
      return;
    this.#state = 'open';
    this.#acknowledge();
    this.#fill();
  }

  /** RFC 9293, section 3.10.7.4. */
  #synchronized(segment: Segment, receiver: TcpReceiver, nowNs: number): void {
    const { flags, payload } = segment;
    const place = receiver.place(segment.sequence);
    if ((flags & FLAG.rst) !== 0) {
      // Only a reset at the very next byte ends the connection (RFC 5961, section 3.2).
      if (place === receiver.next) this.abort();
      else if (place > receiver.next && place < receiver.limit) this.#acknowledge();
      return;
    }
    if ((flags & FLAG.syn) !== 0) {
      if (this.#state === 'handshake' && place === 0) {
        this.#sender.restart();
        this.#events.ready();
      } else {
        this.#acknowledge();
      }
      return;
    }
    const fin = (flags & FLAG.fin) !== 0;
    const end = place + payload.length + (fin ? 1 : 0);
    if (place > receiver.limit || end < receiver.next) {
      this.#acknowledge();
      return;
    }
    if ((flags & FLAG.ack) === 0) return;
    const window = this.#guestScale === undefined ? segment.window : segment.window << this.#guestScale;
    const carries = payload.length > 0 || fin;
    if (!this.#sender.acknowledge(segment.acknowledgment, window, segment.sequence, carries, nowNs)) {
      this.#acknowledge();
      return;
    }
    if (this.#state === 'handshake') {
      if (!this.#sender.synAcknowledged) return;
      this.#state = 'open';
    }
    if (carries) this.#data(segment, receiver, fin, nowNs);
    if (this.#closesIfDone(nowNs)) return;
    this.#fill();
    this.#events.armed(this.deadlineNs);
    this.#events.ready();
  }

  #data(segment: Segment, receiver: TcpReceiver, fin: boolean, nowNs: number): void {
    const before = receiver.next;
    const early = receiver.place(segment.sequence) > before;
    const inOrder = receiver.accept(segment.sequence, segment.payload, fin);
    this.#deliver();
    if (early) {
      // Each segment behind a hole is answered with one more of the same acknowledgment (RFC 5681, section 3.2).
      this.#duplicatesOwed = Math.min(this.#duplicatesOwed + 1, DUPLICATES_MAX);
      return;
    }
    this.#unacknowledged += receiver.next - before;
    if (!inOrder || this.#unacknowledged >= 2 * this.#mss) this.#ackNow = true;
    else if (this.#ackDeadlineNs === Infinity) this.#ackDeadlineNs = nowNs + DELAYED_ACK_NS;
  }

  /** Reads from the host what the buffer takes. */
  #fill(): void {
    if (this.#state !== 'open' || this.#hostEnded) return;
    while (this.#hostReadable && this.#sender.room > 0) {
      const data = this.#stream!.read(this.#sender.room);
      if (data === undefined) this.#hostReadable = false;
      else this.#sender.add(data);
    }
    this.#events.ready();
  }

  /** Hands on to the host what it takes, and the guest's end behind the last byte. */
  #deliver(): void {
    const receiver = this.#receiver;
    if (receiver === undefined || this.#state === 'connecting' || this.#endGiven) return;
    while (this.#hostWritable && receiver.held > 0) {
      this.#hostWritable = this.#stream!.write(receiver.take(CHUNK_BYTES));
    }
    if (!receiver.ended || receiver.held > 0) return;
    this.#endGiven = true;
    this.#stream!.end();
  }

  /** Both sides have ended and know it of each other. */
  #closesIfDone(nowNs: number): boolean {
    if (this.#state !== 'open' || !this.#sender.finAcknowledged || !this.#endGiven) return false;
    if (this.#guestEndedFirst) {
      this.#close();
      return true;
    }
    this.#state = 'time-wait';
    this.#timeWaitNs = nowNs + TIME_WAIT_NS;
    this.#events.armed(this.#timeWaitNs);
    return false;
  }

  get #finishedWithHost(): boolean {
    return this.#endGiven && this.#hostEnded;
  }

  #acknowledge(): void {
    this.#ackNow = true;
    this.#events.ready();
  }

  #reset(): void {
    const receiver = this.#receiver;
    if (receiver !== undefined) {
      const flags = FLAG.rst | FLAG.ack;
      const header = { ...this.#addresses(), flags, window: 0, acknowledgment: receiver.acknowledgment };
      const frame = this.#link.ipFrame(header.source, header.destination, PROTOCOL.tcp, TCP_BYTES);
      writeTcp(frame, { ...header, sequence: this.#sender.nextSequence }, 0);
      this.#link.send(frame);
    }
    this.abort();
  }

  #close(): void {
    this.#state = 'closed';
    this.#events.closed();
  }

  #addresses() {
    const { guest, guestPort, remote, remotePort } = this.endpoints;
    return { source: remote, sourcePort: remotePort, destination: guest, destinationPort: guestPort };
  }

  #frame(piece: Piece | undefined): Uint8Array {
    const receiver = this.#receiver;
    const syn = piece?.syn === true;
    // Who opens offers to scale; who answers scales when it was offered (RFC 7323, section 2.2).
    const scales = syn ? receiver === undefined || this.#guestScale !== undefined : false;
    const optionBytes = syn ? (scales ? 8 : 4) : 0;
    const length = piece?.length ?? 0;
    const { source, destination, ...ports } = this.#addresses();
    const frame = this.#link.ipFrame(source, destination, PROTOCOL.tcp, TCP_BYTES + optionBytes + length);
    if (syn) writeSynOptions(frame, this.#link.mtu - IP_BYTES - TCP_BYTES, scales ? WINDOW_SCALE : undefined);
    if (piece !== undefined && length > 0) this.#sender.copy(piece, frame, TCP_AT + TCP_BYTES);
    const flags =
      (syn ? FLAG.syn : 0) |
      (piece?.fin === true ? FLAG.fin : 0) |
      (length > 0 ? FLAG.psh : 0) |
      (receiver === undefined ? 0 : FLAG.ack);
    const scale = syn || this.#guestScale === undefined ? 0 : WINDOW_SCALE;
    writeTcp(
      frame,
      {
        source,
        destination,
        ...ports,
        sequence: piece === undefined ? this.#sender.nextSequence : this.#sender.sequence(piece.offset),
        acknowledgment: receiver?.acknowledgment ?? 0,
        flags,
        window: receiver?.announce(scale) ?? 0xffff,
      },
      optionBytes,
    );
    this.#ackNow = false;
    this.#unacknowledged = 0;
    this.#ackDeadlineNs = Infinity;
    return frame;
  }
}
