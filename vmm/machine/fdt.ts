import { ByteReader } from '../base/bytes.ts';
import { VmError } from '../base/vm-error.ts';

/** A node of a device tree. Property values are raw bytes, big-endian where they are numbers. */
export interface FdtNode {
  /** With the unit address: `serial@10000000`; empty for the root. */
  readonly name: string;
  readonly properties: Map<string, Uint8Array>;
  readonly children: FdtNode[];
}

/** Values of properties as people write them: text, lists of text, 32-bit cells, or nothing. */
export type FdtValue = string | readonly string[] | readonly number[] | Uint8Array | true;

/** Builds a node; a property that is undefined is left out. */
export function fdtNode(
  name: string,
  properties: Readonly<Record<string, FdtValue | undefined>>,
  children: readonly FdtNode[] = [],
): FdtNode {
  const entries = Object.entries(properties).flatMap(([key, value]): [string, Uint8Array][] =>
    value === undefined ? [] : [[key, fdtValue(value)]],
  );
  return { name, properties: new Map(entries), children: [...children] };
}

/** The bytes of a property's value (Devicetree Specification, "Property values"). */
export function fdtValue(value: FdtValue): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (value === true) return new Uint8Array(0);
  if (typeof value === 'string') return utf8.encode(value + '\0');
  if (isTexts(value)) return utf8.encode(value.map((text) => text + '\0').join(''));
  const bytes = new Uint8Array(value.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [index, cell] of value.entries()) view.setUint32(index * 4, cell);
  return bytes;
}

/** A 64-bit number as two cells. */
export const cells64 = (value: bigint | number): [number, number] => {
  const wide = BigInt(value);
  return [Number(wide >> 32n), Number(wide & 0xffff_ffffn)];
};

/** Writes a flattened device tree, version 17 (Devicetree Specification 0.4, chapter 5). */
export function encodeFdt(root: FdtNode): Uint8Array {
  const strings = new Strings();
  const structure: number[] = [];
  writeNode(root, structure, strings);
  word(structure, TOKEN.end);
  const names = strings.bytes();
  const structureOffset = HEADER_SIZE + RESERVATIONS_SIZE;
  const stringsOffset = structureOffset + structure.length;
  const total = align4(stringsOffset + names.length);
  const blob = new Uint8Array(total);
  const view = new DataView(blob.buffer);
  const header = [MAGIC, total, structureOffset, stringsOffset, HEADER_SIZE, VERSION, COMPATIBLE_VERSION, 0];
  for (const [index, field] of [...header, names.length, structure.length].entries()) {
    view.setUint32(index * 4, field);
  }
  blob.set(structure, structureOffset);
  blob.set(names, stringsOffset);
  return blob;
}

/** Reads a flattened device tree. Throws `VmError('bad-file')` when it is none or is damaged. */
export function decodeFdt(bytes: Uint8Array): FdtNode {
  if (bytes.length < 4 || cell(bytes, 0) !== MAGIC) {
    throw new VmError(
      'bad-file',
      'not a device tree blob: it does not start with d0 0d fe ed (compile it with dtc)',
    );
  }
  if (bytes.length < HEADER_SIZE) {
    throw new VmError(
      'bad-file',
      `the device tree is truncated: ${bytes.length} bytes, its header alone takes ${HEADER_SIZE}`,
    );
  }
  const total = cell(bytes, 4);
  if (total > bytes.length) {
    throw new VmError('bad-file', `the device tree is truncated: ${bytes.length} of ${total} bytes`);
  }
  if (cell(bytes, 24) > VERSION || cell(bytes, 20) < COMPATIBLE_VERSION) {
    throw new VmError(
      'bad-file',
      `the device tree has version ${cell(bytes, 20)}, this reader knows ${VERSION}`,
    );
  }
  const structure = new ByteReader(bytes, 'the device tree', cell(bytes, 8), total);
  const strings = new ByteReader(bytes, "the device tree's names", cell(bytes, 12), total);
  if (nextToken(structure) !== TOKEN.beginNode) throw structure.error('does not begin with a node');
  return readNode(structure, strings, 0);
}

/** The child of a node by name, with or without its unit address. */
export function fdtChild(node: FdtNode, name: string): FdtNode | undefined {
  return node.children.find((child) => child.name === name || child.name.split('@')[0] === name);
}

const MAGIC = 0xd00d_feed;
const VERSION = 17;
const COMPATIBLE_VERSION = 16;
const HEADER_SIZE = 40;
/** The memory reservation block: nothing is reserved, so only its end. */
const RESERVATIONS_SIZE = 16;
const TOKEN = { beginNode: 1, endNode: 2, property: 3, nop: 4, end: 9 } as const;
/** Levels of nodes; real trees have below ten. */
const DEPTH_MAX = 32;

const utf8 = new TextEncoder();
const align4 = (value: number): number => (value + 3) & ~3;
const isTexts = (value: readonly (string | number)[]): value is readonly string[] =>
  typeof value[0] === 'string';

/** The strings block, each name once. */
class Strings {
  readonly #offsets = new Map<string, number>();
  #text = '';

  offset(name: string): number {
    let offset = this.#offsets.get(name);
    if (offset === undefined) {
      offset = this.#text.length;
      this.#offsets.set(name, offset);
      this.#text += name + '\0';
    }
    return offset;
  }

  bytes(): Uint8Array {
    return utf8.encode(this.#text);
  }
}

function word(out: number[], value: number): void {
  out.push((value >>> 24) & 0xff, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff);
}

function padded(out: number[], bytes: Uint8Array): void {
  for (const byte of bytes) out.push(byte);
  while (out.length % 4 !== 0) out.push(0);
}

function writeNode(node: FdtNode, out: number[], strings: Strings): void {
  word(out, TOKEN.beginNode);
  padded(out, utf8.encode(node.name + '\0'));
  for (const [name, value] of node.properties) {
    word(out, TOKEN.property);
    word(out, value.length);
    word(out, strings.offset(name));
    padded(out, value);
  }
  for (const child of node.children) writeNode(child, out, strings);
  word(out, TOKEN.endNode);
}

const cell = (bytes: Uint8Array, offset: number): number =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(offset);

function bigEndian(reader: ByteReader): number {
  const at = reader.offset;
  reader.skip(4);
  return cell(reader.bytes, at);
}

function nextToken(reader: ByteReader): number {
  let token: number;
  do token = bigEndian(reader);
  while (token === TOKEN.nop);
  return token;
}

function readNode(structure: ByteReader, strings: ByteReader, depth: number): FdtNode {
  if (depth > DEPTH_MAX) throw structure.error(`nests deeper than ${DEPTH_MAX} nodes`);
  const node: FdtNode = { name: structure.cstring(), properties: new Map(), children: [] };
  skipPadding(structure);
  for (;;) {
    const token = nextToken(structure);
    switch (token) {
      case TOKEN.beginNode:
        node.children.push(readNode(structure, strings, depth + 1));
        break;
      case TOKEN.property: {
        const length = bigEndian(structure);
        const name = strings.at(strings.offset + bigEndian(structure)).cstring();
        node.properties.set(name, Uint8Array.from(structure.take(length)));
        skipPadding(structure);
        break;
      }
      case TOKEN.endNode:
        return node;
      default:
        throw structure.error(`token ${token} stands where a node's contents should`);
    }
  }
}

function skipPadding(reader: ByteReader): void {
  // Structure offsets are multiples of 4 in the blob, which begins aligned.
  reader.seek(Math.min(align4(reader.offset), reader.end));
}
