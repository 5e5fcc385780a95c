import { GATEWAY, type Octets, type ReadTcp, readTcp, tcpFrame, u16 } from './guest-frames.ts';

const FIN = 1;
const SYN = 2;
const RST = 4;
const ACK = 16;

const RETRY_NS = 300e6;
const SCALE = 4;

/** What a guest's socket sends: any part can be asked for again. */
export interface Source {
  readonly length: number;
  read(offset: number, length: number): Uint8Array;
}

export const bytesSource = (bytes: Uint8Array): Source => ({
  length: bytes.length,
  read: (offset, length) => bytes.subarray(offset, offset + length),
});

export interface GuestSocketOptions {
  readonly to?: Octets;
  readonly port: number;
  readonly ownPort: number;
  readonly source?: Source;
  /** Sends FIN behind the source; else the socket only ever receives. Default true. */
  readonly finishes?: boolean;
  readonly onData?: (bytes: Uint8Array) => void;
  /** Bytes that it takes ahead of its reader. */
  readonly capacity?: number;
  readonly mss?: number;
  /** Default: one with which the stream wraps early. */
  readonly initialSequence?: number;
  readonly send: (frame: Uint8Array) => void;
}

/**
 * A TCP socket as a small guest has it (RFC 9293): windows with scaling, repetition by timer and after three duplicate
 * acknowledgments, pieces in any order. Its own congestion control is none: it fills the window that it is given.
 */
export class GuestSocket {
  readonly #options: GuestSocketOptions;
  readonly #capacity: number;
  readonly #iss: number;
  #una = 0;
  #nxt = 0;
  #max = 0;
  #window = 0;
  #peerScale = 0;
  #peerMss = 536;
  #duplicates = 0;
  #deadlineNs = Infinity;
  #irs: number | undefined;
  #received = 0;
  /** The right edge of the largest window announced. */
  #announced = 0;
  #early = new Map<number, Uint8Array>();
  #finAt: number | undefined;
  #unread: Uint8Array[] = [];
  #unreadBytes = 0;
  #passive = false;
  /** Frames that carried data of the host's, repetitions included. */
  segments = 0;
  /** Pure acknowledgments from the host. */
  acknowledgments = 0;
  retransmissions = 0;
  isReset = false;
  /** While set, nothing is read, and the window closes. */
  paused = false;
  /** The largest window that the host announced. */
  windowMax = 0;

  constructor(options: GuestSocketOptions) {
    this.#options = options;
    this.#capacity = options.capacity ?? 1 << 18;
    this.#iss = options.initialSequence ?? 0xfffff000;
  }

  get #source(): Source {
    return this.#options.source ?? bytesSource(new Uint8Array(0));
  }

  get #end(): number {
    return 1 + this.#source.length + (this.#options.finishes === false ? 0 : 1);
  }

  get isOpen(): boolean {
    return this.#irs !== undefined && this.#una > 0 && !this.isReset;
  }

  /** All was sent and acknowledged, the FIN too. */
  get sentAll(): boolean {
    return this.#una === this.#end;
  }

  get acknowledgedBytes(): number {
    return Math.max(0, this.#una - 1);
  }

  /** The host's FIN came, and all before it. */
  get receivedAll(): boolean {
    return this.#finAt !== undefined && this.#received === this.#finAt + 1;
  }

  get done(): boolean {
    return this.sentAll && this.receivedAll;
  }

  connect(nowNs: number): void {
    this.#transmit(nowNs);
  }

  /** Waits for the host's SYN instead. */
  listen(): void {
    this.#passive = true;
  }

  abort(): void {
    this.#emit(RST | ACK, this.#nxt, new Uint8Array(0));
    this.isReset = true;
    this.#deadlineNs = Infinity;
  }

  resume(): void {
    this.paused = false;
    this.#read();
    this.#acknowledge();
  }

  timer(nowNs: number): void {
    if (nowNs < this.#deadlineNs || this.isReset) return;
    this.#nxt = this.#una;
    this.#deadlineNs = Infinity;
    this.retransmissions++;
    this.#transmit(nowNs, true);
  }

  frame(frame: Uint8Array, nowNs: number): void {
    const segment = readTcp(frame);
    const { ownPort, port } = this.#options;
    if (segment === undefined || segment.destinationPort !== ownPort || this.isReset) return;
    if (
      this.#peer !== undefined
        ? segment.sourcePort !== this.#peer
        : !this.#passive && segment.sourcePort !== port
    ) {
      return;
    }
    if ((segment.flags & RST) !== 0) {
      this.isReset = true;
      this.#deadlineNs = Infinity;
      return;
    }
    if ((segment.flags & SYN) !== 0) this.#syn(segment, nowNs);
    if (this.#irs === undefined) return;
    if ((segment.flags & ACK) !== 0) this.#acknowledged(segment, nowNs);
    this.#data(segment, this.#irs);
    this.#transmit(nowNs);
  }

  #peer: number | undefined;

  #syn(segment: ReadTcp, nowNs: number): void {
    if (this.#irs !== undefined) {
      this.#acknowledge();
      return;
    }
    this.#irs = segment.sequence;
    this.#received = 1;
    this.#peer = segment.sourcePort;
    let scales = false;
    for (let at = 0; at < segment.options.length; ) {
      const [kind, length] = [segment.options[at]!, segment.options[at + 1]!];
      if (kind === 2) this.#peerMss = segment.options[at + 2]! * 256 + segment.options[at + 3]!;
      if (kind === 3) {
        this.#peerScale = segment.options[at + 2]!;
        scales = true;
      }
      at += kind < 2 ? 1 : length;
    }
    if (!scales) throw new Error('the network does not scale its window');
    if (this.#passive) this.#transmit(nowNs);
  }

  #acknowledged(segment: ReadTcp, nowNs: number): void {
    const acknowledged = this.#una + ((segment.acknowledgment - (this.#iss + this.#una)) | 0);
    if (acknowledged > this.#max) throw new Error('the network acknowledges what was never sent');
    if (acknowledged < this.#una) return;
    const window = segment.window << ((segment.flags & SYN) !== 0 ? 0 : this.#peerScale);
    this.windowMax = Math.max(this.windowMax, window);
    const repeats = acknowledged === this.#una && window === this.#window && segment.data.length === 0;
    if (segment.data.length > 0) this.segments++;
    else this.acknowledgments++;
    this.#window = window;
    if (acknowledged > this.#una) {
      this.#una = acknowledged;
      this.#nxt = Math.max(this.#nxt, acknowledged);
      this.#duplicates = 0;
      this.#deadlineNs = this.#max > this.#una ? nowNs + RETRY_NS : Infinity;
    } else if (repeats && this.#max > this.#una && ++this.#duplicates === 3) {
      this.retransmissions++;
      this.#segment(this.#una, Math.min(this.#una + this.#mss, this.#max));
    }
  }

  #data(segment: ReadTcp, irs: number): void {
    const fin = (segment.flags & FIN) !== 0;
    const start = this.#received + ((segment.sequence - (irs + this.#received)) | 0);
    const end = start + segment.data.length;
    if (fin) this.#finAt = end;
    if (segment.data.length === 0 && !fin) {
      // A probe of a live connection, one below what is expected, asks where it stands.
      if (start < this.#received && (segment.flags & SYN) === 0) this.#acknowledge();
      return;
    }
    // One byte more may be a probe of a closed window (RFC 9293, section 3.8.6.1).
    if (end > this.#announced + 1) throw new Error('the network sends beyond the window');
    const limit = this.#received + this.#capacity - this.#unreadBytes;
    if (segment.data.length > 0 && start < limit && end > this.#received) {
      const known = this.#early.get(start);
      const data = segment.data.slice(0, limit - start);
      if (known === undefined || known.length < data.length) this.#early.set(start, data);
    }
    this.#collect();
    this.#read();
    this.#acknowledge();
  }

  #collect(): void {
    for (let found = true; found; ) {
      found = false;
      const exact = this.#early.get(this.#received);
      const pieces: Iterable<[number, Uint8Array]> =
        exact === undefined ? this.#early : [[this.#received, exact]];
      for (const [start, data] of pieces) {
        if (start > this.#received) continue;
        this.#early.delete(start);
        const fresh = data.subarray(this.#received - start);
        if (start + data.length <= this.#received) continue;
        this.#received += fresh.length;
        this.#unread.push(fresh);
        this.#unreadBytes += fresh.length;
        found = true;
      }
    }
    if (this.#received === this.#finAt) this.#received++;
  }

  #read(): void {
    if (this.paused) return;
    for (const data of this.#unread) this.#options.onData?.(data);
    this.#unread = [];
    this.#unreadBytes = 0;
  }

  get #mss(): number {
    return Math.min(this.#peerMss, 1460);
  }

  #transmit(nowNs: number, force = false): void {
    if (this.isReset || (this.#passive && this.#irs === undefined)) return;
    if (this.#una === 0) {
      if (this.#nxt > 0) return;
      this.#segment(0, 1);
    } else {
      // A closed window is asked after with one byte.
      const window = force ? Math.max(1, this.#window) : this.#window;
      while (this.#nxt < this.#end && this.#nxt < this.#una + window) {
        this.#segment(this.#nxt, Math.min(this.#nxt + this.#mss, this.#end, this.#una + window));
      }
    }
    const waits = this.#max > this.#una || this.#nxt < this.#end;
    if (waits && this.#deadlineNs === Infinity) this.#deadlineNs = nowNs + RETRY_NS;
  }

  /** Sends [from, to) of the stream, where 0 is the SYN and the last place the FIN. */
  #segment(from: number, to: number): void {
    const lastByte = 1 + this.#source.length;
    const fin = this.#options.finishes !== false && to > lastByte;
    const data = from === 0 ? new Uint8Array(0) : this.#source.read(from - 1, Math.min(to, lastByte) - from);
    const flags = from === 0 ? SYN : fin ? FIN : 0;
    this.#nxt = Math.max(this.#nxt, to);
    this.#max = Math.max(this.#max, to);
    this.#emit(flags | (this.#irs === undefined ? 0 : ACK), from, data);
  }

  #acknowledge(): void {
    this.#emit(ACK, this.#max, new Uint8Array(0));
  }

  #emit(flags: number, from: number, data: Uint8Array): void {
    const syn = (flags & SYN) !== 0;
    const room = this.#capacity - this.#unreadBytes;
    const window = Math.min(0xffff, syn ? room : room >> SCALE);
    this.#announced = Math.max(this.#announced, this.#received + (syn ? window : window << SCALE));
    this.#options.send(
      tcpFrame({
        to: this.#options.to ?? GATEWAY,
        sourcePort: this.#options.ownPort,
        destinationPort: this.#peer ?? this.#options.port,
        sequence: (this.#iss + from) >>> 0,
        acknowledgment: this.#irs === undefined ? 0 : (this.#irs + this.#received) >>> 0,
        flags,
        window,
        options: syn ? [2, 4, ...u16(this.#options.mss ?? 1460), 1, 3, 3, SCALE] : [],
        data,
      }),
    );
  }
}
