import { ByteReader } from '../base/bytes.ts';
import { VmError } from '../base/vm-error.ts';
import type { GuestMemory } from '../contracts/memory.ts';
import { CODEC, type Codec } from './compression.ts';
import type { Container, ContainerWriter } from './container.ts';
import { decodeValue, encodeValue } from './values.ts';

/** `memory`: which pages there are. `pages`: some pages and what stands in them; as many such sections as it takes. */
export const MEMORY_SECTION = 'memory';
export const PAGES_SECTION = 'pages';
export const MEMORY_VERSION = 1;

const PAGE = 4096;
/** A payload of 256 KiB: what is packed together is found again within the codec's window. */
const PAGES_PER_SECTION = 64;

const ZEROS = new Uint8Array(PAGE);

export interface SavedPages {
  /** Pages whose contents were written. */
  readonly written: number;
  /** Those that are not absent. */
  readonly present: number;
}

/**
 * Writes RAM's pages: all that hold anything, or with `sinceMark` those that changed since then. Pages of zeros are only
 * named, absent ones not even looked at.
 */
export function writeMemory(
  writer: ContainerWriter,
  { ram, ramBase, ramSize, pages }: GuestMemory,
  { sinceMark }: { readonly sinceMark: boolean },
): SavedPages {
  const present: number[] = [];
  const zeros: number[] = [];
  // A whole snapshot is for going on quickly, and a part of one for being written while somebody waits.
  const batch = new PageBatch(writer, sinceMark ? CODEC.brotli : CODEC.deflate);
  for (let page = 0; page < pages.count; page++) {
    const isPresent = pages.isPresent(page);
    if (isPresent) addToRanges(present, page);
    if (sinceMark && !pages.isDirty(page)) continue;
    const bytes = isPresent ? ram.subarray(page * PAGE, (page + 1) * PAGE) : ZEROS;
    if (isPresent && Buffer.compare(bytes, ZEROS) !== 0) batch.add(page, bytes);
    else if (sinceMark) addToRanges(zeros, page);
  }
  batch.flush();
  const contents = { base: ramBase, size: ramSize, present, zeros };
  writer.section(MEMORY_SECTION, MEMORY_VERSION, encodeValue(contents));
  return { written: batch.written, present: pages.presentCount };
}

/** Gathers pages for a section. */
class PageBatch {
  written = 0;
  readonly #writer: ContainerWriter;
  readonly #codec: Codec;
  readonly #numbers: number[] = [];
  readonly #payload = new Uint8Array(4 + PAGES_PER_SECTION * (4 + PAGE));

  constructor(writer: ContainerWriter, codec: Codec) {
    this.#writer = writer;
    this.#codec = codec;
  }

  add(page: number, bytes: Uint8Array): void {
    this.#payload.set(bytes, 4 + 4 * PAGES_PER_SECTION + this.#numbers.length * PAGE);
    this.#numbers.push(page);
    this.written += 1;
    if (this.#numbers.length === PAGES_PER_SECTION) this.flush();
  }

  flush(): void {
    const count = this.#numbers.length;
    if (count === 0) return;
    // The numbers end where the contents begin.
    const start = 4 * (PAGES_PER_SECTION - count);
    const view = new DataView(this.#payload.buffer, start);
    view.setUint32(0, count, true);
    for (const [index, page] of this.#numbers.entries()) view.setUint32(4 + 4 * index, page, true);
    const end = 4 + 4 * PAGES_PER_SECTION + count * PAGE;
    this.#writer.section(PAGES_SECTION, MEMORY_VERSION, this.#payload.subarray(start, end), {
      codec: this.#codec,
    });
    this.#numbers.length = 0;
  }
}

/** What the section `memory` says. Pages as ranges: first and count by turns. */
export interface MemoryContents {
  readonly base: number;
  readonly size: number;
  readonly present: readonly number[];
  /** Became zeros since the parent. */
  readonly zeros: readonly number[];
}

/** Throws `VmError('bad-file')` when it is missing or makes no sense. */
export function readMemoryContents(container: Container, name: string): MemoryContents {
  const header = container.sections.find((section) => section.name === MEMORY_SECTION);
  if (header === undefined) throw new VmError('bad-file', `the snapshot ${name} has no memory`);
  const value = decodeValue(container.payload(header), `the snapshot ${name}: the section 'memory'`);
  if (!isContents(value)) throw new VmError('bad-file', `the snapshot ${name}: its memory makes no sense`);
  return value;
}

/** What the snapshots looked at so far say of a page. */
const KNOWN = { written: 1, zero: 2 } as const;

/**
 * Fills RAM from a snapshot and those it builds on, newest first. Throws `VmError('bad-file')`; RAM then holds a part of it.
 */
export function readMemory(
  chain: readonly { readonly container: Container; readonly name: string }[],
  { ram, pages }: GuestMemory,
): void {
  const known = new Uint8Array(pages.count);
  for (const { container, name } of chain) {
    const contents = readMemoryContents(container, name);
    // A page is of the newest snapshot that has it, also where that says that it is zero.
    for (const page of inRanges(contents.zeros)) known[page] ||= KNOWN.zero;
    for (const header of container.sections) {
      if (header.name !== PAGES_SECTION) continue;
      readPages(container.payload(header), name, (page, bytes) => {
        if (page >= pages.count) throw new VmError('bad-file', `the snapshot ${name} has a page outside RAM`);
        if (known[page] !== 0) return;
        known[page] = KNOWN.written;
        ram.set(bytes, page * PAGE);
      });
    }
  }
  const [newest] = chain;
  const { present } = readMemoryContents(newest!.container, newest!.name);
  // What stands in the others is of another run.
  for (let page = 0; page < pages.count; page++) {
    if (known[page] !== KNOWN.written && pages.isPresent(page)) ram.fill(0, page * PAGE, (page + 1) * PAGE);
  }
  pages.replace(inRanges(present));
}

function readPages(payload: Uint8Array, name: string, each: (page: number, bytes: Uint8Array) => void): void {
  const reader = new ByteReader(payload, `the snapshot ${name}: pages`);
  const count = reader.u32();
  if (count > PAGES_PER_SECTION) throw reader.error('too many in one section');
  const numbers = Array.from({ length: count }, () => reader.u32());
  for (const page of numbers) each(page, reader.take(PAGE));
}

function addToRanges(ranges: number[], page: number): void {
  const last = ranges.length - 2;
  if (last >= 0 && ranges[last]! + ranges[last + 1]! === page) ranges[last + 1]! += 1;
  else ranges.push(page, 1);
}

function* inRanges(ranges: readonly number[]): Iterable<number> {
  for (let at = 0; at < ranges.length; at += 2) {
    for (let index = 0; index < ranges[at + 1]!; index++) yield ranges[at]! + index;
  }
}

function isContents(value: unknown): value is MemoryContents {
  if (typeof value !== 'object' || value === null) return false;
  const { base, size, present, zeros } = value as Readonly<Record<string, unknown>>;
  if (!Number.isSafeInteger(base) || !Number.isSafeInteger(size)) return false;
  const count = (size as number) / PAGE;
  return isRanges(present, count) && isRanges(zeros, count);
}

function isRanges(value: unknown, pages: number): boolean {
  if (!Array.isArray(value) || value.length % 2 !== 0 || !value.every(Number.isSafeInteger)) return false;
  let end = 0;
  for (let at = 0; at < value.length; at += 2) {
    if (value[at] < end || value[at + 1] < 1) return false;
    end = value[at] + value[at + 1];
  }
  return end <= pages;
}
