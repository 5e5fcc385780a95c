/** Block types and options of the PCAP Next Generation capture format (draft-ietf-opsawg-pcapng). */
const SECTION_HEADER = 0x0a0d0d0a;
const BYTE_ORDER = 0x1a2b3c4d;
const INTERFACE_DESCRIPTION = 1;
const ENHANCED_PACKET = 6;
const LINKTYPE_ETHERNET = 1;
const OPTION_END = 0;
const OPTION_FLAGS = 2;
const OPTION_NAME = 2;
const OPTION_TIME_RESOLUTION = 9;

/** The direction in a packet's flags, as the guest's card sees it (section 4.3.1). */
const DIRECTION = { 'to-guest': 1, 'from-guest': 2 } as const;

/** Writes frames as a capture file that Wireshark and its kin read. Times are nanoseconds since 1970. */
export class PcapngWriter {
  readonly #write: (bytes: Uint8Array) => void;

  /** Writes the headers at once. `name` is the card's. */
  constructor(write: (bytes: Uint8Array) => void, name = 'net0') {
    this.#write = write;
    const section = new Uint8Array(16);
    const view = new DataView(section.buffer);
    view.setUint32(0, BYTE_ORDER, true);
    view.setUint16(4, 1, true);
    view.setBigInt64(8, -1n, true); // The section's length is not known yet.
    this.#block(SECTION_HEADER, [section]);
    const description = new Uint8Array(8);
    new DataView(description.buffer).setUint16(0, LINKTYPE_ETHERNET, true);
    const options = [
      option(OPTION_NAME, new TextEncoder().encode(name)),
      option(OPTION_TIME_RESOLUTION, Uint8Array.of(9)),
      option(OPTION_END, new Uint8Array(0)),
    ];
    this.#block(INTERFACE_DESCRIPTION, [description, ...options]);
  }

  frame(frame: Uint8Array, direction: keyof typeof DIRECTION, nowNs: number): void {
    const header = new Uint8Array(20);
    const view = new DataView(header.buffer);
    const time = BigInt(Math.floor(nowNs));
    view.setUint32(4, Number(time >> 32n), true);
    view.setUint32(8, Number(time & 0xffffffffn), true);
    view.setUint32(12, frame.length, true);
    view.setUint32(16, frame.length, true);
    const flags = option(OPTION_FLAGS, Uint8Array.of(DIRECTION[direction], 0, 0, 0));
    this.#block(ENHANCED_PACKET, [header, padded(frame), flags, option(OPTION_END, new Uint8Array(0))]);
  }

  #block(type: number, parts: readonly Uint8Array[]): void {
    const length = 12 + parts.reduce((sum, part) => sum + part.length, 0);
    const block = new Uint8Array(length);
    const view = new DataView(block.buffer);
    view.setUint32(0, type, true);
    view.setUint32(4, length, true);
    let at = 8;
    for (const part of parts) {
      block.set(part, at);
      at += part.length;
    }
    view.setUint32(at, length, true);
    this.#write(block);
  }
}

function option(code: number, value: Uint8Array): Uint8Array {
  const body = padded(value);
  const bytes = new Uint8Array(4 + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, code, true);
  view.setUint16(2, value.length, true);
  bytes.set(body, 4);
  return bytes;
}

/** All parts of a block are filled up to 32 bits. */
function padded(bytes: Uint8Array): Uint8Array {
  if (bytes.length % 4 === 0) return bytes;
  const whole = new Uint8Array((bytes.length + 3) & ~3);
  whole.set(bytes);
  return whole;
}
