import type { IpPacket } from './ip.ts';

/** Datagrams whose parts wait for the rest. A guest that sends first parts only gets no more memory than this. */
const DATAGRAMS_MAX = 16;
/** Parts of 8 bytes would take more memory than their bytes; the smallest MTU (RFC 791: 68) makes more of a long one. */
const PARTS_MAX = 1400;
const DATAGRAM_BYTES_MAX = 65515;
/** RFC 791, section 3.2, proposes 15 seconds; RFC 1122, section 3.3.2, asks for 60 to 120. */
const WAIT_NS = 60e9;

interface Waiting {
  readonly bytes: Uint8Array;
  /** Received [start, end), in order and apart from each other. */
  parts: { start: number; end: number }[];
  length: number | undefined;
  quote: Uint8Array | undefined;
  readonly deadlineNs: number;
}

/** Puts the fragments of datagrams together (RFC 815's result with ranges received in place of holes). */
export class Reassembler {
  readonly #waiting = new Map<string, Waiting>();

  /** The whole datagram, once its last missing part has come. */
  add(packet: IpPacket, nowNs: number): IpPacket | undefined {
    const length = packet.end - packet.start;
    const end = packet.fragmentOffset + length;
    // All parts but the last are multiples of 8 bytes (RFC 791, section 3.2).
    if (length === 0 || end > DATAGRAM_BYTES_MAX || (packet.moreFragments && length % 8 !== 0))
      return undefined;
    const key = `${packet.source} ${packet.destination} ${packet.protocol} ${packet.identification}`;
    const waiting = this.#waiting.get(key) ?? this.#start(key, nowNs);
    if (packet.fragmentOffset === 0) waiting.quote ??= packet.quote.slice();
    if (!packet.moreFragments) waiting.length ??= end;
    // Overlapping parts are an attack or an error: the datagram is given up (RFC 5722's rule, for IPv4 too).
    if (!this.#place(waiting, packet, end)) {
      this.#waiting.delete(key);
      return undefined;
    }
    const [first] = waiting.parts;
    if (first === undefined || first.start !== 0 || first.end !== waiting.length) return undefined;
    this.#waiting.delete(key);
    return {
      ...packet,
      bytes: waiting.bytes,
      start: 0,
      end: first.end,
      quote: waiting.quote!,
      fragmentOffset: 0,
      moreFragments: false,
    };
  }

  expire(nowNs: number): void {
    for (const [key, waiting] of this.#waiting) if (waiting.deadlineNs <= nowNs) this.#waiting.delete(key);
  }

  nextDeadlineNs(): number {
    for (const waiting of this.#waiting.values()) return waiting.deadlineNs;
    return Infinity;
  }

  clear(): void {
    this.#waiting.clear();
  }

  #start(key: string, nowNs: number): Waiting {
    if (this.#waiting.size >= DATAGRAMS_MAX) {
      for (const oldest of this.#waiting.keys()) {
        this.#waiting.delete(oldest);
        break;
      }
    }
    const waiting = {
      bytes: new Uint8Array(DATAGRAM_BYTES_MAX),
      parts: [],
      length: undefined,
      quote: undefined,
      deadlineNs: nowNs + WAIT_NS,
    };
    this.#waiting.set(key, waiting);
    return waiting;
  }

  #place(waiting: Waiting, packet: IpPacket, end: number): boolean {
    const start = packet.fragmentOffset;
    const same = waiting.parts.some((part) => part.start <= start && end <= part.end);
    if (same) return true;
    const overlaps = waiting.parts.some((part) => part.start < end && start < part.end);
    const beyond = waiting.length !== undefined && end > waiting.length;
    if (overlaps || beyond || waiting.parts.length >= PARTS_MAX) return false;
    waiting.bytes.set(packet.bytes.subarray(packet.start, packet.end), start);
    const parts = [...waiting.parts, { start, end }].sort((a, b) => a.start - b.start);
    waiting.parts = parts.reduce<{ start: number; end: number }[]>((merged, part) => {
      const last = merged.at(-1);
      if (last !== undefined && last.end === part.start) last.end = part.end;
      else merged.push(part);
      return merged;
    }, []);
    return waiting.length === undefined || waiting.parts.every((part) => part.end <= waiting.length!);
  }
}
