import { VmError } from '../base/vm-error.ts';

/**
 * State as bytes: JSON values, bigint and Uint8Array, each with a tag. The same state gives the same bytes, keys in the order
 * they were given; reading is bounded by the bytes that are there.
 */
const TAG = {
  null: 0,
  false: 1,
  true: 2,
  /** A number from 0 to 2^53, as LEB128. */
  count: 3,
  /** Any other number, 8 bytes. */
  number: 4,
  /** A bigint from 0 on, below 0: length and bytes, little-endian, of the absolute value. */
  positive: 5,
  negative: 6,
  string: 7,
  bytes: 8,
  array: 9,
  map: 10,
} as const;

const DEPTH_MAX = 32;

export function encodeValue(value: unknown): Uint8Array {
  const writer = new Writer();
  writer.value(value, 0);
  return writer.done();
}

/** Throws `VmError('bad-file')` when the bytes are no value, or more than one. */
export function decodeValue(bytes: Uint8Array, what: string): unknown {
  const reader = new Reader(bytes, what);
  const value = reader.value(0);
  if (!reader.atEnd) throw reader.bad('there is more behind the end');
  return value;
}

class Writer {
  #bytes = new Uint8Array(1 << 12);
  #length = 0;

  done(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  value(value: unknown, depth: number): void {
    if (depth > DEPTH_MAX) throw new TypeError('state is nested deeper than it may be');
    if (value === null) this.#byte(TAG.null);
    else if (value === false) this.#byte(TAG.false);
    else if (value === true) this.#byte(TAG.true);
    else if (typeof value === 'number') this.#number(value);
    else if (typeof value === 'bigint') this.#bigint(value);
    else if (typeof value === 'string') this.#tagged(TAG.string, new TextEncoder().encode(value));
    else if (value instanceof Uint8Array) this.#tagged(TAG.bytes, value);
    else if (Array.isArray(value)) {
      this.#byte(TAG.array);
      this.#count(value.length);
      for (const item of value) this.value(item, depth + 1);
    } else if (typeof value === 'object') this.#map(value, depth);
    else throw new TypeError(`state cannot hold a ${typeof value}`);
  }

  #map(value: object, depth: number): void {
    const fields = Object.entries(value).filter(([, field]) => field !== undefined);
    this.#byte(TAG.map);
    this.#count(fields.length);
    for (const [name, field] of fields) {
      this.#sized(new TextEncoder().encode(name));
      this.value(field, depth + 1);
    }
  }

  #number(value: number): void {
    if (Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0)) {
      this.#byte(TAG.count);
      this.#count(value);
      return;
    }
    this.#byte(TAG.number);
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, value, true);
    this.#put(bytes);
  }

  #bigint(value: bigint): void {
    const bytes: number[] = [];
    for (let rest = value < 0n ? -value : value; rest > 0n; rest >>= 8n) bytes.push(Number(rest & 0xffn));
    this.#tagged(value < 0n ? TAG.negative : TAG.positive, Uint8Array.from(bytes));
  }

  #tagged(tag: number, bytes: Uint8Array): void {
    this.#byte(tag);
    this.#sized(bytes);
  }

  #sized(bytes: Uint8Array): void {
    this.#count(bytes.length);
    this.#put(bytes);
  }

  #count(value: number): void {
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.#byte((rest % 0x80) | 0x80);
    this.#byte(rest);
  }

  #byte(value: number): void {
    this.#room(1);
    this.#bytes[this.#length++] = value;
  }

  #put(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #room(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + more));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #what: string;
  #at = 0;

  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  bad(problem: string): VmError {
    return new VmError('bad-file', `${this.#what}: ${problem}`);
  }

  value(depth: number): unknown {
    if (depth > DEPTH_MAX) throw this.bad('it is nested too deep');
    const tag = this.#take(1)[0]!;
    switch (tag) {
      case TAG.null:
        return null;
      case TAG.false:
        return false;
      case TAG.true:
        return true;
      case TAG.count:
        return this.#count();
      case TAG.number: {
        const bytes = this.#take(8);
        return new DataView(bytes.buffer, bytes.byteOffset).getFloat64(0, true);
      }
      case TAG.positive:
        return this.#magnitude();
      case TAG.negative:
        return -this.#magnitude();
      case TAG.string:
        return this.#text();
      case TAG.bytes:
        return Uint8Array.from(this.#sized());
      case TAG.array:
        return this.#array(depth);
      case TAG.map:
        return this.#map(depth);
      default:
        throw this.bad(`there is no kind of value with the number ${tag}`);
    }
  }

  #array(depth: number): unknown[] {
    const items: unknown[] = [];
    for (let left = this.#count(); left > 0; left--) items.push(this.value(depth + 1));
    return items;
  }

  #map(depth: number): Record<string, unknown> {
    const fields: [string, unknown][] = [];
    for (let left = this.#count(); left > 0; left--) fields.push([this.#text(), this.value(depth + 1)]);
    // Not by assignment, for which some names mean something else.
    return Object.fromEntries(fields);
  }

  #magnitude(): bigint {
    const bytes = this.#sized();
    let value = 0n;
    for (let at = bytes.length - 1; at >= 0; at--) value = (value << 8n) | BigInt(bytes[at]!);
    return value;
  }

  #text(): string {
    return new TextDecoder().decode(this.#sized());
  }

  #sized(): Uint8Array {
    return this.#take(this.#count());
  }

  #count(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = this.#take(1)[0]!;
      value += (byte & 0x7f) * scale;
      if (!Number.isSafeInteger(value)) throw this.bad('a number is too large');
      if (byte < 0x80) return value;
    }
  }

  #take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at) throw this.bad('it ends too early');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}
