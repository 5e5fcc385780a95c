import { ByteRing } from './byte-ring.ts';

/** What a connection keeps until the guest has acknowledged it. */
export const SEND_BUFFER_BYTES: number = 1 << 18;

/** RFC 6298, its least timeout too: the wire is short and loses nothing by itself, but the guest may be slow to look. */
const RTO_FIRST_NS = 1e9;
const RTO_MIN_NS = 1e9;
const RTO_MAX_NS = 60e9;
/** Timeouts in a row until the guest counts as gone: about two minutes for a SYN, thirteen for data (RFC 9293, section 3.8.3). */
const SYN_RETRIES_MAX = 6;
const RETRIES_MAX = 15;
/** RFC 6928. */
const FIRST_SEGMENTS = 10;
const DUPLICATES_TO_RETRANSMIT = 3;

/** A segment to send: its place in the stream, where the SYN is 0 and the first byte 1. */
export interface Piece {
  readonly offset: number;
  readonly length: number;
  readonly syn: boolean;
  readonly fin: boolean;
}

/**
 * The sending half of a connection (RFC 9293, section 3.8): what to send next, under the guest's window and NewReno's congestion
 * window (RFC 5681, RFC 6582). Places in the stream count up from the SYN without wrapping; only the wire sees 32 bits.
 */
export class TcpSender {
  /** When `timeout` has something to do. */
  deadlineNs = Infinity;
  readonly #isn: number;
  readonly #ring = new ByteRing(SEND_BUFFER_BYTES);
  /** The place of the ring's first byte. */
  #dataStart = 1;
  #buffered = 0;
  #finQueued = false;
  /** Acknowledged, next to send, and one behind the highest ever sent. */
  #una = 0;
  #nxt = 0;
  #max = 0;
  #mss = 536;
  #window = 0;
  #windowMax = 0;
  /** Sequence and acknowledgment of the segment that last set the window, so that an older one does not. */
  #windowFrom = { sequence: 0, acknowledgment: 0 };
  #cwnd = 0;
  #ssthresh = Infinity;
  #recovering = false;
  #recover = 0;
  #duplicates = 0;
  #retransmit = false;
  #probe = false;
  #retries = 0;
  #rtoNs = RTO_FIRST_NS;
  #srttNs: number | undefined;
  #rttvarNs = 0;
  #timed: { end: number; atNs: number } | undefined;

  constructor(initialSequence: number) {
    this.#isn = initialSequence;
  }

  /** The guest's SYN told its largest segment and window. */
  open(maximumSegmentSize: number, window: number, sequence: number): void {
    this.#windowFrom = { sequence, acknowledgment: 0 };
    this.#mss = maximumSegmentSize;
    this.#cwnd = FIRST_SEGMENTS * maximumSegmentSize;
    this.#window = window;
    this.#windowMax = window;
  }

  sequence(offset: number): number {
    return (this.#isn + offset) >>> 0;
  }

  /** What the next pure acknowledgment carries. */
  get nextSequence(): number {
    return this.sequence(Math.max(this.#nxt, this.#max));
  }

  get synAcknowledged(): boolean {
    return this.#una > 0;
  }

  get finQueued(): boolean {
    return this.#finQueued;
  }

  get finAcknowledged(): boolean {
    return this.#finQueued && this.#una > this.#dataEnd;
  }

  /** Bytes that may be added. */
  get room(): number {
    return this.#finQueued ? 0 : SEND_BUFFER_BYTES - this.#buffered;
  }

  add(data: Uint8Array): void {
    this.#ring.put(this.#buffered, data);
    this.#buffered += data.length;
  }

  /** Nothing is added any more. */
  finish(): void {
    this.#finQueued = true;
  }

  copy(piece: Piece, target: Uint8Array, at: number): void {
    this.#ring.copy(piece.offset - this.#dataStart, piece.length, target, at);
  }

  /** The SYN may be lost, or its answer: send it again at once. */
  restart(): void {
    if (this.#una === 0) this.#nxt = 0;
  }

  /** What to send now; counts as sent. */
  next(nowNs: number): Piece | undefined {
    if (this.#una === 0) {
      return this.#nxt > 0 ? undefined : this.#sent({ offset: 0, length: 0, syn: true, fin: false }, nowNs);
    }
    if (this.#retransmit) {
      this.#retransmit = false;
      this.#timed = undefined;
      if (this.#una < this.#max) return this.#sent(this.#piece(this.#una, this.#mss), nowNs);
    }
    if (this.#probe) {
      // One byte beyond the closed window makes the guest tell its window (RFC 9293, section 3.8.6.1).
      this.#probe = false;
      if (this.#una < this.#dataEnd) return this.#sent(this.#piece(this.#una, 1), nowNs, false);
    }
    const available = this.#dataEnd - this.#nxt;
    const allowed = this.#una + Math.min(this.#window, this.#cwnd) - this.#nxt;
    const length = Math.min(available, this.#mss, allowed);
    if (length > 0 && this.#worthwhile(length, available)) {
      return this.#sent(this.#piece(this.#nxt, length), nowNs);
    }
    if (available === 0 && this.#finQueued) return this.#sent(this.#piece(this.#nxt, 0), nowNs);
    // The window is closed and nothing is on its way that would bring news: ask for them after a while.
    if (available > 0 && this.#una === this.#max && this.deadlineNs === Infinity) {
      this.deadlineNs = nowNs + this.#rtoNs;
    }
    return undefined;
  }

  /** An acknowledgment with the window beside it. False when it acknowledges what was never sent. */
  acknowledge(
    acknowledgment: number,
    window: number,
    sequence: number,
    hasPayload: boolean,
    nowNs: number,
  ): boolean {
    const acknowledged = this.#una + ((acknowledgment - this.sequence(this.#una)) | 0);
    if (acknowledged > this.#max) return false;
    if (acknowledged < this.#una) return true;
    const changed = this.#updateWindow(window, sequence, acknowledged, nowNs);
    if (acknowledged > this.#una) this.#advance(acknowledged, nowNs);
    else if (!changed && !hasPayload && this.#max > this.#una && this.#una > 0 && window > 0)
      this.#duplicate();
    // A guest that answers probes is there, however long its window stays closed (RFC 9293, section 3.8.6.1).
    if (this.#window === 0) this.#retries = 0;
    return true;
  }

  /** The timer ran out. False when the guest counts as gone. */
  timeout(nowNs: number): boolean {
    if (this.deadlineNs > nowNs) return true;
    this.#retries++;
    if (this.#retries > (this.#una === 0 ? SYN_RETRIES_MAX : RETRIES_MAX)) return false;
    this.#timed = undefined;
    this.#rtoNs = Math.min(this.#rtoNs * 2, RTO_MAX_NS);
    this.deadlineNs = nowNs + this.#rtoNs;
    if (this.#window === 0 && this.#una > 0 && this.#una < this.#dataEnd) {
      this.#probe = true;
      return true;
    }
    // RFC 5681, section 3.1: the threshold halves once, not at each repetition.
    if (this.#retries === 1 && this.#una > 0) this.#halve();
    this.#cwnd = this.#mss;
    this.#nxt = this.#una;
    this.#recover = this.#max;
    this.#recovering = false;
    this.#duplicates = 0;
    this.#retransmit = false;
    return true;
  }

  get #dataEnd(): number {
    return this.#dataStart + this.#buffered;
  }

  #piece(offset: number, most: number): Piece {
    const length = Math.max(0, Math.min(most, this.#dataEnd - offset));
    return { offset, length, syn: false, fin: this.#finQueued && offset + length === this.#dataEnd };
  }

  #sent(piece: Piece, nowNs: number, moves = true): Piece {
    const end = piece.offset + piece.length + (piece.syn || piece.fin ? 1 : 0);
    // Only what is sent for the first time is timed: an answer to a repetition could be one to the first (Karn; RFC 6298).
    if (this.#timed === undefined && piece.offset >= this.#max) this.#timed = { end, atNs: nowNs };
    if (moves) this.#nxt = Math.max(this.#nxt, end);
    this.#max = Math.max(this.#max, end);
    if (this.deadlineNs === Infinity) this.deadlineNs = nowNs + this.#rtoNs;
    return piece;
  }

  /** Against silly windows (RFC 9293, section 3.8.6.2.1): full segments, the last one, half of what the guest ever took, or the only one. */
  #worthwhile(length: number, available: number): boolean {
    return (
      length === this.#mss || length === available || length >= this.#windowMax / 2 || this.#nxt === this.#una
    );
  }

  #updateWindow(window: number, sequence: number, acknowledgment: number, nowNs: number): boolean {
    const from = this.#windowFrom;
    const newer = (sequence - from.sequence) | 0;
    if (newer < 0 || (newer === 0 && acknowledgment < from.acknowledgment)) return false;
    const changed = window !== this.#window;
    const opens = this.#window === 0 && window > 0;
    this.#windowFrom = { sequence, acknowledgment };
    this.#window = window;
    this.#windowMax = Math.max(this.#windowMax, window);
    if (opens && this.#una > 0) {
      this.#probe = false;
      this.#restartTimer(nowNs);
      // A probe's byte beyond the closed window was dropped or not: it goes again with those behind it.
      if (this.#nxt > this.#una && this.#max === this.#una + 1) this.#nxt = this.#una;
    }
    return changed;
  }

  #advance(acknowledged: number, nowNs: number): void {
    const count = acknowledged - this.#una;
    // SYN and FIN have a place in the stream, but no byte in the ring.
    const bytes = Math.min(acknowledged, this.#dataEnd) - this.#dataStart;
    this.#ring.drop(bytes);
    this.#dataStart += bytes;
    this.#buffered -= bytes;
    this.#una = acknowledged;
    this.#nxt = Math.max(this.#nxt, acknowledged);
    if (this.#timed !== undefined && this.#timed.end <= acknowledged) {
      this.#measured(nowNs - this.#timed.atNs);
      this.#timed = undefined;
    }
    this.#duplicates = 0;
    if (this.#recovering && acknowledged < this.#recover) {
      // A partial acknowledgment tells of the next hole (RFC 6582, section 3.2).
      this.#retransmit = true;
      this.#cwnd = Math.max(this.#mss, this.#cwnd - count + this.#mss);
    } else if (this.#recovering) {
      this.#recovering = false;
      this.#cwnd = this.#ssthresh;
    } else if (this.#cwnd < this.#ssthresh) {
      this.#cwnd += Math.min(count, 2 * this.#mss);
    } else {
      this.#cwnd += Math.max(1, Math.floor((this.#mss * this.#mss) / this.#cwnd));
    }
    // More than the buffer is never on its way.
    this.#cwnd = Math.min(this.#cwnd, 2 * SEND_BUFFER_BYTES);
    this.#restartTimer(nowNs);
  }

  #restartTimer(nowNs: number): void {
    this.#retries = 0;
    this.#rtoNs =
      this.#srttNs === undefined
        ? RTO_FIRST_NS
        : Math.min(RTO_MAX_NS, Math.max(RTO_MIN_NS, this.#srttNs + 4 * this.#rttvarNs));
    this.deadlineNs = this.#max > this.#una ? nowNs + this.#rtoNs : Infinity;
  }

  #duplicate(): void {
    this.#duplicates++;
    if (this.#recovering) {
      // Each tells that a segment has left the wire (RFC 5681, section 3.2).
      this.#cwnd = Math.min(this.#cwnd + this.#mss, 2 * SEND_BUFFER_BYTES);
    } else if (this.#duplicates === DUPLICATES_TO_RETRANSMIT && this.#una >= this.#recover) {
      this.#halve();
      this.#recover = this.#max;
      this.#recovering = true;
      this.#retransmit = true;
      this.#cwnd = this.#ssthresh + DUPLICATES_TO_RETRANSMIT * this.#mss;
    }
  }

  #halve(): void {
    this.#ssthresh = Math.max(Math.floor((this.#max - this.#una) / 2), 2 * this.#mss);
  }

  /** RFC 6298, section 2. */
  #measured(rttNs: number): void {
    if (this.#srttNs === undefined) {
      this.#srttNs = rttNs;
      this.#rttvarNs = rttNs / 2;
    } else {
      this.#rttvarNs = 0.75 * this.#rttvarNs + 0.25 * Math.abs(this.#srttNs - rttNs);
      this.#srttNs = 0.875 * this.#srttNs + 0.125 * rttNs;
    }
  }
}
