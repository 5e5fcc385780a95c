import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { assert } from '../base/assert.ts';
import { ByteReader } from '../base/bytes.ts';
import { VmError } from '../base/vm-error.ts';
import type { SnapshotInput, SnapshotOutput } from '../contracts/snapshot.ts';
import { type Codec, pack, unpack } from './compression.ts';

/**
 * The file: a magic number and version, sections, and an end. Each section has a name, a version of its own, and a payload.
 *
 *     "HARTSNAP" · u32 version · u32 CRC-32 of these 12 bytes
 *     u16 header length · u8 name length · name · u16 version · u8 flags · u8 codec · u32 length · u32 stored length ·
 *         u32 CRC-32 of what is stored · u32 CRC-32 of this header · payload                              (each section)
 *     the section "end", whose payload is the SHA-256 of all headers, its own left out
 *
 * The headers hold the checksums of the payloads, so that digest stands for the whole file, and is its identity.
 */
const MAGIC = new TextEncoder().encode('HARTSNAP');
const FILE_VERSION = 1;
const FILE_HEADER_BYTES = 16;
const END = 'end';

/** A reader that does not know the section may go without it. */
export const MAY_SKIP = 1;

/** Longer ones are refused before anything is allocated for them; writers cut what is longer. */
export const PAYLOAD_BYTES_MAX = 256 << 20;
const NAME_BYTES_MAX = 64;
const FIXED_HEADER_BYTES = 2 + 1 + 2 + 1 + 1 + 4 + 4 + 4 + 4;

export interface SectionHeader {
  readonly name: string;
  readonly version: number;
  readonly flags: number;
  readonly codec: number;
  /** Bytes of the payload, and of the file that hold it. */
  readonly length: number;
  readonly stored: number;
  readonly checksum: number;
  /** Where the payload starts in the file. */
  readonly offset: number;
}

export class ContainerWriter {
  readonly #output: SnapshotOutput;
  readonly #headers = createHash('sha256');
  /** Bytes written so far. */
  bytes = 0;

  constructor(output: SnapshotOutput) {
    this.#output = output;
    const header = new Uint8Array(FILE_HEADER_BYTES);
    const view = new DataView(header.buffer);
    header.set(MAGIC);
    view.setUint32(8, FILE_VERSION, true);
    view.setUint32(12, crc32(header.subarray(0, 12)), true);
    this.#headers.update(header);
    this.#append(header);
  }

  section(
    name: string,
    version: number,
    payload: Uint8Array,
    options: { readonly flags?: number; readonly codec?: Codec } = {},
  ): void {
    assert(payload.length <= PAYLOAD_BYTES_MAX, 'a payload that a reader accepts');
    const { codec, bytes } = pack(payload, options.codec);
    const header = encodeHeader({
      ...{ name, version, codec, flags: options.flags ?? 0, length: payload.length },
      ...{ stored: bytes.length, checksum: crc32(bytes), offset: 0 },
    });
    this.#headers.update(header);
    this.#append(header);
    this.#append(bytes);
  }

  /** Ends the file; returns its identity. */
  end(): string {
    const digest = this.#headers.digest();
    const header = encodeHeader({
      ...{ name: END, version: 1, codec: 0, flags: 0, length: digest.length },
      ...{ stored: digest.length, checksum: crc32(digest), offset: 0 },
    });
    this.#append(header);
    this.#append(digest);
    return digest.toString('hex');
  }

  #append(bytes: Uint8Array): void {
    this.#output.append(bytes);
    this.bytes += bytes.length;
  }
}

/** A file's sections, the headers checked when it is opened and each payload when it is read. */
export class Container {
  readonly sections: readonly SectionHeader[];
  readonly identity: string;
  readonly bytes: number;
  readonly #input: SnapshotInput;
  readonly #name: string;

  /** Throws `VmError('bad-file')`, naming the file, when it is none, of another version, cut off, or altered. */
  constructor(input: SnapshotInput, name: string) {
    this.#input = input;
    this.#name = name;
    this.bytes = input.size;
    const headers = createHash('sha256');
    headers.update(this.#readFileHeader());
    const sections: SectionHeader[] = [];
    let offset = FILE_HEADER_BYTES;
    for (;;) {
      const header = this.#readHeader(offset);
      offset = header.offset + header.stored;
      if (offset > input.size) throw this.#damaged('it was cut off');
      if (header.name === END) {
        sections.push(header);
        break;
      }
      headers.update(this.#bytes(header.offset - headerBytes(header), headerBytes(header)));
      sections.push(header);
    }
    const digest = headers.digest();
    const end = this.payload(sections.pop()!);
    if (!digest.equals(end)) throw this.#damaged('its parts do not belong together');
    if (offset !== input.size) throw this.#damaged('there is more behind its end');
    this.sections = sections;
    this.identity = digest.toString('hex');
  }

  /** Reads and unpacks a section's payload. */
  payload({ name, codec, length, stored, checksum, offset }: SectionHeader): Uint8Array {
    const bytes = this.#bytes(offset, stored);
    if (crc32(bytes) !== checksum) throw this.#damaged(`the section '${name}' was altered`);
    return unpack(codec, bytes, length, `${this.#name}: the section '${name}'`);
  }

  /** Throws `VmError('bad-file')` when any payload is not what was written. */
  verify(): void {
    for (const { name, stored, checksum, offset } of this.sections) {
      if (crc32(this.#bytes(offset, stored)) !== checksum) {
        throw this.#damaged(`the section '${name}' was altered`);
      }
    }
  }

  #readFileHeader(): Uint8Array {
    const header = this.#input.read(0, FILE_HEADER_BYTES);
    const isOne = MAGIC.every((byte, index) => header[index] === byte);
    if (!isOne) throw new VmError('bad-file', `${this.#name} is no snapshot of a machine`);
    const reader = new ByteReader(header, this.#name, MAGIC.length);
    if (header.length < FILE_HEADER_BYTES) throw this.#damaged('it was cut off');
    const version = reader.u32();
    if (reader.u32() !== crc32(header.subarray(0, 12))) throw this.#damaged('its start was altered');
    if (version !== FILE_VERSION) {
      throw new VmError(
        'bad-file',
        `${this.#name} is a snapshot of format ${version}; this version of Hartscope reads format ${FILE_VERSION}`,
      );
    }
    return header;
  }

  #readHeader(at: number): SectionHeader {
    const bytes = this.#input.read(at, FIXED_HEADER_BYTES + NAME_BYTES_MAX);
    const length = bytes.length < 2 ? 0 : bytes[0]! | (bytes[1]! << 8);
    if (bytes.length < FIXED_HEADER_BYTES) throw this.#damaged('it was cut off');
    if (length < FIXED_HEADER_BYTES || length > FIXED_HEADER_BYTES + NAME_BYTES_MAX) {
      throw this.#damaged('the start of a section was altered');
    }
    if (bytes.length < length) throw this.#damaged('it was cut off');
    const header = bytes.subarray(0, length);
    const reader = new ByteReader(header, this.#name, 2);
    const nameLength = reader.u8();
    if (nameLength + FIXED_HEADER_BYTES !== length) throw this.#damaged('the start of a section was altered');
    const name = new TextDecoder().decode(reader.take(nameLength));
    const section = {
      name,
      version: reader.u16(),
      flags: reader.u8(),
      codec: reader.u8(),
      length: reader.u32(),
      stored: reader.u32(),
      checksum: reader.u32(),
      offset: at + length,
    };
    if (reader.u32() !== crc32(header.subarray(0, length - 4))) {
      throw this.#damaged('the start of a section was altered');
    }
    if (section.length > PAYLOAD_BYTES_MAX || section.stored > PAYLOAD_BYTES_MAX) {
      throw this.#damaged(`the section '${name}' is too long`);
    }
    return section;
  }

  #bytes(offset: number, length: number): Uint8Array {
    const bytes = this.#input.read(offset, length);
    if (bytes.length < length) throw this.#damaged('it was cut off');
    return bytes;
  }

  #damaged(how: string): VmError {
    return new VmError('bad-file', `the snapshot ${this.#name} is damaged: ${how}`);
  }
}

const headerBytes = ({ name }: SectionHeader): number =>
  FIXED_HEADER_BYTES + new TextEncoder().encode(name).length;

function encodeHeader(section: SectionHeader): Uint8Array {
  const name = new TextEncoder().encode(section.name);
  assert(name.length <= NAME_BYTES_MAX, 'a name that a reader accepts');
  const header = new Uint8Array(FIXED_HEADER_BYTES + name.length);
  const view = new DataView(header.buffer);
  view.setUint16(0, header.length, true);
  view.setUint8(2, name.length);
  header.set(name, 3);
  const at = 3 + name.length;
  view.setUint16(at, section.version, true);
  view.setUint8(at + 2, section.flags);
  view.setUint8(at + 3, section.codec);
  view.setUint32(at + 4, section.length, true);
  view.setUint32(at + 8, section.stored, true);
  view.setUint32(at + 12, section.checksum, true);
  view.setUint32(at + 16, crc32(header.subarray(0, at + 16)), true);
  return header;
}
