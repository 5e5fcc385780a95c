import type { GuestDma } from '../../contracts/dma.ts';

/** A piece of guest memory that one descriptor names. */
export interface Segment {
  readonly address: bigint;
  readonly bytes: Uint8Array;
}

/** What returning a chain to the driver takes; it may be kept and saved, where the chain may not. */
export interface ChainIdentity {
  /** Head of the chain in a split ring, buffer ID in a packed one. */
  readonly id: number;
  /** Entries that it takes up in a packed ring. */
  readonly slots: number;
  /** Descriptors, those of an indirect table counted. */
  readonly descriptors: number;
}

/** Buffers that the driver made available together. Holds until the device returns to its caller. */
export class Chain implements ChainIdentity {
  readonly id: number;
  readonly slots: number;
  readonly descriptors: number;
  readonly readable: ReadableBytes;
  readonly writable: WritableBytes;

  constructor(identity: ChainIdentity, readable: Segment[], writable: Segment[], dma: GuestDma) {
    this.id = identity.id;
    this.slots = identity.slots;
    this.descriptors = identity.descriptors;
    this.readable = new ReadableBytes(readable);
    this.writable = new WritableBytes(writable, dma);
  }

  get identity(): ChainIdentity {
    return { id: this.id, slots: this.slots, descriptors: this.descriptors };
  }
}

/** A place in a list of segments. Where one ends and the next begins means nothing (section 2.7.4). */
class Cursor {
  readonly length: number;
  readonly #segments: readonly Segment[];
  #position = 0;
  #segment = 0;
  #offset = 0;

  constructor(segments: readonly Segment[]) {
    this.#segments = segments;
    this.length = lengthOf(segments);
  }

  get position(): number {
    return this.#position;
  }

  /** The next piece of at most `count` bytes that lies in one segment; undefined at the end. */
  next(count: number): Segment | undefined {
    const segment = this.#segments[this.#segment];
    if (segment === undefined || count === 0) return undefined;
    const start = this.#offset;
    const end = Math.min(segment.bytes.length, start + count);
    this.#position += end - start;
    this.#offset = end;
    if (end === segment.bytes.length) {
      this.#segment += 1;
      this.#offset = 0;
    }
    return { address: segment.address + BigInt(start), bytes: segment.bytes.subarray(start, end) };
  }
}

/** The device-readable part of a chain, read from its start on. */
export class ReadableBytes {
  readonly #cursor: Cursor;

  constructor(segments: readonly Segment[]) {
    this.#cursor = new Cursor(segments);
  }

  get length(): number {
    return this.#cursor.length;
  }

  get remaining(): number {
    return this.#cursor.length - this.#cursor.position;
  }

  /** The next `count` bytes, or those that are left, as they lie in guest memory. */
  views(count: number): Uint8Array[] {
    const views: Uint8Array[] = [];
    let left = count;
    for (let piece = this.#cursor.next(left); piece !== undefined; piece = this.#cursor.next(left)) {
      views.push(piece.bytes);
      left -= piece.bytes.length;
    }
    return views;
  }

  /** A copy of the next `count` bytes, or of those that are left. */
  take(count: number): Uint8Array {
    const copy = new Uint8Array(Math.min(count, this.remaining));
    let at = 0;
    for (const view of this.views(count)) {
      copy.set(view, at);
      at += view.length;
    }
    return copy;
  }
}

/** The device-writable part of a chain, written from its start on. */
export class WritableBytes {
  readonly #cursor: Cursor;
  readonly #segments: readonly Segment[];
  readonly #dma: GuestDma;
  #written = 0;

  constructor(segments: readonly Segment[], dma: GuestDma) {
    this.#segments = segments;
    this.#cursor = new Cursor(segments);
    this.#dma = dma;
  }

  get length(): number {
    return this.#cursor.length;
  }

  /** Bytes written from the start on without a gap: what the used ring may say (section 2.7.8.2). */
  get written(): number {
    return this.#written;
  }

  /** Where it lies, for devices that are given memory and not data. */
  ranges(): { readonly address: bigint; readonly length: number }[] {
    return this.#segments.map(({ address, bytes }) => ({ address, length: bytes.length }));
  }

  /** True when every piece of the first `length` bytes, as segments cut them, is a multiple of `unit`. */
  multiplesOf(unit: number, length: number): boolean {
    let left = length;
    for (const { bytes } of this.#segments) {
      if (Math.min(bytes.length, left) % unit !== 0) return false;
      left -= Math.min(bytes.length, left);
    }
    return true;
  }

  /** Lays `data` down as far as there is room; returns how much. */
  put(data: Uint8Array): number {
    return this.fill(data.length, (view, done) => view.set(data.subarray(done, done + view.length)));
  }

  /** Has each piece of the next `count` bytes written by `fill`; returns how many there were. What it throws passes through. */
  fill(count: number, fill: (view: Uint8Array, done: number) => void): number {
    let done = 0;
    for (let piece = this.#cursor.next(count); piece !== undefined; piece = this.#cursor.next(count - done)) {
      try {
        fill(piece.bytes, done);
      } finally {
        // Even a fill that failed may have left bytes.
        this.#dma.wrote(piece.address, piece.bytes.length);
      }
      done += piece.bytes.length;
      this.#written = this.#cursor.position;
    }
    return done;
  }

  /** Writes the last byte, where several devices keep their status. */
  putLast(value: number): void {
    const segment = this.#segments.at(-1);
    if (segment === undefined) return;
    const at = segment.bytes.length - 1;
    segment.bytes[at] = value;
    this.#dma.wrote(segment.address + BigInt(at), 1);
    if (this.#written === this.length - 1) this.#written = this.length;
  }
}

const lengthOf = (segments: readonly Segment[]): number =>
  segments.reduce((sum, segment) => sum + segment.bytes.length, 0);
