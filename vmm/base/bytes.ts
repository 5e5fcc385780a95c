import { VmError } from './vm-error.ts';

/**
 * Reads little-endian numbers from bytes that somebody else wrote: object files, debug information, images.
 * Every read is checked against the end; reading past it throws `VmError('bad-file')` with `what` in its
 * message, so a parser built on this class never sees a byte outside its input.
 */
export class ByteReader {
  /** Position of the next read, in bytes from the start of `bytes`. */
  offset: number;
  /** Reads must not go past this offset. */
  readonly end: number;
  readonly bytes: Uint8Array;
  /** What the bytes are, for error messages: `ELF header`, `.debug_line`. */
  readonly what: string;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, what = 'data', start = 0, end = bytes.length) {
    this.bytes = bytes;
    this.what = what;
    this.offset = start;
    this.end = Math.min(end, bytes.length);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (!(start >= 0 && start <= this.end)) this.#fail(0);
  }

  get atEnd(): boolean {
    return this.offset >= this.end;
  }

  get remaining(): number {
    return this.end - this.offset;
  }

  /** A second reader over `[start, end)` of the same bytes; `end` is cut to this reader's end. */
  at(start: number, end = this.end): ByteReader {
    return new ByteReader(this.bytes, this.what, start, Math.min(end, this.end));
  }

  /** Moves to an absolute offset, which may be the end. */
  seek(offset: number): void {
    if (!(offset >= 0 && offset <= this.end)) {
      this.offset = this.end;
      this.#fail(1);
    }
    this.offset = offset;
  }

  skip(count: number): void {
    this.#take(count);
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  i8(): number {
    return this.#view.getInt8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  i16(): number {
    return this.#view.getInt16(this.#take(2), true);
  }

  u24(): number {
    const at = this.#take(3);
    return this.#view.getUint16(at, true) | (this.#view.getUint8(at + 2) << 16);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  i32(): number {
    return this.#view.getInt32(this.#take(4), true);
  }

  /** Unsigned 64 bits. */
  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8), true);
  }

  i64(): bigint {
    return this.#view.getBigInt64(this.#take(8), true);
  }

  /** Unsigned 64 bits that count or locate bytes: a value beyond 2^53 throws, since no file is that long. */
  size64(): number {
    const value = this.u64();
    if (value > MAX_SAFE) throw this.error(`the value 0x${value.toString(16)} is no offset or size`);
    return Number(value);
  }

  /** An unsigned number of 1, 2, 4 or 8 bytes. */
  unsigned(size: number): bigint {
    switch (size) {
      case 1:
        return BigInt(this.u8());
      case 2:
        return BigInt(this.u16());
      case 4:
        return BigInt(this.u32());
      case 8:
        return this.u64();
      default:
        throw this.error(`there are no numbers of ${size} bytes`);
    }
  }

  /** Unsigned LEB128 (DWARF 5, section 7.6) that must fit 53 bits; longer encodings may be padded with zeros. */
  uleb(): number {
    let result = 0;
    let scale = 1;
    for (;;) {
      const byte = this.u8();
      const bits = byte & 0x7f;
      if (bits !== 0) result += bits * scale;
      if (byte < 0x80) break;
      scale *= 128;
    }
    if (!(result <= Number.MAX_SAFE_INTEGER)) throw this.error('a LEB128 number is too large');
    return result;
  }

  /** Signed LEB128 that must fit 53 bits. */
  sleb(): number {
    const value = this.slebBig();
    if (value > MAX_SAFE || value < -MAX_SAFE) throw this.error('a LEB128 number is too large');
    return Number(value);
  }

  /** Unsigned LEB128, wrapped to 64 bits. */
  ulebBig(): bigint {
    return BigInt.asUintN(64, this.#leb().value);
  }

  /** Signed LEB128, wrapped to 64 bits. */
  slebBig(): bigint {
    const { value, bits, negative } = this.#leb();
    return BigInt.asIntN(64, negative ? value - (1n << BigInt(bits)) : value);
  }

  /** The next `count` bytes, not copied. */
  take(count: number): Uint8Array {
    const start = this.#take(count);
    return this.bytes.subarray(start, start + count);
  }

  /** Text up to a zero byte, which is consumed. Bytes that are not UTF-8 become U+FFFD. */
  cstring(): string {
    const zero = this.bytes.indexOf(0, this.offset);
    if (zero < 0 || zero >= this.end) {
      this.offset = this.end;
      throw this.error('a string has no end');
    }
    const text = decodeText(this.bytes.subarray(this.offset, zero));
    this.offset = zero + 1;
    return text;
  }

  /** All text up to a zero byte or the end, whichever comes first. */
  text(): string {
    const zero = this.bytes.indexOf(0, this.offset);
    const end = zero < 0 || zero > this.end ? this.end : zero;
    const text = decodeText(this.bytes.subarray(this.offset, end));
    this.offset = Math.min(end + 1, this.end);
    return text;
  }

  /** An error about these bytes at the present offset. */
  error(message: string): VmError {
    return new VmError('bad-file', `${this.what}: ${message} (at offset 0x${this.offset.toString(16)})`);
  }

  #leb(): { value: bigint; bits: number; negative: boolean } {
    let low = 0;
    let value = 0n;
    let bits = 0;
    let byte: number;
    do {
      byte = this.u8();
      // The first four groups fit a small integer, which covers nearly all numbers in practice.
      if (bits < 28) low |= (byte & 0x7f) << bits;
      else if (bits < 70) value |= BigInt(byte & 0x7f) << BigInt(bits);
      if (bits < 70) bits += 7;
    } while (byte >= 0x80);
    return { value: value | BigInt(low), bits, negative: (byte & 0x40) !== 0 };
  }

  #take(count: number): number {
    const start = this.offset;
    if (!(count >= 0 && count <= this.end - start)) this.#fail(count);
    this.offset = start + count;
    return start;
  }

  #fail(count: number): never {
    throw this.error(
      count > 0 && Number.isFinite(count)
        ? `ends too early, ${count} more bytes expected`
        : 'points outside its own bounds',
    );
  }
}

const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);
const utf8 = new TextDecoder();

function decodeText(bytes: Uint8Array): string {
  // Most names are short and ASCII, where building the string by hand beats the decoder's call overhead.
  if (bytes.length > 24) return utf8.decode(bytes);
  let text = '';
  for (const byte of bytes) {
    if (byte >= 0x80) return utf8.decode(bytes);
    text += String.fromCharCode(byte);
  }
  return text;
}
